//! The addresses that a name may open.

use event::Class;
use std::net::IpAddr;

/// Whether an address is one of the Internet: the owner of a name may say that it lies anywhere, also where this machine
/// and its neighbours are. Ranges: RFC 6890 and its registries.
pub(super) fn is_public(ip: IpAddr) -> bool {
    if Class::of_address(ip) != Class::Host {
        return false;
    }
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let translated = (a, b) == (192, 0) && ip.octets()[2] == 0;
            !(a == 0 || a >= 224 || shared || translated || (a == 198 && (b & 0xfe) == 18))
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            // Unicast of the Internet is 2000::/3; Teredo and 6to4 carry addresses of IPv4.
            a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && b == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_opens_addresses_of_the_internet_alone() {
        for public in ["93.184.215.14", "198.51.100.7", "203.0.113.9", "2606:2800:21f::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.1.2.3",
            "10.0.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:0:a00:1::1",
            "fec0::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:100.64.0.1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
