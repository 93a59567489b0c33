//! Hosts have names: what a resolver library was answered, and what a TLS client asks for, stands with the address; and
//! what was not asked for, or was answered by somebody else, does not count.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result};
use end_to_end::bypass::{self, Fate};
use end_to_end::internet::{FORGED, HOSTS, Internet, OTHER_RESOLVER, PORT, RESOLVER};
use end_to_end::{World, wait_until};
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use std::time::Duration;

/// The heading of the page.
const OUT: &str = "Something leaves, or somebody comes in";

/// Runs a test in a thread of its own, which its network then belongs to.
fn apart(test: impl FnOnce(&World, &Internet) -> Result<()> + Send + 'static) -> Result<()> {
    let run = move || {
        let internet = Internet::enter()?;
        test(&World::new()?, &internet)
    };
    std::thread::spawn(run).join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}

fn has(program: &str) -> bool {
    let found = std::path::Path::new("/usr/bin").join(program).exists();
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

/// The events of the last session whose operation is `op`.
fn events(world: &World, op: &str) -> Result<Vec<Value>> {
    let output = world.run(["export", "last", "--format", "jsonl"])?;
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    Ok(lines.into_iter().filter(|line| line["op"] == op).collect())
}

/// The hosts that connections to an address were told with.
fn hosts(connects: &[Value], ip: &str) -> Vec<Value> {
    let to = connects.iter().filter(|event| event["object"]["ip"] == ip && event["object"]["port"] == PORT);
    to.map(|event| event["object"]["host"].clone()).collect()
}

fn good(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// Connects from bash, by name or address.
fn connect(host: impl std::fmt::Display) -> String {
    format!("exec 3<>/dev/tcp/{host}/{PORT}; exec 3>&-")
}

#[test]
fn an_answer_names_its_address_and_a_forged_one_does_not() -> Result<()> {
    if !has("getent") {
        return Ok(());
    }
    apart(|world, internet| {
        internet.set("api.example.org", &[HOSTS[0]]);
        internet.set("a.forged.example", &[HOSTS[1]]);
        let steps = [
            "set -e; getent ahostsv4 api.example.org".to_owned(),
            connect(HOSTS[0]),
            "getent ahostsv4 a.forged.example".to_owned(),
            connect(HOSTS[1]),
            connect(FORGED),
            connect(HOSTS[2]),
        ];
        good(&world.run_script("record", &["--task", "names"], &steps.join("\n"))?);
        let connects = events(world, "connect")?;
        let answered = |name: &str| json!({"name": name, "origin": "answered", "shared": false});
        assert_eq!(hosts(&connects, "203.0.113.7"), [answered("api.example.org")]);
        assert_eq!(hosts(&connects, "203.0.113.8"), [answered("a.forged.example")]);
        assert_eq!(hosts(&connects, "203.0.113.66"), [Value::Null], "the forged answer counts");
        assert_eq!(hosts(&connects, "203.0.113.9"), [Value::Null]);
        let asked = events(world, "lookup")?;
        assert!(asked.iter().all(|event| event["object"]["ip"] == "198.51.100.53"), "{asked:?}");
        assert!(asked.iter().all(|event| event["object"]["host"]["origin"] == "claimed"), "{asked:?}");
        let mut names: Vec<&str> =
            asked.iter().filter_map(|event| event["object"]["host"]["name"].as_str()).collect();
        names.dedup();
        assert_eq!(names, ["api.example.org", "a.forged.example"]);
        Ok(())
    })
}

/// Asks a resolver itself, from a socket that takes answers of everybody; connects to what came first.
const ASK: &str = r#"
import socket, sys
resolver, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\0\0\x01\0\x01"
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(5)
asker.sendto(query, (resolver, 53))
addresses = [".".join(str(byte) for byte in asker.recvfrom(1500)[0][-4:]) for _ in range(int(sys.argv[4]))]
for address in addresses:
    socket.create_connection((address, port), 5).close()
"#;

#[test]
fn another_resolver_only_claims_and_who_was_not_asked_says_nothing() -> Result<()> {
    if !has("python3") {
        return Ok(());
    }
    apart(|world, internet| {
        internet.set("api.example.org", &[HOSTS[0]]);
        internet.set("b.forged.example", &[HOSTS[1]]);
        let script = world.workspace().join("ask.py");
        world.write(&script, ASK)?;
        let steps = [
            format!("set -e; python3 ask.py {OTHER_RESOLVER} api.example.org {PORT} 1"),
            format!("python3 ask.py 198.51.100.53 b.forged.example {PORT} 3"),
        ];
        good(&world.run_script("record", &["--task", "names"], &steps.join("\n"))?);
        let connects = events(world, "connect")?;
        let host = |name: &str, origin: &str| json!({"name": name, "origin": origin, "shared": false});
        assert_eq!(hosts(&connects, "203.0.113.7"), [host("api.example.org", "claimed")]);
        assert_eq!(hosts(&connects, "203.0.113.66"), [Value::Null, Value::Null]);
        assert_eq!(hosts(&connects, "203.0.113.8"), [host("b.forged.example", "answered")]);
        Ok(())
    })
}

/// Begins a TLS connection, to which the other side says nothing.
const HELLO: &str = r#"
import socket, ssl, sys
plain = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
try:
    ssl.create_default_context().wrap_socket(plain, server_hostname=sys.argv[3])
except (ssl.SSLError, OSError):
    pass
"#;

#[test]
fn a_tls_client_tells_the_name_that_it_asks_for() -> Result<()> {
    if !has("python3") {
        return Ok(());
    }
    apart(|world, _| {
        let script = world.workspace().join("hello.py");
        world.write(&script, HELLO)?;
        let hello = |name: &str| format!("python3 hello.py {} {PORT} {name}", HOSTS[0]);
        let steps = [
            "python3 -c 'import ssl' || exit 99".to_owned(),
            hello("one.example.org"),
            hello("two.example.org"),
            hello("Three.Example.org"),
            connect(HOSTS[0]),
        ];
        let output = world.run_script("record", &["--task", "names"], &steps.join("\n"))?;
        if output.status.code() == Some(99) {
            println!("skipped: python3 has no ssl here");
            return Ok(());
        }
        good(&output);
        let names: Vec<Value> =
            events(world, "server-name")?.iter().map(|event| event["object"]["host"].clone()).collect();
        let claimed = |name: &str, shared: bool| json!({"name": name, "origin": "claimed", "shared": shared});
        assert_eq!(
            names,
            [
                claimed("one.example.org", false),
                claimed("two.example.org", false),
                claimed("three.example.org", true)
            ]
        );
        let connects = events(world, "connect")?;
        assert_eq!(hosts(&connects, "203.0.113.7").last(), Some(&claimed("three.example.org", true)));
        let shown = world.run(["show", "last"])?;
        let shown = String::from_utf8(shown.stdout).context("what is shown is no text")?;
        assert!(shown.contains("`three.example.org` (203.0.113.7, shared):8443"), "{shown}");
        Ok(())
    })
}

/// Tries a name or an address up to so many times, a second apart, and prints what came of the last attempt.
const TRY: &str = r#"
try() {
    for ((n = 0; n < $2; n++)); do
        if (exec 3<>"/dev/tcp/$1/$PORT") 2>/dev/null; then now=ok; else now=refused; fi
        sleep 1
        [ "$now" = ok ] && break
    done
    echo "$1: $now"
}
"#;

#[test]
fn a_known_name_is_let_through_at_another_address_and_another_name_is_not() -> Result<()> {
    apart(|world, internet| {
        let api = "api.example.org";
        internet.set(api, &[HOSTS[0]]);
        internet.set("other.example.org", &[HOSTS[2]]);
        for _ in 0..4 {
            // A closed port is refused as well: what follows a refusal is learned, too.
            let script = format!(
                "PORT={PORT}; {TRY} try {api} 1; try 127.0.0.1 1; PORT=1 try 127.0.0.1 2; touch made; try {api} 1"
            );
            good(&world.run_script("record", &["--task", "fetch"], &script)?);
        }
        good(&world.run(["train", "--agent", "test-agent"])?);
        let shown = world.run(["baseline", "show", "test-agent/fetch"])?;
        assert!(String::from_utf8_lossy(&shown.stdout).contains("api.example.org:8443"), "{shown:?}");

        internet.set(api, &[HOSTS[1]]);
        let summary = world.path().join("summary.json");
        let summary_text = summary.to_str().context("path")?;
        let more = ["--task", "fetch", "--quiet", "--summary-file", summary_text];
        let script = format!(
            "PORT={PORT}; {TRY} try {api} 1; try other.example.org 1; try {} 1; touch ready; \
             while [ ! -e moved ]; do sleep 0.1; done; try {api} 20; try other.example.org 1",
            HOSTS[4]
        );
        let mut args = world.session("enforce", &more);
        args.extend(["bash", "-c", &script].map(str::to_owned));
        let child = world
            .wardline(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("no session")?;
        let ready = world.workspace().join("ready");
        assert!(wait_until(Duration::from_secs(60), || ready.exists()), "the session did not come so far");
        // The address changes while the session runs: what the supervisor resolved before does not help.
        internet.set(api, &[HOSTS[3]]);
        world.write(&world.workspace().join("moved"), "")?;
        let output = child.wait_with_output()?;
        let expected = format!(
            "{api}: ok\nother.example.org: refused\n{}: refused\n{api}: ok\nother.example.org: refused\n",
            HOSTS[4]
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");

        let connects = events(world, "connect")?;
        let resolved = json!({"name": api, "origin": "resolved", "shared": false});
        assert_eq!(hosts(&connects, "203.0.113.8"), std::slice::from_ref(&resolved));
        assert_eq!(hosts(&connects, "203.0.113.10").last(), Some(&resolved));
        let summary: Value = serde_json::from_slice(&std::fs::read(&summary)?)?;
        let denials = summary["denials"].as_array().context("no denials")?;
        let objects: Vec<&str> = denials.iter().filter_map(|denial| denial["object"].as_str()).collect();
        assert!(objects.contains(&"other.example.org (203.0.113.9):8443"), "{objects:?}");
        assert!(objects.contains(&"203.0.113.11:8443"), "{objects:?}");
        bypass::came(
            OUT,
            "a connection to a host that no recorded session reached, under a baseline",
            "a user",
            Fate::Refused,
        );
        assert!(
            denials.iter().all(|denial| denial["stage"] == "T1" && denial["op"] == "connect"),
            "{denials:?}"
        );
        Ok(())
    })
}

/// Sends each question to a name server, and says what came of the sends.
const SEND: &str = r#"
import socket, sys
to, came = (sys.argv[1], int(sys.argv[2])), set()
for name in sys.argv[3:]:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\0\0\x01\0\x01"
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query, to)
        came.add(0)
    except OSError as error:
        came.add(error.errno)
print(*to, *came)
"#;

/// Asking for a name is no habit of a task: no recorded session did. Asking for many says what it is.
#[test]
fn the_configured_resolver_is_open_to_who_never_asked_it_and_what_it_is_asked_is_scored() -> Result<()> {
    if !has("python3") {
        return Ok(());
    }
    apart(|world, _| {
        world.write(&world.workspace().join("send.py"), SEND)?;
        let work = "for n in 1 2 3; do cat send.py > copy; sort copy > sorted; done; python3 send.py 127.0.0.1 9 a.b";
        for _ in 0..6 {
            good(&world.run_script("record", &["--task", "work"], work)?);
        }
        good(&world.run(["train", "--agent", "test-agent"])?);
        let summary = world.path().join("summary.json");
        let more = ["--task", "work", "--quiet", "--summary-file", summary.to_str().context("path")?];
        let guarded = |script: &str| -> Result<(String, Value)> {
            let output = world.run_script("enforce", &more, script)?;
            let summary = serde_json::from_slice(&std::fs::read(&summary)?)?;
            Ok((String::from_utf8_lossy(&output.stdout).into_owned(), summary))
        };
        let asks = format!("{work}; python3 send.py {RESOLVER} 53 api.example.org");
        let (said, quiet) = guarded(&asks)?;
        assert_eq!(said, format!("127.0.0.1 9 0\n{RESOLVER} 53 0\n"), "{quiet}");
        assert_eq!((&quiet["denied"], &quiet["alerts"]), (&0.into(), &0.into()), "{quiet}");
        // Where nobody listens on this machine, nothing is reached.
        let _other = std::net::UdpSocket::bind((RESOLVER, 853))?;
        let elsewhere = format!(
            "{work}; python3 send.py {RESOLVER} 853 a.example.org; python3 send.py {OTHER_RESOLVER} 53 a.example.org"
        );
        let (said, refused) = guarded(&elsewhere)?;
        assert_eq!(said, format!("127.0.0.1 9 0\n{RESOLVER} 853 1\n{OTHER_RESOLVER} 53 1\n"), "{refused}");
        let names: Vec<String> =
            (0..60u64).map(|n| format!("{:032x}.t.example", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let (_, tunnel) = guarded(&format!("{work}; python3 send.py {RESOLVER} 53 {}", names.join(" ")))?;
        assert_eq!(tunnel["alerts"], 1, "{quiet} {tunnel}");
        let way =
            "names that carry data are asked of the configured resolver, under a baseline (which alerts)";
        bypass::came(OUT, way, "a user", Fate::Happened);
        bypass::came(
            OUT,
            "a resolver that is not configured is asked, under a baseline",
            "a user",
            Fate::Refused,
        );
        Ok(())
    })
}
