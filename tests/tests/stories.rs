//! The stories of `docs/stories.md`, typed as they stand there: each answer is the one that stands below its line.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, bail, ensure};
use end_to_end::internet::{HOSTS, Internet};
use end_to_end::person::Person;
use end_to_end::{World, has};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

const PAGE: &str = include_str!("../../docs/stories.md");
/// Where `sudo` looks for programs first.
const PROGRAMS: &str = "/usr/local/sbin";
const OWN: &str = "/etc/wardline";
/// Where the user works.
const APP: &str = "projects/app";

/// What a story is made of.
enum Part {
    /// A file, and what it holds.
    File(String, String),
    /// What is typed, whether by root, and what is answered.
    Typed { line: String, is_root: bool, answer: String },
}

/// The parts of a story, in their order.
fn parts(story: &str) -> Result<Vec<Part>> {
    let (mut parts, mut named) = (Vec::new(), None);
    for (nth, block) in story.split("```").enumerate() {
        if nth % 2 == 0 {
            named = block.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".toml")).last();
        } else if let Some(text) = block.strip_prefix("toml\n") {
            parts.push(Part::File(named.context("a file without a name")?.to_owned(), text.to_owned()));
        } else if let Some(text) = block.strip_prefix("console\n") {
            for line in text.lines() {
                let typed = [("$ ", false), ("# ", true)].into_iter();
                let mut typed = typed.filter_map(|(prompt, root)| Some((line.strip_prefix(prompt)?, root)));
                match (typed.next_back(), parts.last_mut()) {
                    (Some((line, is_root)), _) => {
                        parts.push(Part::Typed { line: line.to_owned(), is_root, answer: String::new() });
                    }
                    (None, Some(Part::Typed { answer, .. })) => {
                        answer.push_str(line);
                        answer.push('\n');
                    }
                    (None, _) => bail!("an answer to nothing: {line}"),
                }
            }
        }
    }
    Ok(parts)
}

/// Types a line, and returns everything that is printed.
fn type_in(person: &Person, line: &str, is_root: bool) -> Result<String> {
    let app = person.home().join(APP);
    let line = format!("exec 2>&1; cd {}; {line}", app.display());
    let mut command = if is_root { Command::new("bash") } else { Command::new("su") };
    if !is_root {
        command.args(["--login", person.name()]);
    }
    command.args(["-c", &line]).env_clear().env("PATH", format!("{PROGRAMS}:/usr/bin:/bin:/usr/sbin:/sbin"));
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn told(story: &str) -> Result<()> {
    for program in ["sudo", "su", "useradd", "git"] {
        if !has(program) && !Path::new("/usr/sbin").join(program).exists() {
            println!("skipped: there is no `{program}`");
            return Ok(());
        }
    }
    fs::create_dir_all(OWN)?;
    let internet = Internet::enter()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("rules", OWN, "tmpfs", MountFlags::empty(), c"mode=0755")?;
    for (name, host) in [("registry.example.org", 0), ("other.example.org", 1), ("github.com", 2)] {
        internet.set(name, &HOSTS[host..=host]);
    }
    let world = World::new()?;
    // `wardline`, with a state of its own.
    let programs = world.path().join("programs");
    fs::create_dir(&programs)?;
    let wardline = format!(
        "#!/bin/sh\nexec {} --state-dir {} \"$@\"\n",
        world.program()?.display(),
        world.state().display()
    );
    fs::write(programs.join("wardline"), wardline)?;
    fs::set_permissions(programs.join("wardline"), Permissions::from_mode(0o755))?;
    mount_bind(&programs, PROGRAMS)?;
    let person = Person::new(&world, &Path::new(PROGRAMS).join("wardline"), "!use_pty")?;
    person.write(".profile", &format!("PATH={PROGRAMS}:$PATH\nexport LC_ALL=C\n"), 0o644)?;
    person.write(&format!("{APP}/README.md"), "text\n", 0o644)?;
    let (home, uid) = (person.home().display().to_string(), person.uid.to_string());
    for part in parts(story)? {
        match part {
            Part::File(path, text) if path.starts_with('/') => {
                let path = Path::new(&path);
                fs::create_dir_all(path.parent().context("no directory")?)?;
                fs::write(path, text)?;
            }
            Part::File(path, text) => drop(person.write(&format!("{APP}/{path}"), &text, 0o644)?),
            Part::Typed { line, is_root, answer } => {
                let came = type_in(&person, &line, is_root)?;
                let came = came.replace(&home, "/home/you").replace(&uid, "1000");
                ensure!(
                    came.trim_end() == answer.trim_end(),
                    "{line}\n--- came\n{came}\n--- wanted\n{answer}"
                );
            }
        }
    }
    Ok(())
}

/// One of the stories, in a thread of its own, which its network, its rules and its programs belong to.
fn tells(heading: &str) -> Result<()> {
    let stories: Vec<&str> = PAGE.split("\n## ").skip(1).collect();
    assert_eq!(stories.len(), 5);
    let story = stories.into_iter().find(|story| story.starts_with(heading)).context("no such story")?;
    thread::spawn(move || told(story)).join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}

#[test]
fn a_private_registry() -> Result<()> {
    tells("A private npm registry\n")
}

#[test]
fn a_monorepo_with_a_secret() -> Result<()> {
    tells("A monorepo with a secret `.env`\n")
}

#[test]
fn a_rule_for_all_users() -> Result<()> {
    tells("A company rule for all users\n")
}

#[test]
fn one_agent_may_push_and_one_may_not() -> Result<()> {
    tells("One agent that may push, and one that may not\n")
}

#[test]
fn a_directive_that_cannot_be_said() -> Result<()> {
    tells("A directive that cannot be said\n")
}
