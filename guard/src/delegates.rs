//! Agents and helpers outside of a session. A program that connects to one has work done there, unguarded: by an agent's
//! daemon, which outlives the terminal that started it; by an agent in another terminal; by a helper with the user's
//! authority. The kernel side refuses it by the process behind the socket; here those processes are found, before a
//! session's first instruction and while it runs.

mod outsider;
mod pipes;
mod sockets;

use crate::{DenyList, Error};
pub(crate) use outsider::Outsider;
use sys::process;

pub use sockets::Own;
use sockets::Told;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use wire::PeerKind;

/// Between two looks at who runs: an agent's daemon takes longer to start.
const INTERVAL: Duration = Duration::from_millis(250);
/// Questions about single processes that wait.
const QUESTIONS: usize = 64;
const UNGUARDED: &str = "what works for others outside of the sessions can be reached by them";

/// Those that are known, of the users who have sessions.
pub struct Delegates {
    list: Arc<dyn DenyList>,
    /// Held by who looks at processes, which may take its time. Nobody else waits for it.
    looking: Mutex<Told>,
    state: Mutex<State>,
    questions: SyncSender<Question>,
}

#[derive(Default)]
struct State {
    /// Watches of a user.
    users: HashMap<u32, usize>,
    known: BTreeMap<u32, Outsider>,
}

/// Who listens, as the kernel side says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A process.
    Process(u32),
    /// Whoever holds an Internet socket, by its inode.
    Socket(u64),
    /// Whoever outside of the session holds a named pipe, by its device, as the kernel encodes it, and inode.
    Pipe(u32, u64),
}

/// Who it is, asked for a session that has reached it.
struct Question {
    who: Who,
    uid: u32,
    slot: u32,
    asked: Arc<Mutex<Asked>>,
}

/// What one session has asked, and what came of it.
#[derive(Default)]
struct Asked {
    pending: HashSet<Who>,
    answers: Vec<(Who, Option<Outsider>)>,
}

/// One session's interest in its user's; ends when it is dropped.
pub struct Watch {
    delegates: Arc<Delegates>,
    uid: u32,
    slot: u32,
    asked: Arc<Mutex<Asked>>,
}

impl Delegates {
    /// Of nobody yet. What is found goes into the deny-list.
    pub fn new(list: Arc<dyn DenyList>) -> Arc<Delegates> {
        let (questions, asked) = sync_channel(QUESTIONS);
        let delegates =
            Arc::new(Delegates { list, looking: Mutex::default(), state: Mutex::default(), questions });
        let weak = Arc::downgrade(&delegates);
        std::thread::spawn(move || run(&weak, &asked));
        delegates
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a user's for a session from now on; those that run are in the deny-list when this returns.
    pub fn watch(self: &Arc<Self>, uid: u32, slot: u32) -> Result<Watch, Error> {
        *self.state().users.entry(uid).or_default() += 1;
        let watch = Watch { delegates: Arc::clone(self), uid, slot, asked: Arc::default() };
        self.look()?;
        Ok(watch)
    }

    /// One that is known.
    pub(crate) fn get(&self, pid: u32) -> Option<Outsider> {
        self.state().known.get(&pid).cloned()
    }

    /// Looks at who runs, and puts it into the deny-list.
    fn look(&self) -> Result<(), Error> {
        let mut told = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let users: HashSet<u32> = self.state().users.keys().copied().collect();
        let running: BTreeMap<u32, Outsider> = if users.is_empty() {
            BTreeMap::new()
        } else {
            let is_users = |uid: u32| users.contains(&uid);
            let found =
                process::numbers().filter_map(|pid| Outsider::working(pid, || self.is_member(pid), is_users));
            found.map(|outsider| (outsider.pid, outsider)).collect()
        };
        let mut state = self.state();
        let mut done = Ok(());
        for pid in state.known.keys().filter(|pid| !running.contains_key(pid)) {
            done = done.and(self.list.remove_delegate(*pid));
        }
        // One process runs one program after another.
        let of = |known: &BTreeMap<u32, Outsider>, pid| known.get(&pid).and_then(Outsider::reason);
        for pid in running.keys().copied().filter(|&pid| of(&running, pid) != of(&state.known, pid)) {
            done = done.and(self.list.insert_delegate(pid, of(&running, pid).unwrap_or_default()));
        }
        // What members of sessions listen at is known to the kernel side, and nothing of theirs is looked at here.
        let outside = running.keys().copied().filter(|pid| !self.is_member(*pid)).collect();
        state.known = running;
        drop(state);
        if users.is_empty() { done } else { done.and(told.tell(&*self.list, outside)) }
    }

    fn session_of(&self, pid: u32) -> Option<u32> {
        self.list.member(pid).ok().flatten().map(|member| member.session)
    }

    fn is_member(&self, pid: u32) -> bool {
        self.list.member(pid).ok().flatten().is_some()
    }

    /// Answers one question.
    fn answer(&self, question: &Question) {
        let Question { who, uid, slot, .. } = *question;
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = match who {
            Who::Process(pid) => Some(pid),
            Who::Socket(inode) => sockets::holder(inode),
            Who::Pipe(dev, inode) => {
                let is_own = |pid| self.session_of(pid) == Some(slot);
                pipes::holder((dev, inode), process::numbers().filter(|pid| !is_own(*pid)))
            }
        };
        let found = pid.and_then(|pid| {
            let member = self.list.member(pid).ok().flatten();
            let own = member.is_some_and(|member| member.session == slot);
            let found = Outsider::of(pid, member.is_some(), |of| of == uid)?;
            let kind = match found.kind {
                _ if own => PeerKind::Own,
                // Root's other programs do root's work.
                PeerKind::System if matches!(who, Who::Pipe(..)) && outsider::user(pid) == Some(uid) => {
                    PeerKind::Other
                }
                kind => kind,
            };
            Some(Outsider { kind, ..found })
        });
        if let Some((outsider, reason)) = found.as_ref().and_then(|found| Some((found, found.reason()?))) {
            let mut done = self.list.insert_delegate(outsider.pid, reason);
            if let Who::Socket(inode) = who {
                done = done.and(self.list.insert_listener(&abi::socket_inode(inode), outsider.pid));
            }
            if let Err(error) = done {
                tracing::error!(pid, %error, "{UNGUARDED}");
            }
            self.state().known.insert(outsider.pid, outsider.clone());
        }
        let mut asked = question.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.pending.remove(&who);
        asked.answers.push((who, found));
    }
}

impl Watch {
    /// Asks who it is that the session has reached; the answer comes by [`Watch::answers`].
    pub(crate) fn ask(&self, who: Who) {
        let mut asked = self.asked();
        if !asked.pending.insert(who) {
            return;
        }
        let question = Question { who, uid: self.uid, slot: self.slot, asked: Arc::clone(&self.asked) };
        if self.delegates.questions.try_send(question).is_err() {
            asked.pending.remove(&who);
            tracing::warn!(?who, "too many processes outside of the sessions are asked about");
        }
    }

    /// What came of the questions since the last call; `None`: there is no such process any more.
    pub(crate) fn answers(&self) -> Vec<(Who, Option<Outsider>)> {
        std::mem::take(&mut self.asked().answers)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.delegates.state();
        if let Some(watches) = state.users.get_mut(&self.uid) {
            *watches -= 1;
            if *watches == 0 {
                state.users.remove(&self.uid);
            }
        }
    }
}

/// Looks again and again, as long as anybody holds the delegates.
fn run(delegates: &Weak<Delegates>, asked: &Receiver<Question>) {
    let mut looked = Instant::now();
    loop {
        let question = match asked.recv_timeout(INTERVAL.saturating_sub(looked.elapsed())) {
            Ok(question) => Some(question),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Some(delegates) = delegates.upgrade() else { return };
        if let Some(question) = question {
            delegates.answer(&question);
        }
        // However much is asked.
        if looked.elapsed() >= INTERVAL {
            if let Err(error) = delegates.look() {
                tracing::error!(%error, "{UNGUARDED}");
            }
            looked = Instant::now();
        }
    }
}

/// The sockets without a file at which processes listen. The tables of a network namespace are read once, and are longer the more
/// there are.
pub fn listening(pids: &[u32]) -> Vec<Own> {
    let mut tables = HashMap::new();
    let mut found = Vec::new();
    for &pid in pids {
        let process = pid.to_string();
        let Some(namespace) = sockets::namespace(&process) else { continue };
        let table = tables.entry(namespace).or_insert_with(|| sockets::Listening::of(&process));
        found.extend(table.own_of(pid));
    }
    found
}

#[cfg(test)]
#[expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use event::helper::Work;
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Command};

    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn start(directory: &Path, path: &str, program: &str) -> Running {
        let file = directory.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(program, &file).unwrap();
        Running(Command::new(file).arg("60").spawn().unwrap())
    }

    fn eventually(mut done: impl FnMut() -> bool) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while !done() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn own_uid() -> u32 {
        rustix::process::getuid().as_raw()
    }

    #[test]
    fn who_runs_an_agents_program_is_denied_as_long_as_it_runs_and_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let list = Arc::new(Fake::default());
        let delegates = Delegates::new(list.clone());
        let agent = start(directory.path(), "node_modules/@openai/codex-linux-x64/bin/server", "/bin/sleep");
        let other = start(directory.path(), "projects/codex/server", "/bin/sleep");
        let watch = delegates.watch(own_uid(), 1).unwrap();
        assert_eq!(list.state().delegates.get(&agent.0.id()), Some(&crate::reason::DELEGATE));
        assert_eq!(list.state().delegates.get(&other.0.id()), None);
        let known = delegates.get(agent.0.id()).unwrap().delegate().unwrap();
        assert_eq!(known.agent, "codex".parse().ok());
        assert!(known.command.ends_with("/bin/server 60"), "{known:?}");
        assert!(known.advice().contains(&format!("kill {}", known.pid)), "{}", known.advice());
        let pid = agent.0.id();
        drop(agent);
        delegates.look().unwrap();
        assert_eq!(list.state().delegates.get(&pid), None);
        let late = start(directory.path(), ".opencode/bin/opencode", "/bin/sleep");
        watch.ask(Who::Process(late.0.id()));
        let mut answers = Vec::new();
        assert!(eventually(|| {
            answers.extend(watch.answers());
            !answers.is_empty()
        }));
        assert_eq!(answers[0].0, Who::Process(late.0.id()));
        assert_eq!(answers[0].1.as_ref().unwrap().kind, PeerKind::Agent("opencode".into()));
        assert!(list.state().delegates.contains_key(&late.0.id()));
        drop(watch);
        delegates.look().unwrap();
        assert!(list.state().delegates.is_empty());
    }

    #[test]
    fn the_script_of_an_interpreter_counts_and_others_users_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let package = directory.path().join("node_modules/@google/gemini-cli/bundle");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("index.js"), "sleep 60\n").unwrap();
        let script = Running(Command::new("sh").arg("index.js").current_dir(&package).spawn().unwrap());
        let list = Arc::new(Fake::default());
        let delegates = Delegates::new(list.clone());
        let nobody = delegates.watch(own_uid() + 1, 2).unwrap();
        assert!(list.state().delegates.is_empty());
        let _watch = delegates.watch(own_uid(), 1).unwrap();
        // A process has its program some moments before its arguments.
        assert!(eventually(|| list.state().delegates.contains_key(&script.0.id())));
        assert_eq!(delegates.get(script.0.id()).unwrap().kind, PeerKind::Agent("gemini".into()));
        drop(nobody);
    }
    #[test]
    fn a_helper_is_denied_by_what_it_does_and_what_it_runs_next_counts() {
        let directory = tempfile::tempdir().unwrap();
        let list = Arc::new(Fake::default());
        let delegates = Delegates::new(list.clone());
        let tmux = start(directory.path(), "bin/tmux", "/bin/sleep");
        let sleep = start(directory.path(), "tmux/server", "/bin/sleep");
        let watch = delegates.watch(own_uid(), 1).unwrap();
        let reason = crate::reason::of_work(Work::Terminal);
        assert_eq!(list.state().delegates.get(&tmux.0.id()), Some(&reason));
        assert!(!list.state().delegates.contains_key(&sleep.0.id()));
        watch.ask(Who::Process(sleep.0.id()));
        let mut answers = Vec::new();
        assert!(eventually(|| {
            answers.extend(watch.answers());
            !answers.is_empty()
        }));
        let other = answers[0].1.clone().unwrap();
        let kind = if own_uid() == 0 { PeerKind::System } else { PeerKind::Other };
        assert_eq!((other.kind, other.program.ends_with("tmux/server")), (kind, true));
        // A shell that has listened becomes an agent.
        let script = "sleep 0.5; exec node_modules/@openai/codex/bin/x 60";
        let _program = start(directory.path(), "node_modules/@openai/codex/bin/x", "/bin/sleep");
        let bash = directory.path().join("screen");
        fs::copy("/bin/bash", &bash).unwrap();
        let shell = Command::new(bash).args(["-c", script]).current_dir(directory.path()).spawn().unwrap();
        let shell = Running(shell);
        let is = |number| list.state().delegates.get(&shell.0.id()) == Some(&number);
        assert!(eventually(|| is(reason)));
        assert!(eventually(|| is(crate::reason::DELEGATE)));
    }
}
