//! Whether a word names a secret: `--db-password`, `GITHUB_TOKEN`, `x-api-key`, `spring.datasource.password`.

/// Bytes of the longest name that is looked at.
pub(super) const NAME_MAX: usize = 64;

/// Words that name a token where they stand last.
const SECRETS: [&str; 11] = [
    "accesstoken",
    "apikey",
    "apitoken",
    "authtoken",
    "bearer",
    "credential",
    "credentials",
    "secret",
    "secretkey",
    "secrets",
    "token",
];
/// Ends of a word that is written together.
const ENDS: [&str; 6] = ["password", "passwd", "passphrase", "apikey", "token", "secret"];
/// Words before `key` that make it a secret one.
const KEYS: [&str; 16] = [
    "access",
    "account",
    "api",
    "app",
    "auth",
    "authorization",
    "client",
    "deploy",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "session",
    "signing",
];
/// Words before `key` that make a variable's key none.
const OTHER_KEYS: [&str; 10] =
    ["cache", "foreign", "gpg", "partition", "primary", "public", "registry", "routing", "sort", "ssh"];
/// Last words that leave the meaning with the word before.
const FOLLOWING: [&str; 7] = ["b64", "base64", "data", "plain", "plaintext", "text", "value"];
/// First words of a switch that takes no value.
const SWITCHES: [&str; 9] = ["ask", "check", "hide", "no", "prompt", "show", "use", "verify", "without"];
/// Whole names that only look like a secret's.
const HARMLESS: [&str; 2] = ["PWD", "OLDPWD"];

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// A password: any text.
    Password,
    /// A token or a key.
    Token,
    /// What stands behind `Authorization`: a scheme and a token.
    Authorization,
}

/// What a name names; `None`: nothing secret.
pub(super) fn names(name: &[u8]) -> Option<Names> {
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME_MAX)?;
    if HARMLESS.contains(&name) {
        return None;
    }
    let words = words(name);
    let mut rest = words.as_slice();
    while let [before @ .., last] = rest
        && !before.is_empty()
        && (FOLLOWING.contains(&last.as_str()) || last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        rest = before;
    }
    let [before @ .., last] = rest else { return None };
    if before.first().is_some_and(|first| SWITCHES.contains(&first.as_str())) {
        return None;
    }
    let last = last.as_str();
    let variable = name.bytes().all(|byte| !byte.is_ascii_lowercase());
    match last {
        "authorization" => return Some(Names::Authorization),
        "pass" | "passcode" | "passin" | "passout" | "passphrase" | "passwd" | "password" | "pwd" => {
            return Some(Names::Password);
        }
        "key" => {
            let of = before.last()?.as_str();
            let secret = KEYS.contains(&of) || (variable && !OTHER_KEYS.contains(&of));
            return secret.then_some(Names::Token);
        }
        // A personal access token.
        "pat" => return variable.then_some(Names::Token),
        _ => {}
    }
    if SECRETS.contains(&last) {
        return Some(Names::Token);
    }
    let end = ENDS.iter().find(|end| last.ends_with(*end))?;
    Some(if end.starts_with("pass") { Names::Password } else { Names::Token })
}

/// The words of a name in lower case: apart at what is no letter or digit, and where a capital follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut apart = true;
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() {
            apart = true;
        } else {
            if apart || (before.is_ascii_lowercase() && c.is_ascii_uppercase()) {
                words.push(String::new());
            }
            apart = false;
            if let Some(word) = words.last_mut() {
                word.push(c.to_ascii_lowercase());
            }
        }
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for (name, what) in [
            ("--password", Names::Password),
            ("PGPASSWORD", Names::Password),
            ("-DdbPassword", Names::Password),
            ("spring.datasource.password", Names::Password),
            ("DB_PASS_2", Names::Password),
            ("GITHUB_TOKEN", Names::Token),
            ("_authToken", Names::Token),
            ("X-Api-Key", Names::Token),
            ("AWS_SECRET_ACCESS_KEY", Names::Token),
            ("STRIPE_KEY", Names::Token),
            ("OPENAI_API_KEY", Names::Token),
            ("client_secret", Names::Token),
            ("Proxy-Authorization", Names::Authorization),
        ] {
            assert_eq!(names(name.as_bytes()), Some(what), "{name}");
        }
    }

    #[test]
    fn names_of_other_things_are_not() {
        for name in [
            "PWD",
            "PATH",
            "max_tokens",
            "--token-file",
            "tokenizer",
            "PASS_RATE",
            "--no-password",
            "sort-key",
            "--key",
            "PUBLIC_KEY",
            "CACHE_KEY",
            "credential.helper",
            "PasswordAuthentication",
            "compass",
            "SECRET_NAME",
            "AWS_ACCESS_KEY_ID",
            "monkey",
            "",
            "-",
            "passenger",
        ] {
            assert_eq!(names(name.as_bytes()), None, "{name}");
        }
    }
}
