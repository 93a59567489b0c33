//! The permissions of a workspace are those of its session alone: no other session has them.

use anyhow::{Context, Result, ensure};
use end_to_end::scene::is_lsm;
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

const SECRET: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\n";
const SOON: Duration = Duration::from_secs(120);

/// Reads keys when there is a file `go`: one in its own workspace, and one that lies elsewhere.
const READS: &str = r#"
: >ready
until [ -e go ]; do sleep 0.05; done
echo "own: $(cat test/id_rsa)"
echo "other: $(cat "$HOME/elsewhere/id_rsa")"
: >read
until [ -e over ]; do sleep 0.05; done
"#;

fn begin(world: &World, args: Vec<String>, script: &str) -> Result<Child> {
    let mut command = world.wardline(args);
    Ok(command.args(["bash", "-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn until(client: &mut Child, there: impl Fn() -> bool) -> Result<()> {
    if wait_until(SOON, there) {
        return Ok(());
    }
    client.kill()?;
    anyhow::bail!("it did not come so far")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Root's session works on the user's whole home, which it forces, and may read what lies there; the user's own session may not
/// for that.
#[test]
fn a_workspace_is_one_for_its_own_session_alone() -> Result<()> {
    let world = World::new()?;
    let (home, workspace) = (world.home(), world.workspace());
    for key in [workspace.join("test/id_rsa"), home.join("elsewhere/id_rsa")] {
        world.write(&key, SECRET)?;
    }
    let summary = world.path().join("summary.json");
    let users = world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    let mut user = begin(&world, users, READS)?;
    until(&mut user, || workspace.join("ready").exists())?;

    let roots_home = world.path().join("roots");
    fs::create_dir(&roots_home)?;
    let roots = ["enforce", "--quiet", "--agent", "another", "--as-root", "--force", "--home"];
    let mut roots: Vec<String> = roots.into_iter().map(str::to_owned).collect();
    roots.extend([roots_home.display().to_string(), "--workspace".to_owned(), home.display().to_string()]);
    roots.push("--".to_owned());
    let script = format!(
        "cat '{0}/elsewhere/id_rsa'; : >root; until [ -e over ]; do sleep 0.05; done",
        home.display()
    );
    let mut root = begin(&world, roots, &script)?;
    until(&mut root, || workspace.join("root").exists())?;

    fs::write(workspace.join("go"), "")?;
    let read = until(&mut user, || workspace.join("read").exists());
    fs::write(workspace.join("over"), "")?;
    let (user, root) = (user.wait_with_output()?, root.wait_with_output()?);
    read?;
    ensure!(user.status.success() && root.status.success(), "{user:?} {root:?}");
    assert_eq!(said(&root), SECRET, "{root:?}");
    assert_eq!(said(&user), format!("own: {}\nother: \n", SECRET.trim_end()), "{user:?}");
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    is_lsm(&summary)?;
    let denied: u64 = ["denied", "stopped"].iter().filter_map(|what| summary[what].as_u64()).sum();
    assert_eq!(denied, 1, "{summary:#}");
    Ok(())
}

/// A package of a repository: the repository is the session's own, to configure and to read, though it begins above the workspace.
#[test]
fn the_repository_that_a_workspace_lies_in_is_its_own() -> Result<()> {
    let world = World::new()?;
    let top = world.home().join("mono");
    let package = top.join("packages/app");
    world.write(&package.join("main.txt"), "plain\n")?;
    world.write(&top.join(".env"), "A=b\n")?;
    let other = world.home().join("other");
    world.write(&other.join(".env"), "A=secret\n")?;
    let git = std::process::Command::new("git").args(["init", "-q"]).arg(&top).status()?;
    ensure!(git.success());
    let owner =
        format!("{0}:{0}", fs::metadata(&package).map(|meta| std::os::unix::fs::MetadataExt::uid(&meta))?);
    let own = std::process::Command::new("chown").args(["-R", &owner]).arg(&top).status()?;
    ensure!(own.success());
    let more = ["--quiet", "--workspace", package.to_str().context("path")?];
    let script = format!(
        "cd '{}' && git remote add origin /x && git config branch.x.remote origin && cat ../../.env && ! cat '{}/.env'",
        package.display(),
        other.display()
    );
    let output = world.run_script("enforce", &more, &script)?;
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "A=b\n"), "{output:?}");
    Ok(())
}

/// What a session found by its name is known by what it is, and not by where it lies: it stays closed to that session when it comes
/// to lie in its workspace. The session that works there does as it likes meanwhile.
#[test]
fn what_was_found_by_its_name_stays_closed_to_its_session_wherever_it_goes() -> Result<()> {
    let world = World::new()?;
    let (other, workspace) = (world.home().join("other"), world.workspace());
    let git = std::process::Command::new("git").args(["init", "-q"]).arg(&other).status()?;
    ensure!(git.success());
    for (path, content) in [(".env", "A=secret\n"), ("keys/id_ed25519", SECRET), ("plain", "plain\n")] {
        world.write(&other.join(path), content)?;
    }
    let own = std::process::Command::new("chown")
        .args(["-R", &format!("{0}:{0}", world.user.id)])
        .arg(&other)
        .status()?;
    ensure!(own.success());
    let summary = world.path().join("summary.json");
    let one = world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    let script = ": >ready; until [ -e go ]; do sleep 0.05; done; cat moved/plain moved/.env moved/keys/id_ed25519; \
                  echo evil >moved/.git/hooks/post-commit; : >read; until [ -e over ]; do sleep 0.05; done";
    let mut one = begin(&world, one, script)?;
    until(&mut one, || workspace.join("ready").exists())?;
    let its = ["--quiet", "--workspace", other.to_str().context("path")?];
    let script = format!(
        "cd '{}'; cat .env; git config user.name somebody && echo set; mv keys k; mv k keys && : >moved; \
         until [ -e '{}/over' ]; do sleep 0.05; done",
        other.display(),
        workspace.display()
    );
    let mut its = begin(&world, world.session("enforce", &its), &script)?;
    until(&mut its, || other.join("moved").exists())?;
    fs::rename(&other, workspace.join("moved"))?;
    fs::write(workspace.join("go"), "")?;
    let read = until(&mut one, || workspace.join("read").exists());
    fs::write(workspace.join("over"), "")?;
    let (one, its) = (one.wait_with_output()?, its.wait_with_output()?);
    read?;
    assert_eq!((said(&its).as_str(), its.status.code()), ("A=secret\nset\n", Some(0)), "{its:?}");
    assert_eq!((said(&one).as_str(), one.status.code()), ("plain\n", Some(0)), "{one:?}");
    let hook = fs::read_to_string(workspace.join("moved/.git/hooks/post-commit")).unwrap_or_default();
    assert_eq!(hook, "", "{one:?}");
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    is_lsm(&summary)?;
    assert_eq!((&summary["denied"], &summary["stopped"]), (&3.into(), &0.into()), "{summary:#}");
    Ok(())
}
