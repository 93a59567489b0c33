//! The command line.

use crate::commands::{
    allow, baselines, db, demo, doctor, doorkeeper, export, forget, keeper, policy, review, run, sessions,
    show, stop, stop_session, supervisor, tail, task, train, why,
};
use clap::Subcommand;
use command::{Commands, Line};

/// The command line.
pub type Cli = Line<Command>;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Demonstrate recording, training and enforcing against three attacks, in a throw-away home
    Demo(demo::Args),
    /// Report what this machine can prevent, from live probes
    Doctor(doctor::Args),
    /// Run a command and record what it does, with the static deny-list enforced
    Record(run::RecordArgs),
    /// Run a command, and deny operations that its baseline does not know
    Enforce(run::EnforceArgs),
    /// Switch a running session to another task
    Task(task::Args),
    /// Follow denials and alerts
    Tail(tail::Args),
    /// List running and recorded sessions
    Sessions(sessions::Args),
    /// Show one session's timeline
    Show(show::Args),
    /// Explain a refusal, and name the program that was refused
    Why(why::Args),
    /// Allow an operation that a baseline refused
    Allow(allow::Args),
    /// Review the refusals of the last sessions, and answer them
    Review(review::Args),
    /// List answers to refusals, and withdraw one
    Forget(forget::Args),
    /// Write one session's events to a file
    Export(export::Args),
    /// Kill, freeze or thaw a running session
    StopSession(stop_session::Args),
    /// End the supervisor
    Stop(stop::Args),
    /// Train baselines on the recorded sessions
    Train(train::Args),
    /// List the baselines
    Baselines(baselines::ListArgs),
    /// Show one baseline
    Baseline(baselines::Args),
    /// Show, explain and write rules
    Policy(policy::Args),
    /// Check, prune and compact the database of recorded sessions
    Db(db::Args),
    /// Print the completions of a shell
    Completions(command::completions::Args),
    /// Run the supervisor in the foreground; other commands start it when they need it
    Supervisor(supervisor::Args),
    /// Start the other processes of a supervisor
    #[command(hide = true)]
    Starter,
    /// Kill every session when the supervisor dies
    #[command(hide = true)]
    Keeper(keeper::Args),
    /// Answer permission events
    #[command(hide = true)]
    Doorkeeper(doorkeeper::Args),
    /// Use a user's keys for one session
    #[command(hide = true)]
    Broker,
    /// Write down what the sessions of one user do
    #[command(hide = true)]
    Teller,
}

impl Commands for Command {
    const NAME: &'static str = "wardline";
    const ABOUT: &'static str = "Watches coding agents from the kernel, learns the normal behaviour of each in each kind of task, and denies other operations in the kernel";
    const EXAMPLES: &'static str =
        "  wardline doctor                             report what this machine can prevent
  sudo wardline enforce -- codex              guard an agent at once: the static deny-list
  sudo wardline record --task edit -- codex   record about ten normal sessions of each task
  sudo wardline train                         train baselines on the recordings
  sudo wardline enforce --task edit -- codex  guard an agent with its baseline
  sudo wardline tail                          follow denials and alerts";
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_said_can_be_left_out() {
        for line in [
            &["wardline", "record", "--", "x"][..],
            &["wardline", "enforce", "--", "x"],
            &["wardline", "train"],
        ] {
            assert!(Cli::try_parse_from(line).is_ok(), "{line:?}");
        }
    }

    #[test]
    fn the_help_says_what_it_did() {
        let mut command = Cli::command().term_width(100);
        insta::assert_snapshot!(command.render_help().to_string());
    }

    #[test]
    fn each_command_that_starts_an_agent_has_examples() {
        for name in ["record", "enforce"] {
            let mut command = Cli::command();
            command.build();
            let command = command.find_subcommand_mut(name).unwrap();
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{name}");
            insta::assert_snapshot!(format!("help_of_{name}"), help);
        }
    }
}
