//! Keys and values of the maps: who is in a session, what a session may do, and the deny-list.

/// Sessions that can run at once; the size of the `SESSIONS` array.
pub const MAX_SESSIONS: u32 = 256;
/// Processes that can be inside sessions at once; Linux' default `pid_max` is 32,768.
pub const MAX_MEMBERS: u32 = 65_536;
/// Processes that work for others and are known at once.
pub const MAX_DELEGATES: u32 = 4096;
/// Processes that are agents themselves at once: two a session.
pub const MAX_ITSELF: u32 = MAX_SESSIONS * 2;
/// Files that agents may replace, of all running sessions.
pub const MAX_REWRITES: u32 = 4096;
/// Sockets at which they listen, and those of sessions.
pub const MAX_LISTENERS: u32 = 16_384;
/// Sockets at which somebody outside has begun to listen: those of some hundredths of a second matter.
pub const MAX_BEGINNERS: u32 = 4096;
/// The machine's own addresses.
pub const MAX_LOCAL: u32 = 1024;
/// Words of a [`SocketKey`]: what it is, and 128 bytes, more than the longest name has.
pub const SOCKET_WORDS: usize = 17;
/// Where somebody listens: the key of `LISTENERS`.
pub type SocketKey = [u64; SOCKET_WORDS];
/// First byte of a [`SocketKey`]: the number of the socket's inode.
pub const SOCKET_INODE: u64 = 1;
/// First byte of a [`SocketKey`]: the file of a unix socket.
pub const SOCKET_FILE: u64 = 2;
/// First byte of a [`SocketKey`]: the abstract name of a unix socket without its NUL; its length is the second byte. The upper half
/// of the word is whose name it is, where that matters: a policy's in `NAMES_KNOWN`, a session's in `NAMES_BOUND`.
pub const SOCKET_NAME: u64 = 3;
/// Abstract names of the compiled baselines of all running sessions.
pub const MAX_NAMES_KNOWN: u32 = 8_192;
/// Value of `NAMES_BOUND`: whichever address has the name.
pub const ANY_ADDRESS: u64 = 0;
/// Abstract names that running sessions have bound.
pub const MAX_NAMES_BOUND: u32 = 8_192;
/// Numbers that a process can have: `PID_MAX_LIMIT`, include/linux/threads.h.
pub const MAX_PIDS: u32 = 1 << 22;
/// Bits for inodes that have labels. With ten thousand of them one look-up in twenty-six is in vain.
pub const LABEL_BITS: u32 = 1 << 18;
/// Bits for exact names of the static deny-list; a power of two.
pub const NAME_BITS: u32 = 1 << 18;
/// Entries of the static deny-list: jewels, and what lies below them.
pub const MAX_T0: u32 = 65_536;
/// What static labels say of one session alone, of all running sessions.
pub const MAX_OWN: u32 = 131_072;
/// Entries of the compiled baselines of all running sessions.
pub const MAX_T1: u32 = 262_144;
/// Names that may be made, of the compiled baselines of all running sessions.
pub const MAX_T1_NAMES: u32 = 65_536;
/// Networks of the compiled baselines of all running sessions.
pub const MAX_NETS: u32 = 16_384;
/// Ancestors that the walk visits before it gives up, and a label is taken as not found.
pub const MAX_DEPTH: u32 = 48;
/// Bytes of a name that the exact-name map can hold; a longer name never matches.
pub const NAME_LEN: usize = 32;
/// Names of the static deny-list, of the homes of all running sessions.
pub const MAX_T0_NAMES: u32 = 32_768;
/// Places of the static deny-list: each jewel's, and those of the directories above it.
pub const MAX_PLACES: u32 = 131_072;

/// The number by which the programs call the kernel function `bpf_rdonly_cast`: no helper has it. The loader puts the
/// function of the running kernel in its place, and the type of the words that are read so into `WORDS_TYPE`.
pub const RDONLY_CAST: usize = 0x7fff_0001;

/// `Session::flags`: T0 and T1 refuse; without it they only record what they would refuse.
pub const SESSION_ENFORCE: u32 = 1 << 0;
/// `Session::flags`: a compiled baseline is armed, so T1 decides.
pub const SESSION_T1: u32 = 1 << 1;
/// `Session::flags`: wake the reader for every operation (a score is being kept), not only for control records.
pub const SESSION_SCORED: u32 = 1 << 2;
/// What is learned only watches: T1 and T2 decide, and refuse nothing.
pub const SESSION_WATCHED: u32 = 1 << 3;
/// `Session::flags`: somebody watches over it, so that it stands still where who acts for it would be ended otherwise.
pub const SESSION_STANDS: u32 = 1 << 4;
/// `Session::flags`: abstract unix sockets that the baseline does not know are refused.
pub const SESSION_NAMES: u32 = 1 << 5;
/// `Session::flags`: its programs are in a Landlock domain, and reach into no process outside of it.
pub const SESSION_CONFINED: u32 = 1 << 6;

/// Loans that a session can have.
pub const MAX_LOANS: u32 = 16;
/// The first loan, in `Label::flags` and in the words of `LOANS`: a bit each.
const FIRST_LOAN: u32 = 8;
/// `Label::flags`: a T0 label of what is lent to the session which has it. Whoever reads it takes the loan.
pub const LABEL_LOANS: u32 = ((1 << MAX_LOANS) - 1) << FIRST_LOAN;

/// The bit of a loan, by its number.
pub const fn loan(number: u32) -> u32 {
    (1 << (FIRST_LOAN + number)) & LABEL_LOANS
}

/// `Label::flags`: a T0 label of a workspace's root: below it, names that matter in any directory do not.
pub const LABEL_WORKSPACE: u32 = 1 << 1;

/// `Label::flags`: a T0 label of what may be read itself, whatever its label, its name and what it lies in refuse: it holds
/// no secret now, or is lent. What lies below it may not.
pub const LABEL_READABLE: u32 = 1 << 2;
/// `Label::flags`: a T0 label that refuses to the session which has it, and to nobody else: what it found by name outside its
/// workspaces may be another session's own.
pub const LABEL_OWN: u32 = 1 << 6;
/// `Label::flags` that hold for one session alone. Everybody's map says with them that some session has such a label; `OWN`
/// says whose it is, and what it refuses.
pub const LABEL_OF_ONE: u32 = LABEL_WORKSPACE | LABEL_READABLE | LABEL_OWN | LABEL_LOANS;
/// `T1NameKey::kind`: the name as it is.
pub const NAME_EXACT: u32 = 0;
/// `T1NameKey::kind`: every name that has this [pattern](crate::pattern).
pub const NAME_PATTERN: u32 = 1;

/// `Label::flags`: a T1 label of a directory in which `T1_NAMES` says what may be made.
pub const LABEL_NAMES: u32 = 1 << 3;

/// `Label::flags`: a label of a place above those of jewels: what lies there is not moved, removed or covered, and nothing
/// is moved or linked there.
pub const LABEL_ABOVE: u32 = 1 << 4;

/// `Label::flags`: a T1 label in the agent's own state: nothing is changed there that has, or lies under, a name which
/// `T1_NAMES` has for [`ANY_DIR`].
pub const LABEL_STATE: u32 = 1 << 5;

/// `Itself::state`: the session began with it; it has made no process, and runs what it began with.
pub const ITSELF_FIRST: u32 = 1;
/// `Itself::state`: the same, and it has run a script.
pub const ITSELF_SCRIPT: u32 = 2;
/// `Itself::state`: the session began with it, and it runs what it ran when it made its first process.
pub const ITSELF_FORKED: u32 = 3;
/// `Itself::state`: it is the first process that a script has made, and has run nothing yet.
pub const ITSELF_CHILD: u32 = 4;
/// `Itself::state`: the same, and it runs the first program that it started.
pub const ITSELF_STARTED: u32 = 5;

/// `Label::flags`: a T0 label of a name or place where an empty directory may be made: what is put into it is refused.
pub const LABEL_EMPTY: u32 = 1 << 7;

/// Reason of a refusal that no label made: a process of Wardline's own was reached for.
pub const REASON_PROTECTED: u32 = 0xff00_0001;
/// Reason of a refusal that no label made: memory or environment of a process outside the session.
pub const REASON_OTHER_PROCESS: u32 = 0xff00_0002;
/// Reason of a refusal that no label made: `bpf(2)`.
pub const REASON_BPF: u32 = 0xff00_0003;
/// Reason for which the kernel side holds a session: a record of what was decided in it was lost.
pub const REASON_LOST: u32 = 0xff00_0004;
/// Reason for which the kernel side holds a session: it has typed into its terminal.
pub const REASON_TYPED: u32 = 0xff00_0006;
/// Reason for which the kernel side ends a session: what one of its processes was ended for, another one has as well.
pub const REASON_SHARED: u32 = 0xff00_0008;
/// Reason for which the kernel side has a session stand still: something was changed that nothing could refuse.
pub const REASON_CHANGED: u32 = 0xff00_0009;
/// Reason of a refusal to connect to who is none of those that a credential was lent for.
pub const REASON_LENT: u32 = 0xff00_000c;
/// Reason of a refusal to lend while a connection to somebody else is open.
pub const REASON_OPEN: u32 = 0xff00_000b;
/// Reason of what is decided of a request through io_uring whose end is not told.
pub const REASON_UNTOLD: u32 = 0xff00_0007;
/// Reason of a refusal that no label made: a terminal of somebody outside the session.
pub const REASON_TERMINAL: u32 = 0xff00_000a;
/// Reason of a refusal by [`LABEL_ABOVE`].
pub const REASON_ABOVE: u32 = 0xff00_0005;

/// `DEADLINE`: when user space must have pushed it on, CLOCK_MONOTONIC in ns; 0: never.
pub const DEADLINE_NS: u32 = 0;
/// `DEADLINE`: how often a process was made to stand still past it.
pub const DEADLINE_STOPS: u32 = 1;
/// Words of `DEADLINE`.
pub const DEADLINE_WORDS: u32 = 2;

/// `LOOK`: how often somebody outside has begun to listen.
pub const LOOK_ASKED: u32 = 0;
/// `LOOK`: who had begun to listen before is known, CLOCK_MONOTONIC in ns; 0: nobody looks.
pub const LOOK_KNOWN: u32 = 1;
/// Words of `LOOK`.
pub const LOOK_WORDS: u32 = 2;

/// A socket by its inode.
pub fn socket_inode(inode: u64) -> SocketKey {
    let mut key = [0; SOCKET_WORDS];
    (key[0], key[1]) = (SOCKET_INODE, inode);
    key
}

/// A unix socket by its file.
pub fn socket_file(file: &FileKey) -> SocketKey {
    let mut key = [0; SOCKET_WORDS];
    key[..3].copy_from_slice(&[
        SOCKET_FILE,
        file.ino,
        u64::from(file.generation) << 32 | u64::from(file.dev),
    ]);
    key
}

/// A unix socket by its abstract name, without its NUL, and whose that is; `None` for one that no socket can have.
pub fn socket_name(name: &[u8], of: u32) -> Option<SocketKey> {
    let mut key = [0; SOCKET_WORDS];
    if name.is_empty() || name.len() >= (SOCKET_WORDS - 1) * 8 {
        return None;
    }
    key[0] = SOCKET_NAME | (name.len() as u64) << 8 | u64::from(of) << 32;
    for (word, bytes) in key[1..].iter_mut().zip(name.chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(padded);
    }
    Some(key)
}

wire! {
    /// What the kernel knows a file by: device of the superblock, inode number, inode generation.
    /// A label dies with its inode, since the generation changes when a number is used again.
    pub struct FileKey: 16 {
        /// `inode.i_ino`
        pub ino: u64,
        /// `super_block.s_dev`, in the kernel's own encoding
        pub dev: u32,
        /// `inode.i_generation`
        pub generation: u32,
    }

    /// A process of a session; the value of `MEMBERS`, whose key is the tgid.
    pub struct Member: 32 {
        /// `task.group_leader.start_boottime`, ns: with the tgid, the identity of the process
        pub start_ns: u64,
        /// Index into `SESSIONS`.
        pub session: u32,
        /// tgid of the parent at fork.
        pub parent: u32,
        /// When it was last made to stand still, the lower half of CLOCK_MONOTONIC in ns, never 0; 0: it never was.
        pub stopped: u32,
        /// A call of its was put off, and it does not stand still yet.
        pub put_off: u32,
        /// When it was last made to stand still with its whole session, as `stopped`.
        pub stands: u32,
        /// Padding.
        pub pad: u32,
    }

    /// Whose a socket is; the value of `OWN_LISTENERS`.
    pub struct Listener: 8 {
        /// Who has begun to listen.
        pub tgid: u32,
        /// Index into `SESSIONS`.
        pub session: u32,
    }

    /// A process that is the agent itself; the value of `ITSELF`, whose key is the tgid.
    pub struct Itself: 16 {
        /// `Member::start_ns`
        pub start_ns: u64,
        /// `ITSELF_*`
        pub state: u32,
        /// Index into `SESSIONS`.
        pub session: u32,
    }

    /// Key of `REWRITES`: the place of a file that the agent of a session may replace.
    pub struct RewriteKey: 16 {
        /// As `PlaceKey::hash`.
        pub place: u64,
        /// `super_block.s_dev`
        pub dev: u32,
        /// Index into `SESSIONS`.
        pub session: u32,
    }

    /// A running session; the element type of `SESSIONS`.
    pub struct Session: 40 {
        /// Segment that is running, counted from 0 within the session.
        pub segment: u32,
        /// `SESSION_*` bits.
        pub flags: u32,
        /// First half of the keys of `NETS` for the hosts that loans are for; 0 where nothing is lent.
        pub lent: u32,
        /// First half of the keys of `T1`, `NETS`; 0 where no baseline is armed.
        pub policy: u32,
        /// Access bits that T2 has taken away from the whole session.
        pub restrict: u32,
        /// Reason of `restrict`.
        pub restrict_reason: u32,
        /// Access bits refused to a file that no label covers.
        pub unlabelled: u32,
        /// Access bits refused to an address that no network covers.
        pub unknown_net: u32,
        /// Reason of `unlabelled`.
        pub unlabelled_reason: u32,
        /// Reason of `unknown_net`.
        pub unknown_net_reason: u32,
    }

    /// A label of the deny-list; the value of `T0`, `OWN`, `T0_NAMES`, `T0_PLACES` and `T1`.
    pub struct Label: 12 {
        /// Access bits that are refused; every other one is allowed.
        pub deny: u32,
        /// Reason, an index that user space can explain.
        pub reason: u32,
        /// `LABEL_*` bits.
        pub flags: u32,
    }

    /// Whom a socket is connected to; the value of `CONNECTED`.
    pub struct Connected: 24 {
        /// IPv4 is v4-mapped.
        pub addr: [u64; 2],
        /// Index into `SESSIONS`.
        pub session: u32,
        /// Port in host byte order.
        pub port: u32,
    }

    /// A socket of a session; the value of `SOCKETS`, whose key is the socket's cookie.
    pub struct Socket: 24 {
        /// Network namespace (`SO_NETNS_COOKIE`).
        pub netns: u64,
        /// Process that connected it or sent by it.
        pub tgid: u32,
        /// Its thread.
        pub tid: u32,
        /// Index into `SESSIONS`.
        pub session: u32,
        /// Segments with data that were looked at for the beginning of a TLS connection.
        pub looked: u32,
    }

    /// Key of `OWN`.
    pub struct OwnKey: 24 {
        /// The object.
        pub file: FileKey,
        /// Index of the session.
        pub session: u32,
        /// Zero.
        pub pad: u32,
    }

    /// Key of `T1`: the nearest labelled ancestor decides.
    pub struct T1Key: 24 {
        /// The object, or an ancestor of it.
        pub file: FileKey,
        /// `Session::policy`.
        pub policy: u32,
        /// Zero.
        pub pad: u32,
    }

    /// Key of `T1_NAMES`: a name in a directory whose label says that names matter. The value is the reason for which
    /// it may not be made; 0: it may.
    pub struct T1NameKey: 56 {
        /// The directory; [`ANY_DIR`]: any with [`LABEL_STATE`].
        pub dir: FileKey,
        /// `Session::policy`.
        pub policy: u32,
        /// [`NAME_EXACT`] or [`NAME_PATTERN`].
        pub kind: u32,
        /// The name, padded with zeros; nothing but zeros: every other one. Of a pattern the two numbers of its digest.
        pub name: [u8; NAME_LEN],
    }

    /// Key of `T0_NAMES`: an exact name in a directory, in a directory of a given name, or anywhere.
    pub struct NameKey: 48 {
        /// The directory; or [`name_dir`] of its name; or [`ANY_DIR`].
        pub dir: FileKey,
        /// The name, padded with zeros.
        pub name: [u8; NAME_LEN],
    }

    /// Key of `T0_PLACES`: a place in a file system, whatever lies there, or nothing.
    pub struct PlaceKey: 16 {
        /// The names from the root of the superblock on, see [`place_below`]; with [`ANY_DEV`] the [`component_hash`] of a
        /// name, wherever it is.
        pub hash: u64,
        /// `super_block.s_dev`
        pub dev: u32,
        /// Index of the session whose alone it is, or [`EVERY_SESSION`].
        pub session: u32,
    }

    /// Key data of `NETS` behind the prefix length: policy first, so that one trie serves all sessions.
    /// Policy 0 belongs to T0. IPv4 is stored v4-mapped, so that one key serves both.
    pub struct NetKey: 20 {
        /// `Session::policy`, in network byte order (a trie compares from the first bit on).
        pub policy: [u8; 4],
        /// The address.
        pub addr: [u8; 16],
    }

    /// Value of `NETS`.
    pub struct NetLabel: 28 {
        /// Access bits that are refused; of the hosts that loans are for, the loans that are for others.
        pub deny: u32,
        /// Reason.
        pub reason: u32,
        /// Ports that the label is about, in host byte order; all zero, and no range: every port. Other
        /// ports: as if unlabelled.
        pub ports: [u16; 8],
        /// The first of a range of ports that the label is about, too; 0: of no range.
        pub from: u16,
        /// The last one.
        pub to: u16,
    }

    /// Answer of the `identify` program: what an open descriptor of the caller is.
    pub struct Identity: 56 {
        /// The file.
        pub file: FileKey,
        /// Its place, see [`place_below`]; 0 where it lies too deep.
        pub place: u64,
        /// [`name_hash`] of the first bytes of its name.
        pub name: u64,
        /// `super_block.s_magic`
        pub magic: u64,
        /// `inode.i_mode`
        pub mode: u32,
        /// `inode.i_nlink`
        pub nlink: u32,
        /// 1 when the descriptor was found.
        pub found: u32,
        /// `inode.i_uid`
        pub uid: u32,
    }
}
