//! A tree of files copied from this machine, each at the path that it has here, with the libraries it needs.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::host;

/// Directories that Debian merged into `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// The tree.
pub struct Stage {
    root: PathBuf,
}

impl Stage {
    /// An empty tree at `root`.
    pub fn new(root: &Path) -> Result<Stage> {
        for name in MERGED {
            let directory = root.join("usr").join(name);
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        Ok(Stage { root: root.to_path_buf() })
    }

    /// Makes `/bin` and the like the links that they are on a Debian system.
    pub fn merge(&self) -> Result<()> {
        for name in MERGED {
            symlink(format!("usr/{name}"), self.root.join(name))
                .with_context(|| format!("cannot link /{name}"))?;
        }
        Ok(())
    }

    /// Where `path` of the machine lies in the tree.
    pub fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Copies `source` to `path`.
    pub fn file(&mut self, source: &Path, path: &Path) -> Result<()> {
        let target = self.at(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        fs::copy(source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        Ok(())
    }

    /// Copies a file of this machine to its own path; a symbolic link is kept, and followed.
    pub fn same(&mut self, path: &Path) -> Result<()> {
        let place = canonical_place(path)?;
        let target = self.at(&place);
        if target.symlink_metadata().is_ok() {
            return Ok(());
        }
        let metadata =
            place.symlink_metadata().with_context(|| format!("cannot read {}", place.display()))?;
        if !metadata.is_symlink() {
            return self.file(&place, &place);
        }
        let to = fs::read_link(&place).with_context(|| format!("cannot read {}", place.display()))?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        symlink(&to, &target).with_context(|| format!("cannot link {}", target.display()))?;
        let next = place.parent().unwrap_or(Path::new("/")).join(to);
        self.same(&next)
    }

    /// Copies a directory of this machine to its own path, with hard links kept as such, except for `without`.
    pub fn directory(&mut self, path: &Path, without: &[&str]) -> Result<()> {
        let place = path.canonicalize().with_context(|| format!("cannot resolve {}", path.display()))?;
        let target = self.at(&place);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        host::output(Command::new("cp").arg("-a").arg("--").arg(&place).arg(&target))?;
        for name in without {
            let unwanted = target.join(name);
            if unwanted.is_dir() {
                fs::remove_dir_all(&unwanted)
                    .with_context(|| format!("cannot remove {}", unwanted.display()))?;
            }
        }
        Ok(())
    }

    /// Copies the shared libraries that `programs` need, and the loader.
    pub fn libraries(&mut self, programs: &[PathBuf]) -> Result<()> {
        if programs.is_empty() {
            return Ok(());
        }
        // It fails where one of them is a script or static, and still tells about the others.
        let output = Command::new("ldd").args(programs).output().context("cannot start ldd")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for library in libraries(&text) {
            self.same(&library)?;
        }
        Ok(())
    }
}

/// `path` with every link resolved but a last one.
fn canonical_place(path: &Path) -> Result<PathBuf> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let parent = parent.canonicalize().with_context(|| format!("cannot resolve {}", parent.display()))?;
    let name = path.file_name().with_context(|| format!("{} has no file name", path.display()))?;
    Ok(parent.join(name))
}

/// The paths in what `ldd` printed.
fn libraries(text: &str) -> BTreeSet<PathBuf> {
    let lines = text.lines().filter_map(|line| line.trim().split_once(" (0x"));
    lines
        .map(|(library, _)| library.split_once(" => ").map_or(library, |(_, path)| path))
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_the_paths_and_not_the_kernels_own() {
        let text = "\
/usr/bin/git:
\tlinux-vdso.so.1 (0x00007ffd)
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f01)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)
/usr/bin/script:
\tnot a dynamic executable
";
        let expected = ["/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(libraries(text), BTreeSet::from(expected));
    }
}
