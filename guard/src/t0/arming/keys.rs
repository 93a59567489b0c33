//! The keys of ssh and gpg. `ssh` needs what lies beside its keys (`config`, `known_hosts`, public keys), and has no right of
//! its own to it: what surely holds no secret may be read by everybody inside, and the rest by nobody.

use super::Arming;
use super::place::OWN_LABELS;
use crate::t0::guarded::Guarded;
use crate::walk::{self, Found, Node, Visit};
use crate::{Error, reason};
use abi::{FileKey, Label, access};
use bstr::{BStr, ByteSlice};
use event::jewel::jewels;
use policy::Walk;
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of a file that is looked at.
const MAX_BYTES: u64 = 4 << 20;

impl Arming<'_> {
    /// What may be read in `~/.ssh`: files that surely hold no secret, and the directories there that they lie in, which
    /// `Include` lists.
    pub(super) fn public_files(&mut self, guarded: &Guarded) -> Result<(), Error> {
        let home = guarded.home.join(".ssh");
        let Found::Node(ssh) = self.links.open(self.list, &home) else { return Ok(()) };
        if !ssh.is_dir() {
            return Ok(());
        }
        let mut public = HashSet::new();
        let mut directories: Vec<(Vec<u8>, FileKey)> = Vec::new();
        let walked = walk::below(self.list, ssh.fd.as_fd(), Visit::All, OWN_LABELS, &mut |path, node| {
            if node.is_dir() {
                directories.push((path.to_vec(), node.identity.file));
            } else if is_named_public(path) {
                let behind =
                    if node.is_link() { self.behind(&home.join(path.to_os_str_lossy())) } else { None };
                let node = behind.as_ref().unwrap_or(node);
                if !is_public(node) {
                    return Ok(true);
                }
                public.insert(node.identity.file);
                let above = directories.iter().filter(|(directory, _)| is_above(directory, path));
                public.extend(above.map(|(_, directory)| *directory));
            }
            Ok(true)
        })?;
        if walked.cut || walked.unreadable > 0 {
            self.coverage.warnings.push(
                "not everything in `~/.ssh` could be looked at: nothing in it may be read, not even by `ssh`"
                    .into(),
            );
            return Ok(());
        }
        self.public = public;
        Ok(())
    }

    /// Keys and agents that the user's configuration names. The configuration is the user's, who may let it name anything:
    /// only the user's own keys and sockets are labelled.
    pub(super) fn named_keys(&mut self, guarded: &Guarded) -> Result<(), Error> {
        let key = Label { deny: access::ALL, reason: reason::NAMED_KEY, flags: 0 };
        for path in &guarded.key_files.keys {
            if let Some(node) = self.users_own(path, guarded)
                && walk::is(node.identity.mode, libc::S_IFREG)
            {
                self.label(&node, &key)?;
            }
        }
        let believed = Label { deny: access::MODIFY, reason: reason::NAMED_FILE, flags: 0 };
        let ssh = guarded.home.join(".ssh");
        for path in guarded.key_files.files.iter().filter(|path| !path.starts_with(&ssh)) {
            if let Some(node) = self.users_own(path, guarded)
                && walk::is(node.identity.mode, libc::S_IFREG)
            {
                self.label(&node, &believed)?;
            }
        }
        let agent = Label { deny: access::CONNECT, reason: reason::NAMED_AGENT, flags: 0 };
        for path in &guarded.key_files.agents {
            if let Some(node) = self.users_own(path, guarded)
                && node.is_socket()
            {
                self.label(&node, &agent)?;
            }
        }
        let Some(gnupg) = &guarded.key_files.gnupg else { return Ok(()) };
        let row = jewels().iter().position(|jewel| jewel.rule.kind == policy::Kind::Gpg);
        let number = row.map_or(reason::NAMED_KEY, reason::of_jewel);
        match self.users_own(gnupg, guarded) {
            Some(node) if node.is_dir() && !self.ground.untouchable.contains(&node.identity.file) => {
                self.path(gnupg, &Label { deny: access::ALL, reason: number, flags: 0 }, Walk::Whole)
            }
            _ => Ok(()),
        }
    }

    fn users_own(&self, path: &Path, guarded: &Guarded) -> Option<Node> {
        match self.links.open(self.list, path) {
            Found::Node(node) if node.identity.uid == guarded.uid => Some(node),
            _ => None,
        }
    }
}

/// Whether a directory is one that a path lies in.
fn is_above(directory: &[u8], path: &BStr) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Whether a file in `~/.ssh` has a name of what holds no secret: ssh(1), FILES; ssh-keygen(1), ALLOWED SIGNERS.
fn is_named_public(path: &BStr) -> bool {
    const NAMES: [&[u8]; 5] =
        [b"config", b"known_hosts", b"known_hosts2", b"known_hosts.old", b"allowed_signers"];
    let mut parts = path.rsplit_str("/");
    let name = parts.next().unwrap_or_default();
    NAMES.contains(&name) || name.ends_with(b".pub") || parts.any(|directory| directory == b"config.d")
}

/// Whether a file surely holds no private key.
fn is_public(node: &Node) -> bool {
    if !walk::is(node.identity.mode, libc::S_IFREG) {
        return false;
    }
    let mut content = Vec::new();
    // Who has a lease on it is not waited for.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOATIME)
        .open(format!("/proc/self/fd/{}", node.fd.as_raw_fd()));
    let read = opened.and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content));
    read.is_ok_and(|read| read as u64 <= MAX_BYTES) && !broker::is_private(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_known_by_name_and_content() {
        for name in
            ["config", "known_hosts", "id_ed25519.pub", "work/id.pub", "config.d/50-work", "x/config.d/a"]
        {
            assert!(is_named_public(name.into()), "{name}");
        }
        for name in ["id_ed25519", "authorized_keys", "canary", "config.bak", "known_hosts.tmp", "pub"] {
            assert!(!is_named_public(name.into()), "{name}");
        }
        assert!(is_above(b"a", b"a/b".into()) && !is_above(b"a", b"ab".into()));
    }
}
