//! The crown jewels: what no agent session may touch, whatever was learned. The first stage (T0) refuses them in the
//! kernel, and the object class `home-secret` is read from the same table.

use crate::{Access, context::below};

/// Where a jewel lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// A path below the user's home; a directory stands for everything below it.
    Home(&'static str),
    /// A path from the root.
    System(&'static str),
    /// A file of this name in any directory of that name (`.cursor`, `mcp.json`), workspaces included.
    NameIn(&'static str, &'static str),
    /// A regular file of this name anywhere outside the workspaces.
    Name(&'static str),
    /// A unix socket below the user's runtime directory, `/run/user/UID`.
    Runtime(&'static str),
    /// A unix socket that this environment variable of the session names.
    Variable(&'static str),
}

/// One row of the static deny-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jewel {
    /// Where it lies.
    pub site: Site,
    /// What is refused.
    pub deny: Access,
    /// What it is, for people: "private key", ...
    pub what: &'static str,
}

impl Jewel {
    /// Credentials that a tool looks for whenever it runs: `git` and `curl` in `.netrc`, `npm` in `.npmrc`.
    pub fn is_looked_at(&self) -> bool {
        matches!(self.what, NETWORK | REGISTRY)
            || matches!(self.site, Site::Home(".git-credentials" | ".config/git/credentials"))
    }

    /// A private key, or what lies beside one.
    pub fn is_key(&self) -> bool {
        self.what == KEY
    }
}

const TOUCH: Access = Access::from_bits_truncate(abi::access::ALL);
const CHANGE: Access = Access::from_bits_truncate(abi::access::MODIFY);
const REACH: Access = Access::CONNECT;

const fn home(path: &'static str, what: &'static str) -> Jewel {
    Jewel { site: Site::Home(path), deny: TOUCH, what }
}
const fn home_write(path: &'static str, what: &'static str) -> Jewel {
    Jewel { site: Site::Home(path), deny: CHANGE, what }
}
const fn name_in(dir: &'static str, name: &'static str, deny: Access, what: &'static str) -> Jewel {
    Jewel { site: Site::NameIn(dir, name), deny, what }
}
/// A private key of `ssh`, wherever it lies.
const fn ssh_key(name: &'static str) -> Jewel {
    Jewel { site: Site::Name(name), deny: TOUCH, what: KEY }
}
const fn socket(path: &'static str, what: &'static str) -> Jewel {
    Jewel { site: Site::System(path), deny: REACH, what }
}
const fn runtime(path: &'static str, what: &'static str) -> Jewel {
    Jewel { site: Site::Runtime(path), deny: REACH, what }
}
const fn system(path: &'static str, deny: Access, what: &'static str) -> Jewel {
    Jewel { site: Site::System(path), deny, what }
}

const START: &str = "shell start-up file";
const AUTO: &str = "file that is run at login";
const HOOK: &str = "configuration that makes an agent or editor run commands";
const GIT: &str = "configuration that makes git run commands";
const SSH: &str = "what ssh believes and runs";
const NETWORK: &str = "network credentials";
const CLOUD: &str = "cloud credentials";
const REGISTRY: &str = "package registry credentials";
const VCS: &str = "version control credentials";
const KEY: &str = "private key";
const BROWSER: &str = "browser's cookies and passwords";
const WALLET: &str = "wallet";
const KEYRING: &str = "keyring";
const DELEGATE: &str = "socket that does work with another program's authority";

/// The static deny-list. Order is identity: the reason of a row's label is its index plus one.
pub const JEWELS: &[Jewel] = &[
    home(".ssh", KEY),
    home(".gnupg", KEY),
    home(".aws", CLOUD),
    home(".azure", CLOUD),
    home(".config/gcloud", CLOUD),
    home(".config/doctl", CLOUD),
    home(".config/hcloud", CLOUD),
    home(".oci", CLOUD),
    home(".kube", "cluster credentials"),
    home(".docker/config.json", "container registry credentials"),
    home(".config/containers/auth.json", "container registry credentials"),
    home(".netrc", NETWORK),
    home(".git-credentials", VCS),
    home(".config/git/credentials", VCS),
    home(".config/gh", VCS),
    home(".config/glab-cli", VCS),
    home(".config/hub", VCS),
    home(".npmrc", REGISTRY),
    home(".yarnrc.yml", REGISTRY),
    home(".pypirc", REGISTRY),
    home(".cargo/credentials", REGISTRY),
    home(".cargo/credentials.toml", REGISTRY),
    home(".gem/credentials", REGISTRY),
    home(".m2/settings.xml", REGISTRY),
    home(".gradle/gradle.properties", REGISTRY),
    home(".composer/auth.json", REGISTRY),
    home(".terraform.d/credentials.tfrc.json", CLOUD),
    home(".vault-token", "vault token"),
    home(".pgpass", "database password"),
    home(".my.cnf", "database password"),
    home(".password-store", "password store"),
    home(".local/share/keyrings", KEYRING),
    home(".config/1Password", KEYRING),
    home(".config/Bitwarden", KEYRING),
    home(".mozilla", BROWSER),
    home(".config/google-chrome", BROWSER),
    home(".config/chromium", BROWSER),
    home(".config/BraveSoftware", BROWSER),
    home(".config/microsoft-edge", BROWSER),
    home(".bitcoin", WALLET),
    home(".ethereum", WALLET),
    home(".electrum", WALLET),
    home(".config/solana", WALLET),
    home(".config/Exodus", WALLET),
    ssh_key("id_rsa"),
    ssh_key("id_dsa"),
    ssh_key("id_ecdsa"),
    ssh_key("id_ecdsa_sk"),
    ssh_key("id_ed25519"),
    ssh_key("id_ed25519_sk"),
    name_in(".aws", "credentials", TOUCH, CLOUD),
    name_in(".docker", "config.json", TOUCH, "container registry credentials"),
    home_write(".bashrc", START),
    home_write(".bash_profile", START),
    home_write(".bash_login", START),
    home_write(".bash_logout", START),
    home_write(".profile", START),
    home_write(".zshrc", START),
    home_write(".zshenv", START),
    home_write(".zprofile", START),
    home_write(".zlogin", START),
    home_write(".config/fish", START),
    home_write(".pam_environment", START),
    home_write(".inputrc", START),
    home_write(".tmux.conf", START),
    home_write(".config/autostart", AUTO),
    home_write(".config/systemd", AUTO),
    home_write(".config/environment.d", AUTO),
    home_write(".local/share/systemd", AUTO),
    home_write(".xprofile", AUTO),
    home_write(".xinitrc", AUTO),
    home_write(".xsession", AUTO),
    // What these are links to is no more to be changed than they are.
    home_write(".ssh/config", SSH),
    home_write(".ssh/known_hosts", SSH),
    home_write(".ssh/known_hosts2", SSH),
    home(".ssh/authorized_keys", SSH),
    home_write(".gitconfig", GIT),
    home_write(".config/git/config", GIT),
    name_in(".claude", "settings.json", CHANGE, HOOK),
    name_in(".claude", "settings.local.json", CHANGE, HOOK),
    home_write(".claude.json", HOOK),
    name_in(".codex", "config.toml", CHANGE, HOOK),
    name_in(".codex", "hooks.json", CHANGE, HOOK),
    name_in(".cursor", "mcp.json", CHANGE, HOOK),
    name_in(".cursor", "hooks.json", CHANGE, HOOK),
    name_in(".gemini", "settings.json", CHANGE, HOOK),
    name_in(".vscode", "tasks.json", CHANGE, HOOK),
    name_in(".vscode", "settings.json", CHANGE, HOOK),
    name_in(".vscode", "mcp.json", CHANGE, HOOK),
    name_in("opencode", "opencode.json", CHANGE, HOOK),
    name_in(".opencode", "opencode.json", CHANGE, HOOK),
    name_in(".amazonq", "mcp.json", CHANGE, HOOK),
    name_in(".continue", "config.json", CHANGE, HOOK),
    name_in(".continue", "config.yaml", CHANGE, HOOK),
    name_in(".windsurf", "mcp_config.json", CHANGE, HOOK),
    name_in("windsurf", "mcp_config.json", CHANGE, HOOK),
    home_write(".claude/hooks", HOOK),
    // Not `.codex/skills`: Codex puts skills of its own there when it starts.
    home_write(".claude/skills", HOOK),
    system("/etc/shadow", TOUCH, "password hashes"),
    system("/etc/gshadow", TOUCH, "password hashes"),
    system("/etc/sudoers", CHANGE, "authorisation of the system"),
    system("/etc/sudoers.d", CHANGE, "authorisation of the system"),
    system("/etc/cron.d", CHANGE, "file that is run on a schedule"),
    system("/etc/crontab", CHANGE, "file that is run on a schedule"),
    system("/var/spool/cron", TOUCH, "file that is run on a schedule"),
    system("/etc/ld.so.preload", CHANGE, "library that is loaded into every program"),
    socket("/run/docker.sock", DELEGATE),
    socket("/run/containerd/containerd.sock", DELEGATE),
    socket("/run/podman/podman.sock", DELEGATE),
    socket("/run/crio/crio.sock", DELEGATE),
    socket("/run/dbus/system_bus_socket", DELEGATE),
    socket("/run/systemd/private", DELEGATE),
    runtime("bus", DELEGATE),
    runtime("systemd/private", DELEGATE),
    runtime("docker.sock", DELEGATE),
    runtime("podman/podman.sock", DELEGATE),
    runtime("gnupg", DELEGATE),
    runtime("keyring", DELEGATE),
    Jewel { site: Site::Variable("SSH_AUTH_SOCK"), deny: REACH, what: DELEGATE },
    Jewel { site: Site::Variable("DOCKER_HOST"), deny: REACH, what: DELEGATE },
    Jewel { site: Site::Variable("DBUS_SESSION_BUS_ADDRESS"), deny: REACH, what: DELEGATE },
    // Where these two lie: their directories' names are those of programs, too, and so closed nowhere else.
    home_write(".config/opencode/opencode.json", HOOK),
    home_write(".codeium/windsurf/mcp_config.json", HOOK),
];

/// Whether a path below the home (without a leading slash) is a credential: a jewel whose very reading is refused.
pub fn is_secret(path_in_home: &[u8]) -> bool {
    JEWELS.iter().filter(|jewel| jewel.deny.contains(Access::READ)).any(|jewel| match jewel.site {
        Site::Home(jewel) => below(path_in_home, jewel.as_bytes()).is_some(),
        Site::Name(name) => path_in_home.rsplit(|&b| b == b'/').next() == Some(name.as_bytes()),
        _ => false,
    })
}

/// Whether a path below the home (without a leading slash) is a jewel, lies in one, or has one below it. A name that other
/// directories of an agent's have, too, is not enough.
pub fn is_near(path_in_home: &[u8]) -> bool {
    JEWELS.iter().any(|jewel| match jewel.site {
        Site::Home(jewel) => {
            below(path_in_home, jewel.as_bytes()).is_some() || below(jewel.as_bytes(), path_in_home).is_some()
        }
        Site::NameIn(directory, _) => {
            let name = path_in_home.rsplit(|&b| b == b'/').next();
            directory.starts_with('.') && name == Some(directory.as_bytes())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernels_keys() {
        for jewel in JEWELS {
            if let Site::NameIn(dir, name) = jewel.site {
                assert!(dir.len() < abi::NAME_LEN && name.len() < abi::NAME_LEN, "{dir}/{name}");
            }
            if let Site::Name(name) = jewel.site {
                assert!(name.len() < abi::NAME_LEN, "{name}");
            }
        }
    }

    #[test]
    fn what_may_be_read_is_no_secret() {
        assert!(is_secret(b".ssh/config"));
        assert!(is_secret(b"backup/id_ed25519"));
        assert!(!is_secret(b".bashrc"));
        assert!(!is_secret(b".sshx"));
    }
}
