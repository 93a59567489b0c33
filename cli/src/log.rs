//! Where the tracing of root's processes goes: the supervisor's to its log or the journal.

use command::log::filter;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// For a teller: standard error is the supervisor's log, and whoever writes sessions down may wait for a disk.
pub fn teller() {
    let log = tracing_subscriber::fmt().with_env_filter(filter(0, "info")).with_ansi(false);
    let _ = log.with_writer(io::stderr).try_init();
}

/// Lines that wait for the disk that the log lies on; what comes then is only counted.
const WAITING: usize = 4096;
/// How long the last lines of a process may take.
const LAST: Duration = Duration::from_secs(1);

/// What the thread that writes is told.
enum Say {
    Line(Vec<u8>),
    /// Everything before it is written.
    Written(SyncSender<()>),
}

/// Standard error for threads that must not wait for a disk: another one writes.
#[derive(Clone)]
struct Apart {
    lines: SyncSender<Say>,
    left_out: Arc<AtomicU64>,
}

impl Write for Apart {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Say::Line(line.to_vec())).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for the last lines when it is dropped.
#[must_use = "the last lines would be missing"]
pub struct Log(Option<Apart>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(Apart { lines, .. }) = &self.0 {
            let (written, wait) = sync_channel(1);
            if lines.try_send(Say::Written(written)).is_ok() {
                let _ = wait.recv_timeout(LAST);
            }
        }
    }
}

fn write(lines: &Receiver<Say>, left_out: &AtomicU64) {
    for said in lines {
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            drop(writeln!(
                io::stderr(),
                "{missing} lines were left out: the log could not be written in time"
            ));
        }
        match said {
            Say::Line(line) => drop(io::stderr().write_all(&line)),
            Say::Written(told) => drop(told.try_send(())),
        }
    }
}

/// For the supervisor: the journal where it is a service, standard error otherwise, which is its log file when a client
/// started it.
pub fn supervisor(verbose: u8) -> Log {
    let filter = filter(verbose, "info");
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        let _ = tracing_subscriber::registry().with(filter).with(journal).try_init();
        return Log(None);
    }
    let (lines, written) = sync_channel(WAITING);
    let left_out = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&left_out);
    let writer = std::thread::Builder::new().name("log".into()).spawn(move || write(&written, &counted));
    let apart = writer.is_ok().then_some(Apart { lines, left_out });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let _ = match apart.clone() {
        Some(apart) => log.with_writer(move || apart.clone()).try_init(),
        None => log.with_writer(io::stderr).try_init(),
    };
    Log(apart)
}
