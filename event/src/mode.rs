//! The mode of a session.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Training: the static deny-list is enforced, everything is written down.
    #[default]
    Record,
    /// Every stage refuses.
    Enforce,
    /// Every stage decides, none refuses.
    Shadow,
}

impl Mode {
    /// Its name, as users see it and as the store keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Record => "record",
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
