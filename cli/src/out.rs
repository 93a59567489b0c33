//! Standard output. Its reader may go away at any time, as `head` does. That ends the command without an error.

/// Prints a line, and returns an error where nobody reads any more.
macro_rules! print_line {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(anstream::stdout(), $($text)*)?
    }};
}

/// Prints a text, and returns an error where nobody reads any more.
macro_rules! print_text {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        write!(anstream::stdout(), $($text)*)?
    }};
}
