//! The sources and tools of the committed object: `ebpf/prebuilt/manifest.toml`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{
    programs::{Programs, RECIPE},
    toolchain::Versions,
};
use crate::host;

/// The manifest's name, beside the object.
pub const FILE: &str = "manifest.toml";

/// Belongs to one build.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Hash of everything that the build read from the tree, see [`sources`].
    pub sources: String,
    /// Which versions built it.
    pub tools: Versions,
    /// Hash of each object, by file name.
    pub objects: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the manifest in `directory`.
    pub fn read(directory: &Path) -> Result<Manifest> {
        let path = directory.join(FILE);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}: run `cargo xtask ebpf build`", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no manifest", path.display()))
    }

    /// Writes it into `directory`.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let body = toml::to_string(self).context("the manifest has no TOML form")?;
        let text =
            format!("# Written by `cargo xtask ebpf build`; `cargo xtask ebpf check` compares it.\n{body}");
        host::write(&directory.join(FILE), text)
    }
}

/// The hash of an object, in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The hash of every file that decides about the object: programs, wire types, manifests, lock file, and the
/// flags that [`build`] passes.
///
/// Each path and each content goes in behind its length, so that no two trees share a hash by moving bytes
/// from one file to the next.
pub fn sources(workspace: &Path, programs: &Programs) -> Result<String> {
    let root = workspace.join(programs.folder);
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for flag in RECIPE {
        add(flag.as_bytes());
    }
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        add(name.as_os_str().as_encoded_bytes());
        add(&host::read(file)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Gathers the files below `directory`, without build output and hidden files.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if hidden || name == "target" || name == "prebuilt" {
            continue;
        }
        let kind = entry.file_type().with_context(|| format!("cannot read {}", entry.path().display()))?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if ["rs", "toml", "lock"].iter().any(|end| entry.path().extension().is_some_and(|e| e == *end))
        {
            files.push(entry.path());
        }
    }
    Ok(())
}
