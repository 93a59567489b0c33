//! Attempts, one after another, in the session that is asked: what it gets is all that it knows.
#![expect(clippy::indexing_slicing, reason = "a beginning is no later than the end")]

use anyhow::{Context, Result};
use policy::Deed;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Arguments of `attempt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The list, JSON
    list: PathBuf,
    /// The first of them; without, all, in processes of their own where one is killed
    #[arg(long)]
    from: Option<usize>,
}

/// One operation to try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// `read`, `change` or `connect`.
    pub deed: String,
    /// A path, or an address.
    pub place: String,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// It happened.
    Happened,
    /// It was refused: `EPERM`.
    Refused,
    /// Its process was killed.
    Stopped,
    /// Permissions of the file refuse it, session or not.
    NotAllowed,
    /// Nothing is there.
    NotThere,
    /// Something else went wrong.
    Failed,
}

impl Came {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Came::Happened => "happened",
            Came::Refused => "was refused",
            Came::Stopped => "happened, and its process was stopped",
            Came::NotAllowed => "was refused by the file's own permissions",
            Came::NotThere => "found nothing there",
            Came::Failed => "failed",
        }
    }
}

/// Tries what stands in a file, and prints what came of each. A process that is killed for one goes on behind it with
/// another.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Args { list, from } = args;
    let file = File::open(list).with_context(|| format!("`{}` could not be read", list.display()))?;
    let tasks: Vec<Task> = serde_json::from_reader(io::BufReader::new(file))?;
    match *from {
        Some(from) => {
            for task in &tasks[from.min(tasks.len())..] {
                print(attempt(task))?;
            }
        }
        None => {
            let mut from = 0;
            while from < tasks.len() {
                from += some(list, from)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How many were tried by one process.
fn some(list: &Path, from: usize) -> Result<usize> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("attempt").arg(list).args(["--from", &from.to_string()]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    io::stdout().write_all(&output.stdout)?;
    let told = output.stdout.iter().filter(|&&byte| byte == b'\n').count();
    if output.status.signal().is_some() {
        print(Came::Stopped)?;
        return Ok(told + 1);
    }
    anyhow::ensure!(output.status.success(), "the attempts ended early ({})", output.status);
    Ok(told)
}

fn print(came: Came) -> Result<()> {
    let mut out = io::stdout();
    serde_json::to_writer(&mut out, &came)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

fn attempt(task: &Task) -> Came {
    let tried = match &*task.deed {
        "read" => File::open(&task.place).map(drop),
        "change" => OpenOptions::new().append(true).open(&task.place).map(drop),
        _ if task.deed != Deed::Connect.word() => return Came::Failed,
        _ => match task.place.parse::<IpAddr>() {
            // Of a datagram socket nothing is sent.
            Ok(address) => of_address(address),
            Err(_) => UnixStream::connect(&task.place).map(drop),
        },
    };
    match tried.map_err(|error| Errno::from_io_error(&error)) {
        Ok(()) => Came::Happened,
        Err(Some(Errno::PERM)) => Came::Refused,
        Err(Some(Errno::ACCESS)) => Came::NotAllowed,
        Err(Some(Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED)) => Came::NotThere,
        Err(_) => Came::Failed,
    }
}

fn of_address(address: IpAddr) -> io::Result<()> {
    const HTTP: u16 = 80;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(any)?.connect((address, HTTP))
}
