//! An export for others: without the names of the user, the home and the machine, and exact in everything else.
//!
//! * The home becomes `/home/user`, wherever it stands in a path or a text; other homes become `/home/other-1` and so on,
//!   in the order in which they are met.
//! * The names of the user, of the home's directory and of the machine become `user` and `host`: in any case, within words
//!   if they have five letters or more, as whole words otherwise. Names that many have (`root`, `ubuntu`, `localhost`, ...)
//!   tell nothing and stay.
//! * User and group become 1000: in the session's own line, where a path or text has them as numbers of a user, and in what
//!   the calls that ask for them return, or that set them take.
//!
//! The names of workspaces and of what lies above them stay, since what a path means is made of them; so do addresses,
//! times, pids, inodes and the kernel's version. Secrets in arguments were replaced when they were stored, by a hash under
//! this machine's key.

use crate::Session;
use bstr::{BString, ByteSlice};
use event::{Alert, Captured, File, Object, Op, Syscall};
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

/// Where the home is said to be.
const HOME: &[u8] = b"/home/user";
const USER: &[u8] = b"user";
const HOST: &[u8] = b"host";
const ID: &[u8] = b"1000";
/// Directories whose entries are homes.
const HOMES: [&[u8]; 3] = [b"/home/", b"/var/home/", b"/Users/"];
/// Other homes that are numbered; more are all called the same.
const OTHERS_MAX: usize = 1000;
/// Letters of a name that is found within words.
const WITHIN_WORDS: usize = 5;
/// Names that many have.
const COMMON: [&str; 22] = [
    "admin",
    "agent",
    "build",
    "builder",
    "codespace",
    "debian",
    "dev",
    "docker",
    "ec2-user",
    "fedora",
    "home",
    "host",
    "linuxbrew",
    "localhost",
    "node",
    "nobody",
    "root",
    "runner",
    "test",
    "ubuntu",
    "user",
    "vscode",
];

/// `getuid`, `getgid`, `geteuid` and `getegid` of x86-64, and of 32-bit processes.
const ASKING: [u32; 4] = [102, 104, 107, 108];
const ASKING_COMPAT: [u32; 8] = [24, 47, 49, 50, 199, 200, 201, 202];

/// What is not to be told.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Paths of the home, besides the session's own.
    pub homes: Vec<BString>,
    /// Names of the user.
    pub users: Vec<BString>,
    /// Names of the machine.
    pub hosts: Vec<BString>,
    /// Numbers of the user and its groups.
    pub ids: Vec<u32>,
}

/// Takes names out of a session.
pub(crate) struct Share {
    /// The longest first.
    homes: Vec<BString>,
    /// In small letters, with what they become; the longest first.
    names: Vec<(BString, &'static [u8])>,
    ids: Vec<(u32, BString)>,
    others: HashMap<BString, usize>,
}

impl Share {
    pub(crate) fn new(names: &Names, session: &Session) -> Self {
        let context = &session.meta.context;
        let own = std::iter::once(&context.home).chain(&names.homes);
        let mut homes: Vec<BString> = own
            .map(|home| home.trim_end_with(|c| c == '/').into())
            .filter(|home: &BString| home.len() > 1)
            .collect();
        homes.sort_by_key(|home| std::cmp::Reverse(home.len()));
        homes.dedup();
        let base = |home: &BString| home.rsplit_once_str("/").map(|(_, name)| BString::from(name));
        let users = names.users.iter().cloned().chain(homes.iter().filter_map(base));
        // A machine's name is told by its first part, too.
        let short = |host: &BString| host.split_once_str(".").map(|(name, _)| BString::from(name));
        let hosts = names.hosts.iter().cloned().chain(names.hosts.iter().filter_map(short));
        let mut all: Vec<(BString, &[u8])> =
            users.map(|name| (name, USER)).chain(hosts.map(|name| (name, HOST))).collect();
        all.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        all.retain(|(name, _)| name.len() > 1 && !COMMON.iter().any(|common| common.as_bytes() == name));
        all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        all.dedup_by(|a, b| a.0 == b.0);
        let ids = std::iter::once(context.uid).chain(names.ids.iter().copied());
        // Smaller ones are the system's own, and the number of many other things.
        let ids = ids.filter(|id| *id >= 1000).map(|id| (id, BString::from(id.to_string()))).collect();
        Self { homes, names: all, ids, others: HashMap::new() }
    }

    pub(crate) fn session(&mut self, session: &mut Session) {
        let meta = &mut session.meta;
        meta.agent = self.name(meta.agent.as_str());
        for task in session.segments.iter_mut().map(|segment| &mut segment.task).chain([&mut meta.task]) {
            *task = self.name(task.as_str());
        }
        for text in &mut meta.command {
            self.text(text);
        }
        let context = &mut meta.context;
        let lists = [&mut context.workspaces, &mut context.agent_state, &mut context.toolchains];
        for path in lists.into_iter().flatten().chain([&mut context.home]) {
            self.bytes(path);
        }
        context.uid = 1000;
    }

    pub(crate) fn reasons(&mut self, reasons: &mut BTreeMap<u32, String>) {
        reasons.values_mut().for_each(|text| self.text(text));
    }

    pub(crate) fn alert(&mut self, alert: &mut Alert) {
        alert.reasons.iter_mut().for_each(|text| self.text(text));
    }

    pub(crate) fn captured(&mut self, captured: &mut Captured) {
        let event = match captured {
            Captured::Event(event) => event,
            Captured::Syscall(call) => return self.call(call),
            Captured::Loss(_) => return,
        };
        for object in [Some(&mut event.object), event.second.as_mut()].into_iter().flatten() {
            match object {
                Object::File(file) | Object::Unix(file) => self.file(file),
                Object::Exe(exe) => {
                    self.file(&mut exe.file);
                    exe.args.iter_mut().for_each(|arg| self.bytes(arg));
                }
                Object::Interface { first, second } if event.op == Op::Credentials => {
                    for id in [first, second] {
                        *id = self.id(*id as i64).map_or(*id, |id| id as u64);
                    }
                }
                Object::Address(address) => {
                    if let Some(host) = &mut address.host {
                        self.text(&mut host.name);
                    }
                }
                Object::None | Object::Socket { .. } | Object::Process { .. } | Object::Interface { .. } => {}
            }
        }
    }

    fn call(&self, call: &mut Syscall) {
        let asking: &[u32] = if call.compat { &ASKING_COMPAT } else { &ASKING };
        if asking.contains(&call.number) {
            call.ret = self.id(call.ret).unwrap_or(call.ret);
        }
    }

    /// What stands for a number, if it is one of the user's.
    fn id(&self, number: i64) -> Option<i64> {
        self.ids.iter().any(|(id, _)| i64::from(*id) == number).then_some(1000)
    }

    fn file(&mut self, file: &mut File) {
        self.bytes(&mut file.path);
    }

    /// A name that says nothing of its user; one that does not stay a name is left out.
    fn name<N: FromStr + Default>(&mut self, name: &str) -> N {
        let mut text = name.to_owned();
        self.text(&mut text);
        text.parse().unwrap_or_default()
    }

    fn text(&mut self, text: &mut String) {
        let mut bytes = BString::from(std::mem::take(text));
        self.bytes(&mut bytes);
        *text = bytes.to_string();
    }

    fn bytes(&mut self, text: &mut BString) {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if let Some(len) = self.replace(text, at, &mut out) {
                at += len;
            } else {
                out.push(byte);
                at += 1;
            }
        }
        *text = out.into();
    }

    /// Writes what stands for the name at `at`, and returns how long that is; `None`: there is none.
    fn replace(&mut self, text: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
        let (before, rest) = text.split_at_checked(at)?;
        let ends = |len: usize| !rest.get(len).is_some_and(|byte| is_name(*byte));
        if rest.first() == Some(&b'/') {
            let home = self.homes.iter().find(|home| rest.starts_with(home) && ends(home.len()));
            if let Some(home) = home {
                out.extend_from_slice(HOME);
                return Some(home.len());
            }
            if let Some(len) = self.other_home(rest, out) {
                return Some(len);
            }
        }
        let begins = !before.last().is_some_and(u8::is_ascii_alphanumeric);
        for (name, stands_for) in &self.names {
            let same = rest.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name));
            let word = begins && !rest.get(name.len()).is_some_and(u8::is_ascii_alphanumeric);
            if same && (word || name.len() >= WITHIN_WORDS) {
                out.extend_from_slice(stands_for);
                return Some(name.len());
            }
        }
        let (_, id) = self.ids.iter().find(|(_, id)| begins && rest.starts_with(id))?;
        if rest.get(id.len()).is_some_and(u8::is_ascii_alphanumeric)
            || !is_user(before, rest.get(id.len()..)?)
        {
            return None;
        }
        out.extend_from_slice(ID);
        Some(id.len())
    }

    /// The home of somebody else.
    fn other_home(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let (above, below) = HOMES.iter().find_map(|above| Some((above, rest.strip_prefix(*above)?)))?;
        let name = below.split(|byte| !is_name(*byte)).next()?;
        if name.is_empty() || COMMON.iter().any(|common| common.as_bytes() == name) {
            return None;
        }
        let next = self.others.len() + 1;
        let number = match self.others.get(name.as_bstr()) {
            Some(number) => *number,
            None if next > OTHERS_MAX => next,
            None => *self.others.entry(name.into()).or_insert(next),
        };
        out.extend_from_slice(above);
        out.extend_from_slice(format!("other-{number}").as_bytes());
        Some(above.len() + name.len())
    }
}

/// Goes on in the name of a file.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}

/// Whether a number in a text is a user's: in a path, in `uid=1001`, or in `1001:1001`. What stands before and
/// after it.
fn is_user(before: &[u8], after: &[u8]) -> bool {
    let named = ["uid=", "gid=", "user-", "user@"].iter().any(|name| before.ends_with(name.as_bytes()));
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let pair = after.first() == Some(&b':') && digit(after.get(1))
        || before.last() == Some(&b':')
            && digit(before.len().checked_sub(2).and_then(|last| before.get(last)));
    named || pair || before.last() == Some(&b'/') || before.first() == Some(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;
    use event::{Context, SessionMeta};

    fn share(text: &str) -> String {
        let meta = SessionMeta {
            agent: "a".parse().unwrap(),
            task: "t".parse().unwrap(),
            context: Context { home: "/home/zaphod".into(), uid: 4711, ..Context::default() },
            mode: event::Mode::Record,
            tier: event::Tier::Lsm,
            ..SessionMeta::default()
        };
        let session = Session { id: SessionId(1), meta, summary: None, segments: Vec::new(), complete: true };
        let names = Names {
            homes: vec!["/var/home/zaphod".into()],
            users: vec!["zaphod".into(), "zb".into(), "root".into()],
            hosts: vec!["heart.gold.example".into(), "localhost".into()],
            ids: vec![4712],
        };
        let mut bytes = BString::from(text);
        Share::new(&names, &session).bytes(&mut bytes);
        bytes.to_string()
    }

    #[test]
    fn names_go_and_the_rest_is_exact() {
        for (before, after) in [
            ("/home/zaphod", "/home/user"),
            ("/home/zaphod/projects/acme/a.rs", "/home/user/projects/acme/a.rs"),
            ("--prefix=/home/zaphod/x:/var/home/zaphod/y", "--prefix=/home/user/x:/home/user/y"),
            ("/home/zaphod2/x", "/home/other-1/x"),
            ("/home/trillian/x /home/arthur /home/trillian", "/home/other-1/x /home/other-2 /home/other-1"),
            ("/home/linuxbrew/bin", "/home/linuxbrew/bin"),
            ("/tmp/pytest-of-zaphod/0", "/tmp/pytest-of-user/0"),
            ("/x/.claude/projects/-home-zaphod-app", "/x/.claude/projects/-home-user-app"),
            ("/tmp/xZaphodx", "/tmp/xuserx"),
            ("zb@heart: /tmp/zb_1 zbar", "user@host: /tmp/user_1 zbar"),
            ("ssh heart.gold.example", "ssh host"),
            ("/run/user/4711/bus", "/run/user/1000/bus"),
            ("uid=4711 4711:4712 sleep 4711 14711", "uid=1000 1000:1000 sleep 4711 14711"),
            ("ls /run/user/4711; id 4711", "ls /run/user/1000; id 4711"),
            ("user-4711.slice", "user-1000.slice"),
            ("/root/x localhost", "/root/x localhost"),
            ("", ""),
        ] {
            assert_eq!(share(before), after, "{before}");
        }
    }
}
