//! An ordinary user of this machine, with a home, dotfiles, and the right to run one program through `sudo` under the
//! defaults that Debian ships. Gone with the test, also when it panics.

use crate::World;
use crate::pty::Pty;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What `sudo` lets such a user keep, and where it looks for programs.
const STOCK: &str =
    "env_reset, mail_badpass, secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"";

/// The user.
pub struct Person {
    name: String,
    /// Its number.
    pub uid: u32,
    home: PathBuf,
    sudoers: PathBuf,
}

impl Person {
    /// Makes one, who may run `program` as root. `defaults` are added to those of `sudo`: `use_pty`, `!use_pty`.
    pub fn new(world: &World, program: &Path, defaults: &str) -> Result<Person> {
        static PERSONS: AtomicU32 = AtomicU32::new(0);
        let number = PERSONS.fetch_add(1, Ordering::Relaxed);
        let name = format!("wl-test-{}-{number}", std::process::id());
        let home = world.path().join(&name);
        let sudoers = Path::new("/etc/sudoers.d").join(&name);
        let mut useradd = Command::new("useradd");
        useradd.args(["--create-home", "--shell", "/bin/bash", "--home-dir"]).arg(&home).arg(&name);
        let made = useradd.stdout(Stdio::null()).status().context("`useradd` cannot be run")?;
        ensure!(made.success(), "no user could be made: {made}");
        // From here on it is taken back.
        let mut person = Person { name, uid: 0, home, sudoers };
        let uid = Command::new("id").args(["-u", &person.name]).output()?.stdout;
        person.uid = String::from_utf8_lossy(&uid).trim().parse()?;
        let rules = format!(
            "Defaults:{0} {STOCK}, {defaults}\n{0} ALL=(root) NOPASSWD:SETENV: {1}, /bin/bash\n",
            person.name,
            program.display()
        );
        fs::write(&person.sudoers, rules)?;
        fs::set_permissions(&person.sudoers, fs::Permissions::from_mode(0o440))?;
        Ok(person)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file of the home.
    pub fn write(&self, path: &str, content: &str, mode: u32) -> Result<PathBuf> {
        let file = self.directory(path)?;
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        chown(&file, Some(self.uid), Some(self.uid))?;
        Ok(file)
    }

    /// Makes a link in the home.
    pub fn link(&self, path: &str, to: &str) -> Result<PathBuf> {
        let link = self.directory(path)?;
        symlink(to, &link)?;
        Ok(link)
    }

    /// The directory of a file of the home, which is there then.
    fn directory(&self, path: &str) -> Result<PathBuf> {
        let file = self.home.join(path);
        let parent = file.parent().context("a file has a directory")?;
        fs::create_dir_all(parent)?;
        for directory in parent.ancestors().take_while(|directory| *directory != self.home) {
            chown(directory, Some(self.uid), Some(self.uid))?;
        }
        Ok(file)
    }

    /// The login shell in front of a terminal, as the user has it.
    pub fn logs_in(&self) -> Result<Pty> {
        let mut su = Command::new("su");
        su.args(["--login", &self.name]).env_clear().env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
        let mut pty = Pty::start(su)?;
        // An echo of what was typed has quotes where the answer has none.
        pty.send("PS1='PROMPT''> '; cd ~/projects/app 2>/dev/null || cd\n")?;
        pty.expect("PROMPT> ")?;
        Ok(pty)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.sudoers);
        let _ = Command::new("pkill").args(["-KILL", "-U", &self.uid.to_string()]).status();
        let mut userdel = Command::new("userdel");
        let removed = userdel.arg("--force").arg(&self.name).stderr(Stdio::null()).status();
        if !removed.is_ok_and(|status| status.success()) {
            eprintln!("the user {} is left behind", self.name);
        }
    }
}
