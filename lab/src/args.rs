//! The command line.

use crate::{corpus, demo, eval, rules};
use clap::Subcommand;
use command::{Commands, Line};

/// The command line.
pub type Cli = Line<Command>;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Demonstrate recording, training and enforcing against three attacks, in a throw-away home
    Demo(demo::DemoArgs),
    /// Record real agents against a scripted model: a corpus
    Corpus(corpus::Args),
    /// Measure detections, prevention and errors
    Eval(eval::Args),
    /// Try each shipped rule on this machine: `wardline policy test`
    Rules(rules::Args),
    /// Try the operations of a list, in a session
    #[command(hide = true)]
    Attempt(rules::attempt::Args),
    /// Print the completions of a shell
    Completions(command::completions::Args),
}

impl Commands for Command {
    const NAME: &'static str = "wardline-lab";
    const ABOUT: &'static str = "The laboratory of Wardline: demonstrates, records real agents, and measures. It runs the `wardline` beside it";
    const EXAMPLES: &'static str =
        "  sudo wardline-lab demo                 demonstrate the main job, in a throw-away home
  sudo wardline-lab corpus make --dir D  record real agents at work, and attacks on them
  sudo wardline-lab eval run --corpus D  measure detections, prevention and errors
  sudo wardline-lab eval replay          your own sessions through the score";
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_says_what_it_did() {
        let mut command = Cli::command().term_width(100);
        insta::assert_snapshot!(command.render_help().to_string());
    }
}
