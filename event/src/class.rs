//! Object classes: where an object lies relative to the session.

use crate::context::below;
use crate::{Address, Context, File, Object, jewel};
use bstr::ByteSlice;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Declares [`Class`] with the name of each, which is part of the vocabulary.
macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// Where an object lies relative to the session.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum Class { $($(#[$doc])* $variant,)* }

        impl Class {
            /// Every class; its place here is its number in a token.
            pub const ALL: &'static [Class] = &[$(Class::$variant),*];

            /// Its name, as users see it.
            pub fn name(self) -> &'static str {
                match self { $(Class::$variant => $name,)* }
            }
        }
    };
}

classes! {
    /// No object.
    None = "none";
    /// In a workspace.
    Workspace = "workspace";
    /// In a workspace's `.git`.
    Git = "git";
    /// Where the agent keeps its own state.
    AgentState = "agent-state";
    /// A credential in the home.
    HomeSecret = "home-secret";
    /// A configuration file in the home (a name that begins with a dot).
    HomeConfig = "home-config";
    /// A cache in the home.
    HomeCache = "home-cache";
    /// Anything else in the home.
    Home = "home";
    /// A sibling of a workspace, or another project in the home.
    OtherProject = "other-project";
    /// Another user's home.
    OtherHome = "other-home";
    /// A compiler, interpreter or package manager outside the system's directories.
    Toolchain = "toolchain";
    /// Temporary files.
    Tmp = "tmp";
    /// Programs and libraries of the system.
    System = "system";
    /// Configuration of the system.
    SystemConfig = "system-config";
    /// State of the system.
    SystemState = "system-state";
    /// Kernel interfaces as files.
    Kernel = "kernel";
    /// Devices.
    Device = "device";
    /// A file that lies nowhere of the above.
    Elsewhere = "elsewhere";
    /// This machine.
    Loopback = "loopback";
    /// A private network.
    PrivateNet = "private-net";
    /// A cloud's metadata service and other link-local addresses.
    LinkLocal = "link-local";
    /// A host.
    Host = "host";
    /// A unix socket.
    Unix = "unix";
    /// A process of the same session.
    Inside = "inside";
    /// A process outside the session.
    Outside = "outside";
}

impl Class {
    /// The class of an object in a session.
    pub fn of(object: &Object, context: &Context) -> Class {
        match object {
            Object::None | Object::Interface { .. } | Object::Socket { .. } => Class::None,
            Object::File(file) => Class::of_file(file, context),
            Object::Exe(exe) => Class::of_file(&exe.file, context),
            Object::Unix(_) => Class::Unix,
            Object::Address(Address { ip, .. }) => Class::of_address(*ip),
            Object::Process { inside: true, .. } => Class::Inside,
            Object::Process { inside: false, .. } => Class::Outside,
        }
    }

    /// The class of a file.
    pub fn of_file(file: &File, context: &Context) -> Class {
        let path = file.path.as_bytes();
        if let Some((_, rest)) = context.in_workspace(path) {
            let git = rest.split_str("/").next() == Some(b".git");
            return if git { Class::Git } else { Class::Workspace };
        }
        let home = context.in_home(path);
        if home.is_some_and(jewel::is_secret) {
            return Class::HomeSecret;
        }
        if within(path, &context.agent_state) {
            return Class::AgentState;
        }
        if within(path, &context.toolchains) {
            return Class::Toolchain;
        }
        if let Some(rest) = home {
            return Class::in_home(rest, path, context);
        }
        if is_sibling(path, context) {
            return Class::OtherProject;
        }
        Class::of_system(path)
    }

    /// The class of a file in the home that is no credential, agent state or toolchain.
    fn in_home(rest: &[u8], path: &[u8], context: &Context) -> Class {
        const PROJECTS: [&[u8]; 8] =
            [b"code", b"dev", b"git", b"projects", b"repos", b"src", b"work", b"workspace"];
        let mut parts = rest.split_str("/");
        let first = parts.next().unwrap_or_default();
        if first == b".cache" {
            Class::HomeCache
        } else if first.starts_with(b".") {
            Class::HomeConfig
        } else if is_sibling(path, context) || (PROJECTS.contains(&first) && parts.next().is_some()) {
            Class::OtherProject
        } else {
            Class::Home
        }
    }

    fn of_system(path: &[u8]) -> Class {
        let top = path.strip_prefix(b"/").and_then(|rest| rest.split_str("/").next()).unwrap_or_default();
        match top {
            b"bin" | b"sbin" | b"lib" | b"lib32" | b"lib64" | b"libx32" | b"usr" | b"opt" | b"nix"
            | b"snap" => Class::System,
            b"etc" => Class::SystemConfig,
            b"tmp" => Class::Tmp,
            b"var" if below(path, b"/var/tmp").is_some() => Class::Tmp,
            b"dev" if below(path, b"/dev/shm").is_some() => Class::Tmp,
            b"var" | b"run" | b"srv" => Class::SystemState,
            b"proc" | b"sys" => Class::Kernel,
            b"dev" => Class::Device,
            b"home" | b"root" => Class::OtherHome,
            _ => Class::Elsewhere,
        }
    }

    /// The class of an address. IPv4 wrapped in IPv6 is IPv4.
    pub fn of_address(ip: IpAddr) -> Class {
        match ip.to_canonical() {
            IpAddr::V4(ip) if ip.is_loopback() || ip.is_unspecified() => Class::Loopback,
            IpAddr::V4(ip) if ip.is_link_local() => Class::LinkLocal,
            IpAddr::V4(ip) if ip.is_private() => Class::PrivateNet,
            IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() => Class::Loopback,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Class::LinkLocal,
            IpAddr::V6(ip) if ip.is_unique_local() => Class::PrivateNet,
            _ => Class::Host,
        }
    }
}

fn within(path: &[u8], directories: &[bstr::BString]) -> bool {
    directories.iter().any(|directory| below(path, directory).is_some())
}

/// Next to a workspace: below the directory that holds it, when that is no system directory or the root.
fn is_sibling(path: &[u8], context: &Context) -> bool {
    context.workspaces.iter().any(|workspace| {
        let parent = workspace.rsplit_once_str("/").map_or(&b""[..], |(parent, _)| parent);
        parent.len() > 1
            && parent != context.home.as_bytes()
            && !matches!(parent, b"/tmp" | b"/home" | b"/var/tmp" | b"/mnt" | b"/srv")
            && below(path, parent).is_some_and(|rest| !rest.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn class(path: &str) -> Class {
        let context = Context {
            workspaces: vec!["/home/u/projects/app".into()],
            home: "/home/u".into(),
            agent_state: vec!["/home/u/.codex".into()],
            toolchains: vec!["/home/u/.cargo".into()],
            uid: 1000,
            ..Context::default()
        };
        let file = File { path: path.into(), key: None, mode: 0, origin: Origin::Trusted };
        Class::of_file(&file, &context)
    }

    #[test]
    fn a_file_is_classed_by_the_nearest_meaning() {
        for (path, expected) in [
            ("/home/u/projects/app", Class::Workspace),
            ("/home/u/projects/app/src/a.rs", Class::Workspace),
            ("/home/u/projects/app/.git/HEAD", Class::Git),
            ("/home/u/projects/other/a.rs", Class::OtherProject),
            ("/home/u/projects/app2", Class::OtherProject),
            ("/home/u/.ssh/id_ed25519", Class::HomeSecret),
            ("/home/u/.cargo/credentials.toml", Class::HomeSecret),
            ("/home/u/.cargo/bin/cargo", Class::Toolchain),
            ("/home/u/.codex/log", Class::AgentState),
            ("/home/u/.gitconfig", Class::HomeConfig),
            ("/home/u/.cache/pip/x", Class::HomeCache),
            ("/home/u/letter.txt", Class::Home),
            ("/home/v/x", Class::OtherHome),
            ("/usr/bin/git", Class::System),
            ("/etc/passwd", Class::SystemConfig),
            ("/var/tmp/x", Class::Tmp),
            ("/dev/shm/x", Class::Tmp),
            ("/proc/self/maps", Class::Kernel),
            ("/data/x", Class::Elsewhere),
        ] {
            assert_eq!(class(path), expected, "{path}");
        }
    }

    #[test]
    fn a_mapped_address_is_classed_as_what_it_wraps() {
        assert_eq!(Class::of_address("::ffff:127.0.0.1".parse().unwrap()), Class::Loopback);
        assert_eq!(Class::of_address("169.254.169.254".parse().unwrap()), Class::LinkLocal);
        assert_eq!(Class::of_address("198.51.100.7".parse().unwrap()), Class::Host);
    }
}
