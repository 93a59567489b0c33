//! An ext4 image made from a directory.

use std::{fs::File, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::host;

/// Bytes in a mebibyte.
const MIB: u64 = 1 << 20;

/// Writes `image`, an ext4 of `size_mb` with everything below `tree` in it, owned by root.
///
/// The file is sparse: what is free in it costs no space.
pub fn make(tree: &Path, image: &Path, size_mb: u64) -> Result<()> {
    let file = File::create(image).with_context(|| format!("cannot create {}", image.display()))?;
    file.set_len(size_mb * MIB).with_context(|| format!("cannot size {}", image.display()))?;
    let mkfs = host::find("mkfs.ext4").context("there is no mkfs.ext4: install the package `e2fsprogs`")?;
    let mut command = if host::is_root() {
        Command::new(mkfs)
    } else {
        // Owners are copied from the tree; in a user namespace this user's files are root's.
        let mut command = Command::new("unshare");
        command.arg("--map-root-user").arg(mkfs);
        command
    };
    command.args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", "-d"]);
    host::output(command.arg(tree).arg(image)).map(|_| ())
}
