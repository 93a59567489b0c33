//! What leaves the process tree through somebody who works for others: what is done there is no part of the session.

use crate::{Access, Event, Object, Op, Origin, Outcome};

/// Directories in which a job is left for a service that runs it later: cron, at, systemd.
const SPOOLS: [&str; 9] = [
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/crontab",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/var/spool/at",
    "/var/spool/atjobs",
    "/var/spool/cron",
    "/usr/lib/systemd/system",
];

/// To whom something was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// The process on the other side of a unix socket, which is outside of the session.
    Process(u32),
    /// A service that runs what lies in its directory.
    Service(&'static str),
}

impl Event {
    /// To whom outside of the session this hands something to do; `None` where it does not, or did not succeed.
    pub fn outside(&self) -> Option<Outside> {
        if matches!(self.outcome, Outcome::Failed(_)) {
            return None;
        }
        if let (Op::Connect | Op::Send, Some(Object::Process { pid, inside: false, .. })) =
            (self.op, &self.second)
        {
            return Some(Outside::Process(*pid));
        }
        let writes = match self.op {
            Op::Open => self.access.intersects(Access::WRITE | Access::CREATE | Access::NEW),
            Op::Create | Op::Rename | Op::Link | Op::Symlink => true,
            _ => false,
        };
        let file = match self.op {
            Op::Rename | Op::Link => self.second.as_ref().and_then(Object::file),
            _ => self.object.file(),
        };
        let file = file.filter(|file| writes && file.origin != Origin::Unresolved)?;
        SPOOLS
            .into_iter()
            .find(|spool| crate::context::below(&file.path, spool.as_bytes()).is_some())
            .map(Outside::Service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::File;

    fn event(op: Op, access: Access, object: Object, second: Option<Object>) -> Event {
        Event {
            time_ns: 1,
            segment: 0,
            pid: 1,
            tid: 1,
            op,
            access,
            object,
            second,
            outcome: Outcome::Done(0),
            decision: None,
            fork: None,
            detail: 0,
        }
    }

    fn file(path: &str) -> Object {
        Object::File(File { path: path.into(), key: None, mode: 0, origin: Origin::Trusted })
    }

    #[test]
    fn a_socket_of_a_process_outside_leaves_and_one_inside_does_not() {
        let peer = |inside| Some(Object::Process { pid: 9, inside, detail: 0 });
        let connect =
            |inside| event(Op::Connect, Access::CONNECT, file("/run/docker.sock"), peer(inside)).outside();
        assert_eq!(connect(false), Some(Outside::Process(9)));
        assert_eq!(connect(true), None);
    }

    #[test]
    fn a_job_that_is_written_leaves_and_one_that_is_read_does_not() {
        let spool = "/var/spool/cron/crontabs/u";
        assert_eq!(
            event(Op::Open, Access::WRITE, file(spool), None).outside(),
            Some(Outside::Service("/var/spool/cron"))
        );
        assert_eq!(event(Op::Open, Access::READ, file(spool), None).outside(), None);
        let moved =
            event(Op::Rename, Access::REMOVE, file("/tmp/x"), Some(file("/var/spool/cron/crontabs/u")));
        assert_eq!(moved.outside(), Some(Outside::Service("/var/spool/cron")));
    }
}
