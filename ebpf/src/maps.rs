//! The maps. User space writes the deny-list, the programs write members and rings.

use abi::{
    Connected, FileKey, Identity, Itself, LABEL_BITS, LOSSES, Label, Listener, MAX_BEGINNERS, MAX_DELEGATES,
    MAX_ITSELF, MAX_LISTENERS, MAX_LOCAL, MAX_MEMBERS, MAX_NETS, MAX_OWN, MAX_PIDS, MAX_PLACES, MAX_REWRITES,
    MAX_SESSIONS, MAX_T0, MAX_T0_NAMES, MAX_T1, MAX_T1_NAMES, Member, NAME_BITS, NameKey, NetKey, NetLabel,
    OwnKey, PLANS as PLAN_COUNT, PlaceKey, Plan, RewriteKey, SOCKET_WORDS, Session, Socket, T1Key, T1NameKey,
    Verdict,
};
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf};

/// Do not allocate all entries at once.
const NO_PREALLOC: u32 = 1;
/// User space sets bits of the map's memory itself: writing a word back would undo what a program set meanwhile.
const MMAPABLE: u32 = 1 << 10;
/// Control ring: fork, exec, exit, refusals. 4 MiB hold some 40,000 of them.
const CONTROL_BYTES: u32 = 4 << 20;
/// Bulk ring; user space sets the real size from the number of CPUs.
const BULK_BYTES: u32 = 8 << 20;

/// Processes inside sessions, by tgid.
#[map]
pub static MEMBERS: HashMap<u32, Member> = HashMap::with_max_entries(MAX_MEMBERS, 0);
/// Processes that are or were inside a session, a bit each: spares everybody else the look-up in `MEMBERS`. Set before the
/// entry is made, and never cleared: a number that was used again costs that look-up, and nothing more.
#[map]
pub static EVER_INSIDE: Array<u64> = Array::with_max_entries(MAX_PIDS / 64, MMAPABLE);
/// Processes that could not be made members, a bit each, from when they are made to when they end.
#[map]
pub static STRAYS: Array<u64> = Array::with_max_entries(MAX_PIDS / 64, MMAPABLE);
/// Running sessions, by slot.
#[map]
pub static SESSIONS: Array<Session> = Array::with_max_entries(MAX_SESSIONS, 0);
/// Why a session is held, by slot; 0: it is not. Apart from `SESSIONS`, which user space writes whole.
#[map]
pub static HELD: Array<u64> = Array::with_max_entries(MAX_SESSIONS, MMAPABLE);
/// The loans of a session, by slot: see [`crate::loan`]. Apart from `SESSIONS` for the same reason.
#[map]
pub static LOANS: Array<u64> = Array::with_max_entries(MAX_SESSIONS, MMAPABLE);
/// The dead man's switch: `DEADLINE_*` words.
#[map]
pub static DEADLINE: Array<u64> = Array::with_max_entries(abi::DEADLINE_WORDS, MMAPABLE);
/// Wardline's own processes, by tgid.
#[map]
pub static PROTECTED: HashMap<u32, u32> = HashMap::with_max_entries(1024, 0);
/// Processes that work for others, by tgid, and the reason why no session but their own may connect to them.
#[map]
pub static DELEGATES: HashMap<u32, u32> = HashMap::with_max_entries(MAX_DELEGATES, 0);
/// Processes that are agents themselves, by tgid.
#[map]
pub static ITSELF: HashMap<u32, Itself> = HashMap::with_max_entries(MAX_ITSELF, 0);
/// Of those that a script has made, which run the agent's program, as user space knows it: their `Itself::start_ns`, by tgid.
#[map]
pub static STARTED: LruHashMap<u32, u64> = LruHashMap::with_max_entries(MAX_ITSELF, 0);
/// Files of the static deny-list that agents themselves may replace, by place and session.
#[map]
pub static REWRITES: HashMap<RewriteKey, u32> = HashMap::with_max_entries(MAX_REWRITES, NO_PREALLOC);
/// Where such processes listen, and which one does: what the kernel keeps of a unix socket is who began to listen, which may
/// have ended, and of another it keeps nothing.
#[map]
pub static LISTENERS: HashMap<[u64; SOCKET_WORDS], u32> =
    HashMap::with_max_entries(MAX_LISTENERS, NO_PREALLOC);
/// Sockets of sessions that listen or may be answered, by inode, until they are closed. Of too many, what was not used for longest
/// goes: it is another's then.
#[map]
pub static OWN_LISTENERS: LruHashMap<u64, Listener> = LruHashMap::with_max_entries(MAX_LISTENERS, 0);
/// Sockets at which somebody outside of all sessions has begun to listen, by inode, and when. Of too many, what was not used for
/// longest goes: it is taken for known then.
#[map]
pub static BEGINNERS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(MAX_BEGINNERS, 0);
/// How far user space has looked who listens: `LOOK_*` words.
#[map]
pub static LOOK: Array<u64> = Array::with_max_entries(abi::LOOK_WORDS, MMAPABLE);
/// Connections to this machine that are not decided yet, at their sockets: see [`crate::door`].
#[btf_map]
pub static DOORS: SkStorage<Door> = SkStorage::new();
/// Abstract names of unix sockets that a baseline knows, each with its policy's number.
#[map]
pub static NAMES_KNOWN: HashMap<[u64; SOCKET_WORDS], u32> =
    HashMap::with_max_entries(abi::MAX_NAMES_KNOWN, NO_PREALLOC);
/// Abstract names that sessions have bound themselves, each with its session's index, and where the kernel keeps the address that
/// each of them is: in another network namespace somebody else may have the same name. [`abi::ANY_ADDRESS`]: wherever. Of
/// too many, what was not used for longest goes: it is another's then.
#[map]
pub static NAMES_BOUND: LruHashMap<[u64; SOCKET_WORDS], u64> =
    LruHashMap::with_max_entries(abi::MAX_NAMES_BOUND, 0);
/// The machine's own addresses besides loopback; IPv4 is v4-mapped.
#[map]
pub static LOCAL: HashMap<[u64; 2], u32> = HashMap::with_max_entries(MAX_LOCAL, NO_PREALLOC);
/// Static deny-list, by object.
#[map]
pub static T0: HashMap<FileKey, Label> = HashMap::with_max_entries(MAX_T0, NO_PREALLOC);
/// Inodes that have or had a label in `T0` or `T1`, a bit each: spares nearly every directory of a walk those look-ups. Set
/// before the label is, and never cleared.
#[map]
pub static LABELLED: Array<u64> = Array::with_max_entries(LABEL_BITS / 64, MMAPABLE);
/// What labels of the static deny-list say of one session alone, by object and session. `T0` is everybody's, and its label says
/// only that somebody has one.
#[map]
pub static OWN: HashMap<OwnKey, Label> = HashMap::with_max_entries(MAX_OWN, NO_PREALLOC);
/// Static deny-list, by exact name.
#[map]
pub static T0_NAMES: HashMap<NameKey, Label> = HashMap::with_max_entries(MAX_T0_NAMES, NO_PREALLOC);
/// Names that occur or occurred in `T0_NAMES` or `T0_PLACES` at all, a bit each: spares nearly every file those look-ups. Set before the
/// entry is made, and never cleared.
#[map]
pub static NAMED: Array<u64> = Array::with_max_entries(NAME_BITS / 64, MMAPABLE);
/// Static deny-list, by place.
#[map]
pub static T0_PLACES: HashMap<PlaceKey, Label> = HashMap::with_max_entries(MAX_PLACES, NO_PREALLOC);
/// Compiled baselines, by policy and object.
#[map]
pub static T1: HashMap<T1Key, Label> = HashMap::with_max_entries(MAX_T1, NO_PREALLOC);
/// What may be made in the directories of compiled baselines in which names matter.
#[map]
pub static T1_NAMES: HashMap<T1NameKey, u32> = HashMap::with_max_entries(MAX_T1_NAMES, NO_PREALLOC);
/// Networks, by policy and prefix; policy 0 is T0.
#[map]
pub static NETS: LpmTrie<NetKey, NetLabel> = LpmTrie::with_max_entries(MAX_NETS, NO_PREALLOC);
/// How to read each system call, and each request through io_uring.
#[map]
pub static PLANS: Array<Plan> = Array::with_max_entries(PLAN_COUNT, 0);
/// Where the end of a system call, or of a request, goes on, by form.
#[map]
pub static FORMS: ProgramArray = ProgramArray::with_max_entries(32, 0);
/// What was refused here of a running system call, by its thread, or of a request through io_uring, by its address or the
/// thread that does it: how often, so that no failure is told twice.
#[map]
pub static REFUSED: LruHashMap<u64, u32> = LruHashMap::with_max_entries(4096, 0);
/// Calls on paths that are running and have changed something, by thread.
#[map]
pub static BEGUN: LruHashMap<u64, Begun> = LruHashMap::with_max_entries(8192, 0);
/// Requests through io_uring on paths that have not completed, by their addresses. One process can make any number of them:
/// what is forgotten here is begun anew when it changes something, and the end of what is forgotten then is counted as lost.
#[map]
pub static REQUESTS: LruHashMap<u64, Begun> = LruHashMap::with_max_entries(8192, 0);
/// Whom the sockets of sessions with loans are connected to, by the sockets' inodes.
#[map]
pub static CONNECTED: HashMap<u64, Connected> = HashMap::with_max_entries(16_384, NO_PREALLOC);
/// Sockets of sessions whose packets may name hosts, by cookie. What was not used for longest goes: a name less is known
/// then, and nothing is opened by that.
#[map]
pub static SOCKETS: LruHashMap<u64, Socket> = LruHashMap::with_max_entries(16_384, 0);
/// Answer of `identify`.
#[map]
pub static IDENTITY: Array<Identity> = Array::with_max_entries(1, 0);
/// Answer of `judge`.
#[map]
pub static VERDICT: Array<Verdict> = Array::with_max_entries(1, 0);
/// Ring of what must not be lost.
#[map]
pub static CONTROL: RingBuf = RingBuf::with_byte_size(CONTROL_BYTES, 0);
/// Ring of everything else.
#[map]
pub static BULK: RingBuf = RingBuf::with_byte_size(BULK_BYTES, 0);
/// Buffers in which records are put together: [`SCRATCHES`] a CPU.
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(SCRATCHES, 0);
/// Which of a CPU's buffers are in use, a bit each.
#[map]
pub static BUSY: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
/// Next sequence number of each ring: control, bulk.
#[map]
pub static SEQUENCE: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);
/// Records that were not written, by kind.
#[map]
pub static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(LOSSES, 0);

/// A call on paths, from the first inode that it changes to its end, or a request, from when it is made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Begun {
    /// When the call changed the first inode, or the request was made: which one it is.
    pub call: u64,
    /// Why it should not have: see `touched::judged`.
    pub forbidden: u64,
    /// Which of `inodes` lay above places of jewels when they were changed: see `touched::frees`, two bits each.
    pub above: u64,
    /// Inodes that it has changed.
    pub count: u64,
    /// Addresses of the last of them.
    pub inodes: [u64; INODES],
}

/// A connection by TCP to this machine, until it is known who is at its other end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Door {
    /// Inode of the socket that listened when it was asked for; 0: nobody did.
    pub inode: u64,
    /// Who asked for it.
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// Index into `SESSIONS`.
    pub session: u32,
    /// What is known: see [`crate::door`].
    pub state: u32,
}

/// Inodes of one call that are remembered: a rename through overlayfs changes six. A power of two.
pub const INODES: usize = 8;
/// Buffers a CPU: LSM programs can be preempted by one another, and four deep is more than was ever seen.
pub const SCRATCHES: u32 = 4;
/// Bytes of a buffer: the largest head, names, and two paths; a power of two, so that bounds are masks.
pub const SCRATCH_LEN: usize = 16384;

/// A buffer for one record.
#[repr(C, align(8))]
pub struct Scratch(pub [u8; SCRATCH_LEN]);
