//! Prepares a session: files, links, repositories of the git remote, and downloads of hostile hosts.

use super::{Ground, Place, Plant, Scenario};
use crate::cache::run;
use crate::error::at;
use crate::home::PIECE;
use crate::seed::{Rng, stream};
use crate::{Error, Secret, Services, User, words};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

/// Stands in a planted text for a secret of its own, of 48 letters.
const SECRET: &str = "{{secret}}";

/// Stands in a planted text or link for the path of the user's home.
const HOME: &str = "{{home}}";

/// Letters of a planted secret.
const SECRET_LETTERS: usize = 3 * PIECE;

/// Lays out what the scenario needs, and adds its secrets to the ground's.
pub fn plant(scenario: &Scenario, ground: &mut Ground, services: &Services, seed: u64) -> Result<(), Error> {
    let mut rng = stream(seed, &scenario.id.0, 0);
    let mut repositories: BTreeMap<&str, Vec<(&str, &Plant)>> = BTreeMap::new();
    let mut shipped = Vec::new();
    for plant in &scenario.plants {
        match &plant.at {
            Place::Home(path) => {
                let home = ground.home.clone();
                lay(scenario, plant, &home, path, ground, &mut rng)?;
            }
            Place::Workspace(path) => {
                let workspace = ground.workspace.clone();
                let secrets = ground.secrets.len();
                lay(scenario, plant, &workspace, path, ground, &mut rng)?;
                if ground.secrets.len() > secrets {
                    keep_out(&workspace, path)?;
                } else {
                    shipped.push(path.as_str());
                }
            }
            Place::Host { host, path } => {
                services.publish(*host, path, content(scenario, plant, &mut rng).0.into_bytes())?;
            }
            Place::Remote { name, file } => repositories.entry(name).or_default().push((file, plant)),
        }
    }
    for (name, plants) in repositories {
        let draft = ground.remotes.join(format!("draft-{name}"));
        own(ground.user, &draft, fs::create_dir(&draft))?;
        for (file, plant) in plants {
            lay(scenario, plant, &draft, file, ground, &mut rng)?;
        }
        publish(name, &draft, ground)?;
    }
    if !shipped.is_empty() && ground.workspace.join(".git").is_dir() {
        ship(&shipped, ground)?;
    }
    Ok(())
}

/// The text of a plant, with its secrets.
fn content(scenario: &Scenario, plant: &Plant, rng: &mut Rng) -> (String, Vec<String>) {
    let mut text = match (&plant.text, &plant.file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => scenario.files.get(file).cloned().unwrap_or_default(),
        (None, None) => String::new(),
    };
    let mut secrets = Vec::new();
    while text.contains(SECRET) {
        let secret = words::noise(rng, SECRET_LETTERS);
        text = text.replacen(SECRET, &secret, 1);
        secrets.push(secret);
    }
    (text, secrets)
}

fn lay(
    scenario: &Scenario,
    plant: &Plant,
    base: &Path,
    relative: &str,
    ground: &mut Ground,
    rng: &mut Rng,
) -> Result<(), Error> {
    let path = base.join(relative);
    let mut above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| *above != base).collect();
    above.reverse();
    for directory in above {
        if !directory.exists() {
            own(ground.user, directory, fs::create_dir(directory))?;
        }
    }
    if let Some(target) = &plant.link {
        let target = target.replace(HOME, &ground.home.to_string_lossy());
        return own(ground.user, &path, symlink(target, &path));
    }
    let (text, secrets) = content(scenario, plant, rng);
    let mut text = text.replace(HOME, &ground.home.to_string_lossy());
    if plant.append && path.exists() {
        text = at("read", &path, fs::read_to_string(&path))? + &text;
    }
    own(ground.user, &path, fs::write(&path, text))?;
    let mode = Permissions::from_mode(plant.mode.unwrap_or(0o644));
    at("set the mode of", &path, fs::set_permissions(&path, mode))?;
    if !secrets.is_empty() {
        let pieces = secrets.iter().flat_map(|secret| secret.as_bytes().chunks_exact(PIECE));
        let pieces = pieces.filter_map(|piece| piece.try_into().ok()).collect();
        ground.secrets.push(Secret { path, jewel: false, pieces });
    }
    Ok(())
}

/// Keeps a secret of the workspace out of what the task itself commits and pushes, as a real one's `.gitignore` would.
fn keep_out(workspace: &Path, path: &str) -> Result<(), Error> {
    let exclude = workspace.join(".git/info/exclude");
    if workspace.join(".git").is_dir() {
        let info = workspace.join(".git/info");
        at("make", &info, fs::create_dir_all(&info))?;
        let text = fs::read_to_string(&exclude).unwrap_or_default();
        at("write", &exclude, fs::write(&exclude, format!("{text}/{path}\n")))?;
    }
    Ok(())
}

/// Gives what was just made to the user.
fn own(user: User, path: &Path, made: std::io::Result<()>) -> Result<(), Error> {
    at("make", path, made)?;
    at("give away", path, lchown(path, Some(user.id), Some(user.id)))
}

/// Has the workspace's repository bring what was planted, as one that is hostile does: committed, and at its remote, so
/// that the task's own work neither cleans it away nor finds it to be new.
fn ship(paths: &[&str], ground: &Ground) -> Result<(), Error> {
    const COMMIT: &str = "remote=$1; shift; git add -f -- \"$@\" && \
        git -c user.name=Somebody -c user.email=somebody@example.org commit -q -m 'Add what the project needs' && \
        if [ -d \"$remote\" ]; then git push -q \"$remote\" HEAD && git update-ref refs/remotes/origin/main HEAD; fi";
    let name = ground.workspace.file_name().unwrap_or_default().to_string_lossy();
    let mut git = ground.command("bash", &ground.workspace);
    git.args(["-c", COMMIT, "bash"]).arg(ground.remotes.join(format!("{name}.git"))).args(paths);
    run(&mut git, "committing what was planted in the workspace")
}

/// Makes a repository of the git remote from a directory.
fn publish(name: &str, draft: &Path, ground: &Ground) -> Result<(), Error> {
    const BEGIN: &str = "git init -q --template= -b main && git add -A && \
        git -c user.name=Somebody -c user.email=somebody@example.org commit -q -m 'Begin' && \
        git clone -q --bare --template= . \"$1\" && rm -rf \"$2\"";
    let mut git = ground.command("bash", draft);
    git.args(["-c", BEGIN, "bash"]).arg(ground.remotes.join(format!("{name}.git"))).arg(draft);
    run(&mut git, &format!("making the repository {name}"))
}
