//! Old recordings go by themselves, while no session runs.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::maintenance::{self, Prune};

/// How often it is looked for what is to go.
pub(super) const INTERVAL: Duration = Duration::from_secs(3600);

/// Time without a session before it is looked: a supervisor is started for one, and must not keep it waiting.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// How long recordings are kept, for each user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Sessions that began longer ago go.
    pub older_than: Option<Duration>,
    /// The oldest go until what is left takes at most so many bytes.
    pub max_bytes: Option<u64>,
}

impl Retention {
    /// What is to go as of now. Sessions without an end stay: one of them may be running.
    pub fn prune(&self) -> Prune {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = self.older_than.map(|age| now.saturating_sub(age).as_nanos());
        Prune {
            before_unix_ns: before.map(|ns| i64::try_from(ns).unwrap_or(i64::MAX)),
            keep_bytes: self.max_bytes,
            incomplete: false,
        }
    }

    fn keeps_all(&self) -> bool {
        self.older_than.is_none() && self.max_bytes.is_none()
    }

    /// Removes what is too old or too much, of every user. What cannot be is said in the log, and tried again later.
    pub(super) fn keep_to(&self, state: &Path) {
        if self.keeps_all() {
            return;
        }
        for entry in fs::read_dir(state).into_iter().flatten().flatten() {
            let store = entry.path().join("sessions.db");
            let of_user = entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
            if !of_user || !store.is_file() {
                continue;
            }
            match maintenance::prune(&store, &self.prune()) {
                Ok(removed) if removed.is_empty() => {}
                Ok(removed) => {
                    tracing::info!(store = %store.display(), sessions = removed.len(), "removed old sessions");
                }
                Err(error) => tracing::error!(%error, "old sessions could not be removed"),
            }
        }
    }
}
