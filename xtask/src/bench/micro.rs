//! Loops over one operation, in this process.

use super::workload::Workload;
use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, Mode, OFlags};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

/// Does `rounds` of a loop. `file` exists and is readable.
pub fn run(workload: Workload, rounds: u64, file: &Path) -> Result<()> {
    match workload {
        Workload::Getpid => {
            for _ in 0..rounds {
                std::hint::black_box(rustix::process::getppid());
            }
        }
        Workload::OpenClose => {
            for _ in 0..rounds {
                open_and_close(file)?;
            }
        }
        Workload::Stat => {
            for _ in 0..rounds {
                std::hint::black_box(rustix::fs::stat(file)?);
            }
        }
        Workload::Connect => {
            // The port of `discard`: a connected datagram socket sends nothing.
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
            for _ in 0..rounds {
                let socket = rustix::net::socket(
                    rustix::net::AddressFamily::INET,
                    rustix::net::SocketType::DGRAM,
                    None,
                )?;
                rustix::net::connect(&socket, &address)?;
                close(socket)?;
            }
        }
        Workload::ForkExec => {
            for _ in 0..rounds {
                let status = Command::new("/bin/true").status().context("cannot start /bin/true")?;
                if !status.success() {
                    bail!("/bin/true failed: {status}");
                }
            }
        }
        other => bail!("{} is no loop", other.name()),
    }
    Ok(())
}

fn open_and_close(file: &Path) -> Result<()> {
    close(rustix::fs::openat(CWD, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Closes a descriptor in one system call: dropping it asks first whether it is open, where assertions are on.
fn close(fd: OwnedFd) -> Result<()> {
    Ok(nix::unistd::close(fd)?)
}

/// Opens and closes `file` for some seconds, `pairs_per_second` times a second at most (0: as fast as it goes), in steps of a
/// millisecond. Returns how often, and how often it slept between, which is a system call too.
pub fn flood(file: &Path, seconds: f64, pairs_per_second: u64) -> Result<(u64, u64)> {
    let started = std::time::Instant::now();
    let (mut done, mut sleeps) = (0u64, 0u64);
    loop {
        let elapsed = started.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return Ok((done, sleeps));
        }
        let due = match pairs_per_second {
            0 => done + 1000,
            rate => (elapsed.min(seconds) * rate as f64) as u64,
        };
        if due <= done {
            std::thread::sleep(std::time::Duration::from_micros(200));
            sleeps += 1;
            continue;
        }
        while done < due {
            open_and_close(file)?;
            done += 1;
        }
    }
}
