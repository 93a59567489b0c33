//! A user with keys, an account that `ssh` and `sshd` know, and a server that takes the keys: in a mount namespace of their
//! own, so that the machine's list of accounts stays as it is.

use crate::{World, drive, wait_until};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The account's name.
const ACCOUNT: &str = "wardline-keys";
/// Runs what follows with another list of accounts.
const WITH_ACCOUNTS: &str = "mount --bind \"$1\" /etc/passwd && mkdir -p /run/sshd && shift && exec \"$@\"";

/// A world with keys, and a server for them on loopback.
pub struct Keys {
    server: Option<Child>,
    port: u16,
    /// The world.
    pub world: World,
}

impl Keys {
    /// Makes one; `None`, and said, where there is no `sshd`. The user has a key, and knows the server.
    pub fn new() -> Result<Option<Self>> {
        for program in ["ssh", "sshd", "ssh-keygen", "git"] {
            if !crate::has(program) && !PathBuf::from("/usr/sbin").join(program).is_file() {
                println!("skipped: there is no {program}");
                return Ok(None);
            }
        }
        let world = World::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut keys = Self { server: None, port, world };
        let accounts = format!(
            "{}\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n{ACCOUNT}:x:{2}:{2}::{1}:/bin/bash\n",
            fs::read_to_string("/etc/passwd")?.trim_end(),
            keys.world.home().display(),
            keys.world.user.id,
        );
        fs::write(keys.path("accounts"), accounts)?;
        keys.world.write(&keys.home(".gitconfig"), "[user]\nname = me\nemail = me@example.org\n")?;
        keys.world.write(&keys.home(".ssh/canary"), "CANARY\n")?;
        keys.world.write(&keys.home(".ssh/authorized_keys"), "# nobody\n")?;
        keys.outside("ssh-keygen -q -t ed25519 -N '' -C me@home -f ~/.ssh/id_ed25519")?;
        keys.generate("host_key")?;
        fs::copy(keys.home(".ssh/id_ed25519.pub"), keys.path("authorized"))?;
        keys.know("host_key")?;
        keys.outside(
            "git init -q --bare -b main ../../repository.git; cd ../..; git init -q -b main source; cd source
            echo one > file; git add file; git commit -qm one; git push -q ../repository.git main",
        )?;
        keys.serve("host_key")?;
        Ok(Some(keys))
    }

    /// A path beside the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    /// A path in the home.
    pub fn home(&self, name: &str) -> PathBuf {
        self.world.home().join(name)
    }

    /// Where git finds the repository.
    pub fn url(&self) -> String {
        format!("ssh://{ACCOUNT}@127.0.0.1:{}{}", self.port, self.home("repository.git").display())
    }

    /// The server as `ssh` is told of it.
    pub fn server(&self) -> String {
        format!("-p {} {ACCOUNT}@127.0.0.1", self.port)
    }

    /// The same for `scp`, `sftp` and `rsync`.
    pub fn remote(&self) -> (u16, String) {
        (self.port, format!("{ACCOUNT}@127.0.0.1"))
    }

    /// The program that drives `ssh`, where the user can reach it, with the way and the key.
    pub fn driver(&self, way: &str) -> Result<String> {
        let program = self.path("driver");
        if !program.exists() {
            fs::copy(std::env::current_exe()?, &program)?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        }
        Ok(format!(
            "{}={way} {}={} {} --exact program --nocapture --test-threads=1",
            drive::VARIABLE,
            drive::KEY,
            self.home(".ssh/id_ed25519").display(),
            program.display(),
        ))
    }

    /// A key of the world's own, beside the home.
    pub fn generate(&self, name: &str) -> Result<()> {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(name));
        ensure!(command.status()?.success(), "no key");
        Ok(())
    }

    /// Makes the user know a key as the server's, and no other.
    pub fn know(&self, name: &str) -> Result<()> {
        let key = fs::read_to_string(self.path(&format!("{name}.pub")))?;
        let key: Vec<&str> = key.split(' ').take(2).collect();
        let line = format!("[127.0.0.1]:{} {}\n", self.port, key.join(" "));
        self.world.write(&self.home(".ssh/known_hosts"), line)
    }

    /// Starts the server, with this key.
    pub fn serve(&mut self, host_key: &str) -> Result<()> {
        self.end();
        let config = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             Subsystem sftp internal-sftp\nLogLevel VERBOSE\n",
            self.port,
            self.path(host_key).display(),
            self.path("authorized").display(),
        );
        fs::write(self.path("sshd.conf"), config)?;
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.arg("-D").arg("-f").arg(self.path("sshd.conf")).arg("-E").arg(self.path("sshd.log"));
        self.server = Some(self.with_accounts(&sshd).stdin(Stdio::null()).spawn()?);
        let port = self.port;
        let listens =
            wait_until(Duration::from_secs(20), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        ensure!(listens, "no server: {:?}", fs::read_to_string(self.path("sshd.log")));
        Ok(())
    }

    fn end(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// The command, among accounts that include the user's.
    pub fn with_accounts(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("unshare");
        wrapped.args(["-m", "--propagation", "private", "sh", "-c", WITH_ACCOUNTS, "sh"]);
        wrapped.arg(self.path("accounts")).arg(command.get_program()).args(command.get_args());
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin:/usr/sbin:/sbin".into());
        wrapped.env_clear().env("PATH", path).stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(name, value);
            }
        }
        wrapped
    }

    /// Runs a script as the user, in no session.
    pub fn outside(&self, script: &str) -> Result<String> {
        let mut command = Command::new("setpriv");
        let id = self.world.user.id.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "bash", "-c", script]);
        command.env("HOME", self.world.home()).current_dir(self.world.workspace());
        let output = self.with_accounts(&command).output()?;
        ensure!(output.status.success(), "{script}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a script in a session: its summary, and what it printed.
    pub fn session(&self, variables: &[(&str, &str)], script: &str) -> Result<(Value, Output)> {
        let summary = self.path("summary.json");
        let _ = fs::remove_file(&summary);
        let mut args = self.world.session("enforce", &["--summary-file", summary.to_str().context("path")?]);
        args.extend(["bash", "-c", script].map(str::to_owned));
        let mut command = self.world.wardline(args);
        command.envs(variables.iter().copied());
        let output = self.with_accounts(&command).output()?;
        let read = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
        Ok((serde_json::from_slice(&read)?, output))
    }

    /// A process of the user's that stays: an agent.
    pub fn stay(&self, program: &str, args: &[&str]) -> Result<Child> {
        let mut command = Command::new(program);
        command.args(args).uid(self.world.user.id).gid(self.world.user.id).stdout(Stdio::null());
        Ok(command.env("HOME", self.world.home()).spawn()?)
    }

    /// Makes a file everybody's to read.
    pub fn open_to_all(&self, name: &str) -> Result<()> {
        Ok(fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644))?)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("sshd.log")).unwrap_or_default();
            eprintln!("--- the server's log\n{log}---");
        }
    }
}

/// The processes that use keys for a user's sessions.
pub fn brokers(uid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        line.split(|&b| b == 0).any(|argument| argument == b"broker")
            && ids.split_whitespace().nth(1).and_then(|id| id.parse().ok()) == Some(uid)
    })
    .collect()
}
