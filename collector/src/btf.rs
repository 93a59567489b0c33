//! The running kernel's type information: where a field lies in a structure.
//!
//! Format: Documentation/bpf/btf.rst. aya keeps structure members private, so this reads the few kinds that matter.

use crate::Error;
use std::collections::HashMap;
use std::path::Path;

/// Where the kernel shows its types.
pub(crate) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const HEADER_LEN: usize = 24;
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;
/// How deep anonymous members may nest.
const DEPTH: u32 = 8;

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// What the kernel's sources call it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) what: What,
}

/// What a parameter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// An integer.
    Number,
    /// A pointer to the structure of that name.
    Pointer(String),
    /// Anything else.
    Other,
}

/// Parsed type information.
pub(crate) struct Btf {
    bytes: Vec<u8>,
    strings: usize,
    /// Offset of each type, by id; id 0 is void.
    types: Vec<usize>,
    structs: HashMap<String, u32>,
    functions: HashMap<String, u32>,
}

impl Btf {
    /// Reads and indexes the running kernel's types.
    pub(crate) fn read() -> Result<Self, Error> {
        let path = Path::new(VMLINUX);
        Self::parse(std::fs::read(path).map_err(|_| Error::NoBtf(path.to_owned()))?)
    }

    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let bad = |what: &str| Error::Btf(what.to_owned());
        if read16(&bytes, 0) != Some(MAGIC) {
            return Err(bad("wrong magic number"));
        }
        let word = |at| read32(&bytes, at).ok_or_else(|| bad("short header")).map(|word| word as usize);
        let header = word(4)?.max(HEADER_LEN);
        let (types_at, types_len) = (header.saturating_add(word(8)?), word(12)?);
        let strings = header.saturating_add(word(16)?);
        let end = types_at.saturating_add(types_len);
        if end > bytes.len() || strings > bytes.len() {
            return Err(bad("sections lie outside of it"));
        }
        let mut btf =
            Self { bytes, strings, types: vec![0], structs: HashMap::new(), functions: HashMap::new() };
        let mut at = types_at;
        while at < end {
            let id = u32::try_from(btf.types.len()).map_err(|_| bad("there are too many types"))?;
            btf.types.push(at);
            let info = btf.word(at + 4).ok_or_else(|| bad("a type is cut"))?;
            let name = btf.name(at);
            match kind(info) {
                KIND_STRUCT if !name.is_empty() => drop(btf.structs.entry(name).or_insert(id)),
                KIND_FUNC => drop(btf.functions.entry(name).or_insert(id)),
                _ => {}
            }
            at += 12 + tail(info);
        }
        Ok(btf)
    }

    /// Offset in bytes of a field, as a path of members: `sock`, `__sk_common.skc_family`; of no path, where the structure ends.
    pub(crate) fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = *self.structs.get(structure)?;
        if path.is_empty() {
            return self.word(*self.types.get(id as usize)? + 8);
        }
        let mut bits = 0;
        for member in path.split('.') {
            let (offset, of) = self.member(id, member, DEPTH)?;
            bits += offset;
            id = self.resolve(of);
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Id of a structure.
    pub(crate) fn structure(&self, name: &str) -> Option<u32> {
        self.structs.get(name).copied()
    }

    /// Id of a function.
    pub(crate) fn function(&self, name: &str) -> Option<u32> {
        self.functions.get(name).copied()
    }

    /// How many parameters a function has.
    pub(crate) fn parameters(&self, function: &str) -> Option<u32> {
        let at = *self.types.get(*self.functions.get(function)? as usize)?;
        let proto = *self.types.get(self.word(at + 8)? as usize)?;
        let info = self.word(proto + 4)?;
        (kind(info) == KIND_FUNC_PROTO).then_some(info & 0xffff)
    }

    /// A parameter of a function; `None`: there is no such one.
    pub(crate) fn parameter(&self, function: &str, index: usize) -> Option<Parameter> {
        if index >= self.parameters(function)? as usize {
            return None;
        }
        let at = *self.types.get(*self.functions.get(function)? as usize)?;
        let proto = *self.types.get(self.word(at + 8)? as usize)?;
        let parameter = proto + 12 + index * 8;
        let kind_of = |id: u32| {
            let at = *self.types.get(id as usize)?;
            Some((kind(self.word(at + 4)?), at))
        };
        let what = match kind_of(self.resolve(self.word(parameter + 4)?)) {
            Some((KIND_INT | KIND_ENUM | KIND_ENUM64, _)) => What::Number,
            Some((KIND_PTR, at)) => match kind_of(self.resolve(self.word(at + 8)?)) {
                Some((KIND_STRUCT, at)) => What::Pointer(self.name(at)),
                _ => What::Other,
            },
            _ => What::Other,
        };
        Some(Parameter { name: self.name(parameter), what })
    }

    /// Offset in bits and type of a member, anonymous structures and unions included.
    fn member(&self, id: u32, wanted: &str, depth: u32) -> Option<(u32, u32)> {
        let at = *self.types.get(id as usize)?;
        let info = self.word(at + 4)?;
        if depth == 0 || !matches!(kind(info), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let bitfields = info >> 31 == 1;
        for index in 0..(info & 0xffff) as usize {
            let member = at + 12 + index * 12;
            let raw = self.word(member + 8)?;
            let offset = if bitfields { raw & 0xff_ffff } else { raw };
            let of = self.word(member + 4)?;
            let name = self.name(member);
            if name == wanted {
                return Some((offset, of));
            }
            if name.is_empty()
                && let Some((inner, of)) = self.member(self.resolve(of), wanted, depth - 1)
            {
                return Some((offset + inner, of));
            }
        }
        None
    }

    /// A type without `const`, `volatile`, `restrict`, typedefs and tags.
    fn resolve(&self, id: u32) -> u32 {
        let mut id = id;
        for _ in 0..16 {
            let Some(&at) = self.types.get(id as usize) else { return id };
            match self.word(at + 4).map(kind) {
                Some(8..=11 | 18) => id = self.word(at + 8).unwrap_or(0),
                _ => return id,
            }
        }
        id
    }

    fn word(&self, at: usize) -> Option<u32> {
        read32(&self.bytes, at)
    }

    fn name(&self, at: usize) -> String {
        let from = self.strings.saturating_add(self.word(at).unwrap_or(0) as usize);
        let bytes = self.bytes.get(from..).unwrap_or_default();
        let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

fn kind(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// Bytes behind the twelve that every type has.
fn tail(info: u32) -> usize {
    let count = (info & 0xffff) as usize;
    match kind(info) {
        KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => count * 12,
        KIND_ENUM | KIND_FUNC_PROTO => count * 8,
        _ => 0,
    }
}

fn read16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn read32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_running_kernel_has_a_tgid_in_its_tasks() {
        let btf = Btf::read().expect("every kernel that Wardline supports shows its types");
        assert!(btf.offset("task_struct", "tgid").is_some());
        assert!(btf.offset("sock", "__sk_common.skc_family").is_some());
        assert!(btf.offset("task_struct", "no_such_member").is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut framed = vec![0x9f, 0xeb, 1, 0];
            framed.extend(bytes);
            if let Ok(btf) = Btf::parse(framed) {
                let _ = btf.offset("task_struct", "tgid");
            }
        }
    }
}
