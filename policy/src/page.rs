//! The shipped rules as a page for people.
#![expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]

use crate::policy::Policy;
use crate::rule::{Effect, Harmless, Rule, Walk};
use crate::site::Site;
use std::fmt::Write;

const HEAD: &str = "\
# What is closed, and why

The rules that Wardline brings along (`policy/shipped/*.toml`), as `wardline policy list` shows them. They hold in every \
session from its first instruction on, whatever was learned, unless [rules of one's own](usage.md#rules-of-ones-own) take one back that is not final. This page is generated from them.

A place in the home is closed with everything below it, also where a variable such as `XDG_CONFIG_HOME` or `CODEX_HOME` says \
that it lies, and so are copies beside it (`.netrc~`, `.netrc.bak`) that are there when a session begins. It is closed by the \
object and by its place: what is made or moved there later is closed, too. Six kinds of places are closed less widely:

* *A file called `*.pem` in the home*: the kernel side compares whole names, so a pattern is looked for when a session begins, in \
the home and three directories deep below it. It does not look into hidden directories, those that tools fill \
(`node_modules`, `target`), and workspaces. A file that is made later is open.
* *A file called `id_rsa`* is closed anywhere outside the workspaces and what package managers fetch (`package-stores`), also one that is made later. In the tier `tracepoint` one \
that lies deeper than that when a session begins, or is made later, is closed after its open: its process is killed.
* *`.git/hooks` of another repository* is looked for where patterns are, and so is what agents and editors obey there.
* *A token in `~/.cache`* is not read as it lies there when a session begins. Caches are removed and made anew as a whole, so that its \
place is open.
* *What agents and editors obey in the workspace, or in another repository*, comes and goes with version control and unpacking. What \
makes one of them run something and lies there when a session begins is written by nobody, and may be replaced. A link that leaves \
the workspace, or the repository, closes nothing. Whoever changes any of it is told of, and nobody moves the whole directory to the \
workspace.
";

/// All rules in words.
pub fn page(policy: &Policy) -> String {
    let mut page = String::from(HEAD);
    for (effect, head) in [
        (Effect::Deny, "Closed"),
        (
            Effect::Watch,
            "Told\n\nWhat is done there goes on, and each session says once that it was done: in its summary, and in `wardline show`.",
        ),
        (
            Effect::Allow,
            "Left open\n\nThese places hold something, too. Closing them would stop ordinary work. Hosts are those that a session reaches \
whatever it was lent.",
        ),
    ] {
        let _ = write!(
            page,
            "\n## {head}\n\n| rule | what it is | {} | where | why | source |\n| --- | --- | --- | --- | --- | --- |\n",
            if effect == Effect::Watch { "what is told" } else { "no session may" }
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
