//! Names that the session determines: its repository's in the ways that agents spell it, and numbers, dates, digests, random
//! suffixes and versions. They are read as symbols, so that the same place in another session is the same place.
#![expect(clippy::indexing_slicing, reason = "places were found in the same name")]

use crate::Context;
use crate::context::below;
use abi::pattern::{MARK, Pattern, Sink};
use bstr::{BString, ByteSlice};

/// Stands for the workspace in a name that is made of its path.
pub const REPOSITORY: &str = "$repository";

/// Stands for the version in a name that has one.
pub const VERSION: &str = "$version";

/// Letters that a pattern needs where every program keeps something, so that it tells whose name it is.
const ANCHOR: usize = 4;

/// Whether a component is a template: no name, but what many names have in common.
pub fn is_template(component: &[u8]) -> bool {
    component.contains(&MARK)
}

/// Whether a template says whose the names are that have it.
pub fn is_anchored(template: &[u8]) -> bool {
    template.iter().take_while(|&&byte| byte != MARK).filter(|byte| byte.is_ascii_alphabetic()).count()
        >= ANCHOR
}

/// Whether a name was counted, dated, hashed or drawn: only digits, four of them in a row, eight and more of a hexadecimal
/// number, or something behind `tmp`. A version is none: see [`versioned`].
pub fn is_variable(name: &[u8]) -> bool {
    if is_template(name) {
        return true;
    }
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hexadecimal = name.len() >= 8 && name.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let in_a_row = |length: usize| name.windows(length).any(|row| row.iter().all(u8::is_ascii_digit));
    digits > 0 && (digits == name.len() || hexadecimal || in_a_row(4)) || is_temporary(name)
}

/// Whether something follows `tmp` or `temp` as a part of a name.
fn is_temporary(name: &[u8]) -> bool {
    let mut parts = name.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.any(|part| matches!(part, b"tmp" | b"temp")) && parts.next().is_some()
}

/// The symbol for a name in the home, where it has one. `own`: it lies where the agent keeps its own state.
pub fn symbol(name: &[u8], context: &Context, own: bool) -> Option<BString> {
    for workspace in &context.workspaces {
        for spelling in spellings(workspace, own) {
            let around = |at: usize| (&name[..at], &name[at + spelling.len()..]);
            let whole = |(before, rest): &(&[u8], &[u8])| is_whole(before, &spelling, rest);
            if let Some((before, rest)) = name.find_iter(&spelling).map(around).find(whole) {
                let [before, rest] = [before, rest].map(|part| of(part).unwrap_or_else(|| part.into()));
                return Some([before.as_slice(), REPOSITORY.as_bytes(), &rest].concat().into());
            }
        }
    }
    of(name)
}

/// Whether a spelling is no part of a longer one where it stands. Before one of a whole path of several components, from its
/// first separator on, something may stand (`state-home-me-app`, but not `create-react-app` for `/app`); around others dashes
/// alone; and an ending behind each.
fn is_whole(before: &[u8], spelling: &[u8], rest: &[u8]) -> bool {
    let is_dash = |byte: &u8| matches!(byte, b'-' | b'_');
    let separators = spelling.iter().filter(|byte| matches!(byte, b'-' | b'_' | b'%')).count();
    let is_rooted = spelling.first().is_some_and(|byte| !byte.is_ascii_alphanumeric()) && separators > 1;
    let rest = &rest[rest.iter().take_while(|byte| is_dash(byte)).count()..];
    (is_rooted || before.iter().all(is_dash)) && (rest.is_empty() || rest.starts_with(b"."))
}

/// The template of a name that varies.
pub fn of(name: &[u8]) -> Option<BString> {
    is_variable(name).then(|| {
        let mut pattern = Pattern::new(Text { bytes: [0; NAME_MAX], len: 0 });
        name.iter().take(NAME_MAX).for_each(|&byte| pattern.add(byte));
        let Text { bytes, len } = pattern.finish();
        bytes[..len].into()
    })
}

/// A name with a symbol in the place of the version in it, where it has one: `v22.1.0`, `cpython-3.12.1-linux`, and not
/// `python3.12`, which is a program's own name. What was learned below one version holds below those that are there when a
/// session begins.
pub fn versioned(name: &[u8]) -> Option<BString> {
    let starts = |&at: &usize| name[at].is_ascii_digit() && is_free(&name[..at]);
    (0..name.len()).filter(starts).find_map(|at| {
        let end = at + version(&name[at..])?;
        let is_whole = !name.get(end).is_some_and(u8::is_ascii_alphanumeric);
        let before = name[..at].strip_suffix(b"v").filter(|before| is_free(before)).unwrap_or(&name[..at]);
        is_whole.then(|| [before, VERSION.as_bytes(), &name[end..]].concat().into())
    })
}

/// Whether a version may begin behind this: `v` belongs to it.
fn is_free(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"v").unwrap_or(before);
    !before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
}

/// How long the version is that something begins with: numbers with dots between, and what is said of one before its time.
fn version(text: &[u8]) -> Option<usize> {
    const EARLY: [&[u8]; 8] = [b"alpha", b"beta", b"rc", b"dev", b"pre", b"next", b"canary", b"nightly"];
    let digits = |at: usize| text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    let mut numbers = 1;
    while text.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
        numbers += 1;
    }
    if let Some(rest) = text[end..].strip_prefix(b"-")
        && let Some(early) = EARLY.iter().find(|early| rest.starts_with(early))
    {
        end += 1 + early.len();
        end += usize::from(text.get(end) == Some(&b'.') && digits(end + 1) > 0);
        end += digits(end);
    }
    (numbers > 1).then_some(end)
}

/// Whether a path lies where the agent keeps its own state.
pub fn is_own(path: &[u8], context: &Context) -> bool {
    context.agent_state.iter().any(|state| below(path, state).is_some_and(|rest| !rest.is_empty()))
}

/// The names that agents make of a workspace's path, and, where they keep their own state, of its last component.
pub fn spellings(workspace: &[u8], own: bool) -> Vec<BString> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let map = |to: &dyn Fn(u8) -> u8| -> BString {
        workspace.iter().map(|&byte| to(byte)).collect::<Vec<u8>>().into()
    };
    let separator = |byte: u8| byte == b'/';
    let mut all = vec![
        map(&|byte| if plain(byte) { byte } else { b'-' }),
        map(&|byte| if separator(byte) { b'-' } else { byte }),
        map(&|byte| if plain(byte) { byte } else { b'_' }),
        map(&|byte| if separator(byte) { b'_' } else { byte }),
    ];
    let bare: Vec<BString> = all.iter().map(|name| name[1.min(name.len())..].into()).collect();
    all.extend(bare);
    all.push(workspace.replace("/", "%2F").into());
    if own {
        all.extend(workspace.rsplit_once_str("/").map(|(_, name)| name.into()));
    }
    // Longest first: what a name begins with is its whole spelling. Less than this would be a name like any other.
    all.retain(|name: &BString| name.len() > 1);
    all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    all.dedup();
    all
}

/// Bytes of the longest name (`NAME_MAX` of limits.h).
const NAME_MAX: usize = 255;

/// A template as it is written.
#[derive(Clone, Copy)]
struct Text {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl Sink for Text {
    fn add(&mut self, byte: u8) {
        if let Some(room) = self.bytes.get_mut(self.len) {
            *room = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::pattern::Digest;

    fn template(name: &str) -> Option<String> {
        of(name.as_bytes()).map(|template| template.to_string())
    }

    #[test]
    fn what_a_session_draws_is_a_mark_and_the_rest_stands() {
        for (name, expected) in [
            ("2026", "#"),
            ("07", "#"),
            ("3f9a81c2d4", "#"),
            ("rollout-2026-11-23T10-00-00-0198f3c2-cafe-7def-abcd-0123456789ab.jsonl", "rollout-#.jsonl"),
            ("0198f3c2-cafe-7def-abcd-0123456789ab.jsonl", "#.jsonl"),
            (
                "0198f3c2-cafe-7def-abcd-0123456789ab-agent-0198f3c2-cafe-7def-abcd-0123456789ab.json",
                "#-agent-#.json",
            ),
            (".claude.json.tmp.12345.1700000000", ".claude.json.tmp.#"),
            (".claude.json.tmp.7", ".claude.json.tmp.#"),
            ("settings.json.tmp-aBcDeF", "settings.json.tmp-#"),
            (".state.tmp.qwerty.json", ".state.tmp.#.json"),
            ("2026-11-28T18_18_08_512Z-debug-0.log", "#-debug-#.log"),
        ] {
            assert_eq!(template(name).as_deref(), Some(expected), "{name}");
            assert_eq!(template(expected).as_deref(), Some(expected), "its own template");
        }
        for name in [
            "src",
            "python3.12",
            "x86_64-linux-gnu",
            "deadbeef",
            "config.toml",
            ".m2",
            "v20.1.0",
            "tmp",
            "state.tmp",
            "template-x",
        ] {
            assert_eq!(template(name), None, "{name}");
        }
    }

    #[test]
    fn the_kernels_number_of_a_name_is_that_of_its_template() {
        let digest = |name: &str| {
            let mut pattern = Pattern::new(Digest::EMPTY);
            name.bytes().for_each(|byte| pattern.add(byte));
            pattern.finish()
        };
        for name in [".claude.json.tmp.12345.1700000000", "a-2026.log", ".x.tmp.9.json", "cafe-0001"] {
            assert_eq!(digest(name), digest(&template(name).unwrap()), "{name}");
        }
        assert_ne!(digest(".claude.json.tmp.1"), digest(".claude.json.tmp"));
        assert_ne!(digest(".claude.json.tmp.1"), digest(".claude.json.tmp.1.sh"));
    }

    #[test]
    fn the_workspace_is_known_by_its_spellings() {
        let context = Context {
            workspaces: vec!["/home/u/my.app".into()],
            home: "/home/u".into(),
            agent_state: vec!["/home/u/.gemini".into()],
            ..Context::default()
        };
        for name in
            ["-home-u-my-app", "-home-u-my.app", "home-u-my-app", "_home_u_my_app", "%2Fhome%2Fu%2Fmy.app"]
        {
            assert_eq!(symbol(name.as_bytes(), &context, false).unwrap(), REPOSITORY, "{name}");
        }
        assert_eq!(symbol(b"-home-u-my-app.json", &context, false).unwrap(), "$repository.json");
        let around = |name: &str| symbol(name.as_bytes(), &context, false).map(|symbol| symbol.to_string());
        for (name, expected) in [
            ("--home-u-my-app--", "-$repository--"),
            ("state-home-u-my-app.json", "state$repository.json"),
            ("2026-11-29_home_u_my_app", "#$repository"),
            ("__home-u-my-app", "__$repository"),
        ] {
            assert_eq!(around(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["-home-u-my-app2", "-home-u-my-app-two", "xhome-u-my-app"] {
            assert_eq!(around(name), None, "{name}");
        }
        let container = Context { workspaces: vec!["/app".into()], ..Context::default() };
        assert_eq!(symbol(b"create-react-app", &container, false), None);
        assert_eq!(symbol(b"-app.json", &container, false).unwrap(), "$repository.json");
        assert_eq!(symbol(b"my.app", &context, true).unwrap(), REPOSITORY);
        assert_eq!(
            symbol(b"my.app", &context, false),
            None,
            "a name like any other, but in the agent's own state"
        );
        assert!(is_own(b"/home/u/.gemini/history", &context) && !is_own(b"/home/u/.gemini", &context));
    }

    #[test]
    fn a_version_is_a_symbol_and_a_programs_name_is_none() {
        let of = |name: &str| versioned(name.as_bytes()).map(|name| name.to_string());
        for (name, expected) in [
            ("1.2", "$version"),
            ("2.1.3", "$version"),
            ("v22.1.0", "$version"),
            ("2.0.0-beta.3", "$version"),
            ("0.61.0-nightly", "$version"),
            ("cpython-3.12.1-linux-x86_64-gnu", "cpython-$version-linux-x86_64-gnu"),
            ("node-v22.1.0-linux-x64", "node-$version-linux-x64"),
            ("tool-1.2.tar.gz", "tool-$version.tar.gz"),
            ("pkg@4.17.21", "pkg@$version"),
        ] {
            assert_eq!(of(name).as_deref(), Some(expected), "{name}");
            assert_eq!(of(expected), None, "a symbol is no version");
        }
        for name in
            ["python3.12", "libz.so.1.2.3", "x86_64", "1", "v2", "bin", "1.2rc1", "node_modules", "a.1.2", ""]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_pattern_is_anchored_by_letters_before_what_varies() {
        assert!(is_anchored(b".claude.json.tmp.#") && is_anchored(b"note-#"));
        assert!(!is_anchored(b"#.json") && !is_anchored(b".m-#-long"));
    }
}
