//! Ways round the guard that need a call of their own: to a key, and to an address that no session may reach. Each is first
//! shown to lead there where nobody guards.

use anyhow::Result;
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{Fate, came};
use end_to_end::internet::Internet;
use end_to_end::scene::{Scene, rows};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

const EPERM: i32 = libc::EPERM;

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// What this kernel has not been built for: system calls of 32 bits.
fn is_missing(name: &str, errno: i32) -> bool {
    name == "by a system call of 32 bits" && errno == attempt::OTHER_CONTENT
}

#[test]
fn a_key_is_read_by_no_call() -> Result<()> {
    const OF: &str = "A key is read";
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let scene = Scene::new(as_root)?;
        let key = &*scene.path(".ssh/id_ed25519");
        let mut ways = rows([
            ("by a request through io_uring", "read-by-request", &[key]),
            ("by an openat2 request through io_uring", "read-by-request-2", &[key]),
            ("by a system call of 32 bits", "read-32", &[key]),
            ("by a link that another thread turns to it and back all the time", "read-changing", &[key]),
            ("in namespaces of its own, over a bind mount of its own", "read-in-namespace", &["bind", key]),
            (
                "in namespaces of its own, as the lower layer of an overlay",
                "read-in-namespace",
                &["overlay", key],
            ),
            ("in namespaces of its own, below a root of its own", "read-in-namespace", &["chroot", key]),
            ("through the root of a child in `/proc`", "read-of-child", &[key]),
        ]);
        if as_root {
            ways.extend(rows([("by the file's handle", "read-by-handle", &[key])]));
        }
        let free = scene.free(&ways)?;
        let there = |way: &Attempt| !is_missing(&way.name, free[&way.name]);
        for way in ways.iter().filter(|way| there(way)) {
            assert_eq!(free[&way.name], 0, "no test: `{}` fails without a guard", way.name);
        }
        let (came_of, summary, output) = scene.guarded("enforce", &ways)?;
        for way in ways.iter().filter(|way| there(way)) {
            assert_eq!(came_of.get(&way.name), Some(&EPERM), "{}: {summary:#} {output:?}", way.name);
            came(OF, &way.name, by, Fate::Refused);
        }
    }
    Ok(())
}

/// The address at which a cloud gives away its machine's credentials, and its other spellings.
#[test]
fn the_metadata_service_is_reached_by_no_call() -> Result<()> {
    const OF: &str = "The metadata service is reached";
    let test = || -> Result<()> {
        let _internet = Internet::enter_with(&[Ipv4Addr::new(169, 254, 169, 254)])?;
        let listener = TcpListener::bind("0.0.0.0:80")?;
        let _mapped = UdpSocket::bind("0.0.0.0:80")?;
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let (plain, mapped) = ("169.254.169.254:80", "[::ffff:169.254.169.254]:80");
        for (as_root, by) in [(false, "a user"), (true, "root")] {
            let scene = Scene::new(as_root)?;
            let ways = rows([
                ("by TCP", "send", &["tcp", plain]),
                ("by TCP, its address mapped into IPv6", "send", &["tcp", mapped]),
                ("by TCP, with data before the connection (fast open)", "send", &["tcp-fast-open", plain]),
                ("by multipath TCP", "send", &["multipath-tcp", plain]),
                ("by a connect request through io_uring", "send", &["tcp-by-request", plain]),
                ("by UDP, without a connection", "send", &["udp", plain]),
                ("by UDP, its address mapped into IPv6", "send", &["udp", mapped]),
                ("by UDP, connected", "send", &["udp-connected", plain]),
                ("by UDP, in a child that a shell made", "send", &["udp-from-a-child", plain]),
            ]);
            for (name, errno) in scene.free(&ways)? {
                assert_eq!(errno, 0, "no test: `{name}` fails without a guard");
            }
            let (came_of, summary, output) = scene.guarded("enforce", &ways)?;
            for way in &ways {
                assert_eq!(came_of.get(&way.name), Some(&EPERM), "{}: {summary:#} {output:?}", way.name);
                came(OF, &way.name, by, Fate::Refused);
            }
        }
        Ok(())
    };
    std::thread::spawn(test).join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}
