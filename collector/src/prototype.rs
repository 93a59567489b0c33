//! What the LSM programs read of a hook's arguments, held against the running kernel's own prototype: a program whose arguments
//! have moved would decide about something else, and is not loaded.

use crate::btf::Btf;
use crate::programs::SETATTR_WITHOUT_IDMAP;

/// A number.
const NUMBER: &str = "";

/// Programs, with the arguments that each reads: their places, and the structures that they point to.
const READ: &[(&str, &[(usize, &[&str])])] = &[
    ("file_open", &[(0, &["file"])]),
    ("inode_create", &[(0, &["inode"]), (1, &["dentry"])]),
    ("inode_mknod", &[(0, &["inode"]), (1, &["dentry"])]),
    ("inode_mkdir", &[(0, &["inode"]), (1, &["dentry"])]),
    ("inode_symlink", &[(0, &["inode"]), (1, &["dentry"])]),
    ("inode_link", &[(0, &["dentry"]), (1, &["inode"]), (2, &["dentry"])]),
    ("inode_rename", &[(0, &["inode"]), (1, &["dentry"]), (2, &["inode"]), (3, &["dentry"])]),
    ("inode_unlink", &[(0, &["inode"]), (1, &["dentry"])]),
    ("inode_rmdir", &[(0, &["inode"]), (1, &["dentry"])]),
    ("inode_setattr", &[(1, &["dentry"]), (2, &["iattr"])]),
    (SETATTR_WITHOUT_IDMAP, &[(0, &["dentry"]), (1, &["iattr"])]),
    ("inode_setxattr", &[(1, &["dentry"])]),
    ("inode_removexattr", &[(1, &["dentry"])]),
    ("bprm_check_security", &[(0, &["linux_binprm"])]),
    ("mmap_file", &[(0, &["file"]), (1, &[NUMBER]), (2, &[NUMBER])]),
    ("sb_mount", &[(1, &["path"])]),
    ("sb_umount", &[(0, &["vfsmount"])]),
    ("move_mount", &[(0, &["path"]), (1, &["path"])]),
    // What is read of an address lies where it did in both.
    ("socket_connect", &[(0, &["socket"]), (1, &["sockaddr", "sockaddr_unsized"])]),
    ("socket_sendmsg", &[(0, &["socket"]), (1, &["msghdr"])]),
    ("socket_create", &[(0, &[NUMBER]), (1, &[NUMBER]), (2, &[NUMBER])]),
    ("unix_stream_connect", &[(0, &["sock"]), (1, &["sock"])]),
    ("unix_may_send", &[(0, &["socket"]), (1, &["socket"])]),
    ("task_kill", &[(0, &["task_struct"]), (2, &[NUMBER])]),
    ("ptrace_access_check", &[(0, &["task_struct"]), (1, &[NUMBER])]),
    ("bpf", &[(0, &[NUMBER])]),
];

/// Why a program does not fit the hook; `None`: it does, or the kernel has no such hook, which the loader finds.
pub(crate) fn misfit(btf: &Btf, program: &str, hook: &str) -> Option<String> {
    let function = format!("bpf_lsm_{hook}");
    btf.function(&function)?;
    let read = READ.iter().find(|(name, _)| *name == program).map(|(_, read)| *read)?;
    read.iter().find_map(|(place, wanted)| {
        let found = btf.parameter(&function, *place);
        let fits = found.as_ref().is_some_and(|found| wanted.contains(&found.as_str()));
        (!fits).then(|| {
            format!("argument {place} is {found:?} on this kernel, where the program reads {wanted:?}")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::{LSM, LSM_MORE, SETATTR, lsm_program};

    #[test]
    fn every_program_says_what_it_reads_and_fits_the_running_kernel() {
        let btf = Btf::read().unwrap();
        let idmap = btf.parameters("bpf_lsm_inode_setattr").is_some_and(|count| count >= 3);
        for hook in LSM.iter().chain(LSM_MORE) {
            let program = lsm_program(hook, idmap);
            assert!(READ.iter().any(|(name, _)| *name == program), "{program}");
            assert_eq!(misfit(&btf, program, hook), None, "{program}");
        }
    }

    #[test]
    fn a_program_whose_arguments_lie_elsewhere_does_not_fit() {
        let btf = Btf::read().unwrap();
        if btf.function("bpf_lsm_file_open").is_none() {
            println!("skipped: this kernel has no hooks for programs");
            return;
        }
        let idmap = btf.parameters("bpf_lsm_inode_setattr").is_some_and(|count| count >= 3);
        let other = if idmap { SETATTR_WITHOUT_IDMAP } else { SETATTR };
        assert!(misfit(&btf, other, SETATTR).is_some());
        let why = misfit(&btf, "inode_unlink", "file_open").unwrap();
        assert!(why.contains("argument 0") && why.contains("file") && why.contains("inode"), "{why}");
        assert!(misfit(&btf, "inode_rename", "inode_unlink").is_some(), "arguments that are not there");
    }
}
