//! Recognises variables that look like secrets. The kernel does not see a process reading its own environment, so what is
//! secret in it is named before the command starts, and dropped on request.

use std::collections::BTreeSet;
use std::ffi::OsString;

/// Words between underscores that make a variable's name a secret's.
const WORDS: [&str; 13] = [
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "KEY",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PAT",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
];

/// Names that only look like a secret's.
const HARMLESS: [&str; 3] = ["OLDPWD", "PWD", "GPG_KEY"];

/// Names of the variables that look like secrets, sorted.
pub fn secrets(variables: &[(OsString, OsString)]) -> Vec<String> {
    let found: BTreeSet<String> = variables
        .iter()
        .filter(|(name, value)| is_secret(&name.to_string_lossy(), &value.to_string_lossy()))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    found.into_iter().collect()
}

fn is_secret(name: &str, value: &str) -> bool {
    if value.is_empty() || HARMLESS.contains(&name) {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    let named = upper.split('_').any(|word| WORDS.contains(&word))
        || ["APIKEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|end| upper.ends_with(end));
    // A path to a socket or a file is no secret by itself; the file is watched where it lies.
    (named && !value.starts_with('/'))
        || event::secret::begins_like_a_key(value.as_bytes())
        || carries_password(value)
}

/// `scheme://user:password@host`
fn carries_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, p)| !p.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_are_known_by_name_or_value() {
        for (name, value) in [
            ("OPENAI_API_KEY", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("GITHUB_TOKEN", "x"),
            ("npmToken", "x"),
            ("DB_PASSWORD", "x"),
            ("HARMLESS", "ghp_0123"),
            ("DATABASE_URL", "postgres://u:p@db/x"),
        ] {
            assert!(is_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("PWD", "/home/u"),
            ("KEYBOARD", "us"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
            ("MONKEY", "x"),
            ("HOMEPAGE", "https://example.org/a@b:c"),
            ("PROXY", "http://user@proxy"),
            ("API_TOKEN", ""),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }
}
