//! `wardline policy trust`: the rules that came with a repository, shown whole, and believed after a yes as they are.

use super::apply;
use super::own;
use crate::client::terminal;
use anyhow::{Context, Result};
use command::user::UserArgs;
use command::{Exit, State, print_line};
use guard::repository::{self, Believed};
use guard::rules;
use policy::{Layer, Policy, Rules, Source};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which repository.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace; the current directory otherwise
    #[arg(default_value = ".", hide_default_value = true)]
    path: PathBuf,
    /// Trust the file without asking
    #[arg(long, conflicts_with = "forget")]
    yes: bool,
    /// Withdraw your trust
    #[arg(long)]
    forget: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[command(flatten)]
    user: UserArgs,
}

/// Shows it, and believes it after a yes.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    own::may_write(state)?;
    let user = args.user.resolve()?;
    let workspace = workspace(&args.path)?;
    let path = Believed::file_of(user.uid);
    let before = own::text_of(&path)?;
    let believed = Believed::read(&before);
    if args.forget {
        let file = workspace.join(repository::NAME).to_string_lossy().into_owned();
        if !believed.knows(&file) {
            return Err(Exit::Usage.error(format!("`{file}` is not believed")));
        }
        own::put(&path, &before, &believed.without(&file).text())?;
        print_line!("`{file}` is not obeyed in sessions of user {} that begin from now on", user.uid);
        return apply::of_user(state, user.uid);
    }
    let found = repository::look(&workspace, user.uid).ok_or_else(|| {
        Exit::Usage.error(format!("there is no `{}` in `{}`", repository::NAME, workspace.display()))
    })?;
    let source = found.map_err(|why| Exit::Refused.error(why))?;
    let policy = read(&source, user.uid)?;
    let rules = policy.rules().iter().map(policy::say).collect::<Vec<_>>();
    let next = believed.with(&source).ok_or_else(|| {
        Exit::Refused.error(format!(
            "`{}` cannot be believed: its name has more than one line, or too many are",
            text::shown(source.file.as_bytes())
        ))
    })?;
    print_line!("`{}` says:\n\n{}", text::shown(source.file.as_bytes()), rules.join("\n\n"));
    if !args.yes {
        if !terminal::foreground() {
            print_line!("\nnothing was written: `sudo wardline policy trust --yes` believes it");
            return Ok(ExitCode::SUCCESS);
        }
        if !terminal::is_yes("\nObey this, as long as the file says exactly this? [y/N] ")? {
            print_line!("nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
    }
    own::put(&path, &before, &next.text())?;
    print_line!(
        "\n`{}` is obeyed in sessions of user {} there, until it is changed; `sudo wardline policy trust --forget` takes that back",
        source.file,
        user.uid
    );
    apply::of_user(state, user.uid)
}

/// The directory, as a session names it; its file may be said as well.
fn workspace(path: &Path) -> Result<PathBuf> {
    let is_file = path.file_name().is_some_and(|name| name == repository::NAME);
    let directory = match path.parent() {
        Some(parent) if is_file && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if is_file => parent,
        _ => path,
    };
    directory.canonicalize().with_context(|| format!("`{}` is no directory", directory.display()))
}

/// What it says, if sessions could begin under it.
fn read(source: &Source, uid: u32) -> Result<Policy> {
    let policy = Policy::read(Layer::Repository, &source.file, &source.text)
        .map_err(|wrong| Exit::Failed.error(wrong.render()))?;
    let mut sources = rules::of_machine()?;
    sources.extend(rules::of_user(uid)?);
    sources.push(source.clone());
    Rules::read(&sources, rules::today()).map_err(|wrong| Exit::Refused.error(wrong.to_string()))?;
    Ok(policy)
}
