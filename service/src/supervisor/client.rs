//! The connection of a running session: its client is told when the session stands still, and answers how it goes on.
//!
//! Nobody inside can answer: whoever asks here was checked to be outside when the connection was made, is asked again, and
//! no process of a session that stands still runs. An answer names what it answers, so that one which comes late lets
//! nothing else pass.

use super::exchange::{self, SILENCE, answer};
use super::peer::Peer;
use super::pump::{FLUSH_POLL, Flush, Pump};
use super::running::Running;
use super::shared::Shared;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::net::UnixStream;
use wire::{self, Action, GoOn, Patience, Refused, Reply, Request, Why};

/// The next request of the session's client that is none about a session that stands still; `None`: the client is gone, or
/// sent something else.
pub(super) fn next(
    shared: &Shared,
    stream: &UnixStream,
    peer: &Peer,
    pump: &Pump,
    running: &Running,
) -> Option<Request> {
    let mut told = 0;
    // Whether the guard is in time again is answered when it is, and keeps nothing else waiting meanwhile.
    let mut in_time: Option<Flush> = None;
    let moment = Timespec { tv_sec: 0, tv_nsec: i64::from(FLUSH_POLL.subsec_nanos()) };
    loop {
        let mut fds = [PollFd::new(stream, PollFlags::IN), PollFd::new(running.changed(), PollFlags::IN)];
        match poll(&mut fds, in_time.is_some().then_some(&moment)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::error!(session = running.id(), %error, "the client cannot be waited for");
                return None;
            }
        }
        let (asked, changed) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if changed {
            running.see_change();
            tell(stream, running, &mut told)?;
        }
        // A pump that is not back is no answer.
        if let Some(came) = in_time.as_ref().and_then(|flush| pump.has_flushed(flush)) {
            in_time = in_time.filter(|_| came).and_then(|flush| pump.begin_again(&flush));
            if came && in_time.is_none() {
                running.see_change();
                tell(stream, running, &mut told)?;
                answer(stream, &Reply::InTime);
            }
        }
        if !asked {
            continue;
        }
        match exchange::next(shared, stream, peer, Patience::Once(SILENCE)) {
            Ok(Some((Request::GoOn { number, how }, _))) => {
                if let Err(refused) = go_on(shared, running, number, how) {
                    tracing::warn!(session = running.id(), "not let go on: {}", refused.message);
                    answer(stream, &refused.into());
                }
            }
            Ok(Some((Request::InTime, _))) => in_time = Some(pump.begin_flush()),
            Ok(Some((Request::Kill, _))) => {
                let why = "its user ended it where it was started";
                if let Err(refused) = shared.sessions.act(running, Action::Kill, why) {
                    answer(stream, &refused.into());
                }
            }
            Ok(Some((request, _))) => return Some(request),
            Err(refused) if refused.why == Why::Inside => answer(stream, &refused.into()),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Tells the client how the session stands, if it was not told yet: `told` is the number of the freeze that it knows.
fn tell(stream: &UnixStream, running: &Running, told: &mut u32) -> Option<()> {
    let frozen = running.with(|live| live.frozen())?;
    let number = frozen.as_ref().map_or(0, |frozen| frozen.number);
    if number != *told {
        *told = number;
        wire::send(stream, &Reply::Frozen(frozen.map(Box::new)), &[]).ok()?;
    }
    Some(())
}

fn go_on(shared: &Shared, running: &Running, number: u32, how: GoOn) -> Result<(), Refused> {
    let stands = running.with(|live| live.frozen()).flatten().map(|frozen| frozen.number);
    if stands != Some(number) {
        return Err(Refused::new(
            Why::Protocol,
            "the session stands still for something else by now: look again",
        ));
    }
    let why = match how {
        GoOn::Once => "its user let it go on, where it was started: what froze it does not freeze it again",
        GoOn::Session => "its user let it go on, where it was started: nothing freezes it any more",
    };
    shared.sessions.act(running, Action::Thaw(how), why)
}
