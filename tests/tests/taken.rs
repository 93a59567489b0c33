//! Rules that become other ones while a session runs: what closes is closed to it at once, whole or not at all, and what opens
//! is open when somebody outside says so of it.

use anyhow::{Context, Result, bail, ensure};
use end_to_end::World;
use end_to_end::own;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Output, Stdio};

const TOKEN: &str = "//registry.example.org/:_authToken=TOKEN\n";
/// What a program says of a file that it may not open.
const REFUSED: &str = "Operation not permitted";

/// A shell in a session, to which lines are typed one by one.
struct Shell {
    client: Child,
    lines: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Shell {
    fn start(world: &World, verb: &str, more: &[&str]) -> Result<Self> {
        let mut args = world.session(verb, more);
        let read = "while read -r line; do eval \"$line\" 2>&1; echo \"done: $?\"; done";
        args.extend(["bash", "-c", read].map(str::to_owned));
        let mut client = world
            .wardline(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = client.stdin.take().context("no input")?;
        let said = BufReader::new(client.stdout.take().context("no output")?);
        let mut shell = Self { client, lines, said };
        ensure!(shell.types("echo here")? == "here\n");
        Ok(shell)
    }

    /// Types a line; what was said until it was done.
    fn types(&mut self, line: &str) -> Result<String> {
        writeln!(self.lines, "{line}")?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line)? == 0 {
                bail!("the session ended: {said}");
            }
            if line.starts_with("done: ") {
                return Ok(said);
            }
            said.push_str(&line);
        }
    }

    /// Whether a file may be read, whose content is known.
    fn reads(&mut self, path: &str, content: &str) -> Result<bool> {
        let said = self.types(&format!("cat {path}"))?;
        ensure!(said == content || said.contains(REFUSED), "{path}: {said}");
        Ok(said == content)
    }

    /// Ends it; what was said of it.
    fn ends(self) -> Result<String> {
        drop(self.lines);
        let output = self.client.wait_with_output()?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn world() -> Result<World> {
    let world = own::world()?;
    for (path, content) in [
        (".npmrc", TOKEN),
        (".pypirc", TOKEN),
        ("shared/list", "LIST\n"),
        ("diary/today", "DEAR\n"),
        (".aws/x", "KEY\n"),
    ] {
        world.write(&world.home().join(path), content)?;
    }
    Ok(world)
}

/// `wardline policy ARGS`, for the world's user; what it printed.
fn policy(world: &World, args: &[&str]) -> Result<String> {
    let output = asked(world, args)?;
    ensure!(output.status.success(), "{args:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn asked(world: &World, args: &[&str]) -> Result<Output> {
    let mut command = world.wardline(["policy"]);
    command.args(args);
    if args[0] != "apply" {
        let user = format!("{0}:{0}", world.user.id);
        command.args(["--user", &user, "--home"]).arg(world.home());
    }
    command.output().context("`wardline policy` cannot be run")
}

#[test]
fn a_session_that_runs_obeys_what_closes_at_once_and_what_opens_by_a_word() -> Result<()> {
    let world = world()?;
    let mut shell = Shell::start(&world, "enforce", &[])?;
    ensure!(shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/.npmrc", TOKEN)?);
    shell.types("exec 7< ~/diary/today")?;
    // A name that is closed when a session begins, made by this one, and by somebody outside.
    ensure!(shell.types("echo mine > ~/made.pem; cat ~/made.pem")? == "mine\n");
    world.write(&world.home().join("brought.pem"), "theirs\n")?;

    let said = policy(&world, &["deny", "~/diary"])?;
    ensure!(said.contains("session 1: obeys `deny-diary` from now on"), "{said}");
    ensure!(!shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/diary/../diary/today", "DEAR\n")?);
    ensure!(shell.types("ls ~/diary")?.contains(REFUSED));
    // What lies beside it goes on, and so does what it has made; what it began with holds.
    ensure!(shell.reads("~/shared/list", "LIST\n")? && shell.reads("~/made.pem", "mine\n")?);
    ensure!(!shell.reads("~/.aws/x", "KEY\n")? && !shell.reads("~/brought.pem", "theirs\n")?);
    // What is open stays so: the page says it.
    ensure!(shell.types("cat <&7")? == "DEAR\n");

    // What opens counts by a word alone.
    for args in [&["forget", "deny-diary"][..], &["allow", "~/.npmrc"], &["apply"]] {
        let said = policy(&world, args)?;
        ensure!(said.contains("would open something, which counts from the next session on"), "{said}");
        ensure!(!shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/.npmrc", TOKEN)?, "{args:?}");
    }
    let said = policy(&world, &["apply", "1", "--loosen"])?;
    ensure!(said == "session 1: obeys `allow-npmrc` from now on; obeys `deny-diary` no more\n", "{said}");
    ensure!(shell.reads("~/diary/today", "DEAR\n")? && shell.reads("~/.npmrc", TOKEN)?);
    ensure!(!shell.reads("~/.pypirc", TOKEN)? && !shell.reads("~/.aws/x", "KEY\n")?);
    ensure!(shell.reads("~/made.pem", "mine\n")? && !shell.reads("~/brought.pem", "theirs\n")?);

    // What is allowed no more is closed at once.
    let said = policy(&world, &["forget", "allow-npmrc"])?;
    ensure!(said.contains("session 1: obeys `allow-npmrc` no more"), "{said}");
    ensure!(!shell.reads("~/.npmrc", TOKEN)? && shell.reads("~/diary/today", "DEAR\n")?);

    // A file that was edited, and one that holds no rules.
    let rule = |id: &str, place: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = \"{place}\"\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"said\"\n"
        )
    };
    fs::write(own::file(&world), rule("edited", "shared"))?;
    ensure!(shell.reads("~/shared/list", "LIST\n")?);
    ensure!(policy(&world, &["apply"])? == "session 1: obeys `edited` from now on\n");
    ensure!(!shell.reads("~/shared/list", "LIST\n")?);
    fs::write(own::file(&world), "[[rule]]\nid = 3\n")?;
    let output = asked(&world, &["apply"])?;
    ensure!(output.status.code() == Some(125), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains("session 1 goes on under the rules of before: "), "{said}");
    ensure!(said.contains(&format!("{}:2:6: ", own::file(&world).display())), "{said}");
    // Nothing of rules that close what is somebody else's is armed: neither half.
    fs::write(
        own::file(&world),
        rule("a", "diary") + &rule("b", "x").replace("where.home = \"x\"", "where.root = \"/usr/bin/true\""),
    )?;
    ensure!(asked(&world, &["apply"])?.status.code() == Some(125));
    ensure!(!shell.reads("~/shared/list", "LIST\n")? && shell.reads("~/diary/today", "DEAR\n")?);
    ensure!(shell.types("/usr/bin/true && echo started")? == "started\n");

    // Who is inside has no say.
    let program = world.program()?.display().to_string();
    let state = world.state().display().to_string();
    let said = shell
        .types(&format!("{program} --state-dir {state} policy apply last --loosen; echo \"code $?\""))?;
    ensure!(said.contains("code 122"), "{said}");
    let said = shell.ends()?;
    ensure!(said.contains("its rules became other ones: obeys `deny-diary` from now on"), "{said}");
    Ok(())
}

#[test]
fn a_credential_that_is_lent_no_more_is_closed_and_none_is_newly_lent() -> Result<()> {
    let world = world()?;
    policy(&world, &["lend", "~/.npmrc", "--host", "127.0.0.1"])?;
    let mut shell = Shell::start(&world, "enforce", &[])?;
    ensure!(shell.reads("~/.npmrc", TOKEN)?);
    let said = policy(&world, &["lend", "~/.pypirc", "--host", "127.0.0.1"])?;
    ensure!(said.contains("`lend-pypirc` would open something"), "{said}");
    policy(&world, &["apply", "--loosen"])?;
    ensure!(!shell.reads("~/.pypirc", TOKEN)? && shell.reads("~/.npmrc", TOKEN)?);
    let said = policy(&world, &["forget", "lend-npmrc"])?;
    ensure!(said.contains("obeys `lend-npmrc` no more"), "{said}");
    ensure!(!shell.reads("~/.npmrc", TOKEN)? && shell.reads("~/diary/today", "DEAR\n")?);
    shell.ends()?;
    Ok(())
}

#[test]
fn a_rule_for_a_task_holds_while_the_sessions_task_is_that() -> Result<()> {
    let world = world()?;
    policy(&world, &["deny", "~/diary", "--task", "review"])?;
    let mut edits = Shell::start(&world, "enforce", &["--task", "edit"])?;
    let mut reviews = Shell::start(&world, "enforce", &["--task", "review"])?;
    ensure!(edits.reads("~/diary/today", "DEAR\n")? && !reviews.reads("~/diary/today", "DEAR\n")?);
    for (task, may) in [("review", false), ("edit", true), ("review", false), ("install", true)] {
        let output = world.run(["task", "1", task])?;
        ensure!(output.status.success(), "{output:?}");
        ensure!(edits.reads("~/diary/today", "DEAR\n")? == may, "{task}");
        ensure!(edits.reads("~/shared/list", "LIST\n")? && !edits.reads("~/.aws/x", "KEY\n")?, "{task}");
        ensure!(!reviews.reads("~/diary/today", "DEAR\n")?, "{task} is another session's");
    }
    // Said while it runs, it holds when its task comes.
    let said = policy(&world, &["deny", "~/shared", "--task", "review"])?;
    ensure!(said.contains("during review: rule `deny-shared`"), "{said}");
    ensure!(edits.reads("~/shared/list", "LIST\n")? && !reviews.reads("~/shared/list", "LIST\n")?);
    ensure!(world.run(["task", "1", "review"])?.status.success());
    ensure!(!edits.reads("~/shared/list", "LIST\n")?);
    edits.ends()?;
    reviews.ends()?;
    Ok(())
}
