//! `wardline export SESSION`

use super::reading;
use anyhow::{Context, Result};
use bstr::BString;
use command::State;
use command::user;
use event::SessionRef;
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::Names;
use tempfile::NamedTempFile;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo wardline export last -o session.jsonl\n  sudo wardline export 17 | jq 'select(.op == \"connect\")'\n  sudo wardline export last --share -o for-others.jsonl"
)]
pub struct Args {
    /// Number of the session, or `last`
    pub session: SessionRef,
    /// The format
    #[arg(long, default_value = "jsonl")]
    pub format: Format,
    /// Write to this file; standard output otherwise
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave out the names of user, home and machine: home becomes `/home/user`, uid and gid 1000. Names of workspaces,
    /// addresses and everything else stay
    #[arg(long)]
    pub share: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// Formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
}

/// Writes it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let output = args.output.as_deref().map(Output::new).transpose()?;
    let code = export(state, args, output.as_ref().map(Output::file))?;
    // What was there stays until all of it is written.
    if let (Some(output), true) = (output, code == ExitCode::SUCCESS) {
        output.keep()?;
    }
    Ok(code)
}

fn export(state: &State, args: &Args, file: Option<&File>) -> Result<ExitCode> {
    let session = args.session.to_string();
    let mut line = vec!["export", session.as_str(), "--format", "jsonl"];
    line.extend(args.share.then_some("--share"));
    if let Some(code) =
        reading::through_supervisor(state, args.user.as_deref(), &line, file.map(AsFd::as_fd))?
    {
        return Ok(code);
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let session = reading::session(&reader, args.session)?;
    let mut out: Box<dyn Write> = match file {
        Some(file) => Box::new(BufWriter::new(file)),
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    match args.format {
        Format::Jsonl if args.share => {
            store::export_shared(&reader, session.id, &names(session.meta.context.uid), &mut out)?;
        }
        Format::Jsonl => store::export_jsonl(&reader, session.id, &mut out)?,
    }
    out.flush().context("the export cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

/// What this machine knows of the session's user and of itself. The session's own home is known from the session.
fn names(uid: u32) -> Names {
    let account = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    let bytes = |text: &OsStr| BString::from(text.as_bytes());
    let etc = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    Names {
        homes: account.iter().map(|account| bytes(account.dir.as_os_str())).collect(),
        users: account.iter().map(|account| account.name.as_str().into()).collect(),
        hosts: vec![rustix::system::uname().nodename().to_bytes().into(), etc.trim().into()],
        ids: account.iter().map(|account| account.gid.as_raw()).collect(),
    }
}

/// The file that is written.
enum Output {
    /// Lies beside the place until it is whole.
    New(NamedTempFile, PathBuf),
    /// A device or a pipe.
    There(File),
}

impl Output {
    fn new(path: &Path) -> Result<Output> {
        let failed = || format!("`{}` cannot be written", path.display());
        let there = path.metadata().ok();
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Ok(Output::There(File::options().write(true).open(path).with_context(failed)?));
        }
        // Who may read what is there may read the new one, and a link leads where it led.
        let mode = there.map_or_else(|| Permissions::from_mode(0o666), |there| there.permissions());
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let directory = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().permissions(mode).tempfile_in(directory).with_context(failed)?;
        Ok(Output::New(file, path))
    }

    fn file(&self) -> &File {
        match self {
            Output::New(file, _) => file.as_file(),
            Output::There(file) => file,
        }
    }

    fn keep(self) -> Result<()> {
        if let Output::New(file, path) = self {
            file.persist(&path)
                .map_err(|error| error.error)
                .with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_there_stays_until_all_is_written_and_its_readers_too() {
        let tmp = tempfile::tempdir().unwrap();
        let (file, link) = (tmp.path().join("file"), tmp.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let write = |output: &Output| output.file().write_all(b"new").unwrap();
        let failed = Output::new(&link).unwrap();
        write(&failed);
        drop(failed);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        let output = Output::new(&link).unwrap();
        write(&output);
        output.keep().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 2, "nothing is left beside it");
    }
}
