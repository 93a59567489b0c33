//! The addresses by which one is reached: an IPv4 address also by those of IPv6 that translators make of it.

use std::iter::once;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Prefixes of translators that everybody has (RFC 6052) or may have (RFC 8215), and their lengths in bits.
const PREFIXES: [(Ipv6Addr, usize); 5] = {
    const LOCAL: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0);
    const EVERYBODYS: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
    [(EVERYBODYS, 96), (LOCAL, 48), (LOCAL, 56), (LOCAL, 64), (LOCAL, 96)]
};

/// An address ([`mapped`]), and what translators make of it.
pub(super) fn forms(ip: IpAddr) -> impl Iterator<Item = [u8; 16]> {
    let of_four = match ip.to_canonical() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    let translated = move |ip: Ipv4Addr| PREFIXES.map(move |(prefix, length)| embedded(prefix, length, ip));
    once(mapped(ip)).chain(of_four.into_iter().flat_map(translated))
}

/// An address as the kernel side has it.
pub(crate) fn mapped(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// RFC 6052, 2.2: the address stands behind the prefix, and leaves out the ninth byte.
fn embedded(prefix: Ipv6Addr, length: usize, ip: Ipv4Addr) -> [u8; 16] {
    /// Reserved.
    const SKIPPED: usize = 8;
    let mut form = prefix.octets();
    let places = (length / 8..).filter(|&place| place != SKIPPED);
    for (place, byte) in places.zip(ip.octets()) {
        if let Some(to) = form.get_mut(place) {
            *to = byte;
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6052, 2.4, with the prefix of RFC 8215.
    #[test]
    fn an_address_is_reached_by_what_translators_make_of_it() {
        let forms = |ip: &str| -> Vec<IpAddr> {
            forms(ip.parse().unwrap()).map(|form| Ipv6Addr::from(form).into()).collect()
        };
        let expected = [
            "::ffff:192.0.2.33",
            "64:ff9b::192.0.2.33",
            "64:ff9b:1:c000:2:2100::",
            "64:ff9b:1:c0:0:221::",
            "64:ff9b:1:0:c0:2:2100:0",
            "64:ff9b:1::192.0.2.33",
        ];
        assert_eq!(forms("192.0.2.33"), expected.map(|form| form.parse::<IpAddr>().unwrap()));
        assert_eq!(forms("::ffff:192.0.2.33")[1..], forms("192.0.2.33")[1..]);
        assert_eq!(forms("fd00:ec2::254"), ["fd00:ec2::254".parse::<IpAddr>().unwrap()]);
    }
}
