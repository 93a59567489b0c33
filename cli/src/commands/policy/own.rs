//! `wardline policy allow`, `deny`, `forget`: a user's own rules, in a file that root alone can write: no session can.

use crate::client::connect;
use anyhow::{Context, Result};
use command::print_line;
use command::user::UserArgs;
use command::{Exit, State};
use guard::rules;
use nix::unistd::Uid;
use policy::{Effect, Layer, Policy, Rules, Said, Site, What};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was said about a place.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// A path
    place: String,
    /// `read`, `write`, `change`, `connect`, `listen` or `everything`; several with commas
    #[arg(long, value_delimiter = ',', value_name = "WHAT")]
    what: Vec<String>,
    /// Why: it is shown with what it does
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Whose sessions
    #[command(flatten)]
    user: UserArgs,
}

/// Which rule.
#[derive(Debug, clap::Args)]
pub struct RuleArgs {
    /// Its id, or the place that it is for
    rule: String,
    /// Whose sessions
    #[command(flatten)]
    user: UserArgs,
}

/// The file, as it is.
struct Own {
    path: PathBuf,
    home: PathBuf,
    uid: u32,
    text: String,
    there: Policy,
}

impl Own {
    /// Whoever is inside a session has no say in how sessions are guarded.
    fn open(state: &State, user: &UserArgs) -> Result<Self> {
        connect::is_served(state)?;
        if !Uid::effective().is_root() {
            return Err(Exit::CannotProtect
                .error("rules are written by root, since no session can be: use `sudo wardline policy`"));
        }
        let user = user.resolve()?;
        let path = rules::file_of(user.uid);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("`{}` could not be read", path.display()));
            }
        };
        let there = Policy::read(Layer::User, &path.display().to_string(), &text)
            .map_err(|wrong| Exit::Failed.error(wrong.render()))?;
        Ok(Self { path, home: user.home, uid: user.uid, text, there })
    }

    /// Puts a text in the place of what is there, if sessions would begin under it.
    fn write(&self, text: &str) -> Result<()> {
        let mut sources = rules::of_machine()?;
        sources.push(policy::Source {
            layer: Layer::User,
            file: self.path.display().to_string(),
            text: text.into(),
        });
        Rules::read(&sources)
            .map_err(|wrong| Exit::Refused.error(format!("nothing was written: {wrong}")))?;
        let directory = self.path.parent().context("the file has no directory")?;
        let failed = || format!("`{}` could not be written", self.path.display());
        DirBuilder::new().recursive(true).mode(0o755).create(directory).with_context(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644)).with_context(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).with_context(failed)?;
        file.persist(&self.path).map_err(|error| error.error).with_context(failed)?;
        rules::of_session(self.uid)?;
        Ok(())
    }
}

/// Adds a rule.
pub fn say(state: &State, effect: Effect, args: &PlaceArgs) -> Result<ExitCode> {
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
    let before = rules::of_session(own.uid)?;
    let place = policy::site(site.0, &site.1).map_err(anyhow::Error::msg)?;
    let refused = refused_at(&before, &place);
    if effect == Effect::Allow && !refused.intersects(what) {
        let hint = match refused.words().collect::<Vec<_>>() {
            words if words.is_empty() => "no rule refuses anything there".to_owned(),
            words => format!("what is refused there is said with `--what {}`", words.join(",")),
        };
        return Err(Exit::Usage.error(format!("nothing was written: {hint}")));
    }
    let why = args.why.clone().unwrap_or_else(|| format!("said with `wardline policy {}`", effect.word()));
    let said = Said { site, what, effect, why };
    let (text, id) = said.added_to(&own.text, &own.there);
    own.write(&text)?;
    let done = if effect == Effect::Allow { "opened" } else { "closed" };
    print_line!(
        "{done} `{}` in sessions of user {} that begin from now on: rule `{id}` in `{}`; `sudo wardline policy forget {id}` takes it back",
        args.place,
        own.uid,
        own.path.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Takes a rule back.
pub fn forget(state: &State, args: &RuleArgs) -> Result<ExitCode> {
    let own = Own::open(state, &args.user)?;
    let which = &*args.rule;
    let by_place = || {
        let (kind, place) = site_of(which, &own.home).ok()?;
        let site = policy::site(kind, &place).ok()?;
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
    Ok(ExitCode::SUCCESS)
}

/// What is refused at a place.
fn refused_at(rules: &Rules, place: &Site) -> What {
    let met = rules.policy().meetings_with(place);
    let denied = met.iter().filter(|met| met.row.rule.effect == Effect::Deny);
    denied.fold(What::empty(), |all, met| all | rules.left_at(met, place))
}

/// The place in the words of a rule.
fn site_of(place: &str, home: &Path) -> Result<(&'static str, String)> {
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
    policy::site(site.0, text).map_err(|why| Exit::Usage.error(format!("`{place}`: {why}")))?;
    Ok((site.0, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_from_the_home_or_from_the_root() {
        let of = |place: &str| site_of(place, Path::new("/home/u")).map_err(|error| error.to_string());
        assert_eq!(of("~/x/y"), Ok(("home", "x/y".into())));
        assert_eq!(of("/home/u/.npmrc"), Ok(("home", ".npmrc".into())));
        assert_eq!(of("/srv/x"), Ok(("root", "/srv/x".into())));
        for none in ["~/", "/home/u", "/", "169.254.169.254", "/srv/*"] {
            assert!(of(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_refused_is_known_before_it_is_opened() {
        let refused = |place: &str| refused_at(&Rules::default(), &Site::Home(place.into()));
        assert_eq!(refused(".npmrc"), What::EVERYTHING);
        assert_eq!(refused(".vimrc"), What::CHANGE);
        assert_eq!(refused("notes.txt"), What::empty());
    }
}
