//! The network of a first day: the scripted model, and name servers that know no name.

use crate::Error;
use crate::error::at;
use crate::network::{MODEL, isolate_with};
use crate::resolver::Resolver;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

/// The port of DNS.
const DNS: u16 = 53;

/// The network of a first day. Dropping it stops what answers there.
#[derive(Debug)]
pub struct Internet {
    _names: Vec<Resolver>,
}

impl Internet {
    /// Moves the calling thread, and all that it starts from now on, to a network of its own. Agents ask the machine's name
    /// servers for more than the model's host: those are there and know no name, or cannot be reached where `offline`.
    pub fn begin(offline: bool) -> Result<Internet, Error> {
        let servers = if offline { Vec::new() } else { name_servers()? };
        let own = servers.iter().filter(|server| **server != Ipv4Addr::LOCALHOST);
        isolate_with(&[*MODEL.ip()].iter().chain(own).copied().collect::<Vec<_>>())?;
        let names = servers.into_iter().map(|server| Resolver::start(SocketAddrV4::new(server, DNS), None));
        Ok(Internet { _names: names.collect::<Result<_, _>>()? })
    }
}

/// The machine's, over IPv4.
fn name_servers() -> Result<Vec<Ipv4Addr>, Error> {
    let path = Path::new("/etc/resolv.conf");
    let text = at("read", path, fs::read_to_string(path))?;
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    Ok(servers.filter_map(|server| server.trim().parse().ok()).collect())
}
