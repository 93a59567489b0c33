//! One request and one reply of a connection.

use super::peer::Peer;
use super::shared::Shared;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use wire::{self, MAX_REQUEST_BYTES, Patience, Received, Refused, Reply, Request, Why};

/// A peer whose request is not here by then is no client of ours.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// A peer that takes no answer for so long does not read.
pub(super) const UNREAD: Duration = Duration::from_secs(60);

/// The next request of a connection, from who is outside when it is complete; `None`: the peer hung up.
pub(super) fn next(
    shared: &Shared,
    stream: &UnixStream,
    peer: &Peer,
    patience: Patience,
) -> Result<Option<(Request, Vec<OwnedFd>)>, Refused> {
    let received = wire::receive_within::<Request>(stream, MAX_REQUEST_BYTES, patience)
        .map_err(|error| Refused::new(Why::Protocol, error.to_string()))?;
    let Some(Received { message, fds, senders }) = received else { return Ok(None) };
    shared.check_outside(peer, &senders)?;
    Ok(Some((message, fds)))
}

/// Sends a reply; a peer that went away needs none.
pub(super) fn answer(stream: &UnixStream, reply: &Reply) {
    if let Err(error) = wire::send(stream, reply, &[]) {
        tracing::debug!(%error, "the peer took no answer");
    }
}
