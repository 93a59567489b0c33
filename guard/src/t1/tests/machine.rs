//! A small machine in memory, and the policy that a baseline becomes on it.

use super::super::*;
use abi::access::{CREATE, EXEC, READ, REMOVE, WRITE};
use abi::{FileKey, Label};
use bstr::{BStr, BString, ByteSlice};
use std::collections::BTreeMap;

/// A file system in memory: path, and whether it is a directory.
pub(super) struct Machine(pub(super) BTreeMap<BString, Entry>);

impl Machine {
    pub(super) fn new(files: &[&str]) -> Self {
        let mut machine = Self(BTreeMap::new());
        for path in files {
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                machine.add(if end == 0 { b"/" } else { &path.as_bytes()[..end] }, end < path.len());
            }
        }
        machine
    }
    pub(super) fn add(&mut self, path: &[u8], directory: bool) {
        let ino = self.0.len() as u64 + 1;
        let magic = if path == b"/proc" { 0x9fa0 } else { 0xef53 };
        let mode = match path.ends_with(b"everybody") {
            true => libc::S_IFDIR | 0o1777,
            false if directory => libc::S_IFDIR | 0o755,
            false => libc::S_IFREG | 0o644,
        };
        let key = FileKey { ino, dev: 1, generation: 0 };
        self.0.entry(path.into()).or_insert(Entry { key, mode, magic });
    }
    pub(super) fn key(&self, path: &str) -> FileKey {
        self.0[BStr::new(path.as_bytes())].key
    }
}

impl Files for Machine {
    fn look(&self, path: &BStr) -> Option<Entry> {
        self.0.get(path).copied()
    }
    fn names(&self, path: &BStr, limit: usize) -> Option<(Vec<BString>, bool)> {
        let prefix = if path == "/" { BString::from("/") } else { [path.as_bytes(), b"/"].concat().into() };
        let names: Vec<BString> = self
            .0
            .keys()
            .filter_map(|known| known.strip_prefix(prefix.as_slice()))
            .filter(|rest| !rest.is_empty() && !rest.contains(&b'/'))
            .map(BString::from)
            .collect();
        let cut = names.len() > limit;
        Some((names.into_iter().take(limit).collect(), cut))
    }
    fn target(&self, path: &BStr) -> Option<BString> {
        self.0.contains_key(path).then(|| path.into())
    }
    fn head(&self, _: &BStr) -> Option<Vec<u8>> {
        None
    }
    fn mounts(&self) -> Vec<BString> {
        vec!["/".into(), "/proc".into()]
    }
}

const FILES: &[&str] = &[
    "/home/u/.agentrc",
    "/home/u/letter.txt",
    "/home/u/Documents/tax.pdf",
    "/home/u/.cache/agent/old",
    "/home/u/.cache/agent/fan/old",
    "/home/u/.cache/browser/x",
    "/home/u/projects/app/src/main.rs",
    "/home/u/projects/other/secret.rs",
    "/home/u/bin/tool",
    "/home/v/x",
    "/usr/bin/cat",
    "/usr/bin/nc",
    "/usr/lib/libc.so.6",
    "/usr/lib/libz.so",
    "/etc/passwd",
    "/srv/data/x",
    "/tmp/theirs/x",
    "/tmp/everybody/old",
    "/srv/everybody/old",
    "/dev/null",
    "/dev/sda",
    "/proc/x",
];

pub(super) struct Compiled {
    pub(super) machine: Machine,
    pub(super) policy: Policy,
    pub(super) reasons: Reasons,
}

pub(super) fn compiled_of(novelty: &Novelty) -> Compiled {
    let (machine, reasons) = (Machine::new(FILES), Reasons::default());
    let context = Context {
        workspaces: vec!["/home/u/projects/app".into()],
        home: "/home/u".into(),
        uid: 1000,
        ..Context::default()
    };
    let normal = Normal { agent: "demo-agent".into(), task: Some("summarize".into()) };
    let policy = compile(novelty, &normal, &context, &machine, &reasons, 7).unwrap();
    Compiled { machine, policy, reasons }
}

impl Compiled {
    /// What the kernel's walk refuses: the nearest labelled ancestor decides.
    pub(super) fn label(&self, path: &str) -> Label {
        let mut path = path;
        loop {
            let at = if path.is_empty() { "/" } else { path };
            if let Some(entry) = self.machine.look(at.as_bytes().as_bstr())
                && let Some((_, label)) = self.policy.labels.iter().find(|(key, _)| *key == entry.key)
            {
                return *label;
            }
            assert_ne!(at, "/", "the root has no label");
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
    /// Why the kernel does not let a name be made in a directory; `None` where it lets it.
    pub(super) fn refused(&self, directory: &str, name: &str) -> Option<String> {
        let dir = self.machine.key(directory);
        let label = self.policy.labels.iter().find(|(key, _)| *key == dir).map(|(_, label)| label)?;
        let reason = names::reason(&self.policy, dir, name.into());
        assert_eq!(
            label.flags & abi::LABEL_NAMES != 0,
            reason != 0 || self.policy.names.iter().any(|(key, _)| key.dir == dir)
        );
        (reason != 0).then(|| self.reasons.explain(reason))
    }
    /// Directories that have names as soon as sessions make them.
    pub(super) fn awaited(&self) -> Vec<&str> {
        self.policy.awaited.keys().filter_map(|path| path.to_str().ok()?.strip_prefix("/home/u/")).collect()
    }
    pub(super) fn denied(&self, path: &str) -> u32 {
        self.label(path).deny & (READ | WRITE | EXEC | CREATE | REMOVE)
    }
    /// Whether a policy lets something be made under names of which the first is new in a directory.
    pub(super) fn lets_make(&self, directory: &str, names: &[&str]) -> bool {
        if self.denied(directory) & CREATE != 0 || self.refused(directory, names[0]).is_some() {
            return false;
        }
        let mut made = directory.to_owned();
        names.windows(2).all(|pair| {
            made = format!("{}/{}", made.trim_end_matches('/'), pair[0]);
            let names = self.policy.awaited.get(BStr::new(made.as_bytes()));
            names.is_none_or(|names| names.lets(pair[1].into()))
        })
    }
}
