//! Facts about the machine.

use guard::magic;
use serde::Serialize;
use std::fs;
use std::path::Path;
use wire::Confinement;

/// Facts about the kernel and this process.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// `uname -r`
    pub kernel: String,
    /// `uname -m`
    pub machine: String,
    /// The kernel has type information.
    pub btf: bool,
    /// Active LSMs, in their order; empty where securityfs is not mounted.
    pub lsm: Vec<String>,
    /// The lockdown mode, where there is one.
    pub lockdown: Option<String>,
    /// Where cgroup v2 is mounted.
    pub cgroup2: Option<String>,
    /// Effective capabilities that matter.
    pub capabilities: Vec<String>,
    /// Limit of locked memory, bytes; `None`: unlimited. Kernels from 5.11 on do not charge BPF maps to it.
    pub memlock: Option<u64>,
    /// What a session that is started like this can be given.
    pub confinement: Confinement,
    /// File systems that matter.
    pub file_systems: Vec<FileSystem>,
}

/// A file system, and whether its files can be known by identity.
#[derive(Debug, Serialize)]
pub struct FileSystem {
    /// Where.
    pub path: String,
    /// Its type.
    pub kind: String,
    /// Its files have a lasting identity, or are decided by who reaches for them.
    pub enforceable: bool,
    /// In words.
    pub note: String,
}

/// Capabilities that Wardline uses, by bit (linux/capability.h).
const CAPABILITIES: [(u32, &str); 7] = [
    (39, "bpf"),
    (38, "perfmon"),
    (21, "sys_admin"),
    (12, "net_admin"),
    (19, "sys_ptrace"),
    (5, "kill"),
    (7, "setuid"),
];

impl Facts {
    /// Reads them.
    pub fn read() -> Self {
        let uname = rustix::system::uname();
        Self {
            kernel: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            lsm: read("/sys/kernel/security/lsm").map_or_else(Vec::new, |lsm| split(&lsm)),
            lockdown: read("/sys/kernel/security/lockdown").and_then(|modes| chosen(&modes)),
            cgroup2: sys::mountinfo::cgroup_root().ok().map(|path| path.display().to_string()),
            capabilities: read("/proc/self/status").map_or_else(Vec::new, |status| capabilities(&status)),
            memlock: rustix::process::getrlimit(rustix::process::Resource::Memlock).current,
            confinement: guard::confine::offer(),
            file_systems: file_systems(),
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn split(list: &str) -> Vec<String> {
    list.trim().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The one in brackets.
fn chosen(modes: &str) -> Option<String> {
    let (_, rest) = modes.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

fn capabilities(status: &str) -> Vec<String> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    let bits = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
    CAPABILITIES.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| (*name).to_owned()).collect()
}

/// The root, the home, the temporary directory and the current one; each file system once.
fn file_systems() -> Vec<FileSystem> {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let here = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    let mut found: Vec<FileSystem> = Vec::new();
    for path in ["/".to_owned(), home, "/tmp".to_owned(), here] {
        let Ok(stat) = rustix::fs::statfs(path.as_str()) else { continue };
        let file_system = magic::file_system(stat.f_type as u64);
        let note = match (file_system.enforceable, file_system.ephemeral) {
            (true, _) => "enforceable",
            (false, true) => "of the kernel's own: decided by who reaches for it",
            (false, false) => "not enforceable: its files have no lasting identity",
        };
        let row = FileSystem {
            path,
            kind: file_system.name.to_owned(),
            enforceable: file_system.enforceable || file_system.ephemeral,
            note: note.to_owned(),
        };
        if !found.iter().any(|other| other.path == row.path) {
            found.push(row);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(split("capability,landlock,bpf\n"), ["capability", "landlock", "bpf"]);
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity".to_owned()));
        assert_eq!(capabilities("Name:\tx\nCapEff:\t0000008000000020\n"), ["bpf", "kill"]);
        assert!(!Facts::read().kernel.is_empty());
    }
}
