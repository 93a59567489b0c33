//! A session is its whole process tree, however it forks, detaches or moves: what is executed in it is recorded, all
//! of it and nothing else.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Result, ensure};
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{Scene, is_machine};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Short children, of root's session and of a user's.
const CHILDREN: [usize; 2] = [200, 20];
/// So long a detached grandchild lives on, in seconds: the last one outlives the command.
const LIVES_ON: &str = "0.518";

/// The program that makes the processes: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// Ways in which processes come to be, and how many of each. Each executes one program, whose last argument is the way.
fn ways(as_root: bool) -> Vec<(&'static str, usize)> {
    let mut ways = vec![
        ("detach", 1),
        ("fork", 5),
        ("vfork", CHILDREN[usize::from(!as_root)]),
        ("thread", 3),
        ("detach", 1),
    ];
    if as_root {
        ways.extend([("namespaces", 3), ("cgroup", 3), ("reuse", 3)]);
        // And what is begun from there.
        ways.extend([("leave-cgroup", 1), ("detach", 1)]);
    }
    ways
}

/// A way, for people.
fn in_words(way: &str) -> &str {
    match way {
        "fork" => "a child, by fork",
        "vfork" => "a child, by vfork",
        "thread" => "a program that is executed by another thread than the first",
        "detach" => "a grandchild in a session of its own, whose parent has ended",
        "namespaces" => "a child in namespaces of its own (`clone3`)",
        "cgroup" => "a child in another cgroup (`CLONE_INTO_CGROUP`)",
        "reuse" => "a child that has the number of one which has ended",
        "leave-cgroup" => "a process that moves to the root of the cgroups",
        other => other,
    }
}

/// How often each last argument occurs among the programs that were executed; what failed, as the search through `PATH`
/// does, executed nothing.
fn executed(events: &[Value]) -> BTreeMap<String, usize> {
    let mut executed = BTreeMap::new();
    for event in events.iter().filter(|event| is_done(event, "exec")) {
        let arguments = event["object"]["args"].as_array();
        let last = arguments.and_then(|list| list.last()?.as_str()).unwrap_or_default();
        *executed.entry(last.to_owned()).or_default() += 1;
    }
    executed
}

fn is_done(event: &Value, op: &str) -> bool {
    event["op"] == op && !event["outcome"]["done"].is_null()
}

fn a_session_is_recorded_whole(as_root: bool, verb: &str) -> Result<()> {
    let scene = Scene::new(as_root)?;
    let mut processes = Vec::new();
    let mut expected = BTreeMap::from([("--test-threads=1".to_owned(), 1)]);
    for (way, count) in ways(as_root) {
        let arguments = if way == "detach" { ["sleep", LIVES_ON] } else { ["true", way] };
        processes
            .extend((0..count).map(|_| Attempt::new(&format!("{way}-{}", expected.len()), way, arguments)));
        *expected.entry(arguments[1].to_owned()).or_default() += count;
    }
    let (came, summary, output) = scene.guarded(verb, &processes)?;
    assert!(!came.is_empty() && came.values().all(|errno| *errno == 0), "{came:?}\n{output:?}");
    let exported = scene.world.run(["export", "last"])?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let lines = String::from_utf8_lossy(&exported.stdout);
    let events: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(executed(&events), expected);
    let all: usize = expected.values().sum();
    assert_eq!((&summary["execs"], &summary["lost"]), (&all.into(), &0.into()), "{summary}");
    assert!(!events.iter().any(|event| event["type"] == "loss"));
    // Each ended inside, the detached ones too.
    let of = |op: &str| {
        events.iter().filter(|event| is_done(event, op)).map(|event| event["pid"].as_u64()).collect()
    };
    let (began, ended): (BTreeSet<_>, BTreeSet<_>) = (of("exec"), of("exit"));
    assert_eq!(began.difference(&ended).count(), 0);
    // A detached process has had a parent that executed nothing.
    let forked = |event: &&Value| is_done(event, "fork") && event["fork"]["pid"] != event["pid"];
    let between = expected[LIVES_ON];
    // Of a number that comes twice, one process was there before, and another one where somebody else was faster.
    let reused = expected.get("reuse").copied().unwrap_or(0);
    let forks = events.iter().filter(forked).count() - (all - 1 + between);
    assert!(if reused == 0 { forks == 0 } else { forks >= reused }, "{forks}");
    for (way, _) in ways(as_root) {
        let by = if as_root { "root" } else { "a user" };
        bypass::came("A session is left", in_words(way), by, Fate::Inside);
    }
    Ok(())
}

#[test]
fn root_is_recorded_whole() -> Result<()> {
    a_session_is_recorded_whole(true, "record")
}

#[test]
fn a_user_is_recorded_whole() -> Result<()> {
    a_session_is_recorded_whole(false, "enforce")
}

/// Children that do nothing but end, and the forks and ends that are told of them.
#[test]
fn ten_thousand_short_children_are_all_told() -> Result<()> {
    // Emulation is twenty times slower.
    let children = if is_machine() { 500 } else { 10_000 };
    let scene = Scene::apart(false)?;
    let deeds = [Attempt::new("children", "children", [children.to_string()])];
    let (came, summary, output) = scene.guarded("record", &deeds)?;
    assert_eq!(came["children"], 0, "{output:?}");
    let exported = scene.world.run(["export", "last"])?;
    let lines = String::from_utf8_lossy(&exported.stdout);
    let (mut forked, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for line in
        lines.lines().filter(|line| line.contains("\"op\":\"fork\"") || line.contains("\"op\":\"exit\""))
    {
        let event: Value = serde_json::from_str(line)?;
        if is_done(&event, "fork") && event["fork"]["pid"] != event["pid"] {
            *forked.entry(event["fork"]["pid"].as_u64()).or_insert(0) += 1;
        } else if is_done(&event, "exit") && event["outcome"]["done"] == 1 {
            *ended.entry(event["pid"].as_u64()).or_insert(0) += 1;
        }
    }
    assert_eq!(forked.values().sum::<usize>(), children);
    // Each that was made has ended, and the one that made them.
    assert_eq!(ended.values().sum::<usize>(), children + 1);
    assert!(forked.iter().all(|(pid, count)| ended.get(pid) == Some(count)));
    assert_eq!(summary["lost"], 0, "{summary}");
    bypass::came("A session is left", "thousands of children that end at once", "a user", Fate::Inside);
    Ok(())
}
