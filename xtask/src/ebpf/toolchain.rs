//! The toolchain of the kernel programs: Debian's rustc with its sources, and a bpf-linker with the same LLVM.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::host;

/// Debian's compiler. It, and no nightly, comes with the sources of `core` for the same version.
pub const RUSTC: &str = "/usr/bin/rustc";
/// The cargo that belongs to it.
pub const CARGO: &str = "/usr/bin/cargo";
/// The linker's version. Its LLVM has to be the compiler's; this one can be built with LLVM 21 to 23.
pub const LINKER_VERSION: &str = "0.13.0";

/// The versions that decide about the bytes of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Versions {
    /// `rustc -V`, without the program's name.
    pub rustc: String,
    /// The LLVM inside that compiler.
    pub llvm: String,
    /// `bpf-linker --version`, without the program's name.
    pub bpf_linker: String,
}

/// Debian's compiler, as it describes itself.
pub struct Compiler {
    /// `rustc -V`, without the program's name.
    pub version: String,
    /// The LLVM inside it.
    pub llvm: String,
}

impl Compiler {
    /// Asks it.
    pub fn find() -> Result<Compiler> {
        let described = host::output(host::foreign_toolchain(RUSTC).arg("-vV"))?;
        let llvm = described.lines().find_map(|line| line.strip_prefix("LLVM version:"));
        let llvm =
            llvm.with_context(|| format!("`{RUSTC} -vV` has no line with its LLVM"))?.trim().to_owned();
        let first = described.lines().next().unwrap_or_default();
        Ok(Compiler { version: first.trim_start_matches("rustc").trim().to_owned(), llvm })
    }

    /// The first number of its LLVM, by which Debian names the packages.
    pub fn llvm_major(&self) -> &str {
        self.llvm.split('.').next().unwrap_or_default()
    }

    /// Where Debian has that LLVM.
    pub fn llvm_prefix(&self) -> PathBuf {
        PathBuf::from(format!("/usr/lib/llvm-{}", self.llvm_major()))
    }

    /// Where the linker for it is, or where `setup` puts it.
    pub fn linker_root(&self) -> Result<PathBuf> {
        let name = format!("tools/bpf-linker-{LINKER_VERSION}-llvm-{}", self.llvm_major());
        Ok(host::cache()?.join(name))
    }
}

/// The toolchain, found on this machine.
pub struct Toolchain {
    /// The linker's program.
    pub linker: PathBuf,
    /// The directory with `library/core` in it.
    pub sources: PathBuf,
    /// Removes DWARF from the object.
    pub objcopy: PathBuf,
    /// Which versions these are.
    pub versions: Versions,
}

impl Toolchain {
    /// Finds the toolchain; the error names what is missing and how to get it.
    pub fn find() -> Result<Toolchain> {
        let hint = "run `cargo xtask ebpf setup` (as root, on Debian)";
        let compiler = Compiler::find().with_context(|| format!("no {RUSTC}: {hint}"))?;
        let sysroot =
            PathBuf::from(host::output(host::foreign_toolchain(RUSTC).args(["--print", "sysroot"]))?);
        let sources = sysroot.join("lib/rustlib/src/rust");
        if !sources.join("library/core/src/lib.rs").is_file() {
            bail!("{RUSTC} has no sources of `core` at {}: {hint}", sources.display());
        }
        if !PathBuf::from(CARGO).is_file() {
            bail!("no {CARGO}: {hint}");
        }
        let linker = compiler.linker_root()?.join("bin/bpf-linker");
        if !linker.is_file() {
            bail!("no bpf-linker at {}: {hint}", linker.display());
        }
        let linked = host::output(host::foreign_toolchain(&linker).arg("--version"))
            .with_context(|| format!("{} does not run: {hint}", linker.display()))?;
        let objcopy = compiler.llvm_prefix().join("bin/llvm-objcopy");
        if !objcopy.is_file() {
            bail!("no {}: {hint}", objcopy.display());
        }
        let versions = Versions {
            rustc: compiler.version,
            llvm: compiler.llvm,
            bpf_linker: linked.trim_start_matches("bpf-linker").trim().to_owned(),
        };
        Ok(Toolchain { linker, sources, objcopy, versions })
    }

    /// Debian's cargo, told to use Debian's compiler and allowed to build `core`.
    pub fn cargo(&self) -> Command {
        let mut cargo = host::foreign_toolchain(CARGO);
        // Building `core` for a target without a standard library is an unstable flag of a stable compiler.
        cargo.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1").env("CARGO_INCREMENTAL", "0");
        cargo
    }
}
