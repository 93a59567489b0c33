//! An attack's steps among those of a task.

use super::Scenario;
use crate::corpus::Variant;
use crate::seed::stream;
use crate::{Script, Step};
use rand::Rng as _;
use rand::seq::SliceRandom;

/// Steps of the task between two of an attack that is spread out, where the task is long enough.
const SPREAD: usize = 20;

/// Steps of the task that are made once more between two of an attack that is padded, fewest and most.
const PADDING: (usize, usize) = (2, 4);

/// Commands that only look: making them once more changes nothing.
const LOOKS: [&[&str]; 11] = [
    &["cat"],
    &["ls"],
    &["head"],
    &["tail"],
    &["grep"],
    &["sed", "-n"],
    &["rg"],
    &["wc"],
    &["git", "status"],
    &["git", "log"],
    &["git", "diff"],
];

/// Puts a scenario's steps into a session. The steps of the task keep their order, and so do those of the attack; only
/// [`Variant::Padded`] adds steps of the task, some of its own looks once more. The rest follows from the seed.
pub fn inject(script: &Script, scenario: &Scenario, variant: Variant, seed: u64) -> Script {
    let mut rng = stream(seed, &scenario.id.0, variant as u64);
    let attack: Vec<Step> = scenario
        .steps
        .iter()
        .map(|step| Step { says: step.says.clone(), command: step.command.clone(), injected: true })
        .collect();
    let normal = &script.steps;
    let third = normal.len() / 3;
    let middle = rng.gen_range(third..=normal.len() - third);
    let mut steps = normal.clone();
    match variant {
        Variant::Immediate => drop(steps.splice(0..0, attack)),
        Variant::Delayed => drop(steps.splice(middle..middle, attack)),
        Variant::Padded => {
            let looks: Vec<&Step> = normal.iter().filter(|step| only_looks(&step.command)).collect();
            let mut padded = Vec::new();
            for (number, step) in attack.into_iter().enumerate() {
                if number > 0 {
                    let count = rng.gen_range(PADDING.0..=PADDING.1);
                    padded.extend(
                        (0..count).filter_map(|_| looks.choose(&mut rng).map(|step| (*step).clone())),
                    );
                }
                padded.push(step);
            }
            steps.splice(middle..middle, padded);
        }
        Variant::Spread => {
            let stride = (normal.len() / (attack.len() + 1)).clamp(1, SPREAD);
            let first = rng.gen_range(0..=stride);
            for (number, step) in attack.into_iter().enumerate() {
                // Each comes after as many of the attack's as were put in before.
                let position = (first + number * stride).min(normal.len()) + number;
                steps.insert(position, step);
            }
        }
    }
    Script { steps, ..script.clone() }
}

/// Whether a command changes nothing, as far as its words tell.
fn only_looks(command: &str) -> bool {
    let looks = |part: &str| {
        let words: Vec<&str> = part.split_whitespace().collect();
        LOOKS.iter().any(|look| words.starts_with(look))
    };
    command.split('|').all(looks) && !command.contains(['>', ';', '&', '`', '$', '\n'])
}

#[cfg(test)]
mod tests;
