//! Rules that become other ones while a session runs: what closes is closed to it at once, whole or not at all; what opens, and
//! what was taken back, counts from the next session on; and no link of a session's leads anybody anywhere.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, bail, ensure};
use end_to_end::World;
use end_to_end::own;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::lchown;
use std::process::{Child, ChildStdin, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

const TOKEN: &str = "//registry.example.org/:_authToken=TOKEN\n";
/// What a program says of a file that it may not open.
const REFUSED: &str = "Operation not permitted";
/// How long a line may take: the session stands still for good when something is stopped that nothing could refuse.
const PATIENCE: Duration = Duration::from_secs(120);
/// Starts during which a rule is written.
const STARTS: u32 = 30;

/// A shell in a session, to which lines are typed one by one.
struct Shell {
    client: Child,
    lines: ChildStdin,
    said: Receiver<String>,
}

impl Shell {
    fn start(world: &World, more: &[&str]) -> Result<Self> {
        let mut shell = Self::begin(world, more)?;
        ensure!(shell.types("echo here")? == "here\n");
        Ok(shell)
    }

    /// The same, which is not waited for.
    fn begin(world: &World, more: &[&str]) -> Result<Self> {
        let mut args = world.session("enforce", more);
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
        let (say, heard) = channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Ok(Self { client, lines, said: heard })
    }

    /// Types a line; what was said until it was done.
    fn types(&mut self, line: &str) -> Result<String> {
        writeln!(self.lines, "{line}")?;
        let mut said = String::new();
        loop {
            let Ok(heard) = self.said.recv_timeout(PATIENCE) else {
                self.client.kill()?;
                let ended = self.client.wait()?;
                bail!("`{line}` was not done: {ended}, {said}");
            };
            if heard.starts_with("done: ") {
                return Ok(said);
            }
            said += &format!("{heard}\n");
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
        ("plans/next", "PLAN\n"),
        (".aws/x", "KEY\n"),
    ] {
        world.write(&world.home().join(path), content)?;
    }
    Ok(world)
}

/// `wardline policy ARGS`, for the world's user; what it printed, if it succeeded.
fn policy(world: &World, args: &[&str]) -> Result<String> {
    let (code, said) = asked(world, args)?;
    ensure!(code == Some(0), "{args:?}: {code:?} {said}");
    Ok(said)
}

fn asked(world: &World, args: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = world.wardline(["policy"]);
    command.args(args);
    if args[0] != "apply" {
        let user = format!("{0}:{0}", world.user.id);
        command.args(["--user", &user, "--home"]).arg(world.home());
    }
    let output: Output = command.output().context("`wardline policy` cannot be run")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

fn rule(id: &str, place: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.{place}\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"said\"\n"
    )
}

#[test]
fn a_session_that_runs_obeys_what_closes_at_once_and_what_opens_counts_from_the_next_one_on() -> Result<()> {
    let world = world()?;
    let mut shell = Shell::start(&world, &[])?;
    ensure!(shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/.npmrc", TOKEN)?);
    shell.types("exec 7< ~/diary/today")?;
    // A process that runs already, and reads when it is told to.
    shell.types("mkfifo ~/tell; (read -r < ~/tell; cat ~/plans/next > ~/told 2>&1) & true")?;
    // A name that is closed when a session begins, made by this one.
    ensure!(shell.types("echo mine > ~/made.pem; cat ~/made.pem")? == "mine\n");

    let said = policy(&world, &["deny", "~/diary"])?;
    ensure!(said.contains("session 1: obeys `deny-diary` from now on"), "{said}");
    ensure!(!shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/diary/../diary/today", "DEAR\n")?);
    ensure!(shell.types("ls ~/diary")?.contains(REFUSED));
    // What lies beside it goes on, and so does what it has made; what it began with holds.
    ensure!(shell.reads("~/shared/list", "LIST\n")? && shell.reads("~/made.pem", "mine\n")?);
    ensure!(!shell.reads("~/.aws/x", "KEY\n")?);
    // What is open stays so: the page says it.
    ensure!(shell.types("cat <&7")? == "DEAR\n");

    // A second change frees nothing of the first, nor of what it began with.
    let said = policy(&world, &["deny", "~/plans"])?;
    ensure!(said.contains("session 1: obeys `deny-plans` from now on"), "{said}");
    for (path, content) in [("~/diary/today", "DEAR\n"), ("~/plans/next", "PLAN\n"), ("~/.aws/x", "KEY\n")] {
        ensure!(!shell.reads(path, content)?, "{path}");
    }
    shell.types("echo now > ~/tell; wait")?;
    ensure!(shell.types("cat ~/told")?.contains(REFUSED));
    // What is not there yet is closed where it is made.
    policy(&world, &["deny", "~/later"])?;
    world.write(&world.home().join("later"), "LATER\n")?;
    ensure!(!shell.reads("~/later", "LATER\n")?);

    // What opens, and what was taken back, does not count in it, and that is said.
    let said = policy(&world, &["forget", "deny-diary"])?;
    let back = "obeys `deny-diary` to its end: that it was taken back counts from the next session on";
    ensure!(said.contains(back), "{said}");
    let said = policy(&world, &["allow", "~/.npmrc"])?;
    let opens = "has nothing opened by `allow-npmrc` yet: that counts from the next session on";
    ensure!(said.contains(opens), "{said}");
    ensure!(!shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/.npmrc", TOKEN)?);
    // Who is inside has no say.
    let (program, state) = (world.program()?.display().to_string(), world.state().display().to_string());
    let said = shell.types(&format!("{program} --state-dir {state} policy apply last; echo \"code $?\""))?;
    ensure!(said.contains("code 122"), "{said}");
    let said = shell.ends()?;
    ensure!(said.contains("its rules became other ones: obeys `deny-diary` from now on"), "{said}");
    // From the next one on it does.
    let mut next = Shell::start(&world, &[])?;
    ensure!(next.reads("~/diary/today", "DEAR\n")? && next.reads("~/.npmrc", TOKEN)?);
    ensure!(!next.reads("~/plans/next", "PLAN\n")?);
    // What is allowed no more is closed at once to whom it was open.
    let said = policy(&world, &["forget", "allow-npmrc"])?;
    ensure!(said.contains("session 2: has nothing opened by `allow-npmrc` any more"), "{said}");
    ensure!(!next.reads("~/.npmrc", TOKEN)? && next.reads("~/shared/list", "LIST\n")?);
    next.ends()?;
    // So is what is closed by its name alone.
    world.write(&world.home().join("other/.env"), "SECRET\n")?;
    policy(&world, &["allow", "~/other/.env"])?;
    let mut last = Shell::start(&world, &[])?;
    ensure!(last.reads("~/other/.env", "SECRET\n")?);
    policy(&world, &["forget", "allow-other-env"])?;
    ensure!(!last.reads("~/other/.env", "SECRET\n")?);
    last.ends()?;
    Ok(())
}

#[test]
fn a_file_that_was_edited_is_obeyed_by_a_word() -> Result<()> {
    let world = world()?;
    let mut shell = Shell::start(&world, &[])?;
    let file = own::file(&world);
    fs::create_dir_all(file.parent().context("no directory")?)?;
    fs::write(&file, rule("edited", "home = \"shared\""))?;
    ensure!(shell.reads("~/shared/list", "LIST\n")?);
    ensure!(policy(&world, &["apply"])? == "session 1: obeys `edited` from now on\n");
    ensure!(!shell.reads("~/shared/list", "LIST\n")?);
    ensure!(policy(&world, &["apply"])? == "session 1: obeys what it obeyed\n");
    // One that holds no rules.
    fs::write(&file, "[[rule]]\nid = 3\n")?;
    let (code, said) = asked(&world, &["apply"])?;
    let wanted = "session 1 goes on under the rules of before: these rules cannot be obeyed";
    ensure!(code == Some(125) && said.contains(wanted), "{code:?} {said}");
    ensure!(said.contains(&format!("{}:2:6: ", file.display())), "{said}");
    ensure!(!shell.reads("~/shared/list", "LIST\n")? && shell.reads("~/diary/today", "DEAR\n")?);
    // What is somebody else's is not closed, which is said, and keeps no other rule from closing.
    fs::write(&file, rule("b", "root = \"/usr/bin/true\"") + &rule("c", "home = \"diary\""))?;
    for _ in 0..2 {
        let (code, said) = asked(&world, &["apply"])?;
        ensure!(code == Some(125) && said.contains("rule `b` closes `/usr/bin/true`"), "{code:?} {said}");
        ensure!(!shell.reads("~/diary/today", "DEAR\n")? && !shell.reads("~/shared/list", "LIST\n")?);
        ensure!(shell.types("/usr/bin/true && echo started")? == "started\n");
    }
    shell.ends()?;
    Ok(())
}

#[test]
fn a_link_that_a_session_has_made_leads_nobody_anywhere() -> Result<()> {
    let world = world()?;
    let mut shell = Shell::start(&world, &[])?;
    shell.types("ln -s ~/shared ~/trap; ln -s ~/.aws ~/middle; ln -s ~/.aws ~/open")?;
    // At the place, and on the way to it.
    for (place, link) in [("~/trap", "trap"), ("~/middle/x", "middle")] {
        let (code, said) = asked(&world, &["deny", place])?;
        let told =
            format!("`{}` is a link, which a session may have made", world.home().join(link).display());
        ensure!(code == Some(125) && said.contains(&told), "{code:?} {said}");
    }
    // As long as it is not closed it is said, whoever asks.
    let (code, said) = asked(&world, &["apply"])?;
    ensure!(code == Some(125) && said.contains("trap` is a link"), "{code:?} {said}");
    ensure!(shell.reads("~/shared/list", "LIST\n")?, "it is somebody's work, and nobody closed it");
    ensure!(!shell.reads("~/.aws/x", "KEY\n")?);
    // What opens something counts for nobody who runs, wherever it leads.
    for args in [&["lend", "~/open", "--host", "127.0.0.1"][..], &["forget", "lend-open"]] {
        let (_, said) = asked(&world, args)?;
        ensure!(!shell.reads("~/.aws/x", "KEY\n")? && !shell.reads("~/open/x", "KEY\n")?, "{args:?}: {said}");
    }
    // In what is closed lie links.
    shell.types("ln -s ~/shared ~/diary/link")?;
    let (code, said) = asked(&world, &["deny", "~/diary"])?;
    ensure!(code == Some(125) && said.contains("diary/link` is a link"), "{code:?} {said}");
    ensure!(!shell.reads("~/diary/today", "DEAR\n")? && shell.reads("~/shared/list", "LIST\n")?);
    shell.ends()?;
    Ok(())
}

#[test]
fn what_is_lent_no_more_is_closed_and_nothing_is_newly_lent() -> Result<()> {
    let world = world()?;
    policy(&world, &["lend", "~/.npmrc", "--host", "127.0.0.1"])?;
    let mut shell = Shell::start(&world, &[])?;
    ensure!(shell.reads("~/.npmrc", TOKEN)?);
    let said = policy(&world, &["lend", "~/.pypirc", "--host", "127.0.0.1"])?;
    ensure!(said.contains("has nothing opened by `lend-pypirc` yet"), "{said}");
    ensure!(!shell.reads("~/.pypirc", TOKEN)? && shell.reads("~/.npmrc", TOKEN)?);
    let said = policy(&world, &["forget", "lend-npmrc"])?;
    ensure!(said.contains("has nothing opened by `lend-npmrc` any more"), "{said}");
    ensure!(!shell.reads("~/.npmrc", TOKEN)? && shell.reads("~/diary/today", "DEAR\n")?);
    shell.ends()?;
    Ok(())
}

/// A rule that is written while a session is armed is one of those under which it begins, or is taken by it before its command's
/// first instruction.
#[test]
fn no_session_that_is_just_beginning_misses_a_rule() -> Result<()> {
    let world = world()?;
    // The first one starts the supervisor.
    Shell::start(&world, &[])?.ends()?;
    let begun = Instant::now();
    let mut shell = Shell::start(&world, &[])?;
    let start = begun.elapsed();
    ensure!(shell.reads("~/shared/list", "LIST\n")?);
    shell.ends()?;
    // How a session came by the rule: it was there, it was taken before the command was let in, or the one who wrote it told it.
    let (mut there, mut before, mut told) = (0, 0, 0);
    let mut number = 0;
    while number < STARTS || (before == 0 && number < 3 * STARTS) {
        number += 1;
        let (place, file) = (format!("~/kept{number}"), format!("~/kept{number}/x"));
        world.write(&world.home().join(format!("kept{number}/x")), "KEPT\n")?;
        let mut shell = Shell::begin(&world, &[])?;
        sleep(start * (number % STARTS) / STARTS);
        let said = policy(&world, &["deny", &place])?;
        ensure!(!shell.reads(&file, "KEPT\n")?, "{number}: {said}");
        ensure!(shell.reads("~/shared/list", "LIST\n")?, "{number}");
        let noted = shell.ends()?.contains(&format!("obeys `deny-kept{number}` from now on"));
        match (noted, said.contains(&format!("obeys `deny-kept{number}` from now on"))) {
            (_, true) => told += 1,
            (true, false) => before += 1,
            (false, false) => there += 1,
        }
    }
    println!(
        "{there} had the rule, {before} took it before their command was let in, {told} were told of it"
    );
    ensure!(before > 0, "no rule was written while a session was armed: nothing was tried");
    Ok(())
}

#[test]
fn a_rule_for_a_task_holds_while_the_sessions_task_is_that() -> Result<()> {
    let world = world()?;
    // The user's own link leads somewhere else.
    world.write(&world.home().join("far/letters"), "DEAREST\n")?;
    std::os::unix::fs::symlink("../far", world.home().join("diary/far"))?;
    lchown(world.home().join("diary/far"), Some(world.user.id), Some(world.user.id))?;
    policy(&world, &["deny", "~/diary", "--task", "review"])?;
    let mut edits = Shell::start(&world, &["--task", "edit"])?;
    let mut reviews = Shell::start(&world, &["--task", "review"])?;
    ensure!(edits.reads("~/diary/today", "DEAR\n")? && !reviews.reads("~/diary/today", "DEAR\n")?);
    for (task, may) in
        [("review", false), ("edit", true), ("review", false), ("review", false), ("install", true)]
    {
        let output = world.run(["task", "1", task])?;
        // The link is said: it was followed when the session began alone.
        let code = if task == "review" { 125 } else { 0 };
        ensure!(output.status.code() == Some(code), "{output:?}");
        ensure!(edits.reads("~/diary/today", "DEAR\n")? == may, "{task}");
        ensure!(edits.reads("~/shared/list", "LIST\n")? && !edits.reads("~/.aws/x", "KEY\n")?, "{task}");
        ensure!(!reviews.reads("~/diary/today", "DEAR\n")?, "{task} is another session's");
    }
    // What was closed when it began is closed whenever its task is that, wherever links of the user's led then.
    for task in ["review", "review", "edit", "review"] {
        world.run(["task", "2", task])?;
        let is_open = task == "edit";
        ensure!(reviews.reads("~/far/letters", "DEAREST\n")? == is_open, "{task}");
        ensure!(reviews.reads("~/diary/today", "DEAR\n")? == is_open, "{task}");
    }
    // Said while it runs, it holds when its task comes, and at once where it is there.
    let (_, said) = asked(&world, &["deny", "~/shared", "--task", "review"])?;
    ensure!(said.contains("during review: rule `deny-shared`"), "{said}");
    ensure!(edits.reads("~/shared/list", "LIST\n")? && !reviews.reads("~/shared/list", "LIST\n")?);
    world.run(["task", "1", "review"])?;
    ensure!(!edits.reads("~/shared/list", "LIST\n")? && !edits.reads("~/.aws/x", "KEY\n")?);
    // What is closed whatever the task stays so.
    asked(&world, &["deny", "~/plans"])?;
    ensure!(world.run(["task", "1", "edit"])?.status.success());
    ensure!(edits.reads("~/shared/list", "LIST\n")? && !edits.reads("~/plans/next", "PLAN\n")?);
    edits.ends()?;
    reviews.ends()?;
    Ok(())
}
