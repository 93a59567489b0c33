//! No file of code is longer than a reader takes in: about 300 lines, and never more than 500.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a file.
const LINES_MAX: usize = 500;

/// The Rust files below a folder with their lines, what is built left out.
fn files(folder: &Path, found: &mut Vec<(PathBuf, usize)>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push((path, text.lines().count()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn no_file_is_too_long_to_take_in() {
        let mut found = Vec::new();
        files(&host::workspace().unwrap(), &mut found);
        assert!(found.len() > 500, "{} files", found.len());
        found.retain(|(_, lines)| *lines > LINES_MAX);
        assert!(found.is_empty(), "more than {LINES_MAX} lines: {found:?}");
    }
}
