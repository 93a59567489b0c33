//! `sudo wardline enforce -- codex`, as an ordinary user types it under the defaults that Debian ships: the command is
//! found and has what the user's shell has.

use anyhow::{Context, Result};
use end_to_end::person::Person;
use end_to_end::{World, has, wait_until};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// What the program prints of itself.
const PROGRAM: &str = r#"#!/bin/bash
echo "RAN=$0"
echo "ID=$(id -u)"
echo "HOME=$HOME USER=$USER LOGNAME=$LOGNAME SHELL=$SHELL"
echo "KEY=$OPENAI_API_KEY PROXY=$https_proxy ADDED=$ADDED PATH=$PATH"
echo "SUDO=$(env | grep -c '^SUDO_')"
"#;

/// Why the tests cannot run.
fn missing() -> bool {
    let missing =
        ["sudo", "useradd", "su"].into_iter().find(|program| !has(program) && !has_in_sbin(program));
    if let Some(program) = missing {
        println!("skipped: there is no `{program}`");
    }
    missing.is_some()
}

fn has_in_sbin(program: &str) -> bool {
    ["/usr/sbin", "/sbin"].iter().any(|directory| std::path::Path::new(directory).join(program).is_file())
}

/// A user whose shell finds `codex` where npm puts it, and has a key.
fn person(world: &World, defaults: &str) -> Result<Person> {
    let person = Person::new(world, &world.program()?, defaults)?;
    person.write(".npm-global/lib/node_modules/@openai/codex/bin/codex.js", PROGRAM, 0o755)?;
    person.link(".npm-global/bin/codex", "../lib/node_modules/@openai/codex/bin/codex.js")?;
    person.write(".local/share/claude/versions/2.1.0", PROGRAM, 0o755)?;
    person.link(".local/bin/cc", "../share/claude/versions/2.1.0")?;
    person.write(".profile", "PATH=\"$HOME/.local/bin:$PATH\"\n. ~/.bashrc\n", 0o644)?;
    let rc = "export PATH=\"$HOME/.npm-global/bin:$PATH\"\nexport OPENAI_API_KEY=sk-of-the-shell https_proxy=http://proxy:3128\n";
    person.write(".bashrc", rc, 0o644)?;
    person.write("projects/app/README.md", "text\n", 0o644)?;
    Ok(person)
}

/// Types `sudo BEFORE wardline --state-dir ... ARGS`, and returns everything that was printed behind it, up to the next
/// prompt, and the status.
fn sudo(world: &World, person: &Person, before: &str, arguments: &str) -> Result<(String, i32)> {
    let mut pty = person.logs_in()?;
    let wardline = world.program()?;
    let state = world.state();
    let line = format!("sudo {before} {} --state-dir {} {arguments}", wardline.display(), state.display());
    pty.send(&format!("{line}; echo STATUS''=$?.\n"))?;
    pty.expect("STATUS=")?;
    pty.expect(".")?;
    pty.send("exit\n")?;
    let printed = pty.finish()?.replace("\r\n", "\n");
    let (_, status) = printed.rsplit_once("STATUS=").context("no status")?;
    let status = status.split('.').next().context("no status")?.parse()?;
    Ok((printed, status))
}

/// The value of `NAME=...` in what was printed, to the end of the line or the next space.
fn value<'p>(printed: &'p str, name: &str) -> &'p str {
    let start = format!("{name}=");
    let words = printed.lines().filter(|line| !line.contains("sudo ")).flat_map(|line| line.split(' '));
    words.filter_map(|word| word.strip_prefix(start.as_str())).next_back().unwrap_or("<not printed>")
}

#[track_caller]
fn assert_ran_as_in_the_shell(person: &Person, printed: &str) {
    let home = person.home().display().to_string();
    assert_eq!(value(printed, "ID"), person.uid.to_string(), "{printed}");
    assert_eq!(value(printed, "KEY"), "sk-of-the-shell", "{printed}");
    assert_eq!(value(printed, "PROXY"), "http://proxy:3128");
    assert_eq!(value(printed, "HOME"), home);
    assert_eq!(value(printed, "USER"), person.name());
    assert_eq!(value(printed, "LOGNAME"), person.name());
    assert_eq!(value(printed, "SHELL"), "/bin/bash");
    assert_eq!(value(printed, "SUDO"), "0");
    assert!(
        value(printed, "PATH").starts_with(&format!("{home}/.npm-global/bin:{home}/.local/bin:")),
        "{printed}"
    );
}

#[test]
fn the_command_is_found_and_has_what_the_shell_has() -> Result<()> {
    if missing() {
        return Ok(());
    }
    for defaults in ["use_pty", "!use_pty"] {
        let world = World::new()?;
        let person = person(&world, defaults)?;
        for (verb, program, agent) in [("enforce", "codex", "codex"), ("record", "cc", "claude-code")] {
            let summary = world.path().join("summary.json");
            let arguments = format!("-v {verb} --summary-file {} -- {program}", summary.display());
            let (printed, status) = sudo(&world, &person, "", &arguments)?;
            assert_eq!(status, 0, "{defaults}: {printed}");
            assert_ran_as_in_the_shell(&person, &printed);
            let summary: serde_json::Value = serde_json::from_slice(&fs::read(summary)?)?;
            assert_eq!(summary["agent"], agent, "{summary}");
            assert_eq!(summary["denied"], 0, "{summary}");
            assert!(printed.contains("environment: of `sudo` (process "), "{printed}");
            assert!(printed.contains("as `bash` (process "), "{printed}");
            assert!(printed.contains("from the environment with which `bash`"), "{printed}");
            let home = person.home().display();
            let found = match program {
                "codex" => format!(
                    "codex: {home}/.npm-global/bin/codex, which is {home}/.npm-global/lib/node_modules/@openai/codex/bin/codex.js"
                ),
                _ => format!("cc: {home}/.local/bin/cc, which is {home}/.local/share/claude/versions/2.1.0"),
            };
            assert!(printed.contains(&found), "{printed}");
        }
    }
    Ok(())
}

#[test]
fn the_command_line_overrules_the_shell() -> Result<()> {
    if missing() {
        return Ok(());
    }
    let world = World::new()?;
    let person = person(&world, "use_pty")?;
    let home = person.home().display().to_string();
    // Set on the way through sudo, and by a root shell between.
    let (printed, status) = sudo(&world, &person, "ADDED=on-the-way", "enforce -- codex")?;
    assert_eq!(status, 0, "{printed}");
    assert_ran_as_in_the_shell(&person, &printed);
    assert_eq!(value(&printed, "ADDED"), "on-the-way");
    // Set here, and another PATH.
    let arguments = format!(
        "enforce --env OPENAI_API_KEY=other --env ADDED= --path {home}/.local/bin:/usr/bin:/bin -- cc"
    );
    let (printed, status) = sudo(&world, &person, "ADDED=on-the-way", &arguments)?;
    assert_eq!(status, 0, "{printed}");
    assert_eq!((value(&printed, "KEY"), value(&printed, "ADDED")), ("other", ""), "{printed}");
    assert_eq!(value(&printed, "PATH"), format!("{home}/.local/bin:/usr/bin:/bin"));
    // Dropped, and kept by name.
    let (printed, status) = sudo(&world, &person, "", "enforce --scrub-env -- codex")?;
    assert_eq!((status, value(&printed, "KEY")), (0, ""), "{printed}");
    assert!(printed.contains("dropped from the environment: `OPENAI_API_KEY`"), "{printed}");
    let (printed, status) = sudo(&world, &person, "", "enforce --scrub-env --env OPENAI_API_KEY -- codex")?;
    assert_eq!((status, value(&printed, "KEY")), (0, "sk-of-the-shell"), "{printed}");
    let (printed, status) = sudo(&world, &person, "", "enforce --env NOT_SET_ANYWHERE -- codex")?;
    assert_eq!(status, 120);
    assert!(printed.contains("`--env NOT_SET_ANYWHERE`: NOT_SET_ANYWHERE is not set"), "{printed}");
    Ok(())
}

#[test]
fn what_is_not_found_says_where_it_was_looked_for() -> Result<()> {
    if missing() {
        return Ok(());
    }
    let world = World::new()?;
    let person = person(&world, "use_pty")?;
    let (printed, status) = sudo(&world, &person, "", "enforce -- no-such-agent")?;
    assert_eq!(status, 127, "{printed}");
    let home = person.home().display();
    assert!(printed.contains("`no-such-agent`: command not found"), "{printed}");
    assert!(printed.contains(&format!("PATH is `{home}/.npm-global/bin:{home}/.local/bin:")), "{printed}");
    assert!(printed.contains("from the environment with which `bash` (process "), "{printed}");
    assert!(printed.contains("say where to look: `--path"), "{printed}");
    assert!(world.supervisor().is_none(), "nothing was started for it");
    Ok(())
}

/// Root says whose process it is by SUDO_UID; whose environment it has is asked of the processes themselves.
#[test]
fn nobody_is_the_caller_by_saying_so() -> Result<()> {
    if missing() {
        return Ok(());
    }
    let world = World::new()?;
    let person = person(&world, "use_pty")?;
    let directory = person.home().join("projects/app");
    let wardline = format!("{} -v --state-dir {}", world.program()?.display(), world.state().display());
    let of_root = |script: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-c", &script.replace("WARDLINE", &wardline)]).current_dir(&directory).env_clear();
        let id = person.uid.to_string();
        shell.envs([("PATH", "/usr/bin:/bin"), ("KEY", "of-root"), ("SUDO_UID", &id), ("SUDO_GID", &id)]);
        shell
    };
    // No process of the user led here.
    let output = of_root("WARDLINE enforce -- bash -c 'echo KEY=$KEY SUDO=$SUDO_UID'").output()?;
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed, "KEY=of-root SUDO=\n", "{said}");
    assert!(said.contains("environment: of `sudo`, not of the shell that ran it: "), "{said}");
    // A process of root below one of the user, and no `sudo` between: what it was executed with is root's.
    let script = "(sleep 1; exec WARDLINE enforce -- bash -c 'echo KEY=$KEY' >out 2>err) & \
                  exec setpriv --reuid $SUDO_UID --clear-groups sleep 30";
    let mut child = of_root(script).spawn()?;
    let done = wait_until(Duration::from_secs(20), || {
        fs::read_to_string(directory.join("out")).is_ok_and(|out| out.ends_with('\n'))
    });
    child.kill()?;
    child.wait()?;
    let said = fs::read_to_string(directory.join("err"))?;
    assert!(done, "{said}");
    assert!(said.contains("not of the shell that ran it: `wardline` (process "), "{said}");
    assert!(said.contains("is no `sudo` of the system's"), "{said}");
    Ok(())
}
