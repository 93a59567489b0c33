//! Kernel modules: which there are, what each needs, and the indexes by which `modprobe` finds them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::host;

/// The modules of a kernel package, by name.
pub struct Modules(BTreeMap<String, PathBuf>);

/// A module, unpacked.
pub struct Module {
    /// Its name, with `_` for `-`.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Modules {
    /// Finds the modules below `root` (`lib/modules/VERSION`).
    pub fn find(root: &Path) -> Result<Modules> {
        let mut found = BTreeMap::new();
        let mut open = vec![root.to_path_buf()];
        while let Some(directory) = open.pop() {
            let listing = fs::read_dir(&directory);
            for entry in listing.with_context(|| format!("cannot list {}", directory.display()))? {
                let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                } else if let Some((stem, _)) = name.split_once(".ko") {
                    found.insert(stem.replace('-', "_"), entry.path());
                }
            }
        }
        Ok(Modules(found))
    }

    /// The modules in `wanted` and what they need, in an order in which they can be loaded.
    ///
    /// A name that is not there is left out: what is a module in one kernel is built into the next.
    pub fn closure(&self, wanted: &[&str]) -> Result<Vec<Module>> {
        let mut done = BTreeSet::new();
        let mut order = Vec::new();
        for name in wanted {
            self.visit(name, &mut done, &mut order)?;
        }
        Ok(order)
    }

    fn visit(&self, name: &str, done: &mut BTreeSet<String>, order: &mut Vec<Module>) -> Result<()> {
        let Some(path) = self.0.get(name) else { return Ok(()) };
        if !done.insert(name.to_owned()) {
            return Ok(());
        }
        let content = unpacked(path)?;
        for needed in needs(&content) {
            self.visit(&needed, done, order)?;
        }
        order.push(Module { name: name.to_owned(), content });
        Ok(())
    }
}

/// The text of `modules.dep`: each module, and all that must be loaded before it, nearest first.
pub fn dependency_index(modules: &[Module]) -> String {
    let direct: BTreeMap<&str, Vec<String>> =
        modules.iter().map(|module| (module.name.as_str(), needs(&module.content))).collect();
    let mut text = String::new();
    for module in modules {
        let mut all: Vec<String> = Vec::new();
        let mut open = direct.get(module.name.as_str()).cloned().unwrap_or_default();
        while let Some(name) = open.pop() {
            open.extend(direct.get(name.as_str()).cloned().unwrap_or_default());
            // Seen again further away: it has to be loaded earlier still, so it moves to the end.
            all.retain(|known| *known != name);
            all.push(name);
        }
        let needed: Vec<String> = all.iter().map(|name| format!(" {name}.ko")).collect();
        text.push_str(&format!("{}.ko:{}\n", module.name, needed.concat()));
    }
    text
}

/// The text of `modules.alias`, by which the kernel asks for `fs-btrfs` and gets `btrfs`.
pub fn alias_index(modules: &[Module]) -> String {
    let mut text = String::new();
    for module in modules {
        for alias in information(&module.content, "alias=") {
            text.push_str(&format!("alias {alias} {}\n", module.name));
        }
    }
    text
}

/// What a module names as needed.
fn needs(content: &[u8]) -> Vec<String> {
    let lists = information(content, "depends=");
    lists
        .iter()
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// The values of one key in a module's `.modinfo`: NUL-ended `key=value` strings.
fn information(content: &[u8], key: &str) -> Vec<String> {
    content
        .split(|byte| *byte == 0)
        .filter_map(|text| text.strip_prefix(key.as_bytes()))
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// A module's bytes. Debian packs them with xz from 6.12 on; busybox can unpack that.
fn unpacked(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return host::read(path);
    }
    let output = Command::new("busybox").args(["xz", "-dc"]).arg(path).output();
    let output = output.context("cannot start busybox: install the package `busybox-static`")?;
    anyhow::ensure!(output.status.success(), "cannot unpack {}: {}", path.display(), output.status);
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, information: &str) -> Module {
        Module { name: name.to_owned(), content: information.replace('|', "\0").into_bytes() }
    }

    #[test]
    fn what_is_needed_further_away_is_listed_last() {
        let modules = [
            module("crc", "|depends=|"),
            module("xor", "|depends=crc|"),
            module("btrfs", "|alias=fs-btrfs|depends=crc,xor|"),
        ];
        assert_eq!(dependency_index(&modules), "crc.ko:\nxor.ko: crc.ko\nbtrfs.ko: xor.ko crc.ko\n");
        assert_eq!(alias_index(&modules), "alias fs-btrfs btrfs\n");
    }
}
