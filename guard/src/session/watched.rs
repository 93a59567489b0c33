//! What people want to be told of: rules whose effect is `watch`, and what is lent. Nothing is refused for them, so that what the session says of
//! itself is enough to tell.

use bstr::{BStr, BString, ByteSlice};
use event::jewel::access;
use event::{Access, Context, Event, Object, Op, Outcome};
use policy::{Effect, Rules, Site};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The places of a session that are watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    places: HashMap<BString, Place>,
    /// Directories in which some lie.
    above: HashMap<BString, Vec<BString>>,
    /// What any of them is watched for: most of what happens is none of it.
    access: Access,
    /// Its mounts are seen outside of it. Who is not root mounts in a namespace of its own, where no file is changed by that.
    mounts: bool,
}

#[derive(Debug)]
struct Place {
    access: Access,
    /// What to say of it, in words.
    told: String,
    is_told: bool,
}

impl Watched {
    /// Those of a session's rules; `repositories` are the other ones in its home.
    pub(crate) fn of(rules: &Rules, context: &Context, repositories: &[PathBuf]) -> Self {
        let mut watched = Self { mounts: context.uid == 0, ..Self::default() };
        for row in rules.policy().rows().filter(|row| matches!(row.rule.effect, Effect::Watch | Effect::Lend))
        {
            let below: Vec<(&BStr, &str)> = match row.site {
                Site::Home(path) => vec![(context.home.as_bstr(), path)],
                Site::System(path) => vec![(b"".as_bstr(), path.trim_start_matches('/'))],
                Site::Workspace(path) => {
                    context.workspaces.iter().map(|workspace| (workspace.as_bstr(), &**path)).collect()
                }
                Site::Repository(path) => {
                    repositories.iter().map(|top| (top.as_os_str().as_bytes().as_bstr(), &**path)).collect()
                }
                _ => continue,
            };
            for (directory, path) in below {
                let whole = BString::from(bstr::join("/", [directory.as_bytes(), path.as_bytes()]));
                let of = match row.site {
                    Site::Repository(_) => format!(", `{directory}`"),
                    _ => String::new(),
                };
                let told = format!("{}{of} (rule `{}`): {}", row.site, row.rule.id, row.rule.why);
                let place = Place { access: access(row.rule.what), told, is_told: false };
                watched.add(whole, place);
            }
        }
        watched
    }

    /// The same of a session that was told of some already.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        for (path, place) in &mut self.places {
            place.is_told |= before.places.get(path).is_some_and(|of| of.is_told && of.told == place.told);
        }
        self
    }

    fn add(&mut self, path: BString, place: Place) {
        for above in ancestors(&path).skip(1) {
            self.above.entry(above.into()).or_default().push(path.clone());
        }
        self.access |= place.access;
        self.places.insert(path, place);
    }

    /// What an event is to be told for that has happened, each once.
    pub(super) fn told_of(&mut self, event: &Event) -> Vec<String> {
        let is_refused = event.decision.is_some_and(|decision| decision.enforced);
        let asked = if event.op == Op::Mount && !self.mounts { Access::empty() } else { asked(event) };
        if !self.access.intersects(asked) || is_refused || !matches!(event.outcome, Outcome::Done(_)) {
            return Vec::new();
        }
        let mut told = Vec::new();
        for object in [Some(&event.object), event.second.as_ref()].into_iter().flatten() {
            let Object::File(file) = object else { continue };
            for path in ancestors(&file.path) {
                self.tell(path, asked, &mut told);
            }
            // Whole directories come and go as well.
            if matches!(event.op, Op::Rename | Op::Symlink | Op::Mount)
                && let Some(below) = self.above.get(file.path.as_bstr()).cloned()
            {
                below.iter().for_each(|path| self.tell(path.as_bstr(), asked, &mut told));
            }
        }
        told
    }

    fn tell(&mut self, path: &BStr, asked: Access, told: &mut Vec<String>) {
        if let Some(place) = self.places.get_mut(path)
            && !place.is_told
            && place.access.intersects(asked)
        {
            place.is_told = true;
            let did = if asked.intersects(access(policy::What::CHANGE)) { "changed" } else { "read" };
            told.push(format!("the session {did} {}", place.told));
        }
    }
}

/// What an event has done to its objects.
fn asked(event: &Event) -> Access {
    match event.op {
        Op::Open => event.access,
        op if op.is_change() => access(policy::What::CHANGE),
        _ => Access::empty(),
    }
}

/// A path, and the directories above it.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &BStr> {
    let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    std::iter::once(path.len()).chain(ends).filter_map(|end| Some(path.get(..end)?.as_bstr()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{File, Origin};

    fn event(op: Op, access: Access, path: &str) -> Event {
        let file = File { path: path.into(), key: None, mode: 0o100644, origin: Origin::Claimed };
        Event { time_ns: 1, pid: 1, tid: 1, ..Event::of(op, access, Object::File(file)) }
    }

    fn context() -> Context {
        Context { home: "/home/u".into(), workspaces: vec!["/home/u/app".into()], ..Context::default() }
    }

    #[test]
    fn each_place_is_told_once_and_only_what_was_done_to_it() {
        let others = [PathBuf::from("/home/u/other")];
        let mut watched = Watched::of(&Rules::default(), &context(), &others);
        let (write, read) = (Access::WRITE, Access::READ);
        let mut told = |op, access, path: &str| watched.told_of(&event(op, access, path)).len();
        assert_eq!(told(Op::Open, read, "/home/u/app/.vscode/tasks.json"), 0);
        assert_eq!(told(Op::Open, write, "/home/u/app/.vscode/tasks.json"), 1);
        assert_eq!(told(Op::Unlink, write, "/home/u/app/.vscode/tasks.json"), 0, "once");
        assert_eq!(told(Op::Open, write, "/home/u/app/.claude/hooks/x.sh"), 1, "in a directory");
        assert_eq!(told(Op::Open, write, "/home/u/app/sub/.vscode/tasks.json"), 0);
        assert_eq!(told(Op::Open, write, "/home/u/app/src/main.rs"), 0);
        assert!(told(Op::Rename, write, "/home/u/app/.cursor") > 1, "with all that may lie in it");
        let other = "/home/u/other/.vscode/tasks.json";
        assert_eq!(told(Op::Unlink, write, other), 1, "of another repository");
        assert_eq!(told(Op::Create, write, "/home/u/third/.vscode/tasks.json"), 0, "that nobody found");
        let refused =
            Event { outcome: Outcome::Failed(1), ..event(Op::Open, write, "/home/u/app/.mcp.json") };
        assert_eq!(watched.told_of(&refused).len(), 0);
    }

    #[test]
    fn every_operation_that_changes_a_place_is_told_but_a_users_mounts() {
        for op in Op::ALL.iter().filter(|op| op.is_change()) {
            for uid in [0, 1000] {
                let context = Context { uid, ..context() };
                let mut watched = Watched::of(&Rules::default(), &context, &[]);
                let event = event(*op, Access::empty(), "/home/u/app/.vscode/tasks.json");
                let told = usize::from(*op != Op::Mount || uid == 0);
                assert_eq!(watched.told_of(&event).len(), told, "{op:?} of {uid}");
            }
        }
    }
}
