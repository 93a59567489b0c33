//! Programs that do work with their user's authority for whoever connects to them, as data: one row a program or a few that
//! are alike. Whoever reaches one from inside a session has work done outside of it, unguarded.
//!
//! Names and arguments are of processes outside. A row closes, and opens nothing.

use agents::{Program, file_name, without_ending};
use serde::{Deserialize, Serialize};

/// What a helper does for whoever reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Signs, decrypts or hands out keys and passwords.
    Keys,
    /// Runs commands in a terminal, or types there.
    Terminal,
    /// Starts programs: builds, jobs, services.
    Builds,
    /// Runs code of a notebook.
    Notebook,
    /// Runs code in the program that is debugged or driven.
    Debugger,
    /// Acts as its user on the web.
    Browser,
    /// Starts programs and hands out secrets over the session's bus.
    Bus,
    /// Sees the screen, types and clicks.
    Display,
    /// Hears, sees and loads modules.
    Sound,
    /// Opens files, runs tasks and extensions.
    Editor,
    /// Starts containers and machines with whatever of the file system in them.
    Containers,
    /// Works on other machines, or with what is stored there.
    Remote,
}

impl Work {
    /// Every one; the place is its number.
    pub const ALL: [Work; 12] = [
        Work::Keys,
        Work::Terminal,
        Work::Builds,
        Work::Notebook,
        Work::Debugger,
        Work::Browser,
        Work::Bus,
        Work::Display,
        Work::Sound,
        Work::Editor,
        Work::Containers,
        Work::Remote,
    ];

    /// What such a program is, and what it would do, in words.
    pub fn words(self) -> &'static str {
        match self {
            Work::Keys => "a keeper of keys or passwords, and would use or hand out its user's",
            Work::Terminal => "a terminal or multiplexer, and would run commands",
            Work::Builds => "a daemon of builds or jobs, and would start programs",
            Work::Notebook => "a server of notebooks, and would run code",
            Work::Debugger => "a program that is debugged or driven from outside, and would run code",
            Work::Browser => "a browser, and would act as its user on the web",
            Work::Bus => "a bus or a manager of its user's session, and would start programs",
            Work::Display => "a display or remote desktop, and would show the screen and type",
            Work::Sound => "a server of sound and cameras, and would hear, see and load modules",
            Work::Editor => "an editor or its server, and would open files and run tasks",
            Work::Containers => "an engine of containers or machines, and would start programs",
            Work::Remote => "a connection to other machines, and would work there as its user",
        }
    }
}

/// One kind of helper.
#[derive(Clone, Copy, Debug)]
pub struct Helper {
    /// What it does.
    pub work: Work,
    /// File names of its programs, of the scripts of interpreters, and packages and modules; a version behind the name does
    /// not count.
    pub programs: &'static [&'static str],
    /// One of these stands somewhere in its arguments; none: whatever its arguments are.
    pub arguments: &'static [&'static str],
    /// It works with its user's authority also where root or the system started it.
    pub system: bool,
}

const fn helper(work: Work, programs: &'static [&'static str]) -> Helper {
    Helper { work, programs, arguments: &[], system: false }
}

const fn with(work: Work, programs: &'static [&'static str], arguments: &'static [&'static str]) -> Helper {
    Helper { work, programs, arguments, system: false }
}

const fn system(work: Work, programs: &'static [&'static str]) -> Helper {
    Helper { work, programs, arguments: &[], system: true }
}

const JAVA: &[&str] = &["java"];
const NODE: &[&str] = &["node", "nodejs", "bun", "deno", "electron"];
const PYTHON: &[&str] = &["python", "pypy"];

/// Every known helper.
#[rustfmt::skip]
pub const HELPERS: &[Helper] = &[
    helper(Work::Keys, &["ssh-agent", "gpg-agent", "scdaemon", "dirmngr", "yubikey-agent", "ssh-tpm-agent", "tkey-ssh-agent"]),
    helper(Work::Keys, &["gnome-keyring-daemon", "gcr-ssh-agent", "gcr4-ssh-agent", "ksecretd", "kwalletd", "pass_secret_service"]),
    helper(Work::Keys, &["keepassxc", "keepassxc-proxy", "1password", "1Password", "op", "bitwarden", "bw", "rbw-agent", "goldwarden"]),
    helper(Work::Keys, &["lpass", "proton-pass", "enpass", "dcli", "gopass", "aws-vault", "aws_signing_helper", "granted", "saml2aws"]),
    helper(Work::Keys, &["cloud-sql-proxy", "cloud_sql_proxy", "alloydb-auth-proxy", "tbot", "tsh", "step-agent"]),
    helper(Work::Keys, &["git-credential-cache--daemon", "git-credential-oauth", "git-credential-manager", "gitsign-credential-cache"]),
    with(Work::Keys, &["git"], &["credential-cache--daemon"]),
    with(Work::Keys, &["kubectl", "vault"], &["proxy", "agent"]),
    helper(Work::Terminal, &["tmux", "tmate", "screen", "zellij", "dtach", "abduco", "shpool", "mosh-server", "ttyd", "gotty", "sshx", "upterm"]),
    helper(Work::Terminal, &["kitty", "wezterm-gui", "wezterm-mux-server", "alacritty", "foot", "ghostty", "urxvtd", "tilix", "terminator"]),
    helper(Work::Terminal, &["konsole", "gnome-terminal-server", "ptyxis", "ptyxis-agent", "kgx", "xfce4-terminal", "warp", "warp-terminal"]),
    with(Work::Builds, JAVA, &["GradleDaemon", "GradleWorkerMain", "KotlinCompileDaemon", "mvndaemon", "A-server.jar", "NGServer", "sbt-launch", "bloop.Server", "bloop.Bloop", "scala.meta.metals", "mill.daemon", "mill.runner"]),
    helper(Work::Builds, &["bazel", "bazelisk", "buck2", "watchman", "sccache", "distccd", "iceccd", "turbo", "turbod", "pantsd", "mvnd", "bloop", "gopls"]),
    with(Work::Builds, NODE, &["nx/src/daemon", "God Daemon"]),
    with(Work::Builds, PYTHON, &["pantsd"]),
    with(Work::Builds, &["dotnet"], &["VBCSCompiler", "nodemode", "rzc.dll"]),
    helper(Work::Builds, &["VBCSCompiler", "supervisord", "pm2", "overmind", "process-compose", "transmission-daemon"]),
    with(Work::Builds, &["aria2c"], &["--enable-rpc", "--conf-path"]),
    helper(Work::Notebook, &["jupyter", "jupyter-lab", "jupyter-notebook", "jupyter-server", "jupyterhub-singleuser", "jupyterlab", "jupyter_server", "notebook"]),
    helper(Work::Notebook, &["ipykernel", "ipykernel_launcher", "marimo", "rserver", "rsession", "zeppelin", "polynote", "livebook"]),
    with(Work::Debugger, NODE, &["--inspect", "--debug-port"]),
    with(Work::Debugger, PYTHON, &["debugpy", "pydevd"]),
    with(Work::Debugger, JAVA, &["jdwp", "selenium-server"]),
    helper(Work::Debugger, &["dlv", "gdbserver", "lldb-server", "rdbg", "frida-server", "debugpy", "pydevd", "adb"]),
    helper(Work::Debugger, &["chromedriver", "geckodriver", "msedgedriver", "WebKitWebDriver", "selenium-manager", "appium"]),
    helper(Work::Browser, &["chrome", "google-chrome", "chromium", "chromium-browser", "headless_shell", "chrome-headless-shell", "brave", "brave-browser"]),
    helper(Work::Browser, &["firefox", "firefox-bin", "firefox-esr", "librewolf", "waterfox", "floorp", "zen", "zen-bin", "thunderbird", "thunderbird-bin"]),
    helper(Work::Browser, &["msedge", "microsoft-edge", "vivaldi", "vivaldi-bin", "opera", "thorium", "epiphany", "qutebrowser", "falkon", "MiniBrowser"]),
    with(Work::Bus, &["systemd"], &["--user"]),
    helper(Work::Bus, &["dbus-daemon", "dbus-broker", "dbus-broker-launch", "xdg-dbus-proxy", "at-spi-bus-launcher", "ibus-daemon", "fcitx5", "gvfsd"]),
    helper(Work::Bus, &["gnome-session-binary", "gnome-session-service", "ksmserver", "xfce4-session", "mate-session", "lxqt-session", "copyq"]),
    system(Work::Display, &["Xorg", "X", "Xwayland", "Xephyr", "Xvfb", "Xvnc", "Xtigervnc", "x11vnc", "x0vncserver", "xpra", "wayvnc", "krfb", "ydotoold", "dotoold"]),
    helper(Work::Display, &["gnome-shell", "kwin_wayland", "kwin_x11", "mutter", "cinnamon", "sway", "Hyprland", "weston", "labwc", "wayfire", "river", "niri"]),
    helper(Work::Display, &["cosmic-comp", "cage", "gamescope", "dwl", "i3", "bspwm", "awesome", "qtile", "herbstluftwm", "gnome-remote-desktop-daemon", "sunshine"]),
    helper(Work::Sound, &["pipewire", "pipewire-pulse", "wireplumber", "pulseaudio", "jackd", "mpd"]),
    with(Work::Sound, &["mpv"], &["--input-ipc-server"]),
    helper(Work::Editor, &["code", "code-insiders", "code-oss", "codium", "vscodium", "cursor", "windsurf", "positron", "trae", "code-server", "code-tunnel", "openvscode-server"]),
    with(Work::Editor, NODE, &["server-main.js", "extensionHost", "code-server", "theia"]),
    helper(Work::Editor, &["emacs", "emacs-gtk", "emacs-nox", "emacs-lucid", "emacs-pgtk", "nvim", "kak", "zed", "zed-editor", "zed-remote-server", "sublime_text", "lapce", "geany"]),
    helper(Work::Editor, &["idea", "pycharm", "webstorm", "goland", "clion", "rider", "rubymine", "phpstorm", "rustrover", "datagrip", "fleet", "studio"]),
    with(Work::Editor, JAVA, &["com.intellij", "idea.paths.selector", "eclipse.launcher"]),
    system(Work::Containers, &["dockerd", "containerd", "podman", "crio", "buildkitd", "nerdctl", "lxd", "incusd", "libvirtd", "virtqemud", "firecracker", "cloud-hypervisor"]),
    helper(Work::Containers, &["com.docker.backend", "docker-desktop", "colima", "limactl", "lima", "VBoxSVC", "VBoxXPCOMIPCD", "minikube"]),
    with(Work::Containers, &["qemu-system-x86_64", "qemu-system-aarch64"], &["-qmp", "-monitor", "-mon"]),
    helper(Work::Remote, &["ssh", "syncthing", "ngrok"]),
    with(Work::Remote, &["rclone"], &["rcd", "serve", "--rc"]),
];

impl Helper {
    /// The helper that a process runs: by its executable, as the kernel names it, and its arguments. `system`: root or the
    /// system has started it, and not the user of a session.
    pub fn of(exe: &[u8], words: &[&[u8]], system: bool) -> Option<&'static Helper> {
        let through = Program::of(std::iter::once(exe).chain(words.iter().skip(1).copied()));
        let names = [
            Some(exe),
            match through {
                Program::File(name) | Program::Package(name) => Some(name),
                Program::Inline => None,
            },
        ];
        HELPERS.iter().find(|helper| {
            (helper.system || !system)
                && names.iter().flatten().any(|name| helper.has_name(name))
                && helper.has_argument(words)
        })
    }

    /// Whether a helper may run this executable: most are told by it alone.
    pub fn is_program(exe: &[u8]) -> bool {
        HELPERS.iter().any(|helper| helper.has_name(exe))
    }

    fn has_name(&self, path: &[u8]) -> bool {
        let name = without_ending(file_name(path));
        let is_version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || b".-".contains(byte));
        self.programs.iter().any(|program| name.strip_prefix(program.as_bytes()).is_some_and(is_version))
    }

    fn has_argument(&self, words: &[&[u8]]) -> bool {
        let has =
            |argument: &[u8]| words.iter().any(|word| word.windows(argument.len()).any(|at| at == argument));
        self.arguments.is_empty() || self.arguments.iter().any(|argument| has(argument.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, system: bool) -> Option<Work> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        Helper::of(words[0], &words, system).map(|helper| helper.work)
    }

    #[test]
    fn helpers_are_known_by_program_script_module_and_argument() {
        for (line, work) in [
            ("/usr/bin/tmux new -d", Work::Terminal),
            ("/usr/bin/screen-4.9.1 -S x", Work::Terminal),
            ("/usr/bin/ssh-agent", Work::Keys),
            (
                "/usr/local/libexec/git-core/git credential-cache--daemon /h/.cache/git/credential/socket",
                Work::Keys,
            ),
            ("/usr/bin/python3.12 -m jupyterlab --no-browser", Work::Notebook),
            ("/usr/bin/python3 /h/.local/bin/jupyter-lab", Work::Notebook),
            ("/usr/bin/python3.11 -m ipykernel_launcher -f x.json", Work::Notebook),
            (
                "/usr/lib/jvm/java-21/bin/java -cp x org.gradle.launcher.daemon.bootstrap.GradleDaemon 8.9",
                Work::Builds,
            ),
            ("/usr/bin/node --inspect=127.0.0.1:9229 server.js", Work::Debugger),
            ("/usr/bin/python3.12 -m debugpy --listen 5678 app.py", Work::Debugger),
            ("/opt/google/chrome/chrome --remote-debugging-port=9222", Work::Browser),
            ("/usr/lib/systemd/systemd --user", Work::Bus),
            ("/usr/bin/emacs-29.1 --daemon", Work::Editor),
            ("/h/.vscode-server/bin/x/node /h/.vscode-server/bin/x/out/server-main.js", Work::Editor),
            ("/usr/bin/dockerd -H fd://", Work::Containers),
        ] {
            assert_eq!(of(line, false), Some(work), "{line}");
        }
    }

    #[test]
    fn what_is_no_helper_and_what_the_system_runs_for_itself_is_none() {
        for line in [
            "/usr/bin/node server.js",
            "/usr/bin/python3 -m http.server 8000",
            "/usr/lib/postgresql/16/bin/postgres -D /x",
            "/usr/local/bin/ollama serve",
            "/usr/bin/git daemon",
            "/h/projects/tmux/server",
            "/usr/bin/codexx",
            "/usr/bin/java -jar app.jar",
        ] {
            assert_eq!(of(line, false), None, "{line}");
        }
        assert_eq!(of("/usr/bin/dbus-daemon --system", true), None);
        assert_eq!(of("/usr/lib/systemd/systemd --system", true), None);
        assert_eq!(of("/usr/bin/dockerd", true), Some(Work::Containers));
        assert_eq!(of("/usr/lib/xorg/Xorg :0", true), Some(Work::Display));
    }
}
