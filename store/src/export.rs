//! A session as lines of JSON, and a line back as a value.
//!
//! Each line is one object whose `type` says what it is: first a `session`, then `event`, `syscall` and `loss` in time
//! order (see [`crate::Reader::events`]), last each `alert`. Names are those of [`event`] in kebab case. Fields of a line
//! that say nothing (no second object, no decision, no fork) are left out.
//!
//! * Times are ns: `*_boot_ns` and `time_ns` of CLOCK_BOOTTIME, `*_unix_ns` since 1970.
//! * Paths and arguments are bytes: valid UTF-8 stays, another byte is `\xHH`, a backslash is `\\` (and JSON doubles each
//!   backslash once more). [`crate::unescape`] reads them back. An abstract unix socket begins with a NUL.
//! * Integers are written whole. Some (inodes, addresses of `interface`) pass 2^53: read them as 64-bit integers.
//!
//! ```json
//! {"type":"session","format":1,"id":1,"agent":"codex","task":"edit","command":["codex"],...,"complete":true}
//! {"type":"event","time_ns":5,"segment":0,"pid":9,"tid":9,"op":"open","access":["read"],
//!  "object":{"kind":"file","path":"/etc/hosts","key":{"dev":2,"ino":3,"generation":4},"mode":33188,"origin":"trusted"},
//!  "outcome":{"done":3},"detail":0}
//! {"type":"event",...,"op":"connect","object":{"kind":"address","ip":"203.0.113.7","port":443,"protocol":6,
//!  "host":{"name":"api.example.org","origin":"answered","shared":false}},...}
//! {"type":"syscall","time_ns":6,"tid":9,"number":0,"compat":false,"ret":12}
//! {"type":"loss","time_ns":7,"cpu":1,"kind":2,"count":40}
//! {"type":"alert","time_ns":8,"segment":0,"stage":"T2","verdict":"alert","p":0.001,"reasons":["..."]}
//! ```

use crate::line::Line;
use crate::share::{Names, Share};
use crate::{Error, Reader, Result, SessionId};
use std::io::Write;
use std::ops::ControlFlow;

/// Writes a session as lines of JSON. Bounded memory; see the module for the lines.
pub fn export_jsonl(reader: &Reader, id: SessionId, out: &mut impl Write) -> Result<()> {
    export(reader, id, None, out)
}

/// The same for others: without the names of user, home and machine. See [`Names`].
pub fn export_shared(reader: &Reader, id: SessionId, names: &Names, out: &mut impl Write) -> Result<()> {
    export(reader, id, Some(names), out)
}

fn export(reader: &Reader, id: SessionId, names: Option<&Names>, out: &mut impl Write) -> Result<()> {
    let _snapshot = reader.snapshot()?;
    let (mut session, mut reasons) = (reader.session(id)?, reader.reasons(id)?);
    let mut share = names.map(|names| Share::new(names, &session));
    if let Some(share) = &mut share {
        share.session(&mut session);
        share.reasons(&mut reasons);
    }
    write(out, &Line::session(&session, reasons))?;
    let mut written = Ok(());
    reader.events(id, &mut |mut captured| {
        if let Some(share) = &mut share {
            share.captured(&mut captured);
        }
        written = write(out, &Line::from(&captured));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    for mut alert in reader.alerts(id)? {
        if let Some(share) = &mut share {
            share.alert(&mut alert);
        }
        write(out, &Line::from(&alert))?;
    }
    out.flush().map_err(|error| sink(&error))
}

fn write(out: &mut impl Write, line: &Line) -> Result<()> {
    serde_json::to_writer(&mut *out, line).map_err(|error| sink(&error.into()))?;
    out.write_all(b"\n").map_err(|error| sink(&error))
}

fn sink(error: &std::io::Error) -> Error {
    Error::Sink { kind: error.kind(), detail: error.to_string() }
}
