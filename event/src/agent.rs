//! Where an agent keeps its own state.

use crate::state;
use agents::Agent;
use bstr::BString;
use std::collections::BTreeSet;

/// Where the agent of a tag keeps its own state, below the home: what its file says, and what any program calls after
/// itself.
pub fn state_of(name: &str) -> Vec<BString> {
    const OWN: [&str; 5] = [".", ".config/", ".local/share/", ".local/state/", ".cache/"];
    let known = Agent::named(name);
    let executables = known.into_iter().flat_map(|known| &known.executables).map(String::as_str);
    let own =
        executables.chain([name]).flat_map(|name| OWN.map(|place| BString::from([place, name].concat())));
    let own = own.filter(|state| state::may_be_kept_in(state));
    let mut all: Vec<BString> =
        known.into_iter().flat_map(|known| &known.state).map(|state| state.as_str().into()).collect();
    all.extend(own);
    let mut seen = BTreeSet::new();
    all.retain(|state| seen.insert(state.clone()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_state_is_what_its_file_says_and_what_is_called_after_it() {
        for (agent, state) in [
            ("claude-code", ".claude"),
            ("claude-code", ".local/state/claude"),
            ("opencode", ".local/state/opencode"),
            ("opencode", ".config/opencode"),
            ("own", ".config/own"),
            ("own", ".own"),
        ] {
            assert!(state_of(agent).iter().any(|of| of == state), "{agent} {state}");
        }
        for (agent, state) in
            [("git", ".config/git"), ("ssh", ".ssh"), ("npm", ".npm"), ("systemd", ".config/systemd")]
        {
            assert!(!state_of(agent).iter().any(|of| of == state), "{agent} {state}");
        }
    }
}
