//! Mounts and the root directory, read from the namespace and the process once the call has changed them.

use crate::call::{Ended, thread};
use crate::descriptor::tell;
use crate::read::Address;
use crate::ring::verdict;
use crate::{decide, dentry, maps, named, offsets, task};
use abi::{MEANS_KILL, VERDICT_REFUSED, access, form};

/// `move_mount`, the same number in both tables.
const MOVE_MOUNT: u32 = 429;
/// `MOVE_MOUNT_F_EMPTY_PATH`
const FROM_DESCRIPTOR: u64 = 4;
/// `MS_REMOUNT`, and the changes of propagation: of a mount that is there. include/uapi/linux/mount.h
pub const CHANGES_ONE: u64 = 1 << 5 | 0xf << 17;
/// Those, and `MS_MOVE`: no new mount.
const NO_NEW_MOUNT: u64 = CHANGES_ONE | 1 << 13;

/// The process has another root directory.
#[inline(always)]
pub fn root_changed(call: &Ended) -> Option<()> {
    let root = task::task().follow(offsets::task_fs())?.follow(offsets::fs_root_dentry())?;
    tell(call, root, &verdict(&call.inside, 0, 0, 0))
}

/// Something was mounted: by then nothing can refuse it. In the LSM tier a hook has told it. The answer is the form that tells it by its path, where
/// the mount itself was not to be found.
#[inline(always)]
pub fn mounted(call: &Ended) -> Option<u32> {
    if offsets::is_lsm_tier() {
        return None;
    }
    match mount_point(call) {
        Some(point) => {
            let _ = maps::BEGUN.remove(thread(&call.inside));
            let access = access::MOUNT | access::MOVED;
            let mut decided = if task::shows_mounts() {
                decide::file(&call.inside, point, access, MEANS_KILL)
            } else {
                verdict(&call.inside, 0, 0, 0)
            };
            if decided.flags & VERDICT_REFUSED != 0 {
                decided.means = named::stop(&call.inside, call.plan.op, decided.stage);
            }
            tell(call, point, &decided);
            None
        }
        None => Some(u32::from(form::PATH)),
    }
}

#[inline(always)]
fn mount_point(call: &Ended) -> Option<Address> {
    if call.number == MOVE_MOUNT {
        if call.argument(call.plan.detail)? & FROM_DESCRIPTOR == 0 {
            return None;
        }
        let mounted =
            dentry::file_of_fd(call.argument(call.plan.second)? as i32)?.follow(offsets::file_mnt())?;
        return Address(mounted.0.wrapping_sub(offsets::mount_mnt() as u64)).follow(offsets::mount_point());
    }
    if call.argument(call.plan.detail)? & NO_NEW_MOUNT != 0 {
        return None;
    }
    newest()?.follow(offsets::mount_point())
}

/// The newest mount of the current namespace, where this kernel keeps it at hand (since 6.14).
#[inline(always)]
fn newest() -> Option<Address> {
    if offsets::namespace_last_mount() == u32::MAX as usize {
        return None;
    }
    let namespace = task::task().follow(offsets::task_nsproxy())?.follow(offsets::nsproxy_mnt())?;
    let node = namespace.follow(offsets::namespace_last_mount())?;
    Some(Address(node.0.wrapping_sub(offsets::mount_node() as u64)))
}
