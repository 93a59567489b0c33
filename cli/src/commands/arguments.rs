//! Arguments of `record` and `enforce`, and the look at them before a process is made, a file written or a supervisor started.

use crate::environment::EnvironmentArgs;
use anyhow::{Context, Result};
use command::Exit;
use command::user::UserArgs;
use event::{AgentName, TaskName};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What `record` and `enforce` have in common.
#[derive(Debug, clap::Args)]
pub struct SessionArgs {
    /// The agent; guessed from the executable otherwise
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<AgentName>,
    /// What it is asked to do: `edit`, `test`, `review`, or any name of yours
    #[arg(long, value_name = "TASK", default_value_t)]
    pub task: TaskName,
    /// Directory that it works in, several times for several; the current directory otherwise
    #[arg(long, value_name = "DIR")]
    pub workspace: Vec<PathBuf>,
    /// Accept a workspace that is `/` or a home, or that holds a crown jewel
    #[arg(long)]
    pub force: bool,
    /// Who it runs as
    #[command(flatten)]
    pub user: UserArgs,
    /// What it inherits
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    /// Let it use io_uring where its requests cannot be refused (tier `tracepoint`): what one does to a jewel has happened when it
    /// is stopped
    #[arg(long, conflicts_with = "attach")]
    pub io_uring: bool,
    /// Write the summary to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub summary_file: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// Take in a process that runs already, with everything that descends from it, instead of starting a command
    #[arg(long, value_name = "PID", conflicts_with_all = ["command", "user", "env", "path"])]
    pub attach: Option<u32>,
    /// The command and its arguments
    #[arg(required_unless_present = "attach", last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What was asked for, after it was looked at.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    args: &'a SessionArgs,
    workspaces: Vec<PathBuf>,
}

impl<'a> Checked<'a> {
    /// Looks at all arguments that name something, and changes nothing.
    pub(super) fn new(args: &'a SessionArgs) -> Result<Self> {
        let workspaces = args.workspace.iter().map(|path| directory("--workspace", path));
        let workspaces = workspaces.collect::<Result<Vec<_>>>()?;
        if let Some(home) = &args.user.home {
            directory("--home", home)?;
        }
        if let Some(file) = &args.summary_file {
            writable("--summary-file", file)?;
        }
        Ok(Self { args, workspaces })
    }

    /// As they were given.
    pub(super) fn args(&self) -> &'a SessionArgs {
        self.args
    }

    /// Where the session works, links followed: `here` if nothing is said.
    pub(super) fn workspaces(&self, here: &Path) -> Result<Vec<PathBuf>> {
        if !self.workspaces.is_empty() {
            return Ok(self.workspaces.clone());
        }
        if !here.is_absolute() {
            return Err(Exit::Usage.error("the current directory is gone: name one with `--workspace`"));
        }
        let followed = fs::canonicalize(here)
            .map_err(|e| Exit::Usage.error(format!("`{}` is no directory: {e}", here.display())))?;
        Ok(vec![followed])
    }

    /// The file for the summary, emptied: nothing that the session does to its name leads elsewhere.
    pub(super) fn summary_file(&self) -> Result<Option<File>> {
        let create = |path: &PathBuf| {
            File::create(path).with_context(|| format!("`{}` cannot be written", path.display()))
        };
        self.args.summary_file.as_ref().map(create).transpose()
    }
}

/// The directory that an argument names, links followed.
fn directory(argument: &str, path: &Path) -> Result<PathBuf> {
    let refused = |why: String| Exit::Usage.error(format!("`{argument} {}`: {why}", path.display()));
    let followed = fs::canonicalize(path).map_err(|e| refused(format!("is no directory: {e}")))?;
    if !followed.is_dir() {
        return Err(refused("is no directory".into()));
    }
    Ok(followed)
}

/// Whether a file that an argument names can be written, or made where there is none.
fn writable(argument: &str, path: &Path) -> Result<()> {
    let refused = |why: String| Exit::Usage.error(format!("`{argument} {}`: {why}", path.display()));
    let may = |path: &Path, access| faccessat(AT_FDCWD, path, access, AtFlags::AT_EACCESS);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(refused("is a directory".into())),
        Ok(_) => {
            may(path, AccessFlags::W_OK).map_err(|e| refused(format!("cannot be written: {}", e.desc())))
        }
        Err(_) => {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                Some(_) => Path::new("."),
                None => return Err(refused("is no name of a file".into())),
            };
            if !parent.is_dir() {
                return Err(refused(format!("`{}` is no directory", parent.display())));
            }
            may(parent, AccessFlags::W_OK | AccessFlags::X_OK)
                .map_err(|e| refused(format!("nothing can be made in `{}`: {}", parent.display(), e.desc())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        session: SessionArgs,
    }

    /// The error that an argument is refused with, or nothing.
    fn refused(argument: &str, path: &Path) -> Option<String> {
        let line = Line::parse_from([
            "wardline".as_ref(),
            argument.as_ref(),
            path.as_os_str(),
            "--".as_ref(),
            "true".as_ref(),
        ]);
        let error = Checked::new(&line.session).err()?;
        assert_eq!(Exit::of(&error), Exit::Usage);
        Some(error.to_string())
    }

    #[test]
    fn an_error_names_the_argument() {
        let tmp = tempfile::tempdir().unwrap();
        let (file, missing) = (tmp.path().join("file"), tmp.path().join("missing"));
        fs::write(&file, "old").unwrap();
        for argument in ["--workspace", "--home"] {
            for path in [&file, &missing] {
                let error = refused(argument, path).unwrap();
                let begin = format!("`{argument} {}`: is no directory", path.display());
                assert!(error.starts_with(&begin), "{error}");
            }
            assert_eq!(refused(argument, tmp.path()), None);
        }
        let path = missing.join("summary");
        let because = format!("`--summary-file {}`: `{}` is no directory", path.display(), missing.display());
        assert_eq!(refused("--summary-file", &path), Some(because));
        let because = format!("`--summary-file {}`: is a directory", tmp.path().display());
        assert_eq!(refused("--summary-file", tmp.path()), Some(because));
        assert_eq!(refused("--summary-file", Path::new("summary-here")), None);
    }

    #[test]
    fn looking_makes_and_empties_no_file() {
        let tmp = tempfile::tempdir().unwrap();
        let (old, new) = (tmp.path().join("old"), tmp.path().join("new"));
        fs::write(&old, "old").unwrap();
        assert_eq!(refused("--summary-file", &old), None);
        assert_eq!(refused("--summary-file", &new), None);
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert!(!new.exists());
    }
}
