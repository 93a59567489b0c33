//! Standard output. Its reader may go away at any time, as `head` does. That ends the command without an error.

use std::io::{Error, ErrorKind};

/// Prints a line, and returns an error where nobody reads any more.
#[macro_export]
macro_rules! print_line {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(anstream::stdout(), $($text)*)?
    }};
}

/// Prints a text, and returns an error where nobody reads any more.
#[macro_export]
macro_rules! print_text {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        write!(anstream::stdout(), $($text)*)?
    }};
}

/// Adds to a text.
#[macro_export]
macro_rules! add_text {
    ($to:ident, $($text:tt)*) => { $to.push_str(&format!($($text)*)) };
}

/// Adds a line to a text.
#[macro_export]
macro_rules! add_line {
    ($to:ident, $($text:tt)*) => {{
        $to.push_str(&format!($($text)*));
        $to.push('\n');
    }};
}

/// Whether the reader of standard output went away: no error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = match (cause.downcast_ref::<Error>(), cause.downcast_ref::<store::Error>()) {
            (Some(error), _) => error.kind(),
            (_, Some(store::Error::Sink { kind, .. })) => *kind,
            _ => return false,
        };
        kind == ErrorKind::BrokenPipe
    })
}
