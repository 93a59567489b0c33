//! Loads the kernel programs: offsets written into them, every program offered to the verifier, tables filled.

use super::{Attached, Kernel, Options};
use crate::btf::Btf;
use crate::cast::{self, Cast};
use crate::judge::JudgeIds;
use crate::maps::Maps;
use crate::offsets::{Registers, registers};
use crate::programs::{
    CGROUPS, CHANGED, DATA_READY, FORMS, IO_COMPLETE, QUESTIONS, TRACEPOINTS, TRACEPOINTS_MORE, program,
};
use crate::strays::Strays;
use crate::verify::verify;
use crate::{Error, Offsets, Reader, calls, hooks, prototype};
use abi::Plan;
use aya::maps::{Array, Map, MapData, ProgramArray};
use aya::programs::{Program, ProgramError, RawTracePoint};
use aya::{Ebpf, EbpfLoader};
use event::Tier;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Mutex;

/// The prebuilt kernel programs, compressed by `build.rs`: most of an object is zeros and names.
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/wardline.bpf.o.deflate"));
/// More than an object ever has, bytes.
const OBJECT_MAX: usize = 16 << 20;

/// Names an object to load in place of the prebuilt one: for the test of a rebuilt one.
const OBJECT_VARIABLE: &str = "WARDLINE_BPF_OBJECT";

/// The prebuilt kernel programs.
pub(crate) fn prebuilt() -> Result<Vec<u8>, Error> {
    decompress_to_vec_with_limit(OBJECT, OBJECT_MAX)
        .map_err(|error| Error::Object("(the prebuilt one)".into(), std::io::Error::other(error.to_string())))
}

/// What the running kernel's types say besides field offsets.
#[derive(Clone)]
pub(crate) struct Facts {
    /// Registers of a system call.
    registers: Registers,
    /// `inode_setattr` has its `idmap` argument.
    pub(crate) setattr_idmap: bool,
    /// LSM hooks whose arguments are not where the program reads them, and which.
    misfits: HashMap<&'static str, String>,
    /// The tracepoints that say which inodes change.
    says_changes: bool,
    /// The tracepoint that says what has reached a socket.
    says_ready: bool,
    /// How to read requests through io_uring.
    requests: Vec<(u32, Plan)>,
    /// How `io_uring_complete` says what came of one; `None`: in a way that is not known.
    completions: Option<Completions>,
    /// How memory is read with loads.
    pub(crate) cast: Option<Cast>,
}

/// What `io_uring_complete` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Completions {
    /// The entry of the completion queue.
    Entry,
    /// What stands in it (before Linux 6.15).
    Result,
}

impl Facts {
    pub(crate) fn find(btf: &Btf) -> Result<Self, Error> {
        // A program of a tracepoint has the kernel's own context before the tracepoint's arguments.
        let arguments = |tracepoint: &str| btf.parameters(&format!("__bpf_trace_{tracepoint}"));
        let setattr_idmap = btf.parameters("bpf_lsm_inode_setattr").is_some_and(|count| count >= 3);
        let misfit =
            |hook| Some((hook, prototype::misfit(btf, hooks::program_of(hook, setattr_idmap), hook)?));
        Ok(Self {
            registers: registers(btf)?,
            setattr_idmap,
            misfits: hooks::names().filter_map(misfit).collect(),
            says_changes: arguments("ctime_ns_xchg").is_some(),
            says_ready: arguments("sk_data_ready").is_some(),
            requests: calls::requests(btf),
            completions: match arguments("io_uring_complete") {
                Some(4) => Some(Completions::Entry),
                Some(8) => Some(Completions::Result),
                _ => None,
            },
            cast: Cast::find(btf),
        })
    }

    fn wants(&self, program: &str, tier: Tier) -> bool {
        match program {
            CHANGED => tier == Tier::Tracepoint && self.says_changes,
            DATA_READY => tier == Tier::Tracepoint && self.says_ready,
            IO_COMPLETE => self.completions.is_some(),
            _ => true,
        }
    }
}

/// The object with what the running kernel and the tier say written into it: maps made, no program loaded.
fn open(object: &[u8], offsets: &Offsets, facts: &Facts, tier: Tier) -> Result<Ebpf, Error> {
    let mut loader = EbpfLoader::new();
    for field in &offsets.0 {
        loader.override_global(field.global, &field.offset, true);
    }
    let is_lsm = u32::from(tier == Tier::Lsm);
    loader.override_global("TIER_LSM", &is_lsm, true);
    let io_entry = u32::from(facts.completions == Some(Completions::Entry));
    loader.override_global("IO_ENTRY", &io_entry, true);
    let ready = u32::from(facts.wants(DATA_READY, tier));
    loader.override_global("READY", &ready, true);
    let words = facts.cast.map_or(0, |cast| cast.words);
    loader.override_global("WORDS_TYPE", &words, true);
    loader.map_max_entries("BULK", bulk_bytes());
    Ok(loader.load(object)?)
}

/// Loads the programs of the LSM hooks; with why each that is missing is missing.
fn load_hooks(bpf: &mut Ebpf, facts: &Facts) -> Result<Vec<Attached>, Error> {
    let types = aya::Btf::from_sys_fs().map_err(|error| Error::Btf(error.to_string()))?;
    let hooks: Vec<(&str, &str)> =
        hooks::names().map(|hook| (hooks::program_of(hook, facts.setattr_idmap), hook)).collect();
    let fitting = hooks.iter().filter(|(_, hook)| !facts.misfits.contains_key(hook));
    let programs: Vec<&str> = fitting.map(|(program, _)| *program).collect();
    let mut said = verify(bpf, &programs, |name, program| match program {
        Program::Lsm(program) => {
            let hook = hooks.iter().find(|(of, _)| *of == name).map_or(name, |(_, hook)| *hook);
            program.load(hook, &types)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    });
    let attached = hooks.into_iter().map(|(program, name)| {
        let error = match facts.misfits.get(name) {
            Some(why) => Some(why.clone()),
            None => said.remove(program).ok_or(Error::Incomplete(program))?.as_ref().err().map(reason),
        };
        Ok(Attached { name: name.to_owned(), hook: format!("lsm/{name}"), error })
    });
    attached.collect()
}

/// Loads a program that no hook's types are needed for.
fn load_plain(_: &str, program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::RawTracePoint(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        Program::CgroupSock(program) => program.load(),
        Program::CgroupSkb(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
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
                std::fs::read(&path).map_err(|error| Error::Object(path, error))?
            }
            None => prebuilt()?,
        };
        cast::link(&mut object, facts.cast)?;
        let mut refused = Vec::new();
        if !options.without_lsm && lsm_is_active() {
            let mut bpf = open(&object, &offsets, &facts, Tier::Lsm)?;
            // First: a kernel that refuses these is not asked to verify all the others twice.
            let hooks = load_hooks(&mut bpf, &facts)?;
            let is_missing = |hook: &Attached| hook.error.is_some() && hooks::is_needed(&hook.name);
            if !hooks.iter().any(is_missing) {
                return Self::complete(bpf, &offsets, &facts, Tier::Lsm, hooks);
            }
            refused.extend(hooks.into_iter().filter(|hook| hook.error.is_some()));
        }
        let bpf = open(&object, &offsets, &facts, Tier::Tracepoint)?;
        Self::complete(bpf, &offsets, &facts, Tier::Tracepoint, refused)
    }

    /// Loads the programs that both tiers have, and takes what user space needs of the object. `hooks` are those of
    /// [`load_hooks`] that are to be told of.
    fn complete(
        mut bpf: Ebpf,
        offsets: &Offsets,
        facts: &Facts,
        tier: Tier,
        hooks: Vec<Attached>,
    ) -> Result<(Kernel, Reader), Error> {
        let called = FORMS.iter().map(|(name, form)| (*name, ends_in(*form).to_owned(), true));
        let asked = QUESTIONS.iter().map(|name| (*name, "on request".to_owned(), true));
        let more = TRACEPOINTS_MORE.iter().filter(|(name, _)| facts.wants(name, tier));
        // The others rely on what says that something has come, where the kernel has its place.
        let more = more.map(|(name, hooks)| (*name, hooks.join(" "), *name == DATA_READY));
        let needed = TRACEPOINTS.iter().map(|(name, hook)| (*name, (*hook).to_owned(), true));
        let cgroups = CGROUPS.iter().map(|(name, hook)| (*name, (*hook).to_owned(), false));
        let wanted: Vec<_> = needed.chain(called).chain(asked).chain(more).chain(cgroups).collect();
        let names: Vec<_> = wanted.iter().map(|(name, ..)| *name).collect();
        let mut said = verify(&mut bpf, &names, load_plain);
        let mut programs = Vec::new();
        for (name, hook, needed) in wanted {
            let loaded = said.remove(name).ok_or(Error::Incomplete(name))?;
            programs.push(Attached { name: name.to_owned(), hook, error: loaded.as_ref().err().map(reason) });
            if let (Err(source), true) = (loaded, needed) {
                let source = Box::new(source);
                return Err(Error::Program { name: name.to_owned(), what: "loaded", source });
            }
        }
        programs.extend(hooks);
        let members = match bpf.map("MEMBERS") {
            Some(Map::HashMap(map)) => map.fd().as_fd().try_clone_to_owned().map_err(|source| Error::Io {
                what: "duplicating the descriptor of the member map".to_owned(),
                source,
            })?,
            _ => return Err(Error::Incomplete("MEMBERS")),
        };
        let judge_ids = JudgeIds::of(&bpf)?;
        let strays_id = Strays::id(&bpf)?;
        let maps = Maps::take(&mut bpf)?;
        let reader = Reader::take(&mut bpf)?;
        write_plans(&mut bpf, facts)?;
        let forms = fill_forms(&mut bpf)?;
        let answers = (array(&mut bpf, "IDENTITY")?, array(&mut bpf, "VERDICT")?);
        let kernel = Kernel {
            bpf: Mutex::new(bpf),
            answers: Mutex::new(answers),
            maps,
            members,
            judge_ids,
            strays_id,
            _forms: forms,
            offsets: offsets.clone(),
            setattr_idmap: facts.setattr_idmap,
            tier,
            programs: Mutex::new(programs),
            links: Mutex::new(Vec::new()),
        };
        Ok((kernel, reader))
    }
}

/// The tracepoint from which the program for a form goes on.
fn ends_in(form: u8) -> &'static str {
    if form < abi::form::REQUEST_OPEN { "sys_exit" } else { "io_uring_complete" }
}

/// Why a program did not load: the kernel's errno, and the verifier's last words where it spoke.
fn reason(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let figures = ["processed", "stack depth", "verification time"];
            let last = log.lines().rev().find(|line| !figures.iter().any(|figure| line.starts_with(figure)));
            let last = last.unwrap_or_default();
            if last.is_empty() { io_error.to_string() } else { format!("{io_error}: {last}") }
        }
        other => other.to_string(),
    }
}

/// Whether `bpf` is among the active security modules; unknown counts as yes, since a canary follows.
fn lsm_is_active() -> bool {
    std::fs::read_to_string("/sys/kernel/security/lsm")
        .map_or(true, |list| list.split(',').any(|lsm| lsm.trim() == "bpf"))
}

/// Size of the bulk ring: 8 MiB, or 4 MiB a CPU where that is more; a power of two.
fn bulk_bytes() -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (u32::try_from(cpus.min(64)).unwrap_or(64) * (4 << 20)).max(8 << 20).next_power_of_two()
}

fn array<V: aya::Pod>(bpf: &mut Ebpf, name: &'static str) -> Result<Array<MapData, V>, Error> {
    let map = bpf.take_map(name).ok_or(Error::Incomplete(name))?;
    Array::try_from(map).map_err(|source| Error::Map { name, what: "read", source: Box::new(source) })
}

fn fill_forms(bpf: &mut Ebpf) -> Result<ProgramArray<MapData>, Error> {
    let wrong = |source| Error::Map { name: "FORMS", what: "written", source: Box::new(source) };
    let map = bpf.take_map("FORMS").ok_or(Error::Incomplete("FORMS"))?;
    let mut forms = ProgramArray::try_from(map).map_err(wrong)?;
    for (name, form) in FORMS {
        let program: &mut RawTracePoint = program(bpf, name)?;
        let fd = program.fd().map_err(|source| Error::Program {
            name: (*name).to_owned(),
            what: "loaded",
            source: Box::new(source),
        })?;
        forms.set(u32::from(*form), fd, 0).map_err(wrong)?;
    }
    Ok(forms)
}

fn write_plans(bpf: &mut Ebpf, facts: &Facts) -> Result<(), Error> {
    let mut plans: Array<MapData, Plan> = array(bpf, "PLANS")?;
    let calls = calls::table(&facts.registers);
    for (number, plan) in calls.into_iter().chain(facts.requests.iter().copied()) {
        plans.set(number, plan, 0).map_err(|source| Error::Map {
            name: "PLANS",
            what: "written",
            source: Box::new(source),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_the_committed_object() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../ebpf/prebuilt/wardline.bpf.o");
        assert!(prebuilt().unwrap() == std::fs::read(committed).unwrap());
    }
}
