//! Calibration by sessions that were kept apart for it.

use fixtures::synthetic::{Sessions, Task, Turn, baseline, session};
use models::calibration::{BLOCK_ACTIONS, Block, Calibration, Held, Length, Weighed};
use models::channel::{CHANNELS, COUNT, Chances};
use models::train::calibrate_on;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

fn clean(seeds: std::ops::Range<u64>) -> Sessions {
    Sessions(seeds.map(|seed| session(Task::Edit, Turn::Clean, seed)).collect())
}

#[test]
fn sessions_kept_apart_set_the_scale_and_keep_what_they_promise() {
    let mut learned = (*baseline(Task::Edit, 12, 1)).clone();
    let calibration = calibrate_on(&learned, &clean(50_000..50_099)).unwrap();
    assert_eq!(calibration.sessions(), 99);
    assert_eq!(calibration.usual().count(), learned.calibration.usual().count());
    assert!(calibration.smallest_provable() < learned.smallest_provable() / 4.0);
    learned.calibration = calibration;
    let learned = std::sync::Arc::new(learned);
    let fresh = clean(60_000..60_200);
    let lowest = |session: &fixtures::synthetic::Session| {
        session.scores(&learned).iter().fold(1.0, |least: f64, (_, score)| score.p.min(least))
    };
    let below = |target: f64| fresh.0.iter().filter(|session| lowest(session) <= target).count();
    // Of 200, a fifth may come to 0.2 and a tenth to 0.1.
    assert!(below(0.2) <= 40 && below(0.1) <= 20, "{} {}", below(0.2), below(0.1));
}

/// A session whose channels say what a seed says: exchangeable with every other, its channels not independent.
fn made_up(random: &mut Xoshiro256PlusPlus) -> (Held, Vec<Block>) {
    made_up_in(random, 0, 1.0)
}

/// The same in a workspace whose sessions are all that much busier.
fn made_up_in(random: &mut Xoshiro256PlusPlus, workspace: u64, bustle: f64) -> (Held, Vec<Block>) {
    let (mut held, mut blocks, mut block) = (Held::of(workspace), Vec::new(), Block::default());
    let busy: f64 = bustle * random.gen_range(0.5..2.0);
    for _ in 0..random.gen_range(1..5) * BLOCK_ACTIONS {
        let shared: f64 = -f64::ln(random.r#gen::<f64>().max(1e-12));
        let values =
            CHANNELS.map(|channel| channel.unit * busy * (shared - random.r#gen::<f64>().max(1e-12).ln()));
        blocks.extend(block.push(&values));
    }
    blocks.push(block);
    blocks.iter().for_each(|block| held.push(block));
    (held, blocks)
}

/// The p of a block of a session, the first of which is 1.
fn weigh(calibration: &Calibration, block: &Block, at: u64) -> f64 {
    calibration.weigh(&block.highest(), calibration.chances(at * BLOCK_ACTIONS as u64)).p.p
}

#[test]
fn of_sessions_that_are_alike_no_more_come_to_a_p_than_it_says() {
    const TRIALS: usize = 4000;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    for sessions in [3, 5, 12, 13, 40] {
        let mut lowest = Vec::new();
        let mut betting = 0.0;
        for _ in 0..TRIALS {
            let held = (0..sessions).map(|_| made_up(&mut random).0).collect();
            let calibration = Calibration::of(held, [true; COUNT]);
            let (_, blocks) = made_up(&mut random);
            let p = blocks.iter().zip(1..).map(|(block, at)| weigh(&calibration, block, at));
            let p = p.fold(1.0, f64::min);
            // What is paid for a bet against sessions of its own kind (Vovk and Wang 2021): a fair one pays one.
            betting += 0.5 / p.sqrt();
            lowest.push(p);
        }
        for target in [0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5] {
            let share = lowest.iter().filter(|p| **p <= target).count() as f64 / TRIALS as f64;
            let noise = 3.0 * (target * (1.0 - target) / TRIALS as f64).sqrt();
            println!("{sessions} sessions: {share} came to {target}");
            assert!(share <= target + noise, "{sessions} sessions: {share} came to {target}");
        }
        let betting = betting / TRIALS as f64;
        assert!(betting <= 1.0, "{sessions} sessions: {betting}");
    }
}

#[test]
fn sessions_of_a_heavier_tail_than_the_stated_one_come_to_a_p_more_often_and_how_much_is_known() {
    const TRIALS: usize = 4000;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(13);
    // Most sessions say nothing of a channel, and one in five any amount: twice as much in half as many.
    let rare = |random: &mut Xoshiro256PlusPlus| {
        let values = CHANNELS.map(|channel| {
            let far = random.r#gen::<f64>() < 0.2;
            if far { channel.unit * 3.0 / random.r#gen::<f64>().max(1e-6) } else { 0.1 * channel.unit }
        });
        let (mut block, mut held) = (Block::default(), Held::of(0));
        for _ in 0..BLOCK_ACTIONS {
            block.push(&values);
        }
        held.push(&block);
        (held, block)
    };
    let at_most =
        [(3, 0.08, 0.04, 0.0), (5, 0.08, 0.04, 0.02), (12, 0.06, 0.04, 0.02), (33, 0.04, 0.03, 0.015)];
    for (sessions, alerted, restricted, frozen) in at_most {
        let weighed: Vec<_> = (0..TRIALS)
            .map(|_| {
                let held = (0..sessions).map(|_| rare(&mut random).0).collect();
                let calibration = Calibration::of(held, [true; COUNT]);
                calibration.weigh(&rare(&mut random).1.highest(), 1.0)
            })
            .collect();
        let share = |p: &dyn Fn(&Weighed) -> f64, target: f64| {
            weighed.iter().filter(|weighed| p(weighed) <= target).count() as f64 / TRIALS as f64
        };
        let acting = |target| share(&|weighed| weighed.acting.p, target);
        let found = [share(&|weighed| weighed.p.p, 1e-2), acting(1e-3), acting(1e-5)];
        println!("{sessions} sessions: {found:?} came to .01, and, of what acts, to .001 and .00001");
        let within = found.iter().zip([alerted, restricted, frozen]).all(|(share, most)| *share <= most);
        assert!(within, "{sessions} sessions: {found:?}");
    }
}

#[test]
fn no_channel_of_the_order_of_calls_rules_alone_however_far_out_it_is() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
    let held = (0..12).map(|_| made_up(&mut random).0).collect();
    let calibration = Calibration::of(held, [true; COUNT]);
    let usual: Vec<f64> = calibration.usual().map(|(_, usual, _)| usual).collect();
    for (at, channel) in CHANNELS.iter().enumerate() {
        let mut values = [0.0; COUNT];
        values.copy_from_slice(&usual);
        values[at] = 1e12;
        let weighed = calibration.weigh(&values, 1.0);
        assert_eq!(weighed.evidence[at], Some(channel.bound * channel.weight), "{}", channel.name);
        if !channel.acts {
            assert!(weighed.acting.p >= calibration.smallest_provable(), "{}: {weighed:?}", channel.name);
            assert!(weighed.p.p > models::Thresholds::default().act, "{}: {weighed:?}", channel.name);
        }
        values[at] = 0.0;
        let quiet = calibration.weigh(&values, 1.0).evidence[at];
        assert!(quiet.is_some_and(|evidence| evidence > -channel.weight && evidence < 0.0), "{quiet:?}");
    }
}

#[test]
fn a_dozen_sessions_prove_one_in_thirteen_and_merging_is_learning_from_both() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
    let sessions: Vec<Held> = (0..20).map(|_| made_up(&mut random).0).collect();
    let of = |range: std::ops::Range<usize>| Calibration::of(sessions[range].to_vec(), [true; COUNT]);
    assert_eq!(of(0..12).smallest_provable(), 1.0 / 13.0);
    let (mut one, mut other) = (of(0..12), of(12..20));
    one.merge(&of(12..20));
    other.merge(&of(0..12));
    let values = [3.0; COUNT];
    assert_eq!(one, of(0..20));
    assert_eq!(one.weigh(&values, 1.0), other.weigh(&values, 1.0), "in any order");
}

#[test]
fn in_a_new_workspace_no_more_than_twice_as_many_come_to_a_p_as_it_says() {
    const TRIALS: usize = 2000;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(10);
    for (workspaces, sessions) in [(4, 4), (3, 12), (12, 3)] {
        let bustle = |random: &mut Xoshiro256PlusPlus| {
            let normal: f64 = (0..12).map(|_| random.r#gen::<f64>()).sum::<f64>() - 6.0;
            (0.4 * normal).exp()
        };
        let lowest: Vec<f64> = (0..TRIALS)
            .map(|_| {
                let held = (0..workspaces).flat_map(|workspace| {
                    let bustle = bustle(&mut random);
                    (0..sessions).map(|_| made_up_in(&mut random, workspace, bustle).0).collect::<Vec<_>>()
                });
                let held = held.collect();
                let calibration = Calibration::of(held, [true; COUNT]);
                let bustle = bustle(&mut random);
                let (_, blocks) = made_up_in(&mut random, workspaces, bustle);
                let p = blocks.iter().zip(1..).map(|(block, at)| weigh(&calibration, block, at));
                p.fold(1.0, f64::min)
            })
            .collect();
        for target in [0.01, 0.05, 0.1, 0.2] {
            let share = lowest.iter().filter(|p| **p <= target).count() as f64 / TRIALS as f64;
            println!("{workspaces} workspaces of {sessions}: {share} came to {target}");
            assert!(share <= 2.0 * target, "{workspaces} workspaces of {sessions}: {share} came to {target}");
        }
    }
}

#[test]
fn a_session_of_many_segments_comes_to_a_p_no_more_often_than_its_length_says() {
    [3, 40].into_iter().for_each(many_segments);
}

/// Calibrated on so many sessions.
fn many_segments(sessions: usize) {
    const TRIALS: usize = 2000;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    let (mut least, mut each) = (Vec::new(), Vec::new());
    for _ in 0..TRIALS {
        let held = (0..sessions).map(|_| made_up(&mut random).0).collect();
        let calibration = Calibration::of(held, [true; COUNT]);
        let (mut chances, mut carried, mut alone) = (0.0, 1.0f64, 1.0f64);
        for _ in 0..6 {
            let blocks = made_up(&mut random).1;
            for (block, at) in blocks.iter().zip(1..) {
                let now = calibration.chances(at * BLOCK_ACTIONS as u64);
                let length = Length { before: chances, here: now };
                carried = carried.min(calibration.weigh(&block.highest(), length).p.p);
                alone = alone.min(calibration.weigh(&block.highest(), now).p.p);
            }
            chances += calibration.chances((blocks.len() * BLOCK_ACTIONS) as u64);
        }
        least.push(carried);
        each.push(alone);
    }
    let share = |of: &[f64], target: f64| of.iter().filter(|p| **p <= target).count() as f64 / TRIALS as f64;
    for target in [0.02, 0.05, 0.1] {
        // Looking anew with every usual session costs the harmonic sum of their number: 2.45 of six.
        let (carried, alone) = (share(&least, target), share(&each, target));
        println!("{sessions} sessions, six segments: {carried} came to {target}, {alone} if each began anew");
        assert!(
            carried <= 2.45 * target && carried < alone,
            "{sessions} sessions, {target}: {carried} {alone}"
        );
    }
}

#[test]
fn a_count_that_is_measured_by_the_length_of_a_segment_is_corrected_for_segments_alone() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(12);
    let held = (0..40).map(|_| made_up(&mut random).0).collect();
    let calibration = Calibration::of(held, [true; COUNT]);
    let counts = CHANNELS.iter().position(|channel| channel.chances == Chances::Segments);
    let counts = counts.expect("a channel of counts");
    let mut evidence = [Some(0.0); COUNT];
    evidence[counts] = Some(12.0);
    let p = |before, here| calibration.read(evidence, Length { before, here }).acting;
    let usual = p(0.0, 1.0);
    assert!(usual.extrapolated, "{usual:?}");
    assert_eq!(p(0.0, 5.0), usual, "its value is measured by the length already");
    assert_eq!(p(0.0, 0.1), usual);
    assert!((p(3.0, 1.0).p / usual.p - 4.0).abs() < 1e-9, "in each segment it begins anew");
    let novelty = CHANNELS.iter().position(|channel| channel.acts && channel.chances == Chances::Stretches);
    let mut evidence = [Some(0.0); COUNT];
    evidence[novelty.expect("a channel that forgets")] = Some(12.0);
    let p = |before, here| calibration.read(evidence, Length { before, here }).acting.p;
    assert!(
        (p(0.0, 5.0) / p(0.0, 1.0) - 5.0).abs() < 1e-9,
        "what forgets has more chances with every stretch"
    );
}

#[test]
fn one_odd_session_of_a_few_hides_no_deed_that_is_far_from_all_of_them() {
    let novelty = CHANNELS.iter().position(|channel| channel.name == "novelty");
    let novelty = novelty.expect("a channel of places");
    let said = |value: f64| {
        let values = CHANNELS.map(|channel| value * channel.unit);
        let (mut block, mut held) = (Block::default(), Held::of(0));
        block.push(&values);
        held.push(&block);
        held
    };
    // One session of six is far from the others in everything.
    let held = (0..6).map(|n| said(if n == 0 { 3.0 } else { 0.5 })).collect();
    let calibration = Calibration::of(held, [true; COUNT]);
    let mut usual = CHANNELS.map(|channel| 0.4 * channel.unit);
    let quiet = calibration.weigh(&usual, 1.0);
    assert!(quiet.p.p > 0.5, "{quiet:?}");
    usual[novelty] = 100.0 * CHANNELS[novelty].unit;
    let weighed = calibration.weigh(&usual, 1.0);
    assert!(weighed.p.p <= models::Thresholds::default().alert && weighed.p.extrapolated, "{weighed:?}");
}
