//! Tests of the labels in a realistic home.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use super::arming::socket_path;
use super::*;
use crate::denylist::fake::{Fake, key_of};
use crate::name::component;
use abi::{FileKey, Label, NameKey, PlaceKey, access};
use bstr::BString;
use event::Access;
use policy::{Layer, Rules};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

mod later;
mod search;

struct Home {
    tmp: tempfile::TempDir,
    list: Arc<Fake>,
}

impl Home {
    fn new() -> Self {
        Self { tmp: tempfile::tempdir().unwrap(), list: Arc::default() }
    }
    fn path(&self, path: &str) -> PathBuf {
        self.tmp.path().join("home").join(path)
    }
    fn write(&self, path: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), "x").unwrap();
    }
    fn guarded(&self) -> Guarded {
        fs::create_dir_all(self.path("")).unwrap();
        Guarded { uid: 4_000_000, home: self.path(""), ..Guarded::default() }
    }
    fn arm(&self) -> (Static, Coverage) {
        let stage = Static::new(self.list.clone(), Own::default(), Arc::default());
        let coverage = stage.arm(1, &self.guarded(), None).unwrap();
        (stage, coverage)
    }
    fn keep(&self) -> Vec<Kept> {
        let rules = Rules::default();
        let refusals: Vec<_> = rules.refusals().collect();
        let home = fs::canonicalize(self.path("")).unwrap();
        keep(&*self.list, (&self.path(""), &home), &refusals, &[], Links::All)
    }
    fn label(&self, path: &str) -> Option<Label> {
        self.list.state().t0.get(&key_of(&self.path(path))).copied()
    }
    /// What is said of a path, whatever lies there.
    fn place(&self, path: &str) -> Option<Label> {
        let home = fs::canonicalize(self.path("")).unwrap();
        let path = if path == ".." { home.parent().unwrap().to_owned() } else { home.join(path) };
        let hash = path
            .iter()
            .skip(1)
            .fold(abi::PLACE_ROOT, |place, name| abi::place_below(place, component(name.as_bytes()).1));
        let places = &self.list.state().places;
        places.iter().find(|(key, _)| key.hash == hash).map(|(_, label)| *label)
    }
    fn name(&self, dir: FileKey, name: &str) -> Option<Label> {
        self.list
            .state()
            .names
            .get(&NameKey { dir, name: crate::name::padded(name.as_bytes()).unwrap() })
            .copied()
    }
}

#[test]
fn an_empty_directory_may_be_made_where_agents_keep_their_own_alone() {
    let home = Home::new();
    home.write(".qwen/state.json");
    home.write(".config/x");
    let (_stage, _) = home.arm();
    let empty = |path: &str| home.place(path).map(|label| label.flags & abi::LABEL_EMPTY != 0);
    for path in [".qwen/skills", ".qwen/extensions", ".claude/commands", ".claude.json"] {
        assert_eq!(empty(path), Some(true), "{path}");
    }
    for path in [".ssh", ".bashrc", ".config/autostart", ".aws"] {
        assert_eq!(empty(path), Some(false), "{path}");
    }
}

#[test]
fn a_key_directory_is_labelled_with_everything_below_and_by_name() {
    let home = Home::new();
    home.write(".ssh/id_ed25519");
    home.write(".ssh/old/id_rsa");
    home.write("other");
    fs::hard_link(home.path(".ssh/id_ed25519"), home.path("copy")).unwrap();
    let (stage, coverage) = home.arm();
    let label = home.label(".ssh").unwrap();
    assert_eq!(label, Label { deny: access::ALL, reason: 1, flags: 0 });
    assert_eq!(home.label(".ssh/old/id_rsa"), Some(label));
    assert_eq!(home.label("copy"), Some(label), "the other name of a key");
    assert_eq!(home.label("other"), None);
    assert_eq!(coverage.hard_linked, 1);
    assert_eq!(home.name(key_of(&home.path("")), ".ssh"), Some(label), "for the day when it is replaced");
    stage.release(1).unwrap();
    let state = home.list.state();
    assert!(state.t0.is_empty() && state.names.is_empty() && state.nets.is_empty());
}

#[test]
fn links_are_followed_and_guarded_themselves() {
    let home = Home::new();
    home.write("dotfiles/aws/credentials");
    home.write("keep");
    symlink("dotfiles/aws", home.path(".aws")).unwrap();
    symlink("nowhere/netrc", home.path(".netrc")).unwrap();
    symlink("late", home.path(".pgpass")).unwrap();
    symlink("..", home.path(".kube")).unwrap();
    let (_, coverage) = home.arm();
    assert_eq!(home.label("dotfiles/aws/credentials").unwrap().deny, access::ALL);
    assert_eq!(home.label(".aws").unwrap().deny, access::MODIFY);
    assert_eq!(home.label(".netrc").unwrap().deny, access::MODIFY);
    assert_eq!(home.name(key_of(&home.path("")), "late").unwrap().deny, access::ALL);
    assert_eq!(home.label("keep"), None, "a link to what holds the home labels nothing");
    assert!(coverage.warnings.iter().any(|w| w.contains(".kube")), "{:?}", coverage.warnings);
}

#[test]
fn what_does_not_exist_yet_is_guarded_by_name() {
    let home = Home::new();
    home.write(".config/x");
    home.arm();
    assert_eq!(home.name(key_of(&home.path(".config")), "gh").unwrap().deny, access::ALL);
    for (path, deny) in [
        (".config/gh", access::ALL),
        (".cargo/credentials", access::ALL),
        (".local/share/keyrings", access::ALL),
        (".config/systemd", access::MODIFY),
    ] {
        assert_eq!(home.place(path).map(|label| label.deny), Some(deny), "{path}");
    }
    assert_eq!(home.place("projects/.cargo/credentials"), None, "another's");
    assert_eq!(home.name(abi::ANY_DIR, "id_ed25519").unwrap().deny, access::ALL);
}

#[test]
fn names_are_left_alone_in_what_fetches_packages_and_a_workspaces_files_come_and_go() {
    let home = Home::new();
    for file in [".cargo/registry/x", "src/x", "app/.vscode/tasks.json", "app/.kiro/settings/x"] {
        home.write(file);
    }
    let uid = rustix::process::geteuid().as_raw();
    let guarded = Guarded { uid, workspaces: vec![home.path("app")], ..home.guarded() };
    Static::new(home.list.clone(), Own::default(), Arc::default()).arm(1, &guarded, None).unwrap();
    let frees = |path: &str| home.label(path).is_some_and(|label| label.flags & abi::LABEL_WORKSPACE != 0);
    assert!(frees(".cargo") && frees("app") && !frees("") && !frees("src") && !frees(".cargo/registry"));
    let is_open = |path: &str| home.label(path).is_none() && home.place(path).is_none();
    assert!(is_open("app/.kiro/settings") && is_open("app/.vscode"));
    // What makes an editor run something is written by nobody, and replaced by whoever likes.
    let tasks = "app/.vscode/tasks.json";
    assert_eq!(home.label(tasks).map(|label| label.deny), Some(access::WRITE));
    assert_eq!(home.place(tasks), None);
}

#[test]
fn a_link_that_leaves_a_workspace_or_repository_closes_nothing_elsewhere() {
    let home = Home::new();
    for file in
        ["shared/tasks.json", "shared/mcp.json", "app/inside/tasks.json", "other/.git/x", "other/inside.json"]
    {
        home.write(file);
    }
    symlink("inside", home.path("app/.vscode")).unwrap();
    symlink(home.path("shared/mcp.json"), home.path("app/.mcp.json")).unwrap();
    symlink("../shared", home.path("other/.vscode")).unwrap();
    symlink("inside.json", home.path("other/.mcp.json")).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let guarded = Guarded { uid, workspaces: vec![home.path("app")], ..home.guarded() };
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let coverage = stage.arm(1, &guarded, None).unwrap();
    let denied = |path: &str| home.label(path).map(|label| label.deny);
    assert_eq!(denied("app/inside/tasks.json"), Some(access::WRITE));
    assert_eq!([denied("shared/tasks.json"), denied("shared/mcp.json")], [None, None]);
    let own = |path: &str| home.list.state().own.get(&(1, key_of(&home.path(path)))).map(|label| label.deny);
    assert_eq!(own("other/inside.json"), Some(access::WRITE));
    assert_eq!(home.place("other/.mcp.json"), None);
    assert_eq!(coverage.repositories, [home.path("other")]);
}

#[test]
fn what_lies_above_a_jewel_keeps_its_place() {
    let home = Home::new();
    home.write("dotfiles/config/x");
    symlink("dotfiles/config", home.path(".config")).unwrap();
    let named = "[[rule]]\nid = \"x\"\nis = \"x\"\nwhere.named = [\".tool/hooks\", \"tool/hooks\"]\nwhat = \"change\"\neffect = \"deny\"\nwhy = \"x\"\n";
    let source = policy::Source { layer: Layer::Machine, file: "x".into(), text: named.into() };
    let guarded = Guarded { rules: Rules::read(&[source], policy::Day::at(0)).unwrap(), ..home.guarded() };
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    stage.arm(1, &guarded, None).unwrap();
    let above = |path: &str| home.place(path).is_some_and(|label| label.flags == abi::LABEL_ABOVE);
    // The home, and what it lies in; what is not there; the link, and where it leads.
    for path in ["", "..", ".cargo", ".local", ".local/share", ".config", "dotfiles", "dotfiles/config"] {
        assert!(above(path), "{path}");
    }
    for path in ["dotfiles/x", "dotfiles/config/x", "projects", ".cache", ".gnupg"] {
        assert!(!above(path), "{path}");
    }
    // By the link and in its stead.
    for path in
        ["dotfiles/config/autostart", ".config/autostart", ".config/git/config", "dotfiles/config/git/config"]
    {
        assert_eq!(home.place(path).map(|label| label.deny), Some(access::MODIFY), "{path}");
    }
    let named = |name: &str| {
        let hash = component(name.as_bytes()).1;
        home.list.state().places.contains_key(&PlaceKey {
            hash,
            dev: abi::ANY_DEV,
            session: abi::EVERY_SESSION,
        })
    };
    assert!(named(".tool") && !named("tool") && !named(".config"));
    stage.release(1).unwrap();
    assert!(home.list.state().places.is_empty());
}

#[test]
fn what_is_closed_to_one_agent_is_open_to_sessions_of_others() {
    let home = Home::new();
    home.write("customers/list");
    let uid = fs::metadata(home.path("")).unwrap().uid();
    let text = "[[rule]]\nid = \"x\"\nis = \"x\"\nwhere.home = \"customers\"\nwhat = \"read\"\neffect = \"deny\"\nagents = \"codex\"\nwhy = \"x\"\n";
    let source = policy::Source { layer: Layer::User, file: "x".into(), text: text.into() };
    let rules = Rules::read(&[source], policy::Day::at(0)).unwrap();
    let of = |agent: &str| Guarded { uid, rules: rules.of_session(agent), ..home.guarded() };
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    stage.arm(1, &of("codex"), None).unwrap();
    stage.arm(2, &of("claude-code"), None).unwrap();
    let file = key_of(&home.path("customers/list"));
    let own = |slot| home.list.state().own.get(&(slot, file)).map(|label| label.deny);
    assert_eq!((own(1), own(2)), (Some(access::READ), None));
    assert_eq!(home.label("customers/list").map(|label| label.deny), Some(0), "for everybody else");
    assert_eq!(home.name(key_of(&home.path("")), "customers"), None);
    stage.release(1).unwrap();
    assert_eq!(home.label("customers/list"), None);
    stage.release(2).unwrap();
}

#[test]
fn an_entry_goes_with_the_last_session_that_needs_it() {
    let home = Home::new();
    home.write(".ssh/id_ed25519");
    let (stage, _) = home.arm();
    stage.arm(2, &home.guarded(), None).unwrap();
    stage.release(1).unwrap();
    assert!(home.label(".ssh").is_some());
    stage.release(2).unwrap();
    assert!(home.label(".ssh").is_none());
}

#[test]
fn a_variable_labels_sockets_only() {
    let home = Home::new();
    let guarded = home.guarded();
    let _socket = std::os::unix::net::UnixListener::bind(home.path("agent")).unwrap();
    home.write("file");
    let value = |path: &str| BString::from(home.path(path).as_os_str().as_bytes());
    let variables = vec![("SSH_AUTH_SOCK".into(), value("agent")), ("DOCKER_HOST".into(), value("file"))];
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let coverage = stage.arm(1, &Guarded { variables, ..guarded }, None).unwrap();
    assert_eq!(home.label("agent").unwrap().deny, access::CONNECT);
    assert_eq!(home.label("file"), None);
    assert!(coverage.warnings.iter().any(|w| w.contains("DOCKER_HOST")));
    let dbus = socket_path(b"unix:abstract=/x;unix:guid=1,path=/run/bus");
    assert_eq!(dbus.unwrap(), "/run/bus");
    assert_eq!(socket_path(b"tcp://10.0.0.1:2375"), None);
}

#[test]
fn own_files_processes_and_the_metadata_service_are_guarded() {
    let home = Home::new();
    home.write("state/store");
    let own = Own {
        files: vec![OwnFile { path: home.path("state"), deny: Access::READ | Access::WRITE }],
        processes: vec![77],
    };
    let stage = Static::new(home.list.clone(), own, Arc::default());
    stage.arm(1, &home.guarded(), None).unwrap();
    assert_eq!(home.label("state/store").unwrap().reason, reason::OWN_FILE);
    assert_eq!(home.list.state().protected, [77]);
    let key = abi::NetKey { policy: [0; 4], addr: mapped("169.254.169.254".parse().unwrap()) };
    let label = home.list.state().nets[&(128, key)];
    assert_eq!(reason::jewel(label.reason).unwrap().rule.id, "metadata");
    assert_eq!(label.deny, access::CONNECT | access::LISTEN);
}

/// The lease of a file holds up whoever opens it for writing, until the label is whole again.
#[test]
fn what_holds_no_credential_is_readable_until_somebody_writes() {
    let home = Home::new();
    let uid = rustix::process::geteuid().as_raw();
    home.write(".netrc");
    fs::write(home.path(".npmrc"), "registry=https://registry.example.org/\n").unwrap();
    fs::write(home.path(".netrc"), "machine a login b password c\n").unwrap();
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let guarded = Guarded { uid, ..home.guarded() };
    stage.arm(1, &guarded, None).unwrap();
    let name = home.name(key_of(&home.path("")), ".npmrc").unwrap();
    assert_eq!(name.deny, access::ALL, "what is put in its place");
    let label = home.label(".npmrc").unwrap();
    assert_eq!((label.deny, label.flags), (access::ALL, abi::LABEL_READABLE));
    let netrc = home.label(".netrc").unwrap();
    assert_eq!((netrc.deny, netrc.flags), (access::ALL, 0));
    stage.keep_whole(1).unwrap();
    assert_eq!(home.label(".npmrc"), Some(label));
    let path = home.path(".npmrc");
    let written = std::thread::spawn(move || fs::write(path, "_authToken=abc\n"));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while home.label(".npmrc") == Some(label) && std::time::Instant::now() < until {
        assert!(fs::read(home.path(".npmrc")).unwrap().starts_with(b"registry"), "it was written unseen");
        stage.keep_whole(2).unwrap();
        stage.keep_whole(1).unwrap();
    }
    assert_eq!(home.label(".npmrc").unwrap().flags, 0);
    written.join().unwrap().unwrap();
    stage.release(1).unwrap();
    assert!(home.list.state().t0.is_empty());
    // Now it holds one.
    stage.arm(1, &guarded, None).unwrap();
    assert_eq!(home.label(".npmrc").unwrap().deny, access::ALL);
}

/// What was put aside in the home itself, which nobody but root reads.
fn asides(home: &Home) -> usize {
    use std::os::unix::fs::PermissionsExt;
    let all = fs::read_dir(home.path("")).unwrap().flatten();
    let asides = all.filter(|entry| entry.file_name().to_string_lossy().starts_with(".refused-"));
    asides.inspect(|entry| assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0)).count()
}

#[test]
fn what_was_moved_or_replaced_is_put_back_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.write(".config/app/settings");
    home.write(".bashrc");
    fs::set_permissions(home.path(".bashrc"), fs::Permissions::from_mode(0o640)).unwrap();
    let kept = home.keep();
    let put_back = || -> Vec<String> {
        kept.iter().filter_map(|kept| kept.put_back(&*home.list, true)).map(|done| done.unwrap()).collect()
    };
    assert_eq!(put_back(), [""; 0]);
    // Into a place that is free, and into one that is taken.
    for taken in [false, true] {
        fs::rename(home.path(".config"), home.path("c")).unwrap();
        if taken {
            home.write(".config/evil");
        }
        let told = put_back();
        assert!(told.len() == 1 && told[0].contains("was moved back"), "{told:?}");
        assert_eq!(fs::read_to_string(home.path(".config/app/settings")).unwrap(), "x");
        assert_eq!((home.path("c/evil").exists(), asides(&home)), (false, usize::from(taken)));
    }
    // One that was empty has no other name to be found by.
    for directory in [".config/autostart", "prepared"] {
        fs::create_dir_all(home.path(directory)).unwrap();
    }
    home.write("prepared/evil");
    let empty = home.keep();
    fs::rename(home.path("prepared"), home.path(".config/autostart")).unwrap();
    let told: Vec<_> = empty.iter().filter_map(|kept| kept.put_back(&*home.list, true)).collect();
    assert!(told.len() == 1 && told[0].as_ref().unwrap().contains("is an empty directory again"), "{told:?}");
    assert_eq!(fs::read_dir(home.path(".config/autostart")).unwrap().count(), 0);
    for time in 0..2 {
        fs::write(home.path("evil"), format!("evil {time}")).unwrap();
        fs::rename(home.path("evil"), home.path(".bashrc")).unwrap();
        let told = put_back();
        assert!(told.len() == 1 && told[0].contains("has what it held"), "{told:?}");
        assert_eq!(fs::read_to_string(home.path(".bashrc")).unwrap(), "x");
        assert_eq!(fs::metadata(home.path(".bashrc")).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(asides(&home), 2 + time);
    }
    fs::rename(home.path(""), home.path("../other")).unwrap();
    assert!(put_back()[0].contains("was moved back"));
    assert!(home.path(".bashrc").exists());
    assert_eq!(put_back(), [""; 0]);
}

/// Its user may have written the file anew by then.
#[test]
fn what_somebody_outside_put_in_the_place_of_a_removed_jewel_stays() {
    let home = Home::new();
    home.write(".bashrc");
    let kept = home.keep();
    let put_back = || kept.iter().filter_map(|kept| kept.put_back(&*home.list, false)).count();
    fs::remove_file(home.path(".bashrc")).unwrap();
    fs::write(home.path("new"), "new").unwrap();
    fs::rename(home.path("new"), home.path(".bashrc")).unwrap();
    assert_eq!((put_back(), asides(&home)), (0, 0));
    assert_eq!(fs::read_to_string(home.path(".bashrc")).unwrap(), "new");
    fs::remove_file(home.path(".bashrc")).unwrap();
    assert_eq!(put_back(), 1);
}

/// Each of them is what took the other one's place, and nobody's to put aside for good.
#[test]
fn two_jewels_that_changed_places_are_back_and_may_be_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let home = Home::new();
    let files = [(".bashrc", 0o640), (".profile", 0o644), (".zshrc", 0o600)];
    for (file, mode) in files {
        home.write(file);
        fs::set_permissions(home.path(file), fs::Permissions::from_mode(mode)).unwrap();
    }
    let are =
        || files.map(|(file, _)| fs::metadata(home.path(file)).unwrap()).map(|of| (of.ino(), of.mode()));
    let before = are();
    let kept = home.keep();
    for (from, to) in [(".bashrc", ".profile"), (".profile", ".zshrc")] {
        let (from, to, how) = (home.path(from), home.path(to), rustix::fs::RenameFlags::EXCHANGE);
        rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, how).unwrap();
    }
    assert_ne!(are(), before);
    for kept in &kept {
        kept.put_back(&*home.list, true).transpose().unwrap();
    }
    assert_eq!((are(), asides(&home)), (before, 0));
}

/// The mode of a file is that of each of its names.
#[test]
fn a_second_name_of_a_jewel_is_put_aside_and_the_jewel_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.write(".bashrc");
    home.write(".config/autostart/alone");
    let mode = fs::metadata(home.path(".bashrc")).unwrap().permissions().mode();
    fs::hard_link(home.path(".bashrc"), home.path(".config/autostart/x.desktop")).unwrap();
    for name in ["alone", "x.desktop"] {
        let path = fs::canonicalize(home.path(".config/autostart")).unwrap().join(name);
        let crate::walk::Found::Node(node) = crate::walk::open(&*home.list, &path) else {
            panic!("{name} is not there")
        };
        let planted = Planted { path: path.clone(), file: node.identity.file, from: None };
        planted.take_away(&*home.list).unwrap().unwrap();
        assert!(!path.exists());
        assert!(planted.take_away(&*home.list).is_none());
    }
    assert_eq!(fs::metadata(home.path(".bashrc")).unwrap().permissions().mode(), mode);
    let asides = fs::read_dir(home.path(".config/autostart")).unwrap().flatten();
    let modes: Vec<_> = asides.map(|entry| entry.metadata().unwrap().permissions().mode() & 0o777).collect();
    assert!(modes.len() == 2 && modes.contains(&0) && modes.contains(&(mode & 0o777)), "{modes:?}");
}

#[test]
fn a_directory_that_was_moved_to_a_closed_place_is_moved_back_where_nothing_lies() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.write("file");
    let root = fs::canonicalize(home.path("")).unwrap();
    let (from, path) = (root.join("work"), root.join(".docker"));
    for (taken, mode) in [(false, 0o755), (true, 0o755), (true, 0o777)] {
        home.write("work/file");
        fs::rename(&from, &path).unwrap();
        // Something lies there, or others may have put the directory above in its place.
        if mode == 0o755 && taken {
            home.write("work/other");
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
        let crate::walk::Found::Node(node) = crate::walk::open(&*home.list, &path) else {
            panic!("it is gone")
        };
        let (file, before) = (node.identity.file, asides(&home));
        let planted = Planted { path: path.clone(), file, from: Some(from.clone()) };
        let told = planted.take_away(&*home.list).unwrap().unwrap();
        assert!(!path.exists());
        assert_eq!((from.join("file").exists(), asides(&home) > before), (!taken, taken));
        assert_eq!(told.contains(&format!("was moved back to `{}`", from.display())), !taken, "{told}");
        assert_eq!(told.contains(".refused-"), taken, "{told}");
        let _ = fs::remove_dir_all(&from);
    }
}
