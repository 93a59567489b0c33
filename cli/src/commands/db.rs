//! `wardline db`: looks after the database of recorded sessions.

use crate::configuration;
use anyhow::Result;
use command::print_line;
use command::user;
use command::{Exit, State};
use nix::unistd::Uid;
use serde_json::json;
use service::supervisor::Retention;
use std::time::Duration;
use store::maintenance;
use text::count;

/// Arguments of `db`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation
    #[command(subcommand)]
    pub verb: Verb,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long, global = true)]
    pub user: Option<String>,
    /// One JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with the database.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Print its size, and the bytes an operation and a system call take
    Stats,
    /// Check its integrity
    Check,
    /// Remove old sessions
    #[command(
        after_help = "`config.toml` in the state directory does the same by itself, when no session runs:\n\n  [retention]\n  older-than = \"90d\"\n  max-size = \"4G\"\n\nExamples:\n  sudo wardline db prune --older-than 30d\n  sudo wardline db prune --max-size 1G"
    )]
    Prune {
        /// Sessions older than this: `30d`, `12h`, `2w`
        #[arg(long, value_name = "AGE", value_parser = configuration::age)]
        older_than: Option<Duration>,
        /// The oldest sessions, until the rest takes at most this much: `1G`, `500M`
        #[arg(long, value_name = "SIZE", value_parser = configuration::size, required_unless_present = "older_than")]
        max_size: Option<u64>,
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
    let reader = state.existing_store(uid)?;
    let path = state.sessions(uid);
    match &args.verb {
        Verb::Stats => stats(&maintenance::stats(&reader)?, args.json),
        Verb::Check => {
            let problems = maintenance::check(&reader)?;
            if args.json {
                say(&json!({ "sound": problems.is_empty(), "problems": problems }))?;
            }
            if !problems.is_empty() {
                return Err(Exit::Failed.error(format!(
                    "`{}` is damaged:\n  {}",
                    path.display(),
                    problems.join("\n  ")
                )));
            }
            if !args.json {
                print_line!("`{}` is sound", path.display());
            }
            Ok(())
        }
        Verb::Prune { older_than, max_size, incomplete } => {
            if *incomplete && !super::reading::running(state)?.is_empty() {
                return Err(Exit::Refused.error("sessions are running, and a running session has no end yet"));
            }
            let retention = Retention { older_than: *older_than, max_bytes: *max_size };
            let prune = maintenance::Prune { incomplete: *incomplete, ..retention.prune() };
            drop(reader);
            let removed = maintenance::prune(&path, &prune)?;
            if args.json {
                let removed: Vec<i64> = removed.iter().map(|id| id.0).collect();
                return say(&json!({ "removed": removed }));
            }
            print_line!(
                "removed {}; `wardline db vacuum` gives the space back",
                count(removed.len() as u64, "session")
            );
            Ok(())
        }
        Verb::Vacuum => {
            drop(reader);
            let bytes = maintenance::vacuum(&path)?;
            if args.json {
                return say(&json!({ "freed_bytes": bytes }));
            }
            print_line!("gave back {}", size(bytes));
            Ok(())
        }
    }
}

fn say(value: &serde_json::Value) -> Result<()> {
    print_line!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn stats(stats: &maintenance::Stats, json: bool) -> Result<()> {
    let each = |bytes: u64, count: u64| if count == 0 { 0.0 } else { bytes as f64 / count as f64 };
    let operation = each(stats.operation_bytes, stats.events);
    let call = each(stats.syscall_bytes, stats.syscalls);
    if json {
        return say(&json!({
            "sessions": stats.sessions,
            "incomplete": stats.incomplete,
            "events": stats.events,
            "syscalls": stats.syscalls,
            "paths": stats.paths,
            "bytes": stats.bytes,
            "free_bytes": stats.free_bytes,
            "log_bytes": stats.log_bytes,
            "operation_bytes": stats.operation_bytes,
            "syscall_bytes": stats.syscall_bytes,
            "bytes_per_operation": operation,
            "bytes_per_syscall": call,
        }));
    }
    print_line!(
        "{} ({} without an end), {}, {}, {}\n{}, of which {} are free, and a log of {}\n\
         {operation:.1} bytes an operation with its objects, {call:.1} bytes a system call",
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
    format!("{} KiB", text::thousands(bytes.div_ceil(1024)))
}
