//! A corpus: recorded sessions of real agents, what each was, and what an observer saw of it.
//!
//! A directory:
//!
//! | file | what |
//! | --- | --- |
//! | `corpus.json` | [`Description`]: how it was made, and with what |
//! | `runs.jsonl` | a [`Run`] a line, appended when the run ended, so that an interrupted making goes on |
//! | `state/` | a state directory of Wardline's: `UID/sessions.db` has the recordings |
//!
//! Home, workspaces and agents lie in [`crate::World::fixed`] while sessions run, the same for every corpus.
//! | `world/` | home, workspaces and agents of the sessions; there only where it was made |

mod directory;
pub mod plan;
mod profile;
mod run;

pub use directory::{AgentVersion, Corpus, Description, FORMAT, RepositoryVersion};
pub use profile::Profile;
pub use run::{Kind, Mode, Observed, Run, Split, Variant};
