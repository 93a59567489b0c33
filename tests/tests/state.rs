//! An agent's state, under names of its own, is open to it in a repository that nobody has seen, and to nothing else.

use anyhow::{Context, Result};
use end_to_end::World;
use end_to_end::scene::{is_lsm, tells_changes};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A session of an agent: it locks its settings, keeps a transcript by repository, fills a cache, and replaces its settings
/// by a file of a name that is drawn each time.
const SESSION: &str = r#"
slug=$(pwd | tr -c 'a-zA-Z0-9\n' -)
id=$(cat /proc/sys/kernel/random/uuid)
mkdir ~/.claude.json.lock && rmdir ~/.claude.json.lock
mkdir -p ~/.claude/projects/$slug && echo prompt > ~/.claude/projects/$slug/$id.jsonl
mkdir -p ~/.cache/robot/$slug/logs && echo log > ~/.cache/robot/$slug/logs/$$.txt
mkdir -p ~/.robot/history/${PWD##*/} && echo word > ~/.robot/history/${PWD##*/}/last
echo "{ \"session\": \"$id\" }" > ~/.robot.json.tmp.$$.$(date +%s%N) && mv ~/.robot.json.tmp.$$.* ~/.robot.json
echo code=$?
"#;

/// Repositories, of which the last is in no recording.
const REPOSITORIES: [&str; 7] = ["app", "blog", "cart", "desk", "echo", "farm", "my.new"];

struct Recorded {
    world: World,
    summary: PathBuf,
}

impl Recorded {
    /// Six repositories, each recorded twice.
    fn new() -> Result<Self> {
        let world = World::new()?;
        let summary = world.path().join("summary.json");
        let recorded = Self { world, summary };
        for repository in REPOSITORIES {
            let path = recorded.repository(repository);
            fs::create_dir_all(&path)?;
            chown(&path, Some(recorded.world.user.id), Some(recorded.world.user.id))?;
        }
        for task in ["edit", "ask"] {
            for repository in &REPOSITORIES[..6] {
                let (output, _) = recorded.session("record", Some(task), repository, SESSION)?;
                assert_eq!(String::from_utf8_lossy(&output.stdout), "code=0\n", "{output:?}");
            }
        }
        let trained = recorded.world.run(["train", "--agent", "robot"])?;
        assert!(trained.status.success(), "{trained:?}");
        Ok(recorded)
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.world.home().join("projects").join(name)
    }

    fn session(
        &self,
        verb: &str,
        task: Option<&str>,
        repository: &str,
        script: &str,
    ) -> Result<(Output, Value)> {
        let path = |path: &Path| path.to_str().map(str::to_owned).context("path");
        let mut args = vec![verb.to_owned(), "--quiet".into(), "--agent".into(), "robot".into()];
        args.extend(["--summary-file".into(), path(&self.summary)?]);
        args.extend(task.into_iter().flat_map(|task| ["--task".into(), task.to_owned()]));
        let user = format!("{0}:{0}", self.world.user.id);
        args.extend(["--user".into(), user, "--home".into(), path(&self.world.home())?]);
        args.extend(["--", "bash", "-c", script].map(str::to_owned));
        let output = self.world.wardline(&args).current_dir(self.repository(repository)).output()?;
        let summary = fs::read(&self.summary).with_context(|| format!("no summary: {output:?}"))?;
        Ok((output, serde_json::from_slice(&summary)?))
    }
}

#[test]
fn a_session_in_a_new_repository_keeps_its_state_and_nothing_else_is_put_there() -> Result<()> {
    let recorded = Recorded::new()?;
    // Of an unknown task as well: it is at least as open as each.
    for task in [Some("edit"), Some("ask"), None] {
        for repository in ["app", "my.new"] {
            let (output, summary) = recorded.session("enforce", task, repository, SESSION)?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let refused = ["denied", "t0_hits"].map(|count| summary[count].clone());
            assert_eq!((said.as_str(), refused), ("code=0\n", [0.into(), 0.into()]), "{task:?}: {summary:#}");
        }
    }
    let home = recorded.world.home();
    let plants = [
        ("echo x > ~/evil", "evil"),
        ("echo x > ~/.robot.json.tmp", ".robot.json.tmp"),
        ("echo x > ~/.robot.json.sh.4711", ".robot.json.sh.4711"),
        ("echo x > ~/.claude/settings.json", ".claude/settings.json"),
        ("echo x > ~/.claude/4711.json", ".claude/4711.json"),
        ("mkdir -p ~/.config/autostart && echo x > ~/.config/autostart/x", ".config/autostart/x"),
    ];
    for (plant, place) in plants {
        let script = format!("bash -c '{plant}'; true");
        let (output, summary) = recorded.session("enforce", Some("edit"), "my.new", &script)?;
        let told = is_lsm(&summary)? || tells_changes(&summary)? || plant.starts_with("echo");
        assert!(
            !told || summary["denials"].as_array().is_some_and(|denials| !denials.is_empty()),
            "{plant}: {output:?} {summary:#}"
        );
        assert_eq!(fs::read_to_string(home.join(place)).unwrap_or_default(), "", "{plant}: {summary:#}");
    }
    Ok(())
}
