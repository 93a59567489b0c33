//! Offsets of kernel structures, set from the running kernel's BTF before the programs are loaded.
//!
//! Frozen read-only data is a known constant to the verifier. `u32::MAX` marks a field that this kernel lacks.

use core::ptr::addr_of;

macro_rules! offsets {
    ($($name:ident = $function:ident;)*) => {$(
        #[unsafe(no_mangle)]
        static $name: u32 = 0;

        /// Offset in bytes.
        #[inline(always)]
        pub fn $function() -> usize {
            // SAFETY: a static of this program; volatile, since the loader sets it after compilation.
            unsafe { core::ptr::read_volatile(addr_of!($name)) as usize }
        }
    )*};
}

offsets! {
    TASK_TGID = task_tgid;
    TASK_PID = task_pid;
    TASK_LEADER = task_leader;
    TASK_START = task_start;
    TASK_FILES = task_files;
    TASK_FS = task_fs;
    TASK_SIGNAL = task_signal;
    TASK_PTRACE = task_ptrace;
    TASK_EXIT_CODE = task_exit_code;
    TASK_MM = task_mm;
    TASK_STATUS = task_status;
    SIGNAL_LIVE = signal_live;
    SIGNAL_THREADS = signal_threads;
    TASK_THREAD_NODE = task_thread_node;
    FILES_FDT = files_fdt;
    FDT_FD = fdt_fd;
    FDT_MAX = fdt_max;
    FILES_COUNT = files_count;
    FILE_DENTRY = file_dentry;
    FILE_FLAGS = file_flags;
    FILE_MODE = file_mode;
    FILE_PRIVATE = file_private;
    FILE_COUNT = file_count;
    FILE_REF = file_ref;
    FS_PWD_DENTRY = fs_pwd_dentry;
    PATH_DENTRY = path_dentry;
    DENTRY_PARENT = dentry_parent;
    DENTRY_INODE = dentry_inode;
    DENTRY_NAME = dentry_name;
    DENTRY_NAME_LEN = dentry_name_len;
    DENTRY_SB = dentry_sb;
    INODE_NUMBER = inode_number;
    INODE_SB = inode_sb;
    INODE_MODE = inode_mode;
    INODE_GENERATION = inode_generation;
    INODE_NLINK = inode_nlink;
    INODE_UID = inode_uid;
    INODE_SIZE = inode_size;
    SB_DEV = sb_dev;
    SB_MAGIC = sb_magic;
    SB_ROOT = sb_root;
    SB_FLAGS = sb_flags;
    MM_ARG_START = mm_arg_start;
    MM_ARG_END = mm_arg_end;
    BPRM_FILE = bprm_file;
    IATTR_VALID = iattr_valid;
    IATTR_MODE = iattr_mode;
    SOCKET_SK = socket_sk;
    SK_SOCKET = sk_socket;
    SOCKET_FILE = socket_file;
    SOCKET_INODE = socket_inode;
    SK_NET = sk_net;
    NET_COOKIE = net_cookie;
    SK_FAMILY = sk_family;
    SK_TYPE = sk_type;
    SK_STATE = sk_state;
    SK_PROTOCOL = sk_protocol;
    SK_DADDR = sk_daddr;
    SK_DPORT = sk_dport;
    SK_NUM = sk_num;
    SK_RCV_SADDR = sk_rcv_saddr;
    SK_V6_DADDR = sk_v6_daddr;
    SK_V6_RCV_SADDR = sk_v6_rcv_saddr;
    UNIX_DENTRY = unix_dentry;
    UNIX_PEER = unix_peer;
    MSG_NAME = msg_name;
    PROC_INODE_PID = proc_inode_pid;
    PROC_INODE_VFS = proc_inode_vfs;
    PID_NUMBER = pid_number;
    REGS_ORIG_AX = regs_orig_ax;
    REGS_AX = regs_ax;
    REGS_SECOND = regs_second;
    REGS_SECOND_32 = regs_second_32;
    TASK_THREAD_PID = task_thread_pid;
    TASK_PTRACED = task_ptraced;
    TASK_PTRACE_ENTRY = task_ptrace_entry;
    TASK_PARENT = task_parent;
    TASK_NSPROXY = task_nsproxy;
    TASK_CGROUPS = task_cgroups;
    TASK_CRED = task_cred;
    CRED_USER_NS = cred_user_ns;
    PID_LEVEL = pid_level;
    NSPROXY_MNT = nsproxy_mnt;
    NAMESPACE_LAST_MOUNT = namespace_last_mount;
    NAMESPACE_USER_NS = namespace_user_ns;
    MOUNT_NODE = mount_node;
    MOUNT_POINT = mount_point;
    MOUNT_MNT = mount_mnt;
    FILE_MNT = file_mnt;
    FS_ROOT_DENTRY = fs_root_dentry;
    INODE_ALIASES = inode_aliases;
    INODE_PRIVATE = inode_private;
    DENTRY_ALIAS = dentry_alias;
    DENTRY_HASHED = dentry_hashed;
    SK_PEER_PID = sk_peer_pid;
    UNIX_ADDR = unix_addr;
    UNIX_ADDR_LEN = unix_addr_len;
    UNIX_ADDR_NAME = unix_addr_name;
    SIGINFO_CODE = siginfo_code;
    BPRM_FILENAME = bprm_filename;
    BPRM_INTERP = bprm_interp;
    TASK_FLAGS = task_flags;
    TASK_WORKER = task_worker;
    WORKER_WORK = worker_work;
    KIOCB_OPCODE = kiocb_opcode;
    KIOCB_FILE = kiocb_file;
    KIOCB_DATA = kiocb_data;
    KIOCB_WORK = kiocb_work;
    CQE_RES = cqe_res;
    FILENAME_NAME = filename_name;
    ASYNC_MSG_ADDR = async_msg_addr;
    ASYNC_MSG_NAME = async_msg_name;
    ASYNC_MSG_NAME_LEN = async_msg_name_len;
    SB_USER_NS = sb_user_ns;
    USER_NS_LEVEL = user_ns_level;
    PERF_TARGET = perf_target;
    DENTRY_FSDATA = dentry_fsdata;
    TTY_SESSION = tty_session;
    SIGNAL_TTY = signal_tty;
    TASK_SIGHAND = task_sighand;
    SIGHAND_ACTION = sighand_action;
    NS_REAPER = ns_reaper;
    NS_NUMBERS = ns_numbers;
    NODE_SHIFT = node_shift;
    NODE_SLOTS = node_slots;
    PID_TASKS = pid_tasks;
    TASK_PID_LINKS = task_pid_links;
    KIOCB_FLAGS = kiocb_flags;
    TIER_LSM = tier_lsm;
    IO_ENTRY = io_entry;
    READY = ready;
    WORDS_TYPE = words_type;
}

/// Whether kernel memory can be read by loads; see [`crate::read`].
#[inline(always)]
pub fn can_cast() -> bool {
    words_type() != 0
}

/// Whether a request's completion is told with its entry (since Linux 6.15), rather than with what the entry says.
#[inline(always)]
pub fn tells_io_entry() -> bool {
    io_entry() != 0
}

/// Whether what reaches a unix socket is told in the call that sends it, or connects (since Linux 6.3, without the LSM programs).
#[inline(always)]
pub fn tells_ready() -> bool {
    ready() != 0
}

/// Whether the LSM programs are loaded, so that tracepoints leave files to them.
#[inline(always)]
pub fn is_lsm_tier() -> bool {
    tier_lsm() != 0
}
