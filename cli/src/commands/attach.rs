//! `wardline record --attach PID` and `wardline enforce --attach PID`: a process that runs already, and what is to be
//! known of it from `/proc`.

use super::arguments::{Checked, SessionArgs};
use super::session::{self, Of, Stance, announce, say};
use super::summary;
use crate::client::{self, Left, connect};
use crate::environment::split;
use anyhow::{Context, Result};
use command::user::Identity;
use command::{Exit, State};
use event::Mode;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wire::Ready;

/// What is to be known of a process.
struct Process {
    command: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    file: Option<PathBuf>,
    directory: PathBuf,
    user: Identity,
}

/// Attaches, and stays until the process ends or the user leaves.
pub fn attach(state: &State, verbose: u8, args: &SessionArgs, stance: Stance, pid: u32) -> Result<ExitCode> {
    // Who is inside a session and looks into a process outside is ended for it.
    connect::is_served(state)?;
    let checked = Checked::new(args)?;
    let Process { command, environment, file, directory, user } = read(pid, args)?;
    let of =
        Of { command: &command, file: file.as_deref(), directory: &directory, environment: &environment };
    let mut begin = session::begin(&checked, stance, &of, &user)?;
    begin.pid = pid;
    begin.attach = true;
    let summary_file = checked.summary_file()?;
    let mut said = Vec::new();
    let started = |ready: &Ready| {
        said.clone_from(&ready.notes);
        if !args.quiet {
            announce(ready);
            let processes = text::count(u64::from(ready.processes), "process");
            say(&format!(
                "session {}: {processes} taken in; Ctrl-C leaves them to themselves",
                ready.session
            ));
        }
    };
    let mode = stance.mode;
    let (left, finished) = client::attach(state, verbose, begin, started, say)?;
    session::write_summary(summary_file, &finished.report)?;
    if !args.quiet {
        anstream::eprintln!("{}", summary::text(mode, verbose, &finished, &said));
        match (left, mode) {
            (Left::Detached, Mode::Enforce) => say(&format!("left: nothing guards process {pid} any more")),
            (Left::Detached, _) => say(&format!("left: process {pid} goes on, and is not recorded any more")),
            (Left::Ended, _) => {}
        }
    }
    session::ended_for_a_delegate(mode, &finished.report)?;
    Ok(ExitCode::SUCCESS)
}

fn read(pid: u32, args: &SessionArgs) -> Result<Process> {
    // Of a process whose first thread has exited, the others have what `/proc` shows.
    let shown = sys::process::living_thread(pid).unwrap_or(pid);
    let proc = PathBuf::from(format!("/proc/{shown}"));
    let missing = |what: &str, error: std::io::Error| {
        Exit::Usage.error(format!("the {what} of process {pid} cannot be read: {error}"))
    };
    let words = |bytes: &[u8]| -> Vec<OsString> {
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        bytes.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect()
    };
    let command = words(&fs::read(proc.join("cmdline")).map_err(|e| missing("command", e))?);
    // Of another user's, or one that may not be looked at: its sockets are then those of the user's runtime directory.
    let environment = fs::read(proc.join("environ")).unwrap_or_default();
    let environment = words(&environment).iter().filter_map(|word| split(word.as_bytes())).collect();
    let directory = fs::read_link(proc.join("cwd")).map_err(|e| missing("directory", e))?;
    let file = fs::read_link(proc.join("exe")).ok();
    Ok(Process { command, environment, file, directory, user: user(&proc, args)? })
}

/// Whose the process is.
fn user(proc: &Path, args: &SessionArgs) -> Result<Identity> {
    let status = fs::read_to_string(proc.join("status")).context("the process ended")?;
    let real = |name: &str| -> Option<u32> {
        status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    let (uid, gid) = real("Uid:").zip(real("Gid:")).context("the process has no user")?;
    args.user.of_process(uid, gid)
}
