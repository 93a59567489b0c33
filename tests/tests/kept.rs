//! An agent's own state: what a program that nobody knows keeps in the home is open to its sessions, in a repository never
//! seen, but for what programs outside run or obey; and nothing else of the home is.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Output;

/// The agent: it keeps sessions, locks, a history by repository and a cache, and looks at what other repositories left.
const AGENT: &str = r#"#!/usr/bin/env bash
own=~/.tinkerdata
repository=$(basename "$PWD")
mkdir -p "$own"/{sessions,locks} "$own/history/$repository"
echo "$$" > "$own/locks/$repository-$$.lock"
cat "$own"/history/*/root 2>&1 > /dev/null
ls "$own/sessions" "$own/locks" > /dev/null
echo "$PWD" > "$own/history/$repository/root"
echo '{}' > "$own/sessions/$(cat /proc/sys/kernel/random/uuid).json"
echo "$repository" >> "$own/cache.db"
mv "$own/cache.db" "$own/cache.db.old" && cp "$own/cache.db.old" "$own/cache.db"
rm "$own/locks/$repository-$$.lock"
echo done
[ -z "$1" ] || sh -c "$1"
"#;

struct Home {
    world: World,
    agent: PathBuf,
}

impl Home {
    fn new() -> Result<Self> {
        let world = World::new()?;
        let agent = world.home().join("bin/tinker");
        world.write(&agent, AGENT)?;
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755))?;
        world.write(&world.home().join(".ssh/id_rsa"), "a key\n")?;
        Ok(Self { world, agent })
    }

    fn session(&self, verb: &str, project: &str, more: &[&str], then: &str) -> Result<(Output, Value)> {
        let workspace = self.world.home().join("projects").join(project);
        fs::create_dir_all(&workspace)?;
        chown(&workspace, Some(self.world.user.id), Some(self.world.user.id))?;
        let summary = self.world.path().join("summary.json");
        drop(fs::remove_file(&summary));
        let (of, at) = (workspace.to_str().context("path")?, summary.to_str().context("path")?);
        let more = [&["--quiet", "--workspace", of, "--summary-file", at], more].concat();
        let mut args = self.world.session(verb, &more);
        args.extend([self.agent.to_str().context("path")?.to_owned(), then.to_owned()]);
        let output = self.world.wardline(args).current_dir(&workspace).output()?;
        let summary = fs::read(&summary).with_context(|| format!("{output:?}"))?;
        Ok((output, serde_json::from_slice(&summary)?))
    }

    /// Six recordings of two tasks in three repositories, and baselines of them.
    fn trained() -> Result<Self> {
        let home = Self::new()?;
        for project in ["one", "two", "three"] {
            for task in ["edit", "summarize"] {
                let (output, summary) = home.session("record", project, &["--task", task], "")?;
                ensure!(output.status.code() == Some(0) && summary["denied"] == 0, "{output:?} {summary}");
            }
        }
        let trained = home.world.run(["train"])?;
        let said = String::from_utf8_lossy(&trained.stdout).into_owned();
        ensure!(trained.status.success() && !said.contains("only watches"), "{said}");
        Ok(home)
    }
}

#[test]
fn an_agent_that_nobody_knows_works_in_a_repository_never_seen() -> Result<()> {
    let home = Home::trained()?;
    // What a session that was killed left, and what the next version keeps besides.
    home.world.write(&home.world.home().join(".tinkerdata/locks/old.lock"), "7\n")?;
    let more = "cat ~/.tinkerdata/locks/old.lock && rm ~/.tinkerdata/locks/old.lock && \
        mkdir ~/.tinkerdata/locks/old.lock.breaker && echo 2 > ~/.tinkerdata/version && mkdir -p ~/.tinkerdata/v2/index/a && \
        echo x > ~/.tinkerdata/v2/index/a/b && echo went on";
    for (project, task) in
        [("four", &["--task", "edit"][..]), ("five", &["--task", "summarize"]), ("six", &[])]
    {
        home.world.write(&home.world.home().join(".tinkerdata/locks/old.lock"), "7\n")?;
        drop(fs::remove_dir(home.world.home().join(".tinkerdata/locks/old.lock.breaker")));
        let (output, summary) = home.session("enforce", project, task, more)?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n7\nwent on\n", "{output:?} {summary}");
        assert_eq!(
            (&summary["denied"], &summary["stopped"], &summary["verdict"]),
            (&0.into(), &0.into(), &"allow".into()),
            "{summary}"
        );
        ensure!(!summary["score"].is_null(), "there was no baseline: {summary}");
    }
    Ok(())
}

#[test]
fn what_is_obeyed_or_belongs_to_others_stays_closed() -> Result<()> {
    let home = Home::trained()?;
    let at = |path: &str| home.world.home().join(path);
    home.world.write(&at(".tinkerdata/commands/own.md"), "as it was\n")?;
    for directory in [".claude", ".gemini"] {
        home.world.write(&at(&format!("{directory}/state.json")), "{}\n")?;
    }
    for (path, attempt) in [
        (".tinkerdata/hooks/x.sh", "mkdir ~/.tinkerdata/hooks; echo evil > ~/.tinkerdata/hooks/x.sh"),
        (
            ".tinkerdata/new/hooks/x.sh",
            "mkdir ~/.tinkerdata/new && mkdir ~/.tinkerdata/new/hooks; echo evil > ~/.tinkerdata/new/hooks/x.sh",
        ),
        (".tinkerdata/settings.json", "echo evil > ~/.tinkerdata/settings.json"),
        (".tinkerdata/commands/own.md", "echo evil > ~/.tinkerdata/commands/own.md"),
        (".tinkerdata/commands/x.md", "echo evil > ~/.tinkerdata/commands/x.md"),
        (".claude/commands/x.md", "mkdir ~/.claude/commands; echo evil > ~/.claude/commands/x.md"),
        (".claude/settings.json", "echo evil > ~/.claude/settings.json"),
        (".claude/state.json", "echo evil > ~/.claude/state.json"),
        (".gemini/extensions/x", "mkdir ~/.gemini/extensions; echo evil > ~/.gemini/extensions/x"),
        (".ssh/id_rsa", "cat ~/.ssh/id_rsa"),
    ] {
        let before = fs::read(at(path)).unwrap_or_default();
        let (output, summary) = home.session("enforce", "four", &["--task", "edit"], attempt)?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{attempt}: {output:?} {summary}");
        let answered = ["denied", "stopped"].iter().map(|of| summary[of].as_u64().unwrap_or(0)).sum::<u64>();
        assert!(answered > 0, "{attempt}: {summary}");
        let after = fs::read(at(path)).unwrap_or_default();
        assert_eq!(after, before, "{attempt}");
    }
    Ok(())
}
