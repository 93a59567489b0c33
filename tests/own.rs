//! Users' rules, in a world that does not touch this machine's.

use crate::World;
use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::fs;
use std::path::{Path, PathBuf};

/// Where they are.
pub const OWN: &str = "/etc/wardline";

/// A world with rules of its own: this thread, and what it starts, sees those of this machine no more.
pub fn world() -> Result<World> {
    fs::create_dir_all(OWN)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("rules", OWN, "tmpfs", MountFlags::empty(), c"mode=0755")?;
    World::new()
}

/// The file of the rules of a world's user.
pub fn file(world: &World) -> PathBuf {
    Path::new(OWN).join(format!("users/{}.toml", world.user.id))
}
