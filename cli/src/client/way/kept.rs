//! Where version managers and runners of packages keep the programs that they lay something else down for.

use agents::file_name;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that are looked at.
const DIRECTORIES_MAX: usize = 256;

/// Programs that run a package or a program of one, by its name, behind a verb or none.
const RUNNERS: [(&str, &[&str]); 9] = [
    ("asdf", &["exec"]),
    ("bunx", &[]),
    ("mise", &["exec", "x"]),
    ("npm", &["exec", "x"]),
    ("npx", &[]),
    ("pnpm", &["dlx", "exec"]),
    ("pnpx", &[]),
    ("uvx", &[]),
    ("volta", &["run"]),
];

/// Where they keep programs, below the home; `*` is any name.
const KEPT: [&str; 13] = [
    ".asdf/installs/*/*/bin",
    ".bun/install/global/node_modules/.bin",
    ".local/share/mise/installs/*/*/bin",
    ".nodenv/versions/*/bin",
    ".nvm/versions/node/*/bin",
    ".pyenv/versions/*/bin",
    ".volta/tools/image/*/*/*/bin",
    ".volta/tools/image/*/*/bin",
    ".volta/tools/image/packages/*/bin",
    ".npm/_npx/*/node_modules/.bin",
    ".cache/pnpm/dlx/*/*/node_modules/.bin",
    ".local/share/uv/tools/*/bin",
    ".cache/uv/archive-v0/*/bin",
];

/// What is laid down under the name of each program, wherever.
const SHIMS: [&str; 2] = ["mise", "volta-shim"];

/// The directories with programs, below a home.
pub(super) fn directories(home: &Path) -> Vec<PathBuf> {
    let mut kept = Vec::new();
    for place in KEPT {
        let mut found = vec![home.to_owned()];
        for name in place.split('/') {
            found = match name {
                "*" => found
                    .iter()
                    .filter_map(|above| fs::read_dir(above).ok())
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path())
                    .take(DIRECTORIES_MAX)
                    .collect(),
                name => found.iter().map(|above| above.join(name)).filter(|path| path.is_dir()).collect(),
            };
        }
        kept.extend(found);
    }
    kept.truncate(DIRECTORIES_MAX);
    kept
}

/// Whether a program stands for another one of its name: by its path, and links followed.
pub(super) fn is_shim(path: &Path, file: &Path) -> bool {
    SHIMS.iter().any(|shim| file.ends_with(shim))
        || path.parent().is_some_and(|above| above.ends_with("shims"))
}

/// What stands behind a runner of packages and its verb.
pub(super) fn runner(words: &[Vec<u8>]) -> Option<&[Vec<u8>]> {
    let (head, rest) = words.split_first()?;
    let (_, verbs) = RUNNERS.iter().find(|(name, _)| file_name(head) == name.as_bytes())?;
    if verbs.is_empty() {
        return Some(rest);
    }
    let (verb, rest) = rest.split_first()?;
    verbs.iter().any(|of| of.as_bytes() == verb.as_slice()).then_some(rest)
}
