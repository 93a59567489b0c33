//! Nothing is lost, nothing changes places, and each variant is what its name says.

use super::super::Scenario;
use super::*;
use proptest::prelude::*;

fn scenario(steps: usize) -> Scenario {
    let steps: String =
        (0..steps).map(|number| format!("[[step]]\ncommand = \"attack {number}\"\n")).collect();
    let text = format!(
        "id = \"S01\"\ntitle = \"\"\nincident = \"\"\nsources = []\ntechniques = []\nsummary = \"\"\n\
         tasks = []\nexpected = \"detected\"\n{steps}[success]\n"
    );
    toml::from_str(&text).unwrap()
}

fn task(steps: usize) -> Script {
    let step = |number| {
        let verb = if number % 2 == 0 { "cat" } else { "make" };
        Step { command: format!("{verb} {number}"), ..Step::default() }
    };
    Script { task: "edit".into(), prompt: "p".into(), steps: (0..steps).map(step).collect() }
}

fn commands(steps: &[Step], injected: bool) -> Vec<String> {
    steps.iter().filter(|step| step.injected == injected).map(|step| step.command.clone()).collect()
}

/// Positions of the injected steps.
fn positions(script: &Script) -> Vec<usize> {
    script.steps.iter().enumerate().filter(|(_, step)| step.injected).map(|(at, _)| at).collect()
}

/// Whether all of `part` stand in `whole` in their order.
fn in_order(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|found| found == wanted))
}

proptest! {
    #[test]
    fn steps_keep_their_order_and_none_is_lost(
        normal in 0_usize..60, attack in 1_usize..8, variant in 0_usize..4, seed: u64,
    ) {
        let (script, scenario, variant) = (task(normal), scenario(attack), Variant::ALL[variant]);
        let injected = inject(&script, &scenario, variant, seed);
        prop_assert_eq!(&injected, &inject(&script, &scenario, variant, seed));
        let attacks: Vec<String> = scenario.steps.iter().map(|step| step.command.clone()).collect();
        prop_assert_eq!(commands(&injected.steps, true), attacks);
        let (before, after) = (commands(&script.steps, false), commands(&injected.steps, false));
        if variant == Variant::Padded {
            prop_assert!(in_order(&before, &after));
            let gaps = attack - 1;
            let added = after.len() - before.len();
            let looks = usize::from(normal > 0);
            prop_assert!((gaps * 2 * looks..=gaps * 4 * looks).contains(&added), "{} in {} gaps", added, gaps);
        } else {
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn each_variant_is_what_its_name_says(normal in 12_usize..60, attack in 2_usize..6, seed: u64) {
        let (script, scenario) = (task(normal), scenario(attack));
        let of = |variant| positions(&inject(&script, &scenario, variant, seed));
        prop_assert_eq!(of(Variant::Immediate), (0..attack).collect::<Vec<_>>());
        let delayed = of(Variant::Delayed);
        prop_assert!(delayed[0] >= normal / 3 && delayed[0] <= normal - normal / 3);
        prop_assert!(delayed.windows(2).all(|pair| pair[1] == pair[0] + 1));
        let padded = of(Variant::Padded);
        prop_assert!(padded.windows(2).all(|pair| (3..=5).contains(&(pair[1] - pair[0]))));
        let stride = (normal / (attack + 1)).clamp(1, SPREAD);
        prop_assert!(of(Variant::Spread).windows(2).all(|pair| pair[1] - pair[0] == stride + 1));
    }
}

#[test]
fn only_what_looks_is_made_once_more() {
    for looks in ["cat a", "git status --short", "ls", "sed -n '1,3p' a", "grep a b | head -n 3"] {
        assert!(only_looks(looks), "{looks}");
    }
    for changes in
        ["cat a > b", "sed -i s/a/b/ c", "ls; rm a", "make", "grep a b && rm a", "lsof", "cat a | sh"]
    {
        assert!(!only_looks(changes), "{changes}");
    }
}
