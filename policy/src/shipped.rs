//! The shipped policy.

use crate::{Layer, Policy};
use std::sync::{Arc, LazyLock};

/// Declares the files, so that each is named once.
macro_rules! files {
    ($($name:literal,)*) => {
        /// The files, in their order: name and text.
        pub const SHIPPED: &[(&str, &str)] = &[$((
            concat!("policy/shipped/", $name),
            include_str!(concat!("../shipped/", $name)),
        )),*];
    };
}

// What is closed wholly comes first: where two rules meet one place, the first explains it.
files! {
    "keys.toml",
    "clouds.toml",
    "registries.toml",
    "versions.toml",
    "databases.toml",
    "passwords.toml",
    "browsers.toml",
    "messages.toml",
    "wallets.toml",
    "services.toml",
    "histories.toml",
    "shells.toml",
    "desktops.toml",
    "editors.toml",
    "languages.toml",
    "agents.toml",
    "tools.toml",
    "system.toml",
    "sockets.toml",
    "metadata.toml",
    "hosts.toml",
    "own.toml",
}

/// What is wrong with the files is told by a test; what could not be read there would be missing here.
static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let parts = SHIPPED.iter().filter_map(|(file, text)| Policy::read(Layer::Shipped, file, text).ok());
    Arc::new(Policy { rules: parts.flat_map(|part| part.rules).collect() })
});

/// The rules that are compiled in.
pub fn shipped() -> &'static Arc<Policy> {
    &POLICY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effect, Site};

    #[test]
    fn every_file_is_a_policy_and_no_id_stands_for_two_rules() {
        let mut ids = std::collections::HashSet::new();
        for (file, text) in SHIPPED {
            let policy = Policy::read(Layer::Shipped, file, text);
            for rule in policy.unwrap_or_else(|wrong| panic!("{}", wrong.render())).rules {
                assert_eq!(shipped().rule(&rule.id), Some(&rule));
                assert!(ids.insert(rule.id.clone()), "{}", rule.id);
            }
        }
        assert_eq!(ids.len(), shipped().rules().len());
        assert!(shipped().denied().count() > 300);
    }

    #[test]
    fn every_rule_has_a_source_and_no_site_stands_twice() {
        let mut seen = std::collections::HashMap::new();
        for row in shipped().rows() {
            assert!(row.rule.source.is_some(), "{}", row.rule.id);
            let place = (row.site, row.rule.effect == Effect::Watch);
            assert_eq!(seen.insert(place, &row.rule.id), None, "{} in `{}`", row.site, row.rule.id);
        }
    }

    /// A word that no rule asks for would leave open what an agent's file means to close.
    #[test]
    fn every_place_in_an_agents_file_is_some_rules() {
        for agent in agents::Agent::all() {
            for (word, places) in &agent.places {
                for (kind, text) in
                    places.iter().flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text)))
                {
                    let site = crate::site(kind, text).unwrap();
                    let is_asked_for = shipped().rows().any(|row| *row.site == site);
                    assert!(is_asked_for, "`{kind} = \"{text}\"` below `{word}` of `{}`", agent.name);
                }
            }
        }
    }

    /// What a rule leaves open, none closes.
    #[test]
    fn what_is_left_open_is_open() {
        let open = shipped().rows().filter(|row| row.rule.effect == Effect::Allow);
        let mut count = 0;
        for row in open {
            let Site::Home(path) = row.site else { continue };
            count += 1;
            let closed = shipped().meetings_in_home(path.as_bytes());
            let closed = closed
                .iter()
                .find(|of| of.row.rule.effect.refuses() && of.row.rule.what.intersects(row.rule.what));
            assert_eq!(closed.map(|of| &of.row.rule.id), None, "{path}");
        }
        assert!(count > 5);
    }
}
