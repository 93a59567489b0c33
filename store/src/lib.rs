//! The store: one SQLite file that holds what sessions did.
//!
//! One [`Recorder`] writes (a [`Writer`] is a recorder on its own thread), any number of [`Reader`]s read beside it.
//! What was flushed survives `kill -9` of the writer; a session whose end was never written is read as incomplete.
//!
//! Must never:
//! * lose an event in silence: an event is stored, or the caller has an error in hand;
//! * change a file that is not a store of this schema;
//! * interpret what it keeps: an event comes back as the value that was given, byte for byte;
//! * know a kernel or a clock. Times are the caller's.
//!
//! The tables are described in `schema.rs`, the lines of an export in [`export`].
#![forbid(unsafe_code)]

mod cache;
mod chunk;
mod connect;
mod error;
mod escape;
pub mod export;
#[cfg(fuzzing)]
pub mod fuzz;
mod import;
mod intern;
mod line;
pub mod maintenance;
mod merge;
mod migration;
mod open;
mod operation;
mod quota;
mod reader;
mod recorder;
mod schema;
#[cfg(test)]
mod seeds;
mod session;
mod share;
mod varint;
mod writer;

pub use error::{Error, Result};
pub use escape::{escape, unescape};
pub use export::{export_jsonl, export_shared};
pub use import::Import;
pub use line::Line;
pub use quota::Quota;
pub use reader::Reader;
pub use recorder::Recorder;
pub use session::{Counts, Session, SessionId};
pub use share::Names;
pub use writer::{Writer, WriterMessage};
