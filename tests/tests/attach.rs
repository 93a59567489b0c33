//! A process tree that runs already is taken in whole: who forks meanwhile, who is left to a reaper, and nobody twice. What
//! it does from then on is recorded and guarded as in any session, and what came before is said to be unseen.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::pty::Pty;
use end_to_end::{World, has, wait_until, wardline};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const KEY: &str = "THE-KEY-BYTES";

/// A tree: short children in a loop, one that will be forked twice and orphaned when `go` is there, and one that reads a
/// key when told. It ends when `running` is gone.
const TREE: &str = r#"
key=$HOME/.ssh/id_ed25519
bash -c 'i=0; while [ -e running ]; do i=$((i+1)); /bin/true loop-$i; echo $i >count.new; mv count.new count; done' &
bash -c 'until [ -e go ]; do [ -e running ] || exit; sleep 0.02; done; (setsid bash -c "sleep 0.2; /bin/true orphan; cat '$key' >orphan.out 2>orphan.err; echo \$? >orphan.code" &)' &
touch started
while [ -e running ]; do
    sleep 0.05
    if [ -e read ]; then rm read; cat $key >key.out 2>key.err; echo $? >key.code; fi
done
wait
"#;

struct Tree {
    process: Child,
    workspace: PathBuf,
}

impl Tree {
    fn start(world: &World) -> Result<Self> {
        world.write(&world.home().join(".ssh/id_ed25519"), KEY)?;
        let workspace = world.workspace();
        fs::write(workspace.join("running"), "")?;
        let process = Command::new("bash")
            .args(["-c", TREE])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", world.home())
            .current_dir(&workspace)
            .uid(world.user.id)
            .gid(world.user.id)
            .stdin(Stdio::null())
            .spawn()?;
        let tree = Self { process, workspace };
        ensure!(wait_until(Duration::from_secs(20), || tree.count() >= 5), "the tree does not run");
        Ok(tree)
    }

    fn pid(&self) -> String {
        self.process.id().to_string()
    }

    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.workspace.join(name)).unwrap_or_default()
    }

    fn count(&self) -> u64 {
        self.said("count").trim().parse().unwrap_or(0)
    }

    fn told(&self, name: &str, answer: &str) -> Result<()> {
        fs::write(self.workspace.join(name), "")?;
        ensure!(
            wait_until(Duration::from_secs(20), || !self.said(answer).is_empty()),
            "no answer to `{name}`"
        );
        Ok(())
    }

    /// What came of reading the key just now.
    fn reads_key(&self) -> Result<(String, String)> {
        let _ = fs::remove_file(self.workspace.join("key.code"));
        self.told("read", "key.code")?;
        Ok((self.said("key.out"), self.said("key.err")))
    }

    fn end(mut self) -> Result<ExitStatus> {
        fs::remove_file(self.workspace.join("running"))?;
        Ok(self.process.wait()?)
    }

    fn cgroup(&self) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/cgroup", self.process.id()))?)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.workspace.join("running"));
    }
}

/// The client, in front of a terminal: Ctrl-C there is how a user leaves.
struct Client(Pty);

impl Client {
    /// Attaches, and waits until the tree is inside.
    fn attach(world: &World, verb: &str, tree: &Tree) -> Result<Self> {
        let home = world.home().display().to_string();
        let summary = world.path().join("summary.json").display().to_string();
        let command = world.wardline([
            verb,
            "--agent",
            "test-agent",
            "--home",
            &home,
            "--summary-file",
            &summary,
            "--attach",
            &tree.pid(),
        ]);
        let mut client = Self(Pty::start(command)?);
        client.0.expect("taken in")?;
        Ok(client)
    }

    fn leave(&mut self) -> Result<()> {
        self.0.send("\x03")
    }
}

fn summary(world: &World) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(world.path().join("summary.json"))?)?)
}

/// How often each last argument was executed.
fn executed(world: &World) -> Result<BTreeMap<String, usize>> {
    let output = world.run(["export", "last"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut executed = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let event: Value = serde_json::from_str(line)?;
        if event["op"] == "exec" && !event["outcome"]["done"].is_null() {
            let last =
                event["object"]["args"].as_array().and_then(|args| args.last()?.as_str().map(str::to_owned));
            *executed.entry(last.unwrap_or_default()).or_default() += 1;
        }
    }
    Ok(executed)
}

/// The numbers of the loop's children: each once, and none left out.
fn loops(executed: &BTreeMap<String, usize>) -> Result<(u64, u64)> {
    let mut numbers = Vec::new();
    for (argument, times) in executed {
        if let Some(number) = argument.strip_prefix("loop-") {
            assert_eq!(*times, 1, "{argument}");
            numbers.push(number.parse::<u64>()?);
        }
    }
    numbers.sort_unstable();
    let (first, last) = (*numbers.first().context("no child of the loop")?, *numbers.last().context("none")?);
    assert_eq!(
        numbers.len() as u64,
        last - first + 1,
        "from {first} to {last} some are missing: {numbers:?}"
    );
    Ok((first, last))
}

#[test]
fn a_running_tree_is_taken_in_whole_and_guarded() -> Result<()> {
    for verb in ["record", "enforce"] {
        let world = World::new()?;
        let mut tree = Tree::start(&world)?;
        assert_eq!(tree.reads_key()?.0, KEY, "without a session the key can be read");
        let client = Client::attach(&world, verb, &tree)?;
        // The one that runs just now is counted when it has ended, and may have been executed before.
        let inside_from = tree.count() + 2;
        let (out, err) = tree.reads_key()?;
        assert_eq!(out, "");
        assert!(err.contains("Operation not permitted"), "{err}");
        tree.told("go", "orphan.code")?;
        assert_eq!((tree.said("orphan.out"), tree.said("orphan.code")), (String::new(), "1\n".to_owned()));
        assert!(tree.said("orphan.err").contains("Operation not permitted"));
        if verb == "enforce" {
            let read = "A key is read";
            bypass::came(read, "by a process that ran before `--attach`", "a user", Fate::Refused);
            bypass::came(read, "by an orphan of one that ran before `--attach`", "a user", Fate::Refused);
        }
        ensure!(wait_until(Duration::from_secs(20), || tree.count() >= inside_from + 50), "the loop stopped");
        fs::remove_file(tree.workspace.join("running"))?;
        assert!(tree.process.wait()?.success());
        let (said, status) = client.0.ended()?;
        assert!(said.contains("unseen") && status.code() == Some(0), "{said}");

        let executed = executed(&world)?;
        let (first, last) = loops(&executed)?;
        assert!(first <= inside_from, "{first} {inside_from}");
        assert_eq!(last, tree.count());
        assert_eq!((executed.get("orphan"), executed.get("started")), (Some(&1), None));
        let summary = summary(&world)?;
        // The tree's root, the loop's shell and the one that waits; and what each may just then be waiting for.
        let taken = summary["unseen"]["processes"].as_u64().context("no number of processes")?;
        assert!((3..=6).contains(&taken), "{summary}");
        assert!(summary["unseen"]["since_ns"].as_u64().is_some_and(|ns| ns > 0), "{summary}");
        assert_eq!((&summary["lost"], &summary["exit_status"]), (&0.into(), &Value::Null));
        assert_eq!(summary["denied"].as_u64(), Some(2), "{summary}");
        let shown = world.run(["show", "last"])?;
        assert!(String::from_utf8_lossy(&shown.stdout).contains("unseen"));
    }
    Ok(())
}

#[test]
fn a_tree_that_is_left_goes_on_by_itself() -> Result<()> {
    for verb in ["record", "enforce"] {
        let world = World::new()?;
        let tree = Tree::start(&world)?;
        let cgroup = tree.cgroup()?;
        let mut client = Client::attach(&world, verb, &tree)?;
        assert_ne!(tree.cgroup()?, cgroup);
        assert_eq!(tree.reads_key()?.0, "");
        client.leave()?;
        let (said, status) = client.0.ended()?;
        assert!(
            said.contains(if verb == "record" { "not recorded any more" } else { "nothing guards" }),
            "{said}"
        );
        assert_eq!(status.code(), Some(0));
        assert_eq!(tree.cgroup()?, cgroup);
        let count = tree.count();
        assert_eq!(tree.reads_key()?.0, KEY);
        ensure!(wait_until(Duration::from_secs(20), || tree.count() > count + 5), "the tree stopped");
        assert!(loops(&executed(&world)?)?.1 <= count + 1);
        assert!(tree.end()?.success());
    }
    Ok(())
}

/// The tree may have had the same terminal: how it set that, and what it typed there, is not for the shell.
#[test]
fn the_terminal_is_as_it_was_when_the_client_is_gone() -> Result<()> {
    const AFTER: &str = "\"$@\"; read -r -t 2 typed\n\
        echo \"typed=[$typed] $(stty -a | grep -ow -e '-\\?icanon' -e '-\\?echo' | tr '\\n' ' ')over\"";
    let world = World::new()?;
    let tree = Tree::start(&world)?;
    let home = world.home().display().to_string();
    let state = world.state().display().to_string();
    let mut shell = Command::new("bash");
    shell.args(["--norc", "-c", AFTER, "bash"]).arg(wardline()).args(["--state-dir", &state]);
    shell.args(["enforce", "--agent", "test-agent", "--home", &home, "--attach", &tree.pid()]);
    let mut pty = Pty::start(shell)?;
    pty.expect("taken in")?;
    pty.make_raw()?;
    pty.send("typed by the tree\n")?;
    tree.end()?;
    pty.expect("typed=[] icanon echo over")
}

/// A signal that was not typed may come from inside: it takes no guard off.
#[test]
fn a_signal_that_anybody_sends_leaves_nothing_unguarded() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let world = World::new()?;
        let mut tree = Tree::start(&world)?;
        let client = Client::attach(&world, "enforce", &tree)?;
        kill_process(Pid::from_raw(i32::try_from(client.0.pid())?).context("pid")?, signal)?;
        assert_eq!(client.0.ended()?.1.code(), Some(123));
        assert!(!tree.process.wait()?.success());
        assert!(wait_until(Duration::from_secs(20), || world.user_processes().is_empty()));
    }
    Ok(())
}

/// What is frozen is not let go unguarded; and without its guard it is killed.
#[test]
fn an_attached_session_fails_closed() -> Result<()> {
    let world = World::new()?;
    let tree = Tree::start(&world)?;
    let mut client = Client::attach(&world, "enforce", &tree)?;
    assert!(world.run(["stop-session", "last", "--freeze"])?.status.success());
    client.0.expect("was frozen")?;
    assert!(world.run(["stop-session", "last", "--thaw"])?.status.success());
    let supervisor = world.supervisor().context("no supervisor")?;
    kill_process(Pid::from_raw(i32::try_from(supervisor)?).context("pid")?, Signal::KILL)?;
    assert_eq!(client.0.ended()?.1.code(), Some(123));
    let mut tree = tree;
    assert!(!tree.process.wait()?.success());
    assert!(wait_until(Duration::from_secs(20), || world.user_processes().is_empty()));
    Ok(())
}

/// It says so on the client's terminal, where Ctrl-C ends it: let go, it would go on unguarded.
#[test]
fn an_attached_session_that_stands_still_is_ended_where_it_was_attached() -> Result<()> {
    let world = World::new()?;
    let mut tree = Tree::start(&world)?;
    let mut client = Client::attach(&world, "enforce", &tree)?;
    assert!(world.run(["stop-session", "last", "--freeze"])?.status.success());
    client.0.expect("was frozen: nothing of it runs")?;
    client.leave()?;
    client.0.ended()?;
    assert!(!tree.process.wait()?.success());
    assert!(wait_until(Duration::from_secs(20), || world.user_processes().is_empty()));
    Ok(())
}

#[test]
fn only_its_user_and_root_attach_to_a_process_and_nobody_to_their_own_shell() -> Result<()> {
    let world = World::new()?;
    let tree = Tree::start(&world)?;
    let mut service = world.wardline(["supervisor", "--stay"]).stderr(Stdio::null()).spawn()?;
    let serves = || world.run(["sessions", "--json"]).is_ok_and(|output| output.status.success());
    assert!(
        wait_until(Duration::from_secs(20), || world.state().join("run/control.sock").exists() && serves())
    );
    let refused = |command: &mut Command| -> Result<String> {
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(122), "{said}");
        Ok(said)
    };
    // As another user, who may not be able to reach the directory of the binary.
    let other = world.user.id + 1_000_000;
    let mut command =
        world.wardline_of(&world.program()?, ["record", "--agent", "a", "--attach", &tree.pid()]);
    let output = command.uid(other).gid(other).current_dir("/").env("HOME", "/tmp").output()?;
    assert!(matches!(output.status.code(), Some(120 | 122)), "{output:?}");
    let listed: Value = serde_json::from_slice(&world.run(["sessions", "--json"])?.stdout)?;
    assert_eq!(listed, Value::Array(Vec::new()));
    let own = std::process::id().to_string();
    let mut command = world.wardline(["record", "--agent", "a", "--force", "--as-root", "--attach", &own]);
    assert!(refused(&mut command)?.contains("another terminal"));
    let mut command = world.wardline([
        "record",
        "--agent",
        "a",
        "--force",
        "--as-root",
        "--attach",
        &service.id().to_string(),
    ]);
    assert!(refused(&mut command)?.contains("Wardline's own"));
    let script = format!(
        "'{}' --state-dir '{}' record --attach {} 2>&1",
        world.program()?.display(),
        world.state().display(),
        tree.pid()
    );
    let output = world.run_script("record", &["--quiet"], &script)?;
    assert_eq!(output.status.code(), Some(122), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(tree.end()?.success());
    world.run(["stop"])?;
    assert!(wait_until(Duration::from_secs(20), || matches!(service.try_wait(), Ok(Some(_)))));
    Ok(())
}

/// Forks without a pause, and says so in `bomb`; ends when `running` is gone. Once `hop` is there, processes that live for
/// one fork alone join in: whoever is looked at is gone.
const BOMB: &str = r#"
fork() { while [ -e running ]; do echo >>bomb; (:) & (: & :) & done; wait; }
fork & fork &
until [ -e hop ]; do sleep 0.01; done
for n in 1 2 3; do
    python3 -c 'import os
while os.path.exists("running"):
    if os.fork(): os._exit(0)' &
done
touch hops
wait
"#;

/// Who forks faster than it is let go is let go all the same, and is nobody's in the session that has its place next.
#[test]
fn a_tree_that_forks_without_a_pause_is_let_go_whole() -> Result<()> {
    if !has("python3") {
        println!("skipped: there is no python3");
        return Ok(());
    }
    let world = World::new()?;
    let workspace = world.workspace();
    for verb in ["record", "enforce"] {
        fs::write(workspace.join("running"), "")?;
        let _ = fs::remove_file(workspace.join("hop")).and_then(|()| fs::remove_file(workspace.join("hops")));
        let mut bomb = Command::new("bash")
            .args(["-c", BOMB])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(&workspace)
            .uid(world.user.id)
            .gid(world.user.id)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()?;
        let size = || fs::metadata(workspace.join("bomb")).map_or(0, |file| file.len());
        ensure!(wait_until(Duration::from_secs(20), || size() > 100), "nothing forks");
        let home = world.home().display().to_string();
        let pid = bomb.id().to_string();
        let command = world.wardline([verb, "--agent", "test-agent", "--home", &home, "--attach", &pid]);
        let mut client = Client(Pty::start(command)?);
        client.0.expect("taken in")?;
        fs::write(workspace.join("hop"), "")?;
        ensure!(wait_until(Duration::from_secs(20), || workspace.join("hops").exists()), "nothing hops");
        std::thread::sleep(Duration::from_millis(200));
        client.leave()?;
        assert_eq!(client.0.ended()?.1.code(), Some(0), "{verb}");
        let before = size();
        // Its end would take along whoever was left in its place.
        let summary = world.path().join("next.json");
        let output =
            world.run_script("enforce", &["--summary-file", summary.to_str().context("path")?], "true")?;
        assert!(output.status.success(), "{output:?}");
        let next: Value = serde_json::from_slice(&fs::read(&summary)?)?;
        assert!(next["execs"].as_u64().is_some_and(|execs| execs <= 3), "{verb}: {next:#}");
        assert_eq!(bomb.try_wait()?, None, "{verb}: it was ended");
        ensure!(wait_until(Duration::from_secs(20), || size() > before + 100), "{verb}: it forks no more");
        fs::remove_file(workspace.join("running"))?;
        ensure!(bomb.wait()?.success(), "{verb}");
    }
    Ok(())
}
