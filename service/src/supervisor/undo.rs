//! Putting back what a session has moved or replaced: in a thread of its own, since it walks the file system, while the
//! session stands still.

use super::sessions::Running;
use guard::session::Live;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether the session stands still.
const POLL: Duration = Duration::from_millis(5);

/// Starts it for a session that was frozen. Without a cgroup nobody knows when it stands still.
pub(super) fn start(running: &Arc<Running>, live: &mut Live) {
    let Some(list) = live.cgroup().is_some().then(|| live.begin_undo()).flatten() else { return };
    let undone = Arc::clone(running);
    let started = std::thread::Builder::new().name("undo".into()).spawn(move || {
        // Whoever does not stand still in time is killed by the pump.
        while undone.with(|live| live.is_freezing()).unwrap_or(false) {
            std::thread::sleep(POLL);
        }
        while let Some((kept, paths)) = undone.with(|live| live.take_undo()).flatten() {
            for one in kept.iter().filter(|one| paths.iter().any(|path| one.path() == path)) {
                let told = match one.put_back(&*list) {
                    None => continue,
                    Some(Ok(told)) => told,
                    Some(Err(error)) => format!("what the session changed stays as it is: {error}"),
                };
                tracing::warn!(session = undone.id(), "{told}");
                undone.with(|live| live.was_put_back(told));
                undone.note_change();
            }
        }
    });
    if let Err(error) = started {
        tracing::error!(session = running.id(), %error, "what the session changed stays as it is");
    }
}
