//! A listening address with axum behind it, on a thread of its own. Dropping it stops it.

use crate::Error;
use axum::Router;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to listen, in the network namespace of the calling thread.
    pub fn start(address: SocketAddrV4, router: Router) -> Result<Server, Error> {
        let failed = |step| move |source: io::Error| Error::Network { step, source };
        let listener = TcpListener::bind(address).map_err(failed("listen"))?;
        let address = listener.local_addr().map_err(failed("name the listening address"))?;
        listener.set_nonblocking(true).map_err(failed("listen"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed("start a server"))?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                // Clients keep connections open: it is not waited for them.
                tokio::select! {
                    _ = async { axum::serve(listener, router).await } => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Server { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "a server that ended by itself needs no stopping"
            )]
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = thread.join();
        }
    }
}
