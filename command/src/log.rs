//! Where the tracing of a command goes: to standard error, by `-v`.

use std::io;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// What so many `-v` ask for. The loader's own tracing is about its work, not ours.
pub fn filter(verbose: u8, quiet: LevelFilter) -> Targets {
    let all = Targets::new();
    match verbose {
        0 => all.with_default(quiet),
        1 => {
            let loader = ["aya", "aya_obj"].map(|target| (target, LevelFilter::INFO));
            all.with_default(LevelFilter::DEBUG).with_targets(loader)
        }
        _ => all.with_default(LevelFilter::TRACE),
    }
}

/// For every process but the supervisor's own.
#[expect(
    clippy::let_underscore_must_use,
    reason = "where this process has a place for tracing, it stays that one"
)]
pub fn client(verbose: u8) {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(io::stderr).finish();
    let _ = log.with(filter(verbose, LevelFilter::WARN)).try_init();
}
