//! Reads events as the models do: each becomes a token, and the places that it reached for.

use crate::context::{SESSION_DIRECTORIES, below};
use crate::maker::Makers;
use crate::token::{Token, errno};
use crate::{
    ABSTRACT, Access, Address, Class, Context, Event, HostOrigin, Object, Op, Origin, Outcome, Place, Reach,
    Said, Step, loopback, state, template,
};
use abi::FileKey;
use agents::Agent;
use bstr::{BString, ByteSlice};
use std::collections::HashSet;
use std::net::IpAddr;

/// What git executes or obeys in the `.git` of a workspace. The rest is what it keeps for itself, under names that differ with
/// every branch, object and process: one place, `$state`. See gitrepository-layout(5).
const OBEYED: [&str; 6] = ["hooks", "config", "config.worktree", "info", "modules", "worktrees"];

/// Reads the events of one session, in order. Remembers what the session made itself.
#[derive(Clone, Debug)]
pub struct Tokeniser {
    context: Context,
    /// From where on a host's name counts.
    believed: HostOrigin,
    own: HashSet<FileKey>,
    own_names: HashSet<BString>,
    makers: Makers,
    /// Directories of the agent's own state that were told, as components.
    kept: HashSet<Vec<BString>>,
}

/// Names and identities of own files that are remembered; past it, own files read as files that were there before.
const OWN_LIMIT: usize = 1 << 20;

impl Tokeniser {
    /// A reader for a recorded session whose places are `context`: the answers of its resolvers are believed, as all
    /// else that was recorded.
    pub fn new(context: Context) -> Self {
        let believed = HostOrigin::Answered;
        let (own, own_names) = (HashSet::new(), HashSet::new());
        Self { context, believed, own, own_names, makers: Makers::default(), kept: HashSet::new() }
    }

    /// A reader for a session that is guarded: what the supervisor did not resolve itself makes nothing cheaper.
    pub fn guarding(context: Context) -> Self {
        Self { believed: HostOrigin::Resolved, ..Self::new(context) }
    }

    /// The places of the session.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The files that the session made itself, as far as they are remembered.
    pub fn own(&self) -> &HashSet<FileKey> {
        &self.own
    }

    /// The next event, as the models read it.
    pub fn read(&mut self, event: &Event) -> Step {
        let class = Class::of(&event.object, &self.context);
        let own = self.is_own(&event.object);
        let claimed = event.object.file().is_some_and(|file| file.origin != Origin::Trusted);
        let place = if own { None } else { self.place(event) };
        let second = self.second(event);
        let token = Token::of(event, class, own);
        let begins = self.makers.note(event);
        let keeps = self.keeps(begins, event.pid, place.as_ref());
        self.remember(event);
        Step {
            time_ns: event.time_ns,
            tid: event.tid,
            token,
            action: event.op.is_action(),
            place,
            claimed,
            second,
            keeps,
            child: event.fork.map(|fork| fork.tid),
            ended: event.op == Op::Exit,
        }
    }

    fn is_own(&self, object: &Object) -> bool {
        object.file().is_some_and(|file| {
            file.key.is_some_and(|key| self.own.contains(&key)) || self.own_names.contains(&file.path)
        })
    }

    /// Keeps in mind what the session makes, and what it moves.
    fn remember(&mut self, event: &Event) {
        if !matches!(event.outcome, Outcome::Done(_)) || self.own.len() + self.own_names.len() >= OWN_LIMIT {
            return;
        }
        let made = event.access.contains(Access::NEW)
            || matches!(event.op, Op::Create | Op::Mkdir | Op::Symlink | Op::Link | Op::Rename | Op::Bind);
        if !made {
            return;
        }
        let object = match event.op {
            Op::Rename | Op::Link => event.second.as_ref(),
            _ => Some(&event.object),
        };
        let Some(file) = object.and_then(Object::file) else { return };
        self.own_names.insert(file.path.clone());
        if event.op == Op::Open
            && let Some(key) = file.key
        {
            self.own.insert(key);
        }
    }

    /// Where an event reached; see [`Place`].
    pub fn place(&self, event: &Event) -> Option<Place> {
        if event.decision.is_none() && !was_asked(event) {
            return None;
        }
        let reach = reach(event)?;
        let object = match event.op {
            Op::Link => event.second.as_ref().unwrap_or(&event.object),
            _ => &event.object,
        };
        let components = match object {
            // A pipe that was reached through `/proc/self/fd` lies nowhere.
            Object::File(file) if file.is_anonymous_pipe() => return None,
            Object::File(file) | Object::Unix(file)
                if below(&file.path, SESSION_DIRECTORIES.as_bytes()).is_some() =>
            {
                return None;
            }
            Object::File(file) => self.symbolic(&file.path, reach),
            Object::Exe(exe) => self.symbolic(&exe.file.path, reach),
            Object::Unix(file) => match file.path.strip_prefix(b"\0") {
                Some(name) => vec![ABSTRACT.into(), name.into()],
                None => self.symbolic(&file.path, reach),
            },
            Object::Address(address) if reach == Reach::Name => named(address)?,
            // Asking for a name is no habit of a task. The name is a place of its own.
            Object::Address(address)
                if reach == Reach::Connect && self.context.is_resolver(address.ip, address.port) =>
            {
                return None;
            }
            Object::Address(address) if reach == Reach::Connect && loopback::is_loopback(address.ip) => {
                loopback::outside(address, event.second.as_ref())
                    .unwrap_or_else(|| network(address.ip, address.port))
            }
            Object::Address(address) if reach == Reach::Connect && self.believes(address) => named(address)?,
            Object::Address(address) => network(address.ip, address.port),
            _ => return None,
        };
        (!components.is_empty()).then_some(Place { reach, components: components.into() })
    }

    /// The other place that an event reached for; see [`Step::second`].
    fn second(&self, event: &Event) -> Option<(Place, Said)> {
        /// A script that is started by its descriptor has this in place of a name.
        const DESCRIPTORS: &[u8] = b"/dev/fd";
        let Outcome::Done(_) = event.outcome else { return None };
        let (reach, object) = match event.op {
            Op::Exec => (Reach::Exec, event.second.as_ref()?),
            Op::Rename => (Reach::Create, event.second.as_ref()?),
            Op::Link => (Reach::Read, event.second.as_ref().map(|_| &event.object)?),
            _ => return None,
        };
        let file = object.file()?;
        if self.is_own(object) || crate::context::below(&file.path, DESCRIPTORS).is_some() {
            return None;
        }
        let said = match (event.op, file.origin) {
            (Op::Exec, _) => Said::Name,
            (_, Origin::Trusted) => Said::Kernel,
            _ => Said::Session,
        };
        Some((Place { reach, components: self.symbolic(&file.path, reach).into() }, said))
    }

    /// What a place says of where the agent keeps its own state: each directory once, and those that are known before when the
    /// session begins.
    fn keeps(&mut self, begins: bool, pid: u32, place: Option<&Place>) -> Vec<Place> {
        let mut directories: Vec<Vec<BString>> = Vec::new();
        if begins {
            let known = self.context.agent_state.iter();
            directories.extend(known.map(|state| self.symbolic(state, Reach::Create)));
        }
        let made = place.filter(|place| place.reach == Reach::Create && self.makers.is_itself(pid));
        if let Some(directory) = made.and_then(|place| state::directory_of(&place.components))
            && !self.kept.contains(directory)
            && !self.is_of_others(directory)
        {
            directories.push(directory.to_vec());
        }
        let mut places = Vec::new();
        for directory in directories {
            let components = std::iter::once(BString::from(state::KEPT)).chain(directory.iter().cloned());
            places.push(Place { reach: Reach::Create, components: components.collect() });
            self.kept.insert(directory);
        }
        places
    }

    /// Whether a directory below the home belongs to another agent, or to a toolchain.
    fn is_of_others(&self, directory: &[BString]) -> bool {
        let below = bstr::join("/", directory.iter().skip(1));
        let path = [self.context.home.as_slice(), b"/", &below].concat();
        let is = |state: &[u8]| crate::context::below(&path, state).is_some();
        let of_agents =
            Agent::all().iter().flat_map(|agent| &agent.state).any(|state| state.as_bytes() == below);
        !self.context.agent_state.iter().any(|state| is(state))
            && (of_agents || self.context.toolchains.iter().any(|toolchain| is(toolchain)))
    }

    /// Whether an address goes by the name of its host.
    fn believes(&self, address: &Address) -> bool {
        address.host.as_ref().is_some_and(|host| host.origin >= self.believed)
    }

    /// A path with the session's own places made symbolic, and in the home the names that the session determines. A program
    /// is known by its own name, but for the version in it: what is read and run is the same after an upgrade. What is made
    /// or changed is not: programs outside run what lies in such directories.
    pub fn symbolic(&self, path: &[u8], reach: Reach) -> Vec<BString> {
        let (root, rest): (&str, &[u8]) = if let Some((_, rest)) = self.context.in_workspace(path) {
            ("$workspace", rest)
        } else if let Some(rest) = self.context.in_home(path) {
            ("$home", rest)
        } else if let Some(rest) = below(path, b"/tmp") {
            ("$tmp", rest)
        } else if path.starts_with(b"[") {
            // The device has another number on every machine and in every session.
            ("$unmounted", path.split_once_str("]").map_or(path, |(_, rest)| rest))
        } else {
            ("/", path.strip_prefix(b"/").unwrap_or(path))
        };
        let mut components = vec![BString::from(root)];
        if root == "$home" {
            let own = template::is_own(path, &self.context);
            let is_program = reach == Reach::Exec;
            let has_versions = matches!(reach, Reach::Read | Reach::Exec);
            components.extend(rest.split_str("/").filter(|name| !name.is_empty()).map(|name| {
                let symbol = if is_program { None } else { template::symbol(name, &self.context, own) };
                let version = || template::versioned(name).filter(|_| has_versions);
                symbol.or_else(version).unwrap_or_else(|| name.into())
            }));
            return components;
        }
        let numbered = root == "/" && rest.starts_with(b"proc/");
        components.extend(rest.split_str("/").filter(|name| !name.is_empty()).map(|name| {
            let number = numbered && name.iter().all(u8::is_ascii_digit);
            BString::from(if number { &b"$number"[..] } else { name })
        }));
        if let ("$workspace", [_, git, name, ..]) = (root, components.as_slice())
            && git == ".git"
            && !OBEYED.iter().any(|obeyed| name == obeyed)
        {
            components.truncate(2);
            components.push("$state".into());
        }
        components
    }
}

/// Whether the deny-list was asked about an operation that nobody decided: it came about, or failed behind that, where the
/// object was the kernel's already (a host that does not answer, a directory that is not empty). EPERM and EACCES may be
/// somebody else's refusal, before or behind.
fn was_asked(event: &Event) -> bool {
    match event.outcome {
        Outcome::Done(_) => true,
        Outcome::Failed(errno::EPERM | errno::EACCES) => false,
        Outcome::Failed(_) => match &event.object {
            // The hook of an address sees what the kernel goes on with.
            Object::Address(_) => matches!(event.op, Op::Connect | Op::Send),
            object => {
                object.file().is_some_and(|file| file.origin == Origin::Trusted && !file.path.is_empty())
            }
        },
    }
}

/// How an event reaches for its place; `None` for events that reach for none.
fn reach(event: &Event) -> Option<Reach> {
    match event.op {
        Op::Open if event.access.contains(Access::NEW) => Some(Reach::Create),
        Op::Open if event.access.intersects(Access::WRITE | Access::TRUNC) => Some(Reach::Write),
        Op::Open if event.access.contains(Access::PATH_ONLY) => None,
        Op::Open => Some(Reach::Read),
        op => match op.reach() {
            Some(Reach::Connect) if matches!(event.object, Object::Unix(_)) => Some(Reach::Unix),
            Some(Reach::Listen) if !matches!(event.object, Object::Address(_)) => None,
            reach => reach,
        },
    }
}

fn network(ip: IpAddr, port: u16) -> Vec<BString> {
    let mut components: Vec<BString> = match ip.to_canonical() {
        IpAddr::V4(ip) => {
            std::iter::once("$net4".into()).chain(ip.octets().map(|o| o.to_string().into())).collect()
        }
        IpAddr::V6(ip) => {
            std::iter::once("$net6".into()).chain(ip.segments().map(|s| format!("{s:x}").into())).collect()
        }
    };
    components.push(port.to_string().into());
    components
}

/// `$host`, the labels of the name from the last to the first, and the port.
fn named(address: &Address) -> Option<Vec<BString>> {
    let host = address.host.as_ref()?;
    let labels = host.name.rsplit('.').map(BString::from);
    Some(std::iter::once("$host".into()).chain(labels).chain([format!(":{}", address.port).into()]).collect())
}

#[cfg(test)]
mod tests;
