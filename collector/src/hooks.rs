//! The LSM hooks as what loads, attaches and checks programs reads them, of the table in `ebpf/abi/src/operation.rs`.

/// One argument that a program reads.
pub(crate) enum Read {
    /// At this place, a pointer to this structure.
    Pointer(usize, &'static str),
    /// The same where the hook has several of them: told apart by name.
    Named(usize, &'static str, &'static str),
    /// At this place, a number of this name.
    Number(usize, &'static str),
    /// An address of the network; its structure has another name since 6.19, and what is read of it lies where it did.
    Address(usize),
}
use Read::{Address, Named, Number, Pointer};

/// A program for a hook.
pub(crate) struct Hook {
    /// Its name: the hook's, but for [`SETATTR_WITHOUT_IDMAP`].
    pub(crate) program: &'static str,
    /// Without it a kernel is no `lsm` tier. What else a kernel lacks, `doctor` says.
    is_needed: bool,
    reads: &'static [Read],
}

/// Declares [`HOOKS`] from the table beside the operations.
macro_rules! table {
    ($($kind:ident $program:ident: $($read:expr),*;)*) => {
        /// Every program, in the order in which they are loaded.
        pub(crate) const HOOKS: &[Hook] = &[$($kind(stringify!($program), &[$($read),*]),)*];
    };
}

abi::hooks!(table);

const fn needed(program: &'static str, reads: &'static [Read]) -> Hook {
    Hook { program, is_needed: true, reads }
}
const fn more(program: &'static str, reads: &'static [Read]) -> Hook {
    Hook { program, is_needed: false, reads }
}

/// The hook whose arguments moved in 6.9, and the program for kernels before that.
pub(crate) const SETATTR: &str = "inode_setattr";
pub(crate) const SETATTR_WITHOUT_IDMAP: &str = "inode_setattr_without_idmap";
/// Says who reaches into the memory of a process.
pub(crate) const REACHING: &str = "ptrace_access_check";

/// Every hook.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().map(|hook| hook.program).filter(|program| *program != SETATTR_WITHOUT_IDMAP)
}

/// Whether a kernel without a program for this hook is no `lsm` tier.
pub(crate) fn is_needed(hook: &str) -> bool {
    HOOKS.iter().any(|known| known.program == hook && known.is_needed)
}

/// The program for a hook on this kernel.
pub(crate) fn program_of(hook: &'static str, setattr_idmap: bool) -> &'static str {
    if hook == SETATTR && !setattr_idmap { SETATTR_WITHOUT_IDMAP } else { hook }
}

/// What a program reads.
pub(crate) fn reads(program: &str) -> &'static [Read] {
    HOOKS.iter().find(|hook| hook.program == program).map_or(&[], |hook| hook.reads)
}
