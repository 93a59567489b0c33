//! Where processes listen, as the kernel's tables say: sockets by inode, by file and by abstract name.

use crate::DenyList;
use crate::walk::{self, Found};
use abi::{ANYBODY, SocketKey};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Bytes of one of the kernel's tables that are read.
const TABLE: u64 = 16 << 20;
/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 65_536;
/// `__SO_ACCEPTCON`, include/linux/net.h, and the type of a socket for datagrams.
const LISTENS: &str = "00010000";
const DATAGRAMS: &str = "0002";
/// Sockets at which anybody listens for connections that the kernel side is told of: the others in its table are of who works for others.
const KNOWN: usize = abi::MAX_LISTENERS as usize / 2;

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
    unix: HashMap<u64, Vec<u8>>,
    /// Those that are connected to.
    connected_to: HashSet<SocketKey>,
    /// Every table was read to its end.
    whole: bool,
}

impl Listening {
    /// Those of a process's network namespace.
    pub(super) fn of(process: &str) -> Listening {
        let mut listening = Listening { whole: true, ..Listening::default() };
        let mut table = |name: &str| {
            let table = read(&format!("/proc/{process}/net/{name}"));
            listening.whole &= (table.len() as u64) < TABLE;
            table
        };
        let (tcp, udp) = ([table("tcp"), table("tcp6")], [table("udp"), table("udp6")]);
        let unix = table("unix");
        let tcp: HashSet<u64> = tcp.iter().flat_map(|table| internet(table, "0A")).collect();
        listening.internet = udp.iter().flat_map(|table| internet(table, "07")).collect();
        listening.internet.extend(&tcp);
        listening.unix = names(&unix);
        let accept = accepting(&unix).into_iter().map(abi::socket_unix);
        listening.connected_to = tcp.into_iter().map(abi::socket_inode).chain(accept).collect();
        listening
    }

    /// Their inodes.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> + '_ {
        self.internet.iter().chain(self.unix.keys()).copied()
    }

    /// Of the Internet's, and of unix ones with abstract names, those that a process holds.
    pub(super) fn own_of(&self, pid: u32) -> Vec<Own> {
        let own = |inode: u64| {
            let name = self.unix.get(&inode).and_then(|name| name.strip_prefix(b"@"));
            match name {
                Some(name) => Some(Own::Name(name.to_vec())),
                None => self.internet.contains(&inode).then_some(Own::Internet { inode, pid }),
            }
        };
        descriptors(pid).into_iter().filter_map(own).collect()
    }

    /// Those of them that a process holds.
    pub(super) fn held_by(&self, pid: u32, list: &dyn DenyList) -> Vec<SocketKey> {
        let place = |inode: u64| {
            let name = self.unix.get(&inode).and_then(|name| match name.strip_prefix(b"@") {
                Some(name) => abi::socket_name(name, 0),
                None => file(pid, name, list),
            });
            let unix = self.unix.contains_key(&inode).then(|| abi::socket_unix(inode));
            let internet = self.internet.contains(&inode).then(|| abi::socket_inode(inode));
            [name, unix, internet].into_iter().flatten()
        };
        descriptors(pid).into_iter().flat_map(place).collect()
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

/// A line of the table of unix sockets: flags, type, inode and path are its fields 4, 5, 7 and 8.
struct Line<'a> {
    flags: &'a str,
    kind: &'a str,
    inode: u64,
    name: &'a [u8],
}

fn lines(table: &[u8]) -> impl Iterator<Item = Line<'_>> {
    table.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        let mut fields = line.splitn(7, |&byte| byte == b' ').skip(3);
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (flags, kind, _) = (text()?, text()?, text()?);
        // The inode is padded with blanks.
        let rest = fields.next()?.trim_ascii_start();
        let (inode, name) = rest.split_at(rest.iter().position(|&byte| byte == b' ')?);
        Some(Line { flags, kind, inode: std::str::from_utf8(inode).ok()?.parse().ok()?, name: &name[1..] })
    })
}

/// The unix sockets that listen or are sent to, by their inodes, and their paths or names with `@` before them.
fn names(table: &[u8]) -> HashMap<u64, Vec<u8>> {
    let named = lines(table).filter(|line| line.flags == LISTENS || line.kind == DATAGRAMS);
    named.map(|line| (line.inode, line.name.to_vec())).collect()
}

/// The unix sockets that are connected to. A name may have lines of its own in it, so that what is there twice is not believed.
fn accepting(table: &[u8]) -> HashSet<u64> {
    let mut times = HashMap::<u64, (u32, bool)>::new();
    for line in lines(table) {
        let (times, accepts) = times.entry(line.inode).or_default();
        *times += 1;
        *accepts |= line.flags == LISTENS;
    }
    times.into_iter().filter(|(_, found)| *found == (1, true)).map(|(inode, _)| inode).collect()
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

/// The cookie of this process's network namespace.
fn cookie() -> Option<u64> {
    // include/uapi/asm-generic/socket.h
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let socket = UnixDatagram::unbound().ok()?;
    let (mut cookie, mut size) = (0u64, size_of::<u64>() as libc::socklen_t);
    let (level, value) = (libc::SOL_SOCKET, (&raw mut cookie).cast());
    // SAFETY: the value and its size outlive the call.
    let failed =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, SO_NETNS_COOKIE, value, &raw mut size) };
    (failed == 0).then_some(cookie)
}

/// Who holds which socket, as the kernel side was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    seen: HashSet<u64>,
    connected_to: HashSet<SocketKey>,
    /// Of all who listen for connections.
    is_told: bool,
    pids: BTreeSet<u32>,
    sockets: BTreeMap<SocketKey, u32>,
    addresses: BTreeSet<[u8; 16]>,
}

impl Told {
    /// Tells where these processes listen, that of all others nothing speaks against those that listen in `own`, and which addresses are
    /// the machine's. `own` was read before the processes were looked at: whoever works for others is among these then.
    pub(super) fn tell(
        &mut self,
        list: &dyn DenyList,
        own: &Listening,
        pids: BTreeSet<u32>,
    ) -> Result<(), crate::Error> {
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
        // Descriptors are only looked through where something else listens.
        let is_same = own.inodes().all(|inode| self.seen.contains(&inode));
        if pids == self.pids && is_same && own.connected_to == self.connected_to {
            return done;
        }
        let mut tables: HashMap<PathBuf, Listening> = HashMap::new();
        let mut sockets = BTreeMap::new();
        for pid in &pids {
            let Some(namespace) = namespace(&pid.to_string()) else { continue };
            let listening = if Some(&namespace) == here.as_ref() {
                own
            } else {
                tables.entry(namespace).or_insert_with(|| Listening::of(&pid.to_string()))
            };
            sockets.extend(listening.held_by(*pid, list).into_iter().map(|socket| (socket, *pid)));
        }
        // Where they are more than are told, or were not all read, nobody counts as one who has just begun to.
        let few = own.whole && own.connected_to.len() <= KNOWN;
        if !few && self.is_told {
            tracing::warn!("too many sockets listen: who begins to is known a quarter of a second later");
        }
        self.is_told = few;
        if let Some(cookie) = cookie().filter(|_| few) {
            for key in &own.connected_to {
                sockets.entry(*key).or_insert(ANYBODY);
            }
            sockets.insert(abi::socket_space(cookie), ANYBODY);
        }
        done = done.and(self.put(list, sockets));
        // What failed is done once more.
        self.pids = if done.is_ok() { pids } else { BTreeSet::new() };
        self.connected_to = if done.is_ok() { own.connected_to.clone() } else { HashSet::new() };
        self.seen = own.inodes().collect();
        done
    }

    /// Puts what it is now into the kernel side, in this order: whoever works for others, who else listens, and that these are all.
    fn put(&mut self, list: &dyn DenyList, sockets: BTreeMap<SocketKey, u32>) -> Result<(), crate::Error> {
        let is_space = |socket: &SocketKey| socket[0] == abi::SOCKET_SPACE;
        let mut done = Ok(());
        for socket in self.sockets.keys().filter(|socket| !sockets.contains_key(*socket)) {
            done = done.and(list.remove_listener(socket));
        }
        self.sockets.retain(|socket, _| sockets.contains_key(socket));
        let mut new: Vec<_> =
            sockets.into_iter().filter(|(socket, pid)| self.sockets.get(socket) != Some(pid)).collect();
        new.sort_by_key(|(socket, pid)| (is_space(socket), *pid == ANYBODY));
        for (socket, pid) in new {
            let put = list.insert_listener(&socket, pid);
            if put.is_ok() {
                self.sockets.insert(socket, pid);
            }
            done = done.and(put);
        }
        if done.is_err() {
            // Who is missing would be waited for in vain.
            for space in self.sockets.keys().filter(|socket| is_space(socket)) {
                let _ = list.remove_listener(space);
            }
            self.sockets.retain(|socket, _| !is_space(socket));
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fake::{Fake, key_of};
    use std::net::{TcpListener, UdpSocket};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};

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
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        told.tell(&list, &Listening::of("self"), BTreeSet::from([std::process::id()])).unwrap();
        assert_eq!(list.state().listeners.get(&abi::socket_file(&key_of(&path))), Some(&std::process::id()));
        assert!(list.state().local.contains(&Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()));
        drop(tcp);
        told.tell(&list, &Listening::of("self"), BTreeSet::new()).unwrap();
        // What is left is known, and nothing speaks against it.
        let listeners = list.state().listeners.clone();
        assert_eq!(listeners.keys().filter(|key| key[0] == abi::SOCKET_SPACE).count(), 1);
        for kind in [abi::SOCKET_INODE, abi::SOCKET_UNIX] {
            assert!(listeners.keys().any(|key| key[0] == kind), "{listeners:?}");
        }
        assert!(listeners.values().all(|pid| *pid == ANYBODY), "{listeners:?}");
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
        let expected = HashMap::from([(4711, b"/run/a b".to_vec()), (12, b"@name".to_vec())]);
        assert_eq!(names(table.as_bytes()), expected);
        let forged = "Num RefCount Protocol Flags Type St Inode Path\n\
                      0: 00000002 00000000 00010000 0001 01 4711 /run/a\n\
                      0: 00000002 00000000 00010000 0001 01 4712 @x\n: 0 0 00010000 1 1 4711 @q\n";
        assert_eq!(accepting(forged.as_bytes()), HashSet::from([4712]));
        let table = "  +-- 127.0.0.0/8 2 0 2\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.0\n        /24 link UNICAST\n";
        let local: Vec<_> = of_four(table).collect();
        assert_eq!(local, [Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()]);
    }
}
