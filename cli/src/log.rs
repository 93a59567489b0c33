//! Where tracing goes: the client's to standard error by `-v`, the supervisor's to its log or the journal.

use crate::args::Cli;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What so many `-v` ask for. The loader's own tracing is about its work, not ours.
fn filter(verbose: u8, quiet: &'static str) -> EnvFilter {
    EnvFilter::new(match verbose {
        0 => quiet,
        1 => "debug,aya=info,aya_obj=info",
        _ => "trace",
    })
}

/// For everything but the supervisor.
pub fn client(cli: &Cli) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(cli.verbose, "warn"))
        .with_writer(std::io::stderr)
        .try_init();
}

/// For the supervisor: the journal where it is a service, standard error otherwise, which is its log file when a client
/// started it.
pub fn supervisor(verbose: u8) {
    let filter = filter(verbose, "info");
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        let _ = tracing_subscriber::registry().with(filter).with(journal).try_init();
        return;
    }
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .try_init();
}
