//! The resolvers that are configured, and the network namespace in which they are.

use nix::{getsockopt_impl, sockopt_impl};
use std::net::{IpAddr, Ipv4Addr};

/// Resolvers that are read; the library uses three.
const RESOLVERS_MAX: usize = 8;

/// The resolvers whose answers count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolvers {
    addresses: Vec<IpAddr>,
    /// Cookie of the network namespace in which they are reached; `None`: it is not known, and nothing counts.
    netns: Option<u64>,
}

impl Resolvers {
    /// Those at these addresses, reached in the supervisor's own network namespace.
    pub(crate) fn here(addresses: Vec<IpAddr>) -> Self {
        Self { addresses, netns: netns() }
    }

    /// Those of a resolv.conf(5), reached in this network namespace.
    #[cfg(test)]
    pub(super) fn of(text: &str, netns: Option<u64>) -> Self {
        Self { addresses: addresses(text), netns }
    }

    /// Whether an answer from there counts.
    pub(super) fn count(&self, netns: u64, resolver: IpAddr) -> bool {
        self.netns == Some(netns) && self.addresses.contains(&resolver)
    }
}

/// Where the resolvers of this machine are, as they are configured now.
pub fn configured() -> Vec<IpAddr> {
    addresses(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

/// Nameservers of a resolv.conf(5); with none, the one of this machine.
fn addresses(text: &str) -> Vec<IpAddr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        // A scope (`fe80::1%eth0`) is no part of the address.
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        address.split('%').next()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    });
    let found: Vec<IpAddr> = named.take(RESOLVERS_MAX).collect();
    if found.is_empty() { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] } else { found }
}

/// Cookie of this process' network namespace: `SO_NETNS_COOKIE` of socket(7), since Linux 5.14.
fn netns() -> Option<u64> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    nix::sys::socket::getsockopt(&socket, NetnsCookie).ok()
}

sockopt_impl!(
    /// The number of a network namespace.
    NetnsCookie, GetOnly, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, u64
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_the_library_reads_them() {
        let text = "# a comment\nnameserver 198.51.100.53\nnameserver fe80::1%eth0\nsearch example\n";
        let found: Vec<String> = addresses(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["198.51.100.53", "fe80::1"]);
        assert_eq!(addresses("options edns0\n"), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert!(netns().is_some_and(|cookie| cookie != 0));
    }
}
