//! Any file of rules.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match policy::Policy::read(policy::Layer::Machine, "fuzz.toml", text) {
        Ok(policy) => {
            for row in policy.rows() {
                assert!(!row.site.to_string().is_empty());
            }
            policy.meetings_in_home(b".ssh/id_rsa");
        }
        Err(wrong) => {
            assert!(!wrong.mistakes.is_empty());
            for mistake in &wrong.mistakes {
                assert!(mistake.at.offset() + mistake.at.len() <= text.len(), "{mistake:?}");
                let (line, column) = wrong.position(mistake);
                assert!(line >= 1 && column >= 1, "{mistake:?}");
            }
            wrong.render();
        }
    }
});
