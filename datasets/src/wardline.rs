//! `wardline` with a state directory of its own, as the laboratory, the end-to-end tests and the benchmarks run it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long `stop` may take: a machine that is emulated takes seconds for each program that it takes off its hook.
const STOP: Duration = Duration::from_secs(120);

/// The program, its state directory and its environment.
#[derive(Clone, Debug)]
pub struct Wardline {
    program: PathBuf,
    state: PathBuf,
    environment: Vec<(OsString, OsString)>,
    allows_unsafe_paths: bool,
}

impl Wardline {
    /// The program with a state directory. Its environment is empty.
    pub fn new(program: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Wardline {
        Wardline {
            program: program.into(),
            state: state.into(),
            environment: Vec::new(),
            allows_unsafe_paths: false,
        }
    }

    /// With these variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        all: impl IntoIterator<Item = (K, V)>,
    ) -> Wardline {
        let owned =
            all.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()));
        self.environment.extend(owned);
        self
    }

    /// With `--unsafe-paths`: other users may write to the program or to the state directory.
    pub fn unsafe_paths(self) -> Wardline {
        Wardline { allows_unsafe_paths: true, ..self }
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// `wardline --state-dir STATE`, without standard input and without the caller's environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.allows_unsafe_paths {
            command.arg("--unsafe-paths");
        }
        command.arg("--state-dir").arg(&self.state).stdin(Stdio::null());
        command
    }

    /// Ends the supervisor and every session, if a supervisor runs.
    pub fn stop(&self) {
        self.stop_as(|_| ());
    }

    /// The same; the caller may still change the command.
    pub fn stop_as(&self, change: impl FnOnce(&mut Command)) {
        let mut command = self.command();
        command.args(["stop", "--kill-sessions"]).stdout(Stdio::null()).stderr(Stdio::null());
        // The directory of the caller may be gone.
        command.current_dir("/");
        change(&mut command);
        if let Ok(mut child) = command.spawn() {
            end_within(&mut child, STOP);
        }
    }

    /// The supervisor's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.state.join("supervisor.log")).unwrap_or_default()
    }
}

/// Waits until a child ends; kills it after `limit`.
pub fn end_within(child: &mut Child, limit: Duration) {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    #[expect(
        clippy::let_underscore_must_use,
        reason = "the child is not reaped yet, so its pid is still its own; a child that has ended needs no signal"
    )]
    let _ = child.kill();
    #[expect(clippy::let_underscore_must_use, reason = "an error says that no child is left to wait for")]
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_its_state_directory_and_no_other_environment() {
        let wardline = Wardline::new("/usr/bin/env", "/state").envs([("A", "1")]);
        let command = wardline.command();
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--state-dir", "/state"]);
        let command = wardline.unsafe_paths().command();
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--unsafe-paths", "--state-dir", "/state"]);
        let printed = Command::new("/usr/bin/env")
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .output()
            .unwrap();
        assert_eq!(printed.stdout, b"A=1\n");
    }

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        end_within(&mut child, Duration::from_millis(50));
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
