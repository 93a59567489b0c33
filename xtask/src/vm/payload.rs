//! The disk of one run: the kernel's modules, the programs to try, and the command.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{disk, kernel::Kernel, module, stage::Stage};
use crate::host;

/// What a run brings into its machine.
#[derive(Clone)]
pub struct Payload {
    /// The program to put at `/usr/bin/wardline`; the laboratory that lies beside it goes beside it there, too.
    pub wardline: Option<PathBuf>,
    /// Files to put into `/opt`, by their own names.
    pub files: Vec<PathBuf>,
    /// A directory with packages of Python, for where Debian's `python3` looks for them.
    pub python: Option<PathBuf>,
    /// Words for the kernel's command line.
    pub boot: Vec<String>,
    /// Environment of the command, beside the one that every command gets.
    pub environment: Vec<(String, String)>,
    /// The command, with its arguments. It runs as root in `/opt`.
    pub command: Vec<String>,
}

impl Payload {
    /// Builds the disk in `scratch`.
    pub fn image(&self, kernel: &Kernel, scratch: &Path) -> Result<PathBuf> {
        let tree = scratch.join("opt");
        // `root` is copied over the root disk: `/usr/bin/wardline` must not be on another file system, and
        // libraries that the root disk lacks come along.
        let mut stage = Stage::new(&tree.join("root"))?;
        if let Some(wardline) = &self.wardline {
            stage.file(wardline, Path::new("/usr/bin/wardline"))?;
            stage.libraries(std::slice::from_ref(wardline))?;
            let lab = wardline.with_file_name("wardline-lab");
            if lab.is_file() {
                stage.file(&lab, Path::new("/usr/bin/wardline-lab"))?;
                stage.libraries(&[lab])?;
            }
        }
        stage.libraries(&self.files)?;
        if let Some(packages) = &self.python {
            let place = stage.at(Path::new("/usr/lib/python3/dist-packages"));
            fs::create_dir_all(place.parent().unwrap_or(&tree))
                .with_context(|| format!("cannot create {}", place.display()))?;
            host::output(Command::new("cp").arg("-a").arg("--").arg(packages).arg(&place))?;
            let mut extensions = Vec::new();
            collect(packages, "so", &mut extensions)?;
            stage.libraries(&extensions)?;
        }
        for file in &self.files {
            let name = file.file_name().with_context(|| format!("{} has no file name", file.display()))?;
            fs::copy(file, tree.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
        }
        let modules = kernel.test_modules()?;
        for loaded in &modules {
            host::write(&tree.join("modules").join(format!("{}.ko", loaded.name)), &loaded.content)?;
        }
        host::write(&tree.join("modules/modules.dep"), module::dependency_index(&modules))?;
        host::write(&tree.join("modules/modules.alias"), module::alias_index(&modules))?;
        let command = tree.join("command");
        host::write(&command, self.script())?;
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755))
            .context("cannot make the command executable")?;

        let image = scratch.join("payload.ext4");
        // Half as much again as the content, and room for the file system's own tables.
        let content = stage_size(&tree)?;
        disk::make(&tree, &image, content / (1 << 20) * 3 / 2 + 32)?;
        Ok(image)
    }

    /// The shell script that runs the command.
    fn script(&self) -> String {
        let mut script = String::from("#!/bin/sh\ncd /opt\n");
        let fixed = [
            ("HOME", "/root"),
            ("LANG", "C.UTF-8"),
            ("PAGER", "cat"),
            ("RUST_BACKTRACE", "1"),
            ("SHELL", "/bin/bash"),
            ("TERM", "dumb"),
            ("USER", "root"),
            ("WARDLINE_BIN", "/usr/bin/wardline"),
            ("WARDLINE_VM", "1"),
        ];
        for (name, value) in fixed {
            script.push_str(&format!("export {name}={}\n", quoted(value)));
        }
        for (name, value) in &self.environment {
            script.push_str(&format!("export {name}={}\n", quoted(value)));
        }
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        script.push_str(&format!("exec {}\n", words.join(" ")));
        script
    }
}

/// One word for the shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Every file below `directory` that ends in `extension`.
fn collect(directory: &Path, extension: &str, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", directory.display()))?.path();
        if path.is_dir() {
            collect(&path, extension, into)?;
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
    Ok(())
}

/// Bytes of all files below `directory`.
pub fn stage_size(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let metadata = entry.metadata().with_context(|| format!("cannot read {}", entry.path().display()))?;
        bytes += if metadata.is_dir() { stage_size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_the_command_as_it_was_given() {
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
