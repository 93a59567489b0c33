//! `bpf_rdonly_cast`: the kernel function (since Linux 6.2) by which kernel memory is read with plain loads, put into the
//! object before it is loaded, since aya knows no kernel functions.

use crate::Error;
use crate::btf::Btf;

/// `BPF_JMP | BPF_CALL`, include/uapi/linux/bpf.h
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL` as source register, the upper half of the second byte.
const KERNEL_FUNCTION: u8 = 2 << 4;
/// `r0 = r1`: `BPF_ALU64 | BPF_MOV | BPF_X`, from the first argument.
const MOVE: [u8; 8] = [0xbf, 1 << 4, 0, 0, 0, 0, 0, 0];

/// What a kernel has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    /// Id of the function.
    function: u32,
    /// Id of a structure whose first 128 bytes are words: `pt_regs`, up to `orig_ax`.
    pub(crate) words: u32,
}

impl Cast {
    /// `None`: this kernel has no such function, and memory is read by a helper.
    pub(crate) fn find(btf: &Btf) -> Option<Self> {
        let words = btf.structure("pt_regs")?;
        // The words end behind this one: what follows has other types.
        (btf.offset("pt_regs", "orig_ax") == Some(120)).then_some(())?;
        Some(Self { function: btf.function("bpf_rdonly_cast")?, words })
    }
}

/// Puts the function in the place of each call by its number; where there is none, a move that never runs, since the
/// verifier looks at calls even in code that it drops.
pub(crate) fn link(object: &mut [u8], cast: Option<Cast>) -> Result<(), Error> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a call has room for this half of the number, and the kernel side calls it so"
    )]
    let number = (abi::RDONLY_CAST as u32).to_le_bytes();
    let mut called = false;
    // Sections of instructions are aligned to their eight bytes.
    for instruction in object.as_chunks_mut::<8>().0 {
        if instruction[..4] != [CALL, 0, 0, 0] || instruction[4..] != number {
            continue;
        }
        called = true;
        match cast {
            Some(cast) => {
                instruction[1] = KERNEL_FUNCTION;
                instruction[4..].copy_from_slice(&cast.function.to_le_bytes());
            }
            None => *instruction = MOVE,
        }
    }
    if called { Ok(()) } else { Err(Error::Incomplete("bpf_rdonly_cast")) }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a call has room for this half of the number")]
mod tests {
    use super::*;

    #[test]
    fn only_calls_by_the_number_become_calls_of_the_function() {
        let mut object = [0u8; 40];
        object[8] = CALL;
        object[12..16].copy_from_slice(&(abi::RDONLY_CAST as u32).to_le_bytes());
        object[16] = CALL;
        object[20] = 5;
        // The same number in another instruction.
        object[24] = 0xb7;
        object[28..32].copy_from_slice(&(abi::RDONLY_CAST as u32).to_le_bytes());
        let mut linked = object;
        link(&mut linked, Some(Cast { function: 0x0001_0203, words: 7 })).unwrap();
        assert_eq!(linked[8..16], [0x85, 0x20, 0, 0, 3, 2, 1, 0]);
        assert_eq!((&linked[..8], &linked[16..]), (&object[..8], &object[16..]));
        link(&mut object, None).unwrap();
        assert_eq!(object[8..16], MOVE);
        assert!(link(&mut [0; 16], None).is_err());
    }
}
