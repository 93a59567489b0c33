//! Variables by which programs look for a part of the home somewhere else: what is a jewel there is one elsewhere, too.

use crate::context::below;
use agents::Agent;
use bstr::{BStr, BString, ByteSlice};

/// One variable: what it names instead of a path below the home, and what is added to its value.
#[derive(Clone, Copy)]
struct Moved {
    variable: &'static str,
    home: &'static str,
    behind: &'static str,
}

const fn moved(variable: &'static str, home: &'static str) -> Moved {
    Moved { variable, home, behind: "" }
}

/// In a directory that the variable names, under the name that it has in the home.
const fn beside(variable: &'static str, home: &'static str) -> Moved {
    Moved { variable, home, behind: home }
}

/// XDG Base Directory Specification; zsh(1), FILES; bash(1), BASH_ENV; readline(3); git-config(1); gpg(1); curl(1), NETRC; the
/// manuals of the other tools. Those of agents stand in their files.
const MOVED: &[Moved] = &[
    moved("XDG_CONFIG_HOME", ".config"),
    moved("XDG_DATA_HOME", ".local/share"),
    moved("XDG_STATE_HOME", ".local/state"),
    moved("XDG_CACHE_HOME", ".cache"),
    beside("ZDOTDIR", ".zshrc"),
    beside("ZDOTDIR", ".zshenv"),
    beside("ZDOTDIR", ".zprofile"),
    beside("ZDOTDIR", ".zlogin"),
    moved("BASH_ENV", ".bashrc"),
    moved("ENV", ".profile"),
    moved("INPUTRC", ".inputrc"),
    moved("GIT_CONFIG_GLOBAL", ".gitconfig"),
    moved("NPM_CONFIG_USERCONFIG", ".npmrc"),
    moved("npm_config_userconfig", ".npmrc"),
    moved("NETRC", ".netrc"),
    moved("CARGO_HOME", ".cargo"),
    moved("GRADLE_USER_HOME", ".gradle"),
    moved("COMPOSER_HOME", ".composer"),
    moved("AWS_SHARED_CREDENTIALS_FILE", ".aws"),
    moved("AWS_CONFIG_FILE", ".aws"),
    moved("AZURE_CONFIG_DIR", ".azure"),
    moved("CLOUDSDK_CONFIG", ".config/gcloud"),
    moved("OCI_CLI_CONFIG_FILE", ".oci"),
    moved("KUBECONFIG", ".kube"),
    moved("DOCKER_CONFIG", ".docker"),
    moved("REGISTRY_AUTH_FILE", ".config/containers/auth.json"),
    moved("GH_CONFIG_DIR", ".config/gh"),
    moved("GLAB_CONFIG_DIR", ".config/glab-cli"),
    moved("PGPASSFILE", ".pgpass"),
    moved("PASSWORD_STORE_DIR", ".password-store"),
];

/// Every variable: those of tools, then those of agents.
fn all() -> impl Iterator<Item = Moved> {
    let of_agents = Agent::all().iter().flat_map(|agent| &agent.moved);
    MOVED.iter().copied().chain(of_agents.map(|(variable, home)| moved(variable, home)))
}

/// Whether a variable names a part of the home.
pub fn is_named(variable: &[u8]) -> bool {
    all().any(|moved| moved.variable.as_bytes() == variable)
}

/// Where a path below the home lies as well, by the values of variables. Whoever set these chose the paths.
pub fn elsewhere<'v>(path: &str, value: impl Fn(&str) -> Option<&'v BStr>) -> Vec<BString> {
    let of = |moved: Moved| -> Option<Vec<BString>> {
        let rest = below(path.as_bytes(), moved.home.as_bytes())?;
        let list = value(moved.variable)?;
        // A list of files, as in `KUBECONFIG`; a path that has a colon in it is none of these tools'.
        let places = list.split_str(":").filter(|place| place.first() == Some(&b'/'));
        let joined = |place: &[u8]| {
            let mut whole = BString::from(place);
            for part in [moved.behind.as_bytes(), rest].into_iter().filter(|part| !part.is_empty()) {
                whole.push(b'/');
                whole.extend_from_slice(part);
            }
            whole
        };
        Some(places.map(joined).collect())
    };
    all().filter_map(of).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_home_lies_where_its_variable_says() {
        let set = [
            ("XDG_CONFIG_HOME", "/data/config"),
            ("ZDOTDIR", "/data/zsh"),
            ("KUBECONFIG", "/k/one:/k/two"),
            ("CLAUDE_CONFIG_DIR", "relative"),
            ("CODEX_HOME", "/data/codex"),
        ];
        let value =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| BStr::new(value));
        for (path, expected) in [
            (".config/git/config", &["/data/config/git/config"][..]),
            (".config", &["/data/config"]),
            (".zshrc", &["/data/zsh/.zshrc"]),
            (".kube", &["/k/one", "/k/two"]),
            (".claude/settings.json", &[]),
            (".codex/auth.json", &["/data/codex/auth.json"]),
            (".configuration", &[]),
            (".ssh", &[]),
        ] {
            assert_eq!(elsewhere(path, value), expected, "{path}");
        }
    }
}
