//! The machine that builds: where the tree and the cache are, how commands run, how Debian packages get here.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The root of the source tree: the directory above `xtask/`.
pub fn workspace() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = match manifest {
        Some(path) => path,
        None => env::current_dir().context("the current directory is gone")?,
    };
    let root = start.ancestors().find(|path| path.join("xtask/Cargo.toml").is_file());
    let root = root.context("no source tree here: run `cargo xtask` inside Wardline's tree")?;
    root.canonicalize().with_context(|| format!("cannot resolve {}", root.display()))
}

/// Where cargo puts what it builds.
pub fn target() -> Result<PathBuf> {
    let workspace = workspace()?;
    Ok(env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |path| workspace.join(path)))
}

/// Where tools and kernels are kept between runs, outside the tree.
///
/// `$WARDLINE_CACHE`, else `$XDG_CACHE_HOME/wardline`, else `~/.cache/wardline`.
pub fn cache() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("WARDLINE_CACHE") {
        return Ok(path);
    }
    if let Some(path) = set("XDG_CACHE_HOME") {
        return Ok(path.join("wardline"));
    }
    let home = set("HOME").context("neither WARDLINE_CACHE nor HOME is set: say where the cache may live")?;
    Ok(home.join(".cache/wardline"))
}

/// Whether this process may install packages and load kernel programs.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Where `program` lies in `PATH`, or in the directories of the administrator's programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// `command` as a person would type it, for messages.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs `command` with this process' own output, and fails when it does.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` and returns what it printed, without the last line break.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}\n{}", shown(command), output.status, said.trim_end());
    }
    let text = String::from_utf8(output.stdout);
    let text = text.with_context(|| format!("`{}` printed something that is not UTF-8", shown(command)))?;
    Ok(text.trim_end().to_owned())
}

/// Like [`output`], but what the command says about errors and progress goes where ours goes.
pub fn output_only(command: &mut Command) -> Result<String> {
    command.stderr(Stdio::inherit());
    output(command)
}

/// Runs `command`, passes on what it prints, and shows each line to `seen`.
pub fn stream(command: &mut Command, mut seen: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    let second = writer.try_clone().context("cannot copy a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    let child = command.spawn();
    let mut child = child.with_context(|| format!("cannot start `{}`", shown(command)))?;
    // The command keeps its ends of the pipe, and reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    lines(BufReader::new(reader), |line| {
        print(line);
        seen(line);
    });
    child.wait().with_context(|| format!("cannot wait for `{}`", shown(command)))
}

/// Shows every line of `source`, with its line break and without the carriage returns of serial consoles, to `seen`.
pub fn lines(mut source: impl BufRead, mut seen: impl FnMut(&str)) {
    let mut line = Vec::new();
    while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        line.retain(|byte| *byte != b'\r');
        seen(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

/// Prints a line that has its line break.
pub fn print(line: &str) {
    let mut out = io::stdout().lock();
    // Nobody may read our output any more: the lines still have to be taken, or their writer stops.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// A command that does not inherit what the cargo and the toolchain that started us have set.
///
/// `cargo run` exports its own compiler, profile and library paths; a second toolchain that inherits them
/// would load the first one's libraries, or build with other flags than those that the manifest names.
pub fn foreign_toolchain(program: impl AsRef<OsStr>) -> Command {
    const KEPT: [&str; 2] = ["CARGO_HOME", "CARGO_HTTP_CAINFO"];
    const KEPT_PREFIXES: [&str; 3] = ["CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR"];
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO") || text.starts_with("RUST");
        let kept =
            KEPT.contains(&text.as_ref()) || KEPT_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
        if (of_cargo && !kept) || text == "LD_LIBRARY_PATH" {
            command.env_remove(&name);
        }
    }
    command
}

/// Installs Debian packages; says which command to run where this process may not.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if find("apt-get").is_none() {
        bail!(
            "this needs the Debian packages `{wanted}`, and there is no apt-get here: install them by hand"
        );
    }
    if !is_root() {
        bail!("this needs packages: run `sudo apt-get install {wanted}`, then try again");
    }
    run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.args(["install", "-qy", "--no-install-recommends"]).args(packages))
}

/// Reads a file, naming it in the error.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file and the directories above it, naming it in the error.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file that other processes may look for: it is there whole, or not at all.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let part = PathBuf::from(name);
    write(&part, bytes)?;
    fs::rename(&part, path).with_context(|| format!("cannot create {}", path.display()))
}
