//! Connections to this machine, over its loopback addresses: what counts is whether somebody outside the session listens, and
//! at which port, in whatever spelling of the address.

use crate::{Address, Object};
use bstr::BString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// Networks of this machine. Connecting to the unspecified address reaches it, too.
pub const LOOPBACK: [(IpAddr, u32); 4] = [
    (IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 32),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
];

/// Ports that the kernel picks for whoever asks for none (`ip_local_port_range`, ip-sysctl.rst): another one each time.
pub const PICKED_PORTS: RangeInclusive<u16> = 32_768..=60_999;

/// Root of the places of loopback listeners outside the session.
pub const LOCAL: &str = "$local";

/// A port of [`PICKED_PORTS`], as a place has it.
pub const PICKED: &str = "$picked";

/// Whether an address is this machine's loopback.
pub fn is_loopback(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// The place of a connection to a listener outside the session, as the kernel found it: `$local` and the port. `None` where the
/// address is none of loopback, the session itself listens, or nobody is known to.
pub(crate) fn outside(address: &Address, listener: Option<&Object>) -> Option<Vec<BString>> {
    match listener {
        Some(Object::Process { inside: false, .. }) if is_loopback(address.ip) => {
            let is_picked = PICKED_PORTS.contains(&address.port);
            let port = if is_picked { PICKED.into() } else { address.port.to_string().into() };
            Some(vec![LOCAL.into(), port])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_outside_is_known_by_its_port_in_every_spelling() {
        let place = |ip: &str, port, listener: Option<bool>| {
            let address = Address { ip: ip.parse().unwrap(), port, protocol: 6, host: None };
            let listener = listener.map(|inside| Object::Process { pid: 0, inside, detail: 9 });
            outside(&address, listener.as_ref()).map(|names| bstr::join("/", names).into())
        };
        let at = |place: &str| Some(BString::from(place));
        for ip in ["127.0.0.1", "127.9.8.7", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            assert_eq!(place(ip, 5_432, Some(false)), at("$local/5432"), "{ip}");
            assert_eq!(place(ip, 5_432, Some(true)), None, "{ip}");
            assert_eq!(place(ip, 5_432, None), None, "{ip}");
        }
        for (port, name) in [(32_767, "32767"), (32_768, PICKED), (60_999, PICKED), (61_000, "61000")] {
            assert_eq!(place("127.0.0.1", port, Some(false)), at(&format!("$local/{name}")));
        }
        assert_eq!(place("128.0.0.1", 5_432, Some(false)), None);
    }
}
