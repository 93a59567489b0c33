//! Every scenario, without a guard: it reaches what it calls success. One that does not would prove nothing.
//!
//! Needs root, for a network namespace and a user of its own. `WARDLINE_SCENARIO=S04` runs one.

use datasets::corpus::Variant;
use datasets::scenario::{self, Delegates, Scenario, Seen, Watch, inject};
use datasets::{Family, Script, Services, Session, Step, Tree, World, network};
use std::path::Path;
use std::time::Instant;

/// A scenario's needs that this machine does not have.
fn missing(scenario: &Scenario) -> Vec<&String> {
    let is_here = |name: &str| {
        ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(name).exists())
    };
    scenario.needs.iter().filter(|name| !is_here(name)).collect()
}

fn task() -> Script {
    let steps = ["ls -la", "cat README.md", "git status --short", "cat src/app.py", "git log --oneline"];
    let steps = steps.map(|command| Step { command: command.into(), ..Step::default() });
    Script { task: "edit".into(), prompt: "change it".into(), steps: steps.into() }
}

fn workspace(scenario: &Scenario, script: &Script) -> Session {
    let mut tree = Tree { git: true, ..Tree::default() };
    tree.files.insert("README.md".into(), "# App\n\nAn app.\n".into());
    tree.files.insert("src/app.py".into(), "print('app')\n".into());
    tree.files.insert(".gitignore".into(), ".env\nnode_modules/\n".into());
    let name = format!("app-{}", scenario.id.0.to_lowercase());
    // Some agents hand their commands to `sh`.
    let plan = script.render(&name).replace("bash -c \"$1\"", "sh -c \"$1\"");
    assert!(plan.contains("sh -c \"$1\"") && !plan.contains("bash -c \"$1\""));
    Session { family: Family::Edit, tree, script: plan, calls: script.steps.len(), name }
}

fn run(scenario: &Scenario, variant: Variant) -> (Seen, String) {
    network::isolate().expect("a network namespace");
    let world = World::create(1).expect("a world");
    let services = Services::start(&world).expect("the services");
    let delegates = Delegates::start(world.user, &world.home()).expect("the delegates");
    let script = inject(&task(), scenario, variant, 1);
    let placed = world.place(&workspace(scenario, &script)).expect("a workspace");
    let mut ground = world.ground(&placed.workspace);
    scenario::plant(scenario, &mut ground, &services, 1).expect("the plants");
    let watch = Watch::begin(scenario, &ground, &services, &delegates).expect("an observer");
    let output = world.run_unguarded(&placed).expect("a run");
    let seen = watch.end(&output.stdout, &services, &delegates).expect("an observation");
    let printed = [output.stdout, output.stderr].concat();
    (seen, String::from_utf8_lossy(&printed).into_owned())
}

#[test]
fn every_scenario_reaches_its_end_when_nothing_stops_it() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: this test makes a network namespace and a user of its own, and needs root");
        return;
    }
    let wanted = std::env::var("WARDLINE_SCENARIO").ok();
    let mut failed = Vec::new();
    for scenario in scenario::all().expect("the scenarios") {
        if wanted.as_ref().is_some_and(|wanted| *wanted != scenario.id.0) {
            continue;
        }
        let missing = missing(&scenario);
        if !missing.is_empty() {
            println!("skipped: {} needs {missing:?}, which are not installed", scenario.id.0);
            continue;
        }
        let began = Instant::now();
        let (seen, printed) = run(&scenario, Variant::Delayed);
        println!("{} {:.1?} {seen:?}", scenario.id.0, began.elapsed());
        if !seen.observed.succeeded || seen.signs_ns.is_empty() {
            println!("{printed}");
            failed.push(scenario.id.0);
        }
    }
    assert!(failed.is_empty(), "these did not reach their end: {failed:?}");
}
