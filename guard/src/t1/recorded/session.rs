//! A session of the tests, and what the kernel side is asked of it.

use super::disk::{Disk, HOME, WORKSPACE};
use super::*;

/// What a session does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Read(&'static str),
    Write(&'static str),
    /// Writes a new file beside it, and renames that over it.
    Replace(&'static str),
    Remove(&'static str),
    Start(&'static str),
}

/// What the kernel side is asked: where, and for what.
pub(super) type Attempt = (PathBuf, u32);

/// A session in the doing: it does each thing for real, tells it as the collector would, and asks first where somebody
/// answers.
pub(super) struct Session<'d> {
    disk: &'d Disk,
    tokeniser: Tokeniser,
    pub(super) places: Vec<event::Place>,
    policy: Option<&'d mut Policy>,
    pub(super) refused: Vec<Attempt>,
}

impl<'d> Session<'d> {
    pub(super) fn new(disk: &'d Disk, policy: Option<&'d mut Policy>) -> Self {
        Self { disk, tokeniser: Tokeniser::new(context()), places: Vec::new(), policy, refused: Vec::new() }
    }

    pub(super) fn ask(&mut self, path: &Path, access: u32) {
        if let Some(policy) = &self.policy
            && refuses(policy, self.disk, path, access)
        {
            self.refused.push((path.to_owned(), access));
        }
    }

    pub(super) fn tell(&mut self, op: Op, access: Access, object: Object, second: Option<Object>) {
        let event = Event { time_ns: 1, pid: 10, tid: 10, second, ..Event::of(op, access, object) };
        self.places.extend(self.tokeniser.read(&event).taught().cloned());
    }

    pub(super) fn open(&mut self, path: &Path, access: Access) {
        self.tell(Op::Open, access, Object::File(file(path, Origin::Trusted)), None);
    }

    pub(super) fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Read(path) => self.reads(path.as_ref()),
            Deed::Write(path) => self.writes(path.as_ref()),
            Deed::Replace(path) => self.replaces(path.as_ref()),
            Deed::Remove(path) => self.removes(path.as_ref()),
            Deed::Start(name) => self.starts(name.as_ref()),
        }
    }

    pub(super) fn reads(&mut self, path: &Path) {
        if self.disk.real(path).exists() {
            self.ask(path, access::READ);
            self.open(path, Access::READ);
        }
    }

    pub(super) fn writes(&mut self, path: &Path) {
        self.makes_above(path);
        let real = self.disk.real(path);
        let is_new = !real.exists();
        if is_new {
            self.ask(path, access::CREATE);
        }
        fs::File::create(&real).unwrap().write_all(b"text\n").unwrap();
        self.ask(path, access::WRITE);
        let new = if is_new { Access::NEW | Access::CREATE } else { Access::TRUNC };
        self.open(path, Access::WRITE | new);
    }

    pub(super) fn makes_above(&mut self, path: &Path) {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for directory in above {
            match fs::create_dir(self.disk.real(directory)) {
                Ok(()) => {
                    fs::remove_dir(self.disk.real(directory)).unwrap();
                    self.ask(directory, access::CREATE);
                    fs::create_dir(self.disk.real(directory)).unwrap();
                    self.tell(
                        Op::Mkdir,
                        Access::CREATE,
                        Object::File(file(directory, Origin::Trusted)),
                        None,
                    );
                    self.made(directory);
                }
                Err(e) => assert_eq!(e.kind(), ErrorKind::AlreadyExists),
            }
        }
    }

    /// The supervisor hears of a directory that was made.
    pub(super) fn made(&mut self, directory: &Path) {
        let name = directory.as_os_str().as_bytes().as_bstr();
        let entry = self.disk.look(name).unwrap();
        if let Some(policy) = &mut self.policy {
            label_made(&Fake::default(), policy, name, entry.key).unwrap();
        }
    }

    pub(super) fn replaces(&mut self, path: &Path) {
        let temporary = path.with_extension("tmp");
        self.writes(&temporary);
        self.ask(&temporary, access::REMOVE);
        if self.disk.real(path).exists() {
            self.ask(path, access::REMOVE);
        }
        self.ask(path, access::CREATE | access::MOVED);
        fs::rename(self.disk.real(&temporary), self.disk.real(path)).unwrap();
        let [old, new] = [&*temporary, path].map(|path| Object::File(file(path, Origin::Trusted)));
        self.tell(Op::Rename, Access::REMOVE, old, Some(new));
    }

    pub(super) fn removes(&mut self, path: &Path) {
        if self.disk.real(path).exists() {
            self.ask(path, access::REMOVE);
            fs::remove_file(self.disk.real(path)).unwrap();
            self.tell(Op::Unlink, Access::REMOVE, Object::File(file(path, Origin::Trusted)), None);
        }
    }

    /// Starts a program as the kernel does, without running it; each script is read by its interpreter.
    pub(super) fn starts(&mut self, name: &Path) {
        let mut scripts = Vec::new();
        let mut next = name.to_owned();
        let last = loop {
            let opened = self.disk.canonical(&next).unwrap();
            self.ask(&opened, access::EXEC);
            let content = fs::read_to_string(self.disk.real(&opened)).unwrap();
            let Some(line) = content.strip_prefix("#!") else { break opened };
            next = line.split_whitespace().next().unwrap().into();
            scripts.push(opened);
        };
        let exe = Exe { file: file(&last, Origin::Trusted), args: Vec::new(), args_cut: false };
        let script = (!scripts.is_empty()).then(|| Object::File(file(name, Origin::Claimed)));
        self.tell(Op::Exec, Access::EXEC, Object::Exe(exe), script);
        for script in scripts {
            self.reads(&script);
        }
    }
}

pub(super) fn file(path: &Path, origin: Origin) -> File {
    File { path: path.as_os_str().as_bytes().into(), key: None, mode: 0o100_644, origin }
}

pub(super) fn context() -> Context {
    Context { workspaces: vec![WORKSPACE.into()], home: HOME.into(), uid: 1000, ..Context::default() }
}

/// The kernel side's walk: the nearest labelled ancestor decides, and by the name in it where names matter.
pub(super) fn refuses(policy: &Policy, disk: &Disk, path: &Path, access: u32) -> bool {
    let mut below: Option<&Path> = None;
    for at in path.ancestors() {
        let entry = disk.look(at.as_os_str().as_bytes().as_bstr());
        let label = entry.and_then(|entry| policy.labels.iter().find(|(key, _)| *key == entry.key));
        let Some((dir, label)) = label else {
            below = Some(at);
            continue;
        };
        if label.deny & access != 0 {
            return true;
        }
        if label.flags & LABEL_STATE != 0 && access & access::MODIFY != 0 {
            return names::obeyed(policy, path.strip_prefix(at).unwrap()) != 0;
        }
        let by_name =
            label.flags & LABEL_NAMES != 0 && access & (access::CREATE | access::MOVED) == access::CREATE;
        let name = below.and_then(Path::file_name).filter(|_| by_name);
        return name.is_some_and(|name| names::reason(policy, *dir, name.as_bytes().into()) != 0);
    }
    policy.unlabelled & access != 0
}
