//! The crown jewels: what no agent session may touch, whatever was learned. They are the shipped policy's refusals, a row a
//! place. The first stage (T0) refuses them in the kernel, and the object class `home-secret` is read from the same rows.

use crate::Access;
use policy::{Kind, Row, Secrets, Site, What};
use std::collections::HashSet;
use std::sync::LazyLock;

/// One row of the static deny-list: a rule at one of its places.
pub type Jewel = Row<'static>;

static JEWELS: LazyLock<Vec<Jewel>> = LazyLock::new(|| policy::shipped().denied().collect());
static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets::of(policy::shipped()));

/// Where jewels of the home lie, and the directories above them.
static PLACES: LazyLock<Places> = LazyLock::new(Places::of_jewels);

struct Places {
    /// Paths below the home.
    jewels: HashSet<&'static [u8]>,
    /// Paths of directories above them.
    above: HashSet<&'static [u8]>,
    /// Names of directories that have one in them wherever they are.
    named: HashSet<&'static [u8]>,
}

impl Places {
    fn of_jewels() -> Self {
        let mut places = Self { jewels: HashSet::new(), above: HashSet::new(), named: HashSet::new() };
        for jewel in jewels() {
            match jewel.site {
                Site::Home(path) => {
                    places.jewels.insert(path.as_bytes());
                    places.above.extend(ends(path.as_bytes()).filter_map(|end| path.as_bytes().get(..end)));
                }
                Site::NameIn(directory, _) if directory.starts_with('.') => {
                    places.named.insert(directory.as_bytes());
                }
                _ => {}
            }
        }
        places
    }
}

/// Where the names in a path end.
fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.chain([path.len()])
}

/// The static deny-list. Order is identity: the reason of a row's label is its index plus one.
pub fn jewels() -> &'static [Jewel] {
    &JEWELS
}

/// What a rule is about, as the kernel side knows it.
pub fn access(what: What) -> Access {
    const ALL: Access = Access::from_bits_truncate(abi::access::ALL);
    const CHANGE: Access = Access::from_bits_truncate(abi::access::MODIFY);
    if what == What::EVERYTHING {
        return ALL;
    }
    [
        (What::READ, Access::READ),
        (What::WRITE, Access::WRITE),
        (What::CHANGE, CHANGE),
        (What::CONNECT, Access::CONNECT),
        (What::LISTEN, Access::LISTEN),
    ]
    .into_iter()
    .filter(|(of, _)| what.contains(*of))
    .fold(Access::empty(), |all, (_, access)| all | access)
}

/// Whether it is a private key, or what lies beside one.
pub fn is_key(jewel: Row<'_>) -> bool {
    matches!(jewel.rule.kind, Kind::Key | Kind::Gpg)
}

/// Whether a path below the home (without a leading slash) is a credential: a jewel whose very reading is refused.
pub fn is_secret(path_in_home: &[u8]) -> bool {
    SECRETS.has(path_in_home)
}

/// Whether a path below the home (without a leading slash) is a jewel, lies in one, or has one below it. A name that other
/// directories of an agent's have, too, is not enough.
pub fn is_near(path_in_home: &[u8]) -> bool {
    let name = path_in_home.rsplit(|&b| b == b'/').next().unwrap_or_default();
    PLACES.named.contains(name)
        || PLACES.above.contains(path_in_home)
        || ends(path_in_home)
            .filter_map(|end| path_in_home.get(..end))
            .any(|above| PLACES.jewels.contains(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernels_keys() {
        assert_eq!(policy::NAME_MAX + 1, abi::NAME_LEN);
    }

    #[test]
    fn what_may_be_read_is_no_secret() {
        assert!(is_secret(b".ssh/config"));
        assert!(is_secret(b"backup/id_ed25519"));
        assert!(!is_secret(b".bashrc"));
        assert!(!is_secret(b".sshx"));
    }

    #[test]
    fn a_directory_with_a_jewel_in_it_is_near() {
        for near in [".ssh", ".ssh/x/y", ".config/gh", ".config", ".claude", ".vscode"] {
            assert!(is_near(near.as_bytes()), "{near}");
        }
        for far in [".sshx", ".config/own", "notes", ".cache/own"] {
            assert!(!is_near(far.as_bytes()), "{far}");
        }
    }

    #[test]
    fn a_row_refuses_what_its_rule_says() {
        let of = |path: &str| {
            let jewel = jewels().iter().find(|jewel| *jewel.site == Site::Home(path.into())).unwrap();
            access(jewel.rule.what).bits()
        };
        assert_eq!(of(".ssh"), abi::access::ALL);
        assert_eq!(of(".bashrc"), abi::access::MODIFY);
        assert_eq!(of(".bash_history"), abi::access::READ | abi::access::WRITE);
    }
}
