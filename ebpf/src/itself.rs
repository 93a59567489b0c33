//! The agent itself: who may replace a file that the static deny-list closes to everybody else, where the kernel refuses.
//!
//! It is the process that the session began with, as long as it runs what it ran when it made its first process; where that
//! is a script, the first process that it has made as well, with the first program that it runs, once user space has said that
//! this is the agent's. Whoever inside reaches into its memory ends that. Nothing here gives anything to what it starts.

use crate::dentry;
use crate::maps::{ITSELF, REWRITES, STARTED};
use crate::offsets;
use crate::read::Address;
use crate::task::{self, Inside};
use crate::worker;
use abi::{
    ITSELF_CHILD, ITSELF_FIRST, ITSELF_FORKED, ITSELF_SCRIPT, ITSELF_STARTED, Itself, RewriteKey, access,
};

/// Only what is still there is changed: it may have been taken away meanwhile.
const EXIST: u64 = 2;

/// A process made another one.
#[inline(always)]
pub fn forks(parent: &Inside, child: u32, start_ns: u64) {
    let Some(itself) = of(parent) else { return };
    if itself.state == ITSELF_SCRIPT {
        let child_itself = Itself { start_ns, state: ITSELF_CHILD, session: parent.slot };
        let _ = ITSELF.insert(child, child_itself, 0);
    }
    if itself.state == ITSELF_SCRIPT || itself.state == ITSELF_FIRST {
        let _ = ITSELF.insert(parent.tgid, Itself { state: ITSELF_FORKED, ..itself }, EXIST);
    }
}

/// A process runs another program, or once more its own.
#[inline(always)]
pub fn runs(inside: &Inside, is_script: bool) {
    let Some(itself) = of(inside) else { return };
    let state = match itself.state {
        ITSELF_FIRST if !is_script => return,
        ITSELF_SCRIPT => return,
        ITSELF_FIRST => ITSELF_SCRIPT,
        ITSELF_CHILD => ITSELF_STARTED,
        _ => return ends(inside.tgid),
    };
    let _ = ITSELF.insert(inside.tgid, Itself { state, ..itself }, EXIST);
}

/// A process has ended, or is not what it was.
#[inline(always)]
pub fn ends(tgid: u32) {
    let _ = ITSELF.remove(tgid);
}

/// Somebody inside reaches into a process.
#[inline(always)]
pub fn reached(target: Address) {
    if task::current().is_some()
        && let Some(tgid) = target.word(offsets::task_tgid())
    {
        ends(tgid);
    }
}

#[inline(always)]
fn of(inside: &Inside) -> Option<Itself> {
    // SAFETY: read only, and copied.
    let itself = unsafe { ITSELF.get(inside.tgid) }.copied()?;
    (itself.start_ns == inside.member().start_ns && itself.session == inside.slot).then_some(itself)
}

#[inline(always)]
fn is_itself(inside: &Inside) -> bool {
    let Some(itself) = of(inside) else { return false };
    match itself.state {
        ITSELF_FIRST | ITSELF_SCRIPT | ITSELF_FORKED => true,
        // SAFETY: read only.
        ITSELF_STARTED => unsafe { STARTED.get(inside.tgid) }.copied() == Some(itself.start_ns),
        _ => false,
    }
}

/// [`access::OWN`] where a rename replaces a file of the agent's own: by the agent itself, with a regular file that was made
/// beside it. 0: no. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn replaces(source: u64, target: u64) -> u64 {
    let (source, target) = (Address(source), Address(target));
    match replaced(source, target) {
        Some(()) => u64::from(access::OWN),
        None => 0,
    }
}

#[inline(always)]
fn replaced(source: Address, target: Address) -> Option<()> {
    let inside = current()?;
    if dentry::parent(source)? != dentry::parent(target)? || !is_regular(dentry::inode(source)?) {
        return None;
    }
    is_own(&inside, target)
}

/// [`access::OWN`] where the agent itself takes a file of its own from its name, as before it replaces it. 0: no. Global
/// linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn removes(object: u64) -> u64 {
    match removed(Address(object)) {
        Some(()) => u64::from(access::OWN),
        None => 0,
    }
}

#[inline(always)]
fn removed(object: Address) -> Option<()> {
    let inside = current()?;
    if is_regular(dentry::inode(object)?) { is_own(&inside, object) } else { None }
}

/// The agent itself, if it is what acts here.
#[inline(always)]
fn current() -> Option<Inside> {
    let inside = task::current()?;
    // A request may have been put into its ring by somebody else.
    (is_itself(&inside) && worker::request().is_none()).then_some(inside)
}

#[inline(always)]
fn is_regular(inode: Address) -> bool {
    const S_IFMT: u16 = 0o170_000;
    const S_IFREG: u16 = 0o100_000;
    inode.get::<u16>(offsets::inode_mode()).is_some_and(|mode| mode & S_IFMT == S_IFREG)
}

/// Whether a file of the agent's own lies there, or would.
#[inline(always)]
fn is_own(inside: &Inside, target: Address) -> Option<()> {
    let place = dentry::place(target.0);
    let dev = target.follow(offsets::dentry_sb())?.word(offsets::sb_dev())?;
    // SAFETY: read only.
    unsafe { REWRITES.get(RewriteKey { place, dev, session: inside.slot }) }.map(|_| ())
}
