//! Attaches the kernel programs while sessions run, and detaches them.

use super::Kernel;
use crate::Error;
use crate::hooks;
use crate::lock::lock;
use crate::programs::{CGROUPS, DATA_READY, INGRESS, TRACEPOINTS, TRACEPOINTS_MORE, program};
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Lsm, Program, ProgramError, RawTracePoint};
use event::Tier;
use std::any::Any;
use std::collections::HashSet;
use sys::mountinfo::cgroup_root;

impl Kernel {
    /// Attaches every program that loaded. Nothing happens when they are attached already.
    ///
    /// # Errors
    /// No cgroup v2, or a program that the kernel will not attach; nothing stays attached then.
    pub fn attach(&self) -> Result<(), Error> {
        let mut links = lock(&self.links);
        if !links.is_empty() {
            return Ok(());
        }
        self.forget_strays();
        let mut bpf = lock(&self.bpf);
        let mut made: Vec<Box<dyn Any + Send>> = Vec::new();
        let loaded: HashSet<String> =
            lock(&self.programs).iter().filter(|p| p.error.is_none()).map(|p| p.name.clone()).collect();
        let cgroup = open_cgroup_root()?;
        let wrong = |name: &str, source: ProgramError| Error::Program {
            name: name.to_owned(),
            what: "attached",
            source: Box::new(source),
        };
        // A link allows others beside it whatever the mode says: the kernel wants no flags there.
        for (name, _) in CGROUPS.iter().filter(|(name, _)| loaded.contains(*name)) {
            let link: Box<dyn Any + Send> = match bpf.program_mut(name) {
                Some(Program::CgroupSockAddr(program)) => {
                    let id = program.attach(&cgroup, CgroupAttachMode::Single).map_err(|e| wrong(name, e))?;
                    Box::new(program.take_link(id).map_err(|e| wrong(name, e))?)
                }
                Some(Program::CgroupSock(program)) => {
                    let id = program.attach(&cgroup, CgroupAttachMode::Single).map_err(|e| wrong(name, e))?;
                    Box::new(program.take_link(id).map_err(|e| wrong(name, e))?)
                }
                Some(Program::CgroupSkb(program)) => {
                    let direction = match *name {
                        INGRESS => CgroupSkbAttachType::Ingress,
                        _ => CgroupSkbAttachType::Egress,
                    };
                    let id = program
                        .attach(&cgroup, direction, CgroupAttachMode::Single)
                        .map_err(|e| wrong(name, e))?;
                    Box::new(program.take_link(id).map_err(|e| wrong(name, e))?)
                }
                _ => return Err(Error::Incomplete(name)),
            };
            made.push(link);
        }
        if self.tier == Tier::Lsm {
            for name in hooks::names().filter(|name| loaded.contains(*name)) {
                let program: &mut Lsm = program(&mut bpf, hooks::program_of(name, self.setattr_idmap))?;
                let id = program.attach().map_err(|e| wrong(name, e))?;
                made.push(Box::new(program.take_link(id).map_err(|e| wrong(name, e))?));
            }
        }
        for (name, tracepoint) in TRACEPOINTS {
            let program: &mut RawTracePoint = program(&mut bpf, name)?;
            let id = program.attach(tracepoint).map_err(|e| wrong(name, e))?;
            made.push(Box::new(program.take_link(id).map_err(|e| wrong(name, e))?));
        }
        for (name, tracepoints) in TRACEPOINTS_MORE.iter().filter(|(name, _)| loaded.contains(*name)) {
            let program: &mut RawTracePoint = program(&mut bpf, name)?;
            let mut taken = Vec::new();
            for tracepoint in *tracepoints {
                match program.attach(tracepoint) {
                    Ok(id) => {
                        made.push(Box::new(program.take_link(id).map_err(|e| wrong(name, e))?));
                        taken.push(*tracepoint);
                    }
                    Err(error) if *name == DATA_READY => return Err(wrong(name, error)),
                    // The names of one that moved: whichever this kernel has.
                    Err(_) => {}
                }
            }
            if let Some(program) = lock(&self.programs).iter_mut().find(|program| program.name == *name) {
                if taken.is_empty() {
                    program.error = Some("this kernel has no such tracepoint".to_owned());
                } else {
                    program.hook = taken.join(" ");
                }
            }
        }
        *links = made;
        Ok(())
    }

    /// Detaches every program.
    pub fn detach(&self) {
        lock(&self.links).clear();
    }
}

/// The root of all cgroups.
fn open_cgroup_root() -> Result<std::fs::File, Error> {
    let root = cgroup_root()
        .map_err(|error| Error::Io { what: "finding cgroup v2".to_owned(), source: error.into() })?;
    std::fs::File::open(&root)
        .map_err(|source| Error::Io { what: format!("opening the cgroup root `{}`", root.display()), source })
}
