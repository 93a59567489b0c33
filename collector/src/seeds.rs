//! Seeds of the fuzz target of ring records: one of each kind, and a call whose records are joined.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use crate::decode::decode;
use crate::decoded::Decoded;
use crate::resolve::Resolver;
use abi::{
    Claimed, Exec, Exit, File, FileFacts, FileKey, Fork, Header, Kernel, Net, Packet, Syscall, Touched, kind,
    op,
};
use event::Object;
use std::path::PathBuf;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// In the tree, so that the same seeds serve every run.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/record")
}

fn header(kind: u16, syscall: u32) -> Header {
    let mut header = Header::new_zeroed();
    (header.kind, header.seq, header.time_ns, header.syscall) = (kind, 9, 5_000_000_000, syscall);
    (header.tgid, header.tid) = (4242, 4242);
    header
}

/// Names as the kernel side writes them: leaf first, each behind its length.
fn names(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| [&[name.len() as u8][..], name.as_bytes()].concat()).collect()
}

fn facts(ino: u64, names: &[u8]) -> FileFacts {
    let mut facts = FileFacts::new_zeroed();
    facts.file = FileKey { ino, dev: 0xfe_00000, generation: 1 };
    (facts.mode, facts.nlink, facts.names_len) = (0o100_644, 1, names.len() as u16);
    facts
}

/// A record with its tail, whose head says how long it is.
fn record(head: &[u8], tail: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [head, &tail.concat()].concat();
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn file(op: u16, before: u16, ret: i32) -> Vec<u8> {
    let path = names(&["main.rs", "src"]);
    let mut file = File::new_zeroed();
    file.header = header(kind::FILE, 257);
    (file.op, file.before, file.ret, file.detail) = (op, before, ret, 0o100);
    file.file = facts(77, &path);
    if op == op::RENAME {
        file.second = facts(78, &path);
        return record(file.as_bytes(), &[&path, &path]);
    }
    record(file.as_bytes(), &[&path])
}

fn claimed(op: u16, second: &[u8], call: u64) -> Vec<u8> {
    let base = names(&["src"]);
    let mut claimed = Claimed::new_zeroed();
    claimed.header = header(kind::CLAIMED, 263);
    (claimed.op, claimed.call, claimed.base) = (op, call, facts(70, &base));
    (claimed.path_len, claimed.second_len) = (10, second.len() as u16);
    record(claimed.as_bytes(), &[&base, b"../main.rs", second])
}

/// Its second path starts in a directory of its own, which a file system of the caller's has numbered 0.
fn claimed_apart() -> Vec<u8> {
    let (base, second_base) = (names(&["src"]), names(&["other"]));
    let mut claimed = Claimed::new_zeroed();
    claimed.header = header(kind::CLAIMED, 264);
    (claimed.op, claimed.ret, claimed.base) = (op::RENAME, -2, facts(70, &base));
    claimed.second_base = facts(0, &second_base);
    (claimed.path_len, claimed.second_len) = (1, 1);
    record(claimed.as_bytes(), &[&base, b"x", &second_base, b"y"])
}

fn touched(ino: u64, name: &str, after: u32) -> Vec<u8> {
    let path = names(&[name, "src"]);
    let mut touched = Touched::new_zeroed();
    touched.header = header(kind::TOUCHED, 263);
    (touched.call, touched.after, touched.file) = (4_999_999_000, after, facts(ino, &path));
    record(touched.as_bytes(), &[&path])
}

/// A request through io_uring, or its end.
fn request(state: u16, ret: i32) -> Vec<u8> {
    let base = names(&["src"]);
    let mut claimed = Claimed::new_zeroed();
    claimed.header = header(kind::CLAIMED, u32::MAX);
    (claimed.op, claimed.request, claimed.ret) = (op::UNLINK, state, ret);
    claimed.call = abi::CALL_OF_REQUEST | 4_999_999_000;
    if state == abi::REQUEST_ENDED {
        return record(claimed.as_bytes(), &[]);
    }
    (claimed.base, claimed.path_len) = (facts(70, &base), 10);
    record(claimed.as_bytes(), &[&base, b"../main.rs"])
}

fn returned(number: u32, ret: i64) -> Vec<u8> {
    let mut call = Syscall::new_zeroed();
    call.header = header(kind::SYSCALL, number);
    call.ret = ret;
    record(call.as_bytes(), &[])
}

fn net(op: u16, family: u16, before: u32, name: &[u8], address: &[u8]) -> Vec<u8> {
    let path = names(&["agent.sock", "run"]);
    let mut net = Net::new_zeroed();
    net.header = header(kind::NET, 42);
    (net.op, net.family, net.kind, net.port, net.protocol) = (op, family, 1, 443, 6);
    net.addr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7];
    (net.before, net.name_len, net.claimed_len) = (before, name.len() as u16, address.len() as u16);
    net.file = facts(90, &path);
    record(net.as_bytes(), &[&path, name, address])
}

fn packet(protocol: u16, incoming: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Packet::new_zeroed();
    packet.header = header(kind::PACKET, u32::MAX);
    (packet.socket, packet.netns, packet.protocol, packet.incoming) = (1, 1, protocol, incoming);
    packet.remote = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 53];
    (packet.remote_port, packet.local_port, packet.payload_len) = (53, 40_000, payload.len() as u32);
    record(packet.as_bytes(), &[payload])
}

fn exec() -> Vec<u8> {
    let (exe, base) = (names(&["env", "bin", "usr"]), names(&["src"]));
    let args = b"env\0python3\0run.py\0";
    let mut exec = Exec::new_zeroed();
    exec.header = header(kind::EXEC, 59);
    (exec.exe, exec.base) = (facts(5, &exe), facts(70, &base));
    (exec.args_len, exec.script_len) = (args.len() as u32, 8);
    record(exec.as_bytes(), &[&exe, args, &base, b"./run.py"])
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut fork = Fork::new_zeroed();
    fork.header = header(kind::FORK, 435);
    (fork.child_tgid, fork.child_tid, fork.member) = (4243, 4243, 1);
    let mut exit = Exit::new_zeroed();
    exit.header = header(kind::EXIT, 231);
    exit.group_dead = 1;
    let mut signal = Kernel::new_zeroed();
    signal.header = header(kind::KERNEL, 62);
    (signal.op, signal.first, signal.second) = (op::SIGNAL, 4243, 15);
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";
    let inet = [&2u16.to_ne_bytes()[..], &[1, 187, 203, 0, 113, 9]].concat();
    let unix = [&1u16.to_ne_bytes()[..], b"./agent.sock\0"].concat();
    vec![
        ("fork", record(fork.as_bytes(), &[])),
        ("exec-script", exec()),
        ("exit", record(exit.as_bytes(), &[])),
        ("signal", record(signal.as_bytes(), &[])),
        ("open", file(op::OPEN, 0, 3)),
        ("rename", file(op::RENAME, 0, 0)),
        ("open-failed", [file(op::OPEN, 1, 0), returned(257, -13)].concat()),
        ("claimed-open", claimed(op::OPEN, b"", 0)),
        ("claimed-apart", claimed_apart()),
        (
            "unlink-touched",
            [touched(77, "main.rs", 0), claimed(op::UNLINK, b"", 4_999_999_000), returned(263, 0)].concat(),
        ),
        (
            "rename-touched",
            [
                touched(77, "main.rs", 0),
                touched(77, "lib.rs", 1),
                claimed(op::RENAME, b"lib.rs", 4_999_999_000),
                returned(82, 0),
            ]
            .concat(),
        ),
        ("request", [request(abi::REQUEST_MADE, 0), request(abi::REQUEST_ENDED, -2)].concat()),
        ("connect", [net(op::CONNECT, 2, 1, b"", b""), returned(42, -115)].concat()),
        ("connect-claimed", net(op::CONNECT, 2, 0, b"", &inet)),
        ("connect-unix", net(op::CONNECT, 1, 0, b"", b"")),
        ("connect-unix-claimed", net(op::CONNECT, 1, 0, b"", &unix)),
        ("question", packet(17, 0, question)),
        ("hello-cut", packet(6, 0, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")),
    ]
}

#[test]
fn a_second_path_starts_where_the_record_says() {
    let Some(Decoded::Claimed(event, _)) = decode(&claimed_apart(), &mut Resolver::new()) else {
        panic!("no claim");
    };
    let path = |object: &Object| object.file().unwrap().path.clone();
    let (first, second) = (path(&event.object), path(event.second.as_ref().unwrap()));
    assert!(first.ends_with(b"src/x") && second.ends_with(b"other/y"), "{first} {second}");
}

#[test]
fn every_seed_is_records_and_nothing_else() {
    let mut resolver = Resolver::new();
    for (name, bytes) in seeds() {
        if std::env::var_os("WARDLINE_WRITE_SEEDS").is_some() {
            std::fs::write(directory().join(name), &bytes).unwrap();
        }
        assert_eq!(std::fs::read(directory().join(name)).unwrap(), bytes, "{name}: write the seeds anew");
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (header, _) = Header::read_from_prefix(rest).unwrap();
            let (record, behind) = rest.split_at(header.len as usize);
            assert!(decode(record, &mut resolver).is_some(), "{name}");
            rest = behind;
        }
    }
}
