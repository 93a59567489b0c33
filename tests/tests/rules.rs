//! Users' rules: what they close is closed, what they open is open for their user's sessions, nobody inside a session
//! writes one, and what cannot be obeyed or believed lets nothing start.

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::own::{self, OWN};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

/// Refused by policy: a promise to scripts.
const REFUSED: Option<i32> = Some(122);
const TOKEN: &str = "//registry.example.org/:_authToken=TOKEN\n";

fn rule(id: &str, place: &str, what: &str, effect: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = [\"{place}\"]\nwhat = \"{what}\"\neffect = \"{effect}\"\nwhy = \"said\"\n\n"
    )
}

fn world() -> Result<World> {
    let world = own::world()?;
    for (path, content) in [
        (".npmrc", TOKEN),
        (".pypirc", TOKEN),
        ("customers/list", "LIST\n"),
        ("shared/list", "LIST\n"),
        ("diary/today", "DEAR\n"),
        (".aws/x", "KEY\n"),
    ] {
        world.write(&world.home().join(path), content)?;
    }
    Ok(world)
}

fn enforced(world: &World, script: &str) -> Result<Output> {
    world.run_script("enforce", &["--quiet"], script)
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// `wardline policy ARGS`, for the world's user.
fn policy(world: &World, args: &[&str]) -> Result<Output> {
    let user = format!("{0}:{0}", world.user.id);
    let mut command = world.wardline(["policy"]);
    command.args(args).args(["--user", &user, "--home"]).arg(world.home());
    command.output().context("`wardline policy` cannot be run")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("no directory")?)?;
    Ok(fs::write(path, text)?)
}

#[test]
fn the_users_rules_hold_in_the_users_sessions() -> Result<()> {
    let world = world()?;
    let output = enforced(&world, "cat ~/.npmrc; cat ~/customers/list")?;
    assert_eq!(said(&output).0, "LIST\n", "{output:?}");

    for args in [&["allow", "~/.npmrc", "--why", "it is asked for"][..], &["deny", "~/customers"]] {
        let output = policy(&world, args)?;
        ensure!(output.status.success(), "{args:?}: {output:?}");
    }
    said_in_english(&world)?;
    let text = fs::read_to_string(own::file(&world))?;
    ensure!(text.contains("why = \"it is asked for\"") && text.matches("[[rule]]").count() == 4, "{text}");

    let program = world.program()?.display().to_string();
    let file = own::file(&world).display().to_string();
    let script = format!(
        "cat ~/.npmrc; cat ~/customers/list; cat ~/.aws/x; echo x >> ~/.npmrc && echo changed
         cat ~/.pypirc; cat ~/diary/today; echo x >> ~/diary/today && echo added
         cat {file} > /dev/null && echo seen
         echo >> {file} && echo written; rm -f {file}; mv ~/.npmrc {file} && echo moved; mv /etc/wardline/users ~/u && echo moved
         {program} --state-dir {} policy allow ~/.aws; echo \"status $?\"",
        world.state().display()
    );
    let output = enforced(&world, &script)?;
    let (out, told) = said(&output);
    assert_eq!(out, format!("{TOKEN}{TOKEN}added\nseen\nstatus 122\n"), "{output:?}");
    ensure!(told.contains("a session has no say in how it is guarded"), "{told}");
    assert_eq!(fs::read_to_string(own::file(&world))?, text, "as it was");

    for rule in ["~/customers", "allow-npmrc"] {
        let output = policy(&world, &["forget", rule])?;
        ensure!(output.status.success(), "{output:?}");
    }
    let output = enforced(&world, "cat ~/.npmrc; cat ~/customers/list")?;
    assert_eq!(said(&output).0, "LIST\n", "{output:?}");
    Ok(())
}

/// What is not understood whole is not written, what is shown is written after a yes alone, and what is written is tried.
fn said_in_english(world: &World) -> Result<()> {
    let before = fs::read_to_string(own::file(world))?;
    for (text, status, wanted) in [
        ("Never read ~/diary at night.", 120, "No agent session may read `~/diary`."),
        ("Never read ~/diary. Agents may read ~/.pypirc if they ask.", 120, "nothing was written"),
        ("Never read ~/diary.", 0, "`~/diary`: must be refused"),
        ("Never read /usr/bin/true.", 122, "does not belong to user"),
    ] {
        let yes = if status == 0 { &[][..] } else { &["--yes"] };
        let output = policy(world, &[&["say", text], yes].concat())?;
        let (out, told) = said(&output);
        assert_eq!(output.status.code(), Some(status), "{text}: {output:?}");
        ensure!(out.contains(wanted) || told.contains(wanted), "{text}: {output:?}");
        assert_eq!(fs::read_to_string(own::file(world))?, before, "{text}");
    }
    let text = "Never read ~/diary, because it is mine. Agents may read ~/.pypirc.";
    let output = policy(world, &["say", "--yes", text])?;
    ensure!(output.status.success(), "{output:?}");
    let mut command = world.wardline(["policy", "test", "--json", "deny-diary", "allow-pypirc"]);
    let id = world.user.id.to_string();
    let output = command.env("SUDO_UID", &id).env("SUDO_GID", &id).current_dir("/").output()?;
    let tried: Vec<Value> = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
    ensure!(tried.iter().all(|tried| tried["is_right"] == true), "{tried:?}");
    let came = tried.iter().map(|tried| format!("{} {} {}", tried["rule"], tried["deed"], tried["came"]));
    let wanted = [
        r#""deny-diary" "read" "refused""#,
        r#""deny-diary" "read" "happened""#,
        r#""deny-diary" "change" "happened""#,
        r#""allow-pypirc" "read" "happened""#,
    ];
    assert_eq!(came.collect::<Vec<_>>(), wanted, "{tried:?}");
    Ok(())
}

/// All of the shipped rules, in a home that is made for them: what they close is refused, and what lies beside goes on.
#[test]
fn every_shipped_rule_holds_as_it_says() -> Result<()> {
    let world = World::new()?;
    let output = world.wardline(["policy", "test", "--json"]).current_dir("/").output()?;
    let tried: Vec<Value> = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
    let wrong: Vec<_> = tried.iter().filter(|tried| tried["is_right"] != true).collect();
    assert_eq!((wrong.len(), output.status.code()), (0, Some(0)), "{wrong:?}");
    let count = |came: &str| tried.iter().filter(|tried| tried["came"] == came).count();
    ensure!(
        count("refused") > 2_000 && count("happened") > 300,
        "{} {}",
        count("refused"),
        count("happened")
    );
    Ok(())
}

#[test]
fn what_cannot_be_obeyed_or_believed_lets_nothing_start() -> Result<()> {
    let world = world()?;
    let place = own::file(&world).display().to_string();
    let wrong = [
        (
            rule("x", "a", "raed", "deny"),
            format!("{place}:5:8: `raed` is no operation; did you mean `read`?"),
        ),
        (rule("x", ".ssh", "read", "allow"), format!("{place}:1:1: `~/.ssh` stays closed by rule `ssh`")),
        (rule("x", "a/../b", "read", "deny"), format!("{place}:4:15: this is no plain path")),
    ];
    for (text, wanted) in &wrong {
        write(&own::file(&world), text)?;
        let output = enforced(&world, "echo started")?;
        let (out, told) = said(&output);
        assert_eq!((output.status.code(), &*out), (REFUSED, ""), "{output:?}");
        ensure!(told.contains(wanted), "{told}");
    }
    write(&own::file(&world), &rule("x", "a", "read", "deny"))?;
    fs::set_permissions(own::file(&world), Permissions::from_mode(0o664))?;
    let output = enforced(&world, "echo started")?;
    assert_eq!(output.status.code(), REFUSED, "{output:?}");
    ensure!(said(&output).1.contains("others may write it"), "{output:?}");
    fs::set_permissions(own::file(&world), Permissions::from_mode(0o644))?;
    // Somebody else's place would be closed in everybody's sessions.
    let elsewhere = "[[rule]]\nid = \"x\"\nis = \"x\"\nwhere.root = \"/usr/bin/true\"\nwhat = \"everything\"\neffect = \"deny\"\nwhy = \"w\"\n";
    write(&own::file(&world), elsewhere)?;
    let output = enforced(&world, "echo started")?;
    ensure!(said(&output).1.contains("does not belong to you") && !output.status.success(), "{output:?}");
    fs::remove_file(own::file(&world))?;
    let output = enforced(&world, "echo started")?;
    assert_eq!(said(&output).0, "started\n", "{output:?}");
    Ok(())
}

#[test]
fn the_machines_rules_bind_every_user() -> Result<()> {
    let world = world()?;
    let directory = Path::new(OWN).join("policy.d");
    fs::create_dir(&directory)?;
    fs::write(directory.join("company.toml"), rule("company", "shared", "everything", "deny"))?;
    fs::write(directory.join("registry.toml"), rule("registry", ".npmrc", "read", "allow"))?;
    let script =
        format!("cat ~/.npmrc ~/shared/list ~/customers/list; echo x >> {OWN}/policy.d/company.toml");
    let output = enforced(&world, &script)?;
    assert_eq!(said(&output).0, format!("{TOKEN}LIST\n"), "{output:?}");

    write(&own::file(&world), &rule("mine", "shared", "read", "allow"))?;
    let output = enforced(&world, "echo started")?;
    assert_eq!(output.status.code(), REFUSED, "{output:?}");
    ensure!(said(&output).1.contains("`company` is final"), "{output:?}");
    // What a user closes is closed whatever the machine opens.
    write(&own::file(&world), &rule("mine", ".npmrc", "read", "deny"))?;
    let output = enforced(&world, "cat ~/.npmrc; cat ~/customers/list")?;
    assert_eq!(said(&output).0, "LIST\n", "{output:?}");
    fs::write(directory.join("registry.toml"), rule("company", ".npmrc", "read", "allow"))?;
    let output = enforced(&world, "echo started")?;
    ensure!(said(&output).1.contains("has a rule `company`, too"), "{output:?}");
    assert_eq!(output.status.code(), REFUSED, "{output:?}");
    Ok(())
}

/// Rules that came with a repository: shown and not obeyed, until somebody outside says so of exactly this text.
#[test]
fn a_repositorys_rules_count_when_they_are_believed_as_they_are() -> Result<()> {
    let world = world()?;
    let file = world.workspace().join(".wardline.toml");
    let own = |effect: &str| rule("env", ".env", "read", effect).replace("where.home", "where.workspace");
    world.write(&world.workspace().join(".env"), "KEY\n")?;
    world.write(&file, own("deny"))?;
    let session = |script: &str| {
        let output = world.run_script("enforce", &[], script)?;
        Ok::<_, anyhow::Error>((said(&output), output.status.code()))
    };
    let trust = |more: &[&str]| {
        let mut command = world.wardline(["policy", "trust"]);
        let user = format!("{0}:{0}", world.user.id);
        command.args(more).args(["--user", &user, "--home"]).arg(world.home()).output()
    };
    let would = "it would say \"No agent session may read `.env` in the workspace.\"";

    let ((out, told), _) = session("cat .env")?;
    ensure!(out == "KEY\n" && told.contains(would), "{out} {told}");
    // Shown, and not written without a yes.
    let output = trust(&[])?;
    ensure!(said(&output).0.contains("No agent session may read `.env` in the workspace."), "{output:?}");
    ensure!(said(&output).0.contains("nothing was written"), "{output:?}");
    ensure!(session("cat .env")?.0.0 == "KEY\n");

    let output = trust(&["--yes"])?;
    ensure!(output.status.success(), "{output:?}");
    let program = world.program()?.display().to_string();
    let state = world.state().display().to_string();
    let script = format!(
        "cat .env; cat .wardline.toml > /dev/null && echo seen; echo >> .wardline.toml && echo changed
         mv .env other; cat other; mv other .env
         {program} --state-dir {state} policy trust --forget; echo \"status $?\""
    );
    let ((out, told), _) = session(&script)?;
    assert_eq!(out, "seen\nstatus 122\n", "{told}");
    ensure!(told.contains("a session has no say in how it is guarded"), "{told}");

    // Whoever changes it is not believed for what it was.
    world.write(&file, own("deny") + "# more\n")?;
    let ((out, told), _) = session("cat .env")?;
    ensure!(out == "KEY\n" && told.contains("it was changed since") && told.contains(would), "{told}");
    world.write(&file, own("deny"))?;
    ensure!(session("cat .env")?.0.0.is_empty());
    ensure!(trust(&["--forget"])?.status.success());
    ensure!(session("cat .env")?.0.0 == "KEY\n");

    // What opens something is no rule of a repository's, and stops nobody.
    world.write(&file, own("allow"))?;
    let output = trust(&["--yes"])?;
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let name = file.display();
    ensure!(said(&output).1.contains("a repository's rules open nothing"), "{output:?}");
    let ((out, told), code) = session("echo started")?;
    assert_eq!((&*out, code), ("started\n", Some(0)), "{told}");
    ensure!(told.contains(&format!("`{name}` is not obeyed, since it holds no rules:6:10: ")), "{told}");
    let output = world.run(["policy", "check", ".wardline.toml"])?;
    ensure!(output.status.code() == Some(125), "{output:?}");
    Ok(())
}
