//! Secrets in arguments: any bytes are taken, the result is bounded, and done twice nothing more changes.
#![no_main]

use bstr::BString;
use event::secret::{REPLACEMENT_BYTES, REPLACEMENTS_MAX, Redactor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut args: Vec<BString> = bytes.split(|byte| *byte == 0).map(BString::from).collect();
    let cut = bytes.len() % 2 == 1;
    let before: Vec<usize> = args.iter().map(|arg| arg.len()).collect();
    let redactor = Redactor::new([1; 32]);
    redactor.arguments(&mut args, cut);
    for (arg, before) in args.iter().zip(before) {
        assert!(arg.len() <= before + REPLACEMENTS_MAX * REPLACEMENT_BYTES);
    }
    let once = args.clone();
    redactor.arguments(&mut args, cut);
    assert_eq!(once, args);
});
