//! Runs of system calls: one blob for up to [`CALLS`] calls of one thread.
//!
//! Column by column, since neighbours in a column are alike and small, each number as in `varint.rs`: the times since the
//! call before (ns, from the chunk's first), the numbers of the calls, what they returned (signed), and, behind how many
//! there are, the places of the 32-bit calls.

use crate::varint::{Numbers, put, put_signed};
use event::Syscall;

/// Calls in a full chunk: about 1 KB, so that four fill a page.
pub(crate) const CALLS: usize = 180;

/// Calls of one thread as they are stored.
pub(crate) struct Chunk {
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) calls: usize,
    pub(crate) body: Vec<u8>,
}

/// Packs calls of one thread and brings them into time order; `None` for no calls.
pub(crate) fn pack(calls: &mut [Syscall]) -> Option<Chunk> {
    calls.sort_by_key(|call| call.time_ns);
    let (first_ns, last_ns) = (calls.first()?.time_ns, calls.last()?.time_ns);
    let mut body = Vec::with_capacity(8 * calls.len());
    let mut before = first_ns;
    for call in &*calls {
        put(&mut body, call.time_ns - before);
        before = call.time_ns;
    }
    calls.iter().for_each(|call| put(&mut body, u64::from(call.number)));
    calls.iter().for_each(|call| put_signed(&mut body, call.ret));
    let places = || calls.iter().enumerate().filter(|(_, call)| call.compat).map(|(place, _)| place as u64);
    put(&mut body, places().count() as u64);
    places().for_each(|place| put(&mut body, place));
    Some(Chunk { first_ns, last_ns, calls: calls.len(), body })
}

/// The calls of a chunk in time order; what is wrong with it otherwise.
pub(crate) fn unpack(
    tid: u32,
    first_ns: u64,
    last_ns: u64,
    count: usize,
    body: &[u8],
) -> Result<Vec<Syscall>, &'static str> {
    // A call takes three bytes at least.
    if count > body.len() / 3 {
        return Err("it has fewer calls than it says");
    }
    let mut numbers = Numbers(body);
    let mut calls = Vec::with_capacity(count);
    let mut time_ns = first_ns;
    for _ in 0..count {
        time_ns = time_ns.checked_add(numbers.take()?).ok_or("its times overflow")?;
        calls.push(Syscall { time_ns, tid, number: 0, compat: false, ret: 0 });
    }
    if time_ns != last_ns {
        return Err("it does not end at its own time");
    }
    for call in &mut calls {
        call.number = numbers.take_as()?;
    }
    for call in &mut calls {
        call.ret = numbers.take_signed()?;
    }
    for _ in 0..numbers.take()? {
        let place: usize = numbers.take_as()?;
        calls.get_mut(place).ok_or("it marks a call that it has not")?.compat = true;
    }
    if numbers.0.is_empty() { Ok(calls) } else { Err("it has more than its calls") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(time_ns: u64, number: u32, compat: bool) -> Syscall {
        Syscall { time_ns, tid: 7, number, compat, ret: -2 }
    }

    #[test]
    fn calls_come_back_in_time_order() {
        let mut calls = [call(30, 1, false), call(10, 2, true), call(u64::MAX, 3, false), call(10, 4, false)];
        let chunk = pack(&mut calls).unwrap();
        assert_eq!((chunk.first_ns, chunk.last_ns, chunk.calls), (10, u64::MAX, 4));
        let back = unpack(7, 10, u64::MAX, 4, &chunk.body).unwrap();
        assert_eq!(
            back,
            [call(10, 2, true), call(10, 4, false), call(30, 1, false), call(u64::MAX, 3, false)]
        );
    }

    #[test]
    fn a_usual_call_takes_at_most_six_bytes() {
        let mut calls: Vec<Syscall> = (0..CALLS as u64).map(|n| call(n * 9_000, 257, false)).collect();
        let chunk = pack(&mut calls).unwrap();
        assert!(chunk.body.len() <= 6 * CALLS, "{}", chunk.body.len());
    }

    #[test]
    fn a_damaged_chunk_says_what_is_wrong() {
        let mut calls = [call(10, 1, false), call(20, 2, true)];
        let chunk = pack(&mut calls).unwrap();
        let body = &chunk.body;
        assert_eq!(unpack(7, 10, 20, 2, body).map(|calls| calls.len()), Ok(2));
        assert!(unpack(7, 10, 20, 3, body).is_err());
        assert!(unpack(7, 10, 20, 1, body).is_err());
        assert!(unpack(7, 10, 21, 2, body).is_err());
        assert!(unpack(7, u64::MAX, 9, 2, body).is_err());
        assert!(unpack(7, 10, 20, usize::MAX, body).is_err());
        for end in 0..body.len() {
            assert!(unpack(7, 10, 20, 2, &body[..end]).is_err(), "{end}");
        }
        assert_eq!(unpack(7, 10, 20, 2, &[body, &[0][..]].concat()), Err("it has more than its calls"));
    }
}
