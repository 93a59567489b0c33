//! Names that users give: of an agent, and of a task.
//!
//! A name becomes part of a file's name and a word of tables, so that it is short and plain, and is checked once, where it
//! comes in.

use policy::{NAME_LONGEST as LONGEST, is_name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The word for what nobody said, when it is written and when it is read: the task of a session, or the agent whose program has no
/// name.
const UNSAID: &str = "unknown";

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {LONGEST} letters, digits, `.`, `-` and `_`, and does not begin with a dot")]
pub struct NoName;

/// Declares a kind of name.
macro_rules! name {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Option<Box<str>>);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                self.0.as_deref().unwrap_or(UNSAID)
            }

            /// Whether nobody said it.
            pub fn is_unsaid(&self) -> bool {
                self.0.is_none()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl FromStr for $name {
            type Err = NoName;

            fn from_str(text: &str) -> Result<Self, NoName> {
                match text {
                    UNSAID => Ok(Self(None)),
                    text if is_name(text) => Ok(Self(Some(text.into()))),
                    _ => Err(NoName),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NoName;

            fn try_from(text: String) -> Result<Self, NoName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

name! {
    /// The name of an agent.
    AgentName
}

name! {
    /// The name of a task.
    TaskName
}

impl AgentName {
    /// That of a program which no agent is known by: its file's name, with a dash for what no name has.
    pub fn of_program(path: &[u8]) -> AgentName {
        let name = path.rsplit(|&byte| byte == b'/').find(|name| !name.is_empty()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
        let name: String = String::from_utf8_lossy(name).chars().map(plain).take(LONGEST).collect();
        let name = name.trim_start_matches('.');
        let is_one = !name.trim_matches(['.', '-']).is_empty() && name != UNSAID;
        AgentName(is_one.then(|| name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_name_and_no_more() {
        assert_eq!("mini-swe_agent.2".parse::<AgentName>().unwrap().as_str(), "mini-swe_agent.2");
        for bad in ["", ".x", "../x", "a/b", "a b", "a+b", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(bad.parse::<TaskName>(), Err(NoName), "{bad}");
        }
    }

    #[test]
    fn what_nobody_said_has_a_word() {
        let unsaid = TaskName::default();
        assert!(unsaid.is_unsaid() && !"edit".parse::<TaskName>().unwrap().is_unsaid());
        assert_eq!(unsaid.to_string().parse(), Ok(unsaid));
    }

    #[test]
    fn every_program_has_a_name() {
        for (path, name) in [
            ("/usr/bin/my agent", "my-agent"),
            ("/opt/x/", "x"),
            ("/", "unknown"),
            ("...", "unknown"),
            ("/a/.hidden", "hidden"),
            ("/a/unknown", "unknown"),
        ] {
            let named = AgentName::of_program(path.as_bytes());
            assert_eq!(named.as_str(), name);
            assert_eq!(named.as_str().parse(), Ok(named));
        }
    }
}
