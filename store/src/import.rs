//! Sessions from lines of an export, as [`crate::export`] describes them, into a store.

use crate::line::Read;
use crate::{Error, Line, Recorder, Result, SessionId};
use event::Summary;

/// Reads lines into a store. A session that begins ends the one before it; [`Import::end`] ends the last.
pub struct Import<'r> {
    recorder: &'r mut Recorder,
    lines: u64,
    open: Option<(SessionId, Option<Summary>)>,
}

impl<'r> Import<'r> {
    /// Begins.
    pub fn new(recorder: &'r mut Recorder) -> Import<'r> {
        Import { recorder, lines: 0, open: None }
    }

    /// Takes one line. A session's own line gives the number that the session has in this store; what follows belongs to
    /// it. After an error of a line the import may go on with the next.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<SessionId>> {
        self.lines += 1;
        let number = self.lines;
        let wrong = |detail: String| Error::Line { line: number, detail };
        let line: Line = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        let read = line.read().map_err(wrong)?;
        let open = || self.open.as_ref().map(|open| open.0);
        let outside = || wrong("it belongs to no session".to_owned());
        match read {
            Read::Session(begun) => {
                self.end()?;
                let id = self.recorder.begin_session(&begun.meta)?;
                for segment in &begun.segments {
                    self.recorder.segment(id, segment)?;
                }
                for (number, text) in &begun.reasons {
                    self.recorder.reason(id, *number, text)?;
                }
                self.open = Some((id, begun.summary));
                return Ok(Some(id));
            }
            Read::Captured(captured) => self.recorder.write(open().ok_or_else(outside)?, &captured)?,
            Read::Alert(alert) => self.recorder.alert(open().ok_or_else(outside)?, &alert)?,
        }
        Ok(None)
    }

    /// Ends the session that is open: as it was exported, complete or not.
    pub fn end(&mut self) -> Result<()> {
        match self.open.take() {
            Some((id, Some(summary))) => self.recorder.end_session(id, &summary),
            Some(_) => self.recorder.flush(),
            None => Ok(()),
        }
    }
}
