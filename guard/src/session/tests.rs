//! A session from its first event to its report, over a deny-list in memory.

use super::*;
use crate::denylist::{fake::Fake, no_session};
use crate::t0;
use crate::{DenyList, Guard, Opening};
use event::{
    Access, Address, Captured, Class, Context, Decision, Event, File, Means, Mode, Object, Op, Origin,
    Outcome, SessionMeta, Stage, Tier,
};
use models::calibration::P;
use models::{Score, Verdict};
use std::sync::Arc;

fn event(op: Op, path: &str, access: Access, decision: Option<Decision>) -> Captured {
    let key = None;
    Captured::Event(Box::new(Event {
        time_ns: 2_000_000,
        pid: 10,
        tid: 10,
        outcome: if decision.is_some_and(|d| d.enforced) { Outcome::Failed(1) } else { Outcome::Done(3) },
        decision,
        ..Event::of(
            op,
            access,
            Object::File(File { path: path.into(), key, mode: 0o100644, origin: Origin::Trusted }),
        )
    }))
}

fn opening(mode: Mode, home: &std::path::Path) -> Opening {
    let context = Context { home: home.to_str().unwrap().into(), ..Context::default() };
    Opening {
        session: "s1".into(),
        slot: 3,
        mode,
        meta: SessionMeta {
            agent: "demo-agent".parse().unwrap(),
            task: "summarize".parse().unwrap(),
            command: vec![],
            context,
            mode,
            tier: event::Tier::Lsm,
            kernel: String::new(),
            started_unix_ns: 0,
            started_boot_ns: 1_000_000,
        },
        variables: vec![],
        way: None,
        baseline: None,
        rules: policy::Rules::default(),
        force: false,
        force_baseline: false,
        key_files: t0::KeyFiles::default(),
        directory: None,
        cgroup: None,
        confinement: wire::Confinement::default(),
        recording: None,
    }
}

fn guard() -> (Arc<Fake>, Guard, tempfile::TempDir) {
    let list = Arc::new(Fake::default());
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    (list.clone(), Guard::over(list, Tier::Lsm, t0::Own::default(), None), home)
}

#[test]
fn without_a_baseline_jewels_are_guarded_and_it_says_what_is_missing() {
    let (list, guard, home) = guard();
    let live = guard.open(opening(Mode::Enforce, home.path())).unwrap();
    assert_eq!(list.session(3).unwrap().flags, abi::SESSION_ENFORCE | abi::SESSION_STANDS);
    assert!(!list.state().t0.is_empty());
    assert!(live.notes().iter().any(|note| note.contains("no baseline of `demo-agent` for `summarize`")));
    live.finish(Some(0));
    assert!(list.state().t0.is_empty());
    assert_eq!(list.session(3).unwrap(), no_session());
}

#[test]
fn a_refusal_is_told_once_and_counted_with_what_passed_before() {
    let (_, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Enforce, home.path())).unwrap();
    for n in 0..3 {
        assert_eq!(live.receive(event(Op::Open, &format!("/f{n}"), Access::READ, None)), []);
    }
    let refused = Decision { stage: Stage::T0, means: Means::Lsm, enforced: true, reason: 1 };
    let effects = live.receive(event(Op::Open, "/h/.ssh/id", Access::READ, Some(refused)));
    let [Effect::Denied(denial)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(denial.reason.contains("crown jewel"));
    live.receive(event(Op::Open, "/after", Access::READ, None));
    let (report, summary) = live.finish(Some(1));
    assert_eq!((report.stopped_by, report.means), (Some(Stage::T0), Some(Means::Lsm)));
    assert_eq!((report.operations_before_denial, report.denied, report.t0_hits), (3, 1, 1));
    assert_eq!((report.verdict.as_str(), summary.denied, summary.exit_status), ("deny", 1, Some(1)));
    assert_eq!(report.reasons.len(), 1);
    assert_eq!((report.events, report.files), (5, 4));
}

#[test]
fn a_shadow_session_refuses_nothing_and_says_what_it_would() {
    let (list, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Shadow, home.path())).unwrap();
    assert_eq!(list.session(3).unwrap().flags & abi::SESSION_ENFORCE, 0);
    let would = Decision { stage: Stage::T1, means: Means::Lsm, enforced: false, reason: 1 };
    live.receive(event(Op::Open, "/x", Access::READ, Some(would)));
    let (report, _) = live.finish(None);
    assert_eq!((report.denied, report.happened, report.stopped_by), (0, 1, None));
}

#[test]
fn t2_takes_away_and_says_how_many_passed() {
    let (list, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Enforce, home.path())).unwrap();
    for n in 0..6 {
        live.receive(event(Op::Unlink, &format!("/w/{n}"), Access::REMOVE, None));
    }
    let Captured::Event(last) = event(Op::Unlink, "/w/6", Access::REMOVE, None) else { panic!() };
    let score = |p| Score {
        p,
        extrapolated: true,
        acting: P { p, extrapolated: true },
        channels: vec![],
        reasons: vec!["many files removed".into()],
        confidence: 1.0,
        lossy: false,
    };
    let class = Class::of(&last.object, &live.meta.context);
    let mut effects = Vec::new();
    live.scored(&last, class, &score(5e-3), &mut effects);
    assert!(matches!(effects.as_slice(), [Effect::Alert { verdict: Verdict::Alert, .. }]), "{effects:?}");
    live.scored(&last, class, &score(5e-3), &mut effects);
    assert_eq!(effects.len(), 1, "an alert that goes on is said once");
    live.scored(&last, class, &score(5e-4), &mut effects);
    let [_, Effect::Alert { .. }, Effect::Restrict(answer)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert!(answer.reason.contains("many files removed"));
    live.apply(&effects[2]).unwrap();
    let session = list.session(3).unwrap();
    assert_eq!(session.restrict & abi::access::REMOVE, abi::access::REMOVE);
    assert_eq!(session.restrict_reason, answer.number);
    let refused = Decision { stage: Stage::T2, means: Means::Lsm, enforced: true, reason: answer.number };
    live.receive(event(Op::Unlink, "/w/7", Access::REMOVE, Some(refused)));
    let (report, _) = live.finish(None);
    assert_eq!(report.repeated.unwrap().passed, 6);
    assert_eq!((report.stopped_by, report.alerts, report.verdict.as_str()), (Some(Stage::T2), 2, "restrict"));
    assert!(report.t2_latency_ns.is_some());
}

#[test]
fn objects_are_counted_once() {
    let (_, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Record, home.path())).unwrap();
    let Captured::Event(mut connect) = event(Op::Connect, "/", Access::CONNECT, None) else { panic!() };
    connect.object =
        Object::Address(Address { ip: "198.51.100.7".parse().unwrap(), port: 443, protocol: 6, host: None });
    for _ in 0..3 {
        live.receive(Captured::Event(connect.clone()));
        live.receive(event(Op::Open, "/x", Access::READ, None));
    }
    live.receive(Captured::Syscall(event::Syscall { time_ns: 1, tid: 1, number: 0, compat: false, ret: 0 }));
    live.receive(Captured::Loss(event::Loss { time_ns: 1, cpu: 0, kind: 5, count: 4 }));
    let (report, _) = live.finish(Some(0));
    assert_eq!((report.hosts, report.files, report.syscalls, report.lost), (1, 1, 1, 4));
    assert_eq!(report.verdict, "allow");
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}

/// The number of a jewel of the home.
fn jewel(path: &'static str) -> u32 {
    let site = policy::Site::Home(path.into());
    crate::reason::of_jewel(event::jewel::jewels().iter().position(|jewel| *jewel.site == site).unwrap())
}

/// What a session that met these jewels amounts to: denied, hits of T0, verdict.
fn met(met: &[(&'static str, Access)]) -> (u64, u64, String) {
    let (_, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Record, home.path())).unwrap();
    for &(path, access) in met {
        let decision = Decision { stage: Stage::T0, means: Means::Lsm, enforced: true, reason: jewel(path) };
        live.receive(event(Op::Open, path, access, Some(decision)));
    }
    let (report, summary) = live.finish(Some(0));
    assert_eq!((report.t0_hits, &report.verdict), (summary.t0_hits, &summary.verdict));
    (summary.denied, summary.t0_hits, summary.verdict)
}

#[test]
fn a_tools_look_at_its_own_credentials_says_nothing_against_a_session() {
    let read = Access::READ;
    assert_eq!(met(&[(".netrc", read), (".netrc", read), (".npmrc", read)]), (3, 0, "routine".into()));
    let write = (".npmrc", Access::WRITE);
    assert_eq!(met(&[(".netrc", read), write]), (2, 1, "deny".into()), "to change one does");
    assert_eq!(met(&[(".netrc", read), (".ssh", read)]), (2, 1, "deny".into()), "and so does a key");
    let many = [(".netrc", read), (".npmrc", read), (".pypirc", read)];
    assert_eq!(met(&many), (3, 3, "deny".into()), "and to look for everything that there is");
}

#[test]
fn what_ends_a_session_ends_it_though_it_was_held_before() {
    let (list, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Enforce, home.path())).unwrap();
    let hold = |why: u64| *list.state().held.entry(3).or_default() |= why;
    assert_eq!(live.answer_hold().unwrap(), None);
    hold(abi::HELD_LOST);
    assert!(matches!(live.answer_hold().unwrap(), Some(Effect::Stop { freeze: true, .. })));
    assert_eq!(live.answer_hold().unwrap(), None, "it was answered");
    hold(abi::HELD_SHARED);
    assert!(matches!(live.answer_hold().unwrap(), Some(Effect::End { .. })));
    live.thaw(wire::GoOn::Once).unwrap();
    assert_eq!(list.held(3), abi::REASON_SHARED, "nobody lets it go on");
    let (report, _) = live.finish(None);
    assert_eq!(report.verdict, "kill");
    assert_eq!(list.held(3), 0, "for the next session");
}

#[test]
fn who_changed_what_nothing_could_refuse_stands_still_until_each_change_was_let_pass() {
    let (list, guard, home) = guard();
    let mut live = guard.open(opening(Mode::Enforce, home.path())).unwrap();
    list.state().held.insert(3, 2 * abi::HELD_CHANGED);
    assert_eq!(live.answer_hold().unwrap(), None, "its record says what it was");
    list.lift_change(3);
    assert_eq!(list.held(3), abi::REASON_CHANGED, "there was another one");
    list.lift_change(3);
    list.lift_change(3);
    assert_eq!(list.held(3), 0);
    list.state().held.insert(3, abi::HELD_CHANGED);
    live.freeze_as_asked().unwrap();
    assert_eq!(live.answer_hold().unwrap(), None, "it stands still by now");
    live.thaw(wire::GoOn::Once).unwrap();
    assert_eq!(list.held(3), 0);
}
