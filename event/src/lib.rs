//! The domain: events, objects, sessions and their segments, object classes and tokens.
//!
//! Training and scoring meet here: both read an [`Event`] with the same [`Context`], [`Class`] and [`Tokeniser`],
//! and a baseline carries [`vocabulary_hash`] so that it is refused by a build that reads events differently.
//! Must never do I/O, read a clock or know a kernel.
#![forbid(unsafe_code)]

pub mod agent;
mod class;
mod context;
mod decision;
pub mod helper;
pub mod jewel;
mod leave;
pub mod loopback;
mod maker;
mod mode;
pub mod moved;
mod name;
mod object;
pub mod open;
mod operation;
mod reach;
mod reference;
pub mod secret;
mod session;
pub mod state;
mod step;
mod tasks;
pub mod template;
mod tier;
mod token;
mod tokeniser;
pub mod toolchain;

pub use abi::FileKey;
pub use class::Class;
pub use context::{Context, RESOLVER_PORT, SESSION_DIRECTORIES};
pub use decision::{Decision, Fate, Means, Stage, Told};
pub use leave::Outside;
pub use mode::Mode;
pub use name::{AgentName, NoName, TaskName};
pub use object::{Address, Exe, File, Host, HostOrigin, Object, Origin};
pub use operation::{Access, Op};
pub use reach::Reach;
pub use reference::{NoSession, SessionRef};
pub use session::{
    Alert, Captured, Event, Fork, Loss, Outcome, Segment, SessionMeta, Summary, Syscall, Unseen,
};
pub use step::{ABSTRACT, Place, Said, Step, Touch};
pub use tasks::{TASKS_LONGEST, Tasks};
pub use tier::Tier;
pub use token::{Token, vocabulary_hash};
pub use tokeniser::Tokeniser;
