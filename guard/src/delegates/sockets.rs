//! Where processes listen, as the kernel's tables say: sockets by inode, by file and by abstract name.

use crate::DenyList;
use crate::walk::{self, Found};
use abi::SocketKey;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of one of the kernel's tables that are read.
const TABLE: u64 = 16 << 20;
/// Names of one socket that are believed: it has one, and others may have added some.
const NAMES: usize = 8;
/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 65_536;
/// `__SO_ACCEPTCON`, include/linux/net.h, and the type of a socket for datagrams.
const LISTENS: &str = "00010000";
const DATAGRAMS: &str = "0002";

/// A socket without a file at which a process listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// An Internet socket, and the process.
    Internet {
        /// The number of its inode.
        inode: u64,
        /// The process.
        pid: u32,
    },
    /// The abstract name of a unix socket, without its NUL.
    Name(Vec<u8>),
}

/// The sockets of a network namespace at which somebody listens.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listening {
    internet: HashSet<u64>,
    /// The kernel prints names as they are: whoever has a line break in theirs adds lines of their own, and takes none away.
    unix: HashMap<u64, Vec<Vec<u8>>>,
}

impl Listening {
    /// Those of a process's network namespace.
    pub(super) fn of(process: &str) -> Listening {
        let table = |name: &str| read(&format!("/proc/{process}/net/{name}"));
        let mut listening = Listening::default();
        for (name, state) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
            listening.internet.extend(internet(&table(name), state));
        }
        listening.unix = unix(&table("unix"));
        listening
    }

    /// Their inodes.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> + '_ {
        self.internet.iter().chain(self.unix.keys()).copied()
    }

    /// Of the Internet's, and of unix ones with abstract names, those that a process holds.
    pub(super) fn own_of(&self, pid: u32) -> Vec<Own> {
        let own = |inode: u64| {
            if self.internet.contains(&inode) {
                return Some(Own::Internet { inode, pid });
            }
            // What is there twice is not believed.
            let [name] = &self.unix.get(&inode)?[..] else { return None };
            Some(Own::Name(name.strip_prefix(b"@")?.to_vec()))
        };
        descriptors(pid).into_iter().filter_map(own).collect()
    }

    /// Those of them that a process holds, by everything that is said of them.
    pub(super) fn held_by(&self, pid: u32, list: &dyn DenyList) -> Vec<SocketKey> {
        let named = |name: &Vec<u8>| match name.strip_prefix(b"@") {
            Some(name) => abi::socket_name(name, 0),
            None => file(pid, name, list),
        };
        let places = |inode: u64| {
            let internet = self.internet.contains(&inode).then(|| abi::socket_inode(inode));
            internet
                .into_iter()
                .chain(self.unix.get(&inode).into_iter().flatten().take(NAMES).filter_map(named))
        };
        descriptors(pid).into_iter().flat_map(places).collect()
    }
}

/// The sockets that a process has open.
pub(super) fn descriptors(pid: u32) -> BTreeSet<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = entries.take(DESCRIPTORS).filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| {
            let link = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            link.parse().ok()
        })
        .collect()
}

/// The process that holds a socket; of several the last one: init hands its sockets on to others.
pub(super) fn holder(inode: u64) -> Option<u32> {
    let holds = |pid: &u32| descriptors(*pid).contains(&inode);
    sys::process::numbers().filter(holds).max()
}

/// The network namespace of a process.
pub(super) fn namespace(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/net")).ok()
}

/// The file of a socket, where the process has it.
fn file(pid: u32, path: &[u8], list: &dyn DenyList) -> Option<SocketKey> {
    if !path.starts_with(b"/") {
        return None;
    }
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let path = Path::new(std::ffi::OsStr::from_bytes(path.strip_prefix(b"/")?));
    match walk::open(list, &root.join(path)) {
        Found::Node(node) if node.is_socket() => Some(abi::socket_file(&node.identity.file)),
        Found::Node(_) | Found::Missing | Found::Unreadable(_) => None,
    }
}

fn read(path: &str) -> Vec<u8> {
    let mut table = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        #[expect(clippy::let_underscore_must_use, reason = "what was read until then is what there is")]
        let _ = file.take(TABLE).read_to_end(&mut table);
    }
    table
}

/// The inodes of a table of Internet sockets, of those in a state: fields 4 and 10, proc_pid_net(5).
fn internet(table: &[u8], state: &str) -> HashSet<u64> {
    let inode = |line: &[u8]| {
        let fields: Vec<&str> = std::str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
        if *fields.get(3)? == state { fields.get(9)?.parse().ok() } else { None }
    };
    table.split(|&byte| byte == b'\n').skip(1).filter_map(inode).filter(|inode| *inode != 0).collect()
}

/// The inodes of the table of unix sockets, and their paths or names with `@` before them, of those that listen or are sent to:
/// flags, type, inode and path are its fields 4, 5, 7 and 8.
fn unix(table: &[u8]) -> HashMap<u64, Vec<Vec<u8>>> {
    let named = |line: &[u8]| {
        let mut fields = line.splitn(7, |&byte| byte == b' ').skip(3);
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (flags, kind, _, rest) = (text()?, text()?, text()?, fields.next()?);
        if flags != LISTENS && kind != DATAGRAMS {
            return None;
        }
        // The inode is padded with blanks.
        let rest = rest.trim_ascii_start();
        let (inode, name) = bstr::ByteSlice::split_once_str(rest, " ")?;
        Some((std::str::from_utf8(inode).ok()?.parse().ok()?, name.to_vec()))
    };
    let mut sockets = HashMap::<u64, Vec<Vec<u8>>>::new();
    for (inode, name) in table.split(|&byte| byte == b'\n').skip(1).filter_map(named) {
        sockets.entry(inode).or_default().push(name);
    }
    sockets
}

/// The machine's own addresses, v4-mapped where they are IPv4: the tables of routes and of interfaces.
pub(super) fn addresses() -> BTreeSet<[u8; 16]> {
    let (four, six) = (read("/proc/self/net/fib_trie"), read("/proc/self/net/if_inet6"));
    of_four(&String::from_utf8_lossy(&four)).chain(of_six(&String::from_utf8_lossy(&six))).collect()
}

fn of_four(table: &str) -> impl Iterator<Item = [u8; 16]> + '_ {
    let lines = table.lines().zip(table.lines().skip(1));
    lines.filter(|(_, below)| below.contains("/32 host LOCAL")).filter_map(|(line, _)| {
        let ip: Ipv4Addr = line.trim_start().strip_prefix("|-- ")?.trim().parse().ok()?;
        Some(ip.to_ipv6_mapped().octets())
    })
}

fn of_six(table: &str) -> impl Iterator<Item = [u8; 16]> + '_ {
    let first = |line: &str| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok();
    table.lines().filter_map(move |line| first(line).map(|ip| Ipv6Addr::from(ip).octets()))
}

/// Who holds which socket, as the kernel side was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    seen: HashSet<u64>,
    pids: BTreeSet<u32>,
    sockets: BTreeMap<SocketKey, u32>,
    addresses: BTreeSet<[u8; 16]>,
}

impl Told {
    /// Tells where these processes listen, and which addresses are the machine's.
    pub(super) fn tell(&mut self, list: &dyn DenyList, pids: BTreeSet<u32>) -> Result<(), crate::Error> {
        let mut done = Ok(());
        let addresses = addresses();
        for addr in self.addresses.difference(&addresses) {
            done = done.and(list.remove_local(*addr));
        }
        for addr in addresses.difference(&self.addresses) {
            done = done.and(list.insert_local(*addr));
        }
        self.addresses = addresses;
        let here = namespace("self");
        let own = Listening::of("self");
        // Descriptors are only looked through where something new listens.
        if pids == self.pids && own.inodes().all(|inode| self.seen.contains(&inode)) {
            return done;
        }
        let mut tables: HashMap<PathBuf, Listening> = HashMap::new();
        let mut sockets = BTreeMap::new();
        for pid in &pids {
            let Some(namespace) = namespace(&pid.to_string()) else { continue };
            let listening = if Some(&namespace) == here.as_ref() {
                &own
            } else {
                tables.entry(namespace).or_insert_with(|| Listening::of(&pid.to_string()))
            };
            sockets.extend(listening.held_by(*pid, list).into_iter().map(|socket| (socket, *pid)));
        }
        for socket in self.sockets.keys().filter(|socket| !sockets.contains_key(*socket)) {
            done = done.and(list.remove_listener(socket));
        }
        for (socket, pid) in sockets.iter().filter(|(socket, pid)| self.sockets.get(*socket) != Some(pid)) {
            done = done.and(list.insert_listener(socket, *pid));
        }
        (self.seen, self.pids, self.sockets) = (own.inodes().collect(), pids, sockets);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fake::{Fake, key_of};
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

    #[test]
    fn what_this_process_listens_at_is_found() {
        let list = Fake::default();
        let directory = tempfile::tempdir().unwrap();
        let (path, name) = (directory.path().join("x.sock"), format!("of-a-test-{}", std::process::id()));
        let _unix = UnixListener::bind(&path).unwrap();
        let _named = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let before = Listening::of("self").held_by(std::process::id(), &list);
        assert!(before.contains(&abi::socket_file(&key_of(&path))));
        assert!(before.contains(&abi::socket_name(name.as_bytes(), 0).unwrap()));
        let internet = |keys: &[SocketKey]| keys.iter().filter(|key| key[0] == abi::SOCKET_INODE).count();
        let _sockets = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("[::1]:0").unwrap(),
            UdpSocket::bind("127.0.0.1:0").unwrap(),
        );
        let after = Listening::of("self").held_by(std::process::id(), &list);
        assert!(internet(&after) >= internet(&before) + 3, "{after:?}");
        let mut told = Told::default();
        told.tell(&list, BTreeSet::from([std::process::id()])).unwrap();
        assert_eq!(list.state().listeners.get(&abi::socket_file(&key_of(&path))), Some(&std::process::id()));
        assert!(list.state().local.contains(&Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()));
        told.tell(&list, BTreeSet::new()).unwrap();
        assert!(list.state().listeners.is_empty());
    }

    #[test]
    fn no_name_of_a_socket_takes_another_ones_mark() {
        let list = Fake::default();
        let pid = std::process::id();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", tcp.as_raw_fd())).unwrap();
        let inode: u64 = link.to_str().unwrap().replace(|c: char| !c.is_ascii_digit(), "").parse().unwrap();
        let forged = format!("{pid}\n: 0 0 00010000 1 1 {inode} @forged");
        let _unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&forged).unwrap()).unwrap();
        let listening = Listening::of("self");
        assert_eq!(listening.unix[&inode], [b"@forged".to_vec()], "no test: the name forges nothing");
        assert!(listening.held_by(pid, &list).contains(&abi::socket_inode(inode)));
        assert!(listening.own_of(pid).contains(&Own::Internet { inode, pid }));
        assert!(!listening.own_of(pid).contains(&Own::Name(b"forged".to_vec())));
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n   \
                     1: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1\n";
        assert_eq!(internet(table.as_bytes(), "0A"), HashSet::from([4711]));
        let table = "Num RefCount Protocol Flags Type St Inode Path\n\
                     0: 00000002 00000000 00010000 0001 01 4711 /run/a b\n\
                     0: 00000002 00000000 00000000 0002 01   12 @name\n\
                     0: 00000003 00000000 00000000 0001 03 4713 /run/a b\n\
                     0: 00000003 00000000 00000000 0002 01 4714\n";
        let expected = HashMap::from([(4711, vec![b"/run/a b".to_vec()]), (12, vec![b"@name".to_vec()])]);
        assert_eq!(unix(table.as_bytes()), expected);
        let table = "  +-- 127.0.0.0/8 2 0 2\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.0\n        /24 link UNICAST\n";
        let local: Vec<_> = of_four(table).collect();
        assert_eq!(local, [Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()]);
    }
}
