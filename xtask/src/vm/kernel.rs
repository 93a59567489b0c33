//! Debian's cloud kernels: fetched once as packages, unpacked into the cache, and what boots them.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    archive::Archive,
    module::{Module, Modules},
};
use crate::host;

/// What the machine needs before it can see its root disk. Built into 6.12, modules in 6.1.
const BOOT_MODULES: [&str; 2] = ["virtio_pci", "virtio_blk"];

/// What tests may mount or make in the machine; the kernel asks for them when it needs them.
const TEST_MODULES: [&str; 11] = [
    "overlay",
    "btrfs",
    "xfs",
    "fuse",
    "loop",
    "veth",
    "dummy",
    "tun",
    "vsock_loopback",
    "binfmt_misc",
    "crc32c_generic",
];

/// The first program of the machine: loads the disk's driver and goes over to the root disk.
const INIT: &str = include_str!("initramfs.sh");

/// A series of kernels that Wardline is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Series {
    /// Debian 12's own: reduced support.
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13's, and Debian 12's back-port: full support.
    #[value(name = "6.12")]
    V6_12,
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Series::V6_1 => "6.1",
            Series::V6_12 => "6.12",
        })
    }
}

/// A kernel in the cache.
pub struct Kernel {
    /// Its release, as `uname -r` says it.
    pub release: String,
    /// The bootable image.
    pub image: PathBuf,
    /// Its modules, `lib/modules/RELEASE`.
    modules: PathBuf,
}

impl Kernel {
    /// The newest kernel of `series` in the cache; the newest that Debian has, where the cache has none.
    pub fn get(series: Series) -> Result<Kernel> {
        let directory = host::cache()?.join("kernels");
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let listing =
            fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
        let names = listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let release = match newest(series, names) {
            Some(release) => release,
            None => download(series, &directory)?,
        };
        let root = directory.join(&release);
        let image = root.join("boot").join(format!("vmlinuz-{release}"));
        if !image.is_file() {
            bail!("{} is incomplete: remove it and try again", root.display());
        }
        // Where /lib is not merged into /usr, as in older packages.
        let places = ["lib/modules", "usr/lib/modules"].map(|place| root.join(place).join(&release));
        let modules = places.into_iter().find(|place| place.is_dir());
        let modules = modules.with_context(|| format!("{} has no modules", root.display()))?;
        Ok(Kernel { release, image, modules })
    }

    /// The modules that tests may need, with all that these need.
    pub fn test_modules(&self) -> Result<Vec<Module>> {
        Modules::find(&self.modules)?.closure(&TEST_MODULES)
    }

    /// The archive that the kernel unpacks at boot, built once for each kernel and content.
    pub fn initramfs(&self) -> Result<PathBuf> {
        let busybox =
            host::find("busybox").context("there is no busybox: install the package `busybox-static`")?;
        let mut archive = Archive::default();
        for directory in ["bin", "dev", "modules", "proc", "root"] {
            archive.directory(directory);
        }
        archive.device("dev/console", 5, 1);
        archive.program("bin/busybox", &host::read(&busybox)?);
        archive.program("init", INIT.as_bytes());
        let modules = Modules::find(&self.modules)?.closure(&BOOT_MODULES)?;
        for (number, module) in modules.iter().enumerate() {
            // The order of the names is the order in which they are loaded.
            archive.program(&format!("modules/{number:02}-{}.ko", module.name), &module.content);
        }
        let bytes = archive.finish();
        let path = host::cache()?.join("images").join(format!(
            "{}-{}.cpio",
            self.release,
            blake3::hash(&bytes).to_hex()
        ));
        if !path.is_file() {
            host::write_whole(&path, &bytes)?;
        }
        Ok(path)
    }
}

/// Fetches and unpacks Debian's newest kernel of `series`, and returns its release.
fn download(series: Series, directory: &Path) -> Result<String> {
    let known = || -> Result<Option<String>> {
        let prefix = format!("linux-image-{series}.");
        let names = host::output(Command::new("apt-cache").args(["pkgnames", &prefix]))
            .context("kernels come from Debian's archive, by apt")?;
        Ok(newest(
            series,
            names.lines().filter_map(|name| Some(name.strip_prefix("linux-image-")?.to_owned())),
        ))
    };
    let release = match known()? {
        Some(release) => release,
        None if host::is_root() => {
            host::run(Command::new("apt-get").args(["update", "-q"]))?;
            known()?.with_context(|| format!("this machine's Debian archive has no cloud kernel {series}"))?
        }
        None => bail!("apt knows no cloud kernel {series}: run `sudo apt-get update`"),
    };
    eprintln!("vm: fetching Debian's kernel {release}");
    // Packages and half-unpacked kernels lie in a directory that is no release's name.
    let work = directory.join(format!("fetch-{}", std::process::id()));
    let unpacked = work.join("kernel");
    fs::create_dir_all(&unpacked).with_context(|| format!("cannot create {}", unpacked.display()))?;
    let package = format!("linux-image-{release}");
    // The cache is often below a home that apt's own user cannot enter.
    let mut fetch = Command::new("apt-get");
    fetch.current_dir(&work).args(["-q", "-o", "APT::Sandbox::User=root", "download", &package]);
    host::output(&mut fetch)?;
    let listing = fs::read_dir(&work).with_context(|| format!("cannot list {}", work.display()))?;
    let mut files = listing.filter_map(|entry| Some(entry.ok()?.path()));
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let file = file.with_context(|| format!("apt-get left no package in {}", work.display()))?;
    host::output(Command::new("dpkg").arg("-x").arg(&file).arg(&unpacked))?;
    let target = directory.join(&release);
    fs::rename(&unpacked, &target).with_context(|| format!("cannot create {}", target.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(release)
}

/// The highest version among `names` that is a cloud kernel of `series`.
fn newest(series: Series, names: impl Iterator<Item = String>) -> Option<String> {
    let prefix = format!("{series}.");
    let ours = names.filter(|name| name.starts_with(&prefix) && name.ends_with("-cloud-amd64"));
    ours.max_by_key(|name| {
        // Every number in it, in order: `6.12.117+deb12-cloud-amd64` is 6, 12, 117, 12, 64.
        name.split(|character: char| !character.is_ascii_digit())
            .filter_map(|digits| digits.parse::<u32>().ok())
            .collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_and_a_series_is_not_a_prefix() {
        let names = [
            "6.1.0-9-cloud-amd64",
            "6.1.0-56-cloud-amd64",
            "6.12.101+deb12-cloud-amd64",
            "6.12.99+deb12-cloud-amd64",
            "6.12-cloud-amd64",
            "6.12.117+deb12-amd64",
            "fetch-12",
        ];
        let of = |series| newest(series, names.iter().map(|name| (*name).to_owned()));
        assert_eq!(of(Series::V6_1).as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(of(Series::V6_12).as_deref(), Some("6.12.101+deb12-cloud-amd64"));
    }
}
