//! The places of the shipped rules are tried, place by place, by a user in an enforced session without a baseline; and what
//! lies beside it goes on. `WARDLINE_PLACES` names another list in the form of `places.txt`: the test prints what came of each
//! of its places, with the rule that decided it (`cargo xtask coverage`), and asserts only that nothing that should be open is closed.

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::scene::can_refuse;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// It did not happen.
    Refused,
    /// Its process was killed.
    Stopped,
    /// It went on.
    Open,
}

impl fmt::Display for Came {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Came::Refused => "refused",
            Came::Stopped => "happened and stopped",
            Came::Open => "open",
        })
    }
}

/// Tries each place of a list, in a process of its own: place by place `STATUS LETTER PATH`.
const TRY: &str = r#"
while read -r what path; do
    case $what in
    R | r) cat "$HOME/$path" ;;
    W | w) sh -c ': >> "$1"' sh "$HOME/$path" ;;
    *) continue ;;
    esac > /dev/null 2>&1
    echo "$? $what $path"
done < "$1"
"#;

fn is_place(line: &str) -> Option<(&str, &str)> {
    line.split_once(' ').filter(|(what, _)| ["R", "W", "r", "w"].contains(what))
}

/// The places of a list, by kind, and what came of each.
fn tried(list: &str) -> Result<BTreeMap<(String, String), Came>> {
    let world = World::new()?;
    let workspace = world.home().join("work");
    for (_, path) in list.lines().filter_map(is_place) {
        world.write(&world.home().join(path), "some content 12\n")?;
    }
    world.write(&workspace.join("list"), list)?;
    world.write(&workspace.join("try.sh"), TRY)?;
    let home = world.home().display().to_string();
    let mut args = world.session("enforce", &["--quiet", "--workspace", "."]);
    args.extend(["/bin/sh", "try.sh", "list"].map(str::to_owned));
    let output = world.wardline(args).current_dir(&workspace).env("HOME", home).output()?;
    let told = String::from_utf8(output.stdout.clone())?;
    let came: Result<BTreeMap<_, _>> = told
        .lines()
        .map(|line| {
            let (status, place) = line.split_once(' ').context("no status")?;
            let (what, path) = is_place(place).context("no place")?;
            let came = match status.parse::<i32>()? {
                0 => Came::Open,
                128.. => Came::Stopped,
                _ => Came::Refused,
            };
            Ok(((what.to_owned(), path.to_owned()), came))
        })
        .collect();
    let came = came.with_context(|| format!("{output:?}"))?;
    let asked = list.lines().filter_map(is_place).count();
    ensure!(came.len() == asked, "{} of {asked} were tried: {output:?}", came.len());
    Ok(came)
}

/// Says what came of each place, and which rule speaks: `place TIER | LETTER | PATH | FATE | KIND | RULE | WHY`.
fn say(came: &BTreeMap<(String, String), Came>) -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    let workspace = home.join("work");
    let tier = if can_refuse() { "lsm" } else { "tracepoint" };
    for ((what, path), came) in came {
        let of = [home.join(path), home.to_owned(), workspace.clone()].map(|path| path.display().to_string());
        let line = ["policy", "explain", &of[0], "--home", &of[1], "--workspace", &of[2], "--json"];
        let met: Value = serde_json::from_slice(&world.run(line)?.stdout)?;
        let first = met.as_array().and_then(|rules| rules.first());
        let text = |name: &str| first.and_then(|rule| rule[name].as_str()).unwrap_or("-");
        let kind = text("file").rsplit('/').next().and_then(|file| file.strip_suffix(".toml")).unwrap_or("-");
        println!("place {tier} | {what} | {path} | {came} | {kind} | {} | {}", text("id"), text("why"));
    }
    Ok(())
}

#[test]
fn what_the_rules_close_is_refused_and_what_lies_beside_it_goes_on() -> Result<()> {
    let own = include_str!("../places.txt");
    let other = std::env::var_os("WARDLINE_PLACES").map(fs::read_to_string).transpose()?;
    let list = other.as_deref().unwrap_or(own);
    let came = tried(list)?;
    if other.is_some() {
        say(&came)?;
    }
    let wrong: Vec<_> = came
        .iter()
        .filter(|((what, _), came)| match &**what {
            "R" | "W" => other.is_none() && **came != Came::Refused,
            _ => **came != Came::Open,
        })
        .collect();
    ensure!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}
