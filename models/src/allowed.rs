//! Places that a user has allowed, and that no session showed.

use crate::region::is_hub;
use bstr::{BStr, BString, ByteSlice};
use event::template::is_template;
use event::{Access, Event, Object, Op, Place, Reach, Tokeniser};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What reaching for such a place costs, in bits: it is no surprise, and no habit either.
pub(crate) const ALLOWED_BITS: f64 = 3.0;

/// A place that a person opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Allowed {
    /// The place.
    pub place: Place,
    /// Everything below it is open, too.
    pub below: bool,
}

impl Allowed {
    /// What a person opens who allows an operation that was refused; nothing where that cannot be opened. What was made may
    /// be read, changed and removed; what was changed may be read, and made, since not every means knows whether it was there;
    /// and a program that was started may be read, since scripts are. A directory that was made is open with all that will
    /// lie in it, unless every program keeps something in such a one.
    ///
    /// A name that is counted, dated or drawn stands for all that are alike: such a one may be made, and what is there under
    /// one is left alone.
    pub fn of(event: &Event, tokeniser: &Tokeniser) -> Vec<Allowed> {
        let mut all = Self::meant(event, tokeniser);
        all.retain_mut(|allowed| {
            let stands_for_many = allowed.place.components.iter().any(|name| is_template(name));
            let names: Vec<&BStr> = allowed.place.components.iter().map(|name| name.as_bstr()).collect();
            allowed.below &= !stands_for_many && !is_hub(&names);
            !stands_for_many || allowed.place.reach == Reach::Create
        });
        all
    }

    /// All that is meant by it, whatever its names stand for: what can be [widened](Self::widened).
    pub fn meant(event: &Event, tokeniser: &Tokeniser) -> Vec<Allowed> {
        // Mounting is refused everywhere at once.
        if matches!(event.op, Op::Mount | Op::Umount) {
            return Vec::new();
        }
        let Some(place) = tokeniser.place(event).filter(|place| place.reach.is_compiled()) else {
            return Vec::new();
        };
        // That a program may be started is asked when it is opened.
        let is_start = event.op == Op::Open && event.access.contains(Access::EXEC);
        let reach = if is_start { Reach::Exec } else { place.reach };
        let below = event.op == Op::Mkdir;
        let spelled = |object: &Object, reach: Reach| -> Option<Arc<[BString]>> {
            let path = object.file().map(|file| &file.path).filter(|path| path.first() != Some(&0))?;
            Some(tokeniser.symbolic(path, reach).into())
        };
        let allowed = |object: &Object, reach: Reach| -> Vec<Allowed> {
            let of = |&reach: &Reach| {
                let components = spelled(object, reach).unwrap_or_else(|| place.components.clone());
                Allowed { place: Place { reach, components }, below }
            };
            with(reach).iter().map(of).collect()
        };
        match (event.op, &event.second) {
            // What is moved leaves one name and takes another, and what is linked is read under another.
            (Op::Rename, Some(to)) => [allowed(&event.object, reach), allowed(to, Reach::Create)].concat(),
            (Op::Link, Some(to)) => [allowed(&event.object, Reach::Read), allowed(to, reach)].concat(),
            (_, _) => allowed(&event.object, reach),
        }
    }

    /// The same for a directory that the place lies in, and all that is below it; `None` where it does not lie there, where
    /// programs are started, which are opened one by one, and where everything lies in the directory.
    pub fn widened(&self, directory: &[u8], tokeniser: &Tokeniser) -> Option<Allowed> {
        let reach = self.place.reach;
        let components = tokeniser.symbolic(directory, reach);
        let names: Vec<&BStr> = components.iter().map(|name| name.as_bstr()).collect();
        let is_one = self.place.components.starts_with(&components)
            && reach != Reach::Exec
            && !is_hub(&names)
            && names.first().is_some_and(|root| names.len() > 2 || **root == *"$home")
            && !names.iter().any(|name| is_template(name));
        let place = Place { reach, components: components.into() };
        is_one.then_some(Allowed { place, below: true })
    }

    /// Whether it opens all that the other does.
    pub fn covers(&self, other: &Allowed) -> bool {
        let names: Vec<&BStr> = other.place.components.iter().map(|name| name.as_bstr()).collect();
        let opens = if other.below { Self::opens_below } else { Self::opens };
        opens(self, other.place.reach, &names)
    }

    /// Whether a place is open by it.
    pub(crate) fn opens(&self, reach: Reach, names: &[&BStr]) -> bool {
        self.place.components.len() == names.len() && self.leads_to(reach, names)
            || self.opens_below(reach, names)
    }

    /// Whether whatever lies below a place is.
    pub(crate) fn opens_below(&self, reach: Reach, names: &[&BStr]) -> bool {
        self.below && self.leads_to(reach, names)
    }

    fn leads_to(&self, reach: Reach, names: &[&BStr]) -> bool {
        let own = &*self.place.components;
        self.place.reach == reach
            && names.len() >= own.len()
            && own.iter().zip(names).all(|(own, name)| own.as_bstr() == *name)
    }
}

/// What else is meant by who allows this.
fn with(reach: Reach) -> &'static [Reach] {
    match reach {
        Reach::Read => &[Reach::Read],
        Reach::Write => &[Reach::Write, Reach::Read, Reach::Create],
        Reach::Create => &[Reach::Create, Reach::Read, Reach::Write, Reach::Remove],
        Reach::Remove => &[Reach::Remove],
        Reach::Exec => &[Reach::Exec, Reach::Read],
        Reach::Connect => &[Reach::Connect],
        Reach::Unix => &[Reach::Unix],
        Reach::Listen | Reach::Name => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DENIAL_BUDGET_BITS, Novelty};
    use event::{Context, Decision, File, Means, Object, Origin, Outcome, Stage};

    fn refused(op: Op, access: Access, path: &str) -> Event {
        let file = File { path: path.into(), key: None, mode: 0, origin: Origin::Trusted };
        Event {
            time_ns: 1,
            pid: 10,
            tid: 10,
            outcome: Outcome::Failed(1),
            decision: Some(Decision { stage: Stage::T1, means: Means::Fanotify, enforced: true, reason: 1 }),
            ..Event::of(op, access, Object::File(file))
        }
    }

    fn tokeniser() -> Tokeniser {
        Tokeniser::new(Context { home: "/home/u".into(), ..Context::default() })
    }

    fn open(novelty: &Novelty, reach: Reach, path: &str) -> bool {
        let components = tokeniser().symbolic(path.as_bytes(), reach);
        novelty.first_touch_bits(&Place { reach, components: components.into() }) < DENIAL_BUDGET_BITS
    }

    fn allowing(op: Op, access: Access, path: &str) -> Novelty {
        let mut novelty = Novelty::default();
        novelty.allow(Allowed::of(&refused(op, access, path), &tokeniser()));
        novelty
    }

    #[test]
    fn what_was_refused_is_open_and_nothing_beside_it() {
        let novelty = allowing(Op::Open, Access::READ, "/home/u/notes/a");
        assert!(open(&novelty, Reach::Read, "/home/u/notes/a"));
        for (reach, path) in [
            (Reach::Read, "/home/u/notes/b"),
            (Reach::Read, "/home/u/notes"),
            (Reach::Read, "/home/u/notes/a/b"),
            (Reach::Write, "/home/u/notes/a"),
            (Reach::Exec, "/home/u/notes/a"),
        ] {
            assert!(!open(&novelty, reach, path), "{reach:?} {path}");
        }
        assert!(novelty.regions().any(|region| region.allowed && region.known && !region.open));
    }

    #[test]
    fn what_may_be_changed_may_be_made() {
        let novelty = allowing(Op::Open, Access::WRITE, "/home/u/.toolrc");
        for reach in [Reach::Write, Reach::Read, Reach::Create] {
            assert!(open(&novelty, reach, "/home/u/.toolrc"), "{reach:?}");
        }
        assert!(!open(&novelty, Reach::Remove, "/home/u/.toolrc"));
    }

    #[test]
    fn a_directory_that_was_made_is_open_with_all_that_will_lie_in_it() {
        let novelty = allowing(Op::Mkdir, Access::CREATE, "/home/u/.cache/new");
        for reach in [Reach::Create, Reach::Read, Reach::Write, Reach::Remove] {
            assert!(open(&novelty, reach, "/home/u/.cache/new/a/b"), "{reach:?}");
            assert!(!open(&novelty, reach, "/home/u/.cache/newer/a"), "{reach:?}");
        }
        assert!(!open(&novelty, Reach::Exec, "/home/u/.cache/new/a"));
        for hub in ["/home/u/bin", "/home/u/.config", "/home/u/.local/bin"] {
            let novelty = allowing(Op::Mkdir, Access::CREATE, hub);
            assert!(open(&novelty, Reach::Create, hub), "{hub}");
            assert!(!open(&novelty, Reach::Create, &format!("{hub}/x")), "{hub}");
        }
    }

    #[test]
    fn a_program_is_asked_about_when_it_is_opened_and_may_be_read() {
        let novelty = allowing(Op::Open, Access::EXEC, "/home/u/bin/tool");
        assert!(open(&novelty, Reach::Exec, "/home/u/bin/tool"));
        assert!(open(&novelty, Reach::Read, "/home/u/bin/tool"));
        assert!(!open(&novelty, Reach::Write, "/home/u/bin/tool"));
    }

    #[test]
    fn it_is_widened_to_a_directory_that_it_lies_in_alone() {
        let of = |path: &str| Allowed::of(&refused(Op::Open, Access::READ, path), &tokeniser());
        let [one] = of("/home/u/.cache/uv/a/b").try_into().unwrap();
        let wide = one.widened(b"/home/u/.cache/uv", &tokeniser()).unwrap();
        assert!(wide.covers(&one) && !one.covers(&wide));
        assert!(wide.covers(&of("/home/u/.cache/uv/c")[0]) && !wide.covers(&of("/home/u/.cache/x")[0]));
        assert_eq!(one.widened(b"/home/u/.cache/pip", &tokeniser()), None);
    }

    #[test]
    fn a_name_that_stands_for_many_may_be_made_and_no_other_of_them_touched() {
        let made = Allowed::of(&refused(Op::Mkdir, Access::CREATE, "/home/u/2024"), &tokeniser());
        let [Allowed { place, below: false }] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!(place.reach, Reach::Create);
        assert_eq!(Allowed::of(&refused(Op::Open, Access::READ, "/home/u/tax/2023.pdf"), &tokeniser()), []);
    }

    #[test]
    fn who_may_move_something_may_make_it_where_it_goes() {
        let mut event = refused(Op::Rename, Access::REMOVE, "/home/u/.toolrc.new");
        let to = File { path: "/home/u/.toolrc".into(), key: None, mode: 0, origin: Origin::Trusted };
        event.second = Some(Object::File(to));
        let mut novelty = Novelty::default();
        novelty.allow(Allowed::of(&event, &tokeniser()));
        assert!(open(&novelty, Reach::Remove, "/home/u/.toolrc.new"));
        assert!(open(&novelty, Reach::Create, "/home/u/.toolrc"));
        assert!(!open(&novelty, Reach::Create, "/home/u/.other"));
    }

    #[test]
    fn neither_programs_nor_a_directory_of_everything_are_opened_as_a_whole() {
        let of = |op, access, path: &str| Allowed::meant(&refused(op, access, path), &tokeniser());
        let wide = |allowed: &[Allowed], directory: &str| {
            allowed.iter().any(|one| one.widened(directory.as_bytes(), &tokeniser()).is_some())
        };
        let started = of(Op::Open, Access::EXEC, "/home/u/src/x");
        let only_read = |one: &Allowed| one.place.reach == Reach::Read;
        assert!(!wide(&started.into_iter().filter(|one| !only_read(one)).collect::<Vec<_>>(), "/home/u/src"));
        let read = of(Op::Open, Access::READ, "/home/u/.local/bin/x/y");
        for directory in ["/home/u", "/home/u/.local", "/home/u/.local/bin", "/home"] {
            assert!(!wide(&read, directory), "{directory}");
        }
        assert!(wide(&read, "/home/u/.local/bin/x"));
        assert!(!wide(&of(Op::Open, Access::READ, "/opt/x/y"), "/opt"));
    }

    #[test]
    fn mounting_is_opened_by_no_answer() {
        assert_eq!(Allowed::of(&refused(Op::Mount, Access::WRITE, "/home/u/x"), &tokeniser()), []);
    }
}
