//! How reaches become access bits and words.

use abi::access;
use event::Reach;

/// The reaches that a file's label decides.
pub(super) const FILE_REACHES: [Reach; 6] =
    [Reach::Read, Reach::Write, Reach::Create, Reach::Remove, Reach::Exec, Reach::Unix];

/// The same in the order in which a reason speaks of them, where an operation asked for several at once.
pub(super) const ASKED_FOR: [Reach; 6] =
    [Reach::Exec, Reach::Create, Reach::Remove, Reach::Write, Reach::Unix, Reach::Read];

/// The access that a reach stands for. Mounting is decided apart: see [`super::compile`].
pub(super) fn bits(reach: Reach) -> u32 {
    match reach {
        Reach::Read => access::READ | access::LINK,
        Reach::Write => access::WRITE | access::ATTR,
        Reach::Create => access::CREATE,
        Reach::Remove => access::REMOVE,
        Reach::Exec => access::EXEC,
        Reach::Unix | Reach::Connect => access::CONNECT,
        Reach::Name => 0,
        Reach::Listen => access::LISTEN,
    }
}

/// What a session did that reached so: "no recorded session ...".
pub(crate) fn verb(reach: Reach) -> &'static str {
    match reach {
        Reach::Read => "read",
        Reach::Write => "changed",
        Reach::Create => "made",
        Reach::Remove => "removed",
        Reach::Exec => "ran",
        Reach::Unix | Reach::Connect => "connected to",
        Reach::Listen => "listened on",
        Reach::Name => "asked for",
    }
}

/// A path for people: the home is `~`, what acts on a terminal is escaped, since names come from the guarded side.
pub(crate) fn show(path: &[u8], home: &[u8]) -> String {
    let short = match path.strip_prefix(home) {
        Some(rest) if !home.is_empty() && (rest.is_empty() || rest.starts_with(b"/")) => Some(rest),
        _ => None,
    };
    let home = if short.is_some() { "~" } else { "" };
    format!("{home}{}", text::shown(short.unwrap_or(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_users_write_them() {
        assert_eq!(show(b"/home/u/a\x1b", b"/home/u"), "~/a\\u{1b}");
        assert_eq!(show(b"/home/user", b"/home/u"), "/home/user");
        assert_eq!(show(b"/x\xff", b""), "/x\\xff");
    }
}
