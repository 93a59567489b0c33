//! A file system that stops answering, by the protocol of /dev/fuse (include/uapi/linux/fuse.h): it lets the kernel mount it,
//! says to some that nothing is there, and leaves everybody else waiting.

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags, openat};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const INIT: u32 = 26;
/// Bytes of the longest request that a kernel may send here, FUSE_MIN_READ_BUFFER.
const REQUEST_BYTES: usize = 8192;
/// Bytes of a request's and of an answer's head.
const IN_HEAD: usize = 40;

/// The mount; without it nobody waits any more.
pub struct Mount {
    point: PathBuf,
}

impl Mount {
    /// Mounts one in a directory. Who asks from a process of user `fast` is told at once that what it looks for is not there;
    /// nobody else is told anything. `None`: this kernel has no FUSE.
    pub fn new(point: &Path, fast: u32) -> Result<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let Ok(device) = openat(rustix::fs::CWD, "/dev/fuse", flags, Mode::empty()) else { return Ok(None) };
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let none = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("stalls"), point, Some("fuse"), none, Some(options.as_str()))
            .context("mount of a FUSE file system")?;
        let device = File::from(device);
        std::thread::spawn(move || serve(&device, fast));
        Ok(Some(Self { point: point.to_owned() }))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever waits is told that there is no server any more; detached, since somebody may stand in it.
        let _ = nix::mount::umount2(
            &self.point,
            nix::mount::MntFlags::MNT_DETACH | nix::mount::MntFlags::MNT_FORCE,
        );
    }
}

fn serve(mut device: &File, fast: u32) {
    let mut request = vec![0; REQUEST_BYTES];
    while let Ok(bytes) = device.read(&mut request) {
        let Some(head) = request.get(..bytes.min(IN_HEAD)).filter(|head| head.len() == IN_HEAD) else {
            return;
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (opcode, uid) = (word(4), word(24));
        let unique = &head[8..16];
        // The head of struct fuse_init_out, with protocol 7.31; everything else zero.
        let init = || [[7u32, 31, 0, 0].map(u32::to_le_bytes).concat(), vec![0; 48]].concat();
        let (errno, body) = match opcode {
            INIT => (0, init()),
            LOOKUP if uid == fast => (libc::ENOENT, Vec::new()),
            GETATTR if uid == fast => (0, attributes_of_root()),
            _ => continue,
        };
        let length = (16 + body.len()) as u32;
        let answer = [&length.to_le_bytes()[..], &(-errno).to_le_bytes(), unique, &body].concat();
        if device.write_all(&answer).is_err() {
            return;
        }
    }
}

/// struct fuse_attr_out: valid for no time, so that it is asked for again, and a directory that everybody may enter.
fn attributes_of_root() -> Vec<u8> {
    let mut out = vec![0; 16];
    let mut attributes = vec![0; 88];
    attributes[..8].copy_from_slice(&1u64.to_le_bytes());
    attributes[60..64].copy_from_slice(&0o40_777u32.to_le_bytes());
    attributes[64..68].copy_from_slice(&2u32.to_le_bytes());
    out.extend(attributes);
    out
}
