use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("node/node", "\x7fELF"),
            ("pnpm/claude", PNPM),
            ("pnpm/modules/@anthropic-ai/claude-code/cli.js", "#!/usr/bin/env -S node --no-warnings\n"),
            ("packages/node_modules/@openai/codex/bin/codex", "\x7fELF"),
        ] {
            home.write(path, text);
        }
        std::fs::rename(home.at("pnpm/modules"), home.at("pnpm/node_modules")).unwrap();
        for (link, to) in [
            ("bin/codex", "packages/node_modules/@openai/codex/bin/codex"),
            ("bin/cc", "pnpm/node_modules/@anthropic-ai/claude-code/cli.js"),
        ] {
            home.link(link, to);
        }
        fs::create_dir_all(home.at("src/app/work")).unwrap();
        fs::create_dir_all(home.at("src/app/.git")).unwrap();
        home
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn link(&self, link: &str, to: &str) {
        fs::create_dir_all(self.at(link).parent().unwrap()).unwrap();
        symlink(self.at(to), self.at(link)).unwrap();
    }

    fn way(&self, command: &[&str]) -> Option<Way> {
        let path = ["bin", "pnpm", "node"].map(|place| self.at(place).into_os_string());
        let path = path.join(OsStr::new(":"));
        let works = [self.at("src/app/work")];
        let variable = |name: &str| (name == "PATH").then_some(path.as_os_str());
        let command: Vec<Vec<u8>> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
        let command: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let (home, workspaces) = (&self.at(""), &works);
        Places { variable: &variable, home, workspaces, directory: None, is_said: false }.way(&command)
    }

    /// The agent and its programs, below the home: `INTERPRETER SCRIPT...`.
    fn ends(&self, command: &[&str]) -> Option<String> {
        let way = self.way(command)?;
        let home = format!("{}/", self.at("").display());
        let end = |end: &End| {
            let script = end.script.iter().flatten().map(ToString::to_string);
            [end.program.to_string()].into_iter().chain(script).collect::<Vec<_>>().join(" ")
        };
        let ends: Vec<String> = way.ends.iter().map(end).collect();
        if ends.is_empty() {
            return None;
        }
        Some(format!("{}: {}", way.agent?, ends.join(", ")).replace(&home.replace("//", "/"), ""))
    }
}

const PNPM: &str = "#!/bin/sh\nbasedir=$(dirname \"$(echo \"$0\" | sed -e 's,\\\\,/,g')\")\n\n\
    case `uname` in\n    *CYGWIN*) basedir=`cygpath -w \"$basedir\"`;;\nesac\n\n\
    if [ -x \"$basedir/node\" ]; then\n  exec \"$basedir/node\"  \"$basedir/node_modules/../node_modules/@anthropic-ai/claude-code/cli.js\" \"$@\"\n\
    else\n  exec node  \"$basedir/node_modules/../node_modules/@anthropic-ai/claude-code/cli.js\" \"$@\"\nfi\n";
const LAID_DOWN: &str = "claude-code: node/node pnpm/node_modules/../node_modules/@anthropic-ai/claude-code/cli.js \
    pnpm/node_modules/@anthropic-ai/claude-code/cli.js";
const LINKED: &str = "claude-code: node/node bin/cc pnpm/node_modules/@anthropic-ai/claude-code/cli.js";
const CODEX: &str = "codex: packages/node_modules/@openai/codex/bin/codex";

#[test]
fn what_starts_an_agent_leads_to_its_program() {
    let home = Home::new();
    home.write("bin/mine", "#!/bin/sh\nset -e # codex\necho codex\nX=1 exec claude \"$@\"\n");
    home.write("bin/theirs", "#!/usr/bin/env bash\nif true; then timeout -k 5 60 nice ~/bin/codex; fi\n");
    home.write("bin/grep", "\x7fELF");
    home.write("bin/loops", "#!/bin/sh\nloops\nexec loops\n");
    home.write(".npm/_npx/0a/node_modules/@google/gemini-cli/dist/index.js", "#!/usr/bin/env node\n");
    home.link(
        ".npm/_npx/0a/node_modules/.bin/gemini",
        ".npm/_npx/0a/node_modules/@google/gemini-cli/dist/index.js",
    );
    for (command, ends) in [
        (&["claude"][..], Some(LAID_DOWN)),
        (&["mine", "-p"], Some(LAID_DOWN)),
        (&["@/bin/theirs"], Some(CODEX)),
        (&["env", "X=1", "cc"], Some(LINKED)),
        (&["sh", "-c", "codex --version; exec codex"], Some(CODEX)),
        (&["bash", "-e", "@/bin/theirs"], Some(CODEX)),
        (&["npx", "--yes", "@openai/codex"], Some(CODEX)),
        (&["pnpm", "exec", "codex"], Some(CODEX)),
        (
            &["npx", "@google/gemini-cli@latest"],
            Some(
                "gemini: node/node .npm/_npx/0a/node_modules/.bin/gemini \
                 .npm/_npx/0a/node_modules/@google/gemini-cli/dist/index.js",
            ),
        ),
        // They are the agent themselves.
        (&["codex"], None),
        (&["cc"], None),
        (&["node", "@/bin/cc"], None),
        (&["loops"], None),
        (&["sh"], None),
        (&["env"], None),
        (&["grep", "codex"], None),
        (&["timeout", "60", "grep", "codex"], None),
        (&["sh", "-c", "claude || codex"], None),
    ] {
        let command: Vec<String> =
            command.iter().map(|word| word.replace("@/", &format!("{}/", home.at("").display()))).collect();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        assert_eq!(home.ends(&command).as_deref(), ends, "{command:?}");
    }
    let grounds = home.way(&["claude"]).unwrap().grounds;
    let paths: Vec<_> = grounds.iter().map(|ground| ground.path.to_string()).collect();
    for (held, place) in paths.iter().zip(["src/app", "src/app/work"]) {
        assert!(held.ends_with(place), "{held}");
    }
    assert_eq!(paths.len(), 2);
}

#[test]
fn shims_of_version_managers_lead_to_what_these_keep() {
    const MODULE: &str = "lib/node_modules/@github/copilot/index.js";
    let home = Home::new();
    let kept = [".asdf/installs/nodejs/22.1", ".local/share/mise/installs/node/22.1"];
    for place in kept {
        home.write(&format!("{place}/{MODULE}"), "#!/usr/bin/env node\n");
        home.write(&format!("{place}/bin/node"), "\x7fELF");
        home.link(&format!("{place}/bin/copilot"), &format!("{place}/{MODULE}"));
    }
    home.write("tools/mise", "\x7fELF");
    home.link("bin/copilot", "tools/mise");
    fs::remove_file(home.at("node/node")).unwrap();
    home.link("node/node", "tools/mise");
    home.write(".asdf/shims/copilot", "#!/usr/bin/env bash\nexec /opt/asdf exec \"copilot\" \"$@\"\n");
    let shim = home.at(".asdf/shims/copilot").display().to_string();
    home.write("bin/mine", &format!("#!/bin/sh\nexec {shim}\n"));
    for command in [&["env", "copilot"][..], &["mine"], &[&shim], &["mise", "x", "--", "copilot"]] {
        let ends = home.ends(command).unwrap();
        // Each by what interprets there, and by none of the shims.
        assert!(ends.starts_with("copilot: ") && ends.split(", ").count() == 4, "{command:?} {ends}");
        for place in kept {
            let end = format!("{place}/bin/node {place}/bin/copilot {place}/{MODULE}");
            assert!(ends.contains(&end), "{command:?} {ends}");
        }
        assert!(!ends.contains("tools/"), "{command:?} {ends}");
    }
    assert_eq!(home.ends(&["copilot"]), None, "it becomes the agent itself");
}

#[test]
fn what_the_repository_decides_leads_nowhere() {
    let home = Home::new();
    let program = "node_modules/@openai/codex/bin/codex";
    for place in ["src/app/work", "src/app", "src/other", "linked"] {
        home.write(&format!("{place}/{program}"), "\x7fELF");
    }
    home.link("src/app/link", "linked");
    fs::create_dir_all(home.at("src/other/.git")).unwrap();
    // Another one on PATH would be looked at, too.
    fs::remove_file(home.at("bin/codex")).unwrap();
    let line = |place: &str| format!("true && exec {}/{program}", home.at(place).display());
    let agent = |place: &str| home.ends(&["sh", "-c", &line(place)]);
    assert!(agent("packages").is_some());
    assert!(agent("src/other").is_some(), "another repository");
    for place in ["src/app/work", "src/app", "linked"] {
        assert_eq!(agent(place), None, "{place}");
        // Then nobody is.
        let way = home.way(&["sh", "-c", &line(place)]).unwrap();
        assert_eq!((way.agent.as_deref(), way.ends.len()), (Some("codex"), 0), "{place}");
    }
    let long = "if ".repeat(15_000) + "codex";
    assert_eq!(home.way(&["sh", "-c", &long]).unwrap().ends, [], "nobody reads that");
    let own = home.at(&format!("src/app/work/{program}"));
    let way = home.way(&[own.to_str().unwrap()]).unwrap();
    assert_eq!((way.agent.as_deref(), way.ends.len()), (Some("codex"), 0), "started directly");
    home.write("src/app/run", &format!("#!/bin/sh\n{}\n", line("packages")));
    assert_eq!(home.ends(&["sh", "-c", &home.at("src/app/run").display().to_string()]), None);
}

#[test]
fn a_script_that_is_called_like_the_agent_leads_to_it() {
    let home = Home::new();
    home.write("real/node_modules/@openai/codex/bin/codex", "\x7fELF");
    let real = home.at("real/node_modules/@openai/codex/bin/codex").display().to_string();
    fs::remove_file(home.at("bin/codex")).unwrap();
    home.write("bin/codex", &format!("#!/bin/sh\ncat <<E >/tmp/x\nit isn't it\nE\nexec {real} \"$@\"\n"));
    assert_eq!(home.ends(&["codex"]).as_deref(), Some("codex: real/node_modules/@openai/codex/bin/codex"));
    // Which looks for the next one on PATH.
    fs::remove_file(home.at("bin/codex")).unwrap();
    home.write("bin/codex", "#!/bin/sh\nPATH=${PATH#*:} exec codex\n");
    home.link("node/codex", "real/node_modules/@openai/codex/bin/codex");
    assert_eq!(home.ends(&["codex"]).as_deref(), Some("codex: real/node_modules/@openai/codex/bin/codex"));
}
