//! Ways to the metadata services of clouds, and to sockets at which others work with their own authority.

use super::{Comes, OUT, Way, are_tried, perhaps, ways};
use anyhow::Result;
use datasets::network::add_address_6;
use end_to_end::attempt::Attempt;
use end_to_end::doors::listen_at;
use end_to_end::internet::Internet;
use end_to_end::scene::{Scene, can_refuse};
use rustix::mount::{MountFlags, mount};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

/// Addresses at which clouds hand out a machine's credentials.
const METADATA: [Ipv4Addr; 10] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 169, 250),
    Ipv4Addr::new(169, 254, 169, 249),
    // Where nobody gives anything away, and the tests have a server.
    Ipv4Addr::new(203, 0, 113, 66),
];
/// The same by IPv6: of clouds, and as a translator to IPv4 is asked for them.
const METADATA_6: [&str; 8] = [
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:42::42",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::6464:64c8",
    "64:ff9b:1::a9fe:a9fe",
];

/// The metadata services of clouds, each at its address, and the first by calls and sockets that few programs use.
fn metadata(as_root: bool) -> Vec<Way> {
    const OF: &str = "The metadata service is reached";
    let first = "169.254.169.254:80";
    let mut all = ways(
        OF,
        Comes::Refused,
        [
            ("by UDP, by `sendmsg`", "send", &["udp-message", first]),
            ("by UDP, by `sendmmsg`, behind a datagram for somebody else", "send", &["udp-messages", first]),
            ("by UDP, by a socket that was connected to somebody else", "send", &["udp-anew", first]),
        ],
    );
    for ip in &METADATA[1..METADATA.len() - 1] {
        let (name, to) = (format!("of another cloud, at `{ip}`"), format!("{ip}:80"));
        all.extend(ways(OF, Comes::Refused, [(&*name, "send", &["tcp", &*to])]));
    }
    for ip in METADATA_6 {
        let (name, to) = (format!("of another cloud, at `{ip}`"), format!("[{ip}]:80"));
        all.extend(ways(OF, Comes::Refused, [(&*name, "send", &["tcp", &*to])]));
    }
    // They reach nobody who hands anything out: a metadata service speaks TCP. In the tier `lsm` a hook sees where they lead.
    let past = if can_refuse() { Comes::Refused } else { Comes::Happens };
    all.extend(perhaps(ways(
        OF,
        past,
        [
            ("by a ping (ICMP)", "send", &["ping", first]),
            ("by UDP-Lite", "send", &["udp-lite", first]),
            ("by SCTP", "send", &["sctp", first]),
        ],
    )));
    if as_root {
        all.extend(perhaps(ways(
            OF,
            past,
            [("by a raw socket, which root alone may have", "send", &["raw", first])],
        )));
        all.extend(perhaps(ways(
            OF,
            Comes::Happens,
            [("by a packet socket, which root alone may have", "send", &["packet", first])],
        )));
    }
    let elsewhere = format!("{}:8443", METADATA[9]);
    all.extend(ways(
        OUT,
        Comes::Happens,
        [("a connection to any host, without a baseline", "send", &["tcp", &*elsewhere])],
    ));
    all
}

/// Sockets at which others work with their own authority, where they lie in a home.
const OF_HOME: [&str; 11] = [
    ".docker/run/docker.sock",
    ".docker/desktop/docker.sock",
    ".colima/default/docker.sock",
    ".colima/docker.sock",
    ".rd/docker.sock",
    ".lima/default/sock/docker.sock",
    ".orbstack/run/docker.sock",
    ".1password/agent.sock",
    ".bitwarden-ssh-agent.sock",
    ".strongbox/agent.sock",
    ".ssh-agent.sock",
];
/// In the directory of a user in `/run`.
const OF_RUNTIME: [&str; 19] = [
    "docker.sock",
    "podman/podman.sock",
    "buildkit/rootless/buildkitd.sock",
    "containerd/containerd.sock",
    "libvirt/libvirt-sock",
    "libvirt/virtqemud-sock",
    "bus",
    "systemd/private",
    "gnupg/S.gpg-agent",
    "gnupg/S.gpg-agent.ssh",
    "keyring/ssh",
    "keyring/control",
    "gcr/ssh",
    "ssh-agent.socket",
    "openssh_agent",
    "yubikey-agent/yubikey-agent.sock",
    "kwallet5.socket",
    "kwallet6.socket",
    "ksecretd.socket",
];
/// The machine's.
const OF_MACHINE: [&str; 18] = [
    "docker.sock",
    "containerd/containerd.sock",
    "podman/podman.sock",
    "crio/crio.sock",
    "buildkit/buildkitd.sock",
    "lxd.socket",
    "incus/unix.socket",
    "libvirt/libvirt-sock",
    "libvirt/virtqemud-sock",
    "k3s/containerd/containerd.sock",
    "dockershim.sock",
    "cri-dockerd.sock",
    "snapd.socket",
    "multipass_socket",
    "dbus/system_bus_socket",
    "systemd/private",
    "user/0/bus",
    "user/0/docker.sock",
];

/// Each by a connection. All of them listen before the session begins, and belong to root here.
fn sockets(scene: &Scene, as_root: bool) -> Result<Vec<Way>> {
    let user = if as_root { 0 } else { scene.world.user.id };
    let mut places: Vec<(String, String)> = Vec::new();
    places.extend(OF_HOME.iter().map(|place| (format!("~/{place}"), scene.path(place))));
    places.extend(
        OF_RUNTIME
            .iter()
            .map(|place| (format!("/run/user/UID/{place}"), format!("/run/user/{user}/{place}"))),
    );
    let of_machine = OF_MACHINE.iter().map(|place| format!("/run/{place}"));
    places.extend(of_machine.filter(|place| !place.contains("user")).map(|place| (place.clone(), place)));
    let mut all = Vec::new();
    for (name, place) in places {
        listen_at(std::slice::from_ref(&place))?;
        let name = format!("a connection to `{name}`");
        all.extend(ways("Somebody outside is reached", Comes::Ends, [(&*name, "connect", &[&*place])]));
    }
    Ok(all)
}

/// In a network and with a `/run` of their own.
#[test]
fn no_metadata_service_and_no_socket_of_others_is_reached() -> Result<()> {
    let test = || -> Result<()> {
        let _internet = Internet::enter_with(&METADATA[..9])?;
        let listener = TcpListener::bind("[::]:80")?;
        std::thread::spawn(move || listener.incoming().for_each(drop));
        for address in METADATA_6 {
            add_address_6(address.parse()?)?;
        }
        fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")?;
        mount("run", "/run", "tmpfs", MountFlags::empty(), None)?;
        for (as_root, by) in [(false, "a user"), (true, "root")] {
            let all = |scene: &Scene| -> Result<Vec<Way>> {
                // Left by the scene before.
                for entry in fs::read_dir("/run")? {
                    let path = entry?.path();
                    if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
                }
                Ok([metadata(as_root), sockets(scene, as_root)?].into_iter().flatten().collect())
            };
            let session = |scene: &Scene, attempts: &[Attempt]| {
                scene.session("enforce", &[], &[], attempts, |command| {
                    command.env(
                        "XDG_RUNTIME_DIR",
                        format!("/run/user/{}", if as_root { 0 } else { scene.world.user.id }),
                    );
                })
            };
            are_tried(&|| Scene::apart(as_root), &all, &session, by)?;
        }
        Ok(())
    };
    std::thread::spawn(test).join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}
