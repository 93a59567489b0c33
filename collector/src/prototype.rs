//! Whether LSM programs find a hook's arguments where they read them, held against the running kernel's own prototype. A
//! program whose arguments have moved would decide about something else: its hook cannot refuse, and it is not loaded.

use crate::btf::{Btf, What};
use crate::hooks::Read::{self, Address, Named, Number, Pointer};
use crate::hooks::reads;

/// Why an argument is not there.
fn lacks(read: &Read, btf: &Btf, function: &str) -> Option<String> {
    let (place, wanted) = match read {
        Pointer(place, structure) => (*place, format!("a `{structure}`")),
        Named(place, structure, name) => (*place, format!("a `{structure}` called `{name}`")),
        Number(place, name) => (*place, format!("a number called `{name}`")),
        Address(place) => (*place, "an address".to_owned()),
    };
    let found = btf.parameter(function, place);
    let fits = found.as_ref().is_some_and(|found| match (read, &found.what) {
        (Pointer(_, structure), What::Pointer(of)) => of == structure,
        (Named(_, structure, name), What::Pointer(of)) => of == structure && found.name == *name,
        (Number(_, name), What::Number) => found.name == *name,
        (Address(_), What::Pointer(of)) => of == "sockaddr" || of == "sockaddr_unsized",
        _ => false,
    });
    let found = found.map_or_else(
        || "nothing".to_owned(),
        |found| match found.what {
            What::Number => format!("a number called `{}`", found.name),
            What::Pointer(of) => format!("a `{of}` called `{}`", found.name),
            What::Other => format!("something else, called `{}`", found.name),
        },
    );
    (!fits).then(|| format!("argument {place} is {found} on this kernel, and the program reads {wanted}"))
}

/// Why a program does not fit the hook; `None`: it does, or the kernel has no such hook, which the loader finds.
pub(crate) fn misfit(btf: &Btf, program: &str, hook: &str) -> Option<String> {
    let function = format!("bpf_lsm_{hook}");
    btf.function(&function)?;
    reads(program).iter().find_map(|read| lacks(read, btf, &function))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use crate::hooks::{HOOKS, SETATTR, SETATTR_WITHOUT_IDMAP, names, program_of};
    use std::collections::BTreeSet;

    /// Type information with structures and with hooks, whose parameters are `(name, structure)`; no structure: a number.
    fn made_up(hooks: &[(&str, &[(&str, &str)])]) -> Btf {
        const INT: u32 = 1;
        const PTR: u32 = 2;
        const STRUCT: u32 = 4;
        const FUNC: u32 = 12;
        const FUNC_PROTO: u32 = 13;
        let (mut types, mut strings, mut next) = (Vec::<u32>::new(), vec![0u8], 1u32);
        let mut text = |text: &str| {
            let at = strings.len() as u32;
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        let mut add = |words: &[u32]| {
            types.extend_from_slice(words);
            next += 1;
            next - 1
        };
        let int = add(&[text("int"), INT << 24, 4, 32]);
        for (hook, parameters) in hooks {
            let ids: Vec<[u32; 2]> = parameters
                .iter()
                .map(|(name, structure)| {
                    let of = match *structure {
                        "" => int,
                        structure => {
                            let of = add(&[text(structure), STRUCT << 24, 0]);
                            add(&[0, PTR << 24, of])
                        }
                    };
                    [text(name), of]
                })
                .collect();
            let mut proto = vec![0, FUNC_PROTO << 24 | ids.len() as u32, int];
            proto.extend(ids.concat());
            let proto = add(&proto);
            add(&[text(&format!("bpf_lsm_{hook}")), FUNC << 24, proto]);
        }
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types.len(), types.len(), strings.len()] {
            bytes.extend((word as u32).to_le_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        Btf::parse(bytes).unwrap()
    }

    #[test]
    fn every_program_says_what_it_reads_and_fits_the_running_kernel() {
        let btf = Btf::read().unwrap();
        let idmap = btf.parameters("bpf_lsm_inode_setattr").is_some_and(|count| count >= 3);
        for hook in names() {
            let program = program_of(hook, idmap);
            assert!(!reads(program).is_empty(), "{program}");
            assert_eq!(misfit(&btf, program, hook), None, "{program}");
        }
    }

    #[test]
    fn a_program_fits_what_it_was_written_for_and_no_other_kernel() {
        const RENAME: &[(&str, &str)] = &[
            ("old_dir", "inode"),
            ("old_dentry", "dentry"),
            ("new_dir", "inode"),
            ("new_dentry", "dentry"),
            ("flags", ""),
        ];
        let fits =
            |hook: &str, parameters: &[(&str, &str)]| misfit(&made_up(&[(hook, parameters)]), hook, hook);
        assert_eq!(fits("inode_rename", RENAME), None, "an argument more behind what is read");
        let [old_dir, old, new_dir, new, _] = *RENAME else { unreachable!() };
        for moved in [
            &[("idmap", "mnt_idmap"), old_dir, old, new_dir, new][..],
            &[old_dir, new, new_dir, old],
            &[old_dir, old, new_dir],
            &[old_dir, old, new_dir, ("new_dentry", "")],
            &[old_dir, ("old_dentry", "path"), new_dir, new],
        ] {
            assert!(fits("inode_rename", moved).is_some(), "{moved:?}");
        }
        let protection = [("file", "file"), ("reqprot", ""), ("prot", ""), ("flags", "")];
        assert_eq!(fits("mmap_file", &protection), None);
        assert_eq!(
            fits("mmap_file", &[protection[0], protection[1], protection[3], protection[2]]).unwrap(),
            "argument 2 is a number called `flags` on this kernel, and the program reads a number called `prot`"
        );
        assert_eq!(
            fits("file_open", &[("cred", "cred")]).unwrap(),
            "argument 0 is a `cred` called `cred` on this kernel, and the program reads a `file`"
        );
        assert_eq!(
            fits("file_open", &[]).unwrap(),
            "argument 0 is nothing on this kernel, and the program reads a `file`"
        );
    }

    #[test]
    fn each_kernel_has_the_program_for_its_own_attributes() {
        let (dentry, attr) = (("dentry", "dentry"), ("attr", "iattr"));
        let new = made_up(&[(SETATTR, &[("idmap", "mnt_idmap"), dentry, attr])]);
        let old = made_up(&[(SETATTR, &[dentry, attr])]);
        assert_eq!(misfit(&new, SETATTR, SETATTR), None);
        assert_eq!(misfit(&old, SETATTR_WITHOUT_IDMAP, SETATTR), None);
        assert!(misfit(&old, SETATTR, SETATTR).is_some());
        assert!(misfit(&new, SETATTR_WITHOUT_IDMAP, SETATTR).is_some());
    }

    /// One that is in the object alone is loaded by nobody; one in the table alone is found missing by users.
    #[test]
    fn each_hook_of_the_object_stands_in_the_table() {
        let object = aya_obj::Object::parse(&crate::kernel::load::prebuilt().unwrap()).unwrap();
        let is_hook =
            |program: &aya_obj::Program| matches!(program.section, aya_obj::ProgramSection::Lsm { .. });
        let built: BTreeSet<&str> = object
            .programs
            .iter()
            .filter(|(_, program)| is_hook(program))
            .map(|(name, _)| name.as_str())
            .collect();
        let named: BTreeSet<&str> = HOOKS.iter().map(|hook| hook.program).collect();
        assert_eq!(built, named);
        assert_eq!(named.len(), HOOKS.len(), "a program stands twice in the table");
    }
}
