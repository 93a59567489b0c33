//! The terminal is the command's: Ctrl-C, Ctrl-Z, `fg` and a new size reach it as if Wardline were not there, and
//! Wardline prints nothing while it runs.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result};
use end_to_end::bypass::{self, Fate};
use end_to_end::pty::Pty;
use end_to_end::{World, wait_until, wardline};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use sys::process;

/// An interactive shell with job control in front of a terminal.
fn shell(world: &World) -> Result<Pty> {
    let mut command = Command::new("bash");
    command
        .args(["--norc", "--noprofile", "-i"])
        .current_dir(world.workspace())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("TERM", "xterm")
        .env("PS1", "PROMPT> ")
        .env("HISTFILE", "/dev/null");
    let mut pty = Pty::start(command)?;
    pty.expect("PROMPT> ")?;
    Ok(pty)
}

/// Writes a script and returns the line that runs it in a session.
fn line(world: &World, script: &str) -> Result<String> {
    let path = world.workspace().join("program.sh");
    world.write(&path, script)?;
    let args = world.session("enforce", &["--quiet"]);
    Ok(format!(
        "'{}' --state-dir '{}' {} bash {}\n",
        wardline().display(),
        world.state().display(),
        args.join(" "),
        path.display()
    ))
}

#[test]
fn ctrl_c_reaches_the_command() -> Result<()> {
    let world = World::new()?;
    let mut pty = shell(&world)?;
    pty.send(&line(
        &world,
        "trap 'echo GOT''-INT; exit 7' INT\necho READ''Y\nwhile :; do sleep 0.1; done\n",
    )?)?;
    pty.expect("READY")?;
    pty.send("\x03")?;
    pty.expect("GOT-INT")?;
    pty.expect("PROMPT> ")?;
    pty.send("echo status=$?\n")?;
    pty.expect("status=7")
}

#[test]
fn a_command_that_ctrl_c_kills_looks_killed() -> Result<()> {
    let world = World::new()?;
    let mut pty = shell(&world)?;
    pty.send(&line(&world, "echo READ''Y\nsleep 1000\n")?)?;
    pty.expect("READY")?;
    pty.send("\x03")?;
    pty.expect("PROMPT> ")?;
    pty.send("echo status=$?\n")?;
    pty.expect("status=130")
}

#[test]
fn ctrl_z_stops_both_and_fg_continues_both() -> Result<()> {
    let world = World::new()?;
    let mut pty = shell(&world)?;
    pty.send(&line(&world, "n=0\nwhile :; do n=$((n+1)); echo TIC''K$n; sleep 0.1; done\n")?)?;
    pty.expect("TICK3")?;
    pty.send("\x1a")?;
    pty.expect("Stopped")?;
    pty.expect("PROMPT> ")?;
    assert!(wait_until(Duration::from_secs(20), || world.user_processes().iter().all(is_stopped)));
    pty.send("fg\n")?;
    pty.expect("TICK")?;
    pty.expect("TICK")?;
    pty.send("\x03")?;
    pty.expect("PROMPT> ")
}

/// While the supervisor is late, what is guarded stands still: no job of the shell's that was stopped. One that stops itself by
/// the same signal is.
#[test]
fn who_is_stopped_for_a_late_supervisor_is_no_stopped_job() -> Result<()> {
    let world = World::new()?;
    let mut pty = shell(&world)?;
    let script = "n=0\nwhile [ ! -e itself ]; do n=$((n+1)); echo TIC''K$n; sleep 0.1; done\nkill -STOP $$\necho O''VER\n";
    pty.send(&line(&world, script)?)?;
    pty.expect("TICK3")?;
    let stands = || world.user_processes().iter().any(|pid| process::is_stopped(*pid));
    for _ in 0..3 {
        let supervisor = Paused::new(world.supervisor().context("no supervisor")?)?;
        assert!(wait_until(Duration::from_secs(20), stands));
        std::thread::sleep(Duration::from_secs(1));
        drop(supervisor);
        pty.expect("TICK")?;
        pty.expect("TICK")?;
    }
    assert!(!pty.printed.contains("Stopped"), "{}", pty.printed);
    world.write(&world.workspace().join("itself"), "")?;
    pty.expect("Stopped")?;
    pty.expect("PROMPT> ")?;
    pty.send("fg\n")?;
    pty.expect("OVER")?;
    pty.expect("PROMPT> ")
}

#[test]
fn a_new_size_reaches_the_command() -> Result<()> {
    let world = World::new()?;
    let mut pty = shell(&world)?;
    let script = "trap 'echo SIZ''E=$(stty size)' WINCH\necho READ''Y\nwhile :; do sleep 0.1; done\n";
    pty.send(&line(&world, script)?)?;
    pty.expect("READY")?;
    pty.resize(40, 100)?;
    pty.expect("SIZE=40 100")?;
    pty.send("\x03")?;
    pty.expect("PROMPT> ")
}

/// A shell as the command has a job control of its own: it takes the terminal, and gives it back.
#[test]
fn an_interactive_shell_inside_has_its_own_jobs() -> Result<()> {
    let world = World::new()?;
    let mut pty = shell(&world)?;
    let args = world.session("enforce", &["--quiet"]);
    pty.send(&format!(
        "'{}' --state-dir '{}' {} env PS1='INS''IDE> ' bash --norc --noprofile -i\n",
        wardline().display(),
        world.state().display(),
        args.join(" ")
    ))?;
    pty.expect("INSIDE> ")?;
    pty.send("sleep 1000\n")?;
    std::thread::sleep(Duration::from_millis(500));
    pty.send("\x1a")?;
    pty.expect("Stopped")?;
    pty.expect("INSIDE> ")?;
    pty.send("kill %1; exit 5\n")?;
    pty.send("exit 5\n")?;
    pty.expect("PROMPT> ")
}

/// What a full-screen program prints arrives byte for byte, and nothing else.
#[test]
fn a_full_screen_program_is_undisturbed() -> Result<()> {
    let world = World::new()?;
    let path = world.workspace().join("full.sh");
    let script = r#"
old=$(stty -g); stty raw -echo
printf '\033[?1049h\033[2J\033[H%s' "$(tty >/dev/null && echo at-a-terminal)"
key=$(dd bs=1 count=1 2>/dev/null)
printf '\033[5;5Hkey=%s' "$key"
printf '\033[?1049l'; stty "$old"
"#;
    world.write(&path, script)?;
    let path = path.to_str().context("path")?;
    let plain = {
        let mut command = Command::new("bash");
        command.arg(path).env("TERM", "xterm");
        full_screen(command)?
    };
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash".to_owned(), path.to_owned()]);
    let guarded = full_screen(world.wardline(args))?;
    assert_eq!(guarded, plain);
    assert!(plain.contains("key=x") && plain.contains("at-a-terminal"), "{plain:?}");
    Ok(())
}

fn full_screen(command: Command) -> Result<String> {
    let mut pty = Pty::start(command)?;
    pty.expect("at-a-terminal")?;
    pty.send("x")?;
    pty.finish()
}

/// Ctrl-Z while the session is still being armed: the shell gets control back, and `fg` starts the command. The
/// supervisor is stopped meanwhile, so that the session is being armed for as long as it takes to type.
#[test]
fn ctrl_z_before_the_command_has_started() -> Result<()> {
    let world = World::new()?;
    let mut service = world.wardline(["supervisor", "--stay"]).stderr(Stdio::null()).spawn()?;
    assert!(wait_until(Duration::from_secs(20), || world.state().join("run/control.sock").exists()));
    let supervisor = Paused::new(world.supervisor().context("no supervisor")?)?;
    let mut pty = shell(&world)?;
    pty.send(&line(&world, "echo READ''Y\n")?)?;
    let held = || world.user_processes().len() == 1;
    assert!(wait_until(Duration::from_secs(20), held), "no process is held: {}", pty.printed);
    pty.send("\x1a")?;
    assert!(wait_until(Duration::from_secs(20), || world.user_processes().iter().all(is_stopped)));
    drop(supervisor);
    pty.expect("Stopped")?;
    pty.expect("PROMPT> ")?;
    assert!(!pty.printed.contains("READY"), "it has started: {}", pty.printed);
    pty.send("fg\n")?;
    pty.expect("READY")?;
    pty.expect("PROMPT> ")?;
    world.run(["stop"])?;
    service.wait()?;
    Ok(())
}

/// A process that is stopped until this is dropped.
struct Paused(Pid);

impl Paused {
    fn new(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(i32::try_from(pid)?).context("no pid")?;
        kill_process(pid, Signal::STOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// Whether a process is stopped, or gone.
fn is_stopped(pid: &u32) -> bool {
    process::is_stopped(*pid) || !process::is_alive(*pid)
}

/// A program that types what the shell would do behind the session. `above`: what stands above the request in its register.
fn types(line: &str, above: u64) -> String {
    format!(
        "import ctypes, termios\nterminal = open('/dev/tty', 'rb')\nfor byte in b'{line}\\n':\n    \
         ctypes.CDLL(None).syscall(16, terminal.fileno(), ctypes.c_ulong({above} << 32 | termios.TIOCSTI), bytes([byte]))\n"
    )
}

/// Where users' programs may type at all (since Linux 6.2 that can be switched off), the first byte ends the one that does, and the
/// session stands still. What was typed is for nobody, in any mode.
#[test]
fn what_a_session_types_is_not_for_the_shell() -> Result<()> {
    let may_type = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").map_or(true, |on| on.trim() == "1");
    for (mode, above, stops) in [("--force", 0, may_type), ("--force", 1, may_type), ("--shadow", 0, false)] {
        let world = World::new()?;
        let planted = world.path().join("planted");
        let program = types(&format!("touch {}", planted.display()), above);
        world.write(&world.workspace().join("typing-away.py"), program)?;
        let mut pty = shell(&world)?;
        let line = line(
            &world,
            "python3 typing-away.py 2>/dev/null\nuntil [ $SECONDS -ge 3 ]; do :; done\necho went ''on\n",
        )?;
        pty.send(&line.replace("--quiet", &format!("--quiet {mode}")))?;
        if stops {
            pty.expect("was frozen by T0")?;
            pty.expect("typed into the terminal")?;
            // A key counts after half a second of silence.
            std::thread::sleep(Duration::from_secs(1));
            pty.send("k")?;
        } else {
            pty.expect("went on")?;
        }
        pty.expect("PROMPT> ")?;
        pty.send("echo still ''here\n")?;
        pty.expect("still here")?;
        assert!(!planted.exists(), "{mode}: {}", pty.printed);
        assert_eq!(pty.printed.contains("went on"), !stops, "{mode}: {}", pty.printed);
        if stops && above == 0 {
            let way = "a command is typed into the terminal, for the shell behind the session (`TIOCSTI`)";
            bypass::came("What is done is hidden", way, "a user", Fate::Stopped);
        }
    }
    Ok(())
}

/// What a session leaves switched on in the terminal hides nothing of what is said of it.
#[test]
fn what_is_said_of_a_session_is_seen() -> Result<()> {
    let world = World::new()?;
    world.write(&world.home().join(".ssh/id_ed25519"), "secret")?;
    let mut pty = shell(&world)?;
    // Hidden text on the second screen, in one line of it, in another character set, and no line ends.
    let script = "cat ~/.ssh/id_ed25519\nprintf '\\033[8m\\033[?1049h\\033[5;6r\\033(0'\nstty raw -echo\n";
    let script = script.replace('~', &world.home().display().to_string());
    pty.send(&line(&world, &script)?.replace("--quiet", "--workspace ."))?;
    pty.expect("\x1b(0")?;
    for undone in ["\x1b[r", "\x1b[0m", "\x1b(B", "\x1b[?1047l"] {
        pty.expect(undone)?;
    }
    pty.expect("verdict    `deny`\r\n")?;
    pty.expect("PROMPT> ")
}
