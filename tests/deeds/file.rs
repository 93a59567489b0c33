//! Files, directories and mounts.

use super::tools::{Deed, Place, call, in_child, say};
use std::ffi::CStr;
use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub(super) const DEEDS: &[Deed] = &[
    ("open", |p| open(&p.at("open"), libc::O_RDONLY).map(drop)),
    ("open, cut", |p| open(&p.at("cut"), libc::O_WRONLY | libc::O_TRUNC).map(drop)),
    ("open, made", |p| open(&p.at("made"), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL).map(drop)),
    ("open, absent", |p| open(&p.at("absent"), libc::O_RDWR).map(drop)),
    ("openat2", openat2),
    ("open_by_handle_at", |p| by_handle(&p.at("."), &p.at("handle")).map(drop)),
    ("memfd_create", |_| call!(libc::SYS_memfd_create, c"deed".as_ptr(), 0).and_then(owned).map(drop)),
    ("truncate", |p| call!(libc::SYS_truncate, p.at("truncate").as_ptr(), 1).map(drop)),
    ("ftruncate", |p| {
        let file = open(&p.at("ftruncate"), libc::O_WRONLY)?;
        call!(libc::SYS_ftruncate, file.as_raw_fd(), 1).map(drop)
    }),
    ("unlink", |p| call!(libc::SYS_unlink, p.at("unlink").as_ptr()).map(drop)),
    ("unlink, absent", |p| call!(libc::SYS_unlink, p.at("absent").as_ptr()).map(drop)),
    ("unlinkat", |p| {
        let directory = open(&p.at("."), libc::O_PATH)?;
        call!(libc::SYS_unlinkat, directory.as_raw_fd(), c"sub/../unlinkat".as_ptr(), 0).map(drop)
    }),
    ("rename", |p| call!(libc::SYS_rename, p.at("rename").as_ptr(), p.at("renamed").as_ptr()).map(drop)),
    ("rename, over", |p| {
        call!(libc::SYS_rename, p.at("over-from").as_ptr(), p.at("over-to").as_ptr()).map(drop)
    }),
    ("rename, absent", |p| {
        call!(libc::SYS_rename, p.at("absent").as_ptr(), p.at("nowhere").as_ptr()).map(drop)
    }),
    ("renameat, absent", |p| {
        let (from, to) = (open(&p.at("sub"), libc::O_PATH)?, open(&p.at("directory"), libc::O_PATH)?);
        let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
        call!(libc::SYS_renameat, from, c"absent".as_ptr(), to, c"nowhere".as_ptr()).map(drop)
    }),
    ("linkat, absent", |p| {
        let (from, to) = (open(&p.at("sub"), libc::O_PATH)?, open(&p.at("directory"), libc::O_PATH)?);
        let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
        call!(libc::SYS_linkat, from, c"absent".as_ptr(), to, c"nowhere".as_ptr(), 0).map(drop)
    }),
    ("link", |p| call!(libc::SYS_link, p.at("link").as_ptr(), p.at("linked").as_ptr()).map(drop)),
    ("link, there", |p| call!(libc::SYS_link, p.at("link").as_ptr(), p.at("open").as_ptr()).map(drop)),
    ("symlink", |p| call!(libc::SYS_symlink, c"anywhere".as_ptr(), p.at("symlink").as_ptr()).map(drop)),
    ("mkdir", |p| call!(libc::SYS_mkdir, p.at("mkdir").as_ptr(), 0o755).map(drop)),
    ("mkdir, there", |p| call!(libc::SYS_mkdir, p.at("directory").as_ptr(), 0o755).map(drop)),
    ("rmdir", |p| call!(libc::SYS_rmdir, p.at("rmdir").as_ptr()).map(drop)),
    ("rmdir, full", |p| call!(libc::SYS_rmdir, p.at("full").as_ptr()).map(drop)),
    ("mknod", |p| call!(libc::SYS_mknod, p.at("fifo").as_ptr(), libc::S_IFIFO | 0o644, 0).map(drop)),
    ("mknod, regular", |p| {
        call!(libc::SYS_mknod, p.at("regular").as_ptr(), libc::S_IFREG | 0o644, 0).map(drop)
    }),
    ("chmod", |p| call!(libc::SYS_chmod, p.at("chmod").as_ptr(), 0o600).map(drop)),
    ("fchmod", |p| {
        let file = open(&p.at("fchmod"), libc::O_RDONLY)?;
        call!(libc::SYS_fchmod, file.as_raw_fd(), 0o600).map(drop)
    }),
    ("chown", |p| call!(libc::SYS_chown, p.at("chown").as_ptr(), 1, 1).map(drop)),
    ("setxattr", |p| set_attribute(p, "setxattr")),
    ("removexattr", |p| {
        set_attribute(p, "removexattr")?;
        call!(libc::SYS_removexattr, p.at("removexattr").as_ptr(), ATTRIBUTE.as_ptr()).map(drop)
    }),
    ("mmap, executable", map_code),
    ("open, deleted", deleted),
    ("open, through a bind mount", |p| {
        in_mounts(|| {
            mount(p, Some("bound"), "shown", libc::MS_BIND)?;
            open(&p.at("shown/below"), libc::O_RDONLY).map(drop)
        })
    }),
    ("mount", |p| in_mounts(|| mount(p, None, "mnt", 0))),
    ("umount", |p| {
        in_mounts(|| {
            mount(p, None, "tree", 0)?;
            call!(libc::SYS_umount2, p.at("tree").as_ptr(), 0).map(drop)
        })
    }),
    ("mount, absent", |p| in_mounts(|| mount(p, None, "absent", 0))),
    ("move_mount", |p| {
        in_mounts(|| {
            const CLONE: i32 = 1;
            const FROM_DESCRIPTOR: i32 = 4;
            let tree = owned(call!(
                libc::SYS_open_tree,
                libc::AT_FDCWD,
                p.at("sub").as_ptr(),
                CLONE | libc::O_CLOEXEC
            )?)?;
            let (from, none, here) = (tree.as_raw_fd(), c"".as_ptr(), libc::AT_FDCWD);
            call!(libc::SYS_move_mount, from, none, here, p.at("moved").as_ptr(), FROM_DESCRIPTOR).map(drop)
        })
    }),
    ("chroot", |p| in_child(|| call!(libc::SYS_chroot, p.at("jail").as_ptr()).map(drop))),
    ("open, in a chroot", |p| {
        in_child(|| {
            call!(libc::SYS_chroot, p.at("root").as_ptr())?;
            open(c"/inside", libc::O_RDONLY).map(drop)
        })
    }),
    ("chroot, absent", |p| in_child(|| call!(libc::SYS_chroot, p.at("absent").as_ptr()).map(drop))),
    ("pivot_root", |p| {
        in_mounts(|| {
            mount(p, Some("pivot"), "pivot", libc::MS_BIND)?;
            call!(libc::SYS_pivot_root, p.at("pivot").as_ptr(), p.at("pivot/old").as_ptr()).map(drop)
        })
    }),
    ("open, longer than a path", long_path),
    ("overlay, open", |p| on_overlay(p, || open(&p.at("overlay/lower"), libc::O_RDONLY).map(drop))),
    ("overlay, copied up", |p| on_overlay(p, || open(&p.at("overlay/copied"), libc::O_WRONLY).map(drop))),
    ("overlay, made", |p| {
        on_overlay(p, || open(&p.at("overlay/made"), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL).map(drop))
    }),
    ("overlay, rename", |p| {
        on_overlay(p, || {
            let (from, to) = (p.at("overlay/moves"), p.at("overlay/moved"));
            call!(libc::SYS_rename, from.as_ptr(), to.as_ptr()).map(drop)
        })
    }),
];

/// Does it where the test has mounted an overlay.
fn on_overlay(place: &Place, does: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    /// `OVERLAYFS_SUPER_MAGIC`
    const OVERLAYFS: u64 = 0x794c_7630;
    let system = rustix::fs::statfs(place.at("overlay").as_c_str()).map_err(Error::from)?;
    if system.f_type as u64 != OVERLAYFS {
        return Err(Error::other("no overlay can be mounted here"));
    }
    does()
}

/// `trusted.*` is to be had on every file system that the tests run on.
pub(super) const ATTRIBUTE: &CStr = c"trusted.deed";
/// Length of one of the names of a long path.
pub(super) const LONG_NAME: usize = 200;
/// How many there are.
pub(super) const LONG_NAMES: usize = 30;

pub(super) fn owned(fd: i64) -> io::Result<OwnedFd> {
    // SAFETY: a system call has just returned it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub(super) fn open(path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    owned(call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0o644)?)
}

fn openat2(place: &Place) -> io::Result<()> {
    let how = [libc::O_RDONLY as u64, 0, 0];
    let path = place.at("openat2");
    call!(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), how.as_ptr(), size_of_val(&how))
        .and_then(owned)
        .map(drop)
}

/// A file by its handle, in the file system of a directory. Root alone may.
pub(crate) fn by_handle(directory: &CStr, path: &CStr) -> io::Result<OwnedFd> {
    /// `struct file_handle` with room for every kind.
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        handle: [u8; 128],
    }
    let mut handle = Handle { bytes: 128, kind: 0, handle: [0; 128] };
    let mut mount = 0i32;
    let room = &raw mut handle;
    call!(libc::SYS_name_to_handle_at, libc::AT_FDCWD, path.as_ptr(), room, &raw mut mount, 0)?;
    let directory = open(directory, libc::O_RDONLY)?;
    call!(libc::SYS_open_by_handle_at, directory.as_raw_fd(), room, libc::O_RDONLY).and_then(owned)
}

fn set_attribute(place: &Place, name: &str) -> io::Result<()> {
    call!(libc::SYS_setxattr, place.at(name).as_ptr(), ATTRIBUTE.as_ptr(), c"x".as_ptr(), 1, 0).map(drop)
}

fn map_code(place: &Place) -> io::Result<()> {
    let file = open(&place.at("code"), libc::O_RDONLY)?;
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    call!(libc::SYS_mmap, 0, 4096, protection, libc::MAP_PRIVATE, file.as_raw_fd(), 0).map(drop)
}

/// A file without a name, opened once more.
fn deleted(place: &Place) -> io::Result<()> {
    let file = open(&place.at("deleted"), libc::O_RDONLY)?;
    call!(libc::SYS_unlink, place.at("deleted").as_ptr())?;
    let path = format!("/proc/self/fd/{}\0", file.as_raw_fd());
    let path = CStr::from_bytes_with_nul(path.as_bytes()).map_err(Error::other)?;
    open(path, libc::O_RDWR).map(drop)
}

/// In a process with mounts of its own.
fn in_mounts(deed: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    in_child(|| {
        call!(libc::SYS_unshare, libc::CLONE_NEWNS)?;
        let (none, root) = (std::ptr::null::<u8>(), c"/".as_ptr());
        call!(libc::SYS_mount, none, root, none, libc::MS_REC | libc::MS_PRIVATE, none)?;
        deed()
    })
}

fn mount(place: &Place, from: Option<&str>, to: &str, flags: u64) -> io::Result<()> {
    let from = place.at(from.unwrap_or("none"));
    call!(libc::SYS_mount, from.as_ptr(), place.at(to).as_ptr(), c"tmpfs".as_ptr(), flags, c"".as_ptr())
        .map(drop)
}

/// Deeper than any path can say: directory below directory, each by its name.
fn long_path(place: &Place) -> io::Result<()> {
    let name = [vec![b'n'; LONG_NAME], vec![0]].concat();
    let name = CStr::from_bytes_with_nul(&name).map_err(Error::other)?;
    let mut at = open(&place.at("."), libc::O_PATH)?;
    for _ in 0..LONG_NAMES {
        call!(libc::SYS_mkdirat, at.as_raw_fd(), name.as_ptr(), 0o755)?;
        let next = call!(libc::SYS_openat, at.as_raw_fd(), name.as_ptr(), libc::O_PATH | libc::O_CLOEXEC)?;
        at = owned(next)?;
    }
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    let file = owned(call!(libc::SYS_openat, at.as_raw_fd(), c"deep".as_ptr(), flags, 0o644)?)?;
    say("deep", rustix::fs::fstat(&file)?.st_ino as i64);
    Ok(())
}
