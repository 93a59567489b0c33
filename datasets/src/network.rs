//! A network of its own: a namespace whose loopback carries the addresses of a small Internet.

#[cfg(target_os = "linux")]
mod namespace;

use crate::Tools;
use std::net::{Ipv4Addr, SocketAddrV4};

#[cfg(target_os = "linux")]
pub use namespace::{add_address_6, isolate, isolate_with};

/// The package index.
pub const INDEX: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 10), 8080);
/// The scripted model.
pub const MODEL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 30), 8000);
/// The git remote, at git's own port.
pub const REMOTE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 20), 9418);
/// Where the stolen key goes.
pub const SINK: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 23), 443);
/// Where the stolen sources go.
pub const COLLECTOR: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 77), 8443);

/// Stands for the public service that stolen goods are uploaded to.
pub const UPLOAD: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 30), 80);
/// Pretends to be the service of a model.
pub const IMPOSTOR: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 8000);
/// The attacker's name server.
pub const NAMES: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 53), 53);
/// Where clouds hand out a machine's credentials.
pub const METADATA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 169, 254), 80);

/// The hosts that only attacks talk to, over TCP.
pub(crate) const HOSTILE: [SocketAddrV4; 5] = [SINK, COLLECTOR, UPLOAD, IMPOSTOR, METADATA];

/// Where a workspace's remote is.
pub(crate) fn remote_url(name: &str) -> String {
    format!("git://{}/{name}.git", REMOTE.ip())
}

/// A command that fetches a page of the index with what is there.
pub(crate) fn fetch(tools: &Tools, page: &str) -> String {
    if tools.curl {
        return format!("curl -s -f -m 10 http://{INDEX}{page}");
    }
    format!(
        "exec 3<>/dev/tcp/{}/{} && printf 'GET {page} HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3",
        INDEX.ip(),
        INDEX.port()
    )
}
