//! Runs of system calls: one blob for up to [`CALLS`] calls of one thread.
//!
//! MessagePack without names, column by column, since neighbours in a column are alike and small: the time since the
//! call before (ns, from the chunk's first), the number, what it returned, and the places of the 32-bit calls.

use event::Syscall;
use serde::{Deserialize, Serialize};

/// Calls in a full chunk: about 3 KB, which fits a page.
pub(crate) const CALLS: usize = 512;

#[derive(Serialize, Deserialize)]
struct Body {
    deltas: Vec<u64>,
    numbers: Vec<u32>,
    returns: Vec<i64>,
    compat: Vec<u32>,
}

/// Calls of one thread as they are stored.
pub(crate) struct Chunk {
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) calls: usize,
    pub(crate) body: Vec<u8>,
}

/// Packs calls of one thread and brings them into time order; `None` for no calls.
pub(crate) fn pack(calls: &mut [Syscall]) -> Result<Option<Chunk>, rmp_serde::encode::Error> {
    calls.sort_by_key(|call| call.time_ns);
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return Ok(None) };
    let (first_ns, last_ns) = (first.time_ns, last.time_ns);
    let mut before = first_ns;
    let mut deltas = Vec::with_capacity(calls.len());
    for call in &*calls {
        deltas.push(call.time_ns - before);
        before = call.time_ns;
    }
    let places = (0u32..).zip(&*calls);
    let body = Body {
        deltas,
        numbers: calls.iter().map(|call| call.number).collect(),
        returns: calls.iter().map(|call| call.ret).collect(),
        compat: places.filter(|(_, call)| call.compat).map(|(place, _)| place).collect(),
    };
    Ok(Some(Chunk { first_ns, last_ns, calls: calls.len(), body: rmp_serde::to_vec(&body)? }))
}

/// The calls of a chunk in time order; what is wrong with it otherwise.
pub(crate) fn unpack(
    tid: u32,
    first_ns: u64,
    last_ns: u64,
    count: usize,
    body: &[u8],
) -> Result<Vec<Syscall>, String> {
    let body: Body = rmp_serde::from_slice(body).map_err(|error| error.to_string())?;
    if [body.deltas.len(), body.numbers.len(), body.returns.len()] != [count; 3] {
        return Err("its columns differ in length".into());
    }
    let mut calls = Vec::with_capacity(count);
    let mut time_ns = first_ns;
    for ((delta, number), ret) in body.deltas.into_iter().zip(body.numbers).zip(body.returns) {
        time_ns = time_ns.checked_add(delta).ok_or("its times overflow")?;
        calls.push(Syscall { time_ns, tid, number, compat: false, ret });
    }
    if time_ns != last_ns {
        return Err("it does not end at its own time".into());
    }
    for place in body.compat {
        calls.get_mut(place as usize).ok_or("it marks a call that it has not")?.compat = true;
    }
    Ok(calls)
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
        let chunk = pack(&mut calls).unwrap().unwrap();
        assert_eq!((chunk.first_ns, chunk.last_ns, chunk.calls), (10, u64::MAX, 4));
        let back = unpack(7, 10, u64::MAX, 4, &chunk.body).unwrap();
        assert_eq!(
            back,
            [call(10, 2, true), call(10, 4, false), call(30, 1, false), call(u64::MAX, 3, false)]
        );
    }

    #[test]
    fn a_usual_call_takes_at_most_eight_bytes() {
        let mut calls: Vec<Syscall> = (0..CALLS as u64).map(|n| call(n * 9_000, 257, false)).collect();
        let chunk = pack(&mut calls).unwrap().unwrap();
        assert!(chunk.body.len() <= 8 * CALLS, "{}", chunk.body.len());
    }

    #[test]
    fn a_damaged_chunk_says_what_is_wrong() {
        let mut calls = [call(10, 1, false), call(20, 2, true)];
        let chunk = pack(&mut calls).unwrap().unwrap();
        assert!(unpack(7, 10, 20, 3, &chunk.body).is_err());
        assert!(unpack(7, 10, 21, 2, &chunk.body).is_err());
        assert!(unpack(7, u64::MAX, 9, 2, &chunk.body).is_err());
        assert!(unpack(7, 10, 20, 2, &chunk.body[..5]).is_err());
        assert!(unpack(7, 10, 20, 2, &[]).is_err());
    }
}
