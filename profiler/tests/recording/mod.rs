//! A store with made-up sessions.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test that looks for it")]
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use event::{
    Access, Address, Alert, Captured, Context, Event, Exe, File, Loss, Mode, Object, Op, Origin, Outcome,
    Segment, SessionMeta, Stage, Summary, Syscall,
};
use std::path::{Path, PathBuf};
use store::{Recorder, SessionId};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Clean,
    MetT0,
    Lossy,
    Alerted,
    Incomplete,
}

pub struct Recording {
    path: PathBuf,
    recorder: Recorder,
    _directory: Option<tempfile::TempDir>,
}

impl Recording {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        Self { _directory: Some(directory), ..Self::at(path) }
    }

    /// In this file.
    pub fn at(path: PathBuf) -> Self {
        let recorder = Recorder::open(&path).unwrap();
        Self { path, recorder, _directory: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A guarded session of one task in which a file was changed besides, unrefused; returns its number.
    pub fn guarded(&mut self, agent: &str, task: &str, file: &str, seed: u64) -> i64 {
        self.changing(Mode::Enforce, agent, task, file, seed)
    }

    /// The same, recorded.
    pub fn changed(&mut self, agent: &str, task: &str, file: &str, seed: u64) -> i64 {
        self.changing(Mode::Record, agent, task, file, seed)
    }

    fn changing(&mut self, mode: Mode, agent: &str, task: &str, file: &str, seed: u64) -> i64 {
        let meta = SessionMeta { mode, ..meta(agent, task) };
        let id = self.recorder.begin_session(&meta).unwrap();
        let mut time_ns = 1;
        self.work(id, 0, task, seed, &mut time_ns);
        let event = event(time_ns + 1, 0, Op::Open, Access::WRITE, file.into());
        self.recorder.write(id, &Captured::Event(Box::new(event))).unwrap();
        self.end(id, Kind::Clean, time_ns + 2);
        id.0
    }

    /// Records a session that has these tasks one after the other; returns its number.
    pub fn session(&mut self, agent: &str, tasks: &[&str], kind: Kind, seed: u64) -> i64 {
        let id = self.recorder.begin_session(&meta(agent, tasks[0])).unwrap();
        let mut time_ns = 1;
        for (segment, task) in (0..).zip(tasks) {
            if segment > 0 {
                let segment =
                    Segment { index: segment, task: task.parse().unwrap(), started_boot_ns: time_ns };
                self.recorder.segment(id, &segment).unwrap();
            }
            self.work(id, segment, task, seed, &mut time_ns);
        }
        self.end(id, kind, time_ns);
        id.0
    }

    fn work(&mut self, id: SessionId, segment: u32, task: &str, seed: u64, time_ns: &mut u64) {
        let mut emit = |op, access, path: String| {
            for number in [257, 0, 3] {
                *time_ns += 10;
                let call = Syscall { time_ns: *time_ns, tid: 100, number, compat: false, ret: 0 };
                self.recorder.write(id, &Captured::Syscall(call)).unwrap();
            }
            *time_ns += 10;
            let event = event(*time_ns, segment, op, access, path);
            self.recorder.write(id, &Captured::Event(Box::new(event))).unwrap();
        };
        for round in 0..12 + seed % 5 {
            emit(Op::Exec, Access::EXEC, "/usr/bin/bash".into());
            for n in 0..4 {
                emit(Op::Open, Access::READ, format!("/home/u/app/src/f{}.rs", (round * 7 + n * seed) % 30));
            }
            if task == "proxy" {
                emit(Op::Connect, Access::empty(), "127.0.0.1".into());
            }
            if task == "edit" {
                emit(Op::Open, Access::WRITE, format!("/home/u/app/src/f{}.rs", (round + seed) % 30));
                emit(Op::Open, Access::WRITE, format!("/home/u/lib/src/f{}.rs", (round + seed) % 30));
            }
        }
    }

    fn end(&mut self, id: SessionId, kind: Kind, time_ns: u64) {
        let mut summary = Summary { exit_status: Some(0), events: 60, syscalls: 180, ..Summary::default() };
        match kind {
            Kind::Clean => {}
            Kind::MetT0 => summary.t0_hits = 1,
            Kind::Lossy => {
                summary.lost = 40;
                let loss = Captured::Loss(Loss { time_ns, cpu: 0, kind: 1, count: 40 });
                self.recorder.write(id, &loss).unwrap();
            }
            Kind::Alerted => {
                let (stage, verdict) = (Stage::T2, "alert".into());
                let alert = Alert { time_ns, segment: 0, stage, verdict, p: Some(0.001), reasons: vec![] };
                self.recorder.alert(id, &alert).unwrap();
            }
            Kind::Incomplete => {
                self.recorder.flush().unwrap();
                return;
            }
        }
        self.recorder.end_session(id, &summary).unwrap();
    }
}

fn meta(agent: &str, task: &str) -> SessionMeta {
    SessionMeta {
        agent: agent.parse().unwrap(),
        task: task.parse().unwrap(),
        command: vec![agent.into()],
        context: Context {
            workspaces: vec!["/home/u/app".into()],
            home: "/home/u".into(),
            ..Context::default()
        },
        mode: Mode::Record,
        tier: event::Tier::Lsm,
        kernel: "6.12".into(),
        started_unix_ns: 0,
        started_boot_ns: 0,
    }
}

fn event(time_ns: u64, segment: u32, op: Op, access: Access, path: String) -> Event {
    let file = File { path: path.into(), key: None, mode: 0o100644, origin: Origin::Trusted };
    let object = match op {
        Op::Exec => Object::Exe(Exe { file, args: vec!["bash".into()], args_cut: false }),
        Op::Connect => {
            let ip = file.path.to_string().parse().unwrap();
            Object::Address(Address { ip, port: 3128, protocol: 6, host: None })
        }
        _ => Object::File(file),
    };
    Event { time_ns, segment, pid: 100, tid: 100, outcome: Outcome::Done(3), ..Event::of(op, access, object) }
}
