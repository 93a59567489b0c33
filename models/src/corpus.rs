//! Sessions to learn from, however they are kept.

use event::Step;

/// What a session is made of, in order.
#[derive(Clone, Copy, Debug)]
pub enum Item<'i> {
    /// An event.
    Step(&'i Step),
    /// A raw system call of a session that ran.
    Syscall {
        /// Thread.
        tid: u32,
        /// Its number.
        number: u32,
        /// What it returned.
        ret: i64,
    },
    /// A raw system call of a trace as it was written down: each counts.
    Call {
        /// Thread.
        tid: u32,
        /// See [`crate::thread::syscall_symbol`].
        symbol: u32,
    },
    /// Records were lost here.
    Loss(u64),
}

/// Sessions (or segments) of one task that can be read more than once.
pub trait Corpus {
    /// What reading can fail with.
    type Error;

    /// How many sessions there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that tells the workspace of a session from others.
    fn workspace(&self, session: usize) -> u64;

    /// Hands on everything in a session, in order.
    fn replay(&self, session: usize, sink: &mut dyn FnMut(Item<'_>)) -> Result<(), Self::Error>;
}
