//! How long the guard takes.

use serde::{Deserialize, Serialize};

/// From an operation to the moment when it had been scored. With raw tracepoints that is after the operation ended, at the
/// latest when the rings are emptied next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Operations that were scored.
    pub operations: u64,
    /// Half of them were faster, ns.
    pub p50_ns: u64,
    /// One in a hundred was slower, ns.
    pub p99_ns: u64,
}

/// How long answers took, from the event's arrival on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Answers to the session.
    pub answered: u64,
    /// Denials among them.
    pub refused: u64,
    /// Half of the latest ones were faster, ns.
    pub p50_ns: u32,
    /// One in a hundred of the latest ones was slower, ns.
    pub p99_ns: u32,
}

impl Latency {
    /// As it goes from one process to another.
    pub const BYTES: usize = 24;

    /// As it goes.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.answered.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.refused.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.p50_ns.to_ne_bytes());
        bytes[20..].copy_from_slice(&self.p99_ns.to_ne_bytes());
        bytes
    }

    /// As it came.
    pub fn of_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self {
            answered: u64::from_ne_bytes(bytes[..8].try_into().unwrap_or_default()),
            refused: u64::from_ne_bytes(bytes[8..16].try_into().unwrap_or_default()),
            p50_ns: u32::from_ne_bytes(bytes[16..20].try_into().unwrap_or_default()),
            p99_ns: u32::from_ne_bytes(bytes[20..].try_into().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_arrives_as_it_was_sent() {
        let latency = Latency { answered: 1 << 40, refused: 7, p50_ns: 100, p99_ns: u32::MAX };
        assert_eq!(Latency::of_bytes(latency.to_bytes()), latency);
    }
}
