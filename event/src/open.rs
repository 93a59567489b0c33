//! Places that no compiled baseline closes: the guard compiles none, and a replay counts no denial there.

use crate::loopback::is_loopback;
use crate::{Place, Reach};
use bstr::{BStr, ByteSlice};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Sockets of this machine's name services.
pub const NAME_SERVICES: [&str; 2] = ["/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"];

/// Where every session may make files of its own, whatever was learned.
pub const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Devices that hold nothing of anybody: a session with a terminal uses others than one without.
pub const HARMLESS: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];

/// Where processes are, by their numbers: there a process names its threads. The memory and the environment of processes outside
/// the session are refused by the kernel side, whatever was learned.
const PROCESSES: [&str; 2] = ["proc", "$number"];

/// Where the terminals are, of which a session has another one each time.
const TERMINALS: &str = "/dev/pts";

/// Whether a compiled baseline can refuse a place: it closes nothing in a workspace, nothing that it cannot find, nothing
/// that has no file or network to label, and nothing that is open to every session. On loopback it closes listeners outside
/// the session, which have places of their own.
pub fn is_compiled(place: &Place) -> bool {
    let root = place.components.first().map_or(&b""[..], |root| root);
    place.reach.is_compiled()
        && !matches!(root, b"$workspace" | b"$unmounted" | b"$kept")
        && !is_on_loopback(place)
        && !is_open_to_all(place)
}

fn is_on_loopback(place: &Place) -> bool {
    let [root, address @ .., _port] = &*place.components else { return false };
    let text = |by: &str| bstr::join(by, address).to_str().map(str::to_owned).unwrap_or_default();
    match root.as_bytes() {
        b"$net4" => text(".").parse().is_ok_and(|ip: Ipv4Addr| is_loopback(ip.into())),
        b"$net6" => text(":").parse().is_ok_and(|ip: Ipv6Addr| is_loopback(ip.into())),
        _ => false,
    }
}

fn is_open_to_all(place: &Place) -> bool {
    let [root, rest @ ..] = &*place.components else { return false };
    let top = match root.as_bytes() {
        b"/" => None,
        b"$tmp" => Some("tmp"),
        _ => return false,
    };
    let path: Vec<&BStr> =
        top.into_iter().map(BStr::new).chain(rest.iter().map(|name| name.as_bstr())).collect();
    let below = |of: &str| {
        let of: Vec<&BStr> = of.split('/').skip(1).map(BStr::new).collect();
        path.strip_prefix(of.as_slice()).map(<[_]>::len)
    };
    let is = |of: &str| below(of) == Some(0);
    match place.reach {
        Reach::Unix if NAME_SERVICES.into_iter().any(is) => true,
        Reach::Create if TEMPORARY.into_iter().any(|place| below(place).is_some()) => true,
        Reach::Write if path.starts_with(&PROCESSES.map(BStr::new)) => true,
        Reach::Read | Reach::Write if HARMLESS.into_iter().any(is) || below(TERMINALS).is_some() => true,
        _ => TEMPORARY.into_iter().any(is),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loopback::LOOPBACK;
    use crate::{Class, Context, Tokeniser};
    use bstr::BString;

    fn is_compiled(reach: Reach, path: &str) -> bool {
        let components = Tokeniser::new(Context { home: "/home/u".into(), ..Context::default() })
            .symbolic(path.as_bytes(), reach);
        super::is_compiled(&Place { reach, components: components.into() })
    }

    fn connects(components: &[&str]) -> bool {
        let components = components.iter().map(|name| BString::from(*name)).collect();
        super::is_compiled(&Place { reach: Reach::Connect, components })
    }

    #[test]
    fn a_first_connect_to_oneself_is_no_denial() {
        for open in [["$net4", "127", "0", "0", "1", "3128"], ["$net4", "0", "0", "0", "0", "80"]] {
            assert!(!connects(&open), "{open:?}");
        }
        for last in ["0", "1"] {
            assert!(!connects(&["$net6", "0", "0", "0", "0", "0", "0", "0", last, "80"]));
        }
        assert!(connects(&["$net4", "128", "0", "0", "1", "3128"]));
        assert!(connects(&["$net6", "0", "0", "0", "0", "0", "0", "0", "2", "80"]));
        assert!(connects(&["$host", "org", "example", ":443"]));
        assert!(connects(&["$local", "5432"]), "somebody outside listens there");
        assert!(LOOPBACK.iter().all(|(ip, _)| Class::of_address(*ip) == Class::Loopback));
    }

    #[test]
    fn temporary_places_take_new_files_and_harmless_devices_and_terminals_take_everything_written() {
        for place in TEMPORARY {
            assert!(!is_compiled(Reach::Create, &format!("{place}/new")), "{place}");
            assert!(!is_compiled(Reach::Read, place) && !is_compiled(Reach::Write, place), "{place}");
            assert!(is_compiled(Reach::Write, &format!("{place}/old")), "{place}");
        }
        for device in HARMLESS.into_iter().chain(["/dev/pts/3"]) {
            assert!(!is_compiled(Reach::Write, device) && !is_compiled(Reach::Read, device), "{device}");
            assert!(is_compiled(Reach::Exec, device), "{device}");
        }
        assert!(!is_compiled(Reach::Write, "/proc/7/task/8/comm"), "the name of a thread");
        assert!(is_compiled(Reach::Write, "/proc/sys/kernel/core_pattern"));
        assert!(is_compiled(Reach::Write, "/dev/sda") && is_compiled(Reach::Create, "/var/tmpx"));
    }

    #[test]
    fn what_has_no_label_is_refused_by_none() {
        let place = |root: &str| Place { reach: Reach::Unix, components: [root.into(), "x".into()].into() };
        assert!(["$workspace", "$unmounted"].iter().all(|root| !super::is_compiled(&place(root))));
        assert!(super::is_compiled(&place("$home")) && super::is_compiled(&place(crate::ABSTRACT)));
    }
}
