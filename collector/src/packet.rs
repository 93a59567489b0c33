//! Packets that name hosts: DNS messages as they are, and the beginnings of TLS connections as operations of the process that
//! connected.

use crate::address;
use crate::decoded::{Decoded, captured, event};
use crate::heard::Dns;
use crate::{dns, tls};
use abi::{Header, Packet};
use event::{Access, Address, Event, Host, HostOrigin, Object, Op, Outcome};
use std::net::{IpAddr, SocketAddr};
use zerocopy::FromBytes;

const TCP: u16 = 6;

/// Reads a packet; `None` for a record that does not add up.
pub(crate) fn packet(header: &Header, bytes: &[u8]) -> Option<Decoded> {
    let (record, tail) = Packet::read_from_prefix(bytes).ok()?;
    let payload = tail.get(..record.payload_len as usize)?;
    if record.protocol == TCP {
        let Some(name) = tls::server_name(payload) else { return Some(Decoded::Nothing) };
        return captured(named(header, Op::ServerName, &record, name));
    }
    let Some(message) = dns::parse(payload) else { return Some(Decoded::Nothing) };
    let asks = record.incoming == 0 && !message.response;
    let asked = asks.then(|| Box::new(named(header, Op::Lookup, &record, message.question.clone())));
    let dns = Dns {
        socket: record.socket,
        netns: record.netns,
        local_port: record.local_port,
        remote: SocketAddr::new(remote(&record), record.remote_port),
        incoming: record.incoming != 0,
        message,
    };
    Some(Decoded::Dns(dns, asked))
}

fn remote(record: &Packet) -> IpAddr {
    address::of_bytes(record.remote)
}

/// Something that was asked of the other side of a packet by a name.
fn named(header: &Header, op: Op, record: &Packet, name: String) -> Event {
    let address = Address {
        ip: remote(record),
        port: record.remote_port,
        protocol: record.protocol,
        host: Some(Host { name, origin: HostOrigin::Claimed, shared: false }),
    };
    let mut event = event(header, op, Object::Address(address), Outcome::Done(0));
    event.access = Access::CONNECT;
    event
}
