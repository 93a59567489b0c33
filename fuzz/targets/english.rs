//! Any directive: what is understood of it is a rule of a file, and says the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::{Layer, Listener, Policy, Rules, hear, read_english, sentence};
use std::path::Path;

fuzz_target!(|text: &str| {
    let rules = Rules::default();
    let listener = Listener { rules: &rules, layer: Layer::User, home: Path::new("/home/u") };
    for heard in hear(text, listener) {
        assert!(heard.is_understood() || heard.rules.is_empty(), "{heard:?}");
        for said in &heard.rules {
            let read = Policy::read(Layer::User, "fuzz.toml", &said.toml("x"));
            assert!(read.is_ok_and(|read| read.rules().len() == 1), "{said:?}");
            let words = sentence(said.effect, said.what, &said.sites);
            let again = hear(&words, listener);
            let again: Vec<_> = again
                .iter()
                .flat_map(|heard| &heard.rules)
                .map(|of| (of.effect, of.what, &of.sites))
                .collect();
            assert_eq!(again, [(said.effect, said.what, &said.sites)], "{words}");
        }
        for nearest in &heard.nearest {
            assert!(read_english(Layer::User, "fuzz.toml", nearest).is_some(), "{nearest}");
        }
    }
});
