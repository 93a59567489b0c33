//! A package index: a small HTTP server that knows every package.

use crate::Error;
use crate::service::Service;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest request head that is read.
const LONGEST_BYTES: u64 = 16 << 10;

/// The index. Dropping it stops it.
#[derive(Debug)]
pub struct Index {
    _service: Service,
}

impl Index {
    /// Begins to listen.
    pub fn start(address: SocketAddrV4) -> Result<Index, Error> {
        // A client that went away is its own affair.
        let service = Service::start(address, |stream| drop(answer(&stream)))?;
        Ok(Index { _service: service })
    }
}

/// One request, one answer.
fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST_BYTES)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let body: String = match path.strip_prefix("/simple/") {
        Some(package) => {
            let package = package.trim_end_matches('/');
            (0..8).map(|minor| format!("{package}-1.{minor}.0.tar.gz\n")).collect()
        }
        None => "packages under /simple/\n".to_owned(),
    };
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
