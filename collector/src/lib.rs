//! Capture: loads and attaches the kernel programs, reads their rings, decodes and resolves what they wrote.
//!
//! One direction: a ring record is decoded, resolved to an [`event::Event`] and handed on. Must never decide anything, and never
//! believe what the guarded side wrote.

mod address;
mod batch;
mod btf;
mod calls;
mod cast;
mod decode;
mod decoded;
pub mod dns;
mod error;
mod form;
#[cfg(fuzzing)]
pub mod fuzz;
mod heard;
mod hooks;
mod join;
mod judge;
mod kernel;
mod lock;
mod maps;
mod mounts;
mod offsets;
mod packet;
mod programs;
mod prototype;
mod reader;
mod resolve;
#[cfg(test)]
mod seeds;
mod sequence;
mod strays;
pub mod tls;
mod verify;
mod words;

pub use error::Error;
pub use heard::{Dns, Heard};
pub use judge::{Judge, JudgeIds};
pub use kernel::{Attached, Kernel, Options};
pub use offsets::{Field, Offsets};
pub use reader::{ALL_SESSIONS, Reader};
pub use strays::Strays;
