//! The places of jewels, however they are reached.

use super::EPERM;
use anyhow::{Context, Result};
use end_to_end::World;
use end_to_end::attempt::{Attempt, Outcomes};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{Scene, assert_denials, is_lsm, rows, tells_changes};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::process::Output;

const OVERLAYS: [(&str, &str); 2] = [
    (
        "a program is put into `~/.config/autostart` through an overlay of `~/.config`",
        "autostart/evil.desktop",
    ),
    ("one is put into `~/.config/systemd/user`, which was not there", "systemd/user/evil.service"),
];

/// Changes of the jewels' places. Where LSM programs are to be had none of them does anything.
#[test]
fn nothing_of_a_jewel_is_changed() -> Result<()> {
    let changes = |scene: &Scene| {
        let p = |path: &str| scene.path(path);
        let (key, directory, new) = (&*p(".ssh/id_ed25519"), &*p(".ssh"), &*p(".ssh/new"));
        let settings = &*p(".claude/settings.json");
        rows([
            ("its permissions are changed", "chmod", &[key]),
            ("those of its directory are", "chmod", &[directory]),
            ("an attribute of its neighbour is set", "setxattr", &[&p(".ssh/config")]),
            ("a hard link is made beside it", "link", &[&p("notes.txt"), &p(".ssh/linked")]),
            ("a symbolic link is made beside it", "symlink", &["/etc/passwd", &p(".ssh/pointer")]),
            ("a directory is made beside it", "mkdir", &[&p(".ssh/directory")]),
            ("`~/.ssh/authorized_keys` is made", "create", &[&p(".ssh/authorized_keys")]),
            ("a file is moved beside it", "rename", &[&p("projects/app/main.txt"), new]),
            ("`~/.ssh/config` gets another name", "rename", &[&p(".ssh/config"), &p(".ssh/renamed")]),
            ("it is moved away", "rename", &[key, &p("out")]),
            ("a hard link to it gets another one", "link", &[&p("old-link"), &p("another-link")]),
            ("it is cut by its path", "truncate", &[&p("old-link")]),
            ("a hard link to it is removed", "unlink", &[&p("old-link")]),
            ("`~/.bashrc` is appended to", "append", &[&p(".bashrc")]),
            ("`~/.bashrc` is replaced", "rename", &[&p("notes.txt"), &p(".bashrc")]),
            ("`~/.claude/settings.json` is made", "create", &[settings]),
            ("`~/.claude/settings.json` is put there by rename", "rename", &[&p(".claude/notes"), settings]),
        ])
    };
    // These are refused in every tier.
    let opens = ["`~/.ssh/authorized_keys` is made", "`~/.bashrc` is appended to"];
    for as_root in [false, true] {
        let scene = Scene::new(as_root)?;
        for (name, errno) in scene.free(&changes(&scene))? {
            // There is none on every kernel's tmpfs.
            let missing = name == "an attribute of its neighbour is set" && errno == libc::EOPNOTSUPP;
            assert!(errno == 0 || missing, "no test: {name} fails without a guard: {errno}");
        }
        drop(scene);
        let scene = Scene::new(as_root)?;
        through_an_overlay(&scene, as_root)?;
        let state = || -> Result<_> {
            Ok((scene.keys()?, listing(&scene.path(""))?, listing(&scene.path(".claude"))?))
        };
        let before = state()?;
        let all = changes(&scene);
        let refused = |came: &Outcomes, of: &[Attempt], output: &Output| -> Result<()> {
            for change in of {
                let errno = *came.get(&change.name).with_context(|| format!("{output:?}"))?;
                assert_eq!(errno, EPERM, "{}", change.name);
                let by = if as_root { "root" } else { "a user" };
                bypass::came("A jewel is changed", &change.name, by, Fate::Refused);
            }
            Ok(())
        };
        let of_opens: Vec<Attempt> =
            all.iter().filter(|change| opens.contains(&change.name.as_str())).cloned().collect();
        let (came, summary, output) = scene.guarded("enforce", &of_opens)?;
        refused(&came, &of_opens, &output)?;
        if is_lsm(&summary)? {
            let (came, _, output) = scene.guarded("enforce", &all)?;
            refused(&came, &all, &output)?;
            assert_eq!(state()?, before);
            assert_eq!(fs::read_to_string(scene.path(".bashrc"))?, "plain\n");
        } else if tells_changes(&summary)? {
            // Who changed a jewel by its path where that cannot be refused has changed it, and is stopped.
            let before = state()?;
            let (_, summary, _) = scene.guarded("enforce", &all[..1])?;
            assert!(summary["t0_hits"].as_u64().is_some_and(|hits| hits > 0), "{summary}");
            assert_eq!(state()?, before, "it has the permissions again that it had: {summary}");
        }
        assert_denials(&summary, opens.len())?;
    }
    Ok(())
}

/// What an overlay shows of a directory is that directory.
fn through_an_overlay(scene: &Scene, as_root: bool) -> Result<()> {
    let by = if as_root { "root" } else { "a user" };
    let config = scene.path(".config");
    for path in [config.clone(), format!("{config}/autostart")] {
        fs::create_dir_all(&path)?;
        chown(&path, Some(scene.world.user.id), Some(scene.world.user.id))?;
    }
    let create = |way: &str, name: &str| rows([(way, "overlay-create", &[&config, name])]);
    assert_eq!(scene.free(&create("free", "other/free.desktop"))?["free"], 0);
    assert_eq!(fs::read_to_string(format!("{config}/other/free.desktop"))?, "made\n");
    for (way, name) in OVERLAYS {
        let (came, summary, output) = scene.guarded("enforce", &create(way, name))?;
        let made = fs::read_to_string(format!("{config}/{name}"));
        let denial = &summary["denials"][0];
        assert_eq!(denial["stage"], "T0", "{output:?} {summary:#}");
        if is_lsm(&summary)? {
            assert_eq!(came.get(way), Some(&EPERM), "{output:?}");
            assert!(made.is_err(), "{made:?}");
            bypass::came("A jewel is changed", way, by, Fate::Refused);
            continue;
        }
        assert_ne!(came.get(way), Some(&0), "{output:?} {summary:#}");
        assert_eq!(made.unwrap_or_default(), "", "{output:?} {summary:#}");
        bypass::came("A jewel is changed", way, by, Fate::Stopped);
    }
    Ok(())
}

/// People keep what lies in their home somewhere else, and link to it: the whole directory, or the file.
#[test]
fn a_jewel_behind_links_is_one() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    let kept =
        ["bashrc", "git/config", "claude/settings.json", "codex.toml", "opencode/opencode.json", "keys/work"];
    world.write(&home.join("dotfiles/ssh"), "Host box\n")?;
    for path in kept {
        world.write(&home.join("dotfiles").join(path), "plain\n")?;
    }
    fs::create_dir_all(home.join(".config"))?;
    fs::create_dir_all(home.join(".codex"))?;
    fs::create_dir_all(home.join(".ssh"))?;
    let links = [
        (".bashrc", "dotfiles/bashrc"),
        (".config/git", "../dotfiles/git"),
        (".claude", "dotfiles/claude"),
        (".codex/config.toml", "../dotfiles/codex.toml"),
        (".config/opencode", "../dotfiles/opencode"),
        (".ssh/id_ed25519", "../dotfiles/keys/work"),
        (".ssh/config", "../dotfiles/ssh"),
    ];
    for (link, to) in links {
        symlink(to, home.join(link))?;
    }
    let script = format!(
        "cd '{}'; for file in {}; do bash -c \"echo evil >>dotfiles/$file\"; done; cat dotfiles/keys/work; \
         for file in .bashrc .config/git/config .claude/settings.json .claude/settings.local.json .codex/config.toml \
         .config/opencode/opencode.json .ssh/id_ed25519; do bash -c \"echo evil >>$file\"; done; echo fine >dotfiles/other; \
         cat .ssh/config; echo went on",
        home.display(),
        kept.join(" ")
    );
    let output = world.run_script("enforce", &["--quiet"], &script)?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Host box\nwent on\n", "{output:?}");
    for path in kept {
        assert_eq!(fs::read_to_string(home.join("dotfiles").join(path))?, "plain\n", "{path}: {output:?}");
    }
    // Where the file is made before it is refused, it stays empty.
    let made = fs::read_to_string(home.join("dotfiles/claude/settings.local.json")).unwrap_or_default();
    assert_eq!((made.as_str(), fs::read_to_string(home.join("dotfiles/other"))?.as_str()), ("", "fine\n"));
    Ok(())
}

/// Programs look for parts of the home where variables say: what is a jewel in the home is one there.
#[test]
fn a_jewel_that_a_variable_names_is_one() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    let moved = home.join("moved");
    let (write, read) = (
        ["zsh/.zshrc", "config/git/config", "claude/settings.json", "codex/config.toml"],
        ["npmrc", "kube-two"],
    );
    for path in write.into_iter().chain(read) {
        world.write(&moved.join(path), "_authToken=THE-TOKEN\n")?;
    }
    let at = |path: &str| moved.join(path).display().to_string();
    let script = format!(
        "cd '{}'; for file in {}; do bash -c \"echo evil >>$file\"; done; cat {}; echo fine >>config/other; \
         echo fine >>zsh/.zlogin; cat config/other; echo went on",
        moved.display(),
        write.join(" "),
        read.join(" ")
    );
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash", "-c", &script].map(str::to_owned));
    let output = world
        .wardline(args)
        .env("ZDOTDIR", at("zsh"))
        .env("XDG_CONFIG_HOME", at("config"))
        .env("CLAUDE_CONFIG_DIR", at("claude"))
        .env("CODEX_HOME", at("codex"))
        .env("NPM_CONFIG_USERCONFIG", at("npmrc"))
        .env("KUBECONFIG", format!("{}:{}", at("kube-one"), at("kube-two")))
        // What is nobody's to close stays open, whatever a variable says.
        .env("DOCKER_CONFIG", "/etc")
        .env("AZURE_CONFIG_DIR", &home)
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "fine\nwent on\n", "{output:?}");
    for path in write {
        assert_eq!(fs::read_to_string(moved.join(path))?, "_authToken=THE-TOKEN\n", "{path}: {output:?}");
    }
    assert_eq!(fs::read_to_string(moved.join("zsh/.zlogin")).unwrap_or_default(), "", "{output:?}");
    Ok(())
}

/// Names in a directory.
fn listing(path: &str) -> Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}
