//! The shipped rules as a page for people.
#![expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]

use crate::policy::Policy;
use crate::rule::{Effect, Harmless, Rule, Walk};
use crate::site::Site;
use std::fmt::Write;

const HEAD: &str = "\
# What is closed, and why

Wardline's own rules (`policy/shipped/*.toml`), as `wardline policy list` shows them. They hold in every session from its first \
instruction on, whatever a baseline allows, unless one of [your own rules](usage.md#your-own-rules) cancels a rule that is not final. \
This page is generated from them.

A place in the home is closed with everything below it, also if a variable such as `XDG_CONFIG_HOME` or `CODEX_HOME` moves it, \
and so are copies beside it (`.netrc~`, `.netrc.bak`) that exist when a session begins. The object and its place are both closed, so \
an object that is made there or moved there later is closed too. Five kinds of places are closed less widely:

* *A file called `*.pem` in the home*: the kernel side compares whole names, so a pattern is searched when a session begins, in \
the home and three directories deep below it. The search skips hidden directories, directories that tools fill \
(`node_modules`, `target`), and workspaces. A file that is made later is open.
* *A file called `id_rsa`* is closed anywhere outside the workspaces and package stores (`package-stores`), even if it is made later. In the \
tier `tracepoint` a file that lies deeper than the search, or is made later, is closed after its open: the process is killed.
* *`.git/hooks` of another repository*, and files there that agents and editors obey, are searched where patterns are.
* *A token in `~/.cache`* cannot be read in the file that exists when a session begins. Caches are removed and remade as a whole, so \
the place is open.
* *Files that agents and editors obey in the workspace, or in another repository*, come and go with version control and unpacking. \
A file that makes one of them execute something, and exists when a session begins, cannot be written, and may be replaced. A link that leaves \
the workspace, or the repository, closes nothing. Every change is reported, and the whole directory cannot be moved to the \
workspace.
";

/// All rules in words.
pub fn page(policy: &Policy) -> String {
    let mut page = String::from(HEAD);
    for (effect, head) in [
        (Effect::Deny, "Closed"),
        (
            Effect::Watch,
            "Watched\n\nOperations there are allowed. Each session reports the first one in its summary, and in `wardline show`.",
        ),
        (
            Effect::Allow,
            "Left open\n\nThese places hold sensitive data too, but closing them would stop ordinary work. A session reaches these hosts even after \
it has read a lent credential.",
        ),
    ] {
        let _ = write!(
            page,
            "\n## {head}\n\n| rule | what it is | {} | where | why | source |\n| --- | --- | --- | --- | --- | --- |\n",
            if effect == Effect::Watch { "reported" } else { "no session may" }
        );
        for rule in policy.rules().iter().filter(|rule| rule.effect == effect) {
            let _ = writeln!(
                page,
                "| `{}` | {} | {}{} | {} | {} | {} |",
                rule.id,
                rule.is,
                if effect == Effect::Allow { "-" } else { rule.verb() },
                if effect == Effect::Deny && rule.is_final { " (final)" } else { "" },
                places(rule),
                why(rule),
                rule.source.as_deref().unwrap_or("-"),
            );
        }
    }
    page
}

fn places(rule: &Rule) -> String {
    let cell = |site: &Site| site.to_string().replace('|', "\\|");
    rule.sites.iter().map(cell).collect::<Vec<_>>().join(", ")
}

fn why(rule: &Rule) -> String {
    let mut why = rule.why.clone();
    if let Some(harmless) = rule.harmless {
        let held = match harmless {
            Harmless::Npm | Harmless::Settings => "plain settings",
            Harmless::Netrc => "hosts without a password",
            Harmless::Public => "certificates and public keys",
        };
        let _ = write!(why, "; a file that surely holds nothing but {held} may be read");
    }
    if rule.walk == Walk::Directories {
        why.push_str("; directories alone");
    }
    why
}

#[cfg(test)]
mod tests {
    use crate::{page, shipped};

    /// `INSTA_UPDATE=always` writes it.
    #[test]
    fn the_page_is_what_the_rules_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/jewels.md");
        let page = page(shipped());
        if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
            std::fs::write(path, &page).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap();
        assert!(
            there == page,
            "docs/jewels.md is not what the rules say: INSTA_UPDATE=always cargo test -p policy"
        );
    }
}
