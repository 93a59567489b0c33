//! A name server: it says of every name that it does not exist, or that it has one address, and keeps the questions.
#![expect(clippy::indexing_slicing, reason = "the system says how much it read")]

use crate::clock::boottime_ns;
use crate::{Arrival, Error};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
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
    /// Begins to listen. Every name has the address, where there is one.
    pub fn start(host: SocketAddrV4, address: Option<Ipv4Addr>) -> Result<Resolver, Error> {
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
                let answer = address.and_then(|address| one_address(&bytes, address));
                let answer = answer.unwrap_or_else(|| no_such_name(&bytes));
                let arrival = Arrival { at_ns: boottime_ns(), host, bytes, said };
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "who asks and goes away is its own affair"
                )]
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
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
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

/// The answer to a query of one question: the address when one was asked for (RFC 1035, 4.1.3), and nothing of another type.
fn one_address(query: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    const A: [u8; 2] = [0, 1];
    // The labels with a length each, the root, then type and class.
    let end = 12 + question(query)?.len() + 2;
    let asked = query.get(end..end + 2)?;
    let mut answer = query.get(..end + 4)?.to_vec();
    let answers = u8::from(asked == A);
    // An answer, recursion available; one question, the answer, and nothing else.
    answer.get_mut(2..12)?.copy_from_slice(&[0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]);
    if answers > 0 {
        // The question's name, its type and class, 60 seconds, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::{one_address, question};
    use std::net::Ipv4Addr;

    #[test]
    fn a_name_has_the_address_and_no_other_record() {
        let query = |kind: u8| {
            [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1][..], b"\x02ab\x01c\x00", &[0, kind, 0, 1], b"extra"]
                .concat()
        };
        let address = Ipv4Addr::new(198, 51, 100, 30);
        let answer = one_address(&query(1), address).unwrap();
        let head = [7, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        assert_eq!(answer[..12], head);
        assert_eq!(answer[12..22], query(1)[12..22]);
        assert_eq!(answer[22..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 30]);
        let none = one_address(&query(28), address).unwrap();
        assert_eq!((none.len(), none[7]), (22, 0));
        for length in 0..22 {
            assert_eq!(one_address(&query(1)[..length], address), None);
        }
    }

    #[test]
    fn the_name_of_a_query_is_read_and_a_torn_one_is_not() {
        let message = [&[0; 12][..], b"\x02ab\x01c\x00", &[0, 1, 0, 1]].concat();
        assert_eq!(question(&message).unwrap(), b"ab.c");
        assert_eq!(question(&message[..15]), None);
    }
}
