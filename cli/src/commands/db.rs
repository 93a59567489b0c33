//! `wardline db`: looks after the database of recorded sessions.

use super::table::{self, count};
use crate::exit::Exit;
use crate::state::State;
use crate::user;
use anyhow::Result;
use nix::unistd::Uid;
use store::maintenance;

/// Arguments of `db`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with it
    #[command(subcommand)]
    pub verb: Verb,
    /// Whose database
    #[arg(long, global = true)]
    pub user: Option<String>,
}

/// What can be done with the database.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Say how large it is
    Stats {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Look whether it is sound
    Check,
    /// Remove old sessions
    #[command(
        after_help = "Examples:\n  sudo wardline db prune --older-than-days 30\n  sudo wardline db prune --keep-mib 500"
    )]
    Prune {
        /// Those that began so many days ago, or longer
        #[arg(long, value_name = "DAYS")]
        older_than_days: Option<u32>,
        /// The oldest, until what is left takes at most so many MiB
        #[arg(long, value_name = "MIB", required_unless_present = "older_than_days")]
        keep_mib: Option<u64>,
        /// Also sessions without an end; only while none is running
        #[arg(long)]
        incomplete: bool,
    },
    /// Give free space back to the file system
    Vacuum,
}

/// Does it.
pub fn run(state: &State, args: &Args) -> Result<()> {
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect.error("the database is root's: use `sudo wardline db`"));
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = super::reading::existing_store(state, uid)?;
    let path = state.sessions(uid);
    match &args.verb {
        Verb::Stats { json } => stats(&maintenance::stats(&reader)?, *json)?,
        Verb::Check => {
            let problems = maintenance::check(&reader)?;
            if !problems.is_empty() {
                return Err(Exit::Failed.error(format!(
                    "`{}` is damaged:\n  {}",
                    path.display(),
                    problems.join("\n  ")
                )));
            }
            anstream::println!("`{}` is sound", path.display());
        }
        Verb::Prune { older_than_days, keep_mib, incomplete } => {
            if *incomplete && !super::reading::running(state)?.is_empty() {
                return Err(Exit::Refused.error("sessions are running, and a running session has no end yet"));
            }
            const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;
            let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
            let prune = maintenance::Prune {
                before_unix_ns: older_than_days.map(|days| now.saturating_sub(i64::from(days) * DAY_NS)),
                keep_bytes: keep_mib.map(|mib| mib.saturating_mul(1 << 20)),
                incomplete: *incomplete,
            };
            drop(reader);
            let removed = maintenance::prune(&path, &prune)?;
            anstream::println!(
                "removed {}; `wardline db vacuum` gives the space back",
                count(removed.len() as u64, "session")
            );
        }
        Verb::Vacuum => {
            drop(reader);
            anstream::println!("gave back {}", size(maintenance::vacuum(&path)?));
        }
    }
    Ok(())
}

fn stats(stats: &maintenance::Stats, json: bool) -> Result<()> {
    if json {
        let stats = serde_json::json!({
            "sessions": stats.sessions,
            "incomplete": stats.incomplete,
            "events": stats.events,
            "syscalls": stats.syscalls,
            "paths": stats.paths,
            "bytes": stats.bytes,
            "free_bytes": stats.free_bytes,
            "log_bytes": stats.log_bytes,
        });
        println!("{}", serde_json::to_string_pretty(&stats)?);
        return Ok(());
    }
    anstream::println!(
        "{} ({} without an end), {}, {}, {}\n{}, of which {} are free, and a log of {}",
        count(stats.sessions, "session"),
        stats.incomplete,
        count(stats.events, "operation"),
        count(stats.syscalls, "system call"),
        count(stats.paths, "path"),
        size(stats.bytes),
        size(stats.free_bytes),
        size(stats.log_bytes),
    );
    Ok(())
}

fn size(bytes: u64) -> String {
    format!("{} KiB", table::thousands(bytes.div_ceil(1024)))
}
