//! An agent's first start: what it makes for itself is there or may be made, and nobody else in the session fills it.

use anyhow::{Context, Result};
use end_to_end::scene::{can_refuse, is_machine};
use end_to_end::standing;
use end_to_end::{World, has};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
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

/// Claude Code, as far as it replaces its own settings a while after it began, itself.
const REPLACES: &str = "#!/usr/bin/python3\nimport os, sys, time\n\
    if '--version' in sys.argv: sys.exit()\ntime.sleep(1)\n\
    own = os.path.expanduser('~/.claude.json')\nwith open(own + '.tmp.1', 'w') as to:\n    to.write('{\"own\": 1}')\n\
    os.rename(own + '.tmp.1', own)\n";
/// Where the package has it, below a directory of packages.
const PROGRAM: &str = "@anthropic-ai/claude-code/cli.py";

/// Lays down what pnpm does for Claude Code: a script for a shell, which starts the package's program.
fn lay_down(world: &World, place: &Path) -> Result<()> {
    let run = |python: &str| format!("exec {python} \"$basedir/global/5/node_modules/{PROGRAM}\" \"$@\"");
    let launcher = format!(
        "#!/bin/sh\nbasedir=$(dirname \"$(echo \"$0\" | sed -e 's,\\\\,/,g')\")\n\n\
         case `uname` in\n    *CYGWIN*) basedir=`cygpath -w \"$basedir\"`;;\nesac\n\n\
         if [ -x \"$basedir/python3\" ]; then\n  {}\nelse\n  {}\nfi\n",
        run("\"$basedir/python3\""),
        run("python3"),
    );
    executable(world, &place.join("claude"), &launcher)?;
    executable(world, &place.join("global/5/node_modules").join(PROGRAM), REPLACES)
}

fn executable(world: &World, path: &Path, text: &str) -> Result<()> {
    world.write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// However the user has it started, it has what it makes first, and replaces its own later.
#[test]
fn an_agent_that_something_else_starts_is_the_agent() -> Result<()> {
    // It asks other programs for something before, as scripts do.
    const MINE: &str = "#!/bin/sh\n[ \"$(basename x)\" = x ] || exit 3\nexec timeout 60 claude \"$@\"\n";
    // The agent is started twice.
    const ASKS: &str = "#!/bin/sh\nclaude --version; exec claude \"$@\"\n";
    let starts: [&[&str]; 7] = [
        &["claude"],
        &["mine"],
        &["asks"],
        &["timeout", "60", "linked"],
        &["env", "X=1", "nice", "claude"],
        &["sh", "-c", "cd / && claude \"$@\"; exit 0", "sh", "-p"],
        &["bash", "@home@/bin/mine"],
    ];
    // A session takes ten seconds there.
    for start in &starts[..if is_machine() { 2 } else { starts.len() }] {
        let world = World::new()?;
        let home = world.home();
        lay_down(&world, &home.join("bin"))?;
        symlink(format!("global/5/node_modules/{PROGRAM}"), home.join("bin/linked"))?;
        executable(&world, &home.join("bin/mine"), MINE)?;
        executable(&world, &home.join("bin/asks"), ASKS)?;
        let summary = led(&world, "enforce", start)?;
        assert_eq!(
            (&summary["denied"], &summary["stopped"]),
            (&0.into(), &0.into()),
            "{start:?} {summary:#}"
        );
        assert_eq!(fs::read_to_string(home.join(".claude.json"))?, "{\"own\": 1}", "{start:?} {summary:#}");
        let note = "claude-code itself replaced `~/.claude.json`";
        assert_eq!(summary["notes"].to_string().matches(note).count(), 1, "{start:?} {summary:#}");
    }
    Ok(())
}

/// What the workspace, or the repository around it, says on the way decides what the agent is: it is not the agent itself then.
#[test]
fn an_agent_that_the_workspace_leads_to_is_not_the_agent_itself() -> Result<()> {
    let cases = [
        // Variables that a file says.
        ("sources", "#!/bin/sh\n. ./activate\nexec claude\n", "activate` was touched"),
        ("asks", "#!/bin/sh\nexport $(cat ./activate)\nexec claude\n", "activate` was touched"),
        ("repository", "#!/bin/sh\n[ -z \"$(cat ../.npmrc)\" ]\nexec claude\n", ".npmrc` was touched"),
        // A step of its own.
        ("steps", "#!/bin/sh\nPATH=./bin:$PATH\ntimeout 60 claude\n", "bin/timeout` was run"),
        ("helps", "#!/bin/sh\n./bin/helper\nexec claude\n", "was not found behind the command"),
        // Its interpreter is found in the workspace, as for what npx starts.
        ("interprets", "#!/bin/sh\nPATH=$PWD/bin:$PATH exec claude\n", "bin/python3` was run"),
    ];
    // A session takes ten seconds there.
    for (name, script, said) in &cases[..if is_machine() { 1 } else { cases.len() }] {
        let world = World::new()?;
        let workspace = world.workspace().join("w");
        lay_down(&world, &world.home().join("bin"))?;
        executable(&world, &world.home().join("bin").join(name), script)?;
        fs::create_dir_all(world.workspace().join(".git"))?;
        world.write(&world.workspace().join(".npmrc"), "node-options=--require=/tmp/x.js\n")?;
        world.write(&workspace.join("activate"), "NODE_OPTIONS=--require=/tmp/x.js\n")?;
        executable(&world, &workspace.join("bin/timeout"), "#!/bin/sh\nshift\nexec \"$@\"\n")?;
        executable(&world, &workspace.join("bin/helper"), "#!/bin/sh\n")?;
        executable(&world, &workspace.join("bin/python3"), "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n")?;
        let summary = led(&world, "record", &[name])?;
        refused_once(&summary, name)?;
        assert_eq!(summary["notes"].to_string().matches(said).count(), 1, "{name} {summary:#}");
    }
    Ok(())
}

/// A runner of packages leads to the agent that is installed, unless the repository has a say: it may bring the interpreter, and
/// options of it.
#[test]
fn a_runner_of_packages_leads_to_the_agent_outside_of_a_repository() -> Result<()> {
    // A session takes ten seconds there.
    if is_machine() {
        return Ok(());
    }
    if !has("npx") {
        println!("skipped: there is no `npx` here");
        return Ok(());
    }
    let cases: [(&[&str], Option<&str>); 4] = [
        (&["npx", "claude"], None),
        (&["npm", "exec", "claude"], None),
        (&["npx", "claude"], Some("package.json")),
        (&["npx", "claude"], Some(".npmrc")),
    ];
    for (command, brings) in cases {
        let world = World::new()?;
        let home = world.home();
        let workspace = world.workspace().join("w");
        let package = home.join("lib/node_modules/@anthropic-ai/claude-code");
        executable(&world, &home.join("lib/node_modules").join(PROGRAM), REPLACES)?;
        let about =
            r#"{"name": "@anthropic-ai/claude-code", "version": "1.0.0", "bin": {"claude": "cli.py"}}"#;
        fs::create_dir_all(home.join("bin"))?;
        world.write(&package.join("package.json"), about)?;
        symlink(format!("../lib/node_modules/{PROGRAM}"), home.join("bin/claude"))?;
        if let Some(file) = brings {
            let text = if file == ".npmrc" { "node-options=--require=/tmp/x.js\n" } else { "{}" };
            world.write(&workspace.join("package.json"), "{}")?;
            world.write(&workspace.join(file), text)?;
            executable(
                &world,
                &workspace.join("node_modules/.bin/python3"),
                "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n",
            )?;
        }
        let summary = led(&world, "record", command)?;
        match brings {
            Some(_) => {
                refused_once(&summary, "npx")?;
                assert_eq!(
                    summary["notes"].to_string().matches("` was touched before").count(),
                    1,
                    "{summary:#}"
                );
            }
            None => {
                assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary:#}");
                assert_eq!(fs::read_to_string(home.join(".claude.json"))?, "{\"own\": 1}", "{summary:#}");
            }
        }
    }
    Ok(())
}

/// What is called like the agent, and is another file.
#[test]
fn another_file_that_is_called_like_the_agent_is_not_the_agent() -> Result<()> {
    let world = World::new()?;
    let other = world.home().join("other");
    lay_down(&world, &world.home().join("bin"))?;
    lay_down(&world, &other)?;
    // The text leads to one, and another one is run.
    let script = format!("#!/bin/sh\nfalse && claude\neval {}/claude\n", other.display());
    executable(&world, &world.home().join("bin/mine"), &script)?;
    refused_once(&led(&world, "record", &["mine"])?, "mine")
}

/// Nobody but the static deny-list refused, and one rename.
fn refused_once(summary: &Value, name: &str) -> Result<()> {
    let denials = summary["denials"].as_array().context("no denials")?;
    let means = if can_refuse() { "lsm" } else { "kill" };
    let told: Vec<_> = denials.iter().map(|of| (&of["stage"], &of["op"], &of["means"])).collect();
    assert_eq!(told, [(&"T0".into(), &"rename".into(), &means.into())], "{name} {summary:#}");
    Ok(())
}

/// The summary of a session in a directory of the workspace, whose command leads to an agent.
fn led(world: &World, verb: &str, command: &[&str]) -> Result<Value> {
    let summary = world.path().join("summary.json");
    let home = world.home();
    let path = format!("{}/bin:/usr/bin:/bin", home.display());
    let directory = world.workspace().join("w");
    fs::create_dir_all(&directory)?;
    // Whatever runs packages asks nobody.
    let prefix = format!("npm_config_prefix={}", home.display());
    let npm =
        ["--env", &prefix, "--env", "npm_config_offline=true", "--env", "npm_config_update_notifier=false"];
    let more = ["--quiet", "--path", &path, "--summary-file", summary.to_str().context("path")?];
    let mut args = world.session(verb, &[&more[..], &npm].concat());
    args.extend(command.iter().map(|word| word.replace("@home@", &home.display().to_string())));
    let output = world.wardline(args).current_dir(&directory).output()?;
    let text = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok(serde_json::from_slice(&text)?)
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
