//! Baselines are kept private, replaced whole, and not rolled back.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use event::{AgentName, Tasks};
use models::{Baseline, Models, Provenance};
use profiler::{Became, Error, Library};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn tasks(names: &str) -> Tasks {
    names.parse().unwrap()
}

fn baseline(name: &str, task: &str, sessions: usize) -> Baseline {
    Baseline {
        agent: agent(name),
        task: tasks(task),
        sessions,
        tokens: 0,
        syscalls: 0,
        workspaces: 1,
        trained_at_unix_ns: 1,
        tier: event::Tier::Lsm,
        provenance: Provenance::default(),
        vocabulary: event::vocabulary_hash(),
        partial: false,
        models: Arc::new(Models::default()),
        calibration: Default::default(),
        trial: models::Trial::default(),
    }
}

fn library() -> (tempfile::TempDir, Library) {
    let directory = tempfile::tempdir().unwrap();
    let library = Library::new(directory.path().join("wardline"));
    (directory, library)
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_saved_is_loaded_and_listed_and_private() {
    let (_directory, library) = library();
    assert_eq!(library.list().unwrap(), []);
    let path = library.save(&baseline("codex", "edit", 12)).unwrap();
    library.save(&baseline("codex", "summarize", 9)).unwrap();
    library.save(&baseline("codex", "edit", 13)).unwrap();
    assert_eq!(library.load(&agent("codex"), &tasks("edit")).unwrap().sessions, 13);
    let listed: Vec<String> =
        library.list().unwrap().into_iter().map(|e| format!("{}/{}", e.agent, e.task)).collect();
    assert_eq!(listed, ["codex/edit", "codex/summarize"]);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path.ancestors().nth(3).unwrap().join("key")), 0o600);
    let left: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_older_baseline_in_the_place_of_a_newer_one_is_refused() {
    let (_directory, library) = library();
    let path = library.save(&baseline("codex", "edit", 12)).unwrap();
    let old = fs::read(&path).unwrap();
    library.save(&baseline("codex", "edit", 13)).unwrap();
    fs::write(&path, old).unwrap();
    let error = library.load(&agent("codex"), &tasks("edit")).unwrap_err().to_string();
    assert!(error.contains("rolled back") && error.contains("edit.baseline"), "{error}");
}

#[test]
fn a_baseline_of_another_machine_is_refused_and_can_be_looked_at() {
    let ((_a, here), (_b, there)) = (library(), library());
    let foreign = there.save(&baseline("codex", "edit", 12)).unwrap();
    let path = here.save(&baseline("codex", "edit", 12)).unwrap();
    fs::copy(&foreign, &path).unwrap();
    assert!(here.load(&agent("codex"), &tasks("edit")).unwrap_err().to_string().contains("seal"));
    let shown = Library::inspect(&path).unwrap();
    here.save(&shown).unwrap();
    assert_eq!(here.load(&agent("codex"), &tasks("edit")).unwrap().sessions, 12);
}

#[test]
fn a_baseline_under_another_name_is_refused() {
    let (_directory, library) = library();
    let edit = library.save(&baseline("codex", "edit", 12)).unwrap();
    library.save(&baseline("codex", "install", 12)).unwrap();
    let install = library.path(&agent("codex"), &tasks("install")).unwrap();
    fs::copy(install, &edit).unwrap();
    assert!(matches!(library.load(&agent("codex"), &tasks("edit")), Err(Error::Misplaced { .. })));
}

#[test]
fn files_that_others_could_have_changed_are_refused() {
    let (directory, library) = library();
    let path = library.save(&baseline("codex", "edit", 12)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(library.load(&agent("codex"), &tasks("edit")), Err(Error::Unsafe { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(library.load(&agent("codex"), &tasks("edit")).is_ok());
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &path).unwrap();
    assert!(library.load(&agent("codex"), &tasks("edit")).is_err());
}

#[test]
fn a_missing_key_or_counter_is_not_made_up_for() {
    let (directory, library) = library();
    library.save(&baseline("codex", "edit", 12)).unwrap();
    let root = directory.path().join("wardline");
    fs::rename(root.join("counters"), root.join("c")).unwrap();
    assert!(matches!(library.load(&agent("codex"), &tasks("edit")), Err(Error::Counter { .. })));
    fs::rename(root.join("c"), root.join("counters")).unwrap();
    fs::remove_file(root.join("key")).unwrap();
    assert!(matches!(library.load(&agent("codex"), &tasks("edit")), Err(Error::Unsafe { .. })));
    assert!(matches!(library.save(&baseline("codex", "edit", 12)), Err(Error::Unsafe { .. })));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let (_directory, library) = library();
    // No name leads anywhere but to a file of its own: that is checked where it comes in.
    for name in ["", ".", "..", ".hidden", "a/b", "/etc", "a\0b", "a b", "a\nb", &"x".repeat(65)] {
        assert!(name.parse::<Tasks>().is_err() && name.parse::<AgentName>().is_err(), "{name:?}");
    }
    let long = tasks(&(10..40).map(|n| n.to_string()).collect::<Vec<_>>().join("+"));
    assert!(matches!(library.path(&agent("codex"), &long), Err(Error::Long(_))));
    assert!(library.path(&agent("mini-swe-agent"), &tasks("fix_2.0+x")).is_ok());
}

#[test]
fn an_unknown_task_gets_the_union_of_the_agents_tasks() {
    let (_directory, library) = library();
    assert_eq!(library.union(&agent("codex")).unwrap(), None);
    assert!(matches!(library.load(&agent("codex"), &tasks("edit")), Err(Error::Missing { .. })));
    library.save(&baseline("codex", "edit", 12)).unwrap();
    library.save(&baseline("codex", "summarize", 5)).unwrap();
    library.save(&baseline("other", "edit", 100)).unwrap();
    let union = library.union(&agent("codex")).unwrap().unwrap();
    assert_eq!((union.sessions, union.task.to_string().as_str()), (17, "edit+summarize"));
}

#[test]
fn what_became_of_a_baseline_is_kept_and_the_one_before_it() {
    let (directory, library) = library();
    let (codex, edit) = (agent("codex"), tasks("edit"));
    assert_eq!(library.history().unwrap(), []);
    library.save(&baseline("codex", "edit", 3)).unwrap();
    assert_eq!(library.former(&codex, &edit).unwrap(), None);
    library.clone().by_itself().save(&baseline("codex", "edit", 4)).unwrap();
    assert_eq!(library.former(&codex, &edit).unwrap().unwrap().sessions, 3);
    library.remove(&codex, &edit, 7).unwrap();
    let told: Vec<_> = library
        .history()
        .unwrap()
        .into_iter()
        .map(|revision| (revision.at_unix_ns, revision.became, revision.sessions, revision.by_itself))
        .collect();
    assert_eq!(
        told,
        [(1, Became::Made, 3, false), (1, Became::Updated, 4, true), (7, Became::Removed, 0, false)]
    );
    let root = directory.path().join("wardline");
    assert_eq!(mode(&root.join("history")), 0o600);
    assert_eq!(mode(&root.join("former/codex/edit.baseline")), 0o600);
    // One that this build cannot read was there all the same.
    let path = library.save(&baseline("codex", "test", 3)).unwrap();
    fs::write(path, b"of another build").unwrap();
    library.save(&baseline("codex", "test", 4)).unwrap();
    let last = library.history().unwrap().pop().unwrap();
    assert_eq!((last.became, last.sessions, last.added), (Became::Updated, 4, 0));
    assert_eq!(library.former(&codex, &tasks("test")).unwrap(), None);
    // No baseline rests on it: one that cannot be read is begun anew.
    fs::write(root.join("history"), b"no list").unwrap();
    assert!(library.history().is_err());
    library.save(&baseline("codex", "edit", 5)).unwrap();
    assert_eq!(library.history().unwrap().len(), 1);
    assert_eq!(library.load(&codex, &edit).unwrap().sessions, 5);
}
