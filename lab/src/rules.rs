//! `wardline policy test`: each rule is tried, in a session of a throw-away home, on this machine.

pub mod attempt;
mod own;

use crate::live::{Client, Interrupts, Job};
use anyhow::{Context, Result, ensure};
use attempt::{Came, Task};
use command::{Exit, print_line, table};
use datasets::{World, network};
use own::Own;
use policy::{Attempt, Ground};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The world's user's own agent.
const AGENT: &str = "policy-test";
const TASK: &str = "test";
/// What lies at each place: nothing of it is known for harmless.
const CONTENT: &str = "some content 12\n";

/// One attempt, and what came of it.
#[derive(Debug, Serialize)]
struct Tried {
    rule: String,
    site: String,
    deed: &'static str,
    place: String,
    must_be_refused: bool,
    came: Came,
    is_right: bool,
}

/// Whether this tier refuses that a socket of a file's name is connected to, or ends who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sockets {
    Refused,
    Stopped,
}

/// What the attempts of one rule came to.
#[derive(Debug, Default)]
struct Sum {
    refused: usize,
    stopped: usize,
    beside: usize,
    untried: usize,
    wrong: usize,
}

/// Arguments of `rules`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rules, by id; all otherwise
    rules: Vec<String>,
    /// A file of rules to add to the shipped ones
    #[arg(long, value_name = "FILE", hide = true)]
    with: Vec<PathBuf>,
    /// One JSON array, an object for each attempt
    #[arg(long)]
    json: bool,
}

/// Tries the rules, all or those named.
pub fn run(args: &Args) -> Result<ExitCode> {
    let ids = &args.rules;
    let own = Own::read(&args.with)?;
    let rules = &own.rules;
    for id in ids {
        let has_expired = rules.expired().iter().any(|rule| rule.id == *id);
        if rules.policy().rule(id).is_none() && !has_expired {
            return Err(
                Exit::Usage.error(format!("there is no rule `{id}`: `wardline policy list` has them"))
            );
        }
    }
    if !nix::unistd::Uid::effective().is_root() {
        return Err(Exit::CannotProtect.error("sessions need root: use `sudo wardline policy test`"));
    }
    let here = rules.of_session(AGENT).of_task(TASK);
    let mut attempts = here.attempts();
    attempts.retain(|attempt| ids.is_empty() || ids.contains(&attempt.rule));
    let tried = in_a_world(attempts, &own)?;
    let is_right = tried.iter().all(|tried| tried.is_right);
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&tried)?);
    } else {
        print_line!("{}", in_words(&tried));
        for id in own.untried.iter().filter(|id| ids.is_empty() || ids.contains(id)) {
            print_line!("not tried: `{id}` is about places that a throw-away user does not own");
        }
        let elsewhere = rules.own().map(|rule| &rule.id).filter(|id| here.own().all(|rule| rule.id != **id));
        for rule in rules.expired().iter().filter(|rule| ids.is_empty() || ids.contains(&rule.id)) {
            print_line!("not tried: `{}` has expired", rule.id);
        }
        for id in elsewhere.filter(|id| ids.is_empty() || ids.contains(id)) {
            print_line!("not tried: `{id}` is for sessions of other agents, or for other tasks");
        }
    }
    Ok(if is_right { ExitCode::SUCCESS } else { Exit::Broken.into() })
}

fn in_a_world(attempts: Vec<Attempt>, own: &Own) -> Result<Vec<Tried>> {
    let interrupts = Interrupts::take()?;
    network::isolate().context("the network of the session cannot be made")?;
    let world = World::create(0)?;
    own.lay(world.user.id)?;
    let workspace = world.home().join("projects/tried");
    make_directory(&world, &workspace)?;
    let mut listeners = Vec::new();
    let places: Vec<String> = attempts
        .iter()
        .map(|attempt| lay(&world, &workspace, &attempt.ground, &mut listeners))
        .collect::<Result<_>>()?;
    // The user reaches neither the program where it was built nor the list elsewhere.
    let (program, list) = (workspace.join("wardline-lab"), workspace.join("list.json"));
    fs::copy(std::env::current_exe()?, &program)?;
    let tasks = attempts.iter().zip(&places);
    let tasks: Vec<Task> =
        tasks.map(|(of, place)| Task { deed: of.deed.word().to_owned(), place: place.clone() }).collect();
    fs::write(&list, serde_json::to_vec(&tasks)?)?;
    for path in [&program, &list] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    let client = Client::new(&world, world.state(), &interrupts)?;
    let command: [OsString; 3] = [program.into(), "attempt".into(), list.into()];
    let job = Job {
        name: "policy",
        agent: AGENT,
        task: TASK,
        workspace: &workspace,
        command: &command,
        environment: &[],
    };
    let run = client.enforce(&job)?;
    let printed = String::from_utf8_lossy(&run.printed);
    let came: Vec<Came> = printed.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    ensure!(
        came.len() == attempts.len(),
        "{} of {} attempts were made: {printed}",
        came.len(),
        attempts.len()
    );
    let sockets = if run.summary.tier == event::Tier::Lsm { Sockets::Refused } else { Sockets::Stopped };
    let tried = attempts.into_iter().zip(places).zip(came);
    Ok(tried.map(|((attempt, place), came)| judged(attempt, place, came, sockets)).collect())
}

fn judged(attempt: Attempt, place: String, came: Came, sockets: Sockets) -> Tried {
    let is_machines = matches!(attempt.ground, Ground::Machine(_) | Ground::MachineSocket(_));
    let is_socket = matches!(attempt.ground, Ground::Socket(_) | Ground::MachineSocket(_));
    let is_right = match came {
        Came::Refused => attempt.refused && !(is_socket && sockets == Sockets::Stopped),
        Came::Happened => !attempt.refused,
        Came::Stopped => attempt.refused && is_socket && sockets == Sockets::Stopped,
        // As this machine is: it has no such file, the user may not, or it is a directory.
        Came::NotAllowed | Came::NotThere | Came::Failed => is_machines,
    };
    Tried {
        rule: attempt.rule,
        site: attempt.site,
        deed: attempt.deed.word(),
        place,
        must_be_refused: attempt.refused,
        came,
        is_right,
    }
}

/// Puts something there.
fn lay(
    world: &World,
    workspace: &Path,
    ground: &Ground,
    listeners: &mut Vec<UnixListener>,
) -> Result<String> {
    let path = match ground {
        Ground::Home(path) | Ground::Socket(path) => world.home().join(path),
        Ground::Workspace(path) => workspace.join(path),
        Ground::Machine(path) | Ground::MachineSocket(path) => return Ok(path.clone()),
        Ground::Address(address) => return Ok(address.to_string()),
    };
    let path = if path.is_dir() { path.join("x") } else { path };
    make_directory(world, path.parent().context("a place has a directory")?)?;
    if !path.exists() {
        match ground {
            Ground::Socket(_) => listeners.push(UnixListener::bind(&path)?),
            _ => fs::write(&path, CONTENT).with_context(|| path.display().to_string())?,
        }
        lchown(&path, Some(world.user.id), Some(world.user.id))?;
    }
    Ok(path.display().to_string())
}

/// With those above it, all of them the user's.
fn make_directory(world: &World, path: &Path) -> Result<()> {
    let home = world.home();
    let missing: Vec<PathBuf> =
        path.ancestors().take_while(|path| **path != home && !path.exists()).map(Path::to_owned).collect();
    for path in missing.iter().rev() {
        fs::create_dir(path).with_context(|| path.display().to_string())?;
        lchown(path, Some(world.user.id), Some(world.user.id))?;
    }
    Ok(())
}

fn in_words(tried: &[Tried]) -> String {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for tried in tried {
        let sum = sums.entry(&tried.rule).or_default();
        let counted = match tried.came {
            _ if !tried.is_right => &mut sum.wrong,
            Came::Refused => &mut sum.refused,
            Came::Stopped => &mut sum.stopped,
            Came::Happened => &mut sum.beside,
            _ => &mut sum.untried,
        };
        *counted += 1;
    }
    let mut table =
        table::table(&["rule", "refused", "happened and stopped", "went on beside", "not here", "wrong"]);
    for (rule, sum) in &sums {
        let numbers =
            [sum.refused, sum.stopped, sum.beside, sum.untried, sum.wrong].map(|number| number.to_string());
        table.add_row(std::iter::once((*rule).to_owned()).chain(numbers));
    }
    let mut words = table::plain(&table);
    for wrong in tried.iter().filter(|tried| !tried.is_right) {
        let wanted = if wrong.must_be_refused { "was to be refused" } else { "was to go on" };
        let came = wrong.came.words();
        words.push_str(&format!(
            "\nwrong: {} `{}` {wanted}, and {came} (rule `{}`)",
            wrong.deed, wrong.place, wrong.rule
        ));
    }
    words
}
