//! Offers programs to the kernel's verifier, as many at once as there are processors: it takes some fiftieth of a second for each,
//! and the first session waits for all.

use crate::lock::lock;
use aya::Ebpf;
use aya::programs::{Program, ProgramError};
use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;

/// What the verifier said to each program that the object has.
pub(crate) type Said = HashMap<&'static str, Result<(), ProgramError>>;

/// More would wait for memory, and not for the verifier.
const THREADS_MAX: usize = 8;

/// Loads the programs of these names by `load`, which is told the name.
pub(crate) fn verify(
    bpf: &mut Ebpf,
    names: &[&'static str],
    load: impl Fn(&'static str, &mut Program) -> Result<(), ProgramError> + Sync,
) -> Said {
    let named = |name: &str| names.iter().copied().find(|wanted| *wanted == name);
    let waiting: Vec<_> =
        bpf.programs_mut().filter_map(|(name, program)| Some((named(name)?, program))).collect();
    let helpers = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX) - 1;
    let waiting = Mutex::new(waiting);
    let said = Mutex::new(Said::new());
    let work = || {
        while let Some((name, program)) = next(&waiting) {
            let loaded = again(|| load(name, program));
            lock(&said).insert(name, loaded);
        }
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "one that does not start is not missed: this thread does the work as well"
            )]
            let _ = thread::Builder::new().name("verify".to_owned()).spawn_scoped(scope, work);
        }
        work();
    });
    said.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A program of its own for each thread that asks.
fn next<T>(waiting: &Mutex<Vec<T>>) -> Option<T> {
    lock(waiting).pop()
}

/// Loads a program once more where a signal came while the verifier looked at it (`EAGAIN`).
fn again(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    const TIMES: usize = 20;
    let interrupted = |error: &ProgramError| {
        matches!(error, ProgramError::LoadError { io_error, .. }
            if io_error.raw_os_error() == Some(libc::EAGAIN))
    };
    let mut loaded = load();
    for _ in 1..TIMES {
        match &loaded {
            Err(error) if interrupted(error) => loaded = load(),
            _ => break,
        }
    }
    loaded
}
