//! Sequence models that were learned in parts and put together are those that were learned at once, bit for bit.

use models::ngram::{History, Ngram};
use proptest::prelude::*;

/// Streams of symbols; each begins without a history.
fn streams() -> impl Strategy<Value = Vec<Vec<u32>>> {
    proptest::collection::vec(proptest::collection::vec(0u32..6, 0..40), 1..8)
}

fn learn(model: &mut Ngram, stream: &[u32]) {
    let mut history = History::default();
    for &symbol in stream {
        model.learn(&history, symbol);
        history.push(symbol);
    }
}

fn of<'s>(order: usize, streams: impl IntoIterator<Item = &'s Vec<u32>>) -> Ngram {
    let mut model = Ngram::new(order);
    streams.into_iter().for_each(|stream| learn(&mut model, stream));
    model
}

fn bytes(model: &Ngram) -> Vec<u8> {
    rmp_serde::to_vec_named(&model.settled()).unwrap_or_default()
}

proptest! {
    #[test]
    fn parts_that_are_merged_in_any_order_are_the_whole(
        (streams, shuffled) in streams().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        order in 1usize..=6,
        parts in 1usize..4,
    ) {
        let whole = of(order, &streams);
        let mut merged = Ngram::new(order);
        for part in 0..parts {
            // Some parts learn in place, some are merged of single streams.
            let of_part: Vec<&Vec<u32>> = shuffled.iter().skip(part).step_by(parts).collect();
            let mut learned = Ngram::new(order);
            if part % 2 == 0 {
                of_part.iter().for_each(|stream| learn(&mut learned, stream));
            } else {
                of_part.iter().rev().for_each(|stream| learned.merge(&of(order, [*stream])));
            }
            merged.merge(&learned.settled());
        }
        prop_assert_eq!(bytes(&merged), bytes(&whole));
        prop_assert_eq!(merged.settled(), whole.settled());
        prop_assert!(!bytes(&whole).is_empty());
    }

    #[test]
    fn what_is_taken_away_leaves_the_others_and_predictions_stay(
        streams in streams(),
        order in 1usize..=6,
        taken in 0usize..8,
        history in proptest::collection::vec(0u32..7, 0..6),
    ) {
        let taken = taken % streams.len();
        let mut rest = of(order, &streams);
        rest.subtract(&of(order, [&streams[taken]]));
        let others = of(order, streams.iter().enumerate().filter(|(at, _)| *at != taken).map(|(_, stream)| stream));
        prop_assert_eq!(rest.settled(), others.settled());
        let mut after = History::default();
        history.iter().for_each(|&symbol| after.push(symbol));
        for symbol in 0..7 {
            prop_assert_eq!(others.settled().surprise(&after, symbol), others.surprise(&after, symbol));
        }
        prop_assert_eq!(others.settled().settled(), others.settled());
    }
}
