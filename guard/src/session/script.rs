//! What an interpreter was given to run.

use agents::{Agent, Program, is_interpreter};
use bstr::BString;
use event::{Event, Exe, Object};

/// What an interpreter runs.
#[derive(Debug)]
pub(super) struct Script {
    /// Its file.
    pub(super) interpreter: BString,
    /// As it was given to the interpreter.
    pub(super) path: BString,
}

impl Script {
    /// Of an interpreter that is given a script, and no option but those by which it surely runs nothing else.
    pub(super) fn of(event: &Event) -> Option<Script> {
        const HARMLESS: [&[u8]; 9] = [
            b"--disable-warning",
            b"--enable-source-maps",
            b"--expose-gc",
            b"--max-old-space-size",
            b"--max-semi-space-size",
            b"--no-deprecation",
            b"--no-warnings",
            b"--stack-size",
            b"--use-system-ca",
        ];
        let Object::Exe(Exe { file, args, .. }) = &event.object else { return None };
        let Program::File(path) = Program::of(args.iter().map(|word| word.as_slice())) else { return None };
        let mut options = args.iter().skip(1).take_while(|word| word.as_slice() != path);
        let name = |word: &[u8]| {
            word.split(|byte| *byte == b'=').next().is_some_and(|name| HARMLESS.contains(&name))
        };
        let loads = options.any(|word| !name(word));
        let is_script =
            is_interpreter(&file.path) && args.first().is_some_and(|first| first.as_slice() != path);
        (is_script && !loads)
            .then(|| Script { interpreter: BString::from(file.path.as_slice()), path: path.into() })
    }
}

/// Whether a program is the agent's.
pub(super) fn is_of(path: &[u8], agent: &str) -> bool {
    Agent::of_program(path).is_some_and(|program| program.name == agent)
}
