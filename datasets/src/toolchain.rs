//! The Rust toolchain in a world: the one that built this program lies below somebody's home, where agents cannot reach
//! it.

use crate::error::at;
use crate::tools::PATH;
use crate::{Error, World, cache};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Puts the toolchain into a world, once, and tells where programs are looked for then.
pub fn place(world: &World) -> Result<OsString, Error> {
    let place = world.path().join("opt/rust");
    if !place.is_dir() {
        let missing =
            |detail: &str| Error::Missing { what: "the Rust toolchain".into(), detail: detail.into() };
        let output = Command::new("rustc").args(["--print", "sysroot"]).stdin(Stdio::null()).output();
        let output =
            output.map_err(|error| missing(&format!("`rustc` cannot be started ({error}): install Rust")))?;
        let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !output.status.success() || !root.join("bin/cargo").is_file() {
            return Err(missing(
                "`rustc --print sysroot` names no directory with `bin/cargo`: install it with rustup",
            ));
        }
        at("make", &place, std::fs::create_dir_all(&place))?;
        for part in ["lib", "bin"] {
            cache::share(&root.join(part), &place.join(part))?;
        }
    }
    let mut path = OsString::from(place.join("bin"));
    path.push(":");
    path.push(PATH);
    Ok(path)
}
