//! Builds the kernel programs: `cargo xtask ebpf build`.
//!
//! The same sources and versions give the same bytes in every directory: no path of the building machine may
//! be in the object, and the build fails when one is.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{
    lines,
    manifest::{self, Manifest},
    programs::{Programs, RECIPE},
    toolchain::Toolchain,
};
use crate::host;

/// The target: little-endian eBPF.
const TARGET: &str = "bpfel-unknown-none";

/// Builds into a folder of `out`, or into `prebuilt` beside the sources.
pub fn build(programs: &Programs, out: Option<&Path>, keep_lines: bool) -> Result<()> {
    let workspace = host::workspace()?;
    let toolchain = Toolchain::find()?;
    let beside = || workspace.join(programs.folder).join("prebuilt");
    let directory = out.map_or_else(beside, |out| out.join(programs.binary));
    // Before the build: a source that changes while it runs must make the manifest stale, not fresh.
    let sources = manifest::sources(&workspace, programs)?;
    let object = object(&workspace, programs, &toolchain, keep_lines)?;
    host::write(&directory.join(programs.object), &object)?;
    let objects = [(programs.object.to_owned(), manifest::hash(&object))].into();
    Manifest { sources, tools: toolchain.versions.clone(), objects }.write(&directory)?;
    println!("wrote {} ({} bytes)", directory.join(programs.object).display(), object.len());
    Ok(())
}

/// Builds the object and returns its bytes; with the source lines that the verifier prints in its log, if `keep_lines`.
pub fn object(
    workspace: &Path,
    programs: &Programs,
    toolchain: &Toolchain,
    keep_lines: bool,
) -> Result<Vec<u8>> {
    let source = workspace.join(programs.folder);
    let target = host::target()?.join("ebpf");
    // The names of the unpacked registries are known only once the crates are here.
    host::run(toolchain.cargo().current_dir(&source).args(["fetch", "--quiet", "--locked"]))?;
    let hidden = hidden_prefixes(workspace, toolchain)?;

    let mut flags: Vec<OsString> = RECIPE.iter().map(Into::into).collect();
    flags.push(join("-Clinker=", &toolchain.linker));
    for (from, to) in &hidden {
        let mut flag = join("--remap-path-prefix=", from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    }
    let mut cargo = toolchain.cargo();
    cargo.current_dir(&source).env("CARGO_ENCODED_RUSTFLAGS", flags.join(&OsString::from("\u{1f}")));
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--bin",
        programs.binary,
        "--target",
        TARGET,
        "-Zbuild-std=core",
    ]);
    cargo.arg("--target-dir").arg(&target);
    host::run(&mut cargo)?;

    let linked = target.join(TARGET).join("release").join(programs.binary);
    let stripped = target.join(programs.object);
    let mut strip = host::foreign_toolchain(&toolchain.objcopy);
    host::run(strip.arg("--strip-debug").arg(&linked).arg(&stripped))?;
    if !keep_lines {
        lines::remove(toolchain, &stripped)?;
    }
    let bytes = host::read(&stripped)?;
    inspect(&bytes, &hidden)?;
    Ok(bytes)
}

/// The directories of this machine, and what stands for them in the object. A later one wins over an earlier.
fn hidden_prefixes(workspace: &Path, toolchain: &Toolchain) -> Result<Vec<(PathBuf, String)>> {
    let cargo_home = match env::var_os("CARGO_HOME").filter(|value| !value.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let mut prefixes = vec![(cargo_home.clone(), "/cargo".to_owned())];
    let registries = cargo_home.join("registry/src");
    let entries =
        fs::read_dir(&registries).with_context(|| format!("cannot list {}", registries.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", registries.display()))?;
        prefixes.push((entry.path(), "/crates".to_owned()));
    }
    prefixes.push((workspace.to_path_buf(), "/wardline".to_owned()));
    // Debian's is a symbolic link, and the compiler may name either end.
    prefixes.push((toolchain.sources.clone(), "/rust".to_owned()));
    if let Ok(real) = toolchain.sources.canonicalize() {
        prefixes.push((real, "/rust".to_owned()));
    }
    Ok(prefixes)
}

/// Fails when the object lacks its types, or names a directory of this machine.
fn inspect(object: &[u8], hidden: &[(PathBuf, String)]) -> Result<()> {
    if !contains(object, b".BTF\0") {
        bail!("the object has no .BTF section: is bpf-linker's `--btf` still in the recipe?");
    }
    if contains(object, b".debug_info") {
        bail!("the object still has DWARF: llvm-objcopy did not remove it");
    }
    for (prefix, _) in hidden {
        if contains(object, prefix.as_os_str().as_encoded_bytes()) {
            bail!("the object names {}: a path of this machine would be published", prefix.display());
        }
    }
    Ok(())
}

/// Whether `needle` occurs in `bytes`.
fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// `flag` and `path`, as one argument.
fn join(flag: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(flag);
    joined.push(path);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_names_a_directory_of_this_machine_is_refused() {
        let hidden = [(PathBuf::from("/home/somebody/tree"), "/wardline".to_owned())];
        assert!(inspect(b"\x7fELF .BTF\0 /wardline/src/main.rs", &hidden).is_ok());
        assert!(inspect(b"\x7fELF .BTF\0 /home/somebody/tree/src/main.rs", &hidden).is_err());
        assert!(inspect(b"\x7fELF .BTF\0 .debug_info", &hidden).is_err());
        assert!(inspect(b"\x7fELF", &hidden).is_err());
    }
}
