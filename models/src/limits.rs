//! What a baseline must have, and may have at most.

/// Sessions that a baseline needs: with fewer, support from several sessions has no meaning.
pub const SESSIONS_MIN: usize = 3;

/// Version of the format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 6;

/// Bytes that a baseline may have: a dozen sessions make one of some megabytes.
pub const SIZE_MAX: usize = 256 << 20;
