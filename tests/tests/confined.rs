//! What a session's command is given before its first instruction where its requests and calls cannot be refused one by one,
//! and what it is not kept from by that.

use anyhow::Result;
use end_to_end::attempt;
use end_to_end::scene::{Scene, is_lsm, rows};

const EPERM: i32 = libc::EPERM;
/// The file was read, and is no secret.
const DONE: i32 = attempt::OTHER_CONTENT;

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// Programs that would use io_uring do what they do by ordinary calls then, and nobody is told of a denial.
#[test]
fn a_session_has_no_ring_but_where_its_user_gives_it_one() -> Result<()> {
    for as_root in [false, true] {
        let scene = Scene::new(as_root)?;
        let file = scene.path("notes.txt");
        let ring = rows([("ring", "read-by-request", &[&file])]);
        let free = scene.free(&ring)?;
        if free["ring"] != DONE {
            println!("skipped: there is no io_uring here: {free:?}");
            return Ok(());
        }
        for verb in ["record", "enforce"] {
            let (came, summary, output) = scene.guarded(verb, &ring)?;
            let errno = if is_lsm(&summary)? { DONE } else { EPERM };
            assert_eq!(came.get("ring"), Some(&errno), "{verb}: {output:?} {summary:#}");
            let said = (&summary["denied"], &summary["stopped"], &summary["verdict"]);
            assert_eq!(said, (&0.into(), &0.into(), &"allow".into()), "{verb}: {summary:#}");
            let (came, summary, output) = scene.through(verb, &[], &["--io-uring"], &ring)?;
            assert_eq!(came.get("ring"), Some(&DONE), "{verb}: {output:?} {summary:#}");
        }
    }
    Ok(())
}

/// What a filter and a domain often come with, and what would keep `sudo` from working.
#[test]
fn a_confined_program_may_gain_privileges_and_holds_none() -> Result<()> {
    let scene = Scene::new(false)?;
    let said = status(&scene)?;
    let of = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!(of("NoNewPrivs:"), Some("0"), "{said}");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(of(set), Some("0000000000000000"), "{set} {said}");
    }
    Ok(())
}

fn status(scene: &Scene) -> Result<String> {
    let output = scene.world.run_script("enforce", &["--quiet"], "cat /proc/self/status")?;
    Ok(String::from_utf8(output.stdout)?)
}

/// A domain has to say something, and what it says must refuse nothing.
#[test]
fn a_confined_program_binds_every_port_and_mounts_what_it_likes() -> Result<()> {
    let scene = Scene::new(true)?;
    let script = "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs made /mnt && mount --bind /etc /mnt && umount /mnt; echo $?'";
    let output = scene.world.run_script("enforce", &["--quiet"], script)?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
    let ports = rows([
        ("any", "send", &["bound", "127.0.0.1:0"]),
        ("first", "send", &["bound", "127.0.0.1:1"]),
        ("last", "send", &["bound", "127.0.0.1:65535"]),
    ]);
    let (came, summary, output) = scene.guarded("enforce", &ports)?;
    assert!(came.len() == 3 && came.values().all(|errno| *errno == 0), "{came:?} {output:?} {summary:#}");
    Ok(())
}
