//! Live scenarios: a throw-away world, sessions of a pretended agent in it, attacks, and an observer of its own.
//!
//! A [`World`] is a directory with a home full of fake secrets, an ordinary user that owns nothing else, and
//! workspaces. [`network`] is a namespace of its own with a package index, a git remote and hosts that only attacks
//! talk to. A [`Session`] is a generated script, a pure function of its seed; clean ones are drawn so that every habit
//! that a fresh session may show was shown by several earlier ones. [`observe`] tells what an attack achieved from the
//! files' own state and from what arrived, without asking Wardline.
//!
//! Live parts run on Linux alone. Corpora, scenarios and agents are read on every Unix.
//!
//! Recording and enforcing are driven through the binary by whoever uses this crate. Must never load a model, talk to
//! the kernel's tracing, or touch a file outside its own directory, except for what the users that it makes up have in /run:
//! `/run/user/UID`, and the lock of their numbers.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, unused_imports, reason = "what runs sessions is there on Linux alone")
)]

pub mod agent;
mod attack;
pub mod cache;
mod clock;
pub mod corpus;
mod deck;
mod edit;
mod error;
#[cfg(target_os = "linux")]
pub mod firstday;
mod git_remote;
mod handed;
mod home;
mod http;
mod index;
mod language;
pub mod model;
pub mod network;
pub mod observe;
mod package_index;
pub mod plot;
pub mod repository;
mod resolver;
pub mod scenario;
mod script;
mod seed;
mod service;
mod services;
mod session;
mod sink;
mod summarize;
pub mod template;
mod toolchain;
mod tools;
mod tree;
mod user;
mod wardline;
mod words;
mod world;

pub use error::Error;
pub use git_remote::GitRemote;
pub use handed::Handed;
pub use home::Secret;
pub use index::Index;
pub use observe::Observation;
pub use package_index::{PackageIndex, Packages};
pub use script::{Script, Step};
pub use services::Services;
pub use session::{Attack, Family, Plot, Profile, Session};
pub use sink::{Arrival, Sink};
pub use toolchain::place as place_toolchain;
pub use tools::Tools;
pub use tree::Tree;
pub use user::{Lease, User};
pub use wardline::{Wardline, end_within};
pub use world::{AGENT, FIXED, Placed, World};
