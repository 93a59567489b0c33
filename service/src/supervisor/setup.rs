//! The settings of a supervisor.

use super::retention::Retention;
use event::{AgentName, TaskName};
use models::Baseline;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Quota;

/// Where the supervisor gets baselines from; the folder of them belongs to who trains.
pub trait Baselines: Send + Sync {
    /// The baseline of a user's agent at a task; `None` where none was trained. `task` `None`: the union of the agent's
    /// tasks. `session`: the number of the session that it is for, where that runs already. An error is a baseline that is
    /// there and must not be armed.
    fn load(
        &self,
        uid: u32,
        agent: &AgentName,
        task: Option<&TaskName>,
        session: Option<i64>,
    ) -> Result<Option<Arc<Baseline>>, String>;
}

/// What a supervisor needs to know.
pub struct Setup {
    /// The control socket.
    pub socket: PathBuf,
    /// The same for root alone.
    pub socket_of_root: PathBuf,
    /// What makes it the only supervisor of its state directory.
    pub lock: PathBuf,
    /// The state directory.
    pub state: PathBuf,
    /// Time without a session after which it ends; `None`: never.
    pub idle: Option<Duration>,
    /// How long recordings are kept.
    pub retention: Retention,
    /// What sessions taught is learned by itself.
    pub learns: bool,
    /// How much sessions may take of a user's store.
    pub quota: Quota,
    /// How many processes and threads a session may have.
    pub processes_max: u32,
    /// Stay in the tracepoint tier.
    pub without_lsm: bool,
    /// Where baselines come from.
    pub baselines: Arc<dyn Baselines>,
    /// The command that becomes [`crate::starter::process::run`].
    pub starter: Vec<OsString>,
}
