//! A session as its user names it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A session, by its number or as the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SessionRef {
    /// The one that began last, of those that are meant.
    Last,
    /// The one of this number.
    Number(i64),
}

/// A text that names no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no session: give its number, or `last`; `wardline sessions` lists them")]
pub struct NoSession(String);

/// What stands for the last one.
const LAST: &str = "last";

impl FromStr for SessionRef {
    type Err = NoSession;

    fn from_str(text: &str) -> Result<SessionRef, NoSession> {
        match text.parse() {
            _ if text == LAST => Ok(SessionRef::Last),
            Ok(number) if number > 0 => Ok(SessionRef::Number(number)),
            // What is told back has one line.
            _ => Err(NoSession(text.escape_debug().take(64).collect())),
        }
    }
}

impl TryFrom<String> for SessionRef {
    type Error = NoSession;

    fn try_from(text: String) -> Result<SessionRef, NoSession> {
        text.parse()
    }
}

impl From<SessionRef> for String {
    fn from(session: SessionRef) -> String {
        session.to_string()
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionRef::Last => f.write_str(LAST),
            SessionRef::Number(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_its_number_or_as_the_last() {
        assert_eq!("last".parse(), Ok(SessionRef::Last));
        assert_eq!("17".parse(), Ok(SessionRef::Number(17)));
        assert_eq!(SessionRef::Number(17).to_string().parse(), Ok(SessionRef::Number(17)));
        for bad in ["", "0", "-1", "Last", "17.1", "9223372036854775808", "x\ny"] {
            let error = bad.parse::<SessionRef>().unwrap_err().to_string();
            assert!(error.contains("`last`") && !error.contains('\n'), "{error}");
        }
    }
}
