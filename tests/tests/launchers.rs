//! What starts an agent: a package manager's launcher, a script of the user's, a wrapper. The agent that comes of it replaces its own
//! settings, unless the repository had a say in what that is.

use anyhow::{Context, Result};
use end_to_end::scene::{can_refuse, is_machine};
use end_to_end::{World, has};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Claude Code, as far as it replaces its own settings a while after it began, itself.
const REPLACES: &str = "#!/usr/bin/python3\nimport os, sys, time\n\
    if '--version' in sys.argv: sys.exit()\n\
    if '--starts' in sys.argv:\n    import subprocess\n    subprocess.run(['true'])\n\
    \x20   subprocess.run([sys.executable, sys.argv[0]])\n    sys.exit()\n\
    time.sleep(1)\n\
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
    const HERE: &str = "#!/bin/bash\ncat <<E >/tmp/wardline-launcher-$$\nit isn't `echo it`\nE\n\
        rm /tmp/wardline-launcher-$$\nexec claude \"$@\"\n";
    // A thread that is not the first one runs the program.
    const THREAD: &str = "#!/usr/bin/python3\nimport os, sys, threading, time\n\
        run = lambda: os.execvp(sys.argv[2], sys.argv[2:])\n\
        thread = threading.Thread(target=run)\nthread.start()\nthread.join()\n";
    let starts: [&[&str]; 13] = [
        &["claude"],
        &["asdf", "exec", "claude"],
        &["@home@/start.sh"],
        &["here"],
        &["asks"],
        &["mine"],
        &["timeout", "60", "linked"],
        &["env", "X=1", "nice", "claude"],
        &["sh", "-c", "cd / && claude \"$@\"; exit 0", "sh", "-p"],
        &["bash", "@home@/bin/mine"],
        // They are the agent themselves.
        &["@home@/npm/bin/claude"],
        &["@home@/.config/nvm/versions/node/v22/bin/claude"],
        &["named"],
    ];
    // A session takes ten seconds there.
    for start in &starts[..if is_machine() { 3 } else { starts.len() }] {
        let world = World::new()?;
        let home = world.home();
        lay_down(&world, &home.join("bin"))?;
        symlink(format!("global/5/node_modules/{PROGRAM}"), home.join("bin/linked"))?;
        for (path, text) in [
            ("bin/mine", MINE),
            ("start.sh", MINE),
            ("bin/asks", ASKS),
            ("bin/here", HERE),
            ("bin/asdf", THREAD),
        ] {
            executable(&world, &home.join(path), text)?;
        }
        for prefix in ["npm", ".config/nvm/versions/node/v22"] {
            executable(&world, &home.join(prefix).join("lib/node_modules").join(PROGRAM), REPLACES)?;
            fs::create_dir_all(home.join(prefix).join("bin"))?;
            symlink(format!("../lib/node_modules/{PROGRAM}"), home.join(prefix).join("bin/claude"))?;
        }
        // A script that is called like the agent.
        let real = home.join("npm/bin/claude");
        executable(
            &world,
            &home.join("other/claude"),
            &format!("#!/bin/sh\ntrue | cat\nexec {} \"$@\"\n", real.display()),
        )?;
        let named = home.join("other/claude").display().to_string();
        let start: Vec<&str> =
            start.iter().map(|word| if *word == "named" { &*named } else { *word }).collect();
        let summary = led(&world, "enforce", &start)?;
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
fn an_agent_that_the_repository_leads_to_is_not_the_agent_itself() -> Result<()> {
    // More names than a record carries.
    let deep = format!("#!/bin/sh\n. ./{}activate\nexec claude\n", DEEP.repeat(DEPTH));
    let cases = [
        // Variables that a file says.
        ("sources", "#!/bin/sh\n. ./activate\nexec claude\n", "w/activate` was touched"),
        ("deep", &deep, "activate` was touched, of which the whole path is not known"),
        ("links", "#!/bin/sh\n. ./.npmrc\nexec claude\n", ".cache/x` was touched"),
        ("asks", "#!/bin/sh\nexport $(cat ./activate)\nexec claude\n", "w/activate` was touched"),
        ("repository", "#!/bin/sh\n[ -z \"$(cat ../.npmrc)\" ]\nexec claude\n", ".npmrc` was touched"),
        // A step of its own.
        ("steps", "#!/bin/sh\nPATH=./bin:$PATH\ntimeout 60 claude\n", "bin/timeout` was run"),
        ("helps", "#!/bin/sh\n./bin/helper\nexec claude\n", "was not found behind the command"),
        // Its interpreter is found in the workspace, as for what npx starts.
        ("interprets", "#!/bin/sh\nPATH=$PWD/bin:$PATH exec claude\n", "bin/python3` was run"),
        ("here", "#!/bin/sh\nPATH=.:$PATH exec claude\n", "w/python3` was run"),
    ];
    // A session takes ten seconds there.
    for (name, script, said) in &cases[..if is_machine() { 2 } else { cases.len() }] {
        let world = World::new()?;
        let workspace = world.workspace().join("w");
        bring(&world, &workspace)?;
        executable(&world, &world.home().join("bin").join(name), script)?;
        let summary = led(&world, "record", &[name])?;
        refused_once(&summary, name)?;
        assert_eq!(summary["notes"].to_string().matches(said).count(), 1, "{name} {summary:#}");
    }
    Ok(())
}

/// The kernel names files by their superblock, and the session its workspace by a mount.
#[test]
fn a_workspace_that_is_bound_elsewhere_is_the_repositorys() -> Result<()> {
    let world = World::new()?;
    bring(&world, &world.workspace().join("w"))?;
    executable(&world, &world.home().join("bin/sources"), "#!/bin/sh\n. ./activate\nexec claude\n")?;
    let bound = world.path().join("bound");
    fs::create_dir(&bound)?;
    rustix::mount::mount_bind(world.workspace(), &bound)?;
    let summary = led_in(&world, &bound.join("w"), "record", &["sources"]);
    rustix::mount::unmount(&bound, rustix::mount::UnmountFlags::DETACH)?;
    let summary = summary?;
    refused_once(&summary, "bound")?;
    assert_eq!(summary["notes"].to_string().matches("w/activate` was touched").count(), 1, "{summary:#}");
    Ok(())
}

/// What the agent starts is not on the way, even where it is the agent's program.
#[test]
fn who_runs_the_agents_program_later_is_not_the_agent_itself() -> Result<()> {
    let world = World::new()?;
    lay_down(&world, &world.home().join("bin"))?;
    refused_once(&led(&world, "record", &["claude", "--starts"])?, "starts")
}

/// One of many directories in one another: more than a record has names for.
const DEEP: &str = "d/";
const DEPTH: usize = 600;

/// The agent, installed by a launcher, and a repository whose files want to decide what that starts.
fn bring(world: &World, workspace: &Path) -> Result<()> {
    lay_down(world, &world.home().join("bin"))?;
    fs::create_dir_all(world.workspace().join(".git"))?;
    let variables = "NODE_OPTIONS=--require=/tmp/x.js\n";
    world.write(&world.workspace().join(".npmrc"), "node-options=--require=/tmp/x.js\n")?;
    world.write(&workspace.join("activate"), variables)?;
    let deep: PathBuf = workspace.join(DEEP.repeat(DEPTH));
    fs::create_dir_all(&deep)?;
    fs::write(deep.join("activate"), variables)?;
    world.write(&world.home().join(".cache/x"), variables)?;
    symlink(world.home().join(".cache/x"), workspace.join(".npmrc"))?;
    executable(world, &workspace.join("bin/timeout"), "#!/bin/sh\nshift\nexec \"$@\"\n")?;
    executable(world, &workspace.join("bin/helper"), "#!/bin/sh\n")?;
    for python in ["bin/python3", "python3"] {
        executable(world, &workspace.join(python), "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n")?;
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
    let directory = world.workspace().join("w");
    fs::create_dir_all(&directory)?;
    led_in(world, &directory, verb, command)
}

fn led_in(world: &World, directory: &Path, verb: &str, command: &[&str]) -> Result<Value> {
    let summary = world.path().join("summary.json");
    let home = world.home();
    let path = format!("{}/bin:/usr/bin:/bin", home.display());
    // Whatever runs packages asks nobody.
    let prefix = format!("npm_config_prefix={}", home.display());
    let npm =
        ["--env", &prefix, "--env", "npm_config_offline=true", "--env", "npm_config_update_notifier=false"];
    let more = ["--quiet", "--path", &path, "--summary-file", summary.to_str().context("path")?];
    let mut args = world.session(verb, &[&more[..], &npm].concat());
    // Nobody says which agent it is.
    let agent = args.iter().position(|arg| arg == "--agent").context("no agent is said")?;
    args.drain(agent..agent + 2);
    args.extend(command.iter().map(|word| word.replace("@home@", &home.display().to_string())));
    let output = world.wardline(args).current_dir(directory).output()?;
    let text = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok(serde_json::from_slice(&text)?)
}
