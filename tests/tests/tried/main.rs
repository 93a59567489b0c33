//! Ways round the guard that are tried together: many in one session, each whose maker may be ended for it by a process of its own.
//! Each is first shown to lead there where nobody guards.

use anyhow::{Context, Result, ensure};
use datasets::network::add_address_6;
use end_to_end::apart::ENDED;
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{Fate, came};
use end_to_end::doors::{connects_to, listen_at};
use end_to_end::internet::Internet;
use end_to_end::reads::hand_over;
use end_to_end::scene::{Came, Scene, can_refuse, kernel, rows};
use end_to_end::tampers::links;
use end_to_end::{has, wait_until};
use rustix::mount::{MountFlags, mount};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const EPERM: i32 = libc::EPERM;
const READ: &str = "A key is read";
const CHANGED: &str = "A jewel is changed";
const STARTED: &str = "A program is started, or code run";
const OUT: &str = "Something leaves, or somebody comes in";

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// What comes of a way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// Refused everywhere.
    Refused,
    /// Its maker is ended where nothing refuses it.
    Ends,
    /// The same, where the kernel says what was changed.
    EndsWhereTold,
    /// Nothing refuses it.
    Happens,
}

impl Comes {
    fn here(self) -> Fate {
        match self {
            _ if self == Comes::Happens => Fate::Happened,
            _ if self == Comes::Refused || can_refuse() => Fate::Refused,
            Comes::EndsWhereTold if kernel() < (6, 13) => Fate::Happened,
            _ => Fate::Stopped,
        }
    }
}

/// A way: where it stands on the page, what comes of it, and whether there is no such way on some machines.
struct Way {
    of: &'static str,
    comes: Comes,
    everywhere: bool,
    attempt: Attempt,
}

fn ways<const N: usize>(of: &'static str, comes: Comes, all: [(&str, &str, &[&str]); N]) -> Vec<Way> {
    let made = rows(all).into_iter();
    made.map(|attempt| Way { of, comes, everywhere: true, attempt: attempt.apart() }).collect()
}

/// Those that lack something on some machines: a program, a file system, a protocol.
fn perhaps(ways: Vec<Way>) -> Vec<Way> {
    ways.into_iter().map(|way| Way { everywhere: false, ..way }).collect()
}

/// Tries all of it where nobody guards, and then in one session.
fn are_tried(
    scene: &dyn Fn() -> Result<Scene>,
    all: &dyn Fn(&Scene) -> Result<Vec<Way>>,
    session: &dyn Fn(&Scene, &[Attempt]) -> Result<Came>,
    by: &str,
) -> Result<Came> {
    let attempts = |ways: &[Way]| ways.iter().map(|way| way.attempt.clone()).collect::<Vec<_>>();
    let free = scene()?;
    let tried = all(&free)?;
    let free = free.free(&attempts(&tried))?;
    let mut leads = BTreeSet::new();
    for way in &tried {
        let name = &way.attempt.name;
        let does = free[name] == 0 || name == BY_GIVEN;
        ensure!(does || !way.everywhere, "no test: `{name}` fails without a guard: {}", free[name]);
        if does {
            leads.insert(name.clone());
        }
    }
    let guarded = scene()?;
    let tried: Vec<Way> =
        all(&guarded)?.into_iter().filter(|way| leads.contains(&way.attempt.name)).collect();
    let (found, summary, output) = session(&guarded, &attempts(&tried))?;
    let mut wrong = Vec::new();
    for way in &tried {
        let name = &way.attempt.name;
        let fate = way.comes.here();
        let right = match (fate, found.get(name)) {
            (Fate::Refused, Some(errno)) => [libc::EPERM, libc::EACCES].contains(errno),
            (Fate::Stopped, Some(errno)) => *errno == ENDED,
            (_, errno) => errno == Some(&0),
        };
        if right {
            came(way.of, name, by, fate);
        } else {
            wrong.push(format!("{name}: {:?}", found.get(name)));
        }
    }
    ensure!(wrong.is_empty(), "by {by}: {wrong:#?}\n{summary:#}\n{output:?}");
    Ok((found, summary, output))
}

/// A descriptor that the client has, and its command with it.
const GIVEN: i32 = 99;
/// There is none without a client.
const BY_GIVEN: &str = "by a descriptor that the command was started with";

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

/// Addresses at which clouds hand out a machine's credentials.
const METADATA: [Ipv4Addr; 10] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 169, 250),
    Ipv4Addr::new(169, 254, 169, 249),
    // Where nobody gives anything away, and the tests have a server.
    Ipv4Addr::new(203, 0, 113, 66),
];
/// The same by IPv6: of clouds, and as a translator to IPv4 is asked for them.
const METADATA_6: [&str; 8] = [
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:42::42",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::6464:64c8",
    "64:ff9b:1::a9fe:a9fe",
];

/// The metadata services of clouds, each at its address, and the first by calls and sockets that few programs use.
fn metadata(as_root: bool) -> Vec<Way> {
    const OF: &str = "The metadata service is reached";
    let first = "169.254.169.254:80";
    let mut all = ways(
        OF,
        Comes::Refused,
        [
            ("by UDP, by `sendmsg`", "send", &["udp-message", first]),
            ("by UDP, by `sendmmsg`, behind a datagram for somebody else", "send", &["udp-messages", first]),
            ("by UDP, by a socket that was connected to somebody else", "send", &["udp-anew", first]),
        ],
    );
    for ip in &METADATA[1..METADATA.len() - 1] {
        let (name, to) = (format!("of another cloud, at `{ip}`"), format!("{ip}:80"));
        all.extend(ways(OF, Comes::Refused, [(&*name, "send", &["tcp", &*to])]));
    }
    for ip in METADATA_6 {
        let (name, to) = (format!("of another cloud, at `{ip}`"), format!("[{ip}]:80"));
        all.extend(ways(OF, Comes::Refused, [(&*name, "send", &["tcp", &*to])]));
    }
    // They reach nobody who hands anything out: a metadata service speaks TCP. In the tier `lsm` a hook sees where they lead.
    let past = if can_refuse() { Comes::Refused } else { Comes::Happens };
    all.extend(perhaps(ways(
        OF,
        past,
        [
            ("by a ping (ICMP)", "send", &["ping", first]),
            ("by UDP-Lite", "send", &["udp-lite", first]),
            ("by SCTP", "send", &["sctp", first]),
        ],
    )));
    if as_root {
        all.extend(perhaps(ways(
            OF,
            past,
            [("by a raw socket, which root alone may have", "send", &["raw", first])],
        )));
        all.extend(perhaps(ways(
            OF,
            Comes::Happens,
            [("by a packet socket, which root alone may have", "send", &["packet", first])],
        )));
    }
    let elsewhere = format!("{}:8443", METADATA[9]);
    all.extend(ways(
        OUT,
        Comes::Happens,
        [("a connection to any host, without a baseline", "send", &["tcp", &*elsewhere])],
    ));
    all
}

/// Sockets at which others work with their own authority, where they lie in a home.
const OF_HOME: [&str; 11] = [
    ".docker/run/docker.sock",
    ".docker/desktop/docker.sock",
    ".colima/default/docker.sock",
    ".colima/docker.sock",
    ".rd/docker.sock",
    ".lima/default/sock/docker.sock",
    ".orbstack/run/docker.sock",
    ".1password/agent.sock",
    ".bitwarden-ssh-agent.sock",
    ".strongbox/agent.sock",
    ".ssh-agent.sock",
];
/// In the directory of a user in `/run`.
const OF_RUNTIME: [&str; 19] = [
    "docker.sock",
    "podman/podman.sock",
    "buildkit/rootless/buildkitd.sock",
    "containerd/containerd.sock",
    "libvirt/libvirt-sock",
    "libvirt/virtqemud-sock",
    "bus",
    "systemd/private",
    "gnupg/S.gpg-agent",
    "gnupg/S.gpg-agent.ssh",
    "keyring/ssh",
    "keyring/control",
    "gcr/ssh",
    "ssh-agent.socket",
    "openssh_agent",
    "yubikey-agent/yubikey-agent.sock",
    "kwallet5.socket",
    "kwallet6.socket",
    "ksecretd.socket",
];
/// The machine's.
const OF_MACHINE: [&str; 18] = [
    "docker.sock",
    "containerd/containerd.sock",
    "podman/podman.sock",
    "crio/crio.sock",
    "buildkit/buildkitd.sock",
    "lxd.socket",
    "incus/unix.socket",
    "libvirt/libvirt-sock",
    "libvirt/virtqemud-sock",
    "k3s/containerd/containerd.sock",
    "dockershim.sock",
    "cri-dockerd.sock",
    "snapd.socket",
    "multipass_socket",
    "dbus/system_bus_socket",
    "systemd/private",
    "user/0/bus",
    "user/0/docker.sock",
];

/// Each by a connection. All of them listen before the session begins, and belong to root here.
fn sockets(scene: &Scene, as_root: bool) -> Result<Vec<Way>> {
    let user = if as_root { 0 } else { scene.world.user.id };
    let mut places: Vec<(String, String)> = Vec::new();
    places.extend(OF_HOME.iter().map(|place| (format!("~/{place}"), scene.path(place))));
    places.extend(
        OF_RUNTIME
            .iter()
            .map(|place| (format!("/run/user/UID/{place}"), format!("/run/user/{user}/{place}"))),
    );
    let of_machine = OF_MACHINE.iter().map(|place| format!("/run/{place}"));
    places.extend(of_machine.filter(|place| !place.contains("user")).map(|place| (place.clone(), place)));
    let mut all = Vec::new();
    for (name, place) in places {
        listen_at(std::slice::from_ref(&place))?;
        let name = format!("a connection to `{name}`");
        all.extend(ways("Somebody outside is reached", Comes::Ends, [(&*name, "connect", &[&*place])]));
    }
    Ok(all)
}

/// In a network and with a `/run` of their own.
#[test]
fn no_metadata_service_and_no_socket_of_others_is_reached() -> Result<()> {
    let test = || -> Result<()> {
        let _internet = Internet::enter_with(&METADATA[..9])?;
        let listener = TcpListener::bind("[::]:80")?;
        std::thread::spawn(move || listener.incoming().for_each(drop));
        for address in METADATA_6 {
            add_address_6(address.parse()?)?;
        }
        fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")?;
        mount("run", "/run", "tmpfs", MountFlags::empty(), None)?;
        for (as_root, by) in [(false, "a user"), (true, "root")] {
            let all = |scene: &Scene| -> Result<Vec<Way>> {
                // Left by the scene before.
                for entry in fs::read_dir("/run")? {
                    let path = entry?.path();
                    if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
                }
                Ok([metadata(as_root), sockets(scene, as_root)?].into_iter().flatten().collect())
            };
            let session = |scene: &Scene, attempts: &[Attempt]| {
                scene.session("enforce", &[], &[], attempts, |command| {
                    command.env(
                        "XDG_RUNTIME_DIR",
                        format!("/run/user/{}", if as_root { 0 } else { scene.world.user.id }),
                    );
                })
            };
            are_tried(&|| Scene::apart(as_root), &all, &session, by)?;
        }
        Ok(())
    };
    std::thread::spawn(test).join().map_err(|_| anyhow::anyhow!("the test panicked"))?
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

/// Root's session turns against the supervisor's own programs, and then reads a key.
#[test]
fn root_inside_takes_no_program_off_its_hook() -> Result<()> {
    const OF: &str = "The guard is turned off";
    let scene = Scene::apart(true)?;
    // Its programs are attached as long as a session runs.
    let mut waits = scene.world.session("enforce", &["--quiet"]);
    waits.extend(["sleep", "1000"].map(str::to_owned));
    let mut waits = scene.world.wardline(waits).spawn()?;
    let attached = || scene.world.supervisor().and_then(|pid| links(pid).ok()).unwrap_or_default();
    let has_begun = wait_until(Duration::from_secs(180), || {
        attached().len() > 3 && scene.world.user_processes().len() == 1
    });
    // Whom it has just forked is called as it is for a moment.
    let mut supervisor = None;
    let is_itself = || {
        let before = std::mem::replace(&mut supervisor, scene.world.supervisor());
        std::thread::sleep(Duration::from_millis(200));
        supervisor.is_some() && before == supervisor
    };
    ensure!(wait_until(Duration::from_secs(20), is_itself), "no supervisor");
    let supervisor = supervisor.context("no supervisor")?.to_string();
    let (links, key) = (attached(), scene.path(".ssh/id_ed25519"));
    let links: Vec<String> = links.iter().map(u32::to_string).collect();
    let detach = |link: &String| Attempt::new(&format!("detach {link}"), "tamper", ["detach", link]).apart();
    let state = scene.world.state();
    let (settings, state) = (state.join("config.toml").display().to_string(), state.display().to_string());
    let rest = rows([
        ("the supervisor's settings are made", "create", &[&settings]),
        ("the recordings and baselines are listed", "list", &[&state]),
        (
            "the supervisor is made the first to go when memory runs out",
            "tamper",
            &["first-to-go", &supervisor],
        ),
        ("read", "read", &[&key]),
    ]);
    let attempts = [links.iter().map(detach).collect(), rest.clone()].concat();
    let came_of = scene.guarded("enforce", &attempts);
    waits.kill()?;
    waits.wait()?;
    ensure!(has_begun, "nothing is attached");
    let (found, summary, output) = came_of?;
    for link in &links {
        assert_eq!(found.get(&format!("detach {link}")), Some(&EPERM), "{found:?} {output:?} {summary:#}");
    }
    assert_eq!(found.get("read"), Some(&EPERM), "{found:?} {summary:#}");
    came(OF, "the programs of the guard are taken off their hooks (`bpf`)", "root", Fate::Refused);
    for way in &rest[..2] {
        assert_eq!(found.get(&way.name), Some(&EPERM), "{}: {summary:#}", way.name);
        came(OF, &way.name, "root", Fate::Refused);
    }
    assert_eq!(found.get(&rest[2].name), Some(&0), "{summary:#}");
    came(OF, &rest[2].name, "root", Fate::Happened);
    Ok(())
}
