//! Where the tracing of a command goes: to standard error, by `-v`.

use std::io;
use tracing_subscriber::EnvFilter;

/// What so many `-v` ask for. The loader's own tracing is about its work, not ours.
pub fn filter(verbose: u8, quiet: &'static str) -> EnvFilter {
    EnvFilter::new(match verbose {
        0 => quiet,
        1 => "debug,aya=info,aya_obj=info",
        _ => "trace",
    })
}

/// For every process but the supervisor's own.
#[expect(
    clippy::let_underscore_must_use,
    reason = "where this process has a place for tracing, it stays that one"
)]
pub fn client(verbose: u8) {
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter(verbose, "warn")).with_writer(io::stderr).try_init();
}
