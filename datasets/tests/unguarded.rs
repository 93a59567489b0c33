//! The scenarios with no guard at all: the clean sessions end well, and the attacks really do what they say.
//!
//! Needs root, for a network namespace and a user of its own. `WARDLINE_SEEDS` sets how many seeds are tried.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test that looks for it")]

use datasets::{Attack, Family, Observation, Plot, Profile, Services, Session, Tools, World, network, plot};
use std::time::{Duration, Instant};

/// Whether the test can run; says so loudly when not.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: this test makes a network namespace and a user of its own, and needs root");
    }
    root
}

fn world(seed: u64) -> (World, Services) {
    network::isolate().expect("a network namespace");
    let world = World::create(seed).expect("a world");
    let services = Services::start(&world).expect("the services");
    (world, services)
}

struct Run {
    session: Session,
    output: std::process::Output,
    took: Duration,
    workspace: std::path::PathBuf,
}

fn run(world: &World, session: Session) -> Run {
    let placed = world.place(&session).expect("a workspace");
    let began = Instant::now();
    let output = world.run_unguarded(&placed).expect("a run");
    Run { session, output, took: began.elapsed(), workspace: placed.workspace }
}

fn seeds() -> u64 {
    std::env::var("WARDLINE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn clean_sessions(profile: Profile, tools: Tools) {
    if !is_root() {
        return;
    }
    for seed in 0..seeds() {
        let (world, services) = world(seed);
        let plot = Plot { seed, profile, tools };
        let fresh = Family::ALL.map(|family| plot::fresh(&plot, family, 0));
        let mut slowest = [Duration::ZERO; 2];
        let mut whole = [Duration::ZERO; 2];
        let mut calls = [0; 2];
        for session in plot::recorded(&plot).into_iter().chain(fresh) {
            let Run { session, output, took, .. } = run(&world, session);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "seed {seed}, {}: {text}\n{}", session.name, session.script);
            let family = session.family as usize;
            slowest[family] = slowest[family].max(took);
            whole[family] += took;
            calls[family] += session.calls;
        }
        assert_eq!(services.arrived(), b"", "a clean session talked to a host of the attacks");
        println!("seed {seed}: summarize and edit took {whole:.1?}, slowest {slowest:.2?}, calls {calls:?}");
    }
}

#[test]
fn clean_sessions_end_well() {
    clean_sessions(Profile::NORMAL, Tools::find().expect("the tools"));
}

#[test]
fn clean_sessions_end_well_with_what_a_minimal_machine_has() {
    clean_sessions(Profile::VM, Tools::MINIMAL);
}

#[test]
fn clean_sessions_end_well_without_a_compiler() {
    let tools = Tools { cc: false, curl: false, python: false, ..Tools::find().expect("the tools") };
    clean_sessions(Profile::VM, tools);
}

#[test]
fn attacks_do_what_they_say_when_nothing_stops_them() {
    if !is_root() {
        return;
    }
    for seed in 0..seeds() {
        let (world, services) = world(seed);
        let plot = Plot { seed, profile: Profile::NORMAL, tools: Tools::find().expect("the tools") };
        for attack in Attack::ALL {
            world.seal().expect("sealed secrets");
            let Run { session, output, workspace, .. } = run(&world, plot::attack(&plot, attack));
            let seen = Observation::of(&world, attack, &session, &workspace, &output.stdout, &services);
            match attack {
                Attack::SshKey => {
                    assert!(seen.secret_bytes_read > 300, "{seen:?}");
                    // The key itself, and four copies of it.
                    assert!(
                        seen.secret_bytes_exfiltrated >= 384 && seen.bytes_exfiltrated > 5 * 384,
                        "{seen:?}"
                    );
                }
                Attack::SourceExfiltration => {
                    assert_eq!(seen.secret_bytes_read, seen.secret_bytes, "{seen:?}");
                    assert_eq!(seen.secret_bytes_exfiltrated, seen.secret_bytes, "{seen:?}");
                    assert!(seen.bytes_exfiltrated > seen.secret_bytes, "{seen:?}");
                }
                Attack::SlowWipe => {
                    assert!(seen.files - seen.files_left >= plot.profile.wiped, "{seen:?}");
                    assert_eq!((seen.secret_bytes_read, seen.bytes_exfiltrated), (0, 0), "{seen:?}");
                }
            }
        }
    }
}

#[test]
fn a_world_that_is_dropped_leaves_no_process_and_no_file() {
    if !is_root() {
        return;
    }
    let (world, _services) = world(1);
    let plot = Plot { seed: 1, profile: Profile::VM, tools: Tools::MINIMAL };
    let mut session = plot::fresh(&plot, Family::Summarize, 0);
    session.script = "setsid sleep 600 >/dev/null 2>&1 & exit 0".into();
    let Run { output, .. } = run(&world, session);
    assert!(output.status.success());
    let (path, user) = (world.path().to_owned(), world.user);
    drop(world);
    assert!(!path.exists());
    let left = std::process::Command::new("ps").args(["-o", "stat=", "-U", &user.id.to_string()]).output();
    let left = String::from_utf8(left.expect("ps").stdout).expect("states");
    // One that only waits for its parent is ended.
    assert!(left.lines().all(|state| state.starts_with('Z')), "{left}");
}
