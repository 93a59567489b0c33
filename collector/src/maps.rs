//! The maps that the kernel programs obey: members, sessions and the deny-list.

use crate::Error;
use crate::strays::Strays;
use crate::words::Words;
use abi::{
    Connected, FileKey, Itself, Label, Listener, Member, NameKey, NetKey, NetLabel, OwnKey, PlaceKey,
    RewriteKey, Session, SocketKey, T1Key, T1NameKey,
};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData, MapError};
use aya::{Ebpf, Pod};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A hash map of the kernel side behind a lock, with its name for errors.
pub(crate) struct Table<K, V> {
    name: &'static str,
    map: Mutex<HashMap<MapData, K, V>>,
}

impl<K: Pod, V: Pod> Table<K, V> {
    fn take(bpf: &mut Ebpf, name: &'static str) -> Result<Self, Error> {
        let map = bpf.take_map(name).ok_or(Error::Incomplete(name))?;
        let map = HashMap::try_from(map).map_err(|source| wrong(name, "read", source))?;
        Ok(Self { name, map: Mutex::new(map) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MapData, K, V>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, Error> {
        match self.lock().get(key, 0) {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(wrong(self.name, "read", source)),
        }
    }

    pub(crate) fn insert(&self, key: &K, value: &V) -> Result<(), Error> {
        self.lock().insert(key, value, 0).map_err(|source| wrong(self.name, "written", source))
    }

    /// Adds an entry; `false` where there is one already, which stays as it is.
    pub(crate) fn insert_new(&self, key: &K, value: &V) -> Result<bool, Error> {
        /// include/uapi/linux/bpf.h
        const BPF_NOEXIST: u64 = 1;
        match self.lock().insert(key, value, BPF_NOEXIST) {
            Ok(()) => Ok(true),
            Err(MapError::SyscallError(e)) if e.io_error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(source) => Err(wrong(self.name, "written", source)),
        }
    }

    /// Removes an entry; one that is not there is no error.
    pub(crate) fn remove(&self, key: &K) -> Result<(), Error> {
        match self.lock().remove(key) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(e)) if e.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            Err(source) => Err(wrong(self.name, "written", source)),
        }
    }

    /// Every entry that could be read; entries that come or go meanwhile may be missed.
    pub(crate) fn entries(&self) -> Vec<(K, V)> {
        self.lock().iter().filter_map(Result::ok).collect()
    }
}

fn wrong(name: &'static str, what: &'static str, source: MapError) -> Error {
    match &source {
        MapError::SyscallError(e) if e.io_error.raw_os_error() == Some(libc::E2BIG) => Error::Full(name),
        _ => Error::Map { name, what, source: Box::new(source) },
    }
}

/// All maps of the kernel side but the rings.
pub(crate) struct Maps {
    pub(crate) members: Table<u32, Member>,
    pub(crate) ever_inside: Words,
    pub(crate) strays: Words,
    pub(crate) held: Words,
    pub(crate) loans: Words,
    pub(crate) deadline: Words,
    pub(crate) look: Words,
    pub(crate) protected: Table<u32, u32>,
    pub(crate) delegates: Table<u32, u32>,
    pub(crate) itself: Table<u32, Itself>,
    pub(crate) started: Table<u32, u64>,
    pub(crate) rewrites: Table<RewriteKey, u32>,
    pub(crate) listeners: Table<SocketKey, u32>,
    pub(crate) own_listeners: Table<u64, Listener>,
    pub(crate) connected: Table<u64, Connected>,
    pub(crate) names_known: Table<SocketKey, u32>,
    pub(crate) names_bound: Table<SocketKey, u64>,
    pub(crate) local: Table<[u64; 2], u32>,
    pub(crate) labelled: Words,
    pub(crate) t0: Table<FileKey, Label>,
    pub(crate) own: Table<OwnKey, Label>,
    pub(crate) t0_names: Table<NameKey, Label>,
    pub(crate) t0_places: Table<PlaceKey, Label>,
    pub(crate) named: Words,
    pub(crate) t1: Table<T1Key, Label>,
    pub(crate) t1_names: Table<T1NameKey, u32>,
    sessions: Mutex<Array<MapData, Session>>,
    nets: Mutex<LpmTrie<MapData, NetKey, NetLabel>>,
}

impl Maps {
    pub(crate) fn take(bpf: &mut Ebpf) -> Result<Self, Error> {
        let sessions = bpf.take_map("SESSIONS").ok_or(Error::Incomplete("SESSIONS"))?;
        let nets = bpf.take_map("NETS").ok_or(Error::Incomplete("NETS"))?;
        Ok(Self {
            members: Table::take(bpf, "MEMBERS")?,
            ever_inside: Words::take(bpf, "EVER_INSIDE", abi::MAX_PIDS / 64)?,
            strays: Strays::take(bpf)?,
            held: Words::take(bpf, "HELD", abi::MAX_SESSIONS)?,
            loans: Words::take(bpf, "LOANS", abi::MAX_SESSIONS)?,
            deadline: Words::take(bpf, "DEADLINE", abi::DEADLINE_WORDS)?,
            look: Words::take(bpf, "LOOK", abi::LOOK_WORDS)?,
            labelled: Words::take(bpf, "LABELLED", abi::LABEL_BITS / 64)?,
            protected: Table::take(bpf, "PROTECTED")?,
            delegates: Table::take(bpf, "DELEGATES")?,
            itself: Table::take(bpf, "ITSELF")?,
            started: Table::take(bpf, "STARTED")?,
            rewrites: Table::take(bpf, "REWRITES")?,
            listeners: Table::take(bpf, "LISTENERS")?,
            own_listeners: Table::take(bpf, "OWN_LISTENERS")?,
            connected: Table::take(bpf, "CONNECTED")?,
            names_known: Table::take(bpf, "NAMES_KNOWN")?,
            names_bound: Table::take(bpf, "NAMES_BOUND")?,
            local: Table::take(bpf, "LOCAL")?,
            t0: Table::take(bpf, "T0")?,
            own: Table::take(bpf, "OWN")?,
            t0_names: Table::take(bpf, "T0_NAMES")?,
            t0_places: Table::take(bpf, "T0_PLACES")?,
            named: Words::take(bpf, "NAMED", abi::NAME_BITS / 64)?,
            t1: Table::take(bpf, "T1")?,
            t1_names: Table::take(bpf, "T1_NAMES")?,
            sessions: Mutex::new(Array::try_from(sessions).map_err(|e| wrong("SESSIONS", "read", e))?),
            nets: Mutex::new(LpmTrie::try_from(nets).map_err(|e| wrong("NETS", "read", e))?),
        })
    }

    pub(crate) fn session(&self, slot: u32) -> Result<Session, Error> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&slot, 0).map_err(|source| wrong("SESSIONS", "read", source))
    }

    pub(crate) fn set_session(&self, slot: u32, session: &Session) -> Result<(), Error> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.set(slot, session, 0).map_err(|source| wrong("SESSIONS", "written", source))
    }

    pub(crate) fn insert_net(&self, addr_bits: u32, key: NetKey, label: &NetLabel) -> Result<(), Error> {
        let mut nets = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key::new(32 + addr_bits, key);
        nets.insert(&key, label, 0).map_err(|source| wrong("NETS", "written", source))
    }

    pub(crate) fn remove_net(&self, addr_bits: u32, key: NetKey) -> Result<(), Error> {
        let mut nets = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        match nets.remove(&Key::new(32 + addr_bits, key)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(source) => Err(wrong("NETS", "written", source)),
        }
    }
}
