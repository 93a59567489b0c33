//! The state of each thread of a session.

use crate::ngram::History;
use rustc_hash::FxHashMap;

/// Threads that are followed at once. Past it the oldest contexts are forgotten all at once: a session with more live
/// threads than this has other troubles, and forgotten context only shortens the n-grams.
const THREADS_MAX: usize = 1 << 16;

/// The streams of symbols of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thread {
    /// Tokens of its events.
    pub tokens: History,
    /// Its raw system calls.
    pub syscalls: History,
    /// The system call before, so that a loop counts once: how often it turns depends on sizes and timing.
    before: Option<u32>,
}

/// What is kept of the threads of one session. A child begins with what its parent had; a thread that ended is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Threads<T> {
    threads: FxHashMap<u32, T>,
}

impl<T: Copy + Default> Threads<T> {
    /// Of the thread with this tid.
    pub fn get(&mut self, tid: u32) -> &mut T {
        if self.threads.len() >= THREADS_MAX && !self.threads.contains_key(&tid) {
            self.threads.clear();
        }
        self.threads.entry(tid).or_default()
    }

    /// `parent` made `child`.
    pub fn fork(&mut self, parent: u32, child: u32) {
        let inherited = *self.get(parent);
        *self.get(child) = inherited;
    }

    /// The thread ended.
    pub fn end(&mut self, tid: u32) {
        self.threads.remove(&tid);
    }

    /// Does something to each.
    pub fn each(&mut self, change: impl FnMut(&mut T)) {
        self.threads.values_mut().for_each(change);
    }
}

impl Thread {
    /// Records are missing: no stream goes on where it stopped.
    pub fn interrupt(&mut self) {
        *self = Self::default();
    }

    /// The symbol of a raw system call of a session that runs, where it says something that the one before did not. There
    /// are more or fewer calls that wait, and turns of a loop, with how busy the machine is: they say when something was
    /// done, not what.
    pub fn tells(&mut self, number: u32, ret: i64) -> Option<u32> {
        if TIMED.contains(&number) {
            return None;
        }
        let symbol = syscall_symbol(number, ret);
        (self.before.replace(symbol) != Some(symbol)).then_some(symbol)
    }
}

/// Symbol of a raw system call: its number, and whether it failed.
pub fn syscall_symbol(number: u32, ret: i64) -> u32 {
    (number << 1) | u32::from((-4095..0).contains(&ret))
}

/// x86-64's numbers (arch/x86/entry/syscalls/syscall_64.tbl): poll, rt_sigreturn, select, sched_yield, pause, nanosleep,
/// futex, restart_syscall, clock_gettime, clock_nanosleep, epoll_wait, pselect6, ppoll, epoll_pwait, epoll_pwait2.
const TIMED: [u32; 15] = [7, 15, 23, 24, 34, 35, 202, 219, 228, 230, 232, 270, 271, 281, 441];

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;

    #[test]
    fn a_child_goes_on_where_its_parent_was_and_an_ended_thread_begins_anew() {
        let mut threads: Threads<Thread> = Threads::default();
        threads.get(1).tokens.push(7);
        threads.fork(1, 2);
        threads.get(2).tokens.push(8);
        assert_eq!(threads.get(2).tokens.recent(), [8, 7]);
        assert_eq!(threads.get(1).tokens.recent(), [7]);
        threads.end(2);
        assert!(threads.get(2).tokens.recent().is_empty());
    }

    #[test]
    fn a_call_that_failed_is_another_one() {
        assert_eq!(
            [(0, 5), (0, 0), (0, -4), (1, -4096)].map(|(n, ret)| syscall_symbol(n, ret)),
            [0, 0, 1, 2]
        );
    }

    #[test]
    fn neither_waiting_nor_repeating_tells_anything() {
        let mut thread = Thread::default();
        let calls = [(0, 5), (0, 3), (202, 0), (0, -4), (1, 1), (24, 0), (1, 1), (0, 0)];
        let symbols: Vec<u32> = calls.iter().filter_map(|&(number, ret)| thread.tells(number, ret)).collect();
        assert_eq!(symbols, [0, 1, 2, 0]);
    }

    #[test]
    fn the_number_of_threads_is_bounded() {
        let mut threads: Threads<Thread> = Threads::default();
        for tid in 0..3 * THREADS_MAX as u32 {
            threads.get(tid);
        }
        assert!(threads.threads.len() <= THREADS_MAX);
    }
}
