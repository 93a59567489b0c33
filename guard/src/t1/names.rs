//! What may be made in a directory, by name: where sessions make the same names each time, others do not belong. What a
//! session numbers, dates or draws in a name is left open: see [`abi::pattern`].
//!
//! Names hold for what is new: who moves something to a name is not asked for it, since what sessions move to is not
//! learned.

use abi::pattern::{Digest, Pattern};
use abi::{FileKey, LABEL_NAMES, LABEL_STATE, NAME_EXACT, NAME_LEN, NAME_PATTERN, T1NameKey};
use bstr::BStr;
use std::collections::BTreeSet;

/// A name that may be made, or what names may be made that have a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// `NAME_EXACT` or `NAME_PATTERN`
    kind: u32,
    name: [u8; NAME_LEN],
}

impl Name {
    /// What nothing else stands for.
    const OTHERS: Self = Self { kind: NAME_EXACT, name: [0; NAME_LEN] };

    /// It in a directory, under a policy.
    pub(super) fn key(self, dir: FileKey, policy: u32) -> T1NameKey {
        T1NameKey { dir, policy, kind: self.kind, name: self.name }
    }

    /// A name as the kernel's map has it; `None` where it is too long.
    pub(super) fn exact(name: &BStr) -> Option<Self> {
        Some(Self { kind: NAME_EXACT, name: crate::name::padded(name)? })
    }

    /// A template as the kernel's map has it: by its number.
    pub(super) fn pattern(template: &BStr) -> Self {
        let mut pattern = Pattern::new(Digest::EMPTY);
        template.iter().for_each(|&byte| pattern.add(byte));
        Self { kind: NAME_PATTERN, name: pattern.finish().as_name() }
    }
}

/// The names of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What may be made, as the kernel's map has it.
    pub known: BTreeSet<Name>,
    /// Why nothing else may.
    pub reason: u32,
    /// What the label of the directory refuses besides, once somebody has made it.
    pub deny: u32,
    /// Why.
    pub deny_reason: u32,
    /// `LABEL_NAMES`; or `LABEL_STATE`, and no names.
    pub flags: u32,
}

impl Names {
    /// A directory of the agent's own state.
    pub(super) fn of_state(deny: u32) -> Self {
        Self { known: BTreeSet::new(), reason: 0, deny, deny_reason: 0, flags: LABEL_STATE }
    }

    /// Whether a name may be made.
    #[cfg(test)]
    pub(super) fn lets(&self, name: &BStr) -> bool {
        let exact = Name::exact(name).is_some_and(|name| self.known.contains(&name));
        exact || self.known.contains(&Name::pattern(name))
    }

    /// As the kernel's map has them, for a directory that is there.
    pub(super) fn entries(&self, dir: FileKey, policy: u32) -> impl Iterator<Item = (T1NameKey, u32)> {
        let known = self.known.iter().map(move |name| (name.key(dir, policy), 0));
        let others = (self.flags == LABEL_NAMES).then(|| (Name::OTHERS.key(dir, policy), self.reason));
        known.chain(others)
    }
}

/// As the kernel side answers: the reason for which a name may not be made in a directory; 0: it may.
#[cfg(test)]
pub(super) fn reason(policy: &super::policy::Policy, dir: FileKey, name: &BStr) -> u32 {
    let of = |name: Name| {
        let key = name.key(dir, policy.number);
        policy.names.iter().find(|(known, _)| *known == key).map(|(_, reason)| *reason)
    };
    let exact = Name::exact(name).and_then(of);
    exact.or_else(|| of(Name::pattern(name))).or_else(|| of(Name::OTHERS)).unwrap_or(0)
}

/// As the kernel side answers: the reason for which nothing is changed at a path below a directory of the agent's own state.
#[cfg(test)]
pub(super) fn obeyed(policy: &super::policy::Policy, below: &std::path::Path) -> u32 {
    use std::os::unix::ffi::OsStrExt;
    let of = |name: &std::ffi::OsStr| {
        let key = Name::exact(name.as_bytes().into())?.key(abi::ANY_DIR, policy.number);
        policy.names.iter().find(|(known, _)| *known == key).map(|(_, reason)| *reason)
    };
    below.iter().find_map(of).unwrap_or(0)
}
