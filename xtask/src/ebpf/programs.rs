//! The objects to build, and their flags.

/// Programs that are built into one object, which is committed in `prebuilt/` beside their sources.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The workspace of their sources, from the root of the tree.
    pub folder: &'static str,
    /// The binary's name in that workspace.
    pub binary: &'static str,
    /// The name of the built object, in `prebuilt/` and wherever else it is written.
    pub object: &'static str,
}

/// Wardline's own.
pub const WARDLINE: Programs = Programs { folder: "ebpf", binary: "wardline", object: "wardline.bpf.o" };
/// Those that the benchmark compares with.
pub const FLOOR: Programs = Programs { folder: "bench/floor", binary: "floor", object: "floor.bpf.o" };
/// All that are built.
pub const ALL: [Programs; 2] = [WARDLINE, FLOOR];

/// The flags of the compiler that are the same on every machine. They are part of the hash of the sources.
///
/// Full debug information, since bpf-linker makes the types (`.BTF`) from it that the loader needs; DWARF
/// itself is removed afterwards. Version 3 of the instruction set has the atomic operations that return what was there
/// before (Linux 5.12).
pub const RECIPE: [&str; 4] =
    ["--cfg=bpf_target_arch=\"x86_64\"", "-Cdebuginfo=2", "-Ctarget-cpu=v3", "-Clink-arg=--btf"];
