//! `cargo xtask sizes`: what the programs weigh as they are installed, without symbols.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::host;

/// What root's program may weigh, MiB: what runs as root is read before it is trusted, and copied into small machines.
const MOST: f64 = 12.0;

/// Prints the size of each program; fails where root's is too large.
pub fn run() -> Result<()> {
    let wardline = stripped("wardline")?;
    println!("wardline      {wardline:.1} MiB (at most {MOST} MiB)");
    println!("wardline-lab  {:.1} MiB", stripped("wardline-lab")?);
    ensure!(wardline <= MOST, "wardline has {wardline:.1} MiB without symbols, and may have {MOST} MiB");
    Ok(())
}

/// Its size without symbols, MiB.
fn stripped(program: &str) -> Result<f64> {
    let target = host::target()?;
    let built = target.join("release").join(program);
    ensure!(built.is_file(), "{} is not there: run `cargo build --release` first", built.display());
    let copy = target.join(format!("{program}.stripped"));
    host::run(Command::new("strip").arg("-o").arg(&copy).arg(&built))?;
    let size = fs::metadata(&copy).with_context(|| format!("cannot read {}", copy.display()))?.len();
    fs::remove_file(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    Ok(size as f64 / f64::from(1 << 20))
}
