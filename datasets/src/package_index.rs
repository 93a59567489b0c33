//! Package indexes of three ecosystems, made from the cache: what their ordinary clients ask for when they install.
//!
//! | below | client | form |
//! | --- | --- | --- |
//! | `/simple/NAME/` | pip | PEP 503 |
//! | `/npm/NAME` | npm | a packument with the one version that there is |
//! | `/index/` | cargo | a sparse index; see "Registry Index" of the Cargo Book |
//! | `/files/FILE` | all | the packages |
#![expect(clippy::indexing_slicing, reason = "what is told of a package is an object")]

use crate::error::at;
use crate::http::Server;
use crate::network::INDEX;
use crate::repository::{Ecosystem, Repository};
use crate::{Error, cache};
use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The index. Dropping it stops it.
#[derive(Debug)]
pub struct PackageIndex {
    _server: Server,
}

/// What the index has, before it is served: packages are fetched while there is a network.
#[derive(Clone, Debug, Default)]
pub struct Packages(Vec<Package>);

#[derive(Clone, Debug)]
struct Package {
    ecosystem: Ecosystem,
    name: String,
    version: String,
    file: String,
    content: Vec<u8>,
    /// SHA-256 of a crate, hex; the manifest of an npm package.
    about: Value,
}

impl Packages {
    /// The packages of these repositories, fetched where they are not in the cache yet. Python packages are wheels.
    pub fn fetch(repositories: &[Repository]) -> Result<Packages, Error> {
        repositories.iter().map(package).collect::<Result<_, _>>().map(Packages)
    }
}

fn package(repository: &Repository) -> Result<Package, Error> {
    let path = match repository.ecosystem {
        Ecosystem::Pypi => wheel(repository)?,
        Ecosystem::Crate | Ecosystem::Npm => repository.fetch()?,
    };
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&path).stdin(Stdio::null()).output();
        at("start", &PathBuf::from(program), output).map(|output| output.stdout)
    };
    let about = match repository.ecosystem {
        Ecosystem::Crate => {
            let said = String::from_utf8_lossy(&output("sha256sum", &["--"])?).into_owned();
            said.split(' ').next().unwrap_or_default().into()
        }
        Ecosystem::Npm => {
            let manifest = output("tar", &["-xzO", "package/package.json", "-f"])?;
            serde_json::from_slice(&manifest)
                .map_err(|error| Error::Parse { path: path.clone(), detail: error.to_string() })?
        }
        Ecosystem::Pypi => Value::Null,
    };
    Ok(Package {
        ecosystem: repository.ecosystem,
        name: repository.name.clone(),
        version: repository.version.clone(),
        file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        content: at("read", &path, fs::read(&path))?,
        about,
    })
}

/// The wheel of a Python package, in the cache.
fn wheel(repository: &Repository) -> Result<PathBuf, Error> {
    let Repository { name, version, .. } = repository;
    let directory = cache::cache()?.join("packages/wheel").join(format!("{name}-{version}"));
    cache::fill(&directory, |part| {
        cache::pip_download(&format!("{name}=={version}"), "--only-binary", part)
    })?;
    let files = at("list", &directory, fs::read_dir(&directory))?;
    let wheel =
        files.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"));
    wheel.ok_or_else(|| Error::Missing {
        what: format!("the wheel of {name} {version}"),
        detail: format!("`{}` has none: remove it and try again", directory.display()),
    })
}

impl PackageIndex {
    /// Begins to serve.
    pub fn start(packages: Packages) -> Result<PackageIndex, Error> {
        let router = Router::new()
            .route("/simple/{name}/", get(simple))
            .route("/npm/{name}", get(packument))
            .route("/index/config.json", get(configuration))
            .route("/index/{*path}", get(crate_line))
            .route("/files/{file}", get(file))
            .with_state(Arc::new(packages));
        Ok(PackageIndex { _server: Server::start(INDEX, router)? })
    }

    /// What tells the clients of a home to use it: variables of the environment. The last two keep pip and npm from the
    /// credentials of the home (`~/.netrc`, `~/.npmrc`), which are jewels, and which this index does not ask for. Where a
    /// sandbox lets nothing out, npm would try again for minutes.
    pub fn environment(home: &Path) -> Vec<(&'static str, String)> {
        let apart = |path: &str| home.join(path).display().to_string();
        vec![
            ("PIP_INDEX_URL", format!("http://{INDEX}/simple/")),
            ("PIP_TRUSTED_HOST", INDEX.ip().to_string()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
            ("npm_config_registry", format!("http://{INDEX}/npm/")),
            ("npm_config_fetch_retries", "0".into()),
            ("npm_config_update_notifier", "false".into()),
            ("NETRC", apart(".config/pip/netrc")),
            ("npm_config_userconfig", apart(".config/npm/npmrc")),
        ]
    }

    /// What tells cargo: `.cargo/config.toml` of the home.
    pub fn cargo_configuration() -> String {
        format!(
            "[source.crates-io]\nreplace-with = \"local\"\n\n[source.local]\nregistry = \"sparse+http://{INDEX}/index/\"\n"
        )
    }
}

type Held = State<Arc<Packages>>;

impl Packages {
    fn find(&self, ecosystem: Ecosystem, name: &str) -> Option<&Package> {
        self.0.iter().find(|package| package.ecosystem == ecosystem && package.name == name)
    }
}

fn missing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

async fn simple(State(packages): Held, Segment(name): Segment<String>) -> Response {
    let Some(Package { file, .. }) = packages.find(Ecosystem::Pypi, &name) else { return missing() };
    Html(format!("<!DOCTYPE html>\n<html><body>\n<a href=\"/files/{file}\">{file}</a>\n</body></html>\n"))
        .into_response()
}

async fn packument(State(packages): Held, Segment(name): Segment<String>) -> Response {
    let Some(package) = packages.find(Ecosystem::Npm, &name) else { return missing() };
    let mut manifest = package.about.clone();
    manifest["dist"] = json!({"tarball": format!("http://{INDEX}/files/{}", package.file)});
    let version = &package.version;
    let document = json!({"name": name, "dist-tags": {"latest": version}, "versions": {version: manifest}});
    ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

async fn configuration() -> Response {
    json!({"dl": format!("http://{INDEX}/files/{{crate}}-{{version}}.crate"), "api": null})
        .to_string()
        .into_response()
}

/// The crates here depend on nothing.
async fn crate_line(State(packages): Held, Segment(path): Segment<String>) -> Response {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(package) = packages.find(Ecosystem::Crate, name) else { return missing() };
    let line = json!({
        "name": name, "vers": package.version, "deps": [], "cksum": package.about, "features": {}, "yanked": false,
    });
    format!("{line}\n").into_response()
}

async fn file(State(packages): Held, Segment(file): Segment<String>) -> Response {
    match packages.0.iter().find(|package| package.file == file) {
        Some(package) => package.content.clone().into_response(),
        None => missing(),
    }
}
