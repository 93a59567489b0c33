//! Work that leaves the process tree through a helper outside, and is no part of the session.

use crate::{Access, Event, Object, Op, Origin, Outcome};
use bstr::ByteSlice;

/// Where a job is left for a service that runs it later: cron(8), anacron(8), at(1), systemd.unit(5), and what a desktop
/// starts.
const SPOOLS: [&str; 19] = [
    "/etc/anacrontab",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/crontab",
    "/etc/systemd/system",
    "/etc/systemd/user",
    "/etc/xdg/autostart",
    "/run/systemd/system",
    "/run/systemd/user",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/user",
    "/usr/local/lib/systemd/system",
    "/usr/local/lib/systemd/user",
    "/var/spool/at",
    "/var/spool/atjobs",
    "/var/spool/cron",
];
/// The same in a home, whoever's it is; also what looks like one.
const SPOOLS_OF_USERS: [&str; 3] =
    ["~/.config/autostart", "~/.config/systemd/user", "~/.local/share/systemd/user"];

/// To whom something was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// The process on the other side of a unix socket, which is outside of the session.
    Process(u32),
    /// A service that runs what lies in its directory.
    Service(&'static str),
}

impl Outside {
    /// To whom outside of the session an event hands something to do; `None` where it does not, or did not succeed.
    pub fn of(event: &Event) -> Option<Outside> {
        if matches!(event.outcome, Outcome::Failed(_)) {
            return None;
        }
        if let (Op::Connect | Op::Send, Some(Object::Process { pid, inside: false, .. })) =
            (event.op, &event.second)
        {
            return Some(Outside::Process(*pid));
        }
        let writes = match event.op {
            Op::Open => event.access.intersects(Access::WRITE | Access::CREATE | Access::NEW),
            Op::Create | Op::Rename | Op::Link | Op::Symlink => true,
            _ => false,
        };
        let file = match event.op {
            Op::Rename | Op::Link => event.second.as_ref().and_then(Object::file),
            _ => event.object.file(),
        };
        let file = file.filter(|file| writes && file.origin != Origin::Unresolved)?;
        let is_below = |spool: &&str| crate::context::below(&file.path, spool.as_bytes()).is_some();
        let of_user = |spool: &&str| {
            let spool = spool.trim_start_matches('~');
            let mut behind = file.path.find_iter(spool).filter_map(|at| file.path.get(at + spool.len()..));
            behind.any(|rest| matches!(rest, [] | [b'/', ..]))
        };
        let found = SPOOLS.into_iter().find(is_below).or_else(|| SPOOLS_OF_USERS.into_iter().find(of_user));
        found.map(Outside::Service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::File;

    fn event(op: Op, access: Access, object: Object, second: Option<Object>) -> Event {
        Event { time_ns: 1, pid: 1, tid: 1, second, ..Event::of(op, access, object) }
    }

    fn file(path: &str) -> Object {
        Object::File(File { path: path.into(), key: None, mode: 0, origin: Origin::Trusted })
    }

    #[test]
    fn a_socket_of_a_process_outside_leaves_and_one_inside_does_not() {
        let peer = |inside| Some(Object::Process { pid: 9, inside, detail: 0 });
        let connect = |inside| {
            Outside::of(&event(Op::Connect, Access::CONNECT, file("/run/docker.sock"), peer(inside)))
        };
        assert_eq!(connect(false), Some(Outside::Process(9)));
        assert_eq!(connect(true), None);
    }

    #[test]
    fn a_job_that_is_written_leaves_and_one_that_is_read_does_not() {
        let spool = "/var/spool/cron/crontabs/u";
        assert_eq!(
            Outside::of(&event(Op::Open, Access::WRITE, file(spool), None)),
            Some(Outside::Service("/var/spool/cron"))
        );
        assert_eq!(Outside::of(&event(Op::Open, Access::READ, file(spool), None)), None);
        let moved =
            event(Op::Rename, Access::REMOVE, file("/tmp/x"), Some(file("/var/spool/cron/crontabs/u")));
        assert_eq!(Outside::of(&moved), Some(Outside::Service("/var/spool/cron")));
        let unit = event(Op::Open, Access::NEW, file("/home/u/.config/systemd/user/x.timer"), None);
        assert_eq!(Outside::of(&unit), Some(Outside::Service("~/.config/systemd/user")));
        let whole =
            event(Op::Rename, Access::REMOVE, file("/home/u/x"), Some(file("/home/u/.config/autostart")));
        assert_eq!(Outside::of(&whole), Some(Outside::Service("~/.config/autostart")));
        let other = |name: &str| {
            let path = format!("/home/u/.config/autostart-not{name}");
            Outside::of(&event(Op::Open, Access::NEW, file(&path), None))
        };
        assert_eq!(other(""), None);
        assert_eq!(other("/.config/autostart/x"), Some(Outside::Service("~/.config/autostart")));
    }
}
