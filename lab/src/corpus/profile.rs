//! Profiles of corpora on the command line.

use datasets::corpus;

/// How large a corpus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// One agent, one task, 15 sessions, four scenarios: a few minutes
    Smoke,
    /// Two agents, three tasks, 20 sessions of each, ten scenarios in two variants: some ten minutes
    Quick,
    /// Every agent, every task, 40 sessions of each, every scenario in every variant with two agents in turn: hours
    Full,
}

impl From<Profile> for corpus::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Smoke => corpus::Profile::Smoke,
            Profile::Quick => corpus::Profile::Quick,
            Profile::Full => corpus::Profile::Full,
        }
    }
}
