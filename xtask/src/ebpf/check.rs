//! Proves that the committed object was built from these sources: `cargo xtask ebpf check`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{
    build,
    manifest::{self, Manifest},
    programs::{ALL, Programs, WARDLINE},
    setup,
    toolchain::Toolchain,
};
use crate::host;

/// What the check could prove.
#[derive(Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The sources match and the rebuilt object is the same, byte for byte.
    Rebuilt,
    /// The sources match; this machine's tools have other versions, so the rebuilt object lies here, to be
    /// tested beside the committed one.
    OtherTools(PathBuf),
    /// The sources match; there is no toolchain here to rebuild with.
    NotRebuilt,
}

/// Compares hashes, then rebuilds where the toolchain is there, or where `install` may bring it. Returns what became of
/// Wardline's own programs.
pub fn check(install: bool) -> Result<Freshness> {
    if install {
        setup::setup()?;
    }
    let mut found = Freshness::NotRebuilt;
    for programs in &ALL {
        let freshness = check_one(programs)?;
        if programs.object == WARDLINE.object {
            found = freshness;
        }
    }
    Ok(found)
}

fn check_one(programs: &Programs) -> Result<Freshness> {
    let Programs { folder, object, .. } = programs;
    let workspace = host::workspace()?;
    let prebuilt = workspace.join(folder).join("prebuilt");
    let manifest = Manifest::read(&prebuilt)?;
    let again = format!("run `cargo xtask ebpf build` and commit {folder}/prebuilt");
    if manifest::sources(&workspace, programs)? != manifest.sources {
        bail!(
            "the sources in {folder}/ are not those that {folder}/prebuilt/{object} was built from: {again}"
        );
    }
    let committed = host::read(&prebuilt.join(object))?;
    if manifest.objects.get(*object) != Some(&manifest::hash(&committed)) {
        bail!("{folder}/prebuilt/{object} is not the object that its manifest names: {again}");
    }
    let toolchain = match Toolchain::find() {
        Ok(toolchain) => toolchain,
        Err(reason) => {
            println!("{object}: the sources match; NOT REBUILT: {reason:#}");
            return Ok(Freshness::NotRebuilt);
        }
    };
    let rebuilt = build::object(&workspace, programs, &toolchain, false)?;
    if rebuilt == committed {
        println!("{object}: the sources match, and the rebuilt object is the same ({} bytes)", rebuilt.len());
        return Ok(Freshness::Rebuilt);
    }
    let kept = host::target()?.join("rebuilt").join(object);
    host::write(&kept, &rebuilt)?;
    if toolchain.versions == manifest.tools {
        bail!(
            "the same sources and versions gave another object, left at {}: the committed one is not from \
             these sources, or the build depends on this machine",
            kept.display()
        );
    }
    println!("==================== OTHER TOOLS THAN THE MANIFEST'S ====================");
    println!("manifest: {:?}", manifest.tools);
    println!("here:     {:?}", toolchain.versions);
    println!("The rebuilt object differs, as it may. Test it too: WARDLINE_BPF_OBJECT={}", kept.display());
    println!("==========================================================================");
    Ok(Freshness::OtherTools(kept))
}
