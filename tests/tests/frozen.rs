//! A session that stands still speaks: on its user's terminal, on standard error, and afterwards. And its user answers,
//! whom nothing inside can speak for.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result};
use end_to_end::pty::Pty;
use end_to_end::scene::{can_refuse, kernel};
use end_to_end::{World, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

/// A key counts after half a second of silence.
const SILENCE: Duration = Duration::from_millis(900);

/// Whether a rename over a jewel happens here, and freezes.
fn renames_freeze() -> bool {
    let freeze = !can_refuse() && kernel() >= (6, 13);
    if !freeze {
        println!("skipped: a rename over a jewel is refused here, or not told");
    }
    freeze
}

fn world() -> Result<World> {
    let world = World::new()?;
    for path in [".bashrc", ".profile", "a", "b", "c"] {
        world.write(&world.home().join(path), "plain\n")?;
    }
    Ok(world)
}

/// A script under `enforce` in front of a terminal.
fn on_terminal(world: &World, script: &str) -> Result<Pty> {
    let summary = world.path().join("summary.json");
    let mut args =
        world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    args.extend(["bash", "-c", script].map(str::to_owned));
    Pty::start(world.wardline(args))
}

fn summary(world: &World) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(world.path().join("summary.json"))?)?)
}

fn state(world: &World) -> Option<String> {
    let listed: Value = serde_json::from_slice(&world.run(["sessions", "--json"]).ok()?.stdout).ok()?;
    Some(listed[0]["state"].as_str()?.to_owned())
}

fn answer(pty: &mut Pty, key: &str) -> Result<()> {
    std::thread::sleep(SILENCE);
    pty.send(key)
}

#[test]
fn it_says_what_froze_it_and_a_key_lets_it_go_on_where_the_same_does_not_freeze_it_again() -> Result<()> {
    if !renames_freeze() {
        return Ok(());
    }
    let world = world()?;
    let script = "cd; mv a .bashrc; sleep 1; echo WENT''-ON; cp c b; mv b .bashrc; sleep 1; echo NOT''-AGAIN; mv c .profile; sleep 1; echo NEVER''-HERE";
    let mut pty = on_terminal(&world, script)?;
    pty.expect("was frozen by T0: nothing of it runs")?;
    pty.expect("NOT prevented: `rename ")?;
    pty.expect("happened; the session was frozen afterwards (T0)")?;
    pty.expect("crown jewel")?;
    pty.expect("Ctrl-C")?;
    answer(&mut pty, "c")?;
    pty.expect("WENT-ON")?;
    pty.expect("NOT-AGAIN")?;
    // Another place is another deed.
    pty.expect("was frozen by T0")?;
    pty.expect(".profile")?;
    answer(&mut pty, "k")?;
    let (printed, status) = pty.ended()?;
    assert!(!printed.contains("NEVER-HERE"), "{printed}");
    assert!(!status.success());
    let summary = summary(&world)?;
    assert_eq!(summary["freezes"][0]["went_on"], "once", "{summary:#}");
    assert_eq!(summary["freezes"][1]["went_on"], Value::Null, "{summary:#}");
    assert_eq!((&summary["stopped"], &summary["happened"]), (&2.into(), &1.into()), "{summary:#}");
    assert_eq!(summary["denied"], 0, "{summary:#}");
    for denial in summary["denials"].as_array().context("denials")? {
        assert_ne!(denial["fate"], "refused", "{denial}");
    }
    Ok(())
}

#[test]
fn for_the_session_nothing_freezes_it_any_more() -> Result<()> {
    if !renames_freeze() {
        return Ok(());
    }
    let world = world()?;
    let mut pty = on_terminal(&world, "cd; mv a .bashrc; mv b .profile; sleep 1; echo WENT''-ON")?;
    pty.expect("was frozen by T0")?;
    answer(&mut pty, "s")?;
    pty.expect("WENT-ON")?;
    assert!(pty.ended()?.1.success());
    Ok(())
}

/// Ctrl-C ends it, and the terminal is left as the shell had it, whatever the program had made of it.
#[test]
fn ctrl_c_ends_it_and_leaves_the_terminal_as_it_was() -> Result<()> {
    let world = world()?;
    let mut shell = {
        let mut command = std::process::Command::new("bash");
        command.args(["--norc", "--noprofile", "-i"]).current_dir(world.workspace()).env_clear();
        command
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm")
            .env("PS1", "PROMPT> ")
            .env("HISTFILE", "/dev/null");
        Pty::start(command)?
    };
    shell.expect("PROMPT> ")?;
    let script = world.workspace().join("full.sh");
    world.write(&script, "stty raw -echo\nprintf '\\033[?1000hREAD''Y'\nwhile :; do sleep 0.1; done\n")?;
    shell.send(&format!(
        "'{}' --state-dir '{}' {} bash {}\n",
        end_to_end::wardline().display(),
        world.state().display(),
        world.session("enforce", &["--quiet"]).join(" "),
        script.display()
    ))?;
    shell.expect("READY")?;
    assert!(world.run(["stop-session", "last", "--freeze"])?.status.success());
    shell.expect("was frozen")?;
    shell.expect("asked for from outside")?;
    shell.send("\x03")?;
    shell.expect("PROMPT> ")?;
    shell.send("echo status=$? $(stty -a | grep -ow -e '-\\?icanon' -e '-\\?echo' | tr '\\n' ' ')\n")?;
    shell.expect("status=137 icanon echo")?;
    assert!(wait_until(Duration::from_secs(20), || world.user_processes().is_empty()));
    Ok(())
}

/// What was typed before, or is typed in a row, answers nothing.
#[test]
fn nothing_that_was_meant_for_the_program_answers() -> Result<()> {
    let world = world()?;
    let mut pty = on_terminal(&world, "stty -icanon; echo READ''Y; sleep 2; echo WENT''-ON; sleep 100")?;
    pty.expect("READY")?;
    pty.send("cscscs")?;
    assert!(world.run(["stop-session", "last", "--freeze"])?.status.success());
    pty.expect("was frozen")?;
    pty.send("c")?;
    answer(&mut pty, "continue")?;
    answer(&mut pty, "\x1b[200~c\x1b[201~")?;
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(state(&world).as_deref(), Some("frozen"));
    answer(&mut pty, "c")?;
    pty.expect("WENT-ON")?;
    pty.send("\x03")?;
    Ok(())
}

#[test]
fn ctrl_z_gives_the_shell_back_and_fg_the_question() -> Result<()> {
    let world = world()?;
    let mut command = std::process::Command::new("bash");
    command.args(["--norc", "--noprofile", "-i"]).current_dir(world.workspace()).env_clear();
    command
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .env("PS1", "PROMPT> ")
        .env("HISTFILE", "/dev/null");
    let mut shell = Pty::start(command)?;
    shell.expect("PROMPT> ")?;
    shell.send(&format!(
        "'{}' --state-dir '{}' {} bash -c 'echo READ\"\"Y; sleep 3; echo WENT\"\"-ON'\n",
        end_to_end::wardline().display(),
        world.state().display(),
        world.session("enforce", &["--quiet"]).join(" "),
    ))?;
    shell.expect("READY")?;
    assert!(world.run(["stop-session", "last", "--freeze"])?.status.success());
    shell.expect("was frozen")?;
    shell.send("\x1a")?;
    shell.expect("Stopped")?;
    shell.send("echo in-the-''shell\n")?;
    shell.expect("in-the-shell")?;
    shell.send("fg\n")?;
    shell.expect("was frozen")?;
    answer(&mut shell, "c")?;
    shell.expect("WENT-ON")?;
    shell.expect("PROMPT> ")
}

/// Without a terminal it is said on standard error, what to do is said with it, and a signal to the client ends it. It can
/// be read when all is over, with nobody serving any more.
#[test]
fn without_a_terminal_it_is_said_on_standard_error_and_read_afterwards() -> Result<()> {
    let world = world()?;
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash", "-c", "cd; echo begun >&2; mv a .bashrc; sleep 100"].map(str::to_owned));
    let mut command = world.wardline(args);
    // SAFETY: setsid(2) is async-signal-safe.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut command, || {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    let client = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    assert!(wait_until(Duration::from_secs(20), || state(&world).is_some()));
    if !renames_freeze() {
        assert!(world.run(["stop-session", "last", "--freeze"])?.status.success());
    }
    assert!(wait_until(Duration::from_secs(20), || state(&world).as_deref() == Some("frozen")));
    std::thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_raw(i32::try_from(client.id())?).context("pid")?, Signal::TERM)?;
    let output = client.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for words in ["was frozen", "nothing of it runs", "--thaw` lets it go on", "--kill` ends it"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!output.status.success());
    assert!(world.run(["stop"])?.status.success());
    assert!(wait_until(Duration::from_secs(20), || world.supervisor().is_none()));
    let told = world.run(["tail"])?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("FROZEN") && told.contains("killed from outside"), "{told}");
    let lines = world.run(["tail", "--json", "--past", "1"])?.stdout;
    let last: Value = serde_json::from_slice(&lines)?;
    assert_eq!(last["kind"], "killed", "{last}");
    Ok(())
}
