//! Takes the source lines out of an object.
//!
//! The linker notes for every few instructions which line they came from (`line_info` of `.BTF.ext`): with their relocations
//! more than half of an object. The verifier prints them in what it logs, and nothing else reads them. The types of functions
//! (`func_info`) lie in the same section and stay, since the kernel wants them.

use std::{ops::Range, path::Path};

use anyhow::{Context as _, Result, ensure};

use super::toolchain::Toolchain;
use crate::host;

/// The section that has them.
const SECTION: &str = ".BTF.ext";
/// Its first two bytes (`BTF_MAGIC`).
const MAGIC: u16 = 0xeb9f;
/// Its header: magic, version, flags, own length, and where each of three parts lies.
const HEADER: usize = 32;

/// Takes them out of the object at `path`.
pub fn remove(toolchain: &Toolchain, path: &Path) -> Result<()> {
    let part = path.with_extension("ext");
    let mut dump = host::foreign_toolchain(&toolchain.objcopy);
    dump.arg(named("--dump-section=", &part)).arg(path);
    host::run(&mut dump)?;
    let section = without(&host::read(&part)?);
    host::write(&part, section.with_context(|| format!("cannot read {SECTION} of {}", path.display()))?)?;
    let mut update = host::foreign_toolchain(&toolchain.objcopy);
    update.arg(named("--update-section=", &part));
    // Loaders read none of them: offsets within a program's section stand in the records themselves.
    update.arg(format!("--remove-section=.rel{SECTION}"));
    host::run(update.arg(path))
}

/// `OPTION` for the section and a file with it.
fn named(option: &str, part: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(format!("{option}{SECTION}="));
    argument.push(part);
    argument
}

/// The section without its lines: the other two parts, one behind the other.
fn without(section: &[u8]) -> Result<Vec<u8>> {
    let word = |at: usize| -> Result<u32> {
        let bytes = section.get(at..at + 4).context("it ends within its header")?;
        Ok(u32::from_le_bytes(bytes.try_into()?))
    };
    ensure!(section.starts_with(&MAGIC.to_le_bytes()), "it does not begin as such a section does");
    let header = word(4)? as usize;
    ensure!(header == HEADER, "its header has {header} bytes and not {HEADER}");
    let part = |at: usize| -> Result<&[u8]> {
        let start = header + word(at)? as usize;
        let range: Range<usize> = start..start + word(at + 4)? as usize;
        section
            .get(range.clone())
            .with_context(|| format!("a part lies at {range:?} and the section ends before"))
    };
    let (functions, relocations) = (part(8)?, part(24)?);
    let end = u32::try_from(functions.len())?;
    let mut out = section[..8].to_vec();
    for number in [0, end, end, 0, end, u32::try_from(relocations.len())?] {
        out.extend(number.to_le_bytes());
    }
    out.extend(functions);
    out.extend(relocations);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with these parts: functions, lines, relocations.
    fn section(parts: [&[u8]; 3]) -> Vec<u8> {
        let mut out = MAGIC.to_le_bytes().to_vec();
        out.extend([1, 0]);
        out.extend((HEADER as u32).to_le_bytes());
        let mut at = 0;
        for part in parts {
            out.extend((at as u32).to_le_bytes());
            out.extend((part.len() as u32).to_le_bytes());
            at += part.len();
        }
        out.extend(parts.concat());
        out
    }

    #[test]
    fn lines_go_and_the_rest_stays() {
        let lines = [7; 320];
        let left = without(&section([b"functions", &lines, b"relocations"])).unwrap();
        assert_eq!(left, section([b"functions", b"", b"relocations"]));
        assert_eq!(without(&left).unwrap(), left);
    }

    #[test]
    fn a_damaged_section_is_an_error() {
        let whole = section([b"functions", b"lines", b""]);
        assert!(without(&whole[..HEADER + 3]).is_err());
        assert!(without(&whole[..10]).is_err());
        assert!(without(b"").is_err());
        let mut other = whole;
        other[0] = 0;
        assert!(without(&other).is_err());
    }
}
