//! Reads the places of keys, hosts and agents from the user's ssh_config(5). Every block counts, whatever host it is for:
//! which one will be asked for is not known yet.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of a file that are read; larger ones are not.
const MAX_BYTES: u64 = 4 << 20;
/// Files that are included by others.
const MAX_FILES: usize = 256;
/// Values of one kind.
const MAX_VALUES: usize = 1024;
/// Names of keys that ssh tries by itself: ssh_config(5), IdentityFile.
const DEFAULT_KEYS: [&str; 6] =
    ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss"];

/// Where things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Private keys that the configuration names, and those that ssh tries by itself.
    pub keys: Vec<PathBuf>,
    /// What else lies in `~/.ssh`: keys that are named on a command line.
    pub others: Vec<PathBuf>,
    /// Files of known hosts: the user's, and the system's.
    pub known_hosts: Vec<PathBuf>,
    /// Sockets of agents.
    pub agents: Vec<PathBuf>,
    /// Hosts.
    pub names: Vec<String>,
    /// The configuration itself, and what it includes.
    pub files: Vec<PathBuf>,
}

/// The content of a regular file that is not too large. Waits for nobody, and leaves no time of access on what is the
/// user's own.
pub fn read_file(path: &Path) -> Option<Vec<u8>> {
    let open = |more: i32| {
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | more).open(path)
    };
    let mut file: File = open(libc::O_NOATIME).or_else(|_| open(0)).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > MAX_BYTES {
        return None;
    }
    let mut content = Vec::new();
    file.by_ref().take(MAX_BYTES).read_to_end(&mut content).ok()?;
    Some(content)
}

impl Config {
    /// Reads the configuration of a user with this home, and that of the system.
    pub fn read(home: &Path, user: &str) -> Self {
        let ssh = home.join(".ssh");
        let mut config = Self::default();
        config.keys.extend(DEFAULT_KEYS.map(|name| ssh.join(name)));
        config.known_hosts.extend(["known_hosts", "known_hosts2"].map(|name| ssh.join(name)));
        config
            .known_hosts
            .extend(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from));
        let mut reading = Reading { home, user, config };
        reading.file(&ssh.join("config"), &ssh);
        reading.file(Path::new("/etc/ssh/ssh_config"), Path::new("/etc/ssh"));
        let mut config = reading.config;
        let entries = fs::read_dir(&ssh).into_iter().flatten().flatten().take(MAX_FILES);
        config.others =
            entries.map(|entry| entry.path()).filter(|path| !config.keys.contains(path)).collect();
        config.others.sort_unstable();
        config
    }
}

struct Reading<'a> {
    home: &'a Path,
    user: &'a str,
    config: Config,
}

impl Reading<'_> {
    /// Reads one file; what it includes by a relative path lies in `base`.
    fn file(&mut self, path: &Path, base: &Path) {
        if self.config.files.len() >= MAX_FILES || self.config.files.iter().any(|read| read == path) {
            return;
        }
        let Some(content) = read_file(path) else { return };
        self.config.files.push(path.to_owned());
        for line in String::from_utf8_lossy(&content).lines() {
            let Some((keyword, values)) = directive(line) else { continue };
            self.directive(&keyword, &values, base);
        }
    }

    fn directive(&mut self, keyword: &str, values: &[String], base: &Path) {
        let Some(first) = values.first() else { return };
        let paths = values.iter().filter_map(|value| self.path(value));
        match keyword {
            "identityfile" => {
                let path = self.path(first);
                add(&mut self.config.keys, path);
            }
            "userknownhostsfile" | "globalknownhostsfile" => {
                let paths: Vec<_> = paths.collect();
                add(&mut self.config.known_hosts, paths);
            }
            "identityagent" => {
                let path = self.path(first);
                add(&mut self.config.agents, path);
            }
            "hostname" => add(&mut self.config.names, [first.clone()]),
            "host" => {
                let plain = values.iter().filter(|name| !name.contains(['*', '?', '!']));
                add(&mut self.config.names, plain.cloned());
            }
            "include" => {
                for value in values {
                    self.include(value, base);
                }
            }
            _ => {}
        }
    }

    /// A path with its tokens put in; `None` where it has others than the user's own, or is none at all (`none`).
    fn path(&self, value: &str) -> Option<PathBuf> {
        let value = match value.strip_prefix("~/") {
            Some(rest) => self.home.join(rest).to_str()?.to_owned(),
            None => value.to_owned(),
        };
        let home = self.home.to_str()?;
        let value = value
            .replace("%d", home)
            .replace("%u", self.user)
            .replace("${HOME}", home)
            .replace("${USER}", self.user)
            .replace("%%", "%");
        (value.starts_with('/') && !value.contains('%')).then(|| value.into())
    }

    fn include(&mut self, value: &str, base: &Path) {
        let path = match value.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => base.join(value),
        };
        let (Some(directory), Some(pattern)) =
            (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return;
        };
        if !pattern.contains(['*', '?']) {
            return self.file(&path, base);
        }
        let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MAX_FILES);
        let mut found: Vec<PathBuf> = entries
            .filter(|entry| crate::hosts::is_like(pattern.as_bytes(), entry.file_name().as_encoded_bytes()))
            .map(|entry| entry.path())
            .collect();
        found.sort_unstable();
        for path in found {
            self.file(&path, base);
        }
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, values: impl IntoIterator<Item = T>) {
    for value in values {
        if list.len() < MAX_VALUES && !list.contains(&value) {
            list.push(value);
        }
    }
}

/// The keyword of a line, in lower case, and its values: separated by blanks or one `=`, in quotes where they hold blanks.
fn directive(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_ascii_whitespace() || c == '=')?;
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let mut values = Vec::new();
    let mut value = String::new();
    let mut quoted = false;
    for c in rest.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_ascii_whitespace() && !quoted => {
                if !value.is_empty() {
                    values.push(std::mem::take(&mut value));
                }
            }
            '#' if !quoted && value.is_empty() => break,
            c => value.push(c),
        }
    }
    if !value.is_empty() {
        values.push(value);
    }
    Some((keyword.to_ascii_lowercase(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_read_and_what_it_includes() {
        let home = tempfile::tempdir().unwrap();
        let ssh = home.path().join(".ssh");
        fs::create_dir_all(ssh.join("config.d")).unwrap();
        let config = "# mine\nInclude config.d/*.conf\nHost git *.example.org !bad\n  HostName=git.example.org\n\
                      IdentityFile \"~/my keys/work\"\nIdentityFile %d/%u_key\nIdentityFile ~/.ssh/%h\n\
                      Match all\n\tUserKnownHostsFile ~/.kh /etc/kh\nIdentityAgent none\nIdentityAgent ~/a.sock\n";
        fs::write(ssh.join("config"), config).unwrap();
        fs::write(ssh.join("config.d/a.conf"), "identityfile=/keys/a\nInclude ../config\n").unwrap();
        fs::write(ssh.join("config.d/b.txt"), "IdentityFile /keys/b\n").unwrap();
        let read = Config::read(home.path(), "me");
        let at = |path: &str| home.path().join(path);
        assert_eq!(read.keys[DEFAULT_KEYS.len()..], ["/keys/a".into(), at("my keys/work"), at("me_key")]);
        assert!(read.known_hosts.contains(&at(".kh")) && read.known_hosts.contains(&"/etc/kh".into()));
        assert_eq!(read.agents, [at("a.sock")]);
        assert_eq!(read.names, ["git", "git.example.org"]);
        assert_eq!(read.others, [ssh.join("config"), ssh.join("config.d")]);
        assert!(read.files.contains(&ssh.join("config.d/a.conf")));
    }

    #[test]
    fn nothing_but_a_regular_file_is_read() {
        assert_eq!(read_file(Path::new("/dev/zero")), None);
        assert_eq!(read_file(Path::new("/")), None);
    }
}
