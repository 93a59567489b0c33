//! The command line.

use crate::{corpus, demo, eval, rules};
use clap::Subcommand;
use command::{Commands, Line};

/// The command line.
pub type Cli = Line<Command>;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what it does: record, train, and stop three attacks, in a throw-away world
    Demo(demo::DemoArgs),
    /// Record real agents against a scripted model: a corpus
    Corpus(corpus::Args),
    /// Measure what it detects, prevents and gets wrong
    Eval(eval::Args),
    /// Try each shipped rule on this machine: `wardline policy test`
    Rules(rules::Args),
    /// Try what stands in a list, in a session
    #[command(hide = true)]
    Attempt(rules::attempt::Args),
    /// Print the completions of a shell
    Completions(command::completions::Args),
}

impl Commands for Command {
    const NAME: &'static str = "wardline-lab";
    const ABOUT: &'static str = "The laboratory of Wardline: shows what it does, records real agents, and measures. `wardline`, which guards, lies beside it";
    const EXAMPLES: &'static str =
        "  sudo wardline-lab demo                 the main job, in a throw-away world
  sudo wardline-lab corpus make --dir D  record real agents at work, and attacks on them
  sudo wardline-lab eval run --corpus D  what was detected, prevented and got wrong
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
