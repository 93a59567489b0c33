//! The part of a gpg-agent's protocol (Assuan) that a session may use with the user's own agent, beside what that agent's
//! restricted socket already refuses: what is needed to sign.

use crate::Use;

/// Bytes of the longest line: `ASSUAN_LINELENGTH`.
pub const MAX_LINE: usize = 1002;

/// Commands that change nothing and show no secret, and the ends of answers to the agent's questions.
const HARMLESS: [&str; 13] = [
    "AGENT_ID",
    "BYE",
    "CAN",
    "END",
    "GETINFO",
    "HAVEKEY",
    "KEYINFO",
    "NOP",
    "OPTION",
    "READKEY",
    "RESET",
    "SETHASH",
    "SETKEYDESC",
];

/// One connection: the key that was chosen last.
#[derive(Debug, Default)]
pub struct Filter {
    key: String,
}

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// It is handed on.
    Passed,
    /// It is handed on, and a key is used by it.
    Used(Use),
    /// It is answered with this, and not handed on.
    Refused(&'static str, Use),
}

/// `GPG_ERR_FORBIDDEN` of the agent, as gpg shows it.
const FORBIDDEN: &str = "ERR 67109115 Forbidden <GPG Agent>\n";

impl Filter {
    /// Decides about a line of the session, without its end.
    pub fn line(&mut self, line: &[u8]) -> Line {
        let line = String::from_utf8_lossy(line);
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let command = command.to_ascii_uppercase();
        let used = |key: &str, refused: Option<String>| Use {
            purpose: "gpg".into(),
            key: key.into(),
            host: String::new(),
            refused,
        };
        match command.as_str() {
            "SIGKEY" | "SETKEY" => {
                self.key = rest.chars().filter(char::is_ascii_hexdigit).take(40).collect();
                Line::Passed
            }
            "PKSIGN" => Line::Used(used(&self.key, None)),
            "PKDECRYPT" => {
                let why =
                    "sessions sign with your gpg keys and decrypt nothing: decrypt it outside the session";
                Line::Refused(FORBIDDEN, used(&self.key, Some(why.into())))
            }
            // A comment, and an empty line.
            "" => Line::Passed,
            command if command.starts_with('#') || HARMLESS.contains(&command) => Line::Passed,
            command => {
                let shown: String = command.chars().take(32).collect();
                let why = format!(
                    "`{shown}` of gpg's agent is not for sessions, which sign and no more: do it outside the session"
                );
                Line::Refused(FORBIDDEN, used("", Some(why)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_signs_and_neither_exports_nor_decrypts() {
        let mut filter = Filter::default();
        for line in ["GETINFO version", "option ttyname=/dev/pts/1", "SETHASH 8 AB", "# x", ""] {
            assert_eq!(filter.line(line.as_bytes()), Line::Passed, "{line}");
        }
        assert_eq!(filter.line(b"SIGKEY 0123ABCD"), Line::Passed);
        let Line::Used(used) = filter.line(b"PKSIGN") else { panic!() };
        assert_eq!((used.key.as_str(), used.refused), ("0123ABCD", None));
        for line in [
            "PKDECRYPT",
            "EXPORT_KEY --openpgp x",
            "export_key x",
            "IMPORT_KEY",
            "DELETE_KEY x",
            "PASSWD x",
            "PRESET_PASSPHRASE x",
            "GET_PASSPHRASE x",
            "SCD SERIALNO",
            "KILLAGENT",
            "RELOADAGENT",
            "GENKEY",
            "KEYWRAP_KEY --export",
            "LEARN",
            "D x",
            "\u{1}",
        ] {
            assert!(matches!(filter.line(line.as_bytes()), Line::Refused(..)), "{line}");
        }
    }
}
