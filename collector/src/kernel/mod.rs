//! The kernel side as one object: loaded, attached while sessions run, its maps and its questions.

mod attach;
mod deadline;
pub(crate) mod load;
mod question;
mod tables;

use crate::Offsets;
use crate::judge::JudgeIds;
use crate::lock::lock;
use crate::maps::Maps;
use abi::{Identity, Verdict};
use aya::Ebpf;
use aya::maps::{Array, MapData, ProgramArray};
use event::Tier;
use std::any::Any;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Stay in the tracepoint tier even where LSM programs load: for tests, and to see what it would be like.
    pub without_lsm: bool,
}

/// One program, and how far it came.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Attached {
    /// The program.
    pub name: String,
    /// The hook, as the kernel calls it; several, with spaces between.
    pub hook: String,
    /// `None`: loaded and attached. Otherwise why not.
    pub error: Option<String>,
}

/// The kernel side, loaded. Attached only between [`Kernel::attach`] and [`Kernel::detach`]; dropping it detaches too.
pub struct Kernel {
    /// The lock also makes questions wait for each other: their answers lie in one place.
    pub(crate) bpf: Mutex<Ebpf>,
    pub(crate) answers: Mutex<(Array<MapData, Identity>, Array<MapData, Verdict>)>,
    pub(crate) maps: Maps,
    pub(crate) members: OwnedFd,
    pub(crate) judge_ids: JudgeIds,
    pub(crate) strays_id: u32,
    /// Keeps the programs in it: a program array is emptied when its last user-space holder is gone.
    pub(crate) _forms: ProgramArray<MapData>,
    pub(crate) offsets: Offsets,
    pub(crate) setattr_idmap: bool,
    pub(crate) tier: Tier,
    pub(crate) programs: Mutex<Vec<Attached>>,
    pub(crate) links: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Kernel {
    /// What this kernel can do.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Every program, and why one is missing.
    pub fn programs(&self) -> Vec<Attached> {
        lock(&self.programs).clone()
    }

    /// The offsets that were found.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// What another process opens a [`Judge`](crate::Judge) by.
    pub fn judge_ids(&self) -> JudgeIds {
        self.judge_ids
    }

    /// By which [`Strays`](crate::Strays) are found.
    pub fn strays_id(&self) -> u32 {
        self.strays_id
    }

    /// The member map, for whoever must find the members when this process is gone.
    pub fn members_fd(&self) -> BorrowedFd<'_> {
        self.members.as_fd()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.detach();
    }
}
