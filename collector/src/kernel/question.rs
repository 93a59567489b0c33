//! Questions to the kernel side: programs that are run in the asking thread, and answer in a map.

use super::Kernel;
use crate::Error;
use crate::lock::lock;
use abi::{Identity, Verdict};
use aya::programs::{Program, RawTracePointRunOptions, TestRun};
use std::os::fd::{AsRawFd, BorrowedFd};

impl Kernel {
    /// What an open descriptor of this process is, as the kernel side sees it.
    ///
    /// # Errors
    /// A descriptor that is no file.
    pub fn identify(&self, fd: BorrowedFd<'_>) -> Result<Identity, Error> {
        let mut answers = lock(&self.answers);
        let nothing =
            Identity { file: abi::ANY_DIR, place: 0, name: 0, magic: 0, mode: 0, nlink: 0, found: 0, uid: 0 };
        let wrong = |what, source| Error::Map { name: "IDENTITY", what, source: Box::new(source) };
        answers.0.set(0, nothing, 0).map_err(|source| wrong("written", source))?;
        self.ask("identify", [fd.as_raw_fd() as u64, 0, 0, 0])?;
        let identity = answers.0.get(&0, 0).map_err(|source| wrong("read", source))?;
        if identity.found == 1 { Ok(identity) } else { Err(Error::NotAFile(fd.as_raw_fd())) }
    }

    /// What the deny-list says to process `tgid` doing `access` by its thread `tid` to what this process has open as `fd`.
    /// A refusal is recorded as the member's own; a process outside every session is not decided on.
    ///
    /// # Errors
    /// The kernel side could not be asked.
    pub fn judge(&self, tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Result<Verdict, Error> {
        let mut answers = lock(&self.answers);
        let undecided = Verdict { stage: abi::STAGE_NONE, means: 0, flags: 0, reason: 0 };
        let wrong = |what, source| Error::Map { name: "VERDICT", what, source: Box::new(source) };
        answers.1.set(0, undecided, 0).map_err(|source| wrong("written", source))?;
        self.ask("judge", [u64::from(tgid), u64::from(tid), fd.as_raw_fd() as u64, u64::from(access)])?;
        answers.1.get(&0, 0).map_err(|source| wrong("read", source))
    }

    /// Runs a question. Its answer lies in a map: the return value of a test run is not handed on by every kernel.
    fn ask(&self, name: &'static str, args: [u64; 4]) -> Result<(), Error> {
        let bpf = lock(&self.bpf);
        let Some(Program::RawTracePoint(program)) = bpf.program(name) else {
            return Err(Error::Incomplete(name));
        };
        let mut options = RawTracePointRunOptions::new();
        options.args[..4].copy_from_slice(&args);
        program.test_run(options).map_err(|source| Error::Program {
            name: name.to_owned(),
            what: "run",
            source: Box::new(source),
        })?;
        Ok(())
    }
}
