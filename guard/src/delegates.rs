//! Agents outside of a session. Whoever connects to one has its work done there, unguarded: an agent's daemon, which outlives
//! the terminal that started it, or an agent in another terminal. The kernel side refuses it by the process behind the
//! socket; here those processes are found, before a session's first instruction and while it runs.

use crate::{DenyList, Error, reason};
use event::agent::{Agent, Program};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Between two looks at who runs: an agent's daemon takes longer to start.
const INTERVAL: Duration = Duration::from_millis(250);
/// Questions about single processes that wait.
const QUESTIONS: usize = 64;
/// Bytes of a command line that are looked at, and of it that are said.
const COMMAND: u64 = 4096;
const SAID: usize = 160;

/// A process that runs an agent's program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// Its process.
    pub pid: u32,
    /// The agent.
    pub agent: String,
    /// Its command line, as far as it is short.
    pub command: String,
}

impl Delegate {
    /// One that has ended before anybody could say more of it.
    pub(crate) fn gone(pid: u32) -> Delegate {
        Delegate { pid, agent: "unknown".to_owned(), command: "an agent".to_owned() }
    }

    /// What happened, and what to do.
    pub fn advice(&self) -> String {
        let Delegate { pid, agent, command } = self;
        let alone = Agent::named(agent).and_then(|agent| agent.alone);
        let alone = alone.map_or_else(String::new, |alone| format!("; or work without it: {alone}"));
        format!(
            "`{command}` (process {pid}) is an agent (`{agent}`) outside of the session, and would work for it unguarded. End it \
             with `kill {pid}` and start again; or guard it with `wardline enforce --attach {pid}`{alone}"
        )
    }
}

/// Those that are known, of the users who have sessions.
pub struct Delegates {
    list: Arc<dyn DenyList>,
    /// Held by who looks at processes, which may take its time. Nobody else waits for it.
    looking: Mutex<()>,
    state: Mutex<State>,
    questions: SyncSender<Question>,
}

#[derive(Default)]
struct State {
    /// Watches of a user.
    users: HashMap<u32, usize>,
    known: BTreeMap<u32, Delegate>,
}

/// Whether a process is one, asked for a session that has reached it.
struct Question {
    pid: u32,
    uid: u32,
    asked: Arc<Mutex<Asked>>,
}

/// What one session has asked.
#[derive(Default)]
struct Asked {
    pending: HashSet<u32>,
    reached: Option<Delegate>,
}

/// One session's interest in its user's; ends when it is dropped.
pub struct Watch {
    delegates: Arc<Delegates>,
    uid: u32,
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

    /// Watches a user's from now on; those that run are in the deny-list when this returns.
    pub fn watch(self: &Arc<Self>, uid: u32) -> Result<Watch, Error> {
        *self.state().users.entry(uid).or_default() += 1;
        let watch = Watch { delegates: Arc::clone(self), uid, asked: Arc::default() };
        self.look()?;
        Ok(watch)
    }

    /// One that is known.
    pub fn get(&self, pid: u32) -> Option<Delegate> {
        self.state().known.get(&pid).cloned()
    }

    /// Looks at who runs, and puts it into the deny-list.
    fn look(&self) -> Result<(), Error> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let users: HashSet<u32> = self.state().users.keys().copied().collect();
        let running: BTreeMap<u32, Delegate> = if users.is_empty() {
            BTreeMap::new()
        } else {
            let found = processes().filter_map(|pid| self.recognise(pid, |uid| users.contains(&uid)));
            found.map(|delegate| (delegate.pid, delegate)).collect()
        };
        let mut state = self.state();
        let mut done = Ok(());
        for pid in state.known.keys().filter(|pid| !running.contains_key(pid)) {
            done = done.and(self.list.remove_delegate(*pid));
        }
        for pid in running.keys().filter(|pid| !state.known.contains_key(pid)) {
            done = done.and(self.list.insert_delegate(*pid, reason::DELEGATE));
        }
        state.known = running;
        done
    }

    /// The process as an agent's, if it is one and of a user who is asked for. What a member of a session says of itself is
    /// not read: it could keep the reader waiting.
    fn recognise(&self, pid: u32, of: impl Fn(u32) -> bool) -> Option<Delegate> {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let exe = exe.as_os_str().as_bytes();
        let exe = exe.strip_suffix(b" (deleted)").unwrap_or(exe);
        let is_agents = Agent::of_program(exe);
        let runs_another = is_agents.is_none() && Program::of([exe]) == Program::Inline;
        if is_agents.is_none() && !runs_another || !of(user(pid)?) {
            return None;
        }
        let member = self.list.member(pid).ok().flatten().is_some();
        let line = if member { Vec::new() } else { command_line(pid) };
        let words: Vec<&[u8]> = line.split(|&byte| byte == 0).filter(|word| !word.is_empty()).collect();
        let agent = is_agents.or_else(|| of_script(pid, exe, &words))?;
        let said = if words.is_empty() { exe.to_vec() } else { words.join(&b' ') };
        let command = String::from_utf8_lossy(&said).chars().filter(|c| !c.is_control()).take(SAID).collect();
        Some(Delegate { pid, agent: agent.name.to_owned(), command })
    }

    /// Answers one question.
    fn answer(&self, question: &Question) {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.recognise(question.pid, |uid| uid == question.uid);
        if let Some(delegate) = &found {
            if let Err(error) = self.list.insert_delegate(question.pid, reason::DELEGATE) {
                tracing::error!(pid = question.pid, %error, "an agent outside of the sessions can be reached by them");
            }
            self.state().known.insert(question.pid, delegate.clone());
        }
        let mut asked = question.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.pending.remove(&question.pid);
        asked.reached = asked.reached.take().or(found);
    }
}

impl Watch {
    /// Asks whether a process that the session has reached is one; the answer comes by [`Watch::reached`].
    pub fn ask(&self, pid: u32) {
        let mut asked = self.asked();
        if !asked.pending.insert(pid) {
            return;
        }
        let question = Question { pid, uid: self.uid, asked: Arc::clone(&self.asked) };
        if self.delegates.questions.try_send(question).is_err() {
            asked.pending.remove(&pid);
            tracing::warn!(pid, "too many processes outside of the sessions are asked about");
        }
    }

    /// One that the session has reached before it was known.
    pub fn reached(&self) -> Option<Delegate> {
        self.asked().reached.take()
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
    loop {
        let question = match asked.recv_timeout(INTERVAL) {
            Ok(question) => Some(question),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Some(delegates) = delegates.upgrade() else { return };
        match question {
            Some(question) => delegates.answer(&question),
            None => {
                if let Err(error) = delegates.look() {
                    tracing::error!(%error, "an agent outside of the sessions can be reached by them");
                }
            }
        }
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The real user of a process: the owner of its directory is root's where it may not be looked at.
fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

fn command_line(pid: u32) -> Vec<u8> {
    let mut line = Vec::new();
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/cmdline")) {
        let _ = file.take(COMMAND).read_to_end(&mut line);
    }
    line
}

/// The agent whose script an interpreter runs; a relative path is told from the working directory.
fn of_script(pid: u32, exe: &[u8], words: &[&[u8]]) -> Option<&'static Agent> {
    let words = || std::iter::once(exe).chain(words.iter().skip(1).copied());
    Agent::of_command(words()).or_else(|| match Program::of(words()) {
        Program::File(script) if !script.starts_with(b"/") => {
            let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
            Agent::of_program(&[directory.as_os_str().as_bytes(), b"/", script].concat())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use std::path::Path;
    use std::process::{Child, Command};
    use std::time::Instant;

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
        let watch = delegates.watch(own_uid()).unwrap();
        assert_eq!(list.state().delegates.get(&agent.0.id()), Some(&reason::DELEGATE));
        assert_eq!(list.state().delegates.get(&other.0.id()), None);
        let known = delegates.get(agent.0.id()).unwrap();
        assert_eq!(known.agent, "codex");
        assert!(known.command.ends_with("/bin/server 60"), "{known:?}");
        assert!(known.advice().contains(&format!("kill {}", known.pid)), "{}", known.advice());
        let pid = agent.0.id();
        drop(agent);
        delegates.look().unwrap();
        assert_eq!(list.state().delegates.get(&pid), None);
        let late = start(directory.path(), ".opencode/bin/opencode", "/bin/sleep");
        watch.ask(late.0.id());
        let mut reached = None;
        assert!(eventually(|| {
            reached = watch.reached();
            reached.is_some()
        }));
        assert_eq!(reached.unwrap().agent, "opencode");
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
        let nobody = delegates.watch(own_uid() + 1).unwrap();
        assert!(list.state().delegates.is_empty());
        let _watch = delegates.watch(own_uid()).unwrap();
        // A process has its program some moments before its arguments.
        assert!(eventually(|| list.state().delegates.contains_key(&script.0.id())));
        assert_eq!(delegates.get(script.0.id()).unwrap().agent, "gemini");
        drop(nobody);
    }
}
