//! How long a way took, by the clock and of processors, and what it left on disk.

use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a way took.
#[derive(Clone, Copy)]
pub struct Took {
    pub rows: usize,
    pub clock: Duration,
    pub processor: Duration,
}

impl Took {
    /// Rows a second of time on a processor, which also holds on a busy machine.
    pub fn rate(self) -> f64 {
        self.rows as f64 / self.processor.as_secs_f64()
    }
}

/// Begins to time a way.
pub struct Timer(Instant, Duration);

impl Timer {
    pub fn start() -> Self {
        Timer(Instant::now(), processor())
    }

    pub fn took(&self, rows: usize) -> Took {
        Took { rows, clock: self.0.elapsed(), processor: processor() - self.1 }
    }
}

/// Time of this process on a processor, all its threads together, ns.
fn processor() -> Duration {
    let stat = std::fs::read_dir("/proc/self/task").expect("threads").flatten().map(|task| {
        // The first field of schedstat, ns (proc(5)).
        let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(stat.sum())
}

/// Goes a way on a new file; what it took, and the bytes of the file and its log afterwards.
pub fn on_new_file(go: impl FnOnce(&Path) -> Took) -> (Took, u64) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let path = directory.path().join("store.db");
    let took = go(&path);
    let conn = Connection::open(&path).expect("a database");
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    drop(conn);
    (took, std::fs::metadata(&path).expect("a file").len())
}
