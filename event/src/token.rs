//! Tokens: an event made abstract for the models.

use crate::{Access, Class, Event, Object, Op, Outcome};
use bstr::ByteSlice;
use serde::{Deserialize, Serialize};

/// An event made abstract: operation x object class x flag class x outcome, and for a program of the system, which one.
///
/// Bits, from the lowest: outcome 2, flags 4, class 5, operation 6, program 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u32);

/// Raised by hand when the reading of an event changes in a way that names do not show.
const READING: u32 = 11;

/// Names of the outcomes, in the order of their numbers.
const OUTCOMES: [&str; 4] = ["ok", "absent", "refused", "failed"];

/// Names of the flag bits, in the order of their numbers.
const FLAGS: [&str; 4] = ["read", "write", "new", "own"];

/// What a baseline rests on: two builds with the same hash read events alike.
pub fn vocabulary_hash() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&READING.to_le_bytes());
    let operations = Op::ALL.iter().map(|op| op.name());
    let classes = Class::ALL.iter().map(|class| class.name());
    for name in operations.chain(classes).chain(OUTCOMES).chain(FLAGS) {
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
    }
    *hasher.finalize().as_bytes()
}

impl Token {
    /// That of an event; `own`: the session has made its object itself.
    pub(crate) fn of(event: &Event, class: Class, own: bool) -> Token {
        let outcome = match event.outcome {
            Outcome::Done(_) => 0,
            Outcome::Failed(errno::ENOENT) => 1,
            Outcome::Failed(errno::EPERM | errno::EACCES) => 2,
            Outcome::Failed(_) => 3,
        };
        let flags = u32::from(event.access.contains(Access::READ))
            | u32::from(event.access.intersects(Access::WRITE | Access::TRUNC)) << 1
            | u32::from(event.access.contains(Access::NEW)) << 2
            | u32::from(own) << 3;
        Token(
            outcome
                | flags << 2
                | (class as u32) << 6
                | u32::from(event.op as u16) << 11
                | program(event, class) << 17,
        )
    }

    /// The operation.
    pub fn op(self) -> Option<Op> {
        Op::from_number(((self.0 >> 11) & 63) as u16)
    }

    /// The object class.
    pub fn class(self) -> Class {
        Class::ALL.get(((self.0 >> 6) & 31) as usize).copied().unwrap_or(Class::None)
    }

    /// Whether the object had been made by the session itself.
    pub fn is_own(self) -> bool {
        self.0 & (8 << 2) != 0
    }

    /// In words, for explanations: `open workspace read`, `connect host refused`.
    pub fn describe(self) -> String {
        let mut words = format!("{} {}", self.op().map_or("?", Op::name), self.class().name());
        for (bit, name) in FLAGS.iter().enumerate() {
            if self.0 & (4 << bit) != 0 {
                words.push(' ');
                words.push_str(name);
            }
        }
        if let Some(outcome) = OUTCOMES.get((self.0 & 3) as usize).filter(|_| self.0 & 3 != 0) {
            words.push(' ');
            words.push_str(outcome);
        }
        words
    }
}

/// Twelve bits that tell the system's programs apart by path; 0 for those that the user or the session brought.
fn program(event: &Event, class: Class) -> u32 {
    match &event.object {
        Object::Exe(exe) if event.op == Op::Exec && matches!(class, Class::System | Class::Toolchain) => {
            let hash = blake3::hash(exe.file.path.as_bytes());
            let bytes = hash.as_bytes();
            u32::from(u16::from_le_bytes([bytes[0], bytes[1]]) & 0xfff).max(1)
        }
        _ => 0,
    }
}

/// The three errnos that tokens tell apart; the same on every Linux architecture.
pub(crate) mod errno {
    pub const EPERM: i32 = 1;
    pub const ENOENT: i32 = 2;
    pub const EACCES: i32 = 13;
}
