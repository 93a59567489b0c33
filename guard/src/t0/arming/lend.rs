//! What is lent: files that may be read in spite of whatever closes their places. Who reads one takes its loan, which the kernel
//! side keeps. What is made there later is closed as before.

use super::Arming;
use super::place::OWN_LABELS;
use crate::Error;
use crate::t0::guarded::Guarded;
use crate::t0::held::{Key, plain};
use crate::walk::{self, Visit};
use abi::{LABEL_READABLE, Label, loan};
use policy::Site;
use std::os::fd::AsFd;
use std::path::Path;

impl Arming<'_> {
    /// Lends what rules lend. A link of the user's leads to what is the user's own.
    pub(super) fn lend(&mut self, guarded: &Guarded) -> Result<(), Error> {
        for (number, rule) in (0..).zip(guarded.rules.loans()) {
            for site in &rule.sites {
                let Site::Home(path) = site else { continue };
                for path in self.paths(path, guarded) {
                    self.lend_at(&path, loan(number))?;
                }
            }
        }
        Ok(())
    }

    fn lend_at(&mut self, path: &Path, loan: u32) -> Result<(), Error> {
        let Some(node) = self.behind(path) else { return Ok(()) };
        if !node.is_dir() {
            return self.lend_node(&node, LABEL_READABLE | loan);
        }
        // To be listed; what lies in it is lent file by file.
        self.lend_node(&node, LABEL_READABLE)?;
        let (list, uid) = (self.list, self.uid);
        let walked = walk::below(list, node.fd.as_fd(), Visit::All, OWN_LABELS, &mut |_, below| {
            self.in_time()?;
            let is_file = walk::is(below.identity.mode, libc::S_IFREG);
            if below.identity.uid == uid && (is_file || below.is_dir()) {
                self.lend_node(below, LABEL_READABLE | if is_file { loan } else { 0 })?;
            }
            Ok(true)
        })?;
        if walked.cut {
            self.warn(path, &format!("of what it holds, only the first {OWN_LABELS} files are lent"));
        }
        Ok(())
    }

    fn lend_node(&mut self, node: &walk::Node, flags: u32) -> Result<(), Error> {
        let file = node.identity.file;
        let lent = self.lent.entry(file).or_default();
        *lent |= flags;
        let flags = *lent;
        // Where no rule closes it, it is lent all the same.
        self.mark(node);
        self.hold(Key::File(file), &Label { flags, ..plain(0, 0) })
    }
}
