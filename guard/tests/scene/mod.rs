//! A throw-away home, the loaded kernel side, and processes inside and outside of a session.

use collector::{Heard, Kernel, Options, Reader};
use event::{Captured, Context, Mode, SessionMeta, Tier};
use guard::fanotify::Group;
use guard::{Effect, Guard, Live, Opening, t0};
use models::Baseline;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

/// The programs of one kernel side see the members of another: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Slot of the tests' sessions.
pub const SLOT: u32 = 9;

pub struct Scene {
    tmp: tempfile::TempDir,
    pub kernel: Arc<Kernel>,
    reader: Reader,
    guard: Guard,
    /// What was captured and not yet given to a session.
    pub captured: Vec<Captured>,
    _one: MutexGuard<'static, ()>,
}

impl Scene {
    /// `None` where it cannot be: says why.
    pub fn new(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: loading kernel programs needs root");
            return None;
        }
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Not below /tmp, where everything new is everybody's.
        let tmp = tempfile::Builder::new().prefix(&format!("guard-{name}-")).tempdir_in("/var/lib").unwrap();
        let (kernel, reader) = Kernel::load(&Options::default()).unwrap();
        let kernel = Arc::new(kernel);
        kernel.attach().unwrap();
        let group = (kernel.tier() == Tier::Tracepoint).then(|| Group::here(kernel.clone()).unwrap());
        let guard = Guard::new(kernel.clone(), t0::Own::default(), group);
        Some(Self { tmp, kernel, reader, guard, captured: Vec::new(), _one: one })
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.tmp.path().join(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn context(&self, workspace: Option<&str>) -> Context {
        let bytes = |path: &str| self.path(path).to_str().unwrap().into();
        Context {
            home: bytes("home"),
            workspaces: workspace.map(bytes).into_iter().collect(),
            ..Context::default()
        }
    }

    pub fn open(&self, mode: Mode, workspace: Option<&str>, baseline: Option<Arc<Baseline>>) -> Live {
        let meta = SessionMeta {
            agent: "agent".parse().unwrap(),
            task: "task".parse().unwrap(),
            command: vec![],
            context: self.context(workspace),
            mode,
            tier: self.kernel.tier(),
            kernel: String::new(),
            started_unix_ns: 0,
            started_boot_ns: 1,
        };
        let opening = Opening {
            session: "test".into(),
            slot: SLOT,
            mode,
            meta,
            variables: vec![],
            way: None,
            baseline,
            rules: policy::Rules::default(),
            force: false,
            force_baseline: false,
            key_files: t0::KeyFiles::default(),
            directory: None,
            cgroup: None,
            confinement: wire::Confinement::default(),
            recording: None,
        };
        self.guard.open(opening).unwrap()
    }

    /// Runs a script, in the session or outside of every one.
    pub fn run(&mut self, script: &str, enroll: bool) -> Output {
        let mut child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if enroll {
            self.kernel.enroll(child.id(), SLOT).unwrap();
        }
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let captured = &mut self.captured;
        let mut take = |heard| {
            if let Heard::Captured(one) = heard {
                captured.push(one);
            }
        };
        while self.reader.drain(&mut |_, heard| take(heard)) > 0 {}
        output
    }

    /// Runs a script in the session.
    pub fn inside(&mut self, script: &str) -> Output {
        self.run(script, true)
    }

    /// Gives the session what was captured.
    pub fn pump(&mut self, live: &mut Live) {
        for captured in self.captured.drain(..) {
            for effect in live.receive(captured) {
                if let Effect::Alert { verdict, p, reasons, .. } = &effect {
                    println!("{}: p = {p:.1e}: {reasons:?}", verdict.name());
                }
                live.apply(&effect).unwrap();
            }
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.kernel.detach();
    }
}
