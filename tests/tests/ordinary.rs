//! Everyday work of a task passes without a baseline: version control, unpacking and installing bring files along that have
//! the names of keys, and of what agents and editors obey.

use anyhow::{Context, Result, ensure};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// What a repository or package carries.
const FILES: &[&str] = &[
    ".aws/credentials",
    ".claude/commands/x.md",
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".codex/config.toml",
    ".cursor/mcp.json",
    ".devcontainer/devcontainer.json",
    ".docker/config.json",
    ".env.example",
    ".gemini/settings.json",
    ".husky/pre-commit",
    ".idea/workspace.xml",
    ".mcp.json",
    ".vscode/launch.json",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    ".zed/tasks.json",
    "AGENTS.md",
    "CLAUDE.md",
    "opencode/opencode.json",
    "options/security.xml",
    "tests/fixtures/id_ed25519",
    "tests/fixtures/id_rsa",
    "tests/fixtures/key.pem",
    "tests/fixtures/server.key",
    "tests/fixtures/wallet.dat",
];

/// What each program needs besides.
const MANIFESTS: &[(&str, &str)] = &[
    (
        "package.json",
        r#"{"name":"carrier","version":"1.0.0","files":["tests",".vscode",".claude",".mcp.json",".husky","AGENTS.md"]}"#,
    ),
    (
        "Cargo.toml",
        "[package]\nname = \"carrier\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n",
    ),
    ("lib.rs", "pub fn nothing() {}\n"),
];

/// Before the session: a repository of two branches, the workspace as its clone, and packages that hold the same.
const PREPARE: &str = r#"
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x
cd "$HOME/origin"
git init -q -b main . && git add -A && git commit -q -m one
git checkout -q -b other
for file in $FILES; do echo other >> "$file"; done
git commit -q -a -m two && git checkout -q main && echo x > more && git add more && git commit -q -m three
git clone -q "$HOME/origin" "$WORK" && git -C "$WORK" branch -q other origin/other
tar -C "$HOME" -czf "$HOME/origin.tgz" --exclude=.git origin
if command -v npm; then cd "$HOME" && npm pack --silent ./origin; fi
mkdir "$HOME/user" && cd "$HOME/user" && printf '[package]\nname = "user"\nversion = "1.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[dependencies]\ncarrier = { git = "file://%s/origin" }\n' "$HOME" > Cargo.toml && : > lib.rs
# Shown to work where nobody guards.
if cargo fetch -q; then : > "$HOME/has-cargo"; rm -rf "$HOME/.cargo/git"; fi
"#;

/// In the session: each step on a line, with what came of it.
const STEPS: &str = r#"
export TMPDIR=/var/tmp CARGO_NET_GIT_FETCH_WITH_CLI=true
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x
step() { name=$1; shift; if bash -ec "$*" 2> "$HOME/err"; then echo "went on: $name"; else echo "failed: $name: $(tail -n 3 "$HOME/err" | tr '\n' ' ')"; fi; }
every() { for file in $FILES; do [ ! -e "$1/$file" ] || cat "$1/$file" > /dev/null || return 1; done; }
export -f every
replace() { for file in $FILES; do echo changed > new && mv new "$file"; done; }
export -f replace
there=$(mktemp -d -p /var/tmp)
step checkout 'git checkout -q other && every . && git checkout -q main && git status --short'
step stash 'replace && git stash -q && git stash pop -q && git checkout -q .'
step reset 'git reset -q --hard other && git reset -q --hard origin/main'
step rebase 'git checkout -q -b topic main~1 && echo y > mine && git add mine && git commit -q -m mine && git rebase -q main && git rebase -q other && git checkout -q main'
step merge 'git merge -q -m merged other && git reset -q --hard origin/main'
step apply 'git diff main other > change.diff && git apply change.diff && git checkout -q . && rm change.diff'
step clone 'git clone -q "$HOME/origin" clone && every clone && git -C clone checkout -q origin/other && git -C clone status --short'
step worktree 'git worktree add -q tree other && every tree && git -C tree status --short && git worktree remove --force tree'
step clone-elsewhere "cd $there && git clone -q \"\$HOME/origin\" clone && every clone && git -C clone status --short"
step unpack 'mkdir unpacked && tar -C unpacked -xzf "$HOME/origin.tgz" && every unpacked/origin && tar -C unpacked -xzf "$HOME/origin.tgz"'
step unpack-elsewhere "cd $there && tar -xzf \"\$HOME/origin.tgz\" && every origin"
step unpack-in-cache 'mkdir -p "$HOME/.cache/tool" && tar -C "$HOME/.cache/tool" -xzf "$HOME/origin.tgz" && every "$HOME/.cache/tool/origin"'
step copy 'cp -r clone copied && every copied && mv copied moved && every moved'
if npm --version > "$HOME/version" 2>&1; then
    step npm 'mkdir js && cd js && npm init -y > /dev/null && npm install --silent --offline --no-audit --no-fund "$HOME"/carrier-1.0.0.tgz && every node_modules/carrier && ls node_modules/carrier/tests/fixtures/id_rsa'
    step npm-global 'npm install --silent --offline --no-audit --no-fund --global --prefix "$HOME/.npm-global" "$HOME"/carrier-1.0.0.tgz && every "$HOME/.npm-global/lib/node_modules/carrier"'
fi
if [ -e "$HOME/has-cargo" ]; then
    step cargo 'cp -r "$HOME/user" user && cd user && cargo fetch -q && every "$HOME"/.cargo/git/checkouts/*/* && cargo vendor -q > /dev/null && every vendor/carrier'
fi
if python3 -m pip --version > "$HOME/version" 2>&1; then
    step wheel 'python3 - <<END
import os, zipfile
with zipfile.ZipFile("carrier-1.0-py3-none-any.whl", "w") as wheel:
    for name in os.environ["FILES"].split():
        wheel.writestr("carrier/" + name, "x")
    wheel.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
    wheel.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("carrier-1.0.dist-info/RECORD", "")
END'
    step pip-target 'python3 -m pip install -q --no-index --no-deps --target packages ./carrier-1.0-py3-none-any.whl && every packages/carrier'
fi
step remove 'rm -rf clone unpacked moved js user packages "$HOME/.cache/tool" "$HOME/.cargo/git" "$HOME/.npm-global" "$HOME"/.local/lib'
step remove-elsewhere "rm -rf $there"
step remove-all 'rm -r $FILES && git checkout -q . && every .'
"#;

/// Where the world's user finds programs.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

const SOON: Duration = Duration::from_secs(900);

fn files(world: &World, directory: &Path) -> Result<()> {
    for file in FILES {
        world.write(&directory.join(file), "carried\n")?;
    }
    for (file, content) in MANIFESTS {
        world.write(&directory.join(file), content)?;
    }
    Ok(())
}

/// To its end, which must come.
fn ended(mut command: Command) -> Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if !wait_until(SOON, || !matches!(child.try_wait(), Ok(None))) {
        child.kill()?;
        anyhow::bail!("it stood still: {:?}", child.wait_with_output()?);
    }
    Ok(child.wait_with_output()?)
}

#[test]
fn what_a_task_does_every_day_goes_on_without_a_baseline() -> Result<()> {
    let world = World::new()?;
    files(&world, &world.home().join("origin"))?;
    let (home, work) = (world.home(), world.workspace());
    // A home in which something was installed before.
    for store in [".cache/x", ".cargo/x", ".npm/x", ".npm-global/lib/x"] {
        world.write(&home.join(store), "")?;
    }
    let with = |command: &mut Command| {
        command.env("PATH", PATH).env("HOME", &home).env("FILES", FILES.join(" ")).env("WORK", &work);
    };
    let mut prepare = Command::new("bash");
    prepare.args(["-c", PREPARE]).uid(world.user.id).gid(world.user.id).current_dir(&home).env_clear();
    with(&mut prepare);
    let prepared = ended(prepare)?;
    ensure!(prepared.status.success(), "{prepared:?}");

    let summary = world.path().join("summary.json");
    let named = summary.to_str().context("path")?;
    let mut args = world.session("enforce", &["--quiet", "--summary-file", named]);
    args.extend(["bash", "-c", STEPS].map(str::to_owned));
    let mut session = world.wardline(args);
    with(&mut session);
    let output = ended(session)?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let wrong: Vec<&str> = out.lines().filter(|line| line.starts_with("failed")).collect();
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let counts = ["denied", "stopped", "happened"].map(|of| summary[of].as_u64());
    ensure!(
        wrong.is_empty() && counts == [Some(0); 3],
        "{wrong:#?}\n{counts:?} {:#}\n{err}",
        summary["denials"]
    );
    let went_on = out.lines().filter(|line| line.starts_with("went on")).count();
    ensure!(went_on >= 15, "{out}{err}");
    // It is told all the same.
    let notes = summary["notes"].to_string();
    for told in [".claude/settings.json", ".vscode/tasks.json", ".mcp.json", "AGENTS.md"] {
        ensure!(notes.contains(&format!("the session changed `{told}` in the workspace")), "{told}: {notes}");
    }
    Ok(())
}

/// Before the session: another repository in the home, and what its origin has changed since.
const NEIGHBOUR: &str = r#"
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x
cd "$HOME/origin" && git init -q -b main . && git add -A && git commit -q -m one
git clone -q "$HOME/origin" "$HOME/neighbour"
for file in .vscode/tasks.json .claude/settings.json .mcp.json; do echo pulled > "$file"; done
git commit -q -a -m two
mkdir "$HOME/shared" && echo x > "$HOME/shared/tasks.json" && ln -s "$HOME/shared" "$WORK/.vscode"
mkdir "$HOME/linked" && ln -s ../shared "$HOME/linked/.vscode" && git init -q "$HOME/linked"
"#;

/// What agents and editors obey in another repository is written by nobody, and comes and goes with version control. A link in
/// a workspace or repository closes nothing that lies elsewhere.
#[test]
fn what_is_obeyed_in_another_repository_is_replaced_and_not_written() -> Result<()> {
    let world = World::new()?;
    let (home, work) = (world.home(), world.workspace());
    for file in
        [".vscode/tasks.json", ".claude/settings.json", ".mcp.json", ".zed/tasks.json", ".cursor/mcp.json"]
    {
        world.write(&home.join("origin").join(file), "carried\n")?;
    }
    let mut prepare = Command::new("bash");
    prepare.args(["-c", NEIGHBOUR]).uid(world.user.id).gid(world.user.id).current_dir(&home).env_clear();
    prepare.env("PATH", PATH).env("HOME", &home).env("WORK", &work);
    let prepared = ended(prepare)?;
    ensure!(prepared.status.success(), "{prepared:?}");

    let script = "export GIT_CONFIG_GLOBAL=/dev/null; cd ~/neighbour
        git pull -q && cat .vscode/tasks.json .claude/settings.json .mcp.json
        echo new > n && mv n .cursor/mcp.json && cat .cursor/mcp.json
        echo x >> ~/shared/tasks.json && echo appended
        echo x >> .zed/tasks.json || echo refused";
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--summary-file", summary.to_str().context("path")?];
    let output = world.run_script("enforce", &more, script)?;
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(out, "pulled\npulled\npulled\nnew\nappended\nrefused\n", "{output:?}");
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let counts = ["denied", "stopped", "happened"].map(|of| summary[of].as_u64());
    assert_eq!(counts, [Some(1), Some(0), Some(0)], "{:#}", summary["denials"]);
    let notes = summary["notes"].to_string();
    for told in [".claude/settings.json", ".vscode/tasks.json", ".mcp.json", ".cursor/mcp.json"] {
        let told = format!(
            "the session changed `{told}` of another repository, `{}`",
            home.join("neighbour").display()
        );
        ensure!(notes.contains(&told), "{told}: {notes}");
    }
    Ok(())
}
