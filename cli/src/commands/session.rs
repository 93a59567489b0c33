//! What the commands have in common that put something in a session: the request that comes of their arguments, and what the
//! user is told.

use super::arguments::Checked;
use super::summary;
use crate::environment::Variable;
use crate::{agent, environment};
use anyhow::{Context, Result};
use command::Exit;
use command::style;
use command::user::Identity;
use event::Mode;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wire::{Begin, Confinement, Ready, Report};

/// What a session is for, and whether its baseline refuses whatever its trial says.
#[derive(Clone, Copy)]
pub(super) struct Stance {
    pub(super) mode: Mode,
    pub(super) force_baseline: bool,
}

impl Stance {
    pub(super) const RECORD: Stance = Stance { mode: Mode::Record, force_baseline: false };
}

/// An agent outside of the session was reached, and the session ended for it.
pub(super) fn ended_for_a_delegate(mode: Mode, report: &Report) -> Result<()> {
    match &report.delegate {
        Some(delegate) if mode != Mode::Shadow => {
            let advice = delegate.advice();
            Err(Exit::Refused
                .error(format!("the session was ended when it connected to another agent: {advice}")))
        }
        _ => Ok(()),
    }
}

/// Writes what the session amounted to where that was asked for.
pub(super) fn write_summary(file: Option<File>, report: &Report) -> Result<()> {
    if let Some(mut file) = file {
        serde_json::to_writer_pretty(&mut file, report)?;
        file.write_all(b"\n").context("the summary cannot be written")?;
    }
    Ok(())
}

/// What a session is of.
pub(super) struct Of<'a> {
    /// The command, argv.
    pub(super) command: &'a [OsString],
    /// The file that it was found to be, links followed.
    pub(super) file: Option<&'a Path>,
    /// Where the command works, if nothing else is said.
    pub(super) directory: &'a Path,
    /// Its environment.
    pub(super) environment: &'a [Variable],
}

/// The request, except for the pid.
pub(super) fn begin(checked: &Checked<'_>, stance: Stance, of: &Of<'_>, user: &Identity) -> Result<Begin> {
    let args = checked.args();
    let Stance { mode, force_baseline } = stance;
    let words = of.command.iter().map(|word| word.as_bytes());
    let agent = args
        .agent
        .clone()
        .unwrap_or_else(|| agent::guess(words.clone(), of.file.map(|file| file.as_os_str().as_bytes())));
    let home = std::fs::canonicalize(&user.home).unwrap_or_else(|_| user.home.clone());
    let home = home.as_os_str().as_bytes();
    let workspaces = checked.workspaces(of.directory)?;
    Ok(Begin {
        mode,
        agent_state: agent::state(agent.as_str(), home),
        toolchains: agent::toolchains(home),
        agent,
        task: args.task.clone(),
        command: words.map(Into::into).collect(),
        pid: 0,
        uid: user.uid,
        gid: user.gid,
        home: home.into(),
        workspaces: workspaces.iter().map(|path| path.as_os_str().as_bytes().into()).collect(),
        variables: environment::delegates(of.environment),
        force: args.force,
        force_baseline,
        as_root: args.user.as_root,
        confinement: Confinement::default(),
        attach: false,
    })
}

/// What the user is told before the command has the terminal.
pub(super) fn announce(ready: &Ready) {
    for note in summary::unsaid(&ready.notes, &[]) {
        say(note);
    }
}

pub(super) fn say(text: &str) {
    anstream::eprintln!("{} {text}", style::name("wardline:"));
}
