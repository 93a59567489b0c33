//! The deny-list's word in a process of its own, which goes on answering while the one that loaded the programs stands still.

use crate::Error;
use crate::lock::lock;
use abi::{Member, Verdict};
use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use aya::programs::{Program, RawTracePoint, RawTracePointRunOptions, TestRun, loaded_programs};
use std::borrow::Cow;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Mutex;

/// The program that decides, and its name for errors.
const PROGRAM: &str = "judge";

/// Numbers by which another process of root finds what it needs, bpf(2): they hold as long as the programs are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgeIds {
    /// The program.
    pub program: u32,
    /// The map that it answers in.
    pub verdict: u32,
    /// The map of members.
    pub members: u32,
}

/// The deny-list, to be asked.
pub struct Judge {
    members: Mutex<HashMap<MapData, u32, Member>>,
    asked: Mutex<(RawTracePoint, Array<MapData, Verdict>)>,
}

impl JudgeIds {
    /// Of an object that was loaded.
    pub(crate) fn of(bpf: &Ebpf) -> Result<Self, Error> {
        let Some(Program::RawTracePoint(program)) = bpf.program(PROGRAM) else {
            return Err(Error::Incomplete(PROGRAM));
        };
        let program = program.info().map_err(|source| Error::Program {
            name: PROGRAM.to_owned(),
            what: "found",
            source: Box::new(source),
        })?;
        let map = |name| match bpf.map(name) {
            Some(Map::HashMap(map) | Map::Array(map)) => {
                map.info().map(|info| info.id()).map_err(|source| wrong(name, "found", source))
            }
            _ => Err(Error::Incomplete(name)),
        };
        Ok(Self { program: program.id(), verdict: map("VERDICT")?, members: map("MEMBERS")? })
    }
}

impl Judge {
    /// Opens it.
    ///
    /// # Errors
    /// Something of it is not loaded any more.
    pub fn open(ids: &JudgeIds) -> Result<Self, Error> {
        let info = loaded_programs().filter_map(Result::ok).find(|info| info.id() == ids.program);
        let info = info.ok_or(Error::Incomplete(PROGRAM))?;
        let program = RawTracePoint::from_program_info(info, Cow::Borrowed(PROGRAM)).map_err(|source| {
            Error::Program { name: PROGRAM.to_owned(), what: "opened", source: Box::new(source) }
        })?;
        let map = |name, id| MapData::from_id(id).map_err(|source| wrong(name, "opened", source));
        let members = HashMap::try_from(Map::HashMap(map("MEMBERS", ids.members)?))
            .map_err(|source| wrong("MEMBERS", "read", source))?;
        let verdict = Array::try_from(Map::Array(map("VERDICT", ids.verdict)?))
            .map_err(|source| wrong("VERDICT", "read", source))?;
        Ok(Self { members: Mutex::new(members), asked: Mutex::new((program, verdict)) })
    }

    /// The entry of a process, when it is inside a session.
    ///
    /// # Errors
    /// The map could not be read.
    pub fn member(&self, pid: u32) -> Result<Option<Member>, Error> {
        match lock(&self.members).get(&pid, 0) {
            Ok(member) => Ok(Some(member)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(wrong("MEMBERS", "read", source)),
        }
    }

    /// Every member that could be read; those that come or go meanwhile may be missed.
    pub fn members(&self) -> Vec<(u32, Member)> {
        lock(&self.members).iter().filter_map(Result::ok).collect()
    }

    /// As [`Kernel::judge`](crate::Kernel::judge): of a descriptor of this process.
    ///
    /// # Errors
    /// The kernel side could not be asked.
    pub fn judge(&self, tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Result<Verdict, Error> {
        let mut asked = lock(&self.asked);
        let (program, verdict) = &mut *asked;
        let undecided = Verdict { stage: abi::STAGE_NONE, means: 0, flags: 0, reason: 0 };
        verdict.set(0, undecided, 0).map_err(|source| wrong("VERDICT", "written", source))?;
        let mut options = RawTracePointRunOptions::new();
        options.args[..4].copy_from_slice(&[
            u64::from(tgid),
            u64::from(tid),
            fd.as_raw_fd() as u64,
            u64::from(access),
        ]);
        program.test_run(options).map_err(|source| Error::Program {
            name: PROGRAM.to_owned(),
            what: "run",
            source: Box::new(source),
        })?;
        verdict.get(&0, 0).map_err(|source| wrong("VERDICT", "read", source))
    }
}

fn wrong(name: &'static str, what: &'static str, source: MapError) -> Error {
    Error::Map { name, what, source: Box::new(source) }
}
