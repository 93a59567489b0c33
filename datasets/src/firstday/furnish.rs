//! The home as people have it: dotfiles, a key, tokens, caches.

use super::Account;
use crate::agent::Agent;
use crate::error::at;
use crate::script::quote;
use crate::seed::{Rng, stream};
use crate::{Error, words};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Debian's own, as far as it matters: PATH of a login shell has the home's programs once their directories are there.
const PROFILE: &str = r#"if [ -n "$BASH_VERSION" ] && [ -f "$HOME/.bashrc" ]; then
    . "$HOME/.bashrc"
fi
if [ -d "$HOME/.local/bin" ]; then
    PATH="$HOME/.local/bin:$PATH"
fi
"#;

/// Debian's beginning, and what people and installers have put below it.
const BASHRC: &str = r#"case $- in
    *i*) ;;
      *) return;;
esac
HISTCONTROL=ignoreboth
shopt -s histappend checkwinsize
alias ll='ls -alF'
export EDITOR=nano LESS=-R
case ":$PATH:" in
    *":$HOME/.local/bin:"*) ;;
    *) PATH="$HOME/.local/bin:$PATH";;
esac
export PATH="$HOME/.npm-global/bin:$PATH"
export PNPM_HOME="$HOME/.local/share/pnpm"
export PATH="$PNPM_HOME:$PATH"
for bin in "$HOME"/.nvm/versions/node/*/bin; do
    [ -d "$bin" ] && PATH="$bin:$PATH"
done
"#;

/// Writes the home of an account, and what an agent has in it.
pub(super) fn furnish(account: &Account, agent: &Agent, seed: u64) -> Result<(), Error> {
    let rng = &mut stream(seed, "first day: home", 0);
    let mut bashrc = BASHRC.to_owned();
    for (name, value) in agent.environment() {
        bashrc.push_str(&format!("export {name}={}\n", quote(&value.to_string_lossy())));
    }
    for (path, mode, text) in files(&account.home, rng) {
        write(&account.home, path, mode, &text)?;
    }
    write(&account.home, ".bashrc", 0o644, &bashrc)?;
    for (path, text) in agent.configuration() {
        write(&account.home, path, 0o600, &text)?;
    }
    Ok(())
}

fn files(home: &Path, rng: &mut Rng) -> Vec<(&'static str, u32, String)> {
    let key: Vec<String> = (0..6).map(|_| words::noise(rng, 70)).collect();
    let key = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        key.join("\n")
    );
    let npmrc = format!(
        "prefix={}/.npm-global\nfund=false\naudit=false\nupdate-notifier=false\n\
         //registry.npmjs.org/:_authToken=npm_{}\n",
        home.display(),
        words::noise(rng, 36).replace(['+', '/'], "x"),
    );
    let gitconfig = "[user]\n\tname = Resident\n\temail = resident@example.org\n[init]\n\tdefaultBranch = main\n\
        [alias]\n\tst = status --short\n\tlg = log --oneline --graph\n[pull]\n\trebase = true\n\
        [core]\n\texcludesFile = ~/.config/git/ignore\n";
    vec![
        (".profile", 0o644, PROFILE.into()),
        (".bash_logout", 0o644, "[ \"$SHLVL\" = 1 ] && clear_console -q 2>/dev/null\n".into()),
        (".bash_history", 0o600, "cd projects\ngit status\nnpm test\n".into()),
        (".inputrc", 0o644, "set completion-ignore-case on\n".into()),
        (".gitconfig", 0o644, gitconfig.into()),
        (".config/git/ignore", 0o644, "*.swp\n.DS_Store\n".into()),
        (".ssh/id_ed25519", 0o600, key),
        (".ssh/id_ed25519.pub", 0o644, format!("ssh-ed25519 {} resident\n", words::noise(rng, 68))),
        (".ssh/known_hosts", 0o644, format!("github.com ssh-ed25519 {}\n", words::noise(rng, 68))),
        (".ssh/config", 0o600, "Host *\n    AddKeysToAgent yes\n".into()),
        (".npmrc", 0o600, npmrc),
        (".netrc", 0o600, format!("machine github.com login resident password {}\n", words::noise(rng, 40))),
        (
            ".config/gh/hosts.yml",
            0o600,
            format!("github.com:\n    oauth_token: gho_{}\n", words::noise(rng, 36)),
        ),
        (".config/gh/config.yml", 0o600, "git_protocol: https\neditor:\n".into()),
        (".config/pip/pip.conf", 0o644, "[global]\ndisable-pip-version-check = true\n".into()),
        (".cargo/env", 0o644, "export PATH=\"$HOME/.cargo/bin:$PATH\"\n".into()),
        (".cache/pip/selfcheck/0a.json", 0o644, "{\"key\": \"/usr\"}\n".into()),
        (".cache/motd.legal-displayed", 0o644, String::new()),
        (".npm/_logs/2026-01-01T00_00_00_000Z-debug-0.log", 0o644, "0 verbose cli /usr/bin/node\n".into()),
        (".npm/_update-notifier-last-checked", 0o644, String::new()),
        (".local/share/recently-used.xbel", 0o600, "<xbel version=\"1.0\"></xbel>\n".into()),
        (".vscode-server/data/Machine/settings.json", 0o644, "{}\n".into()),
        ("Documents/letter.txt", 0o644, words::page(rng, 2)),
        ("Downloads/report.txt", 0o644, words::page(rng, 1)),
    ]
}

fn write(home: &Path, relative: &str, mode: u32, text: &str) -> Result<(), Error> {
    let path = home.join(relative);
    if let Some(above) = path.parent() {
        at("make", above, fs::create_dir_all(above))?;
        if above.ends_with(".ssh") {
            at("set the mode of", above, fs::set_permissions(above, Permissions::from_mode(0o700)))?;
        }
    }
    at("write", &path, fs::write(&path, text))?;
    at("set the mode of", &path, fs::set_permissions(&path, Permissions::from_mode(mode)))
}
