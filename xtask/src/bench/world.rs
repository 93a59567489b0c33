//! A throw-away place for the benchmark: a user that nobody else is, a repository, sources, and a state directory.

use super::workload::{Profile, Workload};
use crate::host;
use anyhow::{Context as _, Result, bail, ensure};
use datasets::{Lease, User};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The path that commands see: not the caller's, whose programs the user may not reach.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Packages of Python's library that the repository is made of.
const PACKAGES: [&str; 8] = ["json", "email", "http", "asyncio", "unittest", "xml", "urllib", "logging"];
/// Commits on top of one for each package.
const COMMITS: usize = 40;
/// C files, and functions in each.
const C_FILES: usize = 6;
const C_FUNCTIONS: usize = 250;

/// The place; everything goes with it.
pub struct World {
    directory: tempfile::TempDir,
    /// uid and gid of the user, in no password file.
    pub user: u32,
    /// Keeps the user to this place.
    _lease: Lease,
}

impl World {
    /// Makes it. Needs root.
    pub fn new() -> Result<World> {
        ensure!(host::is_root(), "loading kernel programs needs root: run `sudo -E cargo xtask bench ...`");
        let directory =
            tempfile::Builder::new().prefix("wardline-bench-").tempdir().context("no directory")?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let (user, lease) = User::unused()?;
        let world = World { directory, user: user.id, _lease: lease };
        fs::create_dir_all(world.work())?;
        // The user may not reach the tree that this was built in.
        fs::copy(std::env::current_exe()?, world.runner()).context("cannot copy this program")?;
        for workload in Workload::ALL {
            if let Some((name, text)) = workload.script() {
                host::write(&world.path().join(name), text)?;
            }
        }
        host::write(&world.file(), [b'x'; 4096])?;
        world.make_repository()?;
        world.make_sources()?;
        world.give(&world.home())?;
        Ok(world)
    }

    /// The directory that holds all of it.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A copy of this program that the user may run.
    pub fn runner(&self) -> PathBuf {
        self.path().join("runner")
    }

    /// The state directory of Wardline.
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// The user's home.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// The workspace of sessions.
    pub fn work(&self) -> PathBuf {
        self.home().join("work")
    }

    /// The file that loops open and look at.
    pub fn file(&self) -> PathBuf {
        self.work().join("file")
    }

    /// A bare repository with a history.
    pub fn repository(&self) -> PathBuf {
        self.home().join("repository.git")
    }

    /// A program of several C files.
    pub fn sources(&self) -> PathBuf {
        self.home().join("sources")
    }

    /// A command in the workspace, with an environment of its own.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).current_dir(self.work()).stdin(Stdio::null());
        command
    }

    /// The environment of commands.
    pub fn environment(&self) -> [(&'static str, OsString); 4] {
        [
            ("PATH", PATH.into()),
            ("HOME", self.home().into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("TMPDIR", self.work().into()),
        ]
    }

    /// The arguments with which [`World::runner`] does a workload and reports to `report`.
    pub fn inside(&self, workload: Workload, profile: Profile, rounds: u64, report: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["bench".into(), "inside".into(), workload.name().into()];
        words.extend(["--rounds".into(), rounds.to_string().into()]);
        words.extend(["--file".into(), self.file().into(), "--report".into(), report.into()]);
        if let Some((name, _)) = workload.script() {
            words.extend(["--script".into(), self.path().join(name).into(), "--".into()]);
            words.extend(workload.arguments(self.repository(), self.sources(), profile));
        }
        words
    }

    fn give(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.user), Some(self.user)).with_context(|| format!("{}", path.display()))?;
        if path.is_dir() && !path.is_symlink() {
            for entry in fs::read_dir(path)? {
                self.give(&entry?.path())?;
            }
        }
        Ok(())
    }

    fn make_repository(&self) -> Result<()> {
        let library = host::output(self.command("python3").args([
            "-I",
            "-c",
            "import sysconfig; print(sysconfig.get_path('stdlib'))",
        ]))
        .context("the repository is made of Python's library")?;
        let tree = self.home().join("tree");
        let git = |arguments: &[&str]| {
            let mut git = self.command("git");
            git.arg("-C").arg(&tree).args(["-c", "user.name=bench", "-c", "user.email=bench@bench.invalid"]);
            // Packs are written when the benchmark is prepared, and not while it runs.
            git.args(["-c", "gc.auto=0"]).args(arguments);
            host::output(&mut git)
        };
        fs::create_dir_all(&tree)?;
        git(&["init", "--quiet"])?;
        for package in PACKAGES {
            copy_sources(&Path::new(&library).join(package), &tree.join(package))?;
            git(&["add", "."])?;
            git(&["commit", "--quiet", "--message", package])?;
        }
        for number in 0..COMMITS {
            let package = PACKAGES[number % PACKAGES.len()];
            let file = tree.join(package).join("__init__.py");
            let text = fs::read_to_string(&file)?;
            host::write(&file, format!("{text}\n# {number}\n"))?;
            git(&["commit", "--quiet", "--all", "--message", &format!("change {number}")])?;
        }
        let bare = self.repository();
        host::output(self.command("git").args(["clone", "--quiet", "--bare"]).arg(&tree).arg(bare))?;
        fs::remove_dir_all(tree)?;
        Ok(())
    }

    fn make_sources(&self) -> Result<()> {
        let mut main = String::from("#include <stdio.h>\n");
        let mut sum = String::from("0");
        for file in 0..C_FILES {
            let mut text = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
            for function in 0..C_FUNCTIONS {
                let name = format!("f{file}_{function}");
                let _ = writeln!(
                    text,
                    "int {name}(int n) {{ char b[64]; int i, s = {function}; for (i = 0; i < n; i++) s = s * 31 + (i ^ s); \
                     snprintf(b, sizeof b, \"%d\", s); return (int)strlen(b) + s % 7; }}"
                );
            }
            host::write(&self.sources().join(format!("part{file}.c")), text)?;
            let _ = writeln!(main, "int f{file}_0(int);");
            let _ = write!(sum, " + f{file}_0(9)");
        }
        let _ = writeln!(main, "int main(void) {{ return printf(\"%d\\n\", {sum}) < 0; }}");
        host::write(&self.sources().join("main.c"), main)?;
        let parts: Vec<String> = (0..C_FILES).map(|file| format!("part{file}.o")).collect();
        let makefile =
            format!("CC = cc\nCFLAGS = -O1\nprogram: main.o {0}\n\t$(CC) -o $@ $^\n", parts.join(" "));
        host::write(&self.sources().join("Makefile"), makefile)
    }
}

/// Copies the Python sources of a directory and of those below it.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { bail!("{} has no name", path.display()) };
        if path.is_dir() && name != "__pycache__" {
            copy_sources(&path, &to.join(name))?;
        } else if path.extension().is_some_and(|end| end == "py") {
            host::write(&to.join(name), host::read(&path)?)?;
        }
    }
    Ok(())
}
