//! A home on btrfs, whose subvolumes number their files alike and whose snapshots hold the same files once more: paths are
//! canonical, and a jewel in a snapshot is a jewel.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::attempt::SECRET;
use end_to_end::scene::is_lsm;
use rustix::mount::UnmountFlags;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A subvolume of a file system in a file, mounted for as long as this lives.
struct Subvolume(PathBuf);

/// Why there can be none here.
fn missing() -> Option<&'static str> {
    if ["mkfs.btrfs", "btrfs"].iter().any(|program| !end_to_end::has(program)) {
        return Some("there is no btrfs-progs here: `apt-get install btrfs-progs` installs it");
    }
    // Where it is a module, asking for it loads it.
    let _ = Command::new("modprobe").args(["-q", "btrfs"]).status();
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    (!known.lines().any(|line| line.trim() == "btrfs")).then_some("this kernel has no btrfs")
}

impl Subvolume {
    /// Mounts a new one over `place`.
    fn mount(image: &Path, place: &Path) -> Result<Self> {
        File::create_new(image)?.set_len(256 << 20)?;
        run(Command::new("mkfs.btrfs").arg("-q").arg(image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(place))?;
        let whole = Self(place.to_owned());
        run(Command::new("btrfs").args(["subvolume", "create"]).arg(place.join("@home")))?;
        drop(whole);
        run(Command::new("mount").args(["-o", "loop,subvol=@home"]).arg(image).arg(place))?;
        Ok(Self(place.to_owned()))
    }
}

impl Drop for Subvolume {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}

#[test]
fn a_jewel_in_a_snapshot_is_a_jewel() -> Result<()> {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return Ok(());
    }
    let world = World::new()?;
    let home = world.home();
    let _mounted = Subvolume::mount(&world.path().join("disk"), &home)?;
    for (path, content) in
        [(".ssh/id_ed25519", SECRET), ("notes.txt", "plain\n"), ("projects/app/main.txt", "plain\n")]
    {
        world.write(&home.join(path), content)?;
    }
    run(Command::new("chown").arg(world.user.id.to_string()).arg(&home))?;
    run(Command::new("btrfs").args(["subvolume", "snapshot"]).arg(&home).arg(home.join(".yesterday")))?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--summary-file", summary.to_str().context("path")?];
    let script = "try() { cat $1 >/dev/null 2>&1; echo $1=$?; }; cd ~; \
        try notes.txt; try .ssh/id_ed25519; try .yesterday/notes.txt; try .yesterday/.ssh/id_ed25519; \
        btrfs subvolume snapshot ~ now >/dev/null; try now/notes.txt; try now/.ssh/id_ed25519";
    let output = world.run_script("enforce", &more, script)?;
    let ended: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    // A snapshot has no watch, so that where nothing can refuse its reader is killed.
    let (means, status) = if is_lsm(&ended)? { (["lsm"; 3], 1) } else { (["fanotify", "kill", "kill"], 137) };
    let said = format!(
        "notes.txt=0\n.ssh/id_ed25519=1\n.yesterday/notes.txt=0\n.yesterday/.ssh/id_ed25519={status}\n\
         now/notes.txt=0\nnow/.ssh/id_ed25519={status}\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), said, "{output:?} {ended}");
    let keys = [".ssh", ".yesterday/.ssh", "now/.ssh"].map(|place| home.join(place).join("id_ed25519"));
    let told = |what: &str| -> Vec<&str> {
        ended["denials"].as_array().into_iter().flatten().filter_map(|denial| denial[what].as_str()).collect()
    };
    assert_eq!(told("object"), keys.each_ref().map(|key| key.to_str().unwrap_or_default()), "{ended}");
    assert_eq!((told("means"), told("stage")), (means.to_vec(), vec!["T0"; 3]), "{ended}");
    assert_eq!((&ended["unresolved"], &ended["lost"]), (&0.into(), &0.into()), "{ended}");
    Ok(())
}
