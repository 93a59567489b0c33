//! Where the tracing of root's processes goes: the supervisor's to its log or the journal, by a thread of its own.

use command::log::filter;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

/// For a teller, who may wait for a disk, and for a keeper, whom nobody is left to speak for: standard error is the supervisor's log.
pub fn child() {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    // A line that cannot be written must not end a process that others rest on.
    let log = log.with_writer(io::stderr).log_internal_errors(false).finish();
    #[expect(clippy::let_underscore_must_use, reason = "a log that is there already writes the same")]
    let _ = log.with(filter(0, LevelFilter::INFO)).try_init();
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
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "what is not written by then is not waited for"
                )]
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

/// For the supervisor: standard error, which is the journal's where it is a service, and its log file when a client started it.
pub fn supervisor(verbose: u8) -> Log {
    let (lines, written) = sync_channel(WAITING);
    let left_out = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&left_out);
    let writer = std::thread::Builder::new().name("log".into()).spawn(move || write(&written, &counted));
    let apart = writer.is_ok().then_some(Apart { lines, left_out });
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    let log = log.event_format(Lines::new(std::env::var_os("JOURNAL_STREAM").is_some()));
    let filter = filter(verbose, LevelFilter::INFO);
    #[expect(clippy::let_underscore_must_use, reason = "a log that is there already writes the same")]
    let _ = match apart.clone() {
        Some(apart) => log.with_writer(move || apart.clone()).finish().with(filter).try_init(),
        None => log.with_writer(io::stderr).finish().with(filter).try_init(),
    };
    Log(apart)
}

/// Lines with their time; for the journal, which has that, with their priority instead: sd-daemon(3).
struct Lines {
    dated: Format,
    for_journal: Option<Format<Full, ()>>,
}

impl Lines {
    fn new(for_journal: bool) -> Self {
        let plain = || Format::default().without_time().with_level(false);
        Self { dated: Format::default(), for_journal: for_journal.then(plain) }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let Some(format) = &self.for_journal else { return self.dated.format_event(context, line, event) };
        line.write_str(match *event.metadata().level() {
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            Level::DEBUG | Level::TRACE => "<7>",
        })?;
        format.format_event(context, line, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn whoever_logs_waits_for_nobody_and_what_finds_no_room_is_counted() {
        let (lines, _unread) = sync_channel(2);
        let mut apart = Apart { lines, left_out: Arc::default() };
        for _ in 0..5 {
            assert_eq!(apart.write(b"a line\n").unwrap(), 7);
        }
        assert_eq!(apart.left_out.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn the_journal_is_told_how_much_a_line_matters() {
        struct Into(Arc<Mutex<Vec<u8>>>);
        impl Write for Into {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(line)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&told);
        let log = tracing_subscriber::fmt().with_ansi(false).event_format(Lines::new(true));
        let log = log.with_writer(move || Into(Arc::clone(&into))).finish();
        tracing::subscriber::with_default(log, || tracing::warn!(session = 7, "decided"));
        let line = String::from_utf8(told.lock().unwrap().clone()).unwrap();
        assert!(line.starts_with("<4>") && line.ends_with("decided session=7\n"), "{line:?}");
    }
}
