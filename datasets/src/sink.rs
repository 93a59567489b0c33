//! A host that only attacks talk to: it takes what comes, and keeps it for the observer.

use crate::Error;
use crate::service::Service;
use std::io::Read;
use std::net::{SocketAddrV4, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A connection that says nothing for so long is over: nobody waits for an answer from a sink.
const IDLE: Duration = Duration::from_millis(500);

/// What is kept of all that arrives.
const LARGEST_BYTES: usize = 64 << 20;

/// The host, and what arrived.
#[derive(Debug)]
pub struct Sink {
    service: Service,
    arrived: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    /// Begins to listen.
    pub fn start(address: SocketAddrV4) -> Result<Sink, Error> {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let keep = arrived.clone();
        Ok(Sink { service: Service::start(address, move |stream| swallow(stream, &keep))?, arrived })
    }

    /// What arrived since it was last asked.
    pub fn take(&self) -> Vec<u8> {
        self.service.settle();
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn swallow(mut stream: TcpStream, keep: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 1 << 16];
    if stream.set_read_timeout(Some(IDLE)).is_err() {
        return;
    }
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < LARGEST_BYTES {
            kept.extend_from_slice(&buffer[..length]);
        }
    }
}
