//! A name server of the attacker's: it says of every name that it does not exist, and keeps the questions.

use crate::clock::boottime_ns;
use crate::{Arrival, Error};
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a stop may take.
const TURN: Duration = Duration::from_millis(50);

/// The name server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Resolver {
    arrived: Arc<Mutex<Vec<Arrival>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Begins to listen.
    pub fn start(host: SocketAddrV4) -> Result<Resolver, Error> {
        let failed = |source| Error::Network { step: "listen for names", source };
        let socket = UdpSocket::bind(host).map_err(failed)?;
        socket.set_read_timeout(Some(TURN)).map_err(failed)?;
        let (arrived, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (keep, stopped) = (arrived.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stopped.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let bytes = buffer[..length].to_vec();
                let said = question(&bytes).unwrap_or_else(|| bytes.clone());
                let answer = no_such_name(&bytes);
                let arrival = Arrival { at_ns: boottime_ns(), host, bytes, said };
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
                // Who asks and goes away is its own affair.
                let _ = socket.send_to(&answer, from);
            }
        });
        Ok(Resolver { arrived, stop, thread: Some(thread) })
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The labels of the first question's name, joined by dots: RFC 1035, 4.1.2.
fn question(message: &[u8]) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            return Some(labels.join(&b'.'));
        }
        labels.push(message.get(at + 1..=at + length)?);
        at += 1 + length;
    }
}

/// The answer NXDOMAIN to a query.
fn no_such_name(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    if let Some(flags) = answer.get_mut(2..4) {
        flags.copy_from_slice(&[0x81, 0x83]);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::question;

    #[test]
    fn the_name_of_a_query_is_read_and_a_torn_one_is_not() {
        let message = [&[0; 12][..], b"\x02ab\x01c\x00", &[0, 1, 0, 1]].concat();
        assert_eq!(question(&message).unwrap(), b"ab.c");
        assert_eq!(question(&message[..15]), None);
    }
}
