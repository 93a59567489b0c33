//! Installs the toolchain of the kernel programs: `cargo xtask ebpf setup`.

use anyhow::Result;

use super::toolchain::{self, Compiler, Toolchain};
use crate::host;

/// Debian's compiler with its sources, and its cargo.
const COMPILER: [&str; 3] = ["rustc-web", "rust-web-src", "cargo-web"];

/// Installs what is missing; does nothing where everything is there. The linker takes about 90 s to build.
pub fn setup() -> Result<()> {
    if Toolchain::find().is_ok() {
        println!("the toolchain of the kernel programs is complete");
        return Ok(());
    }
    install(&COMPILER)?;
    let compiler = Compiler::find()?;
    let major = compiler.llvm_major();
    install(&[&format!("llvm-{major}-dev"), &format!("libpolly-{major}-dev")])?;
    let root = compiler.linker_root()?;
    if !root.join("bin/bpf-linker").is_file() {
        let mut cargo = host::foreign_toolchain(toolchain::CARGO);
        cargo.env("RUSTC", toolchain::RUSTC).env("LLVM_PREFIX", compiler.llvm_prefix());
        cargo.args(["install", "bpf-linker", "--version", toolchain::LINKER_VERSION, "--locked"]);
        cargo.args(["--no-default-features", "--features", &format!("llvm-{major}"), "--root"]).arg(&root);
        host::run(&mut cargo)?;
    }
    let found = Toolchain::find()?;
    println!("ready: rustc {}, bpf-linker {}", found.versions.rustc, found.versions.bpf_linker);
    Ok(())
}

/// Installs those of `packages` that are not.
fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() { Ok(()) } else { host::apt_install(&missing) }
}

/// Whether dpkg has `package` installed.
fn installed(package: &str) -> bool {
    let mut query = std::process::Command::new("dpkg-query");
    host::output(query.args(["-W", "-f=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}
