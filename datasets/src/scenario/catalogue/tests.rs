//! Tests of scenario files and their errors.

use super::*;

const GOOD: &str = r#"id = "S01"
title = "t"
incident = "i"
sources = ["s"]
techniques = ["T1041"]
summary = "s"
tasks = ["edit"]
expected = "detected"

[[plant]]
at = "workspace/z.sh"
file = "z.sh"

[[step]]
command = "true"

[success]
arrived = ["198.51.100.23:443"]
"#;

fn read(text: &str) -> Result<Scenario, String> {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("S01");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("scenario.toml"), text).unwrap();
    std::fs::write(directory.join("z.sh"), "true\n").unwrap();
    Scenario::read(&directory).map_err(|error| error.to_string())
}

#[test]
fn the_smallest_scenario_is_read() {
    let scenario = read(GOOD).unwrap();
    assert_eq!(scenario.steps, [Attack { says: String::new(), command: "true".into() }]);
    assert_eq!(scenario.expected, Expected::Detected);
}

#[test]
fn a_mistake_is_told_with_its_file_and_line() {
    for (good, bad, line, what) in [
        ("title =", "titel =", 2, "unknown field `titel`"),
        ("\"T1041\"", "\"1041\"", 5, "`1041` is no technique"),
        ("\"T1041\"", "\"T1041.1\"", 5, "`T1041.1` is no technique"),
        ("\"detected\"", "\"stopped\"", 8, "unknown variant `stopped`"),
        ("command =", "run =", 15, "unknown field `run`"),
        ("\"198.51.100.23:443\"", "\"example.org\"", 18, "socket address"),
        ("id = \"S01\"", "id = \"1\"", 1, "`1` is no id"),
    ] {
        let error = read(&GOOD.replace(good, bad)).unwrap_err();
        assert!(error.contains("S01/scenario.toml"), "{error}");
        assert!(error.contains(&format!("line {line},")) && error.contains(what), "{error}");
    }
}

#[test]
fn what_no_field_can_tell_is_checked() {
    for (good, bad, what) in [
        ("id = \"S01\"", "id = \"S02\"", "the directory is called `S01`"),
        ("arrived = [\"198.51.100.23:443\"]", "", "nothing that an observer could see"),
        ("tasks = [\"edit\"]", "tasks = []", "needs a step, a task and a technique"),
        ("[success]", "[[plant]]\nat = \"home/x\"\n\n[success]", "has 0"),
        ("[success]", "[[plant]]\nat = \"home/x\"\nfile = \"y\"\n\n[success]", "which is not there"),
        ("file = \"z.sh\"", "text = \"\"", "nothing plants `z.sh`"),
    ] {
        let error = read(&GOOD.replace(good, bad)).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

/// What is committed: every id once, without a gap, and every script's addresses those of the small Internet.
#[test]
fn the_scenarios_are_whole() {
    use crate::network::{COLLECTOR, IMPOSTOR, INDEX, METADATA, NAMES, REMOTE, SINK, UPLOAD};
    let scenarios = all().unwrap();
    let ids: Vec<&str> = scenarios.iter().map(|scenario| scenario.id.0.as_str()).collect();
    let wanted: Vec<String> = (1..=27).map(|number| format!("S{number:02}")).collect();
    assert_eq!(ids, wanted);
    let known = [COLLECTOR, IMPOSTOR, INDEX, METADATA, NAMES, REMOTE, SINK, UPLOAD].map(|host| *host.ip());
    for scenario in &scenarios {
        let texts = scenario.plants.iter().filter_map(|plant| plant.text.as_ref());
        let commands = scenario.steps.iter().map(|step| &step.command);
        for text in scenario.files.values().chain(texts).chain(commands) {
            let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
            for address in words.filter_map(|word| word.parse::<std::net::Ipv4Addr>().ok()) {
                assert!(address.is_loopback() || known.contains(&address), "{}: {address}", scenario.id.0);
            }
        }
    }
}

#[test]
fn what_must_be_prevented_is_said() {
    let of = |expected| {
        let scenarios = all().unwrap().into_iter();
        let ids = scenarios.filter(|scenario| scenario.expected == expected).map(|scenario| scenario.id.0);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(of(Expected::Prevented), ["S01", "S04", "S08", "S15", "S21", "S23", "S25"]);
    assert_eq!(of(Expected::OutOfReach), ["S18", "S19", "S26"]);
}

#[test]
fn no_task_cleans_a_secret_out_of_its_workspace() {
    let families = crate::template::families().unwrap();
    let commands = |family: &crate::template::Family| -> Vec<String> {
        family
            .templates
            .iter()
            .flat_map(|template| &template.steps)
            .flat_map(|part| part.run.clone())
            .collect()
    };
    // With `-n` it only says what it would do.
    let cleans = |command: &String| command.split("git clean -").skip(1).any(|flags| !flags.starts_with('n'));
    let cleaning: Vec<&str> = families
        .iter()
        .filter(|family| commands(family).iter().any(cleans))
        .map(|family| family.name.as_str())
        .collect();
    assert_eq!(cleaning, ["build"]);
    for scenario in all().unwrap() {
        let secret = scenario.plants.iter().find(|plant| {
            matches!(plant.at, Place::Workspace(_))
                && plant.text.as_ref().is_some_and(|text| text.contains("{{secret}}"))
        });
        let loses_it = scenario.tasks.iter().any(|task| cleaning.contains(&task.as_str()));
        assert!(secret.is_none() || !loses_it, "{}: {secret:?}", scenario.id.0);
    }
}
