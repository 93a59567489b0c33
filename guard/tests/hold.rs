//! A session that loses a record of what was decided, since nobody reads the rings, is held by the kernel side itself. Needs
//! root and BPF; without root it says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod scene;

use event::Mode;
use scene::Scene;
use std::net::TcpListener;

/// Connections to a metadata service, each refused and told: more than the ring of what was decided holds.
const REFUSED: u32 = 80_000;

#[test]
fn who_loses_a_record_of_what_was_decided_changes_starts_and_sends_nothing_more() {
    let Some(mut scene) = Scene::new("hold") else { return };
    scene.write("home/prepared", "evil");
    scene.write("home/.bashrc", "mine");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut live = scene.open(Mode::Enforce, None, None);
    let flood = format!(
        "cd '{home}'; exec bash -c 'reach() {{ true 3<>/dev/tcp/127.0.0.1/{port} && echo reached $1 || echo refused $1; }}; \
         reach before; for ((i = 0; i < {REFUSED}; i++)); do true 3<>/dev/tcp/169.254.169.254/80; done 2>/dev/null; \
         reach after; mv prepared .bashrc; echo $?'",
        home = scene.path("home").display()
    );
    let output = scene.inside(&flood);
    let said = String::from_utf8_lossy(&output.stdout);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said[..2], ["reached before", "refused after"], "{output:?}");
    // The program could not be started, or was ended before its first instruction.
    assert!(["126", "137"].contains(&said[2]), "{output:?}");
    assert_eq!(std::fs::read_to_string(scene.path("home/.bashrc")).unwrap(), "mine");
    assert_eq!(scene.kernel.held(scene::SLOT), abi::REASON_LOST);
    scene.pump(&mut live);
    assert!((1000..u64::from(REFUSED)).contains(&live.denied()), "{}", live.denied());
}
