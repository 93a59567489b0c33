//! The kernel side as one object: loaded, attached while sessions run, its maps and its questions.

use crate::btf::Btf;
use crate::cast;
use crate::judge::JudgeIds;
use crate::load::{self, Facts, lsm_is_active};
use crate::maps::Maps;
use crate::programs::LSM;
use crate::{Error, Offsets, Reader};
use abi::{Identity, Verdict};
use aya::Ebpf;
use aya::maps::{Array, MapData, ProgramArray};
use std::any::Any;
use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What this kernel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// BPF LSM programs load and fire: every operation can be refused in the kernel.
    Lsm,
    /// Only tracepoints and cgroup hooks: the deny-list also feeds fanotify, and what is left is killed or frozen.
    Tracepoint,
}

impl Tier {
    /// Its name, as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Lsm => "lsm",
            Tier::Tracepoint => "tracepoint",
        }
    }
}

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

/// The prebuilt kernel programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../ebpf/prebuilt/wardline.bpf.o");

/// Names an object to load in place of the prebuilt one: for the test of a rebuilt one.
const OBJECT_VARIABLE: &str = "WARDLINE_BPF_OBJECT";

/// The kernel side, loaded. Attached only between [`Kernel::attach`] and [`Kernel::detach`]; dropping it detaches too.
pub struct Kernel {
    /// The lock also makes questions wait for each other: their answers lie in one place.
    pub(crate) bpf: Mutex<Ebpf>,
    pub(crate) answers: Mutex<(Array<MapData, Identity>, Array<MapData, Verdict>)>,
    pub(crate) maps: Maps,
    pub(crate) members: OwnedFd,
    pub(crate) judge_ids: JudgeIds,
    /// Keeps the programs in it: a program array is emptied when its last user-space holder is gone.
    pub(crate) _forms: ProgramArray<MapData>,
    pub(crate) offsets: Offsets,
    pub(crate) setattr_idmap: bool,
    pub(crate) tier: Tier,
    pub(crate) programs: Mutex<Vec<Attached>>,
    pub(crate) links: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Kernel {
    /// Finds the running kernel's offsets and loads every program that it takes; attaches nothing.
    ///
    /// # Errors
    /// No BTF, a missing field, a damaged object, or a kernel that refuses even tracepoint programs.
    pub fn load(options: &Options) -> Result<(Kernel, Reader), Error> {
        let btf = Btf::read()?;
        let offsets = Offsets::find(&btf)?;
        let facts = Facts::find(&btf)?;
        let mut object = match std::env::var_os(OBJECT_VARIABLE) {
            Some(path) => {
                let path = PathBuf::from(path);
                Cow::Owned(std::fs::read(&path).map_err(|error| Error::Object(path, error))?)
            }
            None => Cow::Borrowed(OBJECT),
        };
        cast::link(object.to_mut(), facts.cast)?;
        let mut refused = Vec::new();
        if !options.without_lsm && lsm_is_active() {
            let mut bpf = load::open(&object, &offsets, &facts, Tier::Lsm)?;
            // First: a kernel that refuses these is not asked to verify all the others twice.
            let hooks = load::load_hooks(&mut bpf, &facts)?;
            let is_missing = |hook: &Attached| hook.error.is_some() && LSM.contains(&hook.name.as_str());
            if !hooks.iter().any(is_missing) {
                return Self::complete(bpf, &offsets, &facts, Tier::Lsm, hooks);
            }
            refused.extend(hooks.into_iter().filter(|hook| hook.error.is_some()));
        }
        let bpf = load::open(&object, &offsets, &facts, Tier::Tracepoint)?;
        Self::complete(bpf, &offsets, &facts, Tier::Tracepoint, refused)
    }

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

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
