//! The root disk: programs that sessions need, copied from this machine, and an ordinary user.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{disk, payload::stage_size, stage::Stage};
use crate::host;

/// What agents and their tests call: shells and what scripts are made of, what an agent works with, the ways round
/// a guard and looking at the machine, file systems for the tests of file identity.
///
/// What this machine lacks is busybox's in there, or missing. `cc` is left out on purpose: it would double the image.
const PROGRAMS: &str = "
    bash sh awk basename cat chmod chown cmp comm cp cut date dd df diff dirname du echo env expr false
    find flock grep egrep fgrep gzip gunzip head hostname id install kill link ln ls md5sum mkdir mkfifo
    mknod mktemp mv nice nohup nproc od paste patch pgrep pkill printenv printf ps pwd readlink realpath
    rm rmdir sed seq setsid sha256sum shuf sleep sort split stat stdbuf sync tail tar tee test timeout
    touch tr true truncate tty uname uniq unlink wc which whoami xargs xxd
    git python3 ssh ssh-add ssh-agent ssh-keygen curl jq make rg base64
    bwrap chattr chroot ip lsattr lsns mount mountpoint nsenter prlimit setpriv strace umount unshare
    losetup ss
    btrfs mkfs.btrfs mkfs.ext4 mkfs.xfs
";

/// Where they are looked for: Debian's own before what was added.
const PLACES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Parts of Python's library that nothing in a session imports. What is compiled stays: as on any system, no program has to
/// compile it again, or tries to keep it where only root may.
const PYTHON_LEFT_OUT: [&str; 8] =
    ["dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter"];

/// The first process on the root disk.
const INIT: &str = include_str!("init.sh");

/// Files of `/etc`.
const ETC: [(&str, &str); 7] = [
    (
        "passwd",
        "root:x:0:0:root:/root:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
         agent:x:1000:1000:agent:/home/agent:/bin/bash\n",
    ),
    ("group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\nagent:x:1000:\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 wardline-vm\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("resolv.conf", ""),
    ("os-release", "ID=debian\nPRETTY_NAME=\"Wardline's virtual machine\"\n"),
    ("gitconfig", "[init]\n\tdefaultBranch = main\n[user]\n\tname = agent\n\temail = agent@example.org\n"),
];

/// Empty directories of the root disk.
const DIRECTORIES: [&str; 14] = [
    "dev",
    "etc",
    "home/agent",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr/lib/modules",
    "var/lib",
    "var/log",
    "var/tmp",
];

/// Room on the root disk beside its content.
const FREE_MB: u64 = 1024;

/// The root disk, built where the cache has none of this content. Nothing ever writes to it.
pub fn image() -> Result<PathBuf> {
    let images = host::cache()?.join("images");
    let programs = programs();
    let image = images.join(format!("base-{}.ext4", identity(&programs)?));
    if image.is_file() {
        return Ok(image);
    }
    eprintln!("vm: building the root disk");
    let work = images.join(format!("work-{}", std::process::id()));
    let tree = work.join("root");
    let built = build(&programs, &tree).and_then(|()| {
        let content = stage_size(&tree)? >> 20;
        let fresh = work.join("base.ext4");
        disk::make(&tree, &fresh, content + FREE_MB)?;
        // Older ones are of another content; a machine that runs from one keeps its open file.
        for entry in
            fs::read_dir(&images).with_context(|| format!("cannot list {}", images.display()))?.flatten()
        {
            if entry.file_name().as_encoded_bytes().starts_with(b"base-") {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        fs::rename(&fresh, &image).with_context(|| format!("cannot create {}", image.display()))
    });
    let removed = fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()));
    built.and(removed)?;
    Ok(image)
}

/// The programs that this machine has.
fn programs() -> Vec<PathBuf> {
    let places =
        |name: &str| PLACES.map(|place| Path::new(place).join(name)).into_iter().find(|path| path.is_file());
    PROGRAMS.split_whitespace().filter_map(places).collect()
}

/// Changes when a program of the list comes, goes or is updated, or when this code changes.
fn identity(programs: &[PathBuf]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(INIT.as_bytes());
    hasher.update(include_bytes!("base.rs"));
    for program in programs {
        let metadata = fs::metadata(program).with_context(|| format!("cannot read {}", program.display()))?;
        hasher.update(program.as_os_str().as_encoded_bytes());
        hasher.update(&metadata.len().to_le_bytes());
        hasher.update(&metadata.mtime().to_le_bytes());
    }
    let mut hash = hasher.finalize().to_hex().to_string();
    hash.truncate(16);
    Ok(hash)
}

/// Fills `tree`.
fn build(programs: &[PathBuf], tree: &Path) -> Result<()> {
    let mut stage = Stage::new(tree)?;
    stage.merge()?;
    for directory in DIRECTORIES {
        fs::create_dir_all(tree.join(directory)).with_context(|| format!("cannot create /{directory}"))?;
    }
    for directory in ["tmp", "var/tmp"] {
        let mode = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(tree.join(directory), mode)
            .with_context(|| format!("cannot open /{directory} to all"))?;
    }
    for (name, content) in ETC {
        host::write(&tree.join("etc").join(name), content)?;
    }
    for program in programs {
        stage.same(program)?;
    }
    let mut linked = programs.to_vec();
    linked.extend(git(&mut stage)?);
    linked.extend(python(&mut stage)?);
    stage.libraries(&linked)?;
    // Every Rust program needs it, and no program of the list does.
    for library in ["/lib/x86_64-linux-gnu/libgcc_s.so.1", "/etc/ld.so.cache"] {
        if Path::new(library).exists() {
            stage.same(Path::new(library))?;
        }
    }
    busybox(&mut stage)?;
    let init = tree.join("usr/sbin/init");
    if init.symlink_metadata().is_ok() {
        fs::remove_file(&init).context("cannot replace busybox' init")?;
    }
    host::write(&init, INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).context("cannot make init executable")
}

/// Adds git's own programs and templates, which lie where it was installed.
fn git(stage: &mut Stage) -> Result<Vec<PathBuf>> {
    let Some(git) = programs().into_iter().find(|path| path.ends_with("git")) else { return Ok(Vec::new()) };
    let place = PathBuf::from(host::output(Command::new(&git).arg("--exec-path"))?);
    stage.directory(&place, &["mergetools"])?;
    let prefix = git.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let templates = prefix.join("share/git-core/templates");
    if templates.is_dir() {
        stage.directory(&templates, &[])?;
    }
    // The remote helpers need libraries that git itself does not.
    let helpers = fs::read_dir(&place).with_context(|| format!("cannot list {}", place.display()))?;
    let helpers = helpers.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(helpers.filter(|path| path.is_file() && path.to_string_lossy().contains("git-remote-")).collect())
}

/// Adds Python's standard library.
fn python(stage: &mut Stage) -> Result<Vec<PathBuf>> {
    let Ok(program) = Path::new("/usr/bin/python3").canonicalize() else { return Ok(Vec::new()) };
    let name = program.file_name().unwrap_or_default();
    let library = Path::new("/usr/lib").join(name);
    if !library.is_dir() {
        return Ok(Vec::new());
    }
    stage.directory(&library, &PYTHON_LEFT_OUT)?;
    let loaded = library.join("lib-dynload");
    let extensions = fs::read_dir(&loaded).with_context(|| format!("cannot list {}", loaded.display()))?;
    Ok(extensions.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// Adds busybox, under every name that no program of this machine has taken.
fn busybox(stage: &mut Stage) -> Result<()> {
    let Some(program) = host::find("busybox") else { bail!("there is no busybox: install `busybox-static`") };
    stage.file(&program, Path::new("/usr/bin/busybox"))?;
    let names = host::output(Command::new(&program).arg("--list"))?;
    for name in names.lines() {
        let taken =
            PLACES.iter().any(|place| stage.at(&Path::new(place).join(name)).symlink_metadata().is_ok());
        if !taken {
            let place = if ["init", "insmod", "modprobe", "poweroff"].contains(&name) {
                "/usr/sbin"
            } else {
                "/usr/bin"
            };
            let link = stage.at(&Path::new(place).join(name));
            symlink("/usr/bin/busybox", &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
    }
    Ok(())
}
