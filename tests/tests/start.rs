//! Programs outside `/usr`, as people install them: each starts under the baseline that was learned of it, and one that the
//! baseline does not know says that Wardline refused it.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

/// A home with programs in it, and what sessions in it came to.
struct Installed {
    world: World,
    summary: PathBuf,
}

impl Installed {
    fn new() -> Result<Self> {
        let world = World::new()?;
        Ok(Self { summary: world.path().join("summary.json"), world })
    }

    /// Writes a program of the user.
    fn program(&self, path: &str, text: &str) -> Result<PathBuf> {
        let path = self.world.home().join(path);
        self.world.write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// Runs a program in a session; what it printed is asserted by who asks.
    fn session(&self, verb: &str, more: &[&str], program: &Path) -> Result<(Output, Value)> {
        let home = self.world.home();
        let path = format!("{0}/bin:{0}/.local/bin:/usr/bin:/bin", home.display());
        drop(fs::remove_file(&self.summary));
        let summary = self.summary.to_str().context("path")?;
        let more = [&["--task", "edit", "--summary-file", summary], more].concat();
        let mut args = self.world.session(verb, &more);
        args.push(program.to_str().context("path")?.to_owned());
        let output = self.world.wardline(args).env("PATH", path).output()?;
        let summary = fs::read(&self.summary).with_context(|| format!("no summary: {output:?}"))?;
        Ok((output, serde_json::from_slice(&summary)?))
    }

    /// Three recordings, a baseline, and a session that is guarded by it.
    fn starts_under_its_own_baseline(&self, program: &Path, says: &str) -> Result<()> {
        for _ in 0..3 {
            let (output, summary) = self.session("record", &["--quiet"], program)?;
            ensure!(output.status.code() == Some(0), "{output:?} {summary}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), says);
        }
        let trained = self.world.run(["train", "--agent", "test-agent"])?;
        ensure!(trained.status.success(), "{trained:?}");
        let (output, summary) = self.session("enforce", &["--quiet"], program)?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), says, "{output:?} {summary}");
        assert_eq!(output.status.code(), Some(0), "{output:?} {summary}");
        assert_eq!((&summary["denied"], &summary["mode"]), (&0.into(), &"enforce".into()), "{summary}");
        assert_eq!(summary["verdict"], "allow", "{summary}");
        ensure!(!summary["score"].is_null(), "there was no baseline: {summary}");
        Ok(())
    }
}

#[test]
fn a_script_of_two_lines() -> Result<()> {
    let installed = Installed::new()?;
    let program = installed.program("bin/hello", "#!/bin/sh\necho hello\n")?;
    installed.starts_under_its_own_baseline(&program, "hello\n")
}

#[test]
fn a_script_whose_interpreter_is_found_in_the_home() -> Result<()> {
    let installed = Installed::new()?;
    let interpreter = installed.program("bin/language", "")?;
    fs::copy("/bin/bash", interpreter)?;
    let program = installed.program("bin/hello", "#!/usr/bin/env language\necho hello\n")?;
    installed.starts_under_its_own_baseline(&program, "hello\n")
}

#[test]
fn a_script_that_a_script_starts() -> Result<()> {
    let installed = Installed::new()?;
    let inner = installed.program("lib/tool/inner", "#!/bin/sh\necho inner\n")?;
    let program =
        installed.program("bin/outer", &format!("#!/bin/bash\n{0}\n{0}\necho outer\n", inner.display()))?;
    installed.starts_under_its_own_baseline(&program, "inner\ninner\nouter\n")
}

#[test]
fn a_script_whose_interpreter_is_a_script() -> Result<()> {
    let installed = Installed::new()?;
    let interpreter = installed.program("lib/run", "#!/bin/sh\necho \"run $# of\"\ncat \"$1\"\n")?;
    let text = format!("#!{}\nhello\n", interpreter.display());
    let program = installed.program("bin/hello", &text)?;
    installed.starts_under_its_own_baseline(&program, &format!("run 1 of\n{text}"))
}

#[test]
fn a_link_to_a_version() -> Result<()> {
    let installed = Installed::new()?;
    let text = "#!/usr/bin/env bash\necho version 1.2 as ${0##*/}\n";
    installed.program(".local/share/tool/versions/1.2/bin/x", text)?;
    let links = installed.world.home().join(".local/bin");
    fs::create_dir_all(&links)?;
    symlink("../share/tool/versions/1.2/bin/x", links.join("x"))?;
    installed.starts_under_its_own_baseline(&links.join("x"), "version 1.2 as x\n")?;
    // By its name alone, as people start it.
    installed.starts_under_its_own_baseline(Path::new("x"), "version 1.2 as x\n")
}

#[test]
fn a_link_to_a_program_of_its_own() -> Result<()> {
    let installed = Installed::new()?;
    let version = installed.program(".local/share/tool/1.2", "")?;
    fs::copy("/bin/true", version)?;
    let links = installed.world.home().join(".local/bin");
    fs::create_dir_all(&links)?;
    symlink("../share/tool/1.2", links.join("tool"))?;
    let program = installed.program("bin/both", "#!/bin/bash\ntool && tool && echo both\n")?;
    installed.starts_under_its_own_baseline(&program, "both\n")?;
    // An upgrade starts under the same baseline; what has no version does not, wherever the link leads.
    let tool = installed.world.home().join(".local/share/tool");
    let leads_to = |name: &str| -> Result<()> {
        fs::remove_file(links.join("tool"))?;
        Ok(symlink(format!("../share/tool/{name}"), links.join("tool"))?)
    };
    fs::rename(tool.join("1.2"), tool.join("2.0.1"))?;
    leads_to("2.0.1")?;
    let (output, summary) = installed.session("enforce", &["--quiet"], &program)?;
    assert_eq!((&*output.stdout, &summary["denied"]), (&b"both\n"[..], &0.into()), "{summary}");
    fs::copy("/bin/true", tool.join("other"))?;
    leads_to("other")?;
    let (output, summary) = installed.session("enforce", &["--quiet"], &program)?;
    assert_eq!((&*output.stdout, output.status.code()), (&b""[..], Some(126)), "{summary}");
    let denial = &summary["denials"][0];
    assert_eq!((&denial["stage"], &denial["op"]), (&"T1".into(), &"exec".into()), "{summary}");
    Ok(())
}

/// Which of its user's tools a task needs depends on the repository: no recording ran these. And a program names its threads in
/// `/proc` whenever they are not the one that names them.
#[test]
fn what_a_user_installed_is_run_though_no_recording_ran_it() -> Result<()> {
    const ASKS: &str = "#!/bin/bash\n[ -z \"$1\" ] && { echo known; exit; }\n\
        for tool in ~/.cargo/bin/tool ~/.nvm/versions/node/v22.1.0/bin/tool ~/bin/tool; do $tool; done\n\
        echo named > /proc/self/comm; read -r name < /proc/self/comm; echo $name\n";
    let installed = Installed::new()?;
    let asks = installed.program(".local/bin/asks", ASKS)?;
    for place in [".cargo/bin", ".nvm/versions/node/v22.1.0/bin", "bin"] {
        installed.program(&format!("{place}/tool"), &format!("#!/bin/bash\necho {place}\n"))?;
    }
    installed.starts_under_its_own_baseline(&asks, "known\n")?;
    let mut args = installed.world.session("enforce", &["--quiet", "--task", "edit"]);
    args.extend([asks.display().to_string(), "all".to_owned()]);
    let output = installed.world.wardline(args).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, ".cargo/bin\n.nvm/versions/node/v22.1.0/bin\nnamed\n", "{output:?}");
    Ok(())
}

/// The command itself is refused: the words, the summary, and the code of a command that could not be executed. A program
/// that the session starts is refused to the session alone.
#[test]
fn a_program_that_the_baseline_does_not_know() -> Result<()> {
    let installed = Installed::new()?;
    let known = installed.program("bin/known", "#!/bin/bash\necho known; [ -z \"$1\" ] || $1\n")?;
    let unknown = installed.program("bin/unknown", "#!/bin/bash\necho unknown\n")?;
    installed.starts_under_its_own_baseline(&known, "known\n")?;
    let (output, summary) = installed.session("enforce", &[], &unknown)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), &*output.stdout), (Some(126), &b""[..]), "{output:?} {summary}");
    let path = unknown.display();
    for words in [
        format!(
            "Wardline refused to start `{path}`: the baseline test-agent/edit does not know `{path}` as a program"
        ),
        "no recorded `edit` session of `test-agent` ran `~/bin/unknown`".to_owned(),
        "`wardline enforce --shadow` runs it unrefused".to_owned(),
        "allow it with `sudo wardline review`".to_owned(),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert_eq!((&summary["denied"], &summary["exit_status"]), (&1.into(), &126.into()), "{summary}");
    let denial = &summary["denials"][0];
    assert_eq!((&denial["stage"], &denial["op"]), (&"T1".into(), &"exec".into()), "{summary}");
    let reason = denial["reason"].as_str().context("reason")?;
    assert!(reason.contains("ran `~/bin/unknown`"), "{reason}");
    let (output, summary) = installed.session("enforce", &["--shadow"], &unknown)?;
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"unknown\n"[..]), "{output:?} {summary}");
    assert_eq!(summary["denied"], 0, "{summary}");
    // The answer to it, and it starts.
    let allowed = installed.world.run(["allow", "5.1"])?;
    ensure!(allowed.status.success(), "{allowed:?}");
    let (output, summary) = installed.session("enforce", &["--quiet"], &unknown)?;
    assert_eq!((&*output.stdout, &summary["denied"]), (&b"unknown\n"[..], &0.into()), "{summary}");
    Ok(())
}
