//! The LSM hooks, one row a program: whether the tier `lsm` needs it, and the arguments that it reads. What loads, attaches and
//! checks programs reads this table.

/// One argument that a program reads.
pub(crate) enum Read {
    /// At this place, a pointer to this structure.
    Pointer(usize, &'static str),
    /// The same where the hook has several of them: told apart by name.
    Named(usize, &'static str, &'static str),
    /// At this place, a number of this name.
    Number(usize, &'static str),
    /// An address of the network; its structure has another name since 6.19, and what is read of it lies where it did.
    Address(usize),
}
use Read::{Address, Named, Number, Pointer};

/// A program for a hook.
pub(crate) struct Hook {
    /// Its name: the hook's, but for [`SETATTR_WITHOUT_IDMAP`].
    pub(crate) program: &'static str,
    /// Without it a kernel is no `lsm` tier. What else a kernel lacks, `doctor` says.
    is_needed: bool,
    reads: &'static [Read],
}

const fn needed(program: &'static str, reads: &'static [Read]) -> Hook {
    Hook { program, is_needed: true, reads }
}
const fn more(program: &'static str, reads: &'static [Read]) -> Hook {
    Hook { program, is_needed: false, reads }
}

/// Every program, in the order in which they are loaded. Names are those of include/linux/lsm_hook_defs.h.
pub(crate) const HOOKS: &[Hook] = &[
    needed("file_open", &[Pointer(0, "file")]),
    needed("inode_create", &[Pointer(1, "dentry"), Number(2, "mode")]),
    needed("inode_mkdir", &[Pointer(1, "dentry"), Number(2, "mode")]),
    needed("inode_link", &[Named(0, "dentry", "old_dentry"), Named(2, "dentry", "new_dentry")]),
    needed("inode_symlink", &[Pointer(1, "dentry")]),
    needed("inode_rename", &[Named(1, "dentry", "old_dentry"), Named(3, "dentry", "new_dentry")]),
    needed("inode_unlink", &[Pointer(1, "dentry")]),
    needed("inode_rmdir", &[Pointer(1, "dentry")]),
    needed(SETATTR, &[Pointer(1, "dentry"), Pointer(2, "iattr")]),
    needed(SETATTR_WITHOUT_IDMAP, &[Pointer(0, "dentry"), Pointer(1, "iattr")]),
    needed("bprm_check_security", &[Pointer(0, "linux_binprm")]),
    needed("mmap_file", &[Pointer(0, "file"), Number(2, "prot")]),
    needed("socket_connect", &[Pointer(0, "socket"), Address(1)]),
    needed("socket_sendmsg", &[Pointer(0, "socket"), Pointer(1, "msghdr")]),
    more("inode_mknod", &[Pointer(1, "dentry"), Number(2, "mode")]),
    more("inode_setxattr", &[Pointer(1, "dentry")]),
    more("inode_removexattr", &[Pointer(1, "dentry")]),
    more("inode_set_acl", &[Pointer(1, "dentry")]),
    more("inode_remove_acl", &[Pointer(1, "dentry")]),
    more("sb_mount", &[Pointer(1, "path"), Number(3, "flags")]),
    more("sb_umount", &[Pointer(0, "vfsmount"), Number(1, "flags")]),
    more("move_mount", &[Named(1, "path", "to_path")]),
    more("socket_create", &[Number(0, "family"), Number(1, "type"), Number(2, "protocol")]),
    more("unix_stream_connect", &[Named(1, "sock", "other")]),
    more("unix_may_send", &[Named(0, "socket", "sock"), Named(1, "socket", "other")]),
    more("task_kill", &[Pointer(0, "task_struct"), Number(2, "sig")]),
    more("task_setrlimit", &[Pointer(0, "task_struct"), Number(1, "resource")]),
    more("file_send_sigiotask", &[Pointer(0, "task_struct"), Number(2, "sig")]),
    more(REACHING, &[Pointer(0, "task_struct"), Number(1, "mode")]),
    more("bpf", &[Number(0, "cmd")]),
];

/// The hook whose arguments moved in 6.9, and the program for kernels before that.
pub(crate) const SETATTR: &str = "inode_setattr";
pub(crate) const SETATTR_WITHOUT_IDMAP: &str = "inode_setattr_without_idmap";
/// Says who reaches into the memory of a process.
pub(crate) const REACHING: &str = "ptrace_access_check";

/// Every hook.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().map(|hook| hook.program).filter(|program| *program != SETATTR_WITHOUT_IDMAP)
}

/// Whether a kernel without a program for this hook is no `lsm` tier.
pub(crate) fn is_needed(hook: &str) -> bool {
    HOOKS.iter().any(|known| known.program == hook && known.is_needed)
}

/// The program for a hook on this kernel.
pub(crate) fn program_of(hook: &'static str, setattr_idmap: bool) -> &'static str {
    if hook == SETATTR && !setattr_idmap { SETATTR_WITHOUT_IDMAP } else { hook }
}

/// What a program reads.
pub(crate) fn reads(program: &str) -> &'static [Read] {
    HOOKS.iter().find(|hook| hook.program == program).map_or(&[], |hook| hook.reads)
}
