//! Destinations that a baseline knows, as networks. Everything else is refused by the session's default.

use crate::t0::mapped;
use abi::NetLabel;
use bstr::{BStr, ByteSlice};
use event::loopback::{LOCAL, LOOPBACK, PICKED, PICKED_PORTS, is_loopback};
use event::{RESOLVER_PORT, Reach};
use models::{Novelty, Region};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Bits of `::ffff:0:0/96`, below which IPv4 lies.
const MAPPED: u32 = 96;

/// How many bits of an address count, and the address.
type Network = (u32, [u8; 16]);

/// Ports that a label names.
const PORTS: usize = 8;

/// The networks that are open, each with the ports that are: `(bits, address, label)`. An address that is known at more
/// ports than a label names is open at all: its ports are no habit, and one more known port closes none.
pub(super) fn compile(novelty: &Novelty, resolvers: &[IpAddr]) -> Vec<(u32, [u8; 16], NetLabel)> {
    let mut open: BTreeMap<Network, BTreeSet<u16>> = BTreeMap::new();
    let (here, elsewhere): (Vec<IpAddr>, Vec<IpAddr>) = resolvers.iter().partition(|ip| is_loopback(**ip));
    let (local, regions): (Vec<Region<'_>>, Vec<Region<'_>>) = novelty
        .regions()
        .filter(|region| region.reach == Reach::Connect)
        .partition(|region| region.components.first().is_some_and(|root| *root == LOCAL));
    for region in regions.iter().filter(|region| region.open) {
        if let Some(Prefix { addr, bits, port: None }) = Prefix::of(&region.components) {
            open.insert((bits, addr), BTreeSet::new());
        }
    }
    let known = regions.iter().filter(|region| region.known);
    let known = known.filter_map(|region| match Prefix::of(&region.components)? {
        Prefix { addr, bits, port: Some(port) } => Some((addr, bits, port)),
        Prefix { .. } => None,
    });
    let resolvers = elsewhere.iter().map(|ip| (mapped(*ip), 128, RESOLVER_PORT));
    for (addr, bits, port) in known.chain(resolvers).collect::<Vec<_>>() {
        // Inside of an open network a label for some ports would close the others.
        let all = |wider| open.get(&(wider, masked(addr, wider))).is_some_and(BTreeSet::is_empty);
        if port == 0 || (0..=bits).any(all) {
            continue;
        }
        open.entry((bits, addr)).or_default().insert(port);
    }
    let open = open.into_iter().map(|((bits, addr), ports)| {
        let ports: Vec<u16> = ports.into_iter().collect();
        (bits, addr, label(&ports))
    });
    open.chain(loopback(&local, !here.is_empty())).collect()
}

/// Loopback, at the ports where listeners outside were reached. What a session listens at itself is not asked about, nor is
/// a port at which nobody does.
fn loopback(local: &[Region<'_>], asks_here: bool) -> Vec<(u32, [u8; 16], NetLabel)> {
    let is_open = local.iter().any(|region| region.open && region.components.len() == 1);
    let known: BTreeSet<&BStr> = local
        .iter()
        .filter(|region| region.known || region.open)
        .filter_map(|region| region.components.get(1).copied())
        .collect();
    let resolver = asks_here.then_some(RESOLVER_PORT);
    let ports = known.iter().filter_map(|port| port.to_str().ok()?.parse().ok()).chain(resolver);
    let ports: BTreeSet<u16> = ports.collect();
    let picked = known.contains(BStr::new(PICKED));
    let label = match (is_open, ports.len()) {
        (false, 0) if !picked => return Vec::new(),
        (false, 0..=PORTS) => {
            let (from, to) = if picked { PICKED_PORTS.into_inner() } else { (0, 0) };
            NetLabel { from, to, ..label(&ports.into_iter().collect::<Vec<_>>()) }
        }
        _ => label(&[]),
    };
    let network = |(ip, bits): (IpAddr, u32)| {
        let bits = if ip.is_ipv4() { MAPPED + bits } else { bits };
        (bits, masked(mapped(ip), bits), label)
    };
    LOOPBACK.into_iter().map(network).collect()
}

/// A label that refuses nothing at these ports; at no port where there are none, or more than it has room for.
pub(crate) fn label(open: &[u16]) -> NetLabel {
    let mut ports = [0; PORTS];
    if let Some(room) = ports.get_mut(..open.len()) {
        room.copy_from_slice(open);
        room.sort_unstable();
    }
    NetLabel { deny: 0, reason: 0, ports, from: 0, to: 0 }
}

/// Whether an address lies in a network of which every port is open: a label for some ports would close the others.
pub(super) fn covered(nets: &BTreeMap<(u32, [u8; 16]), NetLabel>, addr: [u8; 16]) -> bool {
    (0..=128).any(|bits| {
        nets.get(&(bits, masked(addr, bits))).is_some_and(|label| label.ports[0] == 0 && label.from == 0)
    })
}

/// The first `bits` bits of an address.
fn masked(addr: [u8; 16], bits: u32) -> [u8; 16] {
    let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
    (u128::from_be_bytes(addr) & mask).to_be_bytes()
}

/// An address or a part of one, and a port.
#[derive(Debug, PartialEq, Eq)]
struct Prefix {
    addr: [u8; 16],
    bits: u32,
    port: Option<u16>,
}

impl Prefix {
    /// Reads the components of a place: `$net4` and up to four octets, or `$net6` and up to eight groups, then the port.
    fn of(components: &[&BStr]) -> Option<Self> {
        let (root, rest) = components.split_first()?;
        let (groups, width) = match root.as_bytes() {
            b"$net4" => (4, 8),
            b"$net6" => (8, 16),
            _ => return None,
        };
        let text = |name: &BStr| name.to_str().ok().map(str::to_owned);
        let mut value = 0u128;
        for name in rest.iter().take(groups) {
            let number = if width == 8 {
                text(name)?.parse::<u8>().ok()?.into()
            } else {
                u16::from_str_radix(&text(name)?, 16).ok()?
            };
            value = value << width | u128::from(number);
        }
        let [given, missing] = [rest.len().min(groups), groups.saturating_sub(rest.len())]
            .map(|groups| u32::try_from(groups).unwrap_or_default());
        value = value.checked_shl(width * missing).unwrap_or(0);
        let port = match rest.get(groups) {
            Some(port) => Some(text(port)?.parse().ok()?),
            None => None,
        };
        let (above, all) = if width == 8 { (0xffff << 32, MAPPED) } else { (0, 0) };
        Some(Self { addr: (value | above).to_be_bytes(), bits: all + width * given, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BString;
    use event::Place;

    fn connect(ip: &str, port: &str) -> Place {
        let octets = ip.split('.').map(BString::from);
        let components = std::iter::once("$net4".into()).chain(octets).chain([port.into()]).collect();
        Place { reach: Reach::Connect, components }
    }

    #[test]
    fn prefixes_are_read_as_tokens_write_them() {
        let of = |names: &[&str]| Prefix::of(&names.iter().map(|n| BStr::new(*n)).collect::<Vec<_>>());
        let prefix = of(&["$net4", "198", "51"]).unwrap();
        assert_eq!((prefix.bits, prefix.port), (112, None));
        assert_eq!(prefix.addr, mapped("198.51.0.0".parse().unwrap()));
        let prefix = of(&["$net6", "2001", "db8", "0", "0", "0", "0", "0", "1", "443"]).unwrap();
        assert_eq!((prefix.bits, prefix.port), (128, Some(443)));
        assert_eq!(prefix.addr, mapped("2001:db8::1".parse().unwrap()));
        assert_eq!(of(&["$net4", "x"]), None);
        assert_eq!(of(&["$home", "1"]), None);
        assert_eq!(of(&["$net4"]).unwrap().bits, 96);
    }

    #[test]
    fn what_several_sessions_reached_is_open_at_its_ports() {
        let places = [connect("198.51.100.7", "443"), connect("198.51.100.7", "80")];
        let novelty = Novelty::learn((0..6).map(|session| (session, places.iter())));
        let nets = compile(&novelty, &[]);
        let host =
            nets.iter().find(|net| net.0 == 128 && net.1 == mapped("198.51.100.7".parse().unwrap())).unwrap();
        assert_eq!((host.2.deny, host.2.ports), (0, [80, 443, 0, 0, 0, 0, 0, 0]));
        assert_eq!(nets.len(), 1, "{nets:?}");
        let once = Novelty::learn([(1, places[..1].iter()), (2, places[..0].iter())]);
        assert_eq!(compile(&once, &[]), [], "one session opens nothing");
    }

    #[test]
    fn a_configured_name_server_is_open_at_its_port_alone() {
        let resolvers = ["198.51.100.53", "2001:db8::53", "127.0.0.53"].map(|ip| ip.parse().unwrap());
        let places = [connect("198.51.100.53", "443"), connect("198.51.100.7", "443")];
        let novelty = Novelty::learn((0..6).map(|session| (session, places.iter())));
        let nets = compile(&novelty, &resolvers);
        let ports = |ip: &str| {
            let addr = mapped(ip.parse().unwrap());
            nets.iter().find(|net| net.0 == 128 && net.1 == addr).map(|net| net.2.ports)
        };
        assert_eq!(ports("198.51.100.53"), Some([53, 443, 0, 0, 0, 0, 0, 0]));
        assert_eq!(ports("2001:db8::53"), Some([53, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(ports("198.51.100.7"), Some([443, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(ports("127.0.0.53"), None, "loopback has one label");
        let all = nets.iter().find(|net| net.0 == 104).map(|net| net.2.ports);
        assert_eq!(all, Some([53, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn a_listener_on_this_machine_is_open_where_sessions_reached_one_in_every_spelling() {
        let label = |ports: &[&str]| {
            let places: Vec<Place> = ports
                .iter()
                .map(|port| Place {
                    reach: Reach::Connect,
                    components: [LOCAL.into(), (*port).into()].into(),
                })
                .collect();
            let nets = compile(&Novelty::learn((0..6).map(|session| (session, places.iter()))), &[]);
            let networks: Vec<u32> = nets.iter().map(|net| net.0).collect();
            assert!(nets.is_empty() || networks == [104, 128, 128, 128], "{nets:?}");
            assert!(nets.iter().all(|net| net.2 == nets[0].2), "{nets:?}");
            nets.first().map(|net| (net.2.ports, net.2.from, net.2.to))
        };
        assert_eq!(label(&[]), None);
        assert_eq!(label(&["5432", "80"]), Some(([80, 5_432, 0, 0, 0, 0, 0, 0], 0, 0)));
        assert_eq!(label(&[PICKED]), Some(([0; PORTS], 32_768, 60_999)));
        assert_eq!(label(&[PICKED, "80"]), Some(([80, 0, 0, 0, 0, 0, 0, 0], 32_768, 60_999)));
        assert_eq!(label(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]), Some(([0; PORTS], 0, 0)));
    }

    #[test]
    fn an_address_that_is_known_at_more_ports_than_a_label_names_is_open() {
        let label = |ports: u16| {
            let places: Vec<Place> =
                (1..=ports).map(|port| connect("198.51.100.7", &port.to_string())).collect();
            let novelty = Novelty::learn((0..4).map(|session| (session, places.iter())));
            let nets = compile(&novelty, &[]);
            nets.iter().find(|net| net.1 == mapped("198.51.100.7".parse().unwrap())).unwrap().2
        };
        assert_eq!(label(8).ports, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(label(9).ports, [0; PORTS]);
    }
}
