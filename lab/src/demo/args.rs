//! The options of the demo.

use datasets::Profile;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Everything happens in a throw-away directory and a network namespace, and as a user that owns nothing else. \
Nothing of yours is read or changed.\n\nExamples:\n  sudo wardline demo\n  sudo wardline demo --json --seed 7\n  sudo wardline demo --profile vm    a small one, for an emulated machine"
)]
pub struct DemoArgs {
    /// Print one JSON object instead of the story
    #[arg(long)]
    pub json: bool,
    /// Another seed gives other workspaces, scripts and secrets; the same one gives the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The size of the corpus
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t = Size::Normal)]
    pub profile: Size,
    /// Keep the throw-away directory, and print its path
    #[arg(long)]
    pub keep: bool,
}

/// How large the demo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// For a machine of today
    Normal,
    /// For an emulated machine
    Vm,
}

impl Size {
    pub(super) fn profile(self) -> Profile {
        match self {
            Size::Normal => Profile::NORMAL,
            Size::Vm => Profile::VM,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Size::Normal => "normal",
            Size::Vm => "vm",
        }
    }
}
