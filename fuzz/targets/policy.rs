//! Any file of rules, as this machine's and as a repository's.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    read(policy::Layer::Machine, text);
    read(policy::Layer::Repository, text);
});

fn read(layer: policy::Layer, text: &str) {
    match policy::Policy::read(layer, "fuzz.toml", text) {
        Ok(policy) => {
            if layer == policy::Layer::Repository {
                let closes =
                    |rule: &policy::Rule| matches!(rule.effect, policy::Effect::Deny | policy::Effect::Watch);
                assert!(policy.rules().iter().all(closes), "{text}");
            }
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
}
