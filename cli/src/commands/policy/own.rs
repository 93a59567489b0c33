//! `wardline policy allow`, `lend`, `deny`, `forget`, `edit`: a user's own rules, in a file that root alone can write: no session can.

use super::apply;
use crate::client::connect;
use anyhow::{Context, Result};
use command::print_line;
use command::user::UserArgs;
use command::{Exit, State};
use event::{AgentName, TaskName};
use guard::rules;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;
use policy::{Effect, Layer, Policy, Rules, Said, Site, Source, What};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What was said about a place.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// A path
    place: String,
    /// `read`, `write`, `change`, `connect`, `listen` or `everything`; separate several by commas
    #[arg(long, value_delimiter = ',', value_name = "WHAT")]
    what: Vec<String>,
    /// The reason, which is shown with each refusal
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// The user, by name or uid; the invoking user otherwise
    #[command(flatten)]
    user: UserArgs,
}

/// What was closed.
#[derive(Debug, clap::Args)]
pub struct DenyArgs {
    /// The place
    #[command(flatten)]
    place: PlaceArgs,
    /// Only in sessions of this agent, as `wardline show` names it; repeatable
    #[arg(long = "agent", value_name = "AGENT")]
    agents: Vec<AgentName>,
    /// Only during this task, as `--task` and `wardline task` name it; repeatable
    #[arg(long = "task", value_name = "TASK")]
    tasks: Vec<TaskName>,
}

/// What is to be lent.
#[derive(Debug, clap::Args)]
pub struct LendArgs {
    /// A path in the home
    place: String,
    /// A host of the credential: a full name, or an address; repeatable
    #[arg(long = "host", value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// Only to sessions of this agent, as `wardline show` names it; repeatable
    #[arg(long = "agent", value_name = "AGENT")]
    agents: Vec<AgentName>,
    /// The reason, which is shown with each refusal
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// The user, by name or uid; the invoking user otherwise
    #[command(flatten)]
    user: UserArgs,
}

/// Which rule.
#[derive(Debug, clap::Args)]
pub struct RuleArgs {
    /// The rule's id or place
    rule: String,
    /// The user, by name or uid; the invoking user otherwise
    #[command(flatten)]
    user: UserArgs,
}

/// The file, as it is.
pub(super) struct Own {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub home: PathBuf,
    /// Whose it is.
    pub uid: u32,
    /// What it holds.
    pub text: String,
    /// Its rules.
    pub there: Policy,
}

/// Nobody but root writes rules, and nobody inside of a session.
pub(super) fn may_write(state: &State) -> Result<()> {
    connect::is_served(state)?;
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect
            .error("rules are written by root, since no session can be: use `sudo wardline policy`"));
    }
    Ok(())
}

impl Own {
    /// Whoever is inside a session has no say in how sessions are guarded.
    fn open(state: &State, user: &UserArgs) -> Result<Self> {
        may_write(state)?;
        Self::read(user)
    }

    /// As anybody may.
    pub fn read(user: &UserArgs) -> Result<Self> {
        let user = user.resolve()?;
        let path = rules::file_of(user.uid);
        let text = text_of(&path)?;
        let there = Policy::read(Layer::User, &path.display().to_string(), &text)
            .map_err(|wrong| Exit::Failed.error(wrong.render()))?;
        Ok(Self { path, home: user.home, uid: user.uid, text, there })
    }

    /// The rules of this machine, and a text as the user's.
    pub fn with(&self, text: &str) -> Result<Rules> {
        let mut sources = rules::of_machine()?;
        sources.push(Source { layer: Layer::User, file: self.path.display().to_string(), text: text.into() });
        Rules::read(&sources, rules::today())
            .map_err(|wrong| Exit::Refused.error(format!("nothing was written: {wrong}")))
    }

    /// A rule of the user closes what is the user's: with another one no session would start.
    fn check_owners(&self, rules: &Rules) -> Result<()> {
        let own = rules.own().filter(|rule| rule.layer == Layer::User && rule.effect == Effect::Deny);
        for (rule, site) in own.flat_map(|rule| rule.sites.iter().map(move |site| (rule, site))) {
            let path = match site {
                Site::Home(path) => self.home.join(path),
                Site::System(path) => PathBuf::from(path),
                _ => continue,
            };
            let there = path.ancestors().find_map(|path| fs::metadata(path).ok());
            if there.is_none_or(|there| there.uid() != self.uid) {
                return Err(Exit::Refused.error(format!(
                    "nothing was written: {site} does not belong to user {}, and rule `{}` would close it to others, too; root \
                     may put such a rule into `{}`",
                    self.uid,
                    rule.id,
                    rules::OF_MACHINE
                )));
            }
        }
        Ok(())
    }

    /// Puts a text in the place of what is there, if sessions would begin under it.
    pub fn write(&self, text: &str) -> Result<()> {
        self.check_owners(&self.with(text)?)?;
        put(&self.path, &self.text, text)
    }
}

/// Nobody else writes below a directory meanwhile.
fn lock(directory: &Path) -> Result<Flock<File>> {
    let failed = || format!("`{}` cannot be locked", directory.display());
    DirBuilder::new().recursive(true).mode(0o755).create(directory).with_context(failed)?;
    let opened = File::open(directory).with_context(failed)?;
    Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, error)| error).with_context(failed)
}

/// Puts a text in the place of what a file of root's holds, if that is still what was read.
pub(super) fn put(path: &Path, before: &str, text: &str) -> Result<()> {
    let directory = path.parent().context("the file has no directory")?;
    let lock = lock(directory)?;
    // What was written meanwhile is not lost: it may have closed something.
    if text_of(path)? != before {
        let changed = format!("nothing was written: `{}` was changed meanwhile", path.display());
        return Err(Exit::Failed.error(changed));
    }
    let failed = || format!("`{}` could not be written", path.display());
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644)).with_context(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).with_context(failed)?;
    file.persist(path).map_err(|error| error.error).with_context(failed)?;
    drop(lock);
    Ok(())
}

impl Own {
    /// Writes a rule behind those that are there.
    fn say(&self, state: &State, said: &Said, done: &str, place: &str) -> Result<ExitCode> {
        let (text, id) = said.added_to(&self.text, &self.there);
        self.write(&text)?;
        let of = |head: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!(" {head} {}", names.join(" and ")),
        };
        let closes = said.effect == Effect::Deny;
        let when = if closes { "" } else { " that begin from now on" };
        print_line!(
            "{done} `{place}` in sessions of user {}{}{}{when}: rule `{id}` in `{}`; `sudo wardline policy forget {id}` takes it back",
            self.uid,
            of("with", &said.agents),
            of("during", &said.tasks),
            self.path.display()
        );
        apply::of_user(state, self.uid)
    }
}

/// What a file of root's holds; nothing, if it is not there.
pub(super) fn text_of(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.with_context(|| format!("`{}` could not be read", path.display())),
    }
}

/// Opens a place.
pub fn allow(state: &State, args: &PlaceArgs) -> Result<ExitCode> {
    add(state, Effect::Allow, args, &[], &[])
}

/// Closes a place.
pub fn deny(state: &State, args: &DenyArgs) -> Result<ExitCode> {
    add(state, Effect::Deny, &args.place, &args.agents, &args.tasks)
}

fn names<T: ToString>(names: &[T]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Adds a rule for a place.
fn add(
    state: &State,
    effect: Effect,
    args: &PlaceArgs,
    agents: &[AgentName],
    tasks: &[TaskName],
) -> Result<ExitCode> {
    let own = Own::open(state, &args.user)?;
    let site = site_of(&args.place, &own.home)?;
    let mut what = args.what.iter().try_fold(What::empty(), |all, word| {
        let known = What::WORDS.map(|(word, _)| format!("`{word}`")).join(", ");
        let what = What::of(word).ok_or_else(|| Exit::Usage.error(format!("`{word}` is none of {known}")))?;
        Ok::<_, anyhow::Error>(all | what)
    })?;
    if what.is_empty() {
        // The least that can be meant.
        what = if effect == Effect::Allow { What::READ } else { What::EVERYTHING };
    }
    let before = rules::of_sessions(own.uid)?;
    let refused = before.refused_at(&site);
    if effect == Effect::Allow && !refused.intersects(what) {
        let hint = match refused.words().collect::<Vec<_>>() {
            words if words.is_empty() => "no rule refuses anything there".to_owned(),
            words => format!("what is refused there is said with `--what {}`", words.join(",")),
        };
        return Err(Exit::Usage.error(format!("nothing was written: {hint}")));
    }
    let why = args.why.clone().unwrap_or_else(|| format!("said with `wardline policy {}`", effect.word()));
    let done = if effect == Effect::Allow { "opened" } else { "closed" };
    let (agents, tasks) = (names(agents), names(tasks));
    let said = Said { sites: vec![site], what, effect, hosts: Vec::new(), agents, tasks, why };
    own.say(state, &said, done, &args.place)
}

/// Adds a rule that lends a place.
pub fn lend(state: &State, args: &LendArgs) -> Result<ExitCode> {
    let own = Own::open(state, &args.user)?;
    let sites = vec![site_of(&args.place, &own.home)?];
    let why = args.why.clone().unwrap_or_else(|| "said with `wardline policy lend`".to_owned());
    let (hosts, agents) = (args.hosts.clone(), names(&args.agents));
    let tasks = Vec::new();
    let said = Said { sites, what: What::READ, effect: Effect::Lend, hosts, agents, tasks, why };
    own.say(state, &said, "lends", &args.place)
}

/// Takes a rule back.
pub fn forget(state: &State, args: &RuleArgs) -> Result<ExitCode> {
    let own = Own::open(state, &args.user)?;
    let which = &*args.rule;
    let by_place = || {
        let site = site_of(which, &own.home).ok()?;
        let mut of_place = own.there.of_user_at(&site).map(|rule| rule.id.clone());
        of_place.next().filter(|_| of_place.next().is_none())
    };
    let id = own.there.rule(which).map(|rule| rule.id.clone()).or_else(by_place).ok_or_else(|| {
        Exit::Usage.error(format!(
            "`{}` has no rule `{which}`, and not one alone for such a place",
            own.path.display()
        ))
    })?;
    let text = own.there.taken_out(&own.text, &id).ok_or_else(|| {
        Exit::Failed
            .error(format!("rule `{id}` cannot be taken out by itself: edit `{}`", own.path.display()))
    })?;
    own.write(&text)?;
    print_line!("took back rule `{id}` of `{}`", own.path.display());
    apply::of_user(state, own.uid)
}

/// Lets the user's editor have a copy, and puts it in the place of the file if it holds rules.
pub fn edit(state: &State, user: &UserArgs) -> Result<ExitCode> {
    let own = Own::open(state, user)?;
    let editor = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR")).unwrap_or_else(|_| "vi".into());
    // Beside the file, where nobody but root puts anything.
    let directory = own.path.parent().context("the file has no directory")?;
    DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let copy = tempfile::Builder::new().prefix(".edited-").suffix(".toml").tempfile_in(directory)?;
    fs::write(copy.path(), &own.text)?;
    let mut words = editor.split_whitespace();
    let program = words.next().context("`$EDITOR` is empty")?;
    let status = Command::new(program)
        .args(words)
        .arg(copy.path())
        .status()
        .with_context(|| format!("`{program}` cannot be executed: set `$EDITOR`"))?;
    if !status.success() {
        return Err(Exit::Failed.error(format!("nothing was written: `{program}` ended with {status}")));
    }
    let text = fs::read_to_string(copy.path())?;
    if text == own.text {
        print_line!("nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    let read = Policy::read(Layer::User, &own.path.display().to_string(), &text);
    let written = read.map_err(|wrong| Exit::Refused.error(wrong.render())).and_then(|_| own.write(&text));
    if let Err(wrong) = written {
        let (_, kept) = copy.keep()?;
        return Err(wrong.context(format!("nothing was written; `{}` keeps what you wrote", kept.display())));
    }
    print_line!("wrote `{}`", own.path.display());
    apply::of_user(state, own.uid)
}

/// The place in the words of a rule.
fn site_of(place: &str, home: &Path) -> Result<Site> {
    if let Ok(address) = place.parse::<IpAddr>() {
        return Err(Exit::Usage.error(format!(
            "`{address}` is the same for every user: root may put a rule for it into `/etc/wardline/policy.d`"
        )));
    }
    let path = match place.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => std::path::absolute(place).context("there is no current directory")?,
    };
    let site = match path.strip_prefix(home) {
        Ok(rest) => ("home", rest),
        Err(_) => ("root", path.as_path()),
    };
    let text = site.1.to_str().context("a rule names places in UTF-8")?;
    policy::site(site.0, text).map_err(|why| Exit::Usage.error(format!("`{place}`: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_from_the_home_or_from_the_root() {
        let of = |place: &str| site_of(place, Path::new("/home/u")).map_err(|error| error.to_string());
        assert_eq!(of("~/x/y"), Ok(Site::Home("x/y".into())));
        assert_eq!(of("/home/u/.npmrc"), Ok(Site::Home(".npmrc".into())));
        assert_eq!(of("/srv/x"), Ok(Site::System("/srv/x".into())));
        for none in ["~/", "/home/u", "/", "169.254.169.254", "/srv/*"] {
            assert!(of(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_refused_is_known_before_it_is_opened() {
        let refused = |place: &str| Rules::default().refused_at(&Site::Home(place.into()));
        assert_eq!(refused(".npmrc"), What::EVERYTHING);
        assert_eq!(refused(".vimrc"), What::CHANGE);
        assert_eq!(refused("notes.txt"), What::empty());
    }
}
