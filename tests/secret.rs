//! The secret that attempts are after.

use std::fs::File;
use std::io::{self, Read};

/// What a file holds that must not be read.
pub const SECRET: &str = "THE-SECRET-BYTES";

/// The file holds what must not be read.
pub(crate) fn is_secret(mut file: File) -> io::Result<()> {
    let mut content = String::new();
    file.read_to_string(&mut content)?;
    if content == SECRET { Ok(()) } else { Err(io::Error::other("another file")) }
}
