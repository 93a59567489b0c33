//! Field offsets of the running kernel, as the kernel programs want them in their read-only data.

use crate::Error;
use crate::btf::Btf;

/// One offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// Name of the global in the kernel programs.
    pub global: &'static str,
    /// Structure and member.
    pub field: &'static str,
    /// Offset in bytes.
    pub offset: u32,
}

/// All offsets.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Offsets(pub Vec<Field>);

/// Global, `structure:member` (of no member, its size), and whether Wardline can do without it.
const FIELDS: &[(&str, &str, bool)] = &[
    ("TASK_TGID", "task_struct:tgid", false),
    ("TASK_PID", "task_struct:pid", false),
    ("TASK_LEADER", "task_struct:group_leader", false),
    ("TASK_START", "task_struct:start_boottime", false),
    ("TASK_FILES", "task_struct:files", false),
    ("TASK_FS", "task_struct:fs", false),
    ("TASK_SIGNAL", "task_struct:signal", false),
    ("TASK_PTRACE", "task_struct:ptrace", false),
    ("TASK_EXIT_CODE", "task_struct:exit_code", false),
    ("TASK_MM", "task_struct:mm", false),
    ("TASK_STATUS", "task_struct:thread_info.status", false),
    ("SIGNAL_LIVE", "signal_struct:live", false),
    ("SIGNAL_THREADS", "signal_struct:thread_head", false),
    ("TASK_THREAD_NODE", "task_struct:thread_node", false),
    ("FILES_FDT", "files_struct:fdt", false),
    ("FDT_FD", "fdtable:fd", false),
    ("FDT_MAX", "fdtable:max_fds", false),
    ("FILES_COUNT", "files_struct:count", false),
    ("FILE_DENTRY", "file:f_path.dentry", false),
    ("FILE_FLAGS", "file:f_flags", false),
    ("FILE_MODE", "file:f_mode", false),
    ("FILE_PRIVATE", "file:private_data", false),
    ("FILE_COUNT", "file:f_count", true),
    ("FILE_REF", "file:f_ref", true),
    ("FS_PWD_DENTRY", "fs_struct:pwd.dentry", false),
    ("PATH_DENTRY", "path:dentry", false),
    ("DENTRY_PARENT", "dentry:d_parent", false),
    ("DENTRY_INODE", "dentry:d_inode", false),
    ("DENTRY_NAME", "dentry:d_name.name", false),
    ("DENTRY_NAME_LEN", "dentry:d_name.len", false),
    ("DENTRY_SB", "dentry:d_sb", false),
    ("INODE_NUMBER", "inode:i_ino", false),
    ("INODE_SB", "inode:i_sb", false),
    ("INODE_MODE", "inode:i_mode", false),
    ("INODE_GENERATION", "inode:i_generation", false),
    ("INODE_NLINK", "inode:i_nlink", false),
    ("INODE_UID", "inode:i_uid", false),
    ("INODE_SIZE", "inode:", false),
    ("SB_DEV", "super_block:s_dev", false),
    ("SB_MAGIC", "super_block:s_magic", false),
    ("SB_ROOT", "super_block:s_root", false),
    ("SB_FLAGS", "super_block:s_flags", false),
    ("MM_ARG_START", "mm_struct:arg_start", false),
    ("MM_ARG_END", "mm_struct:arg_end", false),
    ("BPRM_FILE", "linux_binprm:file", false),
    ("IATTR_VALID", "iattr:ia_valid", false),
    ("IATTR_MODE", "iattr:ia_mode", false),
    ("SOCKET_SK", "socket:sk", false),
    ("SK_SOCKET", "sock:sk_socket", false),
    ("SOCKET_FILE", "socket:file", false),
    ("SOCKET_INODE", "socket_alloc:vfs_inode", false),
    ("SK_NET", "sock:__sk_common.skc_net.net", true),
    ("NET_COOKIE", "net:net_cookie", true),
    ("SK_FAMILY", "sock:__sk_common.skc_family", false),
    ("SK_TYPE", "sock:sk_type", false),
    ("SK_STATE", "sock:__sk_common.skc_state", false),
    ("SK_PROTOCOL", "sock:sk_protocol", false),
    ("SK_DADDR", "sock:__sk_common.skc_daddr", false),
    ("SK_DPORT", "sock:__sk_common.skc_dport", false),
    ("SK_NUM", "sock:__sk_common.skc_num", false),
    ("SK_RCV_SADDR", "sock:__sk_common.skc_rcv_saddr", false),
    ("SK_V6_DADDR", "sock:__sk_common.skc_v6_daddr", true),
    ("SK_V6_RCV_SADDR", "sock:__sk_common.skc_v6_rcv_saddr", true),
    ("UNIX_DENTRY", "unix_sock:path.dentry", false),
    ("UNIX_PEER", "unix_sock:peer", false),
    ("MSG_NAME", "msghdr:msg_name", false),
    ("PROC_INODE_PID", "proc_inode:pid", false),
    ("PROC_INODE_VFS", "proc_inode:vfs_inode", false),
    ("PID_NUMBER", "pid:numbers", false),
    ("REGS_ORIG_AX", "pt_regs:orig_ax", false),
    ("REGS_AX", "pt_regs:ax", false),
    ("REGS_SECOND", "pt_regs:si", false),
    ("REGS_SECOND_32", "pt_regs:cx", false),
    ("TASK_THREAD_PID", "task_struct:thread_pid", false),
    ("TASK_PTRACED", "task_struct:ptraced", false),
    ("TASK_PTRACE_ENTRY", "task_struct:ptrace_entry", false),
    ("TASK_PARENT", "task_struct:real_parent", false),
    ("TASK_NSPROXY", "task_struct:nsproxy", false),
    ("TASK_CGROUPS", "task_struct:cgroups", false),
    ("TASK_CRED", "task_struct:real_cred", false),
    ("CRED_USER_NS", "cred:user_ns", false),
    ("PID_LEVEL", "pid:level", false),
    ("NSPROXY_MNT", "nsproxy:mnt_ns", false),
    ("NAMESPACE_LAST_MOUNT", "mnt_namespace:mnt_last_node", true),
    ("NAMESPACE_USER_NS", "mnt_namespace:user_ns", false),
    ("MOUNT_NODE", "mount:mnt_node", true),
    ("MOUNT_POINT", "mount:mnt_mountpoint", false),
    ("MOUNT_MNT", "mount:mnt", false),
    ("FILE_MNT", "file:f_path.mnt", false),
    ("FS_ROOT_DENTRY", "fs_struct:root.dentry", false),
    ("INODE_ALIASES", "inode:i_dentry", false),
    ("INODE_PRIVATE", "inode:i_private", false),
    ("DENTRY_ALIAS", "dentry:d_u.d_alias", false),
    ("DENTRY_HASHED", "dentry:d_hash.pprev", false),
    ("SK_PEER_PID", "sock:sk_peer_pid", false),
    ("UNIX_ADDR", "unix_sock:addr", false),
    ("UNIX_ADDR_LEN", "unix_address:len", false),
    ("UNIX_ADDR_NAME", "unix_address:name", false),
    ("SIGINFO_CODE", "kernel_siginfo:si_code", false),
    ("BPRM_FILENAME", "linux_binprm:filename", false),
    ("BPRM_INTERP", "linux_binprm:interp", false),
    ("TASK_FLAGS", "task_struct:flags", false),
    ("TASK_WORKER", "task_struct:worker_private", true),
    ("WORKER_WORK", "io_worker:cur_work", true),
    ("KIOCB_OPCODE", "io_kiocb:opcode", true),
    ("KIOCB_FILE", "io_kiocb:file", true),
    ("KIOCB_DATA", "io_kiocb:async_data", true),
    ("KIOCB_WORK", "io_kiocb:work", true),
    ("CQE_RES", "io_uring_cqe:res", true),
    ("FILENAME_NAME", "filename:name", false),
    ("ASYNC_MSG_ADDR", "io_async_msghdr:addr", true),
    ("ASYNC_MSG_NAME", "io_async_msghdr:msg.msg_name", true),
    ("ASYNC_MSG_NAME_LEN", "io_async_msghdr:msg.msg_namelen", true),
    ("SB_USER_NS", "super_block:s_user_ns", false),
    ("USER_NS_LEVEL", "user_namespace:level", false),
    ("PERF_TARGET", "perf_event:hw.target", true),
    ("DENTRY_FSDATA", "dentry:d_fsdata", false),
    ("TTY_SESSION", "tty_struct:ctrl.session", true),
    ("SIGNAL_TTY", "signal_struct:tty", false),
    ("TASK_SIGHAND", "task_struct:sighand", false),
    ("SIGHAND_ACTION", "sighand_struct:action", false),
    ("NS_REAPER", "pid_namespace:child_reaper", false),
    ("NS_NUMBERS", "pid_namespace:idr.idr_rt.xa_head", false),
    ("NODE_SHIFT", "xa_node:shift", false),
    ("NODE_SLOTS", "xa_node:slots", false),
    ("PID_TASKS", "pid:tasks", false),
    ("TASK_PID_LINKS", "task_struct:pid_links", false),
    ("KIOCB_FLAGS", "io_kiocb:flags", true),
];

/// Offsets in `pt_regs` of the registers that hold a system call's six arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    /// Of the 64-bit calling convention.
    pub(crate) wide: [u8; 6],
    /// Of the 32-bit one.
    pub(crate) narrow: [u8; 6],
}

/// Finds the registers.
pub(crate) fn registers(btf: &Btf) -> Result<Registers, Error> {
    let find = |names: [&'static str; 6]| -> Result<[u8; 6], Error> {
        let mut offsets = [0; 6];
        for (offset, name) in offsets.iter_mut().zip(names) {
            let found = btf.offset("pt_regs", name).and_then(|offset| u8::try_from(offset).ok());
            *offset = found.ok_or(Error::MissingField(name))?;
        }
        Ok(offsets)
    };
    Ok(Registers {
        wide: find(["di", "si", "dx", "r10", "r8", "r9"])?,
        narrow: find(["bx", "cx", "dx", "si", "di", "bp"])?,
    })
}

impl Offsets {
    /// Finds every field in the running kernel; an error names the first required one that is missing.
    pub(crate) fn find(btf: &Btf) -> Result<Self, Error> {
        let mut fields = Vec::with_capacity(FIELDS.len());
        for &(global, field, optional) in FIELDS {
            let (structure, member) = field.split_once(':').unwrap_or((field, ""));
            let offset = match btf.offset(structure, member) {
                Some(offset) => offset,
                // Reads there fail, or are not tried.
                None if optional => u32::MAX,
                None => return Err(Error::MissingField(field)),
            };
            fields.push(Field { global, field, offset });
        }
        Ok(Self(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_every_required_field() {
        let offsets = Offsets::find(&Btf::read().unwrap()).unwrap();
        assert_eq!(offsets.0.len(), FIELDS.len());
    }
}
