//! How to read each request through io_uring: the part of the kernel side's table that follows from its types.
//!
//! Opcodes: include/uapi/linux/io_uring.h. What a request was given lies at the beginning of its `struct io_kiocb`, as a
//! structure of its kind.

use crate::btf::Btf;
use abi::{NO_ARG, PLANS_REQUESTS, Plan, access as a, form, op};

/// A kind of requests: opcode, operation, form, access, its structure, and the members that a [`Plan`] has places for:
/// directory descriptor, path, second directory, second path (or as its form says), detail. An empty one is none.
struct Opcode(u8, u16, u8, u32, &'static str, [&'static str; 5]);

const OPEN: [&str; 5] = ["dfd", "filename", "", "file_slot", "how.flags"];
const TWO_PATHS: [&str; 5] = ["old_dfd", "oldpath", "new_dfd", "newpath", ""];
const UNLINK: [&str; 5] = ["dfd", "filename", "", "", "flags"];
const MKDIR: [&str; 5] = ["dfd", "filename", "", "", "mode"];
const SYMLINK: [&str; 5] = ["new_dfd", "newpath", "", "oldpath", ""];
const XATTR: [&str; 5] = ["", "filename", "", "", ""];
const SLOT: [&str; 5] = ["", "", "", "file_slot", ""];
const ADDRESS: [&str; 5] = ["", "", "", "addr_len", ""];
const NOTHING: [&str; 5] = [""; 5];

const OPCODES: &[Opcode] = &[
    Opcode(9, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(13, op::ACCEPT, form::REQUEST_ACCEPT, 0, "io_accept", SLOT),
    Opcode(16, op::CONNECT, form::REQUEST_SOCKET, 0, "io_connect", ADDRESS),
    Opcode(18, op::OPEN, form::REQUEST_OPEN, 0, "io_open", OPEN),
    Opcode(26, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(28, op::OPEN, form::REQUEST_OPEN, 0, "io_open", OPEN),
    Opcode(35, op::RENAME, form::REQUEST_PATH, a::REMOVE, "io_rename", TWO_PATHS),
    Opcode(36, op::UNLINK, form::REQUEST_PATH, a::REMOVE, "io_unlink", UNLINK),
    Opcode(37, op::MKDIR, form::REQUEST_PATH, a::CREATE | a::DIR, "io_mkdir", MKDIR),
    Opcode(38, op::SYMLINK, form::REQUEST_PATH, a::CREATE, "io_link", SYMLINK),
    Opcode(39, op::LINK, form::REQUEST_PATH, a::LINK, "io_link", TWO_PATHS),
    Opcode(41, op::SETXATTR, form::REQUEST_FILE, a::ATTR, "io_xattr", NOTHING),
    Opcode(42, op::SETXATTR, form::REQUEST_PATH, a::ATTR, "io_xattr", XATTR),
    Opcode(45, op::SOCKET, form::REQUEST_ACCEPT, 0, "io_socket", SLOT),
    Opcode(47, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(48, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(55, op::TRUNCATE, form::REQUEST_FILE, a::WRITE, "io_ftrunc", NOTHING),
    Opcode(56, op::BIND, form::REQUEST_SOCKET, 0, "io_bind", ADDRESS),
    Opcode(57, op::LISTEN, form::REQUEST_SOCKET, 0, "io_listen", NOTHING),
];

/// The requests that this kernel knows, as the kernel side wants them.
pub(crate) fn table(btf: &Btf) -> Vec<(u32, Plan)> {
    OPCODES.iter().filter_map(|opcode| placed(opcode, btf)).collect()
}

/// `None` where the kernel has no such structure, or another one.
fn placed(&Opcode(opcode, op, form, access, of, members): &Opcode, btf: &Btf) -> Option<(u32, Plan)> {
    btf.structure(of)?;
    let mut places = [NO_ARG; 5];
    for (place, member) in places.iter_mut().zip(members).filter(|(_, member)| !member.is_empty()) {
        *place = u8::try_from(btf.offset(of, member)?).ok()?;
    }
    let [dir, path, second_dir, second, detail] = places;
    let plan = Plan { op, form, dir, path, second_dir, second, detail, access };
    Some((PLANS_REQUESTS + u32::from(opcode), plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::PLANS;
    use event::Op;

    #[test]
    fn requests_fit_the_table_and_name_known_operations() {
        for Opcode(opcode, op, ..) in OPCODES {
            assert!(PLANS_REQUESTS + u32::from(*opcode) < PLANS, "{opcode}");
            assert!(Op::from_number(*op).is_some());
            assert_eq!(OPCODES.iter().filter(|other| other.0 == *opcode).count(), 1, "{opcode}");
        }
    }

    #[test]
    fn the_running_kernel_has_the_places_of_what_it_can_be_asked_for() {
        let btf = Btf::read().unwrap();
        let known = OPCODES.iter().filter(|opcode| btf.structure(opcode.4).is_some());
        assert_eq!(table(&btf).len(), known.count());
    }
}
