//! A repository in a world: unpacked, with a history and a remote, once; and a fresh copy of it for each session.

use super::{Ecosystem, Repository, Survey};
use crate::cache::run;
use crate::error::at;
use crate::network::remote_url;
use crate::{Error, World};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository that lies ready in a world.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Which.
    pub repository: Repository,
    /// What is in it.
    pub survey: Survey,
    place: PathBuf,
}

/// A history with a few commits, as the world's user: what describes the package, then the rest, then a small change. What
/// a package ships is its source, even where its own rules would have git ignore it.
const BEGIN: &str = "git init -q --template= && git add -f \"$3\" && git commit -q -m 'Describe the package' \
    && git add -A -f && git commit -q -m 'Import the sources' \
    && printf '\\n' >> \"$3\" && git commit -q -a -m 'Tidy the end of a file' \
    && git clone -q --bare --template= . \"$1\" && git remote add origin \"$2\" \
    && git update-ref refs/remotes/origin/main HEAD";

impl Repository {
    /// Fetches it where needed, and lays it ready in a world, below `repositories/`: anew, since what lies there may be of
    /// another build.
    pub fn prepare(&self, world: &World) -> Result<Prepared, Error> {
        let file = self.fetch()?;
        let place = world.path().join("repositories").join(format!("{}-{}", self.name, self.version));
        if place.exists() {
            at("remove", &place, fs::remove_dir_all(&place))?;
        }
        self.unpack(&file, &place, world)?;
        let survey = Survey::of(&place.join("tree"), self.ecosystem)?;
        Ok(Prepared { repository: self.clone(), survey, place })
    }

    fn unpack(&self, file: &Path, place: &Path, world: &World) -> Result<(), Error> {
        let tree = place.join("tree");
        at("make", &tree, fs::create_dir_all(&tree))?;
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(file).args(["--strip-components=1", "--no-same-owner", "-C"]).arg(&tree);
        run(&mut tar, &format!("unpacking {}", self.name))?;
        if self.ecosystem == Ecosystem::Npm {
            // npm installs them with whatever is asked for, and the index does not have them.
            let mut npm = Command::new("npm");
            npm.args(["pkg", "delete", "devDependencies"]).current_dir(&tree);
            run(&mut npm, &format!("taking the tools of its developers out of {}", self.name))?;
        }
        run(Command::new("chmod").args(["-R", "u+rwX,go+rX"]).arg(&tree), "opening up a package")?;
        run(Command::new("chown").args(["-R", &world.user.pair()]).arg(place), "giving away a package")?;
        let survey = Survey::of(&tree, self.ecosystem)?;
        let document = survey.readme.clone();
        let mut bash = world.as_user("bash", &tree);
        bash.args(["-c", BEGIN, "bash"])
            .arg(place.join("remote.git"))
            .arg(remote_url(&self.name))
            .arg(document);
        run(&mut bash, &format!("making the repository of {}", self.name))
    }
}

impl Prepared {
    /// A fresh workspace in the world's home, and its remote; the home has none of that name yet.
    pub fn place(&self, world: &World) -> Result<PathBuf, Error> {
        let name = &self.repository.name;
        let workspace = world.home().join("projects").join(name);
        let copy = |from: PathBuf, to: &Path| {
            run(Command::new("cp").arg("-a").arg(from).arg(to), &format!("copying {name}"))
        };
        copy(self.place.join("tree"), &workspace)?;
        copy(self.place.join("remote.git"), &world.remotes().join(format!("{name}.git")))?;
        Ok(workspace)
    }
}
