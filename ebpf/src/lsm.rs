//! LSM hooks: observe and refuse in one program a hook, so that a record carries the decision.
//!
//! BPF comes last in the LSM order: what permissions or another LSM refuse never arrives here, and is told at the end of
//! the system call. Prototypes are those of include/linux/lsm_hook_defs.h. A program returns 0, -EPERM, or [`PUT_OFF`] for what
//! is to be begun once more.
//!
//! Here: files, names, programs, mounts and sockets; what is about other processes has a file of its own below this one.

mod process;

use crate::deadline::{self, PUT_OFF};
use crate::descriptor::open_access;
use crate::offsets;
use crate::peer::{self, NetOperation, Peer};
use crate::process::{ENVIRONMENT, is_outside};
use crate::read::{Address, argument, zeros};
use crate::ring::{FileOperation, tell_file, verdict};
use crate::task::{self, Inside};
use crate::{decide, dentry, endpoint, itself, lent, listener, mount, refusal, socket, terminal, worker};
use abi::{CALL_APART, MEANS_LSM, STAGE_T0, VERDICT_REFUSED, Verdict, access, op};
use aya_ebpf::EbpfContext;
use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;

const ALLOW: i32 = 0;
const EPERM: i32 = -1;
/// `__FMODE_EXEC` in `f_flags`: the kernel opens a program; told as an exec.
const FMODE_EXEC: u32 = 0x20;
const PROT_EXEC: u64 = 4;

/// Decides and tells one operation. `told` says whether it is told when it is allowed, too.
#[inline(always)]
fn guard(
    op: u16,
    access: u32,
    detail: u32,
    object: Address,
    second: Option<(Address, u32)>,
    told: bool,
) -> i32 {
    let Some(inside) = task::current() else { return ALLOW };
    // A program that is being loaded cannot be put off any more.
    if access & access::ACT != 0 && op != op::MAP_EXEC && deadline::stops(&inside) {
        return PUT_OFF;
    }
    let mut decided = decide::file(&inside, object, access, MEANS_LSM);
    if decided.stage == 0
        && let Some((second, second_access)) = second
    {
        decided = decide::file(&inside, second, second_access, MEANS_LSM);
    }
    if told || decided.stage != 0 {
        let ret = if decided.flags & VERDICT_REFUSED != 0 { EPERM } else { 0 };
        let operation =
            FileOperation { op, access, ret, detail, before: true, syscall: u32::MAX, call: CALL_APART };
        let _ = tell_file(&inside, &operation, object, second.map(|(second, _)| second), &decided);
    }
    answer(&inside, &decided)
}

#[inline(always)]
fn answer(inside: &Inside, decided: &Verdict) -> i32 {
    if decided.flags & VERDICT_REFUSED == 0 {
        return ALLOW;
    }
    refusal::note(worker::key(inside));
    EPERM
}

/// `file_open(struct file *file)`: every open but those of paths only; io_uring's too.
#[lsm(hook = "file_open")]
pub fn file_open(ctx: LsmContext) -> i32 {
    let file = Address(argument(ctx.as_ptr(), 0));
    let Some((access, flags)) = open_access(file) else { return ALLOW };
    if flags & FMODE_EXEC != 0 {
        return ALLOW;
    }
    let Some(dentry) = file.follow(offsets::file_dentry()) else { return ALLOW };
    // Memory is reached through `ptrace_access_check`.
    if is_outside(dentry, &[ENVIRONMENT]) || is_lent(file, dentry) {
        return guard_outside(abi::REASON_OTHER_PROCESS, access, flags, dentry);
    }
    if task::current()
        .is_some_and(|inside| terminal::is_others(file.0, dentry.0, u64::from(inside.slot)) != 0)
    {
        return guard_outside(abi::REASON_TERMINAL, access, flags, dentry);
    }
    guard(op::OPEN, access, flags, dentry, None, true)
}

/// The file has no descriptor yet, so that no other thread's open is taken for one that was there before.
#[inline(always)]
fn is_lent(file: Address, dentry: Address) -> bool {
    task::current().is_some_and(|inside| lent::is_outside(&inside, file, dentry, false))
}

#[inline(always)]
fn guard_outside(reason: u32, access: u32, detail: u32, object: Address) -> i32 {
    let Some(inside) = task::current() else { return ALLOW };
    let decided = verdict(&inside, STAGE_T0, reason, MEANS_LSM);
    let operation = FileOperation {
        op: op::OPEN,
        access,
        ret: EPERM,
        detail,
        before: true,
        syscall: u32::MAX,
        call: CALL_APART,
    };
    let _ = tell_file(&inside, &operation, object, None, &decided);
    answer(&inside, &decided)
}

/// Hooks that differ in the operation, the access, and where the dentry and its mode are among the arguments.
macro_rules! of_a_name {
    ($($(#[$doc:meta])* $hook:ident $name:tt: $op:expr, $access:expr, argument $at:literal $(, mode $mode:literal)?;)*) => {$(
        $(#[$doc])*
        #[lsm(hook = $name)]
        pub fn $hook(ctx: LsmContext) -> i32 {
            let mode = 0 $(+ argument(ctx.as_ptr(), $mode) as u32)?;
            guard($op, $access, mode, Address(argument(ctx.as_ptr(), $at)), None, true)
        }
    )*};
}

of_a_name! {
    /// `inode_create(struct inode *dir, struct dentry *dentry, umode_t mode)`: told by the open that follows,
    /// where one does (user space leaves out the other).
    inode_create "inode_create": op::CREATE, access::CREATE, argument 1, mode 2;
    /// `inode_mknod(struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)`
    inode_mknod "inode_mknod": op::CREATE, access::CREATE, argument 1, mode 2;
    /// `inode_mkdir(struct inode *dir, struct dentry *dentry, umode_t mode)`
    inode_mkdir "inode_mkdir": op::MKDIR, access::CREATE | access::DIR, argument 1, mode 2;
    /// `inode_symlink(struct inode *dir, struct dentry *dentry, const char *old_name)`
    inode_symlink "inode_symlink": op::SYMLINK, access::CREATE | access::LINKED, argument 1;
    /// `inode_rmdir(struct inode *dir, struct dentry *dentry)`
    inode_rmdir "inode_rmdir": op::RMDIR, access::REMOVE | access::DIR, argument 1;
    /// `inode_setxattr(struct mnt_idmap *idmap, struct dentry *dentry, const char *name, ...)`
    inode_setxattr "inode_setxattr": op::SETXATTR, access::ATTR, argument 1;
    /// `inode_removexattr(struct mnt_idmap *idmap, struct dentry *dentry, const char *name)`
    inode_removexattr "inode_removexattr": op::REMOVEXATTR, access::ATTR, argument 1;
    /// `inode_set_acl(struct mnt_idmap *idmap, struct dentry *dentry, const char *acl_name, struct posix_acl *kacl)`, since 6.2
    inode_set_acl "inode_set_acl": op::SETXATTR, access::ATTR, argument 1;
    /// `inode_remove_acl(struct mnt_idmap *idmap, struct dentry *dentry, const char *acl_name)`, since 6.2
    inode_remove_acl "inode_remove_acl": op::REMOVEXATTR, access::ATTR, argument 1;
}

/// `inode_link(struct dentry *old_dentry, struct inode *dir, struct dentry *new_dentry)`
#[lsm(hook = "inode_link")]
pub fn inode_link(ctx: LsmContext) -> i32 {
    guard(
        op::LINK,
        access::LINK,
        0,
        Address(argument(ctx.as_ptr(), 0)),
        Some((Address(argument(ctx.as_ptr(), 2)), access::CREATE)),
        true,
    )
}

/// `inode_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir, struct dentry *new_dentry)`
#[lsm(hook = "inode_rename")]
pub fn inode_rename(ctx: LsmContext) -> i32 {
    let (source, target) = (Address(argument(ctx.as_ptr(), 1)), Address(argument(ctx.as_ptr(), 3)));
    let own = itself::replaces(source.0, target.0) as u32 & access::OWN;
    let taken = itself::removes(source.0) as u32 & access::OWN;
    // What is replaced is removed.
    let replaced = if dentry::inode(target).is_some() { access::REMOVE } else { 0 };
    guard(
        op::RENAME,
        access::REMOVE | taken,
        0,
        source,
        Some((target, access::CREATE | access::MOVED | replaced | own)),
        true,
    )
}

/// `inode_unlink(struct inode *dir, struct dentry *dentry)`
#[lsm(hook = "inode_unlink")]
pub fn inode_unlink(ctx: LsmContext) -> i32 {
    let object = Address(argument(ctx.as_ptr(), 1));
    let own = itself::removes(object.0) as u32 & access::OWN;
    guard(op::UNLINK, access::REMOVE | own, 0, object, None, true)
}

/// `inode_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)`, since 6.9
#[lsm(hook = "inode_setattr")]
pub fn inode_setattr(ctx: LsmContext) -> i32 {
    on_setattr(Address(argument(ctx.as_ptr(), 1)), Address(argument(ctx.as_ptr(), 2)))
}

/// `inode_setattr(struct dentry *dentry, struct iattr *attr)`, before 6.9
#[lsm(hook = "inode_setattr")]
pub fn inode_setattr_without_idmap(ctx: LsmContext) -> i32 {
    on_setattr(Address(argument(ctx.as_ptr(), 0)), Address(argument(ctx.as_ptr(), 1)))
}

#[inline(always)]
fn on_setattr(dentry: Address, attr: Address) -> i32 {
    // include/linux/fs.h
    const ATTR_MODE: u32 = 1 << 0;
    const ATTR_OWNER: u32 = 1 << 1 | 1 << 2;
    const ATTR_SIZE: u32 = 1 << 3;
    const ATTR_OPEN: u32 = 1 << 15;
    /// `S_IALLUGO`
    const PERMISSIONS: u16 = 0o7777;
    let valid = attr.word(offsets::iattr_valid()).unwrap_or(0);
    let (op, access, told) = if valid & ATTR_SIZE != 0 {
        (op::TRUNCATE, access::WRITE, valid & ATTR_OPEN == 0)
    } else if valid & ATTR_OWNER != 0 {
        (op::CHOWN, access::ATTR, true)
    } else if valid & ATTR_MODE != 0 {
        (op::CHMOD, access::ATTR, true)
    } else {
        // Times only: every write sets them.
        return ALLOW;
    };
    let mode = attr.get::<u16>(offsets::iattr_mode()).unwrap_or(0);
    let detail = if op == op::CHMOD { mode & PERMISSIONS } else { 0 };
    guard(op, access, u32::from(detail), dentry, None, told)
}

/// `bprm_check_security(struct linux_binprm *bprm)`: for a script, once for it and once for its interpreter. An allowed
/// one is told by `sched_process_exec`.
#[lsm(hook = "bprm_check_security")]
pub fn bprm_check_security(ctx: LsmContext) -> i32 {
    let file = Address(argument(ctx.as_ptr(), 0)).follow(offsets::bprm_file());
    let Some(dentry) = file.and_then(|file| file.follow(offsets::file_dentry())) else { return ALLOW };
    guard(op::EXEC, access::EXEC, 0, dentry, None, false)
}

/// `mmap_file(struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)`: programs that are
/// started by their loader (`ld.so ./x`), and libraries.
#[lsm(hook = "mmap_file")]
pub fn mmap_file(ctx: LsmContext) -> i32 {
    let file = Address(argument(ctx.as_ptr(), 0));
    if file.is_null() || argument(ctx.as_ptr(), 2) & PROT_EXEC == 0 {
        return ALLOW;
    }
    let Some(dentry) = file.follow(offsets::file_dentry()) else { return ALLOW };
    guard(op::MAP_EXEC, access::EXEC, 0, dentry, None, true)
}

/// `sb_mount(const char *dev_name, const struct path *path, const char *type, unsigned long flags, void *data)`
#[lsm(hook = "sb_mount")]
pub fn sb_mount(ctx: LsmContext) -> i32 {
    let Some(dentry) = Address(argument(ctx.as_ptr(), 1)).follow(offsets::path_dentry()) else {
        return ALLOW;
    };
    let flags: u64 = argument(ctx.as_ptr(), 3);
    let covers = if flags & mount::CHANGES_ONE == 0 { access::MOVED } else { 0 };
    guard(op::MOUNT, access::MOUNT | covers, flags as u32, dentry, None, true)
}

/// `sb_umount(struct vfsmount *mnt, int flags)`
#[lsm(hook = "sb_umount")]
pub fn sb_umount(ctx: LsmContext) -> i32 {
    let mount = Address(argument(ctx.as_ptr(), 0).wrapping_sub(offsets::mount_mnt() as u64));
    let Some(point) = mount.follow(offsets::mount_point()) else { return ALLOW };
    guard(op::UMOUNT, access::MOUNT, argument(ctx.as_ptr(), 1) as u32, point, None, true)
}

/// `move_mount(const struct path *from_path, const struct path *to_path)`
#[lsm(hook = "move_mount")]
pub fn move_mount(ctx: LsmContext) -> i32 {
    let Some(to) = Address(argument(ctx.as_ptr(), 1)).follow(offsets::path_dentry()) else { return ALLOW };
    guard(op::MOUNT, access::MOUNT | access::MOVED, 0, to, None, true)
}

/// `socket_connect(struct socket *sock, struct sockaddr *address, int addrlen)`: the address is the kernel's copy. What is
/// allowed is told by the cgroup hook behind it.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(ctx: LsmContext) -> i32 {
    to_address(op::CONNECT, Address(argument(ctx.as_ptr(), 0)), Address(argument(ctx.as_ptr(), 1)))
}

/// `socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`: a datagram with an address of its own.
#[lsm(hook = "socket_sendmsg")]
pub fn socket_sendmsg(ctx: LsmContext) -> i32 {
    let Some(address) = Address(argument(ctx.as_ptr(), 1)).follow(offsets::msg_name()) else { return ALLOW };
    to_address(op::SEND, Address(argument(ctx.as_ptr(), 0)), address)
}

#[inline(always)]
fn to_address(op: u16, socket: Address, address: Address) -> i32 {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    let Some(inside) = task::current() else { return ALLOW };
    if deadline::stops(&inside) {
        return PUT_OFF;
    }
    let Some(family) = address.get::<u16>(0) else { return ALLOW };
    let addr = match family {
        AF_INET => peer::mapped(address.word(4).unwrap_or(0)),
        AF_INET6 => address.get(8).unwrap_or_else(zeros),
        _ => return ALLOW,
    };
    let port = u16::from_be(address.get(2).unwrap_or(0));
    let sk = socket.follow(offsets::socket_sk());
    let kind = sk.and_then(|sk| sk.get(offsets::sk_type())).unwrap_or(0);
    let protocol = sk.and_then(|sk| sk.get::<u16>(offsets::sk_protocol())).unwrap_or(0);
    let peer = Peer { family, kind, port, protocol: u32::from(protocol), addr };
    // Who listens on this machine is looked up by the hook behind this one.
    let later = listener::is_local(addr) && peer.has_hooks();
    let decided = decide::address(&inside, addr, port, access::CONNECT, MEANS_LSM, later);
    if decided.stage != 0 {
        peer::tell(&inside, &NetOperation::before(op, EPERM), &peer, &decided);
    }
    answer(&inside, &decided)
}

/// `socket_create(int family, int type, int protocol, int kern)`: families that no address hook sees.
#[lsm(hook = "socket_create")]
pub fn socket_create(ctx: LsmContext) -> i32 {
    const KNOWN: [u16; 4] = [1, 2, 10, 16];
    let family = argument(ctx.as_ptr(), 0) as u16;
    let mut i = 0;
    while i < KNOWN.len() {
        if KNOWN[i] == family {
            return ALLOW;
        }
        i += 1;
    }
    let Some(inside) = task::current() else { return ALLOW };
    let peer = Peer {
        family,
        kind: argument(ctx.as_ptr(), 1) as u16,
        port: 0,
        protocol: argument(ctx.as_ptr(), 2) as u32,
        addr: zeros(),
    };
    let decided = socket::unhooked(&inside, MEANS_LSM);
    // The end of the call tells what was allowed.
    if decided.stage != 0 {
        let ret = if decided.flags & VERDICT_REFUSED != 0 { EPERM } else { 0 };
        peer::tell(&inside, &NetOperation::before(op::SOCKET, ret), &peer, &decided);
    }
    answer(&inside, &decided)
}

/// `unix_stream_connect(struct sock *sock, struct sock *other, struct sock *newsk)`
#[lsm(hook = "unix_stream_connect")]
pub fn unix_stream_connect(ctx: LsmContext) -> i32 {
    to_unix(op::CONNECT, Address(argument(ctx.as_ptr(), 1)), true)
}

/// `unix_may_send(struct socket *sock, struct socket *other)`: every datagram, and every connect of a datagram socket.
#[lsm(hook = "unix_may_send")]
pub fn unix_may_send(ctx: LsmContext) -> i32 {
    let Some(other) = Address(argument(ctx.as_ptr(), 1)).follow(offsets::socket_sk()) else { return ALLOW };
    let own = Address(argument(ctx.as_ptr(), 0)).follow(offsets::socket_sk());
    // What goes to the peer was told when it was connected.
    let connected = own.is_some_and(|own| own.follow(offsets::unix_peer()) == Some(other));
    to_unix(op::SEND, other, !connected)
}

#[inline(always)]
fn to_unix(op: u16, other: Address, told: bool) -> i32 {
    let Some(inside) = task::current() else { return ALLOW };
    if deadline::stops(&inside) {
        return PUT_OFF;
    }
    let (behind, decided) = endpoint::decide(&inside, other, other, MEANS_LSM);
    if told || decided.stage != 0 {
        let peer = Peer {
            family: 1,
            kind: other.get(offsets::sk_type()).unwrap_or(0),
            port: 0,
            protocol: 0,
            addr: zeros(),
        };
        let ret = if decided.flags & VERDICT_REFUSED != 0 { EPERM } else { 0 };
        let operation = NetOperation { unix: other, peer: behind, ..NetOperation::before(op, ret) };
        peer::tell(&inside, &operation, &peer, &decided);
    }
    answer(&inside, &decided)
}
