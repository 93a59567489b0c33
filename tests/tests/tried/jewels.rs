//! Ways to a jewel, and past the rules.

use super::{BY_GIVEN, Comes, OUT, Way, are_tried, perhaps, ways};
use anyhow::{Result, ensure};
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{Fate, came};
use end_to_end::doors::connects_to;
use end_to_end::has;
use end_to_end::reads::hand_over;
use end_to_end::scene::{Came, Scene};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const READ: &str = "A key is read";
const CHANGED: &str = "A jewel is changed";
const STARTED: &str = "A program is started, or code run";

/// A descriptor that the client has, and its command with it.
const GIVEN: i32 = 99;

/// Ways to a key that nothing but the reading decides.
fn reads(scene: &Scene) -> Vec<Way> {
    let key = &*scene.path(".ssh/id_ed25519");
    let (home, notes) = (&*scene.path(""), &*scene.path("notes.txt"));
    let below = key.strip_prefix(home).unwrap_or(key);
    let mut all = ways(
        READ,
        Comes::Refused,
        [
            (
                "by `openat2` with `RESOLVE_IN_ROOT`",
                "read-resolved",
                &["in-root", home, &format!("/{below}")],
            ),
            ("by `openat2` with `RESOLVE_BENEATH`", "read-resolved", &["beneath", home, below]),
            ("by a path of 201 bytes", "read-long", &["201", key]),
            ("by a path of 257 bytes", "read-long", &["257", key]),
            ("by a path of 4,095 bytes", "read-long", &["4095", key]),
            ("from a directory deeper than a path can say", "read-deep", &[key]),
            (
                "through a link whose name has line ends, escape sequences and no text",
                "read-odd-name",
                &[key],
            ),
            (
                "through a copy of its mount that is mounted nowhere (`open_tree`)",
                "read-mounted",
                &["nowhere", key],
            ),
            ("below what `pivot_root` has put there", "read-mounted", &["pivot", key]),
            ("by `mmap`", "read-by-copy", &["mmap", key]),
            ("by `sendfile`", "read-by-copy", &["sendfile", key]),
            ("by `copy_file_range`", "read-by-copy", &["copy_file_range", key]),
            ("by `splice`", "read-by-copy", &["splice", key]),
            ("by a path on a page that is not in memory", "read-cold", &[key]),
            ("by who cannot be dumped (`PR_SET_DUMPABLE`)", "read-blinded", &["undumpable", key]),
            ("by who has a filter of system calls of its own", "read-blinded", &["seccomp", key]),
            ("by who is in a Landlock domain of its own", "read-blinded", &["landlock", key]),
            ("by who calls itself `ssh` (`PR_SET_NAME`)", "read-called", &["ssh", key]),
            ("by who is called `ssh` in its arguments", "read-by-shell", &["exec -a ssh cat \"$1\"", key]),
            (
                "by a copy of `cat` that is called `ssh`",
                "read-by-shell",
                &["cp \"$(command -v cat)\" ssh; ./ssh \"$1\"", key],
            ),
            ("by a shell", "read-by-shell", &["read -r line <\"$1\"; echo \"$line\"", key]),
            (
                "by a program in the background, whose shell has ended",
                "read-by-shell",
                &["(setsid cat \"$1\" &) 2>&1 | cat", key],
            ),
            ("ten times, each behind twenty reads of something else", "read-between", &[notes, key]),
        ],
    );
    // `curl` does not say why: what says it after it shows a byte, and no key.
    let tools = [
        ("python3", "by `python3 -c`", "python3 -c 'import sys; print(open(sys.argv[1]).read())' \"$1\""),
        ("perl", "by `perl -e`", "perl -e 'open(F, shift) or die $!; print <F>' \"$1\""),
        ("busybox", "by `busybox`", "busybox cat \"$1\""),
        ("find", "by `find -exec`", "find \"${1%/*}/..\" -maxdepth 0 -exec cat \"$1\" ';'"),
        ("tar", "by `tar --to-command`", "tar cf - -C / \"${1#/}\" | tar xf - --to-command=cat"),
        ("git", "by an alias of `git`", "git -c alias.x='!cat' x \"$1\""),
        (
            "git",
            "by `git hash-object`",
            "git init -q taken; cd taken; git cat-file -p $(git hash-object -w \"$1\")",
        ),
        ("dd", "by `dd`", "dd if=\"$1\" bs=1"),
        ("awk", "by `awk`", "awk 1 \"$1\""),
        ("curl", "by `curl` (`file://`)", "curl -s \"file://$1\" || head -c 1 \"$1\""),
        ("openssl", "by `openssl`", "openssl base64 -in \"$1\" | openssl base64 -d"),
    ];
    for (program, name, script) in tools {
        if has(program) {
            all.extend(perhaps(ways(READ, Comes::Refused, [(name, "read-by-shell", &[script, key])])));
        }
    }
    all.extend(perhaps(ways(
        READ,
        Comes::Refused,
        [
            (
                "by a path that another thread writes when the kernel asks for it (`userfaultfd`)",
                "read-faulting",
                &[key],
            ),
            ("copied up by an overlay that is written to", "read-mounted", &["copied-up", key]),
        ],
    )));
    all
}

/// What comes by others, or leaves by what no rule is about.
fn others(scene: &Scene, as_root: bool) -> Result<Vec<Way>> {
    let key = scene.path(".ssh/id_ed25519");
    let hands = scene.world.path().join("hands.sock");
    if !hands.exists() {
        let listener = UnixListener::bind(&hands)?;
        fs::set_permissions(&hands, fs::Permissions::from_mode(0o777))?;
        hand_over(listener, File::open(&key)?);
    }
    let told = scene.world.workspace().join("listens");
    connects_to(told.clone());
    let text = |path: &Path| path.display().to_string();
    let mut all = ways(
        READ,
        Comes::Happens,
        [
            (BY_GIVEN, "read-given", &[&GIVEN.to_string()]),
            ("by a descriptor that somebody outside hands over", "read-handed", &[&text(&hands)]),
        ],
    );
    all.extend(ways(
        OUT,
        Comes::Happens,
        [("a connection to what the session listens at is taken", "taken", &[&text(&told)])],
    ));
    all.extend(perhaps(ways(
        OUT,
        Comes::Happens,
        [
            ("a socket to the kernel (`AF_NETLINK`) is had", "family", &["netlink"]),
            ("a socket to the kernel's ciphers (`AF_ALG`) is had", "family", &["alg"]),
            ("a socket to the machine's host (`AF_VSOCK`) is had", "family", &["vsock"]),
        ],
    )));
    let tool = &*scene.path(".ssh/tool");
    all.extend(ways(
        STARTED,
        Comes::Refused,
        [
            ("a program in `~/.ssh`, by its path", "start", &["path", tool]),
            ("a program in `~/.ssh`, by a descriptor (`execveat`)", "start", &["descriptor", tool]),
            ("a program in `~/.ssh`, by the dynamic loader", "start", &["loader", tool]),
            ("a program in `~/.ssh`, copied to memory", "start", &["memory", tool]),
        ],
    ));
    let own = &*scene.path("projects/app/own");
    all.extend(ways(
        STARTED,
        Comes::Happens,
        [
            ("a program of its own, by the dynamic loader", "start", &["loader", own]),
            ("a program of its own that lies in memory (`memfd_create`)", "start", &["memory", own]),
            ("a program of its own that was removed", "start", &["deleted", own]),
            ("code of its own in memory that becomes executable", "start", &["anonymous", own]),
        ],
    ));
    if as_root {
        let device = fs::metadata(&key).map(|meta| std::os::unix::fs::MetadataExt::dev(&meta))?;
        let device = format!("/dev/block/{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        all.extend(perhaps(ways(
            READ,
            Comes::Happens,
            [("on the disk itself, which root may open", "open", &[&device])],
        )));
    }
    Ok(all)
}

/// Changes that ends who makes them, and no more.
fn changes(scene: &Scene) -> Vec<Way> {
    let (key, file) = (&*scene.path(".ssh/id_ed25519"), &*scene.path(".bashrc"));
    let mut all = ways(
        CHANGED,
        Comes::EndsWhereTold,
        [
            ("its permissions are changed", "chmod", &[key]),
            ("it is given to who has it", "chown", &[key]),
            ("it is cut by its path", "truncate", &[file]),
        ],
    );
    all.extend(perhaps(ways(
        CHANGED,
        Comes::EndsWhereTold,
        [("an attribute of it is set", "setxattr", &[key])],
    )));
    all.extend(perhaps(ways(
        CHANGED,
        Comes::Happens,
        [("its flags are set by a descriptor that was opened to read it (`ioctl`)", "flags", &[file])],
    )));
    all
}

fn scene(as_root: bool) -> Result<Scene> {
    let scene = Scene::new(as_root)?;
    let owner = Some(if as_root { 0 } else { scene.world.user.id });
    for place in [".ssh/tool", "projects/app/own"] {
        let place = scene.path(place);
        fs::copy(fs::canonicalize("/bin/true")?, &place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
        chown(&place, owner, owner)?;
    }
    chown(scene.path(".bashrc"), owner, owner)?;
    chown(scene.path(".ssh/id_ed25519"), owner, owner)?;
    Ok(scene)
}

/// Has a descriptor in the process that a command starts, and in what that starts.
fn gives(command: &mut Command, file: OwnedFd) {
    let give = move || {
        // SAFETY: integers alone.
        match unsafe { libc::dup2(file.as_raw_fd(), GIVEN) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: between fork and exec it makes one call.
    unsafe { command.pre_exec(give) };
}

#[test]
fn everything_else_that_leads_to_a_jewel_or_past_the_rules() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let all = |scene: &Scene| -> Result<Vec<Way>> {
            Ok([reads(scene), others(scene, as_root)?, changes(scene)].into_iter().flatten().collect())
        };
        let session = |scene: &Scene, attempts: &[Attempt]| -> Result<Came> {
            let key = File::open(scene.path(".ssh/id_ed25519"))?;
            // The command's first call is an attempt as well.
            let first = format!(
                "read -r line <{} && echo \"$line\"; exec \"$0\" \"$@\"",
                scene.path(".ssh/id_ed25519")
            );
            let first = ["bash", "-c", &first];
            let came = scene.session("enforce", &first, &["--task", "install"], attempts, |command| {
                gives(command, key.into());
            })?;
            let said = String::from_utf8_lossy(&came.2.stderr).into_owned();
            ensure!(said.contains("Operation not permitted"), "{came:?}");
            ensure!(!String::from_utf8_lossy(&came.2.stdout).contains(attempt::SECRET), "{came:?}");
            Ok(came)
        };
        let (_, summary, _) = are_tried(&|| scene(as_root), &all, &session, by)?;
        came(READ, "by the first call of the command", by, Fate::Refused);
        came(READ, "in a session that says it installs something", by, Fate::Refused);
        ensure!(summary["verdict"] != "allow", "{summary:#}");
    }
    Ok(())
}

/// Who is given a ring by their user gets no further by it.
#[test]
fn no_request_of_a_ring_that_was_asked_for_leads_to_a_jewel() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let all = |scene: &Scene| -> Result<Vec<Way>> {
            let key = &*scene.path(".ssh/id_ed25519");
            Ok(perhaps(ways(
                READ,
                Comes::Refused,
                [
                    (
                        "by a request through io_uring, in a session that is given a ring",
                        "read-by-request",
                        &[key],
                    ),
                    (
                        "by an openat2 request through io_uring, in a session that is given a ring",
                        "read-by-request-2",
                        &[key],
                    ),
                ],
            )))
        };
        let session =
            |scene: &Scene, attempts: &[Attempt]| scene.through("enforce", &[], &["--io-uring"], attempts);
        are_tried(&|| Scene::new(as_root), &all, &session, by)?;
    }
    Ok(())
}
