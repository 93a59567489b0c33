//! An address in sixteen bytes, as the kernel side and the network write it.

use std::net::IpAddr;

/// The address. IPv4 that is wrapped in IPv6 is IPv4.
pub(crate) fn of_bytes(bytes: [u8; 16]) -> IpAddr {
    IpAddr::from(bytes).to_canonical()
}
