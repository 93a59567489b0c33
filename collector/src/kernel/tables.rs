//! Reads and writes the kernel side's tables: members, sessions, and the deny-list.

use super::{Attached, Kernel};
use crate::Error;
use crate::hooks::REACHING;
use abi::{
    Bit, FileKey, Itself, Label, Listener, Member, NameKey, NetKey, NetLabel, OwnKey, PlaceKey, RewriteKey,
    Session, SocketKey, T1Key, T1NameKey,
};
use event::Tier;
use std::sync::atomic::Ordering;
use sys::clock::NS_PER_TICK;
use sys::process::Stat;

impl Kernel {
    /// Takes a process into a session; what it forks from now on is inside too. One that the kernel has made a member of
    /// it meanwhile stays as it is.
    ///
    /// # Errors
    /// No such process, one of another session, or a full map.
    pub fn enroll(&self, pid: u32, slot: u32) -> Result<(), Error> {
        let start_ns = start_ns(pid)?;
        let member = Member { start_ns, session: slot, parent: 0, stopped: 0, put_off: 0, stands: 0, pad: 0 };
        self.maps.ever_inside.set(Bit::of_process(pid));
        while !self.maps.members.insert_new(&pid, &member)? {
            match self.maps.members.get(&pid)? {
                Some(there) if !is_same(there.start_ns, start_ns) => self.maps.members.remove(&pid)?,
                Some(there) if there.session == slot => return Ok(()),
                Some(_) => return Err(Error::Taken(pid)),
                None => {}
            }
        }
        Ok(())
    }

    /// The entry of a process, when it is inside a session.
    ///
    /// # Errors
    /// The map could not be read.
    pub fn member(&self, pid: u32) -> Result<Option<Member>, Error> {
        self.maps.members.get(&pid)
    }

    /// The processes of a session.
    pub fn members(&self, slot: u32) -> Vec<u32> {
        let entries = self.maps.members.entries();
        entries.into_iter().filter(|(_, member)| member.session == slot).map(|(pid, _)| pid).collect()
    }

    /// The children of members that could not be made members, and that have not ended yet: none of them runs.
    pub fn strays(&self) -> Vec<u32> {
        self.maps.strays.bits()
    }

    /// Nothing was attached, so that nobody saw them end: their numbers may be others'.
    pub(crate) fn forget_strays(&self) {
        self.maps.strays.all().iter().for_each(|word| word.store(0, Ordering::SeqCst));
    }

    /// Lets a process out of its session.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn evict(&self, pid: u32) -> Result<(), Error> {
        self.maps.itself.remove(&pid)?;
        self.maps.members.remove(&pid)
    }

    /// Refuses signals to, and tracing of, one of Wardline's own processes.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn protect(&self, pid: u32) -> Result<(), Error> {
        self.maps.protected.insert(&pid, &1)
    }

    /// Undoes [`Kernel::protect`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn unprotect(&self, pid: u32) -> Result<(), Error> {
        self.maps.protected.remove(&pid)
    }

    /// Refuses connections to a process, except for those of its own session.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_delegate(&self, pid: u32, reason: u32) -> Result<(), Error> {
        self.maps.delegates.insert(&pid, &reason)
    }

    /// Undoes [`Kernel::insert_delegate`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_delegate(&self, pid: u32) -> Result<(), Error> {
        self.maps.delegates.remove(&pid)
    }

    /// Says which process listens at a socket; whether it may be reached is up to [`Kernel::insert_delegate`].
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_listener(&self, socket: &SocketKey, pid: u32) -> Result<(), Error> {
        self.maps.listeners.insert(socket, &pid)
    }

    /// Undoes [`Kernel::insert_listener`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_listener(&self, socket: &SocketKey) -> Result<(), Error> {
        self.maps.listeners.remove(socket)
    }

    /// Says that an address (IPv4 v4-mapped) is the machine's own.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_local(&self, addr: [u8; 16]) -> Result<(), Error> {
        self.maps.local.insert(&words(addr), &1)
    }

    /// Undoes [`Kernel::insert_local`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_local(&self, addr: [u8; 16]) -> Result<(), Error> {
        self.maps.local.remove(&words(addr))
    }

    /// Says that a session's own process listens at an Internet socket: of one that did so before it was a member.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn insert_own_listener(&self, inode: u64, pid: u32, slot: u32) -> Result<(), Error> {
        self.maps.own_listeners.insert(&inode, &Listener { tgid: pid, session: slot })
    }

    /// Says that a session has bound a unix socket to an abstract name: before it was one.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn insert_bound_name(&self, name: &[u8], slot: u32) -> Result<(), Error> {
        abi::socket_name(name, slot)
            .map_or(Ok(()), |key| self.maps.names_bound.insert(&key, &abi::ANY_ADDRESS))
    }

    /// Says that a compiled baseline knows an abstract name of a unix socket.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_known_name(&self, name: &[u8], policy: u32) -> Result<(), Error> {
        abi::socket_name(name, policy).map_or(Ok(()), |key| self.maps.names_known.insert(&key, &1))
    }

    /// Undoes [`Kernel::insert_known_name`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_known_name(&self, name: &[u8], policy: u32) -> Result<(), Error> {
        abi::socket_name(name, policy).map_or(Ok(()), |key| self.maps.names_known.remove(&key))
    }

    /// Forgets whatever listened in a session, whom it was connected to, and the loans that it took: its place is to be another one's.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn forget(&self, slot: u32) -> Result<(), Error> {
        if let Some(loans) = self.maps.loans.word(slot) {
            loans.store(0, Ordering::SeqCst);
        }
        let own = &self.maps.own_listeners;
        let of = own.entries().into_iter().filter(|(_, listener)| listener.session == slot);
        let forgotten = of.map(|(inode, _)| own.remove(&inode)).fold(Ok(()), Result::and);
        let open = &self.maps.connected;
        let of = open.entries().into_iter().filter(|(_, peer)| peer.session == slot);
        let forgotten = of.map(|(inode, _)| open.remove(&inode)).fold(forgotten, Result::and);
        let bound = &self.maps.names_bound;
        let of = bound.entries().into_iter().filter(|(key, _)| key[0] >> 32 == u64::from(slot));
        of.map(|(key, _)| bound.remove(&key)).fold(forgotten, Result::and)
    }

    /// The entry of a session.
    ///
    /// # Errors
    /// The map could not be read.
    pub fn session(&self, slot: u32) -> Result<Session, Error> {
        self.maps.session(slot)
    }

    /// Writes the entry of a session.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn set_session(&self, slot: u32, session: &Session) -> Result<(), Error> {
        self.maps.set_session(slot, session)
    }

    /// Why the kernel side holds a session, the strongest reason; 0 where it does not.
    pub fn held(&self, slot: u32) -> u32 {
        self.maps.held.word(slot).map_or(0, |held| abi::held_reason(held.load(Ordering::SeqCst)))
    }

    /// Holds a session no longer; one that is over stays so until `all` is lifted, for who comes next.
    pub fn lift(&self, slot: u32, all: bool) {
        if let Some(held) = self.maps.held.word(slot) {
            held.fetch_and(if all { 0 } else { abi::HELD_SHARED }, Ordering::SeqCst);
        }
    }

    /// Holds a session no longer for one of the changes that nothing could refuse.
    pub fn lift_change(&self, slot: u32) {
        if let Some(held) = self.maps.held.word(slot) {
            let less = |held: u64| held.checked_sub(abi::HELD_CHANGED);
            #[expect(clippy::let_underscore_must_use, reason = "an error says that nothing is held any more")]
            let _ = held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        }
    }

    /// A process of a session is what that begins with: the agent itself. Where the kernel does not say who reaches into a
    /// process' memory, none is.
    ///
    /// # Errors
    /// The map is full, or a map could not be read or written.
    pub fn begins_with(&self, pid: u32) -> Result<(), Error> {
        self.is_itself(pid, abi::ITSELF_FIRST)
    }

    /// A process has begun to run the agent's program, and is the agent as long as it runs that. A script may start another one.
    ///
    /// # Errors
    /// The map is full, or a map could not be read or written.
    pub fn begin_itself(&self, pid: u32, is_script: bool) -> Result<(), Error> {
        self.is_itself(pid, if is_script { abi::ITSELF_SCRIPT } else { abi::ITSELF_FORKED })
    }

    fn is_itself(&self, pid: u32, state: u32) -> Result<(), Error> {
        let reaching = |program: &Attached| program.name == REACHING && program.error.is_none();
        if self.tier() != Tier::Lsm || !self.programs().iter().any(reaching) {
            return Ok(());
        }
        let Some(Member { start_ns, session, .. }) = self.maps.members.get(&pid)? else { return Ok(()) };
        self.maps.itself.insert(&pid, &Itself { start_ns, state, session })
    }

    /// Undoes [`Kernel::begin_itself`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn end_itself(&self, pid: u32) -> Result<(), Error> {
        self.maps.itself.remove(&pid)
    }

    /// The first program that a process runs which the agent's script has made is the agent's.
    ///
    /// # Errors
    /// The map could not be read or written.
    pub fn confirm_itself(&self, pid: u32) -> Result<(), Error> {
        match self.maps.itself.get(&pid)? {
            Some(itself) => self.maps.started.insert(&pid, &itself.start_ns),
            None => Ok(()),
        }
    }

    /// Lets the agent itself replace the file at a place.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_rewrite(&self, key: &RewriteKey) -> Result<(), Error> {
        self.maps.rewrites.insert(key, &1)
    }

    /// Undoes [`Kernel::insert_rewrite`].
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_rewrite(&self, key: &RewriteKey) -> Result<(), Error> {
        self.maps.rewrites.remove(key)
    }

    /// Adds a label to the static deny-list.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_t0(&self, key: &FileKey, label: &Label) -> Result<(), Error> {
        self.maps.labelled.set(Bit::of_inode(key.ino));
        self.maps.t0.insert(key, label)
    }

    /// Removes a label from the static deny-list.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_t0(&self, key: &FileKey) -> Result<(), Error> {
        self.maps.t0.remove(key)
    }

    /// Sets what the static deny-list says of an object to one session alone.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_own(&self, slot: u32, file: &FileKey, label: &Label) -> Result<(), Error> {
        self.maps.own.insert(&OwnKey { file: *file, session: slot, pad: 0 }, label)
    }

    /// Takes that back.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_own(&self, slot: u32, file: &FileKey) -> Result<(), Error> {
        self.maps.own.remove(&OwnKey { file: *file, session: slot, pad: 0 })
    }

    /// Adds an exact name to the static deny-list.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_name(&self, key: &NameKey, label: &Label) -> Result<(), Error> {
        self.maps.named.set(Bit::of_name(abi::name_hash(&key.name)));
        self.maps.t0_names.insert(key, label)
    }

    /// Removes an exact name from the static deny-list.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_name(&self, key: &NameKey) -> Result<(), Error> {
        self.maps.t0_names.remove(key)
    }

    /// Adds a place to the static deny-list, whose name begins with what `first` is the [`abi::name_hash`] of.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_place(&self, key: &PlaceKey, first: u64, label: &Label) -> Result<(), Error> {
        if label.deny != 0 {
            self.maps.named.set(Bit::of_name(first));
        }
        if label.flags & abi::LABEL_ABOVE != 0 {
            self.maps.named.set(Bit::of_name_above(first));
        }
        self.maps.t0_places.insert(key, label)
    }

    /// Removes a place from the static deny-list.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_place(&self, key: &PlaceKey) -> Result<(), Error> {
        self.maps.t0_places.remove(key)
    }

    /// Adds a label to a compiled baseline.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_t1(&self, key: &T1Key, label: &Label) -> Result<(), Error> {
        self.maps.labelled.set(Bit::of_inode(key.file.ino));
        self.maps.t1.insert(key, label)
    }

    /// Removes a label from a compiled baseline.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_t1(&self, key: &T1Key) -> Result<(), Error> {
        self.maps.t1.remove(key)
    }

    /// Adds a name to a compiled baseline, and the reason for which it may not be made; 0: it may.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_t1_name(&self, key: &T1NameKey, reason: u32) -> Result<(), Error> {
        self.maps.t1_names.insert(key, &reason)
    }

    /// Removes a name from a compiled baseline.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_t1_name(&self, key: &T1NameKey) -> Result<(), Error> {
        self.maps.t1_names.remove(key)
    }

    /// Adds a network: the first `addr_bits` bits of the (v4-mapped) address.
    ///
    /// # Errors
    /// The map is full or could not be written.
    pub fn insert_net(&self, addr_bits: u32, key: NetKey, label: &NetLabel) -> Result<(), Error> {
        self.maps.insert_net(addr_bits, key, label)
    }

    /// Removes a network.
    ///
    /// # Errors
    /// The map could not be written.
    pub fn remove_net(&self, addr_bits: u32, key: NetKey) -> Result<(), Error> {
        self.maps.remove_net(addr_bits, key)
    }
}

/// An address as the kernel side compares it.
fn words(addr: [u8; 16]) -> [u64; 2] {
    let ([low, high], _) = addr.as_chunks() else { return [0; 2] };
    [low, high].map(|half| u64::from_ne_bytes(*half))
}

/// Whether two starts are of the same process: one may be in whole clock ticks. Otherwise the end of a process was missed
/// that had this number before.
fn is_same(one_ns: u64, other_ns: u64) -> bool {
    one_ns.abs_diff(other_ns) < 2 * NS_PER_TICK
}

/// When a process started, ns of CLOCK_BOOTTIME in the kernel's clock ticks.
fn start_ns(pid: u32) -> Result<u64, Error> {
    let gone = || Error::Io {
        what: format!("reading the start of process {pid}"),
        source: std::io::Error::from(std::io::ErrorKind::NotFound),
    };
    Ok(Stat::read(pid).ok_or_else(gone)?.start_ticks * NS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_in_ticks_is_that_in_nanoseconds() {
        assert!(is_same(1_230_000_000, 1_234_567_890));
        assert!(!is_same(1_230_000_000, 1_254_567_890));
    }

    #[test]
    fn this_process_has_a_start() {
        assert!(start_ns(std::process::id()).unwrap() > 0);
        assert!(start_ns(u32::MAX).is_err());
    }
}
