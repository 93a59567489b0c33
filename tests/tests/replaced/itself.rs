//! The agent itself, which replaces its own files as a routine.

use super::{prepared, tells_or_refuses};
use anyhow::Result;
use end_to_end::scene::{can_refuse, is_machine};
use end_to_end::{standing, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Python that replaces a file of the agent's own twice, as agents do: by one that it has made beside it.
fn replaces(file: &str) -> String {
    format!(
        "import os, time\nfor _ in range(2):\n open(\"{file}.tmp\", \"w\").write(\"{{}}\")\n os.rename(\"{file}.tmp\", \"{file}\")\n\
         time.sleep(1)\n"
    )
}

/// Agents replace their own configuration: the session's first process does, or the program that its script starts, and nobody
/// else in the session; by what was made beside it, and as long as nobody reaches into it.
#[test]
fn an_agent_itself_replaces_its_own_file_and_says_so() -> Result<()> {
    if !tells_or_refuses() {
        return Ok(());
    }
    let (claude, codex) = (("claude-code", ".claude.json"), ("codex", ".codex/config.toml"));
    let [own, settings, config] =
        [".claude.json", ".claude/settings.json", ".codex/config.toml"].map(replaces);
    let from_elsewhere = "import os, time; os.rename(\"prepared/evil\", \".claude.json\"); time.sleep(1)";
    let reached = format!(
        "import ctypes, os, subprocess, sys\nctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)\n\
         subprocess.run([sys.executable, \"-I\", \"-c\", f\"open(chr(47) + \\\"proc/{{os.getpid()}}/mem\\\", \\\"r+b\\\", 0)\"], check=True)\n{own}"
    );
    let forked = format!("import os\nos.waitpid(os.fork() or os._exit(0), 0)\n{own}");
    let by_child = format!("import os\nif os.fork(): os.wait(); raise SystemExit\n{own}");
    let becomes = "import os\nos.waitpid(os.fork() or os._exit(0), 0)\n\
                   os.execv(\"/usr/bin/python3\", [\"python3\", \"-I\", \"again.py\"])";
    let run = |code: &str| format!("python3 -I -c '{code}'");
    // The program that a script starts is known a moment after it was started.
    let known = if is_machine() { 10 } else { 1 };
    let started = |code: &str, program: &str| {
        format!("exec ./start ./{program} -I -c 'import time; time.sleep({known})\n{code}'")
    };
    let mut cases = vec![
        (claude, format!("exec {}", run(&forked)), true),
        (codex, started(&config, "codex"), true),
        (codex, started(&config, "other"), false),
        (claude, format!("exec {}", run(&by_child)), false),
        (claude, format!("exec {}", run(becomes)), false),
        (claude, format!("exec {}", run(&reached)), false),
        (claude, format!("exec {}", run(from_elsewhere)), false),
    ];
    // A session takes ten seconds there.
    if !is_machine() {
        cases.extend([
            (claude, format!("exec {}", run(&own)), true),
            (("claude-code", ".claude/settings.json"), format!("exec {}", run(&settings)), true),
            (claude, format!("{}; true", run(&own)), false),
            (codex, format!("exec {}", run(&own)), false),
        ]);
    }
    let world = prepared()?;
    let home = world.home();
    world.write(
        &home.join("start"),
        "#!/usr/bin/env python3\nimport subprocess, sys\nsubprocess.run(sys.argv[1:])\n",
    )?;
    fs::set_permissions(home.join("start"), fs::Permissions::from_mode(0o755))?;
    world.write(&home.join("again.py"), &own)?;
    // As people do who keep their configuration elsewhere.
    world.write(&home.join("dotfiles/README"), "mine\n")?;
    fs::rename(home.join(".claude"), home.join("dotfiles/claude"))?;
    std::os::unix::fs::symlink("dotfiles/claude", home.join(".claude"))?;
    for program in ["codex", "other"] {
        fs::copy("/usr/bin/python3", home.join(program))?;
    }
    for ((agent, file), step, is_itself) in cases {
        fs::write(home.join(file), "plain\n")?;
        world.write(&home.join("prepared/evil"), "evil\n")?;
        let script = format!("cd '{}'; {step}", home.display());
        let ended = standing::run_and(&world, "enforce", &["--agent", agent], &script, || {
            wait_until(Duration::from_secs(20), || jewel(&home, file) == "plain\n");
        })?;
        let note = format!("{agent} itself replaced `~/{file}`");
        assert_eq!(
            ended.summary["notes"].to_string().matches(&note).count(),
            usize::from(is_itself),
            "{step}: {ended:#?}"
        );
        if is_itself {
            assert!(!ended.frozen && ended.output.status.success(), "{step}: {ended:#?}");
            assert_eq!((ended.denials(), jewel(&home, file).as_str()), (vec![], "{}"), "{step}: {ended:#?}");
        } else {
            let means = if can_refuse() { "lsm" } else { "freeze" };
            assert_eq!(ended.frozen, !can_refuse(), "{step}: {ended:#?}");
            assert_eq!(ended.denials(), [("T0".into(), "rename".into(), means.into())], "{step}: {ended:#?}");
            assert_eq!(jewel(&home, file), "plain\n", "{step}: {ended:#?}");
        }
    }
    Ok(())
}

fn jewel(home: &Path, file: &str) -> String {
    fs::read_to_string(home.join(file)).unwrap_or_default()
}
