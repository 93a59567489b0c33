//! The privileges that the supervisor, and every process that it starts, gives up first: rights that no part of it needs,
//! memory without end, and to go on after a panic.

use crate::Error;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet as Right, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

/// The rights that are kept, each for what it is needed.
const KEPT: [(Right, &str); 18] = [
    (Right::BPF, "loading programs and maps"),
    (Right::PERFMON, "programs that read the kernel's memory"),
    (Right::NET_ADMIN, "programs at the root cgroup"),
    (Right::SYS_ADMIN, "permission marks of fanotify; programs and maps by number"),
    (Right::SYS_PTRACE, "what processes of users have open, and where"),
    (Right::DAC_READ_SEARCH, "looking through homes"),
    (Right::DAC_OVERRIDE, "putting back what was moved; the state directory of another owner"),
    (Right::FOWNER, "putting back, in directories where only owners may"),
    (Right::CHOWN, "a copy is its user's, and so are a session's sockets"),
    (Right::FSETID, "a copy has the mode of what it replaces"),
    (Right::LEASE, "hearing of who writes a file that may be read"),
    (Right::KILL, "stopping and ending sessions"),
    (Right::SYS_NICE, "precedence of the thread that decides"),
    (Right::SYS_RESOURCE, "descriptors enough; not to be ended when memory is short"),
    (Right::SETUID, "a broker is its user"),
    (Right::SETGID, "the same"),
    (Right::SETPCAP, "a teller gives up what it could get"),
    (Right::SYS_CHROOT, "a teller reaches one directory"),
];

/// Address space of the supervisor and of each process that it starts: many times what 255 sessions take. It is never ended
/// when memory is short, so that without a limit a leak would take the machine.
const MEMORY_MAX: u64 = 16 << 30;

/// Gives it up. To be called before there is another thread.
pub fn give_up() -> Result<(), Error> {
    let wrong = |e| Error::io("what is not needed could not be given up", e);
    // Whoever is not root is told so later.
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let kept = KEPT.iter().fold(Right::empty(), |all, (right, _)| all | *right);
    set_no_new_privs(true).map_err(wrong)?;
    for right in Right::all().difference(kept).iter() {
        match remove_capability_from_bounding_set(right) {
            // Numbers that this kernel does not know are no rights.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(e) => return Err(wrong(e)),
        }
    }
    let has = capabilities(None).map_err(wrong)?;
    let left = CapabilitySets {
        effective: has.effective & kept,
        permitted: has.permitted & kept,
        inheritable: Right::empty(),
    };
    set_capabilities(None, left).map_err(wrong)?;
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, limit(MEMORY_MAX)).map_err(wrong)?;
    // Its memory has what users must not read.
    setrlimit(Resource::Core, limit(0)).map_err(wrong)?;
    end_with_a_panic();
    Ok(())
}

/// A panic of any thread is the end of the process: half a supervisor would leave sessions that nobody decides about. The keeper
/// ends them then.
fn end_with_a_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    const PANICS: &str = "WARDLINE_TEST_PANICS";

    #[test]
    fn a_panic_of_any_thread_ends_the_process() {
        if std::env::var_os(PANICS).is_some() {
            end_with_a_panic();
            drop(std::thread::spawn(|| panic!("as asked")).join());
            return;
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        let name = "bound::tests::a_panic_of_any_thread_ends_the_process";
        again.args(["--exact", name, "--nocapture"]).env(PANICS, "1");
        let output = again.stdout(Stdio::null()).output().unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("as asked"), "{output:?}");
    }
}
