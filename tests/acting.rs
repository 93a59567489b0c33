//! A session that acts without a pause, and would read a key if it could: what stands still around it shows in what it does.

use crate::scene::is_lsm;
use crate::{World, wait_until};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, SystemTime};

/// Emulation is slow.
pub const SOON: Duration = Duration::from_secs(120);
const SECRET: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n";

/// Four processes read a key and write a file, in turn and as fast as they can, until there is a file `stop`.
const ACTING: &str = r#"
act() { local i=0; while [ ! -e stop ]; do
    i=$((i+1)); read -r line <"$HOME/.ssh/id_ed25519" && echo "read $line"; echo $i >made/$1; sleep 0.005; done; }
mkdir -p made
for n in 1 2 3 4; do act $n 2>/dev/null & done
wait
echo over
"#;

/// A world with a key, and a session that acts in it.
pub struct Acting {
    world: Option<World>,
    client: Option<Child>,
    summary: PathBuf,
}

impl Acting {
    /// Starts it, and waits until it acts.
    pub fn new(world: World) -> Result<Self> {
        world.write(&world.home().join(".ssh/id_ed25519"), SECRET)?;
        let summary = world.path().join("summary.json");
        let mut args =
            world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
        args.extend(["bash", "-c", ACTING].map(str::to_owned));
        let client = world.wardline(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut acting = Self { world: Some(world), client: Some(client), summary };
        if !wait_until(SOON, || acting.last().is_some_and(|time| time.elapsed().is_ok())) {
            acting.client.take().context("no client")?.kill()?;
            anyhow::bail!("nobody acts");
        }
        Ok(acting)
    }

    /// Where it acts.
    pub fn world(&self) -> Result<&World> {
        self.world.as_ref().context("no world")
    }

    /// When somebody acted last.
    pub fn last(&self) -> Option<SystemTime> {
        let made = fs::read_dir(self.world().ok()?.workspace().join("made")).ok()?;
        made.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
    }

    /// Whether somebody acts within a time from now.
    pub fn acts_within(&self, limit: Duration) -> bool {
        let now = SystemTime::now();
        wait_until(limit, || self.last().is_some_and(|last| last > now))
    }

    /// The longest for which nobody acted, while it is looked for so long.
    pub fn longest_pause(&self, looked: Duration) -> Result<Duration> {
        let (until, mut longest) = (SystemTime::now() + looked, Duration::ZERO);
        while SystemTime::now() < until {
            let before = SystemTime::now();
            ensure!(self.acts_within(Duration::from_secs(20)), "nobody acts any more");
            longest = longest.max(before.elapsed()?);
        }
        Ok(longest)
    }

    /// Its guard is gone: everybody inside is dead soon, and nothing was read. When somebody acted last, and how the client ended.
    pub fn killed(mut self) -> Result<(SystemTime, Output)> {
        let dead = || self.world().is_ok_and(|world| world.user_processes().is_empty());
        ensure!(wait_until(SOON, dead), "somebody is alive");
        let last = self.last().context("nobody acted")?;
        let client = self.client.take().context("no client")?;
        let output = client.wait_with_output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{output:?}");
        Ok((last, output))
    }

    /// Ends it: nothing was read, and nothing failed.
    pub fn end(mut self) -> Result<(World, Value, Output)> {
        let world = self.world.take().context("no world")?;
        fs::write(world.workspace().join("stop"), "")?;
        let mut client = self.client.take().context("no client")?;
        if !wait_until(SOON, || client.try_wait().is_ok_and(|status| status.is_some())) {
            world.run(["stop-session", "last", "--kill"])?;
        }
        let output = client.wait_with_output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "over\n", "{output:?}");
        let summary: Value = serde_json::from_slice(&fs::read(&self.summary)?)?;
        is_lsm(&summary)?;
        assert!(summary["denied"].as_u64() > Some(0), "{summary:#}");
        Ok((world, summary, output))
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if let Some(mut client) = self.client.take() {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}
