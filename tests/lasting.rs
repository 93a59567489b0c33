//! A supervisor that several tests of a program have one after the other: an emulated machine loads the kernel side for a quarter
//! of a minute, and most tests have nothing against one that is loaded.

use crate::world::{self, wait_until};
use anyhow::{Context, Result, ensure};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Ends it, and removes what it wrote, when the test program has ended, however it has: the input is closed then.
const UNTIL_INPUT_ENDS: &str = r#"
trap '' HUP INT TERM
"$0" --state-dir "$1" supervisor --stay 2>"$1/supervisor.log" &
read -r _
"$0" --state-dir "$1" stop --kill-sessions || kill -KILL $!
wait $!
rm -rf "$1"
"#;

/// It has loaded nothing yet, but a busy emulated machine starts a program slowly.
const SOON: Duration = Duration::from_secs(120);

struct Lasting {
    state: PathBuf,
    _shell: Child,
}

static LASTING: Mutex<Option<Lasting>> = Mutex::new(None);

/// The state directory of the one that serves, which is started where there is none.
pub(crate) fn state() -> Result<PathBuf> {
    let mut lasting = LASTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(lasting) = &*lasting
        && serves(&lasting.state)
    {
        return Ok(lasting.state.clone());
    }
    let state = tempfile::Builder::new().prefix("wardline-test-state-").tempdir()?.keep();
    let shell = Command::new("sh")
        .env_clear()
        .envs(world::environment())
        .args(["-c", UNTIL_INPUT_ENDS])
        .arg(world::wardline())
        .arg(&state)
        .current_dir("/")
        // What ends the test program's group does not end this.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("no shell")?;
    ensure!(wait_until(SOON, || serves(&state)), "no supervisor came");
    *lasting = Some(Lasting { state: state.clone(), _shell: shell });
    Ok(state)
}

fn serves(state: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(state.join("run/control.sock")).is_ok()
}
