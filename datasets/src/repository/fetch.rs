//! Fetching a package's file through its registry's ordinary client.

use super::{Ecosystem, Repository};
use crate::Error;
use crate::cache::{self, run};
use crate::error::at;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

impl Repository {
    /// The package's file in the cache, fetched where it is not there yet. A file with another hash is an error.
    pub fn fetch(&self) -> Result<PathBuf, Error> {
        let cache = cache::cache()?.join("packages").join(self.ecosystem.name());
        let directory = cache.join(format!("{}-{}", self.name, self.version));
        cache::fill(&directory, |part| match self.ecosystem {
            Ecosystem::Crate => self.fetch_crate(part),
            Ecosystem::Npm => self.fetch_npm(part),
            Ecosystem::Pypi => self.fetch_pypi(part),
        })?;
        let files = at("list", &directory, fs::read_dir(&directory))?;
        let file = files.flatten().map(|entry| entry.path()).find(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            [".crate", ".tgz", ".tar.gz"].iter().any(|suffix| name.ends_with(suffix))
        });
        let file = file.ok_or_else(|| self.missing("its client left no package behind"))?;
        let found = blake3::hash(&at("read", &file, fs::read(&file))?).to_hex();
        if found.as_str() != self.hash {
            return Err(Error::Parse {
                path: file,
                detail: format!(
                    "its hash is {found}, and {} is expected: remove it and try again",
                    self.hash
                ),
            });
        }
        Ok(file)
    }

    /// `cargo fetch` of a package that depends on it alone; cargo keeps the file.
    fn fetch_crate(&self, into: &Path) -> Result<(), Error> {
        let work = into.join("work");
        let write = |path: &Path, text: &str| at("write", path, fs::write(path, text));
        at("make", &work, fs::create_dir_all(work.join("src")))?;
        let manifest = format!(
            "[package]\nname = \"wanted\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n\
             [dependencies]\n{} = {{ version = \"={}\", default-features = false }}\n",
            self.name, self.version
        );
        write(&work.join("Cargo.toml"), &manifest)?;
        write(&work.join("src/lib.rs"), "")?;
        run(
            Command::new("cargo").args(["fetch", "-q"]).current_dir(&work),
            &format!("`cargo fetch` of {}", self.name),
        )?;
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
        let caches =
            home.ok_or_else(|| self.missing("neither CARGO_HOME nor HOME is set"))?.join("registry/cache");
        let name = format!("{}-{}.crate", self.name, self.version);
        let kept =
            at("list", &caches, fs::read_dir(&caches))?.flatten().map(|entry| entry.path().join(&name));
        let kept = kept.into_iter().find(|file| file.is_file());
        let kept = kept.ok_or_else(|| self.missing("cargo did not keep the package"))?;
        at("copy", &kept, fs::copy(&kept, into.join(&name)))?;
        at("remove", &work, fs::remove_dir_all(&work))
    }

    fn fetch_npm(&self, into: &Path) -> Result<(), Error> {
        let package = format!("{}@{}", self.name, self.version);
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent", &package, "--pack-destination"]).arg(into).current_dir(into);
        run(&mut npm, &format!("`npm pack {package}`"))
    }

    fn fetch_pypi(&self, into: &Path) -> Result<(), Error> {
        cache::pip_download(&format!("{}=={}", self.name, self.version), "--no-binary", into)
    }

    fn missing(&self, detail: &str) -> Error {
        Error::Missing {
            what: format!("the package {} {}", self.name, self.version),
            detail: detail.to_owned(),
        }
    }
}
