//! Colours, sparingly: no meaning rests on one, and none is written where `NO_COLOR` is set or nobody looks (anstream
//! strips them then).

use clap::builder::styling::{AnsiColor, Effects, Style};
use std::fmt::Display;

/// The help's colours.
pub const HELP: clap::builder::Styles = clap::builder::Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

/// What went wrong.
pub fn error(text: impl Display) -> String {
    paint(AnsiColor::Red.on_default().effects(Effects::BOLD), text)
}

/// What to mind.
pub fn warning(text: impl Display) -> String {
    paint(AnsiColor::Yellow.on_default().effects(Effects::BOLD), text)
}

/// Wardline's own name in front of what it says.
pub fn name(text: impl Display) -> String {
    paint(AnsiColor::Cyan.on_default().effects(Effects::BOLD), text)
}

fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
