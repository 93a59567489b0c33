//! Reads events as the models do: each becomes a token, and the places that it reached for.

use crate::agent::AGENTS;
use crate::context::{SESSION_DIRECTORIES, below};
use crate::maker::Makers;
use crate::{
    ABSTRACT, Access, Address, Class, Context, Event, HostOrigin, Object, Op, Origin, Outcome, Place, Reach,
    Said, Step, Token, loopback, state, template,
};
use abi::FileKey;
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
        let token = token(event, class, own);
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
            Object::Unix(file) if file.path.first() == Some(&0) => {
                vec![ABSTRACT.into(), file.path[1..].into()]
            }
            Object::Unix(file) => self.symbolic(&file.path, reach),
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
        let below = bstr::join("/", &directory[1..]);
        let path = [self.context.home.as_slice(), b"/", &below].concat();
        let is = |state: &[u8]| crate::context::below(&path, state).is_some();
        let of_agents = AGENTS.iter().flat_map(|agent| agent.state).any(|state| state.as_bytes() == below);
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
        Outcome::Failed(libc_errno::EPERM | libc_errno::EACCES) => false,
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
        Op::Create | Op::Mkdir | Op::Symlink | Op::Link => Some(Reach::Create),
        Op::Truncate | Op::Chmod | Op::Chown | Op::Setxattr | Op::Removexattr | Op::Mount | Op::Umount => {
            Some(Reach::Write)
        }
        Op::Unlink | Op::Rmdir | Op::Rename => Some(Reach::Remove),
        Op::Exec | Op::MapExec => Some(Reach::Exec),
        Op::Connect | Op::Send => {
            Some(if matches!(event.object, Object::Unix(_)) { Reach::Unix } else { Reach::Connect })
        }
        Op::ServerName | Op::Lookup => Some(Reach::Name),
        Op::Bind if matches!(event.object, Object::Address(_)) => Some(Reach::Listen),
        _ => None,
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

fn token(event: &Event, class: Class, own: bool) -> Token {
    let outcome = match event.outcome {
        Outcome::Done(_) => 0,
        Outcome::Failed(libc_errno::ENOENT) => 1,
        Outcome::Failed(libc_errno::EPERM | libc_errno::EACCES) => 2,
        Outcome::Failed(_) => 3,
    };
    let flags = u32::from(event.access.contains(Access::READ))
        | u32::from(event.access.intersects(Access::WRITE | Access::TRUNC)) << 1
        | u32::from(event.access.contains(Access::NEW)) << 2
        | u32::from(own) << 3;
    Token(
        outcome
            | flags << 2
            | (class as u32) << 6
            | u32::from(event.op as u16) << 11
            | program(event, class) << 17,
    )
}

/// Twelve bits that tell the system's programs apart by path; 0 for those that the user or the session brought.
fn program(event: &Event, class: Class) -> u32 {
    match &event.object {
        Object::Exe(exe) if event.op == Op::Exec && matches!(class, Class::System | Class::Toolchain) => {
            let hash = blake3::hash(exe.file.path.as_bytes());
            let bytes = hash.as_bytes();
            u32::from(u16::from_le_bytes([bytes[0], bytes[1]]) & 0xfff).max(1)
        }
        _ => 0,
    }
}

/// The three errnos that tokens tell apart; the same on every Linux architecture.
mod libc_errno {
    pub const EPERM: i32 = 1;
    pub const ENOENT: i32 = 2;
    pub const EACCES: i32 = 13;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::File;

    fn event(op: Op, path: &str, access: Access) -> Event {
        Event {
            time_ns: 1,
            segment: 0,
            pid: 10,
            tid: 10,
            op,
            access,
            object: Object::File(File {
                path: path.into(),
                key: None,
                mode: 0o100644,
                origin: Origin::Trusted,
            }),
            second: None,
            outcome: Outcome::Done(3),
            decision: None,
            fork: None,
            detail: 0,
        }
    }

    fn tokeniser() -> Tokeniser {
        Tokeniser::new(Context {
            workspaces: vec!["/w/app".into()],
            home: "/home/u".into(),
            ..Context::default()
        })
    }

    #[test]
    fn a_token_says_what_it_was_made_of() {
        let step = tokeniser().read(&event(Op::Open, "/w/app/a.rs", Access::READ));
        assert_eq!(step.token.op(), Some(Op::Open));
        assert_eq!(step.token.class(), Class::Workspace);
        assert_eq!(step.token.describe(), "open workspace read");
    }

    #[test]
    fn the_same_place_in_another_workspace_is_the_same_place() {
        let place = tokeniser().place(&event(Op::Open, "/w/app/src/a.rs", Access::READ)).unwrap();
        assert_eq!(*place.components, ["$workspace", "src", "a.rs"]);
    }

    #[test]
    fn what_git_keeps_for_itself_is_one_place_and_what_it_obeys_is_not() {
        let of = |path: &str| tokeniser().symbolic(path.as_bytes(), Reach::Write);
        for path in
            ["/w/app/.git/index.stash.8569.lock", "/w/app/.git/refs/heads/topic", "/w/app/.git/objects/7a"]
        {
            assert_eq!(of(path), ["$workspace", ".git", "$state"], "{path}");
        }
        assert_eq!(of("/w/app/.git/hooks/pre-commit"), ["$workspace", ".git", "hooks", "pre-commit"]);
        assert_eq!(of("/w/app/.git/config"), ["$workspace", ".git", "config"]);
        assert_eq!(of("/w/app/.git"), ["$workspace", ".git"]);
        assert_eq!(of("/home/u/other/.git/refs/heads/topic").len(), 6);
    }

    #[test]
    fn names_that_a_session_determines_are_symbols_in_the_home_and_programs_are_not() {
        let of =
            |path: &str, reach| BString::from(bstr::join("/", tokeniser().symbolic(path.as_bytes(), reach)));
        for (path, reach, expected) in [
            (
                "/home/u/.claude/projects/-w-app/0198f3c2-cafe-7def-abcd-0123456789ab.jsonl",
                Reach::Create,
                "$home/.claude/projects/$repository/#.jsonl",
            ),
            ("/home/u/.claude.json.tmp.4711.1700000000", Reach::Create, "$home/.claude.json.tmp.#"),
            ("/home/u/.npm/_npx/3f9a81c2d4e5/bin/x", Reach::Read, "$home/.npm/_npx/#/bin/x"),
            ("/home/u/.npm/_npx/3f9a81c2d4e5/bin/x", Reach::Exec, "$home/.npm/_npx/3f9a81c2d4e5/bin/x"),
            ("/srv/2026/x", Reach::Read, "//srv/2026/x"),
            ("/w/app/2026", Reach::Read, "$workspace/2026"),
        ] {
            assert_eq!(of(path, reach), expected, "{path}");
        }
    }

    #[test]
    fn a_file_system_that_only_a_sandbox_mounts_has_no_number() {
        let place = tokeniser().place(&event(Op::Open, "[0:41]/newroot/etc", Access::READ)).unwrap();
        assert_eq!(*place.components, ["$unmounted", "newroot", "etc"]);
    }

    #[test]
    fn what_the_session_made_has_no_place_the_second_time() {
        let mut tokeniser = tokeniser();
        let made = tokeniser.read(&event(Op::Open, "/home/u/n", Access::WRITE | Access::NEW));
        assert_eq!(made.place.unwrap().reach, Reach::Create);
        let again = tokeniser.read(&event(Op::Open, "/home/u/n", Access::READ));
        assert_eq!(again.place, None);
        assert!(again.token.is_own());
    }

    #[test]
    fn an_abstract_socket_has_a_place_unless_the_session_has_bound_it() {
        let at = |op, path: &str| {
            let mut event = event(op, path, Access::empty());
            let Object::File(file) = event.object else { panic!("no file") };
            event.object = Object::Unix(file);
            event
        };
        let mut tokeniser = tokeniser();
        let other = tokeniser.read(&at(Op::Connect, "\0bus")).place.unwrap();
        assert_eq!((other.reach, &*other.components), (Reach::Unix, &[ABSTRACT.into(), "bus".into()][..]));
        tokeniser.read(&at(Op::Bind, "\0own"));
        assert_eq!(tokeniser.read(&at(Op::Connect, "\0own")).place, None);
    }

    #[test]
    fn a_script_is_started_and_its_interpreter_too() {
        let name = |path: &str| {
            let file = File { path: path.into(), key: None, mode: 0, origin: Origin::Claimed };
            Some(Object::File(file))
        };
        let exec = |script: &str| {
            let mut exec = event(Op::Exec, "/usr/bin/dash", Access::EXEC);
            let Object::File(file) = exec.object else { panic!("no file") };
            exec.object = Object::Exe(crate::Exe { file, args: Vec::new(), args_cut: false });
            exec.second = name(script);
            exec
        };
        let mut tokeniser = tokeniser();
        let step = tokeniser.read(&exec("/home/u/bin/tool"));
        let taught: Vec<_> = step.taught().map(|place| (place.reach, place.components.to_vec())).collect();
        let of = |names: &[&str]| (Reach::Exec, names.iter().map(|name| BString::from(*name)).collect());
        assert_eq!(taught, [of(&["/", "usr", "bin", "dash"]), of(&["$home", "bin", "tool"])]);
        assert_eq!(tokeniser.read(&exec("/dev/fd/7/tool")).second, None);
        let failed = Event { outcome: Outcome::Failed(1), ..exec("/home/u/bin/tool") };
        assert_eq!(tokeniser.read(&failed).second, None);
        tokeniser.read(&event(Op::Open, "/home/u/made", Access::WRITE | Access::NEW));
        assert_eq!(tokeniser.read(&exec("/home/u/made")).second, None);
    }

    #[test]
    fn what_something_is_moved_to_is_made_and_what_is_linked_is_read() {
        let of = |op: Op, origin: Origin| {
            let mut event = event(op, "/home/u/old", Access::empty());
            let new = File { path: "/home/u/new".into(), key: None, mode: 0, origin };
            event.second = Some(Object::File(new));
            let step = tokeniser().read(&event);
            step.taught().map(|place| (place.reach, place.components[1].to_string())).collect::<Vec<_>>()
        };
        let (old, new) = ("old".to_owned(), "new".to_owned());
        let moved = [(Reach::Remove, old.clone()), (Reach::Create, new.clone())];
        assert_eq!(of(Op::Rename, Origin::Trusted), moved);
        assert_eq!(of(Op::Rename, Origin::Claimed), moved[..1]);
        assert_eq!(of(Op::Link, Origin::Trusted), [(Reach::Create, new), (Reach::Read, old)]);
    }

    #[test]
    fn what_failed_behind_the_question_teaches_what_it_would_have_as_done() {
        let taught = |op: Op, object: Object, errno: i32| {
            let failed = Event { outcome: Outcome::Failed(errno), object, ..event(op, "/", Access::CONNECT) };
            tokeniser().read(&failed).taught().count()
        };
        let file = |origin| File { path: "/home/u/x".into(), key: None, mode: 0, origin };
        let address = || {
            Object::Address(Address {
                ip: "10.255.255.53".parse().unwrap(),
                port: 53,
                protocol: 17,
                host: None,
            })
        };
        for errno in [101, 110, 111, 113, 115] {
            assert_eq!(taught(Op::Connect, address(), errno), 1, "{errno}");
        }
        for errno in [1, 13] {
            assert_eq!(taught(Op::Connect, address(), errno), 0, "{errno}");
        }
        assert_eq!(taught(Op::Bind, address(), 98), 0);
        assert_eq!(taught(Op::Connect, Object::Unix(file(Origin::Trusted)), 111), 1);
        assert_eq!(taught(Op::Connect, Object::Unix(file(Origin::Claimed)), 111), 0);
        assert_eq!(taught(Op::Rmdir, Object::File(file(Origin::Trusted)), 39), 1);
        assert_eq!(taught(Op::Unlink, Object::File(file(Origin::Claimed)), 2), 0);
    }

    #[test]
    fn a_pipe_without_a_name_is_no_place() {
        let mut open = event(Op::Open, "[0:15]/.../", Access::READ);
        let Object::File(pipe) = &mut open.object else { panic!("no file") };
        (pipe.mode, pipe.origin) = (0o010_600, Origin::Unresolved);
        assert_eq!(tokeniser().place(&open), None);
    }

    #[test]
    fn a_name_counts_where_it_is_believed() {
        let mut connect = event(Op::Connect, "/", Access::CONNECT);
        let mut host = |origin| {
            let host = crate::Host { name: "api.example.org".into(), origin, shared: false };
            connect.object = Object::Address(Address {
                ip: "203.0.113.7".parse().unwrap(),
                port: 443,
                protocol: 6,
                host: Some(host),
            });
            let of = |tokeniser: Tokeniser| tokeniser.place(&connect).unwrap().components;
            (of(tokeniser()), of(Tokeniser::guarding(Context::default())))
        };
        let address = || ["$net4", "203", "0", "113", "7", "443"].map(BString::from).into();
        let named = || ["$host", "org", "example", "api", ":443"].map(BString::from).into();
        assert_eq!(host(HostOrigin::Claimed), (address(), address()));
        assert_eq!(host(HostOrigin::Answered), (named(), address()));
        assert_eq!(host(HostOrigin::Resolved), (named(), named()));
    }

    #[test]
    fn a_configured_name_server_is_no_place_and_what_it_is_asked_for_is() {
        let resolvers = vec!["198.51.100.53".parse().unwrap()];
        let tokeniser = Tokeniser::new(Context { resolvers, ..Context::default() });
        let place = |op, ip: &str, port| {
            let host =
                Some(crate::Host { name: "dns.example".into(), origin: HostOrigin::Answered, shared: false });
            let address = Address { ip: ip.parse().unwrap(), port, protocol: 17, host };
            let event = Event { object: Object::Address(address), ..event(op, "/", Access::CONNECT) };
            tokeniser.place(&event).map(|place| place.reach)
        };
        for (op, ip, port, reach) in [
            (Op::Connect, "198.51.100.53", 53, None),
            (Op::Send, "::ffff:198.51.100.53", 53, None),
            (Op::Lookup, "198.51.100.53", 53, Some(Reach::Name)),
            (Op::Connect, "198.51.100.53", 853, Some(Reach::Connect)),
            (Op::Connect, "198.51.100.54", 53, Some(Reach::Connect)),
            (Op::Bind, "198.51.100.53", 53, Some(Reach::Listen)),
        ] {
            assert_eq!(place(op, ip, port), reach, "{op:?} {ip} {port}");
        }
    }

    #[test]
    fn classes_and_operations_fit_their_bits() {
        assert!(Class::ALL.len() <= 32);
        assert!(Op::ALL.iter().all(|&op| (op as u16) < 64));
    }
}
