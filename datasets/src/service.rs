//! A listening address with a thread for each connection. Dropping it stops listening.

use crate::Error;
use rustix::net::Shutdown;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A service of the demo's network.
#[derive(Debug)]
pub(crate) struct Service {
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
    open: Arc<AtomicUsize>,
}

impl Service {
    /// Listens, and hands each connection to `serve` on a thread of its own.
    pub fn start(
        address: SocketAddrV4,
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Result<Service, Error> {
        let listener = TcpListener::bind(address);
        let listener = Arc::new(listener.map_err(|source| Error::Network { step: "listen", source })?);
        let open = Arc::new(AtomicUsize::new(0));
        let (accepting, counting, serve) = (listener.clone(), open.clone(), Arc::new(serve));
        let acceptor = thread::spawn(move || {
            // An error means that the listener was shut down.
            while let Ok((stream, _)) = accepting.accept() {
                counting.fetch_add(1, Ordering::SeqCst);
                let (serve, counting) = (serve.clone(), counting.clone());
                thread::spawn(move || {
                    serve(stream);
                    counting.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Service { listener, acceptor: Some(acceptor), open })
    }
}

/// Waits until every connection was served to its end, for a while at most.
pub(crate) fn settle<'s>(services: impl IntoIterator<Item = &'s Service> + Clone) {
    let patience = Instant::now() + Duration::from_secs(2);
    // A connection may stand in the queue before it is accepted: quiet twice in a row.
    let mut quiet = 0;
    while quiet < 2 && Instant::now() < patience {
        let open = services.clone().into_iter().any(|service| service.open.load(Ordering::SeqCst) > 0);
        quiet = if open { 0 } else { quiet + 1 };
        thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "it wakes the acceptor; a listener that is already closed needs no waking"
        )]
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Read);
        if let Some(acceptor) = self.acceptor.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = acceptor.join();
        }
    }
}
