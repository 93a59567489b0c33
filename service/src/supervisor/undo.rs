//! Putting back what a session has changed of jewels: in a thread of its own, since it walks the file system, while the
//! session stands still, or when it is over.

use super::running::Running;
use guard::session::{Batch, Live};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether the session stands still.
const POLL: Duration = Duration::from_millis(5);
/// How long the end of a session waits for what is being put back.
const LAST: Duration = Duration::from_secs(5);

/// Starts it for a session that was frozen. Without a cgroup nobody knows when it stands still.
pub(super) fn start(running: &Arc<Running>, live: &mut Live) {
    if live.cgroup().is_none() || !live.begin_undo() {
        return;
    }
    let undone = Arc::clone(running);
    let started = std::thread::Builder::new().name("undo".into()).spawn(move || {
        // Whoever does not stand still in time is killed by the pump.
        while undone.with(|live| live.is_freezing()).unwrap_or(false) {
            std::thread::sleep(POLL);
        }
        put_back(&undone);
    });
    if let Err(error) = started {
        live.put_off_undo();
        tracing::error!(session = running.id(), %error, "what the session changed stays as it is until its end");
    }
}

/// Puts back what is left to be, when nobody is inside any more: a session may end with the change itself.
pub(super) fn finish(running: &Arc<Running>) {
    tell_left_out(running);
    if running.with(|live| live.begin_undo()).unwrap_or(false) {
        let undone = Arc::clone(running);
        // A file system may not answer: this thread does not wait for that.
        let started = std::thread::Builder::new().name("undo".into()).spawn(move || put_back(&undone));
        if let Err(error) = started {
            let note = format!(
                "what the session changed was not put back, since no thread could be started ({error}): look at the places that \
                 the denials name"
            );
            tracing::error!(session = running.id(), "{note}");
            running.with(|live| live.note(note));
            return;
        }
    }
    let until = Instant::now() + LAST;
    while running.with(|live| live.is_undoing()).unwrap_or(false) {
        if Instant::now() >= until {
            let note =
                "what the session changed was not put back in time: look at the places that the denials name";
            tracing::error!(session = running.id(), "{note}");
            running.with(|live| live.note(note.to_owned()));
            return;
        }
        std::thread::sleep(POLL);
    }
}

/// More was put at closed places than is kept in mind: it lies there.
fn tell_left_out(running: &Running) {
    let left_out = running.with(|live| live.take_left_out()).unwrap_or(0);
    if left_out > 0 {
        let note = format!(
            "the session put more at closed places than is put aside: look at the places that the denials name (left there: {})",
            text::count(left_out, "thing")
        );
        tracing::error!(session = running.id(), "{note}");
        running.with(|live| live.note(note));
    }
}

fn put_back(running: &Running) {
    while let Some(Batch { list, kept, paths, planted }) = running.with(|live| live.take_undo()).flatten() {
        let changed = kept.iter().filter_map(|one| Some((one, *paths.get(one.path())?)));
        let done = changed
            .map(|(one, is_taken)| one.put_back(&*list, is_taken))
            .chain(planted.iter().map(|one| one.take_away(&*list)));
        for done in done.flatten() {
            let told =
                done.unwrap_or_else(|error| format!("what the session changed stays as it is: {error}"));
            tracing::warn!(session = running.id(), "{told}");
            running.with(|live| live.was_put_back(told));
            running.note_change();
        }
        running.with(|live| live.end_undo());
    }
}
