//! Lines of an export, as values.

use crate::{Session, escape, unescape};
use bstr::{BStr, BString};
use event::{
    Access, Address, AgentName, Alert, Captured, Context, Decision, Event, Exe, Fate, File, FileKey, Fork,
    Host, Loss, Means, Mode, Object, Op, Origin, Outcome, Segment, SessionMeta, Stage, Summary, Syscall,
    TaskName, Tier,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Raised when a line changes in a way that an earlier reader would misread.
const FORMAT: u32 = 1;

/// Bytes as text: see [`escape`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Text(BString);

impl From<Text> for String {
    fn from(text: Text) -> String {
        escape(&text.0)
    }
}

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        unescape(&text).map(|bytes| Text(bytes.into())).ok_or("a backslash that escapes nothing")
    }
}

impl From<&BString> for Text {
    fn from(bytes: &BString) -> Self {
        Text(BStr::new(bytes).to_owned())
    }
}

/// One line of an export; see [`crate::export`] for what it says. Events, system calls and losses turn into
/// [`Captured`] again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line(Kind);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Kind {
    Session(Box<SessionLine>),
    Event(Box<EventLine>),
    Syscall(Syscall),
    Loss(Loss),
    Alert(AlertLine),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SessionLine {
    format: u32,
    id: i64,
    agent: AgentName,
    task: TaskName,
    command: Vec<String>,
    mode: Mode,
    tier: Tier,
    kernel: String,
    started_unix_ns: i64,
    started_boot_ns: u64,
    workspaces: Vec<Text>,
    home: Text,
    agent_state: Vec<Text>,
    toolchains: Vec<Text>,
    uid: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resolvers: Vec<IpAddr>,
    segments: Vec<Segment>,
    /// By number, as text: the keys of a JSON object.
    reasons: BTreeMap<String, String>,
    summary: Option<Summary>,
    complete: bool,
}

/// A line that was read back.
pub(crate) enum Read {
    Session(Box<Begun>),
    Captured(Captured),
    Alert(Alert),
}

/// What a session's own line says.
pub(crate) struct Begun {
    pub meta: SessionMeta,
    /// Without the first, which `meta` has.
    pub segments: Vec<Segment>,
    pub reasons: BTreeMap<u32, String>,
    pub summary: Option<Summary>,
}

impl SessionLine {
    fn begun(self) -> Result<Begun, String> {
        if self.format != FORMAT {
            return Err(format!("format {} is not {FORMAT}", self.format));
        }
        let texts = |list: Vec<Text>| list.into_iter().map(|text| text.0).collect();
        let reasons = self.reasons.into_iter().map(|(number, text)| Ok((number.parse()?, text)));
        let reasons = reasons.collect::<Result<_, std::num::ParseIntError>>();
        Ok(Begun {
            meta: SessionMeta {
                agent: self.agent,
                task: self.task,
                command: self.command,
                context: Context {
                    workspaces: texts(self.workspaces),
                    home: self.home.0,
                    agent_state: texts(self.agent_state),
                    toolchains: texts(self.toolchains),
                    uid: self.uid,
                    resolvers: self.resolvers,
                },
                mode: self.mode,
                tier: self.tier,
                kernel: self.kernel,
                started_unix_ns: self.started_unix_ns,
                started_boot_ns: self.started_boot_ns,
            },
            segments: self.segments.into_iter().filter(|segment| segment.index > 0).collect(),
            reasons: reasons.map_err(|error| format!("a reason's number: {error}"))?,
            summary: self.summary,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct EventLine {
    time_ns: u64,
    segment: u32,
    pid: u32,
    tid: u32,
    op: Op,
    access: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second: Option<ObjectLine>,
    outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fork: Option<Fork>,
    detail: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct DecisionLine {
    stage: Stage,
    means: Means,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fate: Option<Fate>,
    /// In place of the fate, in lines of before there was one: it was acted upon.
    #[serde(default, skip_serializing)]
    refused: bool,
    reason: u32,
}

impl From<Decision> for DecisionLine {
    fn from(decision: Decision) -> Self {
        let Decision { stage, means, enforced: _, reason } = decision;
        Self { stage, means, fate: Some(decision.fate()), refused: false, reason }
    }
}

impl From<DecisionLine> for Decision {
    fn from(line: DecisionLine) -> Self {
        let DecisionLine { stage, means, fate, refused, reason } = line;
        Self { stage, means, enforced: fate.map_or(refused, |fate| fate != Fate::Happened), reason }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AlertLine {
    time_ns: u64,
    segment: u32,
    stage: Stage,
    verdict: String,
    p: Option<f64>,
    reasons: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FileLine {
    path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyLine>,
    mode: u32,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct KeyLine {
    dev: u32,
    ino: u64,
    generation: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ObjectLine {
    None,
    File(FileLine),
    Exe {
        file: FileLine,
        args: Vec<Text>,
        args_cut: bool,
    },
    Address {
        ip: IpAddr,
        port: u16,
        protocol: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Host>,
    },
    Unix(FileLine),
    Socket {
        family: u16,
        socket: u16,
    },
    Process {
        pid: u32,
        inside: bool,
        detail: u64,
    },
    Interface {
        first: u64,
        second: u64,
    },
}

impl Line {
    /// The first line of a session.
    pub fn session(session: &Session, reasons: BTreeMap<u32, String>) -> Line {
        let texts = |list: &[BString]| list.iter().map(Text::from).collect();
        let (meta, context) = (session.meta.clone(), &session.meta.context);
        Line(Kind::Session(Box::new(SessionLine {
            format: FORMAT,
            id: session.id.0,
            agent: meta.agent,
            task: meta.task,
            command: meta.command,
            mode: meta.mode,
            tier: meta.tier,
            kernel: meta.kernel,
            started_unix_ns: meta.started_unix_ns,
            started_boot_ns: meta.started_boot_ns,
            workspaces: texts(&context.workspaces),
            home: Text::from(&context.home),
            agent_state: texts(&context.agent_state),
            toolchains: texts(&context.toolchains),
            uid: context.uid,
            resolvers: context.resolvers.clone(),
            segments: session.segments.clone(),
            reasons: reasons.into_iter().map(|(number, text)| (number.to_string(), text)).collect(),
            summary: session.summary.clone(),
            complete: session.complete,
        })))
    }

    /// The line as what it becomes in a store.
    pub(crate) fn read(self) -> Result<Read, String> {
        Ok(match self.0 {
            Kind::Session(line) => Read::Session(Box::new(line.begun()?)),
            Kind::Event(line) => Read::Captured(Captured::Event(Box::new(Event::try_from(*line)?))),
            Kind::Syscall(call) => Read::Captured(Captured::Syscall(call)),
            Kind::Loss(loss) => Read::Captured(Captured::Loss(loss)),
            Kind::Alert(AlertLine { time_ns, segment, stage, verdict, p, reasons }) => {
                Read::Alert(Alert { time_ns, segment, stage, verdict, p, reasons })
            }
        })
    }

    /// What the kernel said, if the line is such a line.
    pub fn captured(self) -> Option<Captured> {
        match self.0 {
            Kind::Event(line) => Event::try_from(*line).ok().map(|event| Captured::Event(Box::new(event))),
            Kind::Syscall(call) => Some(Captured::Syscall(call)),
            Kind::Loss(loss) => Some(Captured::Loss(loss)),
            Kind::Session(_) | Kind::Alert(_) => None,
        }
    }
}

impl From<&Captured> for Line {
    fn from(captured: &Captured) -> Self {
        Line(match captured {
            Captured::Event(event) => Kind::Event(Box::new(EventLine::from(&**event))),
            Captured::Syscall(call) => Kind::Syscall(*call),
            Captured::Loss(loss) => Kind::Loss(*loss),
        })
    }
}

impl From<&Alert> for Line {
    fn from(alert: &Alert) -> Self {
        let Alert { time_ns, segment, stage, verdict, p, reasons } = alert.clone();
        Line(Kind::Alert(AlertLine { time_ns, segment, stage, verdict, p, reasons }))
    }
}

impl From<&Event> for EventLine {
    fn from(event: &Event) -> Self {
        EventLine {
            time_ns: event.time_ns,
            segment: event.segment,
            pid: event.pid,
            tid: event.tid,
            op: event.op,
            access: access_names(event.access),
            object: Some(&event.object).filter(|object| **object != Object::None).map(ObjectLine::from),
            second: event.second.as_ref().map(ObjectLine::from),
            outcome: event.outcome,
            decision: event.decision.map(DecisionLine::from),
            fork: event.fork,
            detail: event.detail,
        }
    }
}

impl TryFrom<EventLine> for Event {
    type Error = String;

    fn try_from(line: EventLine) -> Result<Self, Self::Error> {
        Ok(Event {
            time_ns: line.time_ns,
            segment: line.segment,
            pid: line.pid,
            tid: line.tid,
            op: line.op,
            access: access_of(&line.access)?,
            object: line.object.map_or(Object::None, Object::from),
            second: line.second.map(Object::from),
            outcome: line.outcome,
            decision: line.decision.map(Decision::from),
            fork: line.fork,
            detail: line.detail,
        })
    }
}

/// Names of the bits in lower case with dashes; bits without a name as one hexadecimal number.
fn access_names(access: Access) -> Vec<String> {
    let mut names: Vec<String> =
        access.iter_names().map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect();
    let rest = access.difference(Access::all()).bits();
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names
}

fn access_of(names: &[String]) -> Result<Access, String> {
    let mut access = Access::empty();
    for name in names {
        access |= match name.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok().map(Access::from_bits_retain),
            None => Access::from_name(&name.to_ascii_uppercase().replace('-', "_")),
        }
        .ok_or_else(|| format!("no access is called `{name}`"))?;
    }
    Ok(access)
}

impl From<&File> for FileLine {
    fn from(file: &File) -> Self {
        let key = file.key.map(|key| KeyLine { dev: key.dev, ino: key.ino, generation: key.generation });
        FileLine { path: Text::from(&file.path), key, mode: file.mode, origin: file.origin }
    }
}

impl From<FileLine> for File {
    fn from(line: FileLine) -> Self {
        let key = line.key.map(|key| FileKey { ino: key.ino, dev: key.dev, generation: key.generation });
        File { path: line.path.0, key, mode: line.mode, origin: line.origin }
    }
}

impl From<&Object> for ObjectLine {
    fn from(object: &Object) -> Self {
        match object {
            Object::None => ObjectLine::None,
            Object::File(file) => ObjectLine::File(file.into()),
            Object::Exe(exe) => ObjectLine::Exe {
                file: (&exe.file).into(),
                args: exe.args.iter().map(Text::from).collect(),
                args_cut: exe.args_cut,
            },
            Object::Address(Address { ip, port, protocol, host }) => {
                ObjectLine::Address { ip: *ip, port: *port, protocol: *protocol, host: host.clone() }
            }
            Object::Unix(file) => ObjectLine::Unix(file.into()),
            &Object::Socket { family, kind } => ObjectLine::Socket { family, socket: kind },
            &Object::Process { pid, inside, detail } => ObjectLine::Process { pid, inside, detail },
            &Object::Interface { first, second } => ObjectLine::Interface { first, second },
        }
    }
}

impl From<ObjectLine> for Object {
    fn from(line: ObjectLine) -> Self {
        match line {
            ObjectLine::None => Object::None,
            ObjectLine::File(file) => Object::File(file.into()),
            ObjectLine::Exe { file, args, args_cut } => Object::Exe(Exe {
                file: file.into(),
                args: args.into_iter().map(|arg| arg.0).collect(),
                args_cut,
            }),
            ObjectLine::Address { ip, port, protocol, host } => {
                Object::Address(Address { ip, port, protocol, host })
            }
            ObjectLine::Unix(file) => Object::Unix(file.into()),
            ObjectLine::Socket { family, socket } => Object::Socket { family, kind: socket },
            ObjectLine::Process { pid, inside, detail } => Object::Process { pid, inside, detail },
            ObjectLine::Interface { first, second } => Object::Interface { first, second },
        }
    }
}
