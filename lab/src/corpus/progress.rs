//! How far the making of a corpus is.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// The progress bar, on standard error, with the time that is left; hidden where nobody looks.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of so many steps.
    pub fn new(steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos:>4}/{len} {elapsed} of {duration} {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Progress(bar)
    }

    /// What is being done.
    pub fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// A line above the bar, that stays.
    pub fn note(&self, line: &str) {
        self.0.suspend(|| anstream::eprintln!("{line}"));
    }

    /// One more is done.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
