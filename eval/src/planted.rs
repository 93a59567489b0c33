//! Evidence that is planted in clean sessions: weights and bounds of channels, and how far apart
//! clean sessions lie, can be looked into without an attack in sight. It is planted in units: of another unit it is another amount.
//!
//! Sessions that were held out in training are read by what remains when their workspace is left out of the calibration, with
//! and without evidence that is added to what their channels said in two neighbouring blocks, at four places of each.

use crate::channels::{Channels, Figures};
use models::calibration::{BLOCK_ACTIONS, Calibration, Held};
use models::channel::{CHANNELS, COUNT, Channel};
use std::collections::BTreeSet;

/// Places of a session at which evidence is planted, each by itself.
const PLACES: usize = 4;

/// Blocks in a row that it is added to.
const BLOCKS: usize = 2;

/// Units of one channel that says what was done.
const DEED_UNITS: [f64; 3] = [3.0, 6.0, 9.0];

/// Units of every channel that says in which order things were done.
const ORDER_UNITS: [f64; 4] = [2.0, 4.0, 8.0, 12.0];

/// The same beside the fewest of a deed.
const BESIDE_UNITS: [f64; 2] = [1.0, 4.0];

/// What is planted, and in words.
#[derive(Clone, Debug)]
struct Kind {
    name: String,
    /// What each channel says more, in its own unit.
    units: [f64; COUNT],
}

/// What came of one kind of evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// What was planted.
    pub kind: String,
    /// How sessions with it are told from the same ones without.
    pub figures: Figures,
}

/// What the score makes of each kind of planted evidence.
pub fn planted(kept: &Channels) -> Vec<Planted> {
    let (kinds, mut clean) = (kinds(), Vec::new());
    let mut lowest = vec![Vec::new(); kinds.len()];
    for calibration in kept.baselines.iter().map(|measure| &measure.calibration) {
        let workspaces: BTreeSet<u64> = calibration.held().iter().map(Held::workspace).collect();
        for workspace in workspaces {
            let rest = calibration.without_workspace(workspace);
            for session in calibration.held().iter().filter(|session| session.workspace() == workspace) {
                let blocks: Vec<[f64; COUNT]> = session.values().collect();
                clean.push(lowest_p(&rest, session, &blocks));
                for (kind, lowest) in kinds.iter().zip(&mut lowest) {
                    lowest.extend((0..PLACES).map(|place| {
                        let first = (2 * place + 1) * blocks.len() / (2 * PLACES);
                        let mut blocks = blocks.clone();
                        blocks.iter_mut().skip(first).take(BLOCKS).for_each(|block| kind.add(block));
                        lowest_p(&rest, session, &blocks)
                    }));
                }
            }
        }
    }
    let of =
        |(kind, lowest): (Kind, Vec<f64>)| Planted { kind: kind.name, figures: Figures::of(&clean, &lowest) };
    kinds.into_iter().zip(lowest).map(of).collect()
}

/// Weak and strong evidence of each deed, of the order of things, and of both.
fn kinds() -> Vec<Kind> {
    let deed = |of: &'static Channel, units: f64| Kind {
        name: format!("{}: {units} units", of.name),
        units: std::array::from_fn(|at| if CHANNELS[at].name == of.name { units } else { 0.0 }),
    };
    let order = |units: f64| Kind {
        name: format!("order: {units} units"),
        units: std::array::from_fn(|at| if CHANNELS[at].acts { 0.0 } else { units }),
    };
    let deeds = || CHANNELS.iter().filter(|channel| channel.rules_alone());
    let mut kinds: Vec<Kind> = deeds().flat_map(|of| DEED_UNITS.map(|units| deed(of, units))).collect();
    kinds.extend(ORDER_UNITS.map(order));
    let both = |of, units| {
        let (deed, order) = (deed(of, DEED_UNITS[0]), order(units));
        Kind {
            name: format!("{}, {}", deed.name, order.name),
            units: std::array::from_fn(|at| deed.units[at] + order.units[at]),
        }
    };
    kinds.extend(deeds().flat_map(|of| BESIDE_UNITS.map(|units| both(of, units))));
    kinds
}

impl Kind {
    fn add(&self, block: &mut [f64; COUNT]) {
        for ((value, units), channel) in block.iter_mut().zip(self.units).zip(CHANNELS) {
            *value += units * channel.unit;
        }
    }
}

/// The lowest p that blocks of a session come to.
fn lowest_p(calibration: &Calibration, session: &Held, blocks: &[[f64; COUNT]]) -> f64 {
    let read = |(at, block): (u64, &[f64; COUNT])| {
        let actions = (at * BLOCK_ACTIONS as u64).min(session.actions());
        calibration.weigh(block, calibration.chances(actions)).p.p
    };
    (1..).zip(blocks).map(read).fold(1.0, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Measure;
    use crate::metrics::proportion::Proportion;
    use models::calibration::Block;

    #[test]
    fn every_session_is_told_from_itself_by_what_was_planted() {
        // Nine sessions in three workspaces, of which the n-th says n hundredths of a unit of everything.
        let held = (0..9u32).map(|n| {
            let mut held = Held::of(u64::from(n % 3));
            let mut block = Block::default();
            for _ in 0..8 * BLOCK_ACTIONS {
                let ended = block.push(&CHANNELS.map(|channel| channel.unit * (1.0 + f64::from(n) / 100.0)));
                ended.iter().for_each(|ended| held.push(ended));
            }
            held.push(&block);
            held
        });
        let calibration = Calibration::of(held.collect(), [true; COUNT]);
        let measure = Measure { agent: "a".into(), task: "t".into(), calibration };
        let planted = planted(&Channels::of(String::new(), None, vec![measure], Vec::new()));
        let of = |name: &str| {
            let found = planted.iter().find(|planted| planted.kind == name);
            found.map(|planted| planted.figures).expect("a kind of that name")
        };
        assert!(planted.iter().all(|planted| planted.figures.alerted.of == 4 * 9));
        assert!(planted.iter().all(|planted| planted.figures.false_alarms == Proportion { hits: 0, of: 9 }));
        assert!(planted.iter().all(|planted| planted.figures.auc == Some(1.0)), "{planted:?}");
        assert!(of("novelty: 9 units").alerted.hits > of("novelty: 3 units").alerted.hits, "{planted:?}");
        assert!(of("order: 12 units").alerted.hits >= of("order: 2 units").alerted.hits, "{planted:?}");
    }
}
