//! A host that only attacks talk to: it takes what comes, answers requests of HTTP, and keeps all for the observer.
#![expect(clippy::indexing_slicing, reason = "the system says how much it read")]

use crate::Error;
use crate::clock::boottime_ns;
use crate::service::Service;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A connection that says nothing for so long is over: nobody waits for an answer from a sink.
const IDLE: Duration = Duration::from_millis(500);

/// What is kept of all that arrives.
const LARGEST_BYTES: usize = 64 << 20;

/// Something that arrived at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When its first byte was there, CLOCK_BOOTTIME, ns.
    pub at_ns: u64,
    /// At which host.
    pub host: SocketAddrV4,
    /// All that came, heads of requests included.
    pub bytes: Vec<u8>,
    /// What its sender chose to say: the target and the body of a request, the data of a query, or all of it. Empty for
    /// the fetching of something published.
    pub said: Vec<u8>,
}

impl Arrival {
    /// Whether it is more than the fetching of something published.
    pub(crate) fn says_something(&self) -> bool {
        !self.said.is_empty()
    }
}

/// The host, and what arrived.
#[derive(Debug)]
pub struct Sink {
    service: Service,
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    host: SocketAddrV4,
    arrived: Mutex<Vec<Arrival>>,
    pages: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Sink {
    /// Begins to listen.
    pub fn start(host: SocketAddrV4) -> Result<Sink, Error> {
        let kept = Arc::new(Kept { host, arrived: Mutex::default(), pages: Mutex::default() });
        let keep = kept.clone();
        // A client that went away is its own affair.
        let service = Service::start(host, move |stream| drop(keep.serve(stream)))?;
        Ok(Sink { service, kept })
    }

    /// Its address.
    pub fn host(&self) -> SocketAddrV4 {
        self.kept.host
    }

    /// What listens.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// Has something to be fetched at a path such as `/setup.sh`.
    pub fn publish(&self, path: &str, content: Vec<u8>) {
        self.kept.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), content);
    }

    /// What arrived since it was last asked, in the order in which it began. What is still on its way is not waited for:
    /// see `service::settle`.
    pub fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.kept.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_write_timeout(Some(IDLE))?;
        let (mut bytes, mut buffer, mut at_ns) = (Vec::new(), vec![0; 1 << 16], 0);
        let mut request = None;
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if bytes.is_empty() {
                at_ns = boottime_ns();
            }
            if bytes.len() < LARGEST_BYTES {
                bytes.extend_from_slice(&buffer[..length]);
            }
            request = Request::whole(&bytes);
            if request.is_some() {
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let page = request.as_ref().and_then(|request| {
            self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(&request.target).cloned()
        });
        let said = match &request {
            Some(_) if page.is_some() => Vec::new(),
            Some(request) => [request.target.as_bytes(), b"\n", &request.body].concat(),
            None => bytes.clone(),
        };
        let arrival = Arrival { at_ns, host: self.host, bytes, said };
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        if request.is_some() {
            let body = page.unwrap_or_else(|| b"{}\n".to_vec());
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")?;
            stream.write_all(&body)?;
        }
        Ok(())
    }
}

/// A request of HTTP/1: RFC 9112, as far as bodies with a length go.
struct Request {
    target: String,
    body: Vec<u8>,
}

impl Request {
    /// The request, when all of it is there.
    fn whole(bytes: &[u8]) -> Option<Request> {
        const METHODS: [&[u8]; 5] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"PATCH "];
        METHODS.iter().find(|method| bytes.starts_with(method))?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
        let length = head.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let body = bytes.get(end + 4..)?;
        let body = body.get(..length.unwrap_or(0))?.to_vec();
        Some(Request { target: head.split(' ').nth(1).unwrap_or_default().to_owned(), body })
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        let request = b"POST /up?x=1 HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nabc";
        for length in 0..request.len() {
            assert!(Request::whole(&request[..length]).is_none(), "{length}");
        }
        let whole = Request::whole(request).unwrap();
        assert_eq!((whole.target.as_str(), whole.body.as_slice()), ("/up?x=1", &b"abc"[..]));
        assert!(Request::whole(b"-----BEGIN\r\n\r\n").is_none());
    }
}
