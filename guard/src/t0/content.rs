//! Whether the file of a jewel surely holds no credential: then a session may read it, as every `git`, `curl`, `pip` and
//! `npm` does, and its writes stay refused.

use event::jewel::Site;

/// Larger files are not looked at.
pub(super) const MAX_BYTES: usize = 64 << 10;

/// Keys of `.npmrc` whose values are none, npm-config(7).
const NPM_SETTINGS: [&str; 24] = [
    "access",
    "audit",
    "audit-level",
    "cache",
    "color",
    "depth",
    "engine-strict",
    "fund",
    "ignore-scripts",
    "legacy-peer-deps",
    "loglevel",
    "node-linker",
    "offline",
    "omit",
    "package-lock",
    "prefer-offline",
    "prefix",
    "progress",
    "registry",
    "save",
    "save-exact",
    "save-prefix",
    "strict-ssl",
    "update-notifier",
];

/// Whether anything may be read of a jewel there at all, given what it holds.
pub(super) fn may_be_read(site: Site) -> bool {
    matches!(site, Site::Home(".npmrc" | ".netrc"))
}

/// Whether these bytes surely hold no credential. What is not known for harmless may be one.
pub(super) fn is_harmless(site: Site, bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match site {
        Site::Home(".npmrc") => text.lines().all(is_npm_setting),
        // Whatever follows one of these words is one, netrc(5).
        Site::Home(".netrc") => {
            let lower = text.to_ascii_lowercase();
            ["pass", "account", "macdef", "secret", "token"].iter().all(|word| !lower.contains(word))
        }
        _ => false,
    }
}

/// A comment, a section, or a plain setting: no key of a registry's own (`//host/:_authToken`), and no address with a
/// user in it.
fn is_npm_setting(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with([';', '#']) {
        return true;
    }
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let (key, value) = (key.trim(), value.trim());
    let is_scope =
        key.strip_prefix('@').and_then(|rest| rest.strip_suffix(":registry")).is_some_and(|scope| {
            !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        });
    // A query or a user of an address may be a secret.
    (is_scope || NPM_SETTINGS.contains(&key))
        && !value.contains(|c: char| matches!(c, '@' | '?' | '#') || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_no_credentials_and_what_is_unknown_may_be_one() {
        let npm = |text: &str| is_harmless(Site::Home(".npmrc"), text.as_bytes());
        assert!(npm(""));
        assert!(npm(
            "; mine\n# old\nregistry=https://registry.example.org/\n@acme:registry = https://npm.example.org\nfund=false\n"
        ));
        for credential in [
            "//registry.example.org/:_authToken=abc",
            "_authToken=abc",
            "_auth=YWJj",
            "_password=x",
            "//registry.example.org/:_password=x",
            "registry=https://user:secret@registry.example.org/",
            "https-proxy=http://user:secret@proxy",
            "registry=https://registry.example.org/?token=abc",
            "email=a@example.org",
            "key=-----BEGIN PRIVATE KEY-----",
            "[//registry.example.org/]",
            "\u{feff}_auth=x",
            "fund=false\r_auth=x",
        ] {
            assert!(!npm(&format!("fund=false\n{credential}\n")), "{credential}");
        }
        assert!(!is_harmless(Site::Home(".npmrc"), b"fund=\xff"));
    }

    #[test]
    fn a_netrc_without_a_password_is_none() {
        let netrc = |text: &str| is_harmless(Site::Home(".netrc"), text.as_bytes());
        assert!(netrc("machine example.org\n  login me\n"));
        for credential in
            ["machine a login b password c", "default account x", "machine a PASSWD c", "macdef init\n"]
        {
            assert!(!netrc(credential), "{credential}");
        }
        assert!(!is_harmless(Site::Home(".pypirc"), b""), "only what is known to be looked at as a routine");
    }
}
