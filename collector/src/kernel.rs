//! The kernel side as one object: loaded, attached while sessions run, its maps and its questions.

use crate::btf::Btf;
use crate::maps::Maps;
use crate::offsets::registers;
use crate::plan::{PLANS, placed};
use crate::{Error, Offsets, Reader};
use abi::{FileKey, Identity, Label, Member, NameKey, NetKey, NetLabel, Session, T1Key, Verdict};
use aya::maps::{Array, Map, MapData, ProgramArray};
use aya::programs::{
    CgroupAttachMode, Lsm, Program, ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun,
};
use aya::{Ebpf, EbpfLoader};
use std::any::Any;
use std::borrow::Cow;
use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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
    /// The hook, as the kernel calls it.
    pub hook: String,
    /// `None`: loaded and attached. Otherwise why not.
    pub error: Option<String>,
}

/// Raw tracepoint programs, and where they go.
const TRACEPOINTS: &[(&str, &str)] = &[
    ("fork", "sched_process_fork"),
    ("exec", "sched_process_exec"),
    ("exit", "sched_process_exit"),
    ("sys_enter", "sys_enter"),
    ("sys_exit", "sys_exit"),
];
/// Programs that answer questions; never attached.
const QUESTIONS: &[&str] = &["identify", "judge"];
/// Programs in which the end of a system call goes on, by `abi::form`.
const FORMS: &[(&str, u8)] = &[
    ("ended_open", abi::form::OPEN),
    ("ended_path", abi::form::PATH),
    ("ended_fd", abi::form::FD),
    ("ended_map", abi::form::MAP),
    ("ended_socket", abi::form::SOCKET),
    ("ended_accept", abi::form::ACCEPT),
    ("ended_raw", abi::form::RAW),
];
/// cgroup programs, and the hooks that they are for.
const CGROUPS: &[(&str, &str)] = &[
    ("connect4", "cgroup/connect4"),
    ("connect6", "cgroup/connect6"),
    ("sendmsg4", "cgroup/sendmsg4"),
    ("sendmsg6", "cgroup/sendmsg6"),
    ("sock_create", "cgroup/sock_create"),
];
/// LSM programs without which a kernel is no `lsm` tier.
const LSM: &[&str] = &[
    "file_open",
    "inode_create",
    "inode_mkdir",
    "inode_link",
    "inode_symlink",
    "inode_rename",
    "inode_unlink",
    "inode_rmdir",
    SETATTR,
    "bprm_check_security",
    "mmap_file",
    "socket_connect",
    "socket_sendmsg",
];
/// The hook whose arguments moved in 6.9, and the program for kernels before that.
const SETATTR: &str = "inode_setattr";
const SETATTR_WITHOUT_IDMAP: &str = "inode_setattr_without_idmap";
/// LSM programs that a kernel may lack; `doctor` says so.
const LSM_MORE: &[&str] = &[
    "inode_mknod",
    "inode_setxattr",
    "sb_mount",
    "move_mount",
    "socket_create",
    "unix_stream_connect",
    "unix_may_send",
    "task_kill",
    "ptrace_access_check",
    "bpf",
];

/// The prebuilt kernel programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../ebpf/prebuilt/wardline.bpf.o");

/// Names an object to load in place of the prebuilt one: for the test of a rebuilt one.
const OBJECT_VARIABLE: &str = "WARDLINE_BPF_OBJECT";

/// What the running kernel's types say besides field offsets.
#[derive(Clone, Copy)]
struct Facts {
    /// Offsets of the first five arguments in the saved registers.
    registers: [u8; 5],
    /// `inode_setattr` has its `idmap` argument.
    setattr_idmap: bool,
}

/// The kernel side, loaded. Attached only between [`Kernel::attach`] and [`Kernel::detach`]; dropping it detaches too.
pub struct Kernel {
    /// The lock also makes questions wait for each other: their answers lie in one place.
    bpf: Mutex<Ebpf>,
    answers: Mutex<(Array<MapData, Identity>, Array<MapData, Verdict>)>,
    maps: Maps,
    members: OwnedFd,
    /// Keeps the programs in it: a program array is emptied when its last user-space holder is gone.
    _forms: ProgramArray<MapData>,
    offsets: Offsets,
    setattr_idmap: bool,
    tier: Tier,
    programs: Mutex<Vec<Attached>>,
    links: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Kernel {
    /// Finds the running kernel's offsets and loads every program that it takes; attaches nothing.
    ///
    /// # Errors
    /// No BTF, a missing field, a damaged object, or a kernel that refuses even tracepoint programs.
    pub fn load(options: &Options) -> Result<(Kernel, Reader), Error> {
        let btf = Btf::read()?;
        let offsets = Offsets::find(&btf)?;
        let facts = Facts {
            registers: registers(&btf)?,
            setattr_idmap: btf.parameters("bpf_lsm_inode_setattr").is_some_and(|count| count >= 3),
        };
        let object = match std::env::var_os(OBJECT_VARIABLE) {
            Some(path) => {
                let path = PathBuf::from(path);
                Cow::Owned(std::fs::read(&path).map_err(|error| Error::Object(path, error))?)
            }
            None => Cow::Borrowed(OBJECT),
        };
        if !options.without_lsm && lsm_is_active() {
            let (kernel, reader) = Self::load_tier(&object, &offsets, facts, Tier::Lsm)?;
            let refused: Vec<_> =
                lock(&kernel.programs).iter().filter(|p| p.error.is_some()).cloned().collect();
            if !refused.iter().any(|program| LSM.contains(&program.name.as_str())) {
                return Ok((kernel, reader));
            }
            drop((kernel, reader));
            let (kernel, reader) = Self::load_tier(&object, &offsets, facts, Tier::Tracepoint)?;
            lock(&kernel.programs).extend(refused);
            return Ok((kernel, reader));
        }
        Self::load_tier(&object, &offsets, facts, Tier::Tracepoint)
    }

    fn load_tier(
        object: &[u8],
        offsets: &Offsets,
        facts: Facts,
        tier: Tier,
    ) -> Result<(Kernel, Reader), Error> {
        let mut loader = EbpfLoader::new();
        for field in &offsets.0 {
            loader.override_global(field.global, &field.offset, true);
        }
        let is_lsm = u32::from(tier == Tier::Lsm);
        loader.override_global("TIER_LSM", &is_lsm, true);
        loader.map_max_entries("BULK", bulk_bytes());
        let mut bpf = loader.load(object)?;
        let types = aya::Btf::from_sys_fs().map_err(|error| Error::Btf(error.to_string()))?;
        let mut programs = Vec::new();
        let mut note = |name: &str, hook: String, loaded: Result<(), ProgramError>, needed: bool| {
            let error = loaded.as_ref().err().map(reason);
            programs.push(Attached { name: name.to_owned(), hook, error });
            match loaded {
                Err(source) if needed => {
                    Err(Error::Program { name: name.to_owned(), what: "loaded", source: Box::new(source) })
                }
                _ => Ok(()),
            }
        };
        let called = FORMS.iter().map(|(name, _)| (*name, "sys_exit"));
        let asked = QUESTIONS.iter().map(|name| (*name, "on request"));
        for (name, hook) in TRACEPOINTS.iter().copied().chain(called).chain(asked) {
            let program: &mut RawTracePoint = program(&mut bpf, name)?;
            note(name, hook.to_owned(), program.load(), true)?;
        }
        for (name, hook) in CGROUPS.iter().copied() {
            let loaded = match bpf.program_mut(name) {
                Some(Program::CgroupSockAddr(program)) => program.load(),
                Some(Program::CgroupSock(program)) => program.load(),
                _ => return Err(Error::Incomplete(name)),
            };
            note(name, hook.to_owned(), loaded, false)?;
        }
        if tier == Tier::Lsm {
            for name in LSM.iter().chain(LSM_MORE).copied() {
                let program: &mut Lsm = program(&mut bpf, lsm_program(name, facts.setattr_idmap))?;
                let loaded = program.load(name, &types);
                note(name, format!("lsm/{name}"), loaded, false)?;
            }
        }
        let members = match bpf.map("MEMBERS") {
            Some(Map::HashMap(map)) => map.fd().as_fd().try_clone_to_owned().map_err(|source| Error::Io {
                what: "duplicating the descriptor of the member map".to_owned(),
                source,
            })?,
            _ => return Err(Error::Incomplete("MEMBERS")),
        };
        let maps = Maps::take(&mut bpf)?;
        let reader = Reader::take(&mut bpf)?;
        write_plans(&mut bpf, facts.registers)?;
        let forms = fill_forms(&mut bpf)?;
        let answers = (array(&mut bpf, "IDENTITY")?, array(&mut bpf, "VERDICT")?);
        let kernel = Kernel {
            bpf: Mutex::new(bpf),
            answers: Mutex::new(answers),
            maps,
            members,
            _forms: forms,
            offsets: offsets.clone(),
            setattr_idmap: facts.setattr_idmap,
            tier,
            programs: Mutex::new(programs),
            links: Mutex::new(Vec::new()),
        };
        Ok((kernel, reader))
    }

    /// Attaches every program that loaded. Nothing happens when they are attached already.
    ///
    /// # Errors
    /// No cgroup v2, or a program that the kernel will not attach; nothing stays attached then.
    pub fn attach(&self) -> Result<(), Error> {
        let mut links = lock(&self.links);
        if !links.is_empty() {
            return Ok(());
        }
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
                _ => return Err(Error::Incomplete(name)),
            };
            made.push(link);
        }
        if self.tier == Tier::Lsm {
            for name in LSM.iter().chain(LSM_MORE).filter(|name| loaded.contains(**name)) {
                let program: &mut Lsm = program(&mut bpf, lsm_program(name, self.setattr_idmap))?;
                let id = program.attach().map_err(|e| wrong(name, e))?;
                made.push(Box::new(program.take_link(id).map_err(|e| wrong(name, e))?));
            }
        }
        for (name, tracepoint) in TRACEPOINTS {
            let program: &mut RawTracePoint = program(&mut bpf, name)?;
            let id = program.attach(tracepoint).map_err(|e| wrong(name, e))?;
            made.push(Box::new(program.take_link(id).map_err(|e| wrong(name, e))?));
        }
        *links = made;
        Ok(())
    }

    /// Detaches every program.
    pub fn detach(&self) {
        lock(&self.links).clear();
    }

    /// Whether programs are attached.
    pub fn is_attached(&self) -> bool {
        !lock(&self.links).is_empty()
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

    /// What an open descriptor of this process is, as the kernel side sees it.
    ///
    /// # Errors
    /// A descriptor that is no file.
    pub fn identify(&self, fd: BorrowedFd<'_>) -> Result<Identity, Error> {
        let mut answers = lock(&self.answers);
        let nothing = Identity { file: abi::ANY_DIR, magic: 0, mode: 0, nlink: 0, found: 0, uid: 0 };
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

    /// Takes a process into a session; what it forks from now on is inside too.
    ///
    /// # Errors
    /// No such process, or a full map.
    pub fn enroll(&self, pid: u32, slot: u32) -> Result<(), Error> {
        let start_ns = start_ns(pid)?;
        let member = Member { start_ns, session: slot, subjects: 0, parent: 0, pad: 0 };
        self.maps.members.insert(&pid, &member)
    }

    /// The entry of a process, when it is inside a session.
    ///
    /// # Errors
    /// The map could not be read.
    pub fn member(&self, pid: u32) -> Result<Option<Member>, Error> {
        self.maps.members.get(&pid)
    }

    /// The processes of a session.
    pub fn members(&self, slot: u32) -> Vec<u32> {
        let entries = self.maps.members.entries();
        entries.into_iter().filter(|(_, member)| member.session == slot).map(|(pid, _)| pid).collect()
    }

    /// Lets a process out of its session.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn evict(&self, pid: u32) -> Result<(), Error> {
        self.maps.members.remove(&pid)
    }

    /// Refuses signals to, and tracing of, one of Wardline's own processes.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn protect(&self, pid: u32) -> Result<(), Error> {
        self.maps.protected.insert(&pid, &1)
    }

    /// Undoes [`Kernel::protect`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn unprotect(&self, pid: u32) -> Result<(), Error> {
        self.maps.protected.remove(&pid)
    }

    /// The entry of a session.
    ///
    /// # Errors
    /// The map could not be read.
    pub fn session(&self, slot: u32) -> Result<Session, Error> {
        self.maps.session(slot)
    }

    /// Writes the entry of a session.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn set_session(&self, slot: u32, session: &Session) -> Result<(), Error> {
        self.maps.set_session(slot, session)
    }

    /// Adds a label to the static deny-list.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_t0(&self, key: &FileKey, label: &Label) -> Result<(), Error> {
        self.maps.t0.insert(key, label)
    }

    /// Removes a label from the static deny-list.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_t0(&self, key: &FileKey) -> Result<(), Error> {
        self.maps.t0.remove(key)
    }

    /// Adds an exact name to the static deny-list.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_name(&self, key: &NameKey, label: &Label) -> Result<(), Error> {
        self.maps.t0_names.insert(key, label)?;
        self.maps.interesting.insert(&key.name, &1)
    }

    /// Removes an exact name from the static deny-list.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_name(&self, key: &NameKey) -> Result<(), Error> {
        self.maps.t0_names.remove(key)?;
        if !self.maps.t0_names.entries().iter().any(|(other, _)| other.name == key.name) {
            self.maps.interesting.remove(&key.name)?;
        }
        Ok(())
    }

    /// Says which T0 subjects an executable is.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_subject(&self, key: &FileKey, bits: u32) -> Result<(), Error> {
        self.maps.subjects.insert(key, &bits)
    }

    /// Undoes [`Kernel::insert_subject`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_subject(&self, key: &FileKey) -> Result<(), Error> {
        self.maps.subjects.remove(key)
    }

    /// Adds a label to a compiled baseline.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_t1(&self, key: &T1Key, label: &Label) -> Result<(), Error> {
        self.maps.t1.insert(key, label)
    }

    /// Removes a label from a compiled baseline.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_t1(&self, key: &T1Key) -> Result<(), Error> {
        self.maps.t1.remove(key)
    }

    /// Adds a network: the first `addr_bits` bits of the (v4-mapped) address.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_net(&self, addr_bits: u32, key: NetKey, label: &NetLabel) -> Result<(), Error> {
        self.maps.insert_net(addr_bits, key, label)
    }

    /// Removes a network.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_net(&self, addr_bits: u32, key: NetKey) -> Result<(), Error> {
        self.maps.remove_net(addr_bits, key)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.detach();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn program<'a, P>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let known = [SETATTR_WITHOUT_IDMAP]
        .iter()
        .chain(TRACEPOINTS.iter().map(|(name, _)| name))
        .chain(QUESTIONS)
        .chain(LSM)
        .chain(LSM_MORE);
    let missing = Error::Incomplete(known.copied().find(|known| *known == name).unwrap_or("program"));
    bpf.program_mut(name).and_then(|program| program.try_into().ok()).ok_or(missing)
}

/// The program for an LSM hook on this kernel.
fn lsm_program(hook: &'static str, setattr_idmap: bool) -> &'static str {
    if hook == SETATTR && !setattr_idmap { SETATTR_WITHOUT_IDMAP } else { hook }
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
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    (cpus.min(64) * (4 << 20)).max(8 << 20).next_power_of_two()
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

fn write_plans(bpf: &mut Ebpf, registers: [u8; 5]) -> Result<(), Error> {
    let mut plans: Array<MapData, abi::Plan> = array(bpf, "PLANS")?;
    for (number, plan) in PLANS {
        plans.set(*number, placed(*plan, registers), 0).map_err(|source| Error::Map {
            name: "PLANS",
            what: "written",
            source: Box::new(source),
        })?;
    }
    Ok(())
}

/// Where cgroup v2 is mounted, from /proc/self/mountinfo.
fn open_cgroup_root() -> Result<std::fs::File, Error> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|_| Error::NoCgroup)?;
    let point = mounts
        .lines()
        .find(|line| line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("cgroup2 ")))
        .and_then(|line| line.split(' ').nth(4))
        .ok_or(Error::NoCgroup)?;
    std::fs::File::open(point)
        .map_err(|source| Error::Io { what: format!("opening the cgroup root `{point}`"), source })
}

/// When a process started, ns of CLOCK_BOOTTIME in the kernel's clock ticks: field 22 of /proc/PID/stat.
fn start_ns(pid: u32) -> Result<u64, Error> {
    let missing = |source| Error::Io { what: format!("reading the start of process {pid}"), source };
    let stat = std::fs::read(format!("/proc/{pid}/stat")).map_err(missing)?;
    let rest = stat.rsplitn(2, |&byte| byte == b')').next().unwrap_or_default();
    let ticks =
        std::str::from_utf8(rest).ok().and_then(|rest| rest.split_whitespace().nth(19)?.parse::<u64>().ok());
    // SAFETY: the call has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    ticks
        .map(|ticks| ticks * (1_000_000_000 / per_second))
        .ok_or_else(|| missing(std::io::Error::from(std::io::ErrorKind::InvalidData)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_start() {
        assert!(start_ns(std::process::id()).unwrap() > 0);
        assert!(start_ns(u32::MAX).is_err());
    }
}
