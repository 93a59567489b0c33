//! An agent's first start: what it makes for itself is there or may be made, and nobody else in the session fills it.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result};
use end_to_end::World;
use end_to_end::scene::{can_refuse, is_machine};
use end_to_end::standing;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Directories of agents' own that the static deny-list closes, and that agents make when they are absent.
const OF_AGENTS: [&str; 4] = [".claude/commands", ".qwen/extensions", ".gemini/skills", ".codex/prompts"];

#[test]
fn a_directory_of_an_agents_is_made_and_takes_nothing() -> Result<()> {
    // A session takes ten seconds there.
    let directories = &OF_AGENTS[..if is_machine() { 1 } else { OF_AGENTS.len() }];
    for verb in ["record", "enforce"] {
        for directory in directories {
            let world = World::new()?;
            let home = world.home();
            let script = format!(
                "cd '{}'; mkdir -p {directory} && echo made; mkdir {directory} 2>/dev/null || echo there; \
                 bash -c 'mkdir {directory}/sub && echo evil > {directory}/sub/SKILL.md'; \
                 bash -c 'echo evil > {directory}/evil.md'; bash -c 'chmod 777 {directory}'; echo went on",
                home.display()
            );
            let ended = standing::run(&world, verb, &[], &script)?;
            assert_eq!(ended.said(), "made\nthere\nwent on\n", "{verb} {directory}: {ended:#?}");
            assert!(home.join(directory).is_dir(), "{directory}");
            for file in ["sub/SKILL.md", "evil.md"] {
                let text = fs::read_to_string(home.join(directory).join(file)).unwrap_or_default();
                assert_eq!(text, "", "{verb} {directory}/{file}: {ended:#?}");
            }
            let means = if can_refuse() { "lsm" } else { "kill" };
            let denials = ended.denials();
            let of = |op: &str| denials.iter().filter(|(_, of, _)| of == op).collect::<Vec<_>>();
            for op in ["mkdir", "chmod"] {
                let denial = ("T0".to_owned(), op.to_owned(), means.to_owned());
                assert_eq!(of(op), [&denial], "{verb} {directory}: {ended:#?}");
            }
            assert!(denials.len() == 3 && denials.iter().all(|denial| denial.0 == "T0"), "{denials:?}");
        }
    }
    Ok(())
}

/// What takes a place of an agent's in one step is no empty directory.
#[test]
fn what_is_no_empty_directory_takes_no_place() -> Result<()> {
    for (step, op) in [
        ("mv prepared .qwen/skills", "rename"),
        ("ln -s prepared .qwen/skills", "symlink"),
        ("ln prepared/SKILL.md .qwen/QWEN.md", "link"),
        // Others' directories are closed as ever.
        ("mkdir .ssh", "mkdir"),
        ("mkdir .config/autostart", "mkdir"),
    ] {
        let world = World::new()?;
        let home = world.home();
        world.write(&home.join("prepared/SKILL.md"), "evil\n")?;
        for made in [".qwen/state.json", ".config/app.json"] {
            world.write(&home.join(made), "{}\n")?;
        }
        let ended = standing::run(&world, "enforce", &[], &format!("cd '{}'; {step}; true", home.display()))?;
        let means = match op {
            _ if can_refuse() => "lsm",
            "mkdir" => "kill",
            _ => "freeze",
        };
        assert_eq!(ended.denials(), [("T0".into(), op.into(), means.into())], "{step}: {ended:#?}");
        let evil = [".qwen/skills/SKILL.md", ".qwen/QWEN.md"].map(|path| fs::read_to_string(home.join(path)));
        assert!(evil.iter().all(Result::is_err), "{step}: {evil:?} {ended:#?}");
    }
    Ok(())
}

/// Claude Code makes its settings by a link where there are none, which nobody may: they are made before it starts, as its user.
#[test]
fn what_an_agent_makes_first_is_there_when_it_starts() -> Result<()> {
    const AGENT: &str = "#!/usr/bin/python3\nimport os\nown = os.path.expanduser('~/.claude.json')\n\
        print(open(own).read())\nopen(own + '.tmp.1', 'w').write('{\"own\": 1}')\nos.rename(own + '.tmp.1', own)\n";
    for (before, found) in [(None, "{}\n"), (Some("{\"mine\": 1}"), "{\"mine\": 1}\n")] {
        let world = World::new()?;
        let home = world.home();
        let (program, settings) = (home.join(".local/bin/claude"), home.join(".claude.json"));
        world.write(&program, AGENT)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        if let Some(before) = before {
            world.write(&settings, before)?;
        }
        let (summary, said) = session(&world, &program)?;
        assert_eq!(said, found, "{summary:#}");
        assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary:#}");
        assert_eq!(fs::read_to_string(&settings)?, "{\"own\": 1}", "{summary:#}");
        assert_eq!(fs::metadata(&settings)?.uid(), world.user.id);
        let note = "claude-code itself replaced `~/.claude.json`";
        assert_eq!(summary["notes"].to_string().matches(note).count(), 1, "{summary:#}");
    }
    Ok(())
}

#[test]
fn nothing_is_made_for_a_command_that_is_nowhere() -> Result<()> {
    let world = World::new()?;
    let mut args = world.session("record", &["--quiet"]);
    args.push(world.home().join("nowhere/claude").display().to_string());
    let output = world.wardline(args).output()?;
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    assert!(!world.home().join(".claude.json").exists());
    Ok(())
}

/// A guarded session of Claude Code whose program is this file: its summary, and what it printed.
fn session(world: &World, program: &Path) -> Result<(Value, String)> {
    let summary = world.path().join("summary.json");
    let path = summary.to_str().context("path")?;
    let mut args = world.session("enforce", &["--quiet", "--summary-file", path]);
    let agent = args.iter().position(|arg| arg == "--agent").context("no agent is said")?;
    args[agent + 1] = "claude-code".to_owned();
    args.push(program.display().to_string());
    let output = world.wardline(args).output()?;
    let text = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok((serde_json::from_slice(&text)?, String::from_utf8_lossy(&output.stdout).into_owned()))
}
