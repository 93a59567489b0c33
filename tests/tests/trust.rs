//! Root runs no program, and loads no state, that another user may change: that user would be root at the next `sudo`.

use anyhow::Result;
use end_to_end::bypass::{self, Fate};
use end_to_end::{World, lab, wardline};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

/// The heading of the page.
const REPLACED: &str = "Root is made to run what its user may replace";
/// What a refusal is worth to a script.
const REFUSED: Option<i32> = Some(122);

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a copy of the program, as root and with nothing set aside.
fn run(world: &World, program: &Path, args: &[&str]) -> Result<Output> {
    Ok(world.wardline_of(program, args).env_remove("WARDLINE_UNSAFE_PATHS").current_dir("/").output()?)
}

/// A copy of the program below the home, which belongs to the world's user.
fn copied(world: &World, built: &Path, name: &str) -> Result<PathBuf> {
    let program = world.home().join(name);
    fs::create_dir_all(program.parent().unwrap_or(&program))?;
    fs::copy(built, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

#[test]
fn a_program_that_its_user_may_replace_is_not_run_as_root() -> Result<()> {
    let world = World::new()?;
    let user = format!("{0}:{0}", world.user.id);
    // Root's own file, in a directory whose owner may rename it away.
    let program = copied(&world, &wardline(), "bin/wardline")?;
    let session = ["enforce", "--user", &user, "--home", "/", "--workspace", "/tmp", "--force", "--", "true"];
    for command in [&["supervisor", "--idle", "1"][..], &session, &["sessions"], &["train"], &["stop"]] {
        let output = run(&world, &program, command)?;
        let said = said(&output);
        assert_eq!(output.status.code(), REFUSED, "{command:?}: {said}");
        let home = world.home();
        assert!(said.contains(&format!("`{}` belongs to user {}", home.display(), world.user.id)), "{said}");
        assert!(said.contains(&format!("sudo install -m 755 {}", program.display())), "{said}");
    }
    assert!(!world.state().exists() && world.supervisor().is_none(), "nothing was begun");
    bypass::came(REPLACED, "a program in a directory of the user's", "a user", Fate::Refused);
    // What only looks, or works in a world of its own, says it.
    let demo = run(&world, &program, &["demo", "--help"])?;
    assert_eq!(demo.status.code(), Some(125), "the laboratory is not there: {demo:?}");
    assert!(said(&demo).contains("bin/wardline-lab` is not there"), "{demo:?}");
    let laboratory = copied(&world, &lab(), "bin/wardline-lab")?;
    let demo = run(&world, &program, &["demo", "--help"])?;
    let help = String::from_utf8_lossy(&demo.stdout);
    assert_eq!(demo.status.code(), Some(0), "{demo:?}");
    assert!(help.contains("Usage: wardline-lab demo [OPTIONS]"), "{help}");
    for (program, command) in [(&program, &["doctor"][..]), (&laboratory, &["eval", "compare", "/", "/"])] {
        let output = run(&world, program, command)?;
        assert!(output.status.code() != REFUSED && said(&output).contains("can become root"), "{output:?}");
    }
    // Who develops it says so.
    let output = run(&world, &program, &["--unsafe-paths", "sessions"])?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    Ok(())
}

#[test]
fn the_way_to_the_program_counts_with_its_links() -> Result<()> {
    let world = World::new()?;
    let program = world.program()?;
    let output = run(&world, &program, &["sessions"])?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let link = world.home().join("wardline");
    symlink(&program, &link)?;
    let output = run(&world, &link, &["sessions"])?;
    assert_eq!(output.status.code(), REFUSED, "a link that the user may replace: {output:?}");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777))?;
    let output = run(&world, &program, &["sessions"])?;
    assert_eq!(output.status.code(), REFUSED, "{output:?}");
    assert!(said(&output).contains("may be written by everybody"), "{output:?}");
    for way in ["a link of the user's to the program", "a program that everybody may write"] {
        bypass::came(REPLACED, way, "a user", Fate::Refused);
    }
    Ok(())
}

#[test]
fn a_state_that_others_may_change_is_not_loaded() -> Result<()> {
    let world = World::new()?;
    let program = world.program()?;
    let output = world.run_script("record", &["--quiet"], "true")?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let of_user = world.state().join(world.user.id.to_string());
    let listed = || run(&world, &program, &["sessions"]);
    let refused = |path: &Path, why: &str| -> Result<()> {
        for command in [&["sessions"][..], &["train"], &["supervisor", "--idle", "1"]] {
            let output = run(&world, &program, command)?;
            assert_eq!(output.status.code(), REFUSED, "{command:?}, {why}: {output:?}");
            let fault = format!("`{}` {why}", path.display());
            assert!(said(&output).contains(&fault), "{fault}: {}", said(&output));
        }
        Ok(())
    };
    assert_eq!(listed()?.status.code(), Some(0));
    let store = of_user.join("sessions.db");
    chown(&store, Some(world.user.id), None)?;
    refused(&store, &format!("belongs to user {}", world.user.id))?;
    chown(&store, Some(0), None)?;
    fs::set_permissions(&of_user, fs::Permissions::from_mode(0o777))?;
    refused(&of_user, "may be written by everybody")?;
    fs::set_permissions(&of_user, fs::Permissions::from_mode(0o700))?;
    let baselines = of_user.join("baselines");
    symlink("/tmp", &baselines)?;
    refused(&baselines, "is a link")?;
    fs::remove_file(&baselines)?;
    let configuration = world.state().join("config.toml");
    fs::write(&configuration, "")?;
    chown(&configuration, Some(world.user.id), None)?;
    refused(&configuration, &format!("belongs to user {}", world.user.id))?;
    fs::remove_file(&configuration)?;
    assert_eq!(listed()?.status.code(), Some(0));
    // Below the user's home all of it can be moved away and made anew.
    let moved = world.home().join("state");
    fs::rename(world.state(), &moved)?;
    symlink(&moved, world.state())?;
    assert_eq!(listed()?.status.code(), REFUSED);
    Ok(())
}
