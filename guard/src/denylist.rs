//! The kernel's deny-list, as the stages write it: a seam, so that what they decide can be tested without a kernel.

use crate::Error;
use abi::{
    FileKey, Identity, Label, Member, NameKey, NetKey, NetLabel, PlaceKey, RewriteKey, Session, SocketKey,
    T1Key, T1NameKey, Verdict,
};
use std::os::fd::BorrowedFd;

/// The maps of the kernel side, and the questions that it answers.
pub trait DenyList: Send + Sync {
    /// What an open descriptor of this process is, as the kernel's own decision will see it.
    fn identify(&self, fd: BorrowedFd<'_>) -> Result<Identity, Error>;
    /// What the kernel's own walk decides about thread `tid` of process `tgid` and an open descriptor of this process.
    fn judge(&self, tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Result<Verdict, Error>;
    /// The membership of a process.
    fn member(&self, pid: u32) -> Result<Option<Member>, Error>;
    /// The processes of a session.
    fn members(&self, slot: u32) -> Vec<u32>;
    /// A session as the kernel side obeys it.
    fn session(&self, slot: u32) -> Result<Session, Error>;
    /// Sets it, in one step.
    fn set_session(&self, slot: u32, session: &Session) -> Result<(), Error>;
    /// Why the kernel side holds a session, the strongest reason; 0 where it does not.
    fn held(&self, slot: u32) -> u32;
    /// Holds a session no longer; one that is over stays so until `all` is lifted, for who comes next.
    fn lift(&self, slot: u32, all: bool);
    /// Holds a session no longer for one of the changes that nothing could refuse.
    fn lift_change(&self, slot: u32);
    /// Adds or replaces a static label.
    fn insert_t0(&self, key: &FileKey, label: &Label) -> Result<(), Error>;
    /// Removes a static label.
    fn remove_t0(&self, key: &FileKey) -> Result<(), Error>;
    /// Sets what a session's own labels except from the static deny-list at an object.
    fn insert_own(&self, slot: u32, file: &FileKey, label: &Label) -> Result<(), Error>;
    /// Takes that back.
    fn remove_own(&self, slot: u32, file: &FileKey) -> Result<(), Error>;
    /// Adds or replaces an exact name.
    fn insert_name(&self, key: &NameKey, label: &Label) -> Result<(), Error>;
    /// Removes an exact name.
    fn remove_name(&self, key: &NameKey) -> Result<(), Error>;
    /// Adds or replaces a place, whose name begins with what `first` is the [`abi::name_hash`] of.
    fn insert_place(&self, key: &PlaceKey, first: u64, label: &Label) -> Result<(), Error>;
    /// Removes a place.
    fn remove_place(&self, key: &PlaceKey) -> Result<(), Error>;
    /// Lets the agent itself replace the file at a place.
    fn insert_rewrite(&self, key: &RewriteKey) -> Result<(), Error>;
    /// Ends that.
    fn remove_rewrite(&self, key: &RewriteKey) -> Result<(), Error>;
    /// A process has begun to run the agent's program: a script, or not.
    fn begin_itself(&self, pid: u32, is_script: bool) -> Result<(), Error>;
    /// It does so no more.
    fn end_itself(&self, pid: u32) -> Result<(), Error>;
    /// What the agent's script has started is the agent's program.
    fn confirm_itself(&self, pid: u32) -> Result<(), Error>;
    /// Adds or replaces a label of a compiled baseline.
    fn insert_t1(&self, key: &T1Key, label: &Label) -> Result<(), Error>;
    /// Removes a label of a compiled baseline.
    fn remove_t1(&self, key: &T1Key) -> Result<(), Error>;
    /// Adds a name to a compiled baseline, and the reason for which it may not be made; 0: it may.
    fn insert_t1_name(&self, key: &T1NameKey, reason: u32) -> Result<(), Error>;
    /// Removes a name from a compiled baseline.
    fn remove_t1_name(&self, key: &T1NameKey) -> Result<(), Error>;
    /// Adds or replaces a network of `bits` address bits (v4-mapped or IPv6).
    fn insert_net(&self, bits: u32, key: NetKey, label: &NetLabel) -> Result<(), Error>;
    /// Removes a network.
    fn remove_net(&self, bits: u32, key: NetKey) -> Result<(), Error>;
    /// Adds an abstract name of a unix socket, without its NUL, to a compiled baseline.
    fn insert_known_name(&self, name: &[u8], policy: u32) -> Result<(), Error>;
    /// Removes an abstract name from a compiled baseline.
    fn remove_known_name(&self, name: &[u8], policy: u32) -> Result<(), Error>;
    /// Lets no member signal or trace a process.
    fn protect(&self, pid: u32) -> Result<(), Error>;
    /// Ends that.
    fn unprotect(&self, pid: u32) -> Result<(), Error>;
    /// Lets no member connect to a process, but for those of its own session.
    fn insert_delegate(&self, pid: u32, reason: u32) -> Result<(), Error>;
    /// Ends that.
    fn remove_delegate(&self, pid: u32) -> Result<(), Error>;
    /// Says which process listens at a socket.
    fn insert_listener(&self, socket: &SocketKey, pid: u32) -> Result<(), Error>;
    /// Ends that.
    fn remove_listener(&self, socket: &SocketKey) -> Result<(), Error>;
    /// Says that an address (IPv4 v4-mapped) is the machine's own.
    fn insert_local(&self, addr: [u8; 16]) -> Result<(), Error>;
    /// Ends that.
    fn remove_local(&self, addr: [u8; 16]) -> Result<(), Error>;
    /// Forgets whatever listened in a session whose place is to be another one's, whom it was connected to, and the loans that it
    /// took.
    fn forget(&self, slot: u32) -> Result<(), Error>;
}

/// Forwards each method to the collector's own of the same name.
macro_rules! forward {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl DenyList for collector::Kernel {
            fn members(&self, slot: u32) -> Vec<u32> {
                collector::Kernel::members(self, slot)
            }
            fn held(&self, slot: u32) -> u32 {
                collector::Kernel::held(self, slot)
            }
            fn lift(&self, slot: u32, all: bool) {
                collector::Kernel::lift(self, slot, all);
            }
            fn lift_change(&self, slot: u32) {
                collector::Kernel::lift_change(self, slot);
            }
            $(fn $name(&self, $($arg: $ty),*) -> Result<$ret, Error> {
                Ok(collector::Kernel::$name(self, $($arg),*)?)
            })*
        }
    };
}

forward! {
    fn identify(fd: BorrowedFd<'_>) -> Identity;
    fn judge(tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Verdict;
    fn member(pid: u32) -> Option<Member>;
    fn session(slot: u32) -> Session;
    fn set_session(slot: u32, session: &Session) -> ();
    fn insert_t0(key: &FileKey, label: &Label) -> ();
    fn remove_t0(key: &FileKey) -> ();
    fn insert_own(slot: u32, file: &FileKey, label: &Label) -> ();
    fn remove_own(slot: u32, file: &FileKey) -> ();
    fn insert_name(key: &NameKey, label: &Label) -> ();
    fn remove_name(key: &NameKey) -> ();
    fn insert_place(key: &PlaceKey, first: u64, label: &Label) -> ();
    fn remove_place(key: &PlaceKey) -> ();
    fn insert_rewrite(key: &RewriteKey) -> ();
    fn remove_rewrite(key: &RewriteKey) -> ();
    fn begin_itself(pid: u32, is_script: bool) -> ();
    fn end_itself(pid: u32) -> ();
    fn confirm_itself(pid: u32) -> ();
    fn insert_t1(key: &T1Key, label: &Label) -> ();
    fn remove_t1(key: &T1Key) -> ();
    fn insert_t1_name(key: &T1NameKey, reason: u32) -> ();
    fn remove_t1_name(key: &T1NameKey) -> ();
    fn insert_net(bits: u32, key: NetKey, label: &NetLabel) -> ();
    fn remove_net(bits: u32, key: NetKey) -> ();
    fn insert_known_name(name: &[u8], policy: u32) -> ();
    fn remove_known_name(name: &[u8], policy: u32) -> ();
    fn protect(pid: u32) -> ();
    fn unprotect(pid: u32) -> ();
    fn insert_delegate(pid: u32, reason: u32) -> ();
    fn remove_delegate(pid: u32) -> ();
    fn insert_listener(socket: &SocketKey, pid: u32) -> ();
    fn remove_listener(socket: &SocketKey) -> ();
    fn insert_local(addr: [u8; 16]) -> ();
    fn remove_local(addr: [u8; 16]) -> ();
    fn forget(slot: u32) -> ();
}

/// A slot in which nothing runs.
pub(crate) fn no_session() -> Session {
    Session {
        segment: 0,
        flags: 0,
        lent: 0,
        policy: 0,
        restrict: 0,
        restrict_reason: 0,
        unlabelled: 0,
        unknown_net: 0,
        unlabelled_reason: 0,
        unknown_net_reason: 0,
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the kernel's own numbers of devices have 32 bits")]
pub(crate) mod fake {
    //! A deny-list in memory, which identifies files by `stat`: good enough where one file system is looked at.

    use super::*;
    use std::collections::{HashMap, HashSet};
    use std::sync::{Mutex, MutexGuard};

    #[derive(Default)]
    pub(crate) struct State {
        pub(crate) t0: HashMap<FileKey, Label>,
        pub(crate) own: HashMap<(u32, FileKey), Label>,
        pub(crate) names: HashMap<NameKey, Label>,
        pub(crate) places: HashMap<PlaceKey, Label>,
        pub(crate) rewrites: HashSet<RewriteKey>,
        pub(crate) t1: HashMap<T1Key, Label>,
        pub(crate) t1_names: HashMap<T1NameKey, u32>,
        pub(crate) nets: HashMap<(u32, NetKey), NetLabel>,
        pub(crate) known_names: HashSet<(u32, Vec<u8>)>,
        pub(crate) protected: Vec<u32>,
        pub(crate) delegates: HashMap<u32, u32>,
        pub(crate) listeners: HashMap<SocketKey, u32>,
        pub(crate) local: HashSet<[u8; 16]>,
        pub(crate) sessions: HashMap<u32, Session>,
        pub(crate) held: HashMap<u32, u64>,
    }

    #[derive(Default)]
    pub(crate) struct Fake(Mutex<State>);

    impl Fake {
        pub(crate) fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap()
        }
    }

    pub(crate) fn key_of(path: &std::path::Path) -> FileKey {
        use std::os::unix::fs::MetadataExt;
        let stat = std::fs::symlink_metadata(path).unwrap();
        FileKey { ino: stat.ino(), dev: stat.dev() as u32, generation: 0 }
    }

    /// As if every path began at the root of one superblock.
    fn place_of(fd: BorrowedFd<'_>) -> (u64, u64) {
        use std::os::fd::AsRawFd;
        use std::os::unix::ffi::OsStrExt;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        path.iter().skip(1).fold((abi::PLACE_ROOT, 0), |(place, _), name| {
            let (first, component) = crate::name::component(name.as_bytes());
            (abi::place_below(place, component), first)
        })
    }

    impl DenyList for Fake {
        fn identify(&self, fd: BorrowedFd<'_>) -> Result<Identity, Error> {
            let stat = rustix::fs::fstat(fd).map_err(|e| Error::io("stat", e))?;
            let (place, name) = place_of(fd);
            Ok(Identity {
                place,
                name,
                file: FileKey { ino: stat.st_ino, dev: stat.st_dev as u32, generation: 0 },
                magic: 0xef53,
                mode: stat.st_mode,
                nlink: stat.st_nlink as u32,
                found: 1,
                uid: stat.st_uid,
            })
        }
        fn judge(&self, _: u32, _: u32, _: BorrowedFd<'_>, _: u32) -> Result<Verdict, Error> {
            Ok(Verdict { stage: 0, means: 0, flags: 0, reason: 0 })
        }
        fn member(&self, _: u32) -> Result<Option<Member>, Error> {
            Ok(None)
        }
        fn members(&self, _: u32) -> Vec<u32> {
            Vec::new()
        }
        fn session(&self, slot: u32) -> Result<Session, Error> {
            Ok(self.state().sessions.get(&slot).copied().unwrap_or_else(super::no_session))
        }
        fn set_session(&self, slot: u32, session: &Session) -> Result<(), Error> {
            self.state().sessions.insert(slot, *session);
            Ok(())
        }
        fn held(&self, slot: u32) -> u32 {
            self.state().held.get(&slot).map_or(0, |held| abi::held_reason(*held))
        }
        fn lift(&self, slot: u32, all: bool) {
            let left = if all { 0 } else { abi::HELD_SHARED };
            self.state().held.entry(slot).and_modify(|held| *held &= left);
        }
        fn lift_change(&self, slot: u32) {
            let less = |held: &mut u64| *held = held.checked_sub(abi::HELD_CHANGED).unwrap_or(*held);
            self.state().held.entry(slot).and_modify(less);
        }
        fn insert_t0(&self, key: &FileKey, label: &Label) -> Result<(), Error> {
            self.state().t0.insert(*key, *label);
            Ok(())
        }
        fn remove_t0(&self, key: &FileKey) -> Result<(), Error> {
            self.state().t0.remove(key);
            Ok(())
        }
        fn insert_own(&self, slot: u32, file: &FileKey, label: &Label) -> Result<(), Error> {
            self.state().own.insert((slot, *file), *label);
            Ok(())
        }
        fn remove_own(&self, slot: u32, file: &FileKey) -> Result<(), Error> {
            self.state().own.remove(&(slot, *file));
            Ok(())
        }
        fn insert_name(&self, key: &NameKey, label: &Label) -> Result<(), Error> {
            self.state().names.insert(*key, *label);
            Ok(())
        }
        fn remove_name(&self, key: &NameKey) -> Result<(), Error> {
            self.state().names.remove(key);
            Ok(())
        }
        fn insert_place(&self, key: &PlaceKey, _: u64, label: &Label) -> Result<(), Error> {
            self.state().places.insert(*key, *label);
            Ok(())
        }
        fn remove_place(&self, key: &PlaceKey) -> Result<(), Error> {
            self.state().places.remove(key);
            Ok(())
        }
        fn insert_rewrite(&self, key: &RewriteKey) -> Result<(), Error> {
            self.state().rewrites.insert(*key);
            Ok(())
        }
        fn remove_rewrite(&self, key: &RewriteKey) -> Result<(), Error> {
            self.state().rewrites.remove(key);
            Ok(())
        }
        fn begin_itself(&self, _: u32, _: bool) -> Result<(), Error> {
            Ok(())
        }
        fn end_itself(&self, _: u32) -> Result<(), Error> {
            Ok(())
        }
        fn confirm_itself(&self, _: u32) -> Result<(), Error> {
            Ok(())
        }
        fn insert_t1(&self, key: &T1Key, label: &Label) -> Result<(), Error> {
            self.state().t1.insert(*key, *label);
            Ok(())
        }
        fn remove_t1(&self, key: &T1Key) -> Result<(), Error> {
            self.state().t1.remove(key);
            Ok(())
        }
        fn insert_t1_name(&self, key: &T1NameKey, reason: u32) -> Result<(), Error> {
            self.state().t1_names.insert(*key, reason);
            Ok(())
        }
        fn remove_t1_name(&self, key: &T1NameKey) -> Result<(), Error> {
            self.state().t1_names.remove(key);
            Ok(())
        }
        fn insert_net(&self, bits: u32, key: NetKey, label: &NetLabel) -> Result<(), Error> {
            self.state().nets.insert((bits, key), *label);
            Ok(())
        }
        fn remove_net(&self, bits: u32, key: NetKey) -> Result<(), Error> {
            self.state().nets.remove(&(bits, key));
            Ok(())
        }
        fn protect(&self, pid: u32) -> Result<(), Error> {
            self.state().protected.push(pid);
            Ok(())
        }
        fn unprotect(&self, pid: u32) -> Result<(), Error> {
            self.state().protected.retain(|&p| p != pid);
            Ok(())
        }
        fn insert_known_name(&self, name: &[u8], policy: u32) -> Result<(), Error> {
            self.state().known_names.insert((policy, name.to_vec()));
            Ok(())
        }
        fn remove_known_name(&self, name: &[u8], policy: u32) -> Result<(), Error> {
            self.state().known_names.remove(&(policy, name.to_vec()));
            Ok(())
        }
        fn insert_delegate(&self, pid: u32, reason: u32) -> Result<(), Error> {
            self.state().delegates.insert(pid, reason);
            Ok(())
        }
        fn remove_delegate(&self, pid: u32) -> Result<(), Error> {
            self.state().delegates.remove(&pid);
            Ok(())
        }
        fn insert_listener(&self, socket: &SocketKey, pid: u32) -> Result<(), Error> {
            self.state().listeners.insert(*socket, pid);
            Ok(())
        }
        fn remove_listener(&self, socket: &SocketKey) -> Result<(), Error> {
            self.state().listeners.remove(socket);
            Ok(())
        }
        fn insert_local(&self, addr: [u8; 16]) -> Result<(), Error> {
            self.state().local.insert(addr);
            Ok(())
        }
        fn remove_local(&self, addr: [u8; 16]) -> Result<(), Error> {
            self.state().local.remove(&addr);
            Ok(())
        }
        fn forget(&self, _: u32) -> Result<(), Error> {
            Ok(())
        }
    }
}
