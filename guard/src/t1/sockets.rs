//! Abstract unix sockets that a baseline knows. They have no file to label, so that their names decide.

use bstr::{BStr, BString};
use event::{ABSTRACT, Reach};
use models::Novelty;

/// Abstract names of one policy.
pub const SOCKETS_MAX: usize = 1_024;

/// To which abstract unix sockets outside the session it may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// To each: sessions connected to other ones every time.
    Any,
    /// To those of these names, in order.
    Known(Vec<BString>),
}

impl Default for Sockets {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

impl Sockets {
    /// The names, where they matter.
    pub fn known(&self) -> &[BString] {
        match self {
            Self::Any => &[],
            Self::Known(names) => names,
        }
    }
}

/// What a baseline knows of them.
pub(super) fn compile(novelty: &Novelty) -> Sockets {
    let mut known = Vec::new();
    for region in novelty.regions().filter(|region| region.reach == Reach::Unix) {
        match *region.components {
            [root] if root == BStr::new(ABSTRACT) && region.open => return Sockets::Any,
            [root, name] if root == BStr::new(ABSTRACT) && region.known => known.push(name.to_owned()),
            _ => {}
        }
    }
    known.sort_unstable();
    Sockets::Known(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Place;

    fn compiled(sessions: &[&[&str]]) -> Sockets {
        let place = |name: &&str| Place {
            reach: Reach::Unix,
            components: [BString::from(ABSTRACT), BString::from(*name)].into(),
        };
        let sessions: Vec<Vec<Place>> =
            sessions.iter().map(|names| names.iter().map(place).collect()).collect();
        compile(&Novelty::learn((0..).zip(sessions.iter().map(|places| places.iter()))))
    }

    #[test]
    fn what_several_sessions_reached_is_known_and_nothing_else() {
        assert_eq!(compiled(&[&["a"], &["a"], &["a", "b"], &["a"]]), Sockets::Known(vec!["a".into()]));
        assert_eq!(compiled(&[&[], &[], &[]]), Sockets::Known(vec![]));
        let display: &[&str] = &["/tmp/.X11-unix/X0"];
        assert_eq!(compiled(&[display; 4]), Sockets::Known(vec![display[0].into()]));
    }

    #[test]
    fn sessions_that_each_reached_another_one_leave_all_open() {
        let names: Vec<String> = (0..12).map(|number| format!("bus-{number}")).collect();
        let sessions: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        let sessions: Vec<&[&str]> = sessions.iter().map(<[_; 1]>::as_slice).collect();
        assert_eq!(compiled(&sessions), Sockets::Any);
    }
}
