//! Whether the file of a jewel surely holds no credential: then a session may read it, as every `git`, `curl`, `pip` and
//! `npm` does, and its writes stay refused.

use bstr::BString;
use event::secret::Redactor;
use policy::Harmless;

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

/// Whether these bytes surely hold no credential. What is not known for harmless may be one.
pub(super) fn is_harmless(what: Harmless, bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let lower = text.to_ascii_lowercase();
    let has_none = |words: &[&str]| words.iter().all(|word| !lower.contains(word));
    if what != Harmless::Public && holds_secret(text) {
        return false;
    }
    match what {
        Harmless::Npm => text.lines().all(is_npm_setting),
        // Whatever follows one of these words is one, netrc(5). A login may be a token.
        Harmless::Netrc => {
            has_none(&["pass", "account", "macdef", "secret", "token"])
                && text.split_whitespace().next().is_none_or(|word| ["machine", "default"].contains(&word))
                && text.lines().all(is_plain)
        }
        Harmless::Settings => {
            let named = INNOCENT.iter().fold(lower.clone(), |text, word| text.replace(word, ""));
            SECRET_WORDS.iter().all(|word| !named.contains(word)) && text.lines().all(is_setting)
        }
        Harmless::Public => has_none(&["private", "secret"]) && is_public(text),
    }
}

/// Whether anything in a text would be left out of what is stored, wherever it stands: behind a name, in an address, in a comment.
fn holds_secret(text: &str) -> bool {
    let mut left = BString::from(text);
    Redactor::new([0; 32]).text(&mut left);
    left != text
}

/// What has one of [`SECRET_WORDS`] in it and is none: attributes of NuGet's files, variables of Maven's, and names.
const INNOCENT: [&str; 8] = [
    "key=\"",
    "${user.home}",
    "user.home",
    "user-agent",
    "keyring-provider",
    "keepalive",
    "author",
    "keep-alive",
];

/// What stands in, or before, a value that is a secret.
const SECRET_WORDS: [&str; 14] = [
    "pass", "pwd", "secret", "token", "auth", "cred", "key", "login", "user", "account", "bearer", "session",
    "cookie", "private",
];

/// A comment, a section, an element, a setting, or a part of a list or block; each whose value is plain.
fn is_setting(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';', '[', '!', ']', '}', '<']) || line.starts_with("//") {
        return is_plain(line);
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.\"'@".contains(&byte);
    let is_name = |name: &str| !name.trim().is_empty() && name.trim().bytes().all(fits);
    let is_pair = line.split_once(['=', ':']).is_some_and(|(name, _)| is_name(name));
    // As yarn writes them: a name, and a number, a word of its own or a text in quotes.
    let is_value = |value: &str| {
        value.bytes().all(|byte| byte.is_ascii_digit())
            || matches!(value, "true" | "false" | "{")
            || value.starts_with('"') && value.ends_with(['"', '{'])
    };
    let is_written = line.split_once(' ').is_some_and(|(name, value)| is_name(name) && is_value(value));
    let is_item =
        line == "---" || line.starts_with("- ") || line.starts_with('"') && line.ends_with(['"', ',']);
    // The last line of an element of several.
    let is_end = line.ends_with('>') && line.contains('"');
    (is_pair || is_written || is_item || is_end) && is_plain(line)
}

/// Nothing that looks made up by a machine, and no address with a user or a query.
fn is_plain(text: &str) -> bool {
    /// Letters and digits in a row, both among them, or capitals and others.
    const MADE_UP: usize = 12;
    /// Longer than any name.
    const NO_WORD: usize = 36;
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '_')));
    let made_up = |word: &str| {
        let count = |is: fn(&u8) -> bool| word.bytes().filter(is).count();
        let (digits, capitals, letters) =
            (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase), count(u8::is_ascii_alphabetic));
        // Capitals begin words of names, which are longer than three letters.
        let is_mixed = capitals < letters && capitals * 3 >= letters;
        letters > 0 && (word.len() >= MADE_UP && (digits > 0 || is_mixed) || word.len() >= NO_WORD)
    };
    let has_user = text.split_once("://").is_some_and(|(_, rest)| rest.contains(['@', '?']));
    !has_user && !words.into_iter().any(made_up) && !text.chars().any(|c| c.is_control() && c != '\t')
}

/// Certificates and public keys: RFC 7468; RFC 4253, 6.6.
fn is_public(text: &str) -> bool {
    const BLOCKS: [&str; 5] =
        ["CERTIFICATE", "TRUSTED CERTIFICATE", "CERTIFICATE REQUEST", "PUBLIC KEY", "RSA PUBLIC KEY"];
    let mut blocks = 0;
    for block in text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")) {
        if !BLOCKS.iter().any(|public| block.strip_suffix("-----") == Some(public)) {
            return false;
        }
        blocks += 1;
    }
    let is_line =
        |line: &str| ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| line.starts_with(kind));
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    blocks > 0 || lines.peek().is_some() && lines.all(is_line)
}

/// A comment, a section, or a plain setting: no key of a registry's own (`//host/:_authToken`), and no address with a
/// user in it.
fn is_npm_setting(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with([';', '#']) {
        return is_plain(line);
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
        && is_plain(behind_host(value))
}

/// What stands behind the host of an address; all of what is none.
fn behind_host(value: &str) -> &str {
    match value.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_no_credentials_and_what_is_unknown_may_be_one() {
        let npm = |text: &str| is_harmless(Harmless::Npm, text.as_bytes());
        assert!(npm(""));
        assert!(npm("registry=https://npm.company2registry7.example.org/npm/\n"), "a host is no token");
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
            "# //registry.example.org/:_authToken=abc",
            "; npm_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgHiJ",
            "registry=https://npm.example.org/0a1b2c3d4e5f6a7b8c9d/",
            "registry=https://npm.example.org/QmVyYmVyaXRvcnNlY3JldHRva2VuZm9yeW91/",
        ] {
            assert!(!npm(&format!("fund=false\n{credential}\n")), "{credential}");
        }
        assert!(!is_harmless(Harmless::Npm, b"fund=\xff"));
    }

    #[test]
    fn a_netrc_without_a_password_is_none() {
        let netrc = |text: &str| is_harmless(Harmless::Netrc, text.as_bytes());
        assert!(netrc("machine example.org\n  login me\n"));
        for credential in [
            "machine a login b password c",
            "default account x",
            "machine a PASSWD c",
            "macdef init\n",
            "some words",
            "machine a login ghp_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
            "machine a login b # 0123456789abcdef0123456789abcdef01234567",
        ] {
            assert!(!netrc(credential), "{credential}");
        }
    }

    #[test]
    fn plain_settings_are_no_secrets() {
        let settings = |text: &str| is_harmless(Harmless::Settings, text.as_bytes());
        for plain in [
            "",
            "[global]\nindex-url = https://pypi.example.org/simple\ntimeout = 60\n",
            "# yarn lockfile v1\nlastUpdateCheck 1589000000000\n",
            "org.gradle.jvmargs=-Xmx2g -XX:MaxMetaspaceSize=512m\norg.gradle.parallel=true\n",
            "<configuration>\n  <packageSources>\n    <add key=\"nuget.org\" value=\"https://api.nuget.example/v3/index.json\" />\n</configuration>\n",
            "<settings xmlns=\"http://maven.apache.org/SETTINGS/1.0.0\"\n  xsi:schemaLocation=\"http://maven.apache.org/xsd/settings-1.0.0.xsd\">\n  <localRepository>${user.home}/.m2/repository</localRepository>\n</settings>\n",
            "---\nBUNDLE_PATH: \"vendor/bundle\"\n",
            "channels:\n  - conda-forge\nauto_activate: false\n",
            "[pip]\nextra-index-url = [\n  \"https://pypi.example.org/simple\",\n]\n",
            "provider_installation {\n  filesystem_mirror {\n    path = \"/usr/share/terraform\"\n  }\n}\n",
        ] {
            assert!(settings(plain), "{plain}");
        }
        for secret in [
            "x",
            "some words 12",
            "token = a",
            "index-url = https://me:word@pypi.example.org/simple",
            "index-url = https://pypi.example.org/simple?x=y",
            "npmRegistry: 8f3a9c0d12b4e5f6",
            "_authToken=abc",
            "<password>x</password>",
            "<server><username>me</username>",
            "# old: password = x",
        ] {
            assert!(!settings(&format!("color = auto\n{secret}\n")), "{secret}");
        }
    }

    #[test]
    fn certificates_and_public_keys_are_none() {
        let public = |text: &str| is_harmless(Harmless::Public, text.as_bytes());
        assert!(public("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"));
        assert!(public("ssh-ed25519 AAAA me@here\n"));
        for text in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            "-----BEGIN X-----\n",
            "ssh-ed25519 AAAA\nx\n",
        ] {
            assert!(!public(text), "{text}");
        }
    }
}
