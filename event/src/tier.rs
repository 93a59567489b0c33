//! The tier of a kernel.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a kernel can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// BPF LSM programs load and fire: every operation can be refused in the kernel.
    Lsm,
    /// Only tracepoints and cgroup hooks: the deny-list also feeds fanotify, and what is left is killed or frozen.
    #[default]
    Tracepoint,
}

impl Tier {
    /// Its name, as users see it and as the store keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Lsm => "lsm",
            Tier::Tracepoint => "tracepoint",
        }
    }

    /// What holds of several together: what each of them can do.
    pub fn common(tiers: impl IntoIterator<Item = Tier>) -> Tier {
        let mut tiers = tiers.into_iter().peekable();
        let has_some = tiers.peek().is_some();
        if has_some && tiers.all(|tier| tier == Tier::Lsm) { Tier::Lsm } else { Tier::Tracepoint }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_can_do_what_each_of_them_can() {
        use Tier::{Lsm, Tracepoint};
        assert_eq!(Tier::common([Lsm, Lsm]), Lsm);
        assert_eq!(Tier::common([Lsm, Tracepoint]), Tracepoint);
        assert_eq!(Tier::common([]), Tracepoint);
    }
}
