//! Each operation is done for real in a recorded session, and must be there exactly as it was done: which operation, on
//! what, with which outcome, and how far its object can be believed. What each tier tells is a table in docs/operations.md,
//! which `cargo xtask operations` writes from what was seen, and which is compared with it.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

mod rows;

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::deeds::{self, Done, FILES, IMPOSSIBLE, Outside};
use end_to_end::scene::{self, kernel};
use rows::{ADDRESSED, DETAILS, Is, ROWS, Row, SECONDS, STEPS, is_later};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The program that does the deeds: this one.
#[test]
fn deeds() -> Result<()> {
    deeds::serve()
}

/// A session in which all of it was done.
struct Recorded {
    directory: PathBuf,
    done: Done,
    events: Vec<Value>,
    identities: BTreeMap<String, (u64, u64)>,
    summary: Value,
    _outside: Outside,
    _overlay: Overlay,
    _world: World,
}

impl Recorded {
    fn new() -> Result<Recorded> {
        let world = World::new()?;
        let directory = world.workspace().join("deeds");
        for name in deeds::DIRECTORIES {
            fs::create_dir_all(directory.join(name))?;
        }
        for name in FILES {
            fs::write(directory.join(name), "content\n")?;
        }
        fs::write(directory.join("code"), vec![0x90; 4096])?;
        let script = directory.join("script");
        fs::write(&script, "#!/bin/sh\nexit 0\n")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let overlay = Overlay::mount(&directory)?;
        let outside = Outside::open(&directory)?;
        let mut identities = identities(&directory)?;
        let program = world.path().join("program");
        fs::copy(std::env::current_exe()?, &program)?;
        let summary = world.path().join("summary.json");
        let summary_text = summary.to_str().context("path")?;
        let mut args = world.session("record", &["--quiet", "--io-uring", "--summary-file", summary_text]);
        let user = args.iter().position(|arg| arg == "--user").context("no --user")?;
        args.splice(user..user + 2, ["--as-root".to_owned()]);
        let mut command = world.wardline(args);
        command.arg(&program).args(["--exact", "deeds", "--nocapture", "--test-threads=1"]);
        let output = command.env(deeds::VARIABLE, &directory).output()?;
        let done = Done::read(&output);
        ensure!(done.errnos.len() > 50, "{output:?}");
        identities.extend(self::identities(&directory)?);
        let exported = world.run(["export", "last"])?;
        ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let lines = String::from_utf8_lossy(&exported.stdout);
        let events = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let summary = serde_json::from_slice(&fs::read(summary)?)?;
        Ok(Recorded {
            directory,
            done,
            events,
            identities,
            summary,
            _outside: outside,
            _overlay: overlay,
            _world: world,
        })
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// The errno that the deed of a row came to.
    fn errno(&self, row: &str) -> Result<i32> {
        let deed = STEPS.iter().find(|(step, _)| *step == row).map_or(row, |(_, deed)| deed);
        let deed = if row == "io_uring_setup" { "io_uring" } else { deed };
        self.done.errnos.get(deed).copied().with_context(|| format!("`{deed}` was not done"))
    }

    fn value(&self, name: &str) -> u64 {
        self.done.values.get(name).copied().unwrap_or(-1) as u64
    }

    fn fits(&self, event: &Value, is: Is) -> bool {
        let object = &event["object"];
        let path = object["path"].as_str().unwrap_or_default();
        let exe = object["file"]["path"].as_str().unwrap_or_default();
        let argument =
            || object["args"].as_array().and_then(|list| list.last()?.as_str()).unwrap_or_default();
        match is {
            Is::File(name) => object["kind"] == "file" && path == self.path(name),
            Is::Deep => object["kind"] == "file" && object["key"]["ino"] == self.value("deep"),
            Is::Ends(end) => object["kind"] == "file" && path.ends_with(end),
            Is::Exe(name, last) => exe == self.path(name) && argument() == last,
            Is::ExeEnds(end, last) => exe.ends_with(end) && argument() == last,
            Is::At(ip, port) => {
                object["kind"] == "address" && object["ip"] == ip && object["port"] == self.value(port)
            }
            Is::Fixed(ip, port) => {
                object["kind"] == "address" && object["ip"] == ip && object["port"] == port
            }
            Is::Unix(name) => object["kind"] == "unix" && path == self.path(name),
            Is::Abstract(name) => object["kind"] == "unix" && path == format!("\0{name}"),
            Is::Socket(family, kind) => {
                object["kind"] == "socket" && object["family"] == family && object["socket"] == kind
            }
            Is::Process(name, detail) => {
                let is = object["pid"] == self.value(name) && object["inside"] == true;
                is && (object["detail"] == detail || ADDRESSED.contains(&name))
            }
            Is::NoProcess(detail) => {
                object["pid"] == i32::MAX && object["inside"] == false && object["detail"] == detail
            }
            Is::Child(name, flags) => event["fork"]["pid"] == self.value(name) && event["detail"] == flags,
            Is::Exit(code) => event["detail"] == code && event["outcome"]["done"] == 1,
            Is::Interface(first, second) => {
                object["kind"] == "interface"
                    && first.is_none_or(|first| object["first"] == first)
                    && second.is_none_or(|second| object["second"] == second)
            }
        }
    }

    /// The one event of a row.
    fn event(&self, row: &Row) -> Result<&Value> {
        let Row(name, op, is, access, expected) = row;
        let errno = self.errno(name)?;
        ensure!(expected.is_none_or(|expected| errno == expected), "`{name}` came to {errno}");
        let of_op: Vec<&Value> = self.events.iter().filter(|event| event["op"] == *op).collect();
        let fitting = of_op.iter().filter(|event| {
            // A setup is one deed with its request, which may fail by itself.
            let came = match &event["outcome"]["failed"] {
                Value::Null => *name == "io_uring_setup" || errno == 0,
                failed => failed == errno,
            };
            came && self.fits(event, *is) && (*op != "open" || has(event, access))
        });
        let fitting: Vec<&&Value> = fitting.collect();
        let near: Vec<String> = of_op.iter().rev().take(12).map(ToString::to_string).collect();
        // Before 6.5 the layer's own file is opened by the same path: fs/overlayfs/file.c, `ovl_open_realfile`.
        let twice = name.starts_with("overlay") && kernel() < (6, 5);
        ensure!(
            fitting.len() == 1 || twice && fitting.len() == 2,
            "`{name}`: {} events like {is:?}, errno {errno}, in\n{}",
            fitting.len(),
            near.join("\n")
        );
        let event = fitting[0];
        ensure!(has(event, access), "`{name}`: access of {event}");
        let detail = DETAILS.iter().find(|(row, _)| row == name);
        ensure!(detail.is_none_or(|(_, detail)| event["detail"] == *detail), "`{name}`: detail of {event}");
        let second = SECONDS.iter().find(|(row, _)| row == name);
        let names = |(_, second): &(&str, &str)| event["second"]["path"] == self.path(second);
        ensure!(second.is_none_or(names), "`{name}`: second place of {event}");
        Ok(event)
    }

    /// That a file which is said to be trusted is the one that lies there.
    fn identity(&self, row: &Row, event: &Value) -> Result<()> {
        let key = &event["object"]["key"];
        if let (Is::File(name), Some(&(dev, ino))) = (row.2, self.identities.get(&self.key_name(row.2)))
            && event["object"]["origin"] == "trusted"
            && !key.is_null()
        {
            ensure!(key["ino"] == ino && key["dev"] == dev, "`{name}` is {dev}:{ino}, and {event}");
        }
        Ok(())
    }

    fn key_name(&self, is: Is) -> String {
        if let Is::File(name) = is { name.to_owned() } else { String::new() }
    }

    fn tier(&self) -> Result<&'static str> {
        Ok(if scene::is_lsm(&self.summary)? { "lsm" } else { "tracepoint" })
    }
}

/// A file system over another, for as long as this lives; none where it cannot be mounted.
struct Overlay(PathBuf);

impl Overlay {
    fn mount(directory: &Path) -> Result<Overlay> {
        for name in ["lower", "copied", "moves"] {
            fs::write(directory.join("overlay-lower").join(name), "content\n")?;
        }
        let part = |name: &str| directory.join(name).display().to_string();
        let (lower, upper) = (part("overlay-lower"), part("overlay-upper"));
        let options = format!("lowerdir={lower},upperdir={upper},workdir={}", part("overlay-work"));
        let place = directory.join("overlay");
        let options = std::ffi::CString::new(options)?;
        let flags = rustix::mount::MountFlags::empty();
        if let Err(error) = rustix::mount::mount("none", &place, "overlay", flags, &*options) {
            println!("skipped: no overlay can be mounted here: {error}");
        }
        Ok(Overlay(place))
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Device and inode of everything in a directory, by its path there.
fn identities(directory: &Path) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let name = entry.path().strip_prefix(directory)?.display().to_string();
            let dev = metadata.st_dev();
            let dev = u64::from(libc::major(dev)) << 20 | u64::from(libc::minor(dev));
            found.insert(name.clone(), (dev, metadata.st_ino()));
            // What is deeper than a path can say is not gone into.
            if metadata.is_dir() && name.len() < 100 {
                left.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// Whether an event's access is exactly this.
fn has(event: &Value, access: &[&str]) -> bool {
    let of_event = event["access"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let (mut of_event, mut wanted) = (of_event.collect::<Vec<_>>(), access.to_vec());
    of_event.sort_unstable();
    wanted.sort_unstable();
    of_event == wanted
}

/// How far an event's object can be believed.
fn origin(event: &Value) -> &str {
    // The kernel keeps no address that was not bound: what is told is the caller's.
    if event["op"] == "bind" && !event["outcome"]["failed"].is_null() {
        return "claimed";
    }
    let object = &event["object"];
    object["origin"].as_str().or(object["file"]["origin"].as_str()).unwrap_or("trusted")
}

/// The columns of the table in docs/operations.md.
const COLUMNS: [&str; 3] = ["lsm", "tracepoint", "tracepoint before 6.13"];

fn column(tier: &str) -> usize {
    match tier {
        "lsm" => 0,
        _ if kernel() >= (6, 13) => 1,
        _ => 2,
    }
}

/// The table in docs/operations.md, which `cargo xtask operations` writes: each operation as a column has it.
fn committed(column: usize) -> BTreeMap<String, String> {
    let table = include_str!("../../../docs/operations.md");
    let cells = |line: &str| -> Option<(String, String)> {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        Some((cells.get(1)?.to_string(), cells.get(2 + column)?.to_string()))
    };
    table.lines().filter_map(cells).collect()
}

#[test]
fn each_operation_is_told_as_it_was_done() -> Result<()> {
    let recorded = Recorded::new()?;
    let tier = recorded.tier()?;
    let column = column(tier);
    let committed = committed(column);
    let mut wrong = Vec::new();
    for row in ROWS {
        if is_later(row.0, tier) {
            assert!(recorded.event(row).is_err(), "`{}` is told before its time", row.0);
            continue;
        }
        if recorded.errno(row.0)? == IMPOSSIBLE {
            println!("skipped: `{}` cannot be done on this kernel", row.0);
            continue;
        }
        match recorded.event(row).and_then(|event| recorded.identity(row, event).map(|()| origin(event))) {
            Ok(origin) => {
                println!("told {} | {} | {origin}", COLUMNS[column], row.0);
                if committed.get(row.0).map(String::as_str) != Some(origin) {
                    wrong.push(format!("`{}` is {origin}, which the table does not say", row.0));
                }
            }
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
    let second = |name: &str| -> Result<&Value> {
        let row = ROWS.iter().find(|row| row.0 == name).context("no such row")?;
        Ok(&recorded.event(row)?["second"])
    };
    assert_eq!(second("rename")?["path"], recorded.path("renamed"));
    assert_eq!(second("rename, over")?["path"], recorded.path("over-to"));
    assert_eq!(second("link")?["path"], recorded.path("linked"));
    assert_eq!(second("io_uring, rename")?["path"], recorded.path("uring-renamed"));
    assert_eq!(second("io_uring, link")?["path"], recorded.path("uring-linked"));
    assert_eq!(second("exec, script")?["path"], recorded.path("script"));
    // What goes to a process outside of the session says so.
    let (outside, inside) = (second("connect, unix, outside")?, second("connect, unix, inside")?);
    assert_eq!((&outside["pid"], &outside["inside"]), (&std::process::id().into(), &false.into()));
    assert_eq!((&inside["pid"], &inside["inside"]), (&recorded.value("inside").into(), &true.into()));
    // 32-bit calls are in the sequence by their own numbers.
    if recorded.errno("32-bit mkdir")? != IMPOSSIBLE {
        let narrow =
            |event: &&Value| event["type"] == "syscall" && event["compat"] == true && event["number"] == 39;
        assert_eq!(recorded.events.iter().filter(narrow).count(), 1);
    }
    assert_eq!(recorded.summary["lost"], 0, "{}", recorded.summary);
    Ok(())
}
