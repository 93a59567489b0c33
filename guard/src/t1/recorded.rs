//! Enforcement agrees with training: every operation of recorded sessions, attempted again under the policy that is compiled
//! of them, on a real file system, is refused nothing.

mod disk;
mod session;

use self::disk::Disk;
use self::session::{Attempt, Deed, Session, context, refuses};
use super::*;
use crate::denylist::fake::Fake;
use abi::{LABEL_NAMES, LABEL_STATE};
use bstr::ByteSlice;
use event::{Access, Event, Exe, File, Object, Op, Origin, Reach, Tokeniser};
use proptest::prelude::*;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Names under which programs are started.
const PROGRAMS: [&str; 10] = [
    "/usr/bin/env",
    "/home/u/bin/plain",
    "/home/u/bin/outer",
    "/home/u/.local/bin/inner",
    "/home/u/.local/bin/native",
    "/home/u/.local/bin/plain",
    "/home/u/.local/share/tool/versions/1.2/bin/inner",
    "/home/u/projects/app/script",
    "/home/u/projects/app/cli",
    "/opt/tool/run",
];

/// Places of files that are read, made, changed and removed.
const PLACES: [&str; 12] = [
    "/home/u/.toolrc",
    "/home/u/.tool.lock",
    "/home/u/letter",
    "/home/u/.cache/tool/index",
    "/home/u/.cache/tool/new",
    "/home/u/.cache/new/file",
    "/home/u/.local/state/tool/log",
    "/home/u/projects/app/made",
    "/srv/data/list",
    "/srv/data/made",
    "/tmp/made",
    "/tmp/directory/made",
];

/// What three sessions teach that do the same, one after the other, and the disk that they leave.
fn learned(deeds: &[Deed], start_afresh: bool) -> (Novelty, Disk) {
    let mut disk = Disk::new();
    let mut recorded = Vec::new();
    for _ in 0..3 {
        let mut session = Session::new(&disk, None);
        deeds.iter().for_each(|&deed| session.does(deed));
        recorded.push(session.places);
        if start_afresh {
            disk = Disk::new();
        }
    }
    (Novelty::learn(recorded.iter().map(|places| (7, places.iter()))), disk)
}

/// The same once more, under what was learned: what is refused.
fn attempted(deeds: &[Deed], novelty: &Novelty, disk: &Disk) -> Vec<Attempt> {
    let normal = Normal { agent: "a".parse().unwrap(), task: "t".parse().ok() };
    let mut policy = compile(novelty, &normal, &context(), disk, &Reasons::default(), 1).unwrap();
    // An inode that is held is not given to another file, which would inherit its label.
    let _held = disk.held(disk.0.path());
    let mut session = Session::new(disk, Some(&mut policy));
    deeds.iter().for_each(|&deed| session.does(deed));
    session.refused
}

fn refused(deeds: &[Deed], start_afresh: bool) -> Vec<Attempt> {
    let (novelty, disk) = learned(deeds, start_afresh);
    attempted(deeds, &novelty, &disk)
}

fn deed() -> impl Strategy<Value = Deed> {
    let place = || prop::sample::select(&PLACES[..]);
    prop_oneof![
        place().prop_map(Deed::Read),
        place().prop_map(Deed::Write),
        place().prop_map(Deed::Replace),
        place().prop_map(Deed::Remove),
        prop::sample::select(&PROGRAMS[..]).prop_map(Deed::Start),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_recorded_is_refused_nothing(
        deeds in prop::collection::vec(deed(), 1..12),
        start_afresh in any::<bool>(),
    ) {
        prop_assert_eq!(refused(&deeds, start_afresh), Vec::<Attempt>::new());
    }

    #[test]
    fn what_either_of_two_tasks_does_is_refused_nothing_under_their_union(
        one in prop::collection::vec(deed(), 1..8),
        other in prop::collection::vec(deed(), 1..8),
    ) {
        let (of_one, after_one) = learned(&one, true);
        let (of_other, after_other) = learned(&other, true);
        let mut union = of_one.leaning_on(&of_other);
        union.merge(&of_other);
        prop_assert_eq!(attempted(&one, &union, &after_one), Vec::<Attempt>::new());
        prop_assert_eq!(attempted(&other, &union, &after_other), Vec::<Attempt>::new());
    }
}

#[test]
fn each_program_starts_under_its_own_baseline_and_no_other_does() {
    for name in PROGRAMS {
        assert_eq!(refused(&[Deed::Start(name)], true), Vec::<Attempt>::new(), "{name}");
    }
    let disk = Disk::new();
    let recorded: Vec<Vec<event::Place>> = (0..3)
        .map(|_| {
            let mut session = Session::new(&disk, None);
            session.starts("/home/u/.local/bin/plain".as_ref());
            session.places
        })
        .collect();
    let novelty = Novelty::learn(recorded.iter().map(|places| (7, places.iter())));
    let normal = Normal { agent: "a".parse().unwrap(), task: "t".parse().ok() };
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let starts = |path: &str| !refuses(&policy, &disk, path.as_ref(), access::EXEC);
    assert!(starts("/home/u/bin/plain") && starts("/usr/bin/sh"));
    for other in ["/home/u/bin/outer", "/home/u/bin/new", "/home/u/.local/share/tool/versions/1.2/bin/native"]
    {
        assert!(!starts(other), "{other}");
    }
    // The name leads elsewhere now, as after an upgrade.
    fs::remove_file(disk.real("/home/u/.local/bin/plain")).unwrap();
    symlink("../../bin/middle", disk.real("/home/u/.local/bin/plain")).unwrap();
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    assert!(!refuses(&policy, &disk, "/home/u/bin/middle".as_ref(), access::EXEC));
}

/// Sessions of an agent that nobody knows keep state in directories of its own, under other names each time.
#[test]
fn an_agents_own_state_is_open_in_the_next_session_but_for_what_is_obeyed() {
    const FIRST: [Deed; 4] = [
        Deed::Write("/home/u/.sometool/sessions/one.json"),
        Deed::Write("/home/u/.sometool/config.toml"),
        Deed::Read("/home/u/.sometool/commands/x"),
        Deed::Write("/home/u/.cache/sometool/db"),
    ];
    const LAST: [Deed; 4] = [
        Deed::Write("/home/u/.sometool/sessions/other.json"),
        Deed::Write("/home/u/.sometool/config.toml"),
        Deed::Read("/home/u/.sometool/commands/x"),
        Deed::Write("/home/u/.cache/sometool/fan/out/db-wal"),
    ];
    let disk = Disk::new();
    disk.make_above("/home/u/.sometool/commands/x".as_ref());
    fs::write(disk.real("/home/u/.sometool/commands/x"), "").unwrap();
    let recorded: Vec<Vec<event::Place>> = [&FIRST, &FIRST, &LAST]
        .into_iter()
        .map(|deeds| {
            let mut session = Session::new(&disk, None);
            deeds.iter().for_each(|&deed| session.does(deed));
            session.places
        })
        .collect();
    let novelty = Novelty::learn((0..).zip(&recorded).map(|(n, places)| (n, places.iter())));
    let normal = Normal { agent: "a".parse().unwrap(), task: "t".parse().ok() };
    fs::write(disk.real("/home/u/.sometool/left.lock"), "").unwrap();
    fs::create_dir(disk.real("/home/u/.sometool/history")).unwrap();
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let lets = |path: &str, access| !refuses(&policy, &disk, path.as_ref(), access);
    let (make, change) = (access::CREATE, access::CREATE | access::WRITE | access::REMOVE | access::MOVED);
    for path in ["new", "locks/x.lock.breaker", "history/new/x", "sessions/third.json", "left.lock"] {
        assert!(lets(&format!("/home/u/.sometool/{path}"), change | access::READ), "{path}");
    }
    assert!(
        lets("/home/u/.cache/sometool/other/x", change)
            && lets("/home/u/.sometool/config.toml", access::WRITE)
    );
    for path in
        ["hooks", "hooks/x.sh", "new/hooks/x.sh", "commands/y", "history/bin/x", "AGENTS.md", "settings.json"]
    {
        for access in [make, access::WRITE, access::CREATE | access::MOVED] {
            assert!(!lets(&format!("/home/u/.sometool/{path}"), access), "{path} {access:x}");
        }
    }
    assert!(lets("/home/u/.sometool/commands/x", access::READ));
    assert!(
        !lets("/home/u/.sometool/commands/x", access::WRITE)
            && !lets("/home/u/.sometool/commands/x", access::REMOVE)
    );
    for path in
        ["/home/u/.othertool/x", "/home/u/.claude/commands/x.md", "/home/u/.cache/x", "/home/u/letter"]
    {
        assert!(!lets(path, make | access::WRITE), "{path}");
    }
}

/// A repository says where its links lead: to nothing that sessions did not read.
#[test]
fn a_link_of_a_workspace_starts_only_what_is_read() {
    let disk = Disk::new();
    let cli = "/home/u/projects/app/cli";
    let recorded: Vec<Vec<event::Place>> = (0..3)
        .map(|_| {
            let mut session = Session::new(&disk, None);
            session.starts(cli.as_ref());
            session.places
        })
        .collect();
    let novelty = Novelty::learn(recorded.iter().map(|places| (7, places.iter())));
    let normal = Normal { agent: "a".parse().unwrap(), task: "t".parse().ok() };
    fs::remove_file(disk.real(cli)).unwrap();
    symlink("../../.local/share/tool/versions/1.2/bin/native", disk.real(cli)).unwrap();
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let starts = |path: &str| !refuses(&policy, &disk, path.as_ref(), access::EXEC);
    assert!(!starts("/home/u/.local/share/tool/versions/1.2/bin/native"));
}

/// An agent that was upgraded: its programs lie in another version's directory, or are called by another version.
#[test]
fn what_is_run_and_read_of_one_version_is_in_the_next_and_nothing_beside_it() {
    const TOOL: &str = "/home/u/.local/share/tool/versions";
    let disk = Disk::new();
    fs::write(disk.real(format!("{TOOL}/2.0.1")), "\x7fELF").unwrap();
    fs::write(disk.real(format!("{TOOL}/1.2/table")), "text").unwrap();
    let recorded: Vec<Vec<event::Place>> = (0..3)
        .map(|_| {
            let mut session = Session::new(&disk, None);
            session.starts("/home/u/.local/bin/native".as_ref());
            session.starts(format!("{TOOL}/1.2/bin/inner").as_ref());
            session.starts(format!("{TOOL}/2.0.1").as_ref());
            session.reads(format!("{TOOL}/1.2/table").as_ref());
            session.places
        })
        .collect();
    let novelty = Novelty::learn(recorded.iter().map(|places| (7, places.iter())));
    let normal = Normal { agent: "a".parse().unwrap(), task: "t".parse().ok() };
    fs::rename(disk.real(format!("{TOOL}/1.2")), disk.real(format!("{TOOL}/1.10.3-rc.1"))).unwrap();
    fs::rename(disk.real(format!("{TOOL}/2.0.1")), disk.real(format!("{TOOL}/2.1.0"))).unwrap();
    for planted in ["1.10.3-rc.1/bin/other", "new/bin/native", "2.1.0x", "tool-2.1.0"] {
        disk.make_above(format!("{TOOL}/{planted}").as_ref());
        fs::write(disk.real(format!("{TOOL}/{planted}")), "\x7fELF").unwrap();
    }
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let lets = |path: &str, access| !refuses(&policy, &disk, format!("{TOOL}/{path}").as_ref(), access);
    for path in ["1.10.3-rc.1/bin/native", "1.10.3-rc.1/bin/inner", "2.1.0"] {
        assert!(lets(path, access::EXEC), "{path}");
    }
    assert!(lets("1.10.3-rc.1/table", access::READ));
    for path in ["1.10.3-rc.1/bin/other", "new/bin/native", "2.1.0x", "tool-2.1.0", "1.10.3-rc.1/table"] {
        assert!(!lets(path, access::EXEC), "{path}");
    }
    // Nobody plants what is run outside, in this version or another.
    for path in ["1.10.3-rc.1/bin/native", "1.10.3-rc.1/bin/new", "1.10.4", "2.1.0"] {
        assert!(!lets(path, access::CREATE) && !lets(path, access::WRITE), "{path}");
    }
}

/// One name that a person opened lets that one be made, and nothing else come or go.
#[test]
fn what_a_person_opened_is_made_and_what_lies_beside_it_stays() {
    let (mut novelty, disk) =
        learned(&[Deed::Read("/home/u/.toolrc"), Deed::Read("/home/u/.cache/tool/index")], true);
    let reaches = [Reach::Create, Reach::Read, Reach::Write, Reach::Remove];
    let opened = ["/home/u/bin/new", "/home/u/.cache/tool/new"].into_iter().flat_map(|path| {
        let tokeniser = Tokeniser::new(context());
        reaches.map(move |reach| {
            let components = tokeniser.symbolic(path.as_bytes(), reach).into();
            models::Allowed { place: event::Place { reach, components }, below: false }
        })
    });
    novelty.allow(opened);
    let normal = Normal { agent: "a".parse().unwrap(), task: "t".parse().ok() };
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let lets = |path: &str, access| !refuses(&policy, &disk, path.as_ref(), access);
    for path in ["/home/u/bin/new", "/home/u/.cache/tool/new"] {
        assert!(lets(path, access::CREATE) && lets(path, access::WRITE), "{path}");
    }
    for path in ["/home/u/bin/plain", "/home/u/bin/outer", "/home/u/.cache/tool/index"] {
        assert!(!lets(path, access::REMOVE) && !lets(path, access::WRITE), "{path}");
        assert!(!lets(path, access::CREATE | access::REMOVE), "moved over: {path}");
    }
    assert!(!lets("/home/u/bin/other", access::CREATE) && !lets("/home/u/.cache/tool/x", access::CREATE));
}
