//! A lent credential may be read, and its reader connects only to its hosts from then on. No process reads it while a
//! connection to somebody else is open. The kernel decides.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::attempt::{self, Attempt, SECRET};
use end_to_end::internet::{HOSTS, Internet, PORT};
use end_to_end::{World, wait_until};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const OWN: &str = "/etc/wardline";
const TOKEN: &str = "//registry.example.org/:_authToken=TOKEN\n";
/// The port of one who writes down what it is sent.
const WRITES: u16 = 9000;

/// The program that makes attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// Runs a test in a thread of its own, which its network and its rules then belong to.
fn apart(test: impl FnOnce(&World) -> Result<()> + Send + 'static) -> Result<()> {
    let run = move || {
        fs::create_dir_all(OWN)?;
        let internet = Internet::enter()?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount("rules", OWN, "tmpfs", MountFlags::empty(), c"mode=0755")?;
        internet.set("registry.example.org", &HOSTS[..1]);
        internet.set("index.example.org", &HOSTS[2..3]);
        internet.set("other.example.org", &HOSTS[1..2]);
        let world = World::new()?;
        for (path, content) in [
            (".npmrc", TOKEN),
            (".pypirc", "[pypi]\npassword = TOKEN\n"),
            (".config/gh/hosts.yml", "token\n"),
        ] {
            world.write(&world.home().join(path), content)?;
        }
        test(&world)
    };
    thread::spawn(run).join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}

/// Lends a place of the world's user, as the user does.
fn lend(world: &World, place: &str, hosts: &[&str]) -> Result<()> {
    let user = format!("{0}:{0}", world.user.id);
    let mut command = world.wardline(["policy", "lend", place]);
    hosts.iter().for_each(|host| {
        command.args(["--host", host]);
    });
    let output = command.args(["--user", &user, "--home"]).arg(world.home()).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

/// What a host is sent, until nothing comes any more.
fn written_down() -> Result<JoinHandle<String>> {
    let listener = TcpListener::bind((HOSTS[1], WRITES))?;
    Ok(thread::spawn(move || {
        let mut all = String::new();
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
            let _ = stream.read_to_string(&mut all);
        }
        all
    }))
}

/// Says of each host whether it is reached.
fn reaches() -> String {
    format!(
        "try() {{ for host; do if (exec 3<>/dev/tcp/$host/{PORT}) 2> /dev/null; then echo \"$host reached\"; else echo \"$host refused\"; fi; done; }}
         all() {{ try registry.example.org index.example.org other.example.org {}; }}\n",
        HOSTS[3]
    )
}

fn reached(hosts: [bool; 4]) -> String {
    let names = ["registry.example.org", "index.example.org", "other.example.org", &HOSTS[3].to_string()];
    let lines = names.iter().zip(hosts);
    lines.map(|(name, is)| format!("{name} {}\n", if is { "reached" } else { "refused" })).collect()
}

#[test]
fn who_has_read_a_loan_connects_where_it_is_for_and_nowhere_else() -> Result<()> {
    apart(|world| {
        lend(world, "~/.npmrc", &["registry.example.org", "index.example.org"])?;
        lend(world, "~/.pypirc", &["index.example.org", &HOSTS[3].to_string()])?;
        let sent = written_down()?;
        let script = reaches()
            + &format!(
                "all; exec 4<>/dev/tcp/{}/{WRITES}; echo before >&4; cat ~/.npmrc || echo closed; all; echo after >&4; exec 4>&-
                 cat ~/.npmrc; all; cat ~/.pypirc > /dev/null; all; echo x >> ~/.npmrc || echo unchanged",
                HOSTS[1]
            );
        let summary = world.path().join("summary.json");
        let more = ["--quiet", "--summary-file", summary.to_str().context("path")?];
        let output = world.run_script("enforce", &more, &script)?;
        let wanted = [
            reached([true; 4]),
            // Who is refused it makes no connection that would stand in the way again.
            "closed\n".to_owned(),
            reached([true, true, false, false]),
            TOKEN.to_owned(),
            reached([true, true, false, false]),
            // What is read later narrows it further.
            reached([false, true, false, false]),
            "unchanged\n".to_owned(),
        ];
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted.concat(), "{output:?}");
        let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
        let connects: Vec<&Value> = summary["denials"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|denial| denial["op"] == "connect")
            .collect();
        ensure!(!connects.is_empty(), "{summary:#}");
        for denial in connects {
            assert_eq!((&denial["stage"], &denial["fate"]), (&"T0".into(), &"refused".into()), "{denial}");
            ensure!(
                denial["reason"].as_str().is_some_and(|reason| reason.contains("a rule lends")),
                "{denial}"
            );
        }
        let notes = summary["notes"].to_string();
        ensure!(notes.contains("the session read `~/.npmrc`"), "{notes}");
        // Nothing of it was read when that was written.
        assert_eq!(sent.join().map_err(|_| anyhow::anyhow!("nobody listened"))?, "before\nafter\n");
        Ok(())
    })
}

/// What lies in a lent directory is lent, and what is made there later is not. Whoever reads nothing of it is not narrowed.
#[test]
fn a_directory_is_lent_as_it_is_there() -> Result<()> {
    apart(|world| {
        lend(world, "~/.config/gh", &["registry.example.org"])?;
        let script = reaches()
            + "ls ~/.config/gh; all; cat ~/.config/gh/hosts.yml; try registry.example.org other.example.org
               echo x > ~/.config/gh/new || echo closed";
        let output = world.run_script("enforce", &["--quiet"], &script)?;
        let wanted = format!(
            "hosts.yml\n{}token\nregistry.example.org reached\nother.example.org refused\nclosed\n",
            reached([true; 4])
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{output:?}");
        Ok(())
    })
}

/// A datagram that waits in its socket goes where it was sent first, whatever is added to it: what was sent before the read of a
/// loan counts as a connection.
#[test]
fn a_datagram_that_waits_takes_nothing_along_that_was_lent() -> Result<()> {
    apart(|world| {
        world.write(&world.home().join(".pypirc"), SECRET)?;
        lend(world, "~/.pypirc", &["registry.example.org"])?;
        let outside = UdpSocket::bind((HOSTS[1], WRITES))?;
        outside.set_read_timeout(Some(Duration::from_secs(5)))?;
        let program = world.path().join("program");
        fs::copy(std::env::current_exe()?, &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let (file, to) =
            (world.home().join(".pypirc").display().to_string(), outside.local_addr()?.to_string());
        let attempts = [
            Attempt::new("corked", "read-corked", [&to, &file]),
            // The socket is closed.
            Attempt::new("read", "read", [&file]),
            Attempt::new("later", "read-corked", [&to, &file]),
        ];
        let mut command = world.wardline(world.session("enforce", &["--quiet"]));
        attempt::make(&mut command, &program, world.path(), &attempts)?;
        let output = command.output()?;
        let came = attempt::outcomes(&output);
        let wanted = [("corked", libc::EPERM), ("later", libc::EPERM), ("read", 0)];
        assert_eq!(came, wanted.map(|(name, errno)| (name.to_owned(), errno)).into(), "{output:?}");
        let got = outside.recv(&mut [0; 64]).map_err(|error| error.kind());
        ensure!(got == Err(std::io::ErrorKind::WouldBlock), "{got:?}");
        Ok(())
    })
}

/// What another session closes, which began earlier or later, is still listed where it is lent.
#[test]
fn a_directory_that_is_lent_is_listed_beside_a_session_that_may_not() -> Result<()> {
    apart(|world| {
        lend(world, "~/.config/gh", &["registry.example.org"])?;
        let own = format!("{OWN}/users/{}.toml", world.user.id);
        let text = fs::read_to_string(&own)? + "agents = [\"test-agent\"]\n";
        fs::write(&own, text)?;
        let list = "ls ~/.config/gh && cat ~/.config/gh/hosts.yml";
        let (ready, go) = (world.workspace().join("ready"), world.workspace().join("go"));
        let script = format!("{list}; touch ready; until [ -e go ]; do sleep 0.05; done; {list}");
        let begin = |agent: &str, script: &str| {
            let mut args = world.session("enforce", &["--quiet"]);
            args.iter_mut().filter(|word| *word == "test-agent").for_each(|word| *word = agent.to_owned());
            args.extend(["bash", "-c", script].map(str::to_owned));
            world.wardline(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        for (first, second) in [("test-agent", "other-agent"), ("other-agent", "test-agent")] {
            let earlier = begin(first, &script)?;
            ensure!(wait_until(Duration::from_secs(120), || ready.exists()), "{first} does not run");
            let later = begin(second, list)?.wait_with_output()?;
            fs::write(&go, "")?;
            let earlier = earlier.wait_with_output()?;
            let once = "hosts.yml\ntoken\n";
            let wanted = |agent: &str, times: usize| {
                if agent == "test-agent" { once.repeat(times) } else { String::new() }
            };
            assert_eq!(String::from_utf8_lossy(&earlier.stdout), wanted(first, 2), "{earlier:?}");
            assert_eq!(String::from_utf8_lossy(&later.stdout), wanted(second, 1), "{later:?}");
            fs::remove_file(&ready)?;
            fs::remove_file(&go)?;
        }
        Ok(())
    })
}
