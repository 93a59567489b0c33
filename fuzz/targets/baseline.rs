//! Baselines: what is parsed once the seal holds, or of another machine's without one. What is one can be scored under.
#![no_main]

use event::{Place, Reach, Step, Token};
use libfuzzer_sys::fuzz_target;
use models::Scorer;
use std::sync::Arc;

fuzz_target!(|payload: &[u8]| {
    let _ = models::format::decode_foreign(payload);
    let Some(baseline) = models::format::fuzz_parse(payload) else { return };
    let mut scorer = Scorer::new(Arc::new(baseline));
    for n in 0..60_u32 {
        let reach = Reach::ALL[n as usize % Reach::ALL.len()];
        scorer.push(&Step {
            time_ns: u64::from(n) * 700_000_000,
            tid: n % 2,
            token: Token(n % 20 << 11 | n % 7 << 6),
            action: true,
            place: Some(Place { reach, components: ["$workspace".into(), "a".into()].into() }),
            claimed: false,
            second: None,
            keeps: Vec::new(),
            child: None,
            ended: n % 30 == 29,
        });
        scorer.push_syscall(n % 2, n % 9, 0);
    }
    let p = scorer.score().p;
    assert!(p > 0.0 && p <= 1.0, "{p}");
});
