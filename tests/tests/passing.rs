//! A session passes unchanged: output, exit status, signals, user; and Wardline's own exit codes.

use anyhow::{Context, Result};
use end_to_end::World;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{:?}: {}", output.status, text(&output.stderr)))
}

#[test]
fn output_and_exit_status_pass() -> Result<()> {
    let world = World::new()?;
    for verb in ["record", "enforce"] {
        let output = world.run_script(verb, &["--quiet"], "echo out; echo err >&2; exit 42")?;
        assert_eq!(
            (code(&output), text(&output.stdout), text(&output.stderr)),
            (42, "out\n".into(), "err\n".into())
        );
    }
    Ok(())
}

#[test]
fn a_signal_passes() -> Result<()> {
    let world = World::new()?;
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV] {
        let output = world.run_script("record", &["--quiet"], &format!("kill -{signal} $$"))?;
        assert_eq!(output.status.signal(), Some(signal), "{}", text(&output.stderr));
    }
    Ok(())
}

#[test]
fn the_command_runs_as_the_user_with_the_users_home() -> Result<()> {
    let world = World::new()?;
    let output = world.run_script("record", &["--quiet"], "id -u; id -g; id -G; echo $HOME; pwd; umask")?;
    let id = world.user.id;
    let expected =
        format!("{id}\n{id}\n{id}\n{}\n{}\n0022\n", world.home().display(), world.workspace().display());
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    Ok(())
}

#[test]
fn what_cannot_be_started_has_codes_of_its_own() -> Result<()> {
    let world = World::new()?;
    let start = |program: &str| {
        let mut args = world.session("record", &["--quiet"]);
        args.push(program.to_owned());
        world.run(args)
    };
    let missing = start("no-such-program-here")?;
    assert_eq!(code(&missing), 127);
    assert!(text(&missing.stderr).contains("`no-such-program-here`: command not found"));
    let plain = world.workspace().join("plain.txt");
    world.write(&plain, "text\n")?;
    assert_eq!(code(&start(plain.to_str().context("path")?)?), 126);
    assert_eq!(code(&world.run(["no-such-command"])?), 120);
    assert_eq!(code(&world.run(["task", "last", "edit"])?), 120);
    Ok(())
}

#[test]
fn a_home_is_no_workspace_and_root_no_agent() -> Result<()> {
    let world = World::new()?;
    let home = world.home().display().to_string();
    let refused = world.run_script("record", &["--workspace", &home], "echo ran")?;
    assert_eq!((code(&refused), text(&refused.stdout)), (122, String::new()));
    assert!(text(&refused.stderr).contains("is a home, not a workspace"), "{}", text(&refused.stderr));
    let forced = world.run_script("record", &["--workspace", &home, "--force", "--quiet"], "echo ran")?;
    assert_eq!((code(&forced), text(&forced.stdout)), (0, "ran\n".into()));
    let as_root = world.run(["record", "--", "true"])?;
    assert_eq!(code(&as_root), 122);
    assert!(text(&as_root.stderr).contains("--as-root"));
    Ok(())
}

/// What the command left behind ends with the session, and is said.
#[test]
fn what_is_left_behind_ends_with_the_session() -> Result<()> {
    let world = World::new()?;
    let output = world.run_script("record", &[], "setsid sleep 1000 </dev/null >/dev/null 2>&1 & exit 3")?;
    assert_eq!(code(&output), 3);
    assert!(text(&output.stderr).contains("left behind"), "{}", text(&output.stderr));
    assert!(world.user_processes().is_empty());
    Ok(())
}

#[test]
fn the_summary_is_a_file_on_request() -> Result<()> {
    let world = World::new()?;
    let path = world.path().join("summary.json");
    let path_text = path.to_str().context("path")?;
    let output = world.run_script("record", &["--summary-file", path_text], "cat /etc/hostname; exit 9")?;
    assert_eq!(code(&output), 9, "{}", text(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
    assert_eq!(summary["exit_status"], 9);
    assert_eq!(summary["denied"], 0);
    assert!(summary["events"].as_u64().is_some_and(|events| events > 0), "{summary}");
    assert!(summary["execs"].as_u64().is_some_and(|execs| execs >= 2), "{summary}");
    Ok(())
}
