//! A baseline's knowledge of listeners on this machine.

use crate::{OUTSIDE, text};
use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::bypass::{self, Fate};
use end_to_end::listener::{self, OF_A_HELPER, OF_NOBODY, Server, outside, session};
use end_to_end::scene::can_refuse;
use serde_json::Value;
use std::net::{IpAddr, UdpSocket};

/// A baseline of sessions that asked whoever listened at these places.
fn train(world: &World, at: &str) -> Result<()> {
    for _ in 0..4 {
        let (output, _) = session(world, "record", &["--task", "ask"], at, "{ask}")?;
        ensure!(output.status.success(), "{output:?}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    ensure!(trained.status.success(), "{trained:?}");
    Ok(())
}

/// What a session under that baseline was told, and what it was refused.
fn under_baseline(world: &World, at: &str, script: &str) -> Result<(String, Vec<Value>)> {
    let more = ["--task", "ask", "--force-baseline"];
    let (output, summary) = session(world, "enforce", &more, at, script)?;
    ensure!(output.status.success(), "{output:?}");
    let denials = summary["denials"].as_array().context("no denials")?;
    let connects = denials.iter().filter(|denial| denial["op"] == "connect" || denial["op"] == "send");
    Ok((text(&output.stdout), connects.cloned().collect()))
}

/// The address that this machine has besides loopback, if it has one that leads elsewhere.
fn beside_loopback() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // TEST-NET-2: nothing is sent.
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|addr| addr.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[test]
fn a_baseline_lets_through_the_ports_of_this_machine_that_it_knows_and_no_others() -> Result<()> {
    // Below the ports that the kernel picks, and one of those.
    const DATABASE: &str = "127.0.0.1:20731";
    const CACHE: &str = "127.0.0.1:20732";
    let world = World::new()?;
    let mut known = Server::start(&world, OF_NOBODY, &format!("tcp:{DATABASE}"))?;
    train(&world, &known.at)?;
    let mut unknown = [
        Server::start(&world, OF_NOBODY, &format!("tcp:{CACHE}"))?,
        Server::start(&world, OF_NOBODY, &format!("udp:{CACHE}"))?,
        Server::start(&world, OF_NOBODY, "tcp:[::1]:20732")?,
        Server::start(&world, OF_NOBODY, "tcp:127.0.0.1:0")?,
    ];
    let mut at: Vec<String> = unknown.iter().map(|server| server.at.clone()).collect();
    at.extend([format!("tcp:0.0.0.0:{}", 20732), format!("tcp:[::ffff:127.0.0.1]:{}", 20732)]);
    let (said, denials) = under_baseline(&world, &at.join(" "), "{ask}")?;
    for at in &at {
        assert!(said.contains(&format!("{at} errno=1\n")), "{at}: {said}");
    }
    let times: u64 = denials.iter().filter_map(|denial| denial["times"].as_u64()).sum();
    assert_eq!(times, at.len() as u64, "{denials:?}");
    assert!(
        denials.iter().all(|denial| (&denial["stage"], &denial["fate"]) == (&"T1".into(), &"refused".into()))
    );
    let spellings = ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"].map(|ip| format!("tcp:{ip}:20731"));
    let (said, denials) = under_baseline(&world, &spellings.join(" "), "{ask}")?;
    for at in &spellings {
        assert!(said.contains(&format!("{at} answer=done\n")), "{at}: {said}");
    }
    let both = format!("{}=both {{ask}}", listener::DEED);
    let (own, none) = under_baseline(&world, "tcp:127.0.0.1:20733", &both)?;
    assert!(own.contains("answer=done"), "{own}");
    // Nobody listens there: the kernel's own answer.
    let (nobody, nothing) = under_baseline(&world, "tcp:127.0.0.1:20734", "{ask}")?;
    assert!(nobody.contains("errno=111"), "{nobody}");
    // Nor there, by what the kernel looks up, but such an address may be translated: what is behind it the baseline does not know.
    if let Some(ip) = beside_loopback() {
        let at = format!("tcp:{ip}:20734");
        assert!(outside(&world, &at)?.contains("errno=111"), "no test");
        let (said, refused) = under_baseline(&world, &at, "{ask}")?;
        assert!(said.contains("errno=1\n"), "{said}");
        let [denial] = &refused[..] else { panic!("{refused:?}") };
        assert_eq!((&denial["stage"], &denial["fate"]), (&"T1".into(), &"refused".into()), "{denial}");
    }
    assert_eq!([denials, none, nothing], [const { Vec::<Value>::new() }; 3]);
    assert_eq!(known.end()?, "work\n".repeat(4 + spellings.len()));
    bypass::came(
        OUTSIDE,
        "a port at loopback that no recorded session reached, under a baseline",
        "a user",
        Fate::Refused,
    );
    for server in &mut unknown {
        assert_eq!(server.end()?, "", "{}", server.at);
    }
    Ok(())
}

#[test]
fn a_baseline_lets_through_the_abstract_sockets_that_it_knows_and_no_others() -> Result<()> {
    let world = World::new()?;
    // A name with a number in it would be one that each session draws.
    let user: String =
        world.user.id.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    let name = |name: &str| format!("unix:@{name}-{user}");
    let mut known = Server::start(&world, OF_NOBODY, &name("known"))?;
    train(&world, &known.at)?;
    let mut unknown = Server::start(&world, OF_NOBODY, &name("unknown"))?;
    let (said, none) = under_baseline(&world, &known.at, "{ask}; echo went on")?;
    assert!(said.contains("answer=done") && said.contains("went on"), "{said}");
    let both = format!("{}=both {{ask}}", listener::DEED);
    let (own, nothing) = under_baseline(&world, &name("own"), &both)?;
    assert!(own.contains("answer=done"), "{own}");
    assert_eq!([none, nothing], [const { Vec::<Value>::new() }; 2]);
    let (said, denials) = under_baseline(&world, &unknown.at, "{ask}; echo went on")?;
    assert!(!said.contains("answer=") && said.contains("went on"), "{said}");
    let [denial] = &denials[..] else { panic!("{denials:?}") };
    let fate = if can_refuse() { "refused" } else { "happened-and-stopped" };
    let told = (&denial["stage"], &denial["op"], &denial["fate"]);
    assert_eq!(told, (&"T1".into(), &"connect".into(), &fate.into()), "{denial}");
    assert_eq!((known.end()?, unknown.end()?), ("work\n".repeat(5), String::new()));
    Ok(())
}

#[test]
fn a_port_that_the_kernel_picked_is_known_as_such() -> Result<()> {
    let world = World::new()?;
    let first = Server::start(&world, OF_NOBODY, "tcp:127.0.0.1:0")?;
    train(&world, &first.at)?;
    drop(first);
    let mut other = Server::start(&world, OF_NOBODY, "tcp:127.0.0.1:0")?;
    let mut helper = Server::start(&world, OF_A_HELPER, "tcp:127.0.0.1:0")?;
    let at = format!("{} {}", other.at, helper.at);
    let (said, denials) = under_baseline(&world, &at, "{ask}")?;
    assert!(said.contains(&format!("{} answer=done\n", other.at)), "{said}");
    assert!(said.contains(&format!("{} errno=1\n", helper.at)), "{said}");
    let [denial] = &denials[..] else { panic!("{denials:?}") };
    assert_eq!((&denial["stage"], &denial["fate"]), (&"T0".into(), &"refused".into()), "{denial}");
    assert_eq!((other.end()?, helper.end()?), ("work\n".to_owned(), String::new()));
    Ok(())
}
