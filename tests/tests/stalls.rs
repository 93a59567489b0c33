//! One session cannot keep the guard from another: the thread that reads the rings looks nothing up where an agent chose the
//! path, however deep that is and whoever would have to answer.

use anyhow::{Context, Result, ensure};
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{self, Fate};
use end_to_end::fuse::Mount;
use end_to_end::scene::{can_refuse, is_machine, kernel};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// So long a jewel's change may stay unanswered: milliseconds, and what a busy machine takes; under emulation, what the
/// programs of the test take besides. A stall lasts as long as the attack.
fn answered_s() -> f64 {
    if is_machine() { 60.0 } else { 3.0 }
}
/// For everything else to come about.
const SOON: Duration = Duration::from_secs(120);
/// Seconds for which the attack goes on: longer than anything here takes.
const ATTACK_S: u32 = 600;
/// Components of a deep path, and bytes of it.
const COMPONENTS: usize = 2_000;

/// The program that stalls: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// A session that goes on ticking, and replaces a jewel when it is told to.
const VICTIM: &str = r#"
while :; do echo $EPOCHREALTIME >>tick; sleep 0.02; done &
until [ -e go ]; do sleep 0.02; done
echo replaced >new
echo $EPOCHREALTIME >renamed
mv new $HOME/.bashrc 2>/dev/null || echo refused >refused
wait
"#;

fn spawn(world: &World, verb: &str, more: &[&str], command: &[&str]) -> Result<Child> {
    let mut args = world.session(verb, more);
    args.extend(command.iter().map(|&word| word.to_owned()));
    Ok(world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// While a session opens what is not there below `directory`, the answer to what another one does comes in time.
fn answers_while(world: &World, directory: &str, how: &str) -> Result<()> {
    if kernel() < (6, 13) && !can_refuse() {
        println!("skipped: the tier tracepoint notices no rename before Linux 6.13");
        return Ok(());
    }
    world.write(&world.home().join(".bashrc"), "plain\n")?;
    let program = world.path().join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let in_workspace = |name: &str| world.workspace().join(name);
    let mut victim = spawn(world, "enforce", &["--quiet"], &["bash", "-c", VICTIM])?;
    ensure!(wait_until(SOON, || in_workspace("tick").exists()), "the victim does not run");

    let mut args = world.session("record", &["--quiet"]);
    let mut command = world.wardline(args.drain(..));
    let attack = Attempt::new("open", "open-absent", [directory.to_owned(), ATTACK_S.to_string()]);
    attempt::make(&mut command, &program, world.path(), &[attack])?;
    let mut attacker = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let listed = || -> Result<Vec<Value>> {
        let output = world.run(["sessions", "--json"])?;
        Ok(serde_json::from_slice::<Value>(&output.stdout)?.as_array().cloned().unwrap_or_default())
    };
    let both = || listed().is_ok_and(|all| all.iter().filter(|one| one["state"] == "running").count() == 2);
    ensure!(wait_until(SOON, both), "the attacker does not run: {:?}", listed());
    // The attack is well under way.
    std::thread::sleep(Duration::from_secs(3));
    fs::write(in_workspace("go"), "")?;
    ensure!(wait_until(SOON, || in_workspace("renamed").exists()), "nothing was renamed");

    // Each time is a line of its own: a file that was cut to be written anew is empty where the session stands still between.
    let time = |name: &str| -> Option<f64> {
        fs::read_to_string(in_workspace(name)).ok()?.lines().last()?.parse().ok()
    };
    let answered = if can_refuse() {
        // The kernel has refused it; that it is told says that its records are read.
        let told = || listed().is_ok_and(|all| all.iter().any(|one| one["denied"] == 1));
        ensure!(wait_until(SOON, || in_workspace("refused").exists() && told()), "{:?}", listed());
        ensure!(fs::read(world.home().join(".bashrc"))? == b"plain\n", "replaced");
        Some(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64())
    } else {
        // Long enough for a stall to show; then the last tick says when the session stood still.
        std::thread::sleep(Duration::from_secs(8));
        (0..100).find_map(|_| {
            let one = time("tick")?;
            std::thread::sleep(Duration::from_millis(500));
            (time("tick") == Some(one)).then_some(one)
        })
    };
    let went_on = answered.zip(time("renamed")).map(|(answered, renamed)| answered - renamed);
    let state = listed();
    for client in [&mut victim, &mut attacker] {
        client.kill()?;
        client.wait()?;
    }
    let went_on = went_on.with_context(|| format!("the session never stood still: {state:?}"))?;
    println!("answered after {went_on:.3} s");
    ensure!(went_on < answered_s(), "answered after {went_on:.3} s: {state:?}");
    let fate = if can_refuse() { Fate::Refused } else { Fate::Stopped };
    bypass::came("The guard is stalled, and a jewel replaced meanwhile", how, "a user", fate);
    Ok(())
}

/// A directory that is 2,000 directories deep.
fn deep(below: &Path) -> Result<String> {
    let depth = COMPONENTS.min((4_050 - below.as_os_str().len()) / 2);
    let mut path = below.display().to_string();
    for _ in 0..depth {
        path.push_str("/a");
        fs::create_dir(&path)?;
    }
    for n in 0..attempt::ABSENT {
        fs::create_dir(format!("{path}/d{n}"))?;
    }
    Ok(path)
}

#[test]
fn deep_paths_stall_nobody() -> Result<()> {
    let world = World::new()?;
    let base = world.path().join("deep");
    fs::create_dir(&base)?;
    let came =
        deep(&base).and_then(|directory| answers_while(&world, &directory, "opens 2,000 directories deep"));
    // Deeper than what the world's own removal descends.
    Command::new("rm").arg("-rf").arg(&base).status()?;
    came
}

#[test]
fn a_file_system_that_never_answers_stalls_nobody() -> Result<()> {
    let world = World::new()?;
    let point = world.path().join("mount");
    fs::create_dir(&point)?;
    let Some(mount) = Mount::new(&point, world.user.id)? else {
        println!("skipped: there is no /dev/fuse");
        return Ok(());
    };
    let came = answers_while(
        &world,
        &point.display().to_string(),
        "opens in a file system that never answers (FUSE)",
    );
    drop(mount);
    came
}
