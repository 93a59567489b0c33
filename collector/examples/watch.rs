//! Runs a command inside a session and prints what the kernel saw: `cargo run -p collector --example watch -- COMMAND...`

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let t = Instant::now();
    let (kernel, mut reader) = collector::Kernel::load(&collector::Options::default())?;
    eprintln!("tier {} loaded in {:?}", kernel.tier().name(), t.elapsed());
    for program in kernel.programs() {
        if let Some(error) = program.error {
            eprintln!("{}: {error}", program.name);
        }
    }
    let t = Instant::now();
    kernel.attach()?;
    eprintln!("attached in {:?}", t.elapsed());
    kernel.set_session(
        1,
        &abi::Session {
            segment: 0, flags: abi::SESSION_ENFORCE, state: 0, policy: 0, restrict: 0, restrict_reason: 0,
            unlabelled: 0, unknown_net: 0, unlabelled_reason: 0, unknown_net_reason: 0,
        },
    )?;
    let file = std::fs::File::open("/etc/passwd")?;
    use std::os::fd::AsFd;
    eprintln!("identify: {:?}", kernel.identify(file.as_fd()));
    let mut command = Command::new("sh");
    command.arg("-c").arg("read x; exec \"$0\" \"$@\"").args(&args).stdin(Stdio::piped());
    let mut child = command.process_group(0).spawn()?;
    kernel.enroll(child.id(), 1)?;
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"go\n")?;
    let (mut events, mut syscalls) = (0u64, 0u64);
    loop {
        let done = child.try_wait()?;
        reader.drain(&mut |_, captured| match captured {
            event::Captured::Event(event) => {
                events += 1;
                println!("{} {} {:?} {} {:?} {:?} {:?}", event.tid, event.op.name(), event.access, event.object.display(), event.second.as_ref().map(|s| s.display()), event.outcome, event.decision);
            }
            event::Captured::Syscall(_) => syscalls += 1,
            event::Captured::Loss(loss) => println!("{loss:?}"),
        });
        if let Some(status) = done {
            eprintln!("{status}; {events} events, {syscalls} system calls, {} malformed, members {:?}", reader.malformed(), kernel.members(1));
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
