//! What the kernel programs and user space say to each other: ring records, map keys and map values.
//!
//! Plain `#[repr(C)]` data with explicit padding and no enums on the wire. Must never hold policy, logic or
//! anything that only one of the two sides needs, but for the columns of a table that both read (`operation.rs`).
#![no_std]

/// Declares wire types: `#[repr(C)]`, a compile-time size, and the traits that user space needs to view and copy them.
macro_rules! wire {
    ($($(#[$meta:meta])* pub struct $name:ident : $size:literal { $($(#[$fmeta:meta])* pub $field:ident : $ty:ty,)* })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout))]
        pub struct $name { $($(#[$fmeta])* pub $field : $ty,)* }
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        // SAFETY: `#[repr(C)]` integers and arrays of integers without padding (zerocopy's IntoBytes derive checks that).
        #[cfg(feature = "maps")]
        unsafe impl aya::Pod for $name {}
    )*};
}

pub mod access;
pub mod held;
pub mod map;
pub mod operation;
pub mod pattern;
pub mod place;
pub mod plan;
pub mod record;

pub use held::*;
pub use map::*;
pub use operation::*;
pub use place::*;
pub use plan::*;
pub use record::*;
