//! Attempts of root's session against the guard itself.

use anyhow::{Context, Result, ensure};
use end_to_end::attempt::Attempt;
use end_to_end::bypass::{Fate, came};
use end_to_end::scene::{Scene, rows};
use end_to_end::tampers::links;
use end_to_end::wait_until;
use std::time::Duration;

const EPERM: i32 = libc::EPERM;

/// Root's session turns against the supervisor's own programs, and then reads a key.
#[test]
fn root_inside_takes_no_program_off_its_hook() -> Result<()> {
    const OF: &str = "The guard is turned off";
    let scene = Scene::apart(true)?;
    // Its programs are attached as long as a session runs.
    let mut waits = scene.world.session("enforce", &["--quiet"]);
    waits.extend(["sleep", "1000"].map(str::to_owned));
    let mut waits = scene.world.wardline(waits).spawn()?;
    let attached = || scene.world.supervisor().and_then(|pid| links(pid).ok()).unwrap_or_default();
    let has_begun = wait_until(Duration::from_secs(180), || {
        attached().len() > 3 && scene.world.user_processes().len() == 1
    });
    // Whom it has just forked is called as it is for a moment.
    let mut supervisor = None;
    let is_itself = || {
        let before = std::mem::replace(&mut supervisor, scene.world.supervisor());
        std::thread::sleep(Duration::from_millis(200));
        supervisor.is_some() && before == supervisor
    };
    ensure!(wait_until(Duration::from_secs(20), is_itself), "no supervisor");
    let supervisor = supervisor.context("no supervisor")?.to_string();
    let (links, key) = (attached(), scene.path(".ssh/id_ed25519"));
    let links: Vec<String> = links.iter().map(u32::to_string).collect();
    let detach = |link: &String| Attempt::new(&format!("detach {link}"), "tamper", ["detach", link]).apart();
    let state = scene.world.state();
    let (settings, state) = (state.join("config.toml").display().to_string(), state.display().to_string());
    let rest = rows([
        ("the supervisor's settings are made", "create", &[&settings]),
        ("the recordings and baselines are listed", "list", &[&state]),
        (
            "the supervisor is made the first to go when memory runs out",
            "tamper",
            &["first-to-go", &supervisor],
        ),
        ("read", "read", &[&key]),
    ]);
    let attempts = [links.iter().map(detach).collect(), rest.clone()].concat();
    let came_of = scene.guarded("enforce", &attempts);
    waits.kill()?;
    waits.wait()?;
    ensure!(has_begun, "nothing is attached");
    let (found, summary, output) = came_of?;
    for link in &links {
        assert_eq!(found.get(&format!("detach {link}")), Some(&EPERM), "{found:?} {output:?} {summary:#}");
    }
    assert_eq!(found.get("read"), Some(&EPERM), "{found:?} {summary:#}");
    came(OF, "the programs of the guard are taken off their hooks (`bpf`)", "root", Fate::Refused);
    for way in &rest[..2] {
        assert_eq!(found.get(&way.name), Some(&EPERM), "{}: {summary:#}", way.name);
        came(OF, &way.name, "root", Fate::Refused);
    }
    assert_eq!(found.get(&rest[2].name), Some(&0), "{summary:#}");
    came(OF, &rest[2].name, "root", Fate::Happened);
    Ok(())
}
