//! Rules of a repository: a file at the top of a workspace, which came with it. A stranger may have written it, so that it closes
//! and tells, and opens nothing; and it counts when a user has said so, outside of every session, of exactly this text.

use crate::Error;
use crate::links::Links;
use crate::rules;
use policy::{Layer, MAX_BYTES, MAX_BYTES_OF_REPOSITORY, Policy, Rules, Source, sentence};
use rustix::fs::FileType;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use text::shown;

/// Its name.
pub const NAME: &str = ".wardline.toml";
/// What is told of one that is not obeyed.
const SENTENCES: usize = 5;
/// Characters of each that are shown: a stranger's text does not push others off the screen.
const SENTENCE: usize = 160;
/// Files that a user believes.
const MAX_BELIEVED: usize = 10_000;

/// What a session obeys that obeys such a file.
const ITSELF: &str = r#"
[[rule]]
id = "rules-of-the-repository"
is = "rules that this session obeys"
where.workspace = [".wardline.toml"]
what = "change"
effect = "deny"
why = "a session has no say in how it is guarded, and a file that was changed is obeyed no more"
"#;

/// The rules that a user believes, by the path and the hash of their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Believed(Vec<(String, String)>);

impl Believed {
    /// Where a user's are kept.
    pub fn file_of(uid: u32) -> PathBuf {
        Path::new(rules::OF_USERS).join(format!("{uid}.believed"))
    }

    /// A user's.
    pub fn of(uid: u32) -> Result<Self, Error> {
        let path = Self::file_of(uid);
        Ok(rules::text_of(&path)?.map_or_else(Self::default, |text| Self::read(&text)))
    }

    /// What a text says: a line each, the hash and the path.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Self(lines.map(|(hash, path)| (path.to_owned(), hash.to_owned())).take(MAX_BELIEVED).collect())
    }

    /// As it is kept.
    pub fn text(&self) -> String {
        self.0.iter().map(|(path, hash)| format!("{hash} {path}\n")).collect()
    }

    /// Believes a file as it is, and as nothing else any more. `None`: its path takes more than a line, or there are too many.
    pub fn with(&self, source: &Source) -> Option<Self> {
        let mut all = self.without(&source.file);
        let fits = !source.file.contains(char::is_control) && all.0.len() < MAX_BELIEVED;
        all.0.push((source.file.clone(), hash(&source.text)));
        // Longer, it would not be read again.
        (fits && all.text().len() <= MAX_BYTES).then_some(all)
    }

    /// Believes a file no more.
    pub fn without(&self, file: &str) -> Self {
        Self(self.0.iter().filter(|(path, _)| path != file).cloned().collect())
    }

    /// Whether a file is believed, by its path alone.
    pub fn knows(&self, file: &str) -> bool {
        self.0.iter().any(|(path, _)| path == file)
    }

    fn has(&self, source: &Source) -> bool {
        let hash = hash(&source.text);
        self.0.iter().any(|(path, of)| *path == source.file && *of == hash)
    }
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The rules of a session of a user's that begins now, with its agent, in its workspaces; and what is to be told of theirs. It
/// looks into directories that others chose, which may take long, or for ever.
pub fn of_session(uid: u32, agent: &str, workspaces: &[PathBuf]) -> Result<(Rules, Vec<String>), Error> {
    let (rules, notes) = of_sessions(uid, workspaces)?;
    Ok((rules.of_session(agent), notes))
}

/// The same of a session that runs: no link is followed that it may have made.
pub fn of_running(uid: u32, agent: &str, workspaces: &[PathBuf]) -> Result<Rules, Error> {
    Ok(by(Links::NotOf(uid), uid, workspaces)?.0.of_session(agent))
}

/// The same, of all agents.
pub fn of_sessions(uid: u32, workspaces: &[PathBuf]) -> Result<(Rules, Vec<String>), Error> {
    by(Links::All, uid, workspaces)
}

fn by(links: Links, uid: u32, workspaces: &[PathBuf]) -> Result<(Rules, Vec<String>), Error> {
    let mut sources = rules::sources_of(uid)?;
    let mut notes = Vec::new();
    let there = workspaces.iter().filter_map(|workspace| look_by(links, workspace, uid));
    let there: Vec<_> = there.collect();
    // Where there are none, nobody asks what is believed.
    let believed = if there.is_empty() { Believed::default() } else { Believed::of(uid)? };
    for found in there {
        match found {
            Ok(source) if believed.has(&source) => {
                notes.push(format!("the rules of `{}` hold", shown(source.file.as_bytes())));
                sources.push(Source {
                    layer: Layer::Repository,
                    file: format!("Wardline for {}", source.file),
                    text: ITSELF.into(),
                });
                sources.push(source);
            }
            Ok(source) => notes.push(untold(&source, believed.knows(&source.file))),
            Err(why) => notes.push(why),
        }
    }
    Ok((rules::of_sources(sources)?, notes))
}

/// What is said of a file that nobody believes: that it is there, and what it would say.
fn untold(source: &Source, was_changed: bool) -> String {
    let why = if was_changed { "it was changed since somebody said so" } else { "nobody has said so" };
    let file = shown(source.file.as_bytes());
    let policy = match Policy::read(Layer::Repository, &file, &source.text) {
        Ok(policy) => policy,
        Err(wrong) => {
            let first = wrong.mistakes.first().map_or_else(String::new, |mistake| {
                let (line, column) = wrong.position(mistake);
                let help = mistake.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
                format!(":{line}:{column}: {}{help}", mistake.message)
            });
            return format!("`{file}` is not obeyed, since it holds no rules{first}");
        }
    };
    let told = policy.rules().iter().take(SENTENCES);
    let told = told.map(|rule| format!("\"{}\"", cut(&sentence(rule.effect, rule.what, &rule.sites))));
    let sentences = told.collect::<Vec<_>>().join(" ");
    let more = match policy.rules().len().saturating_sub(SENTENCES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "`{file}` is not obeyed, since {why}: it would say {sentences}{more}; `sudo wardline policy trust` shows it and believes it"
    )
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    let end = text.char_indices().nth(SENTENCE);
    match end.and_then(|(end, _)| text.get(..end)) {
        Some(beginning) => format!("{beginning}..."),
        None => text.to_owned(),
    }
}

/// The file of a workspace, if there is one; `Err`: why it is none that could be obeyed.
pub fn look(workspace: &Path, uid: u32) -> Option<Result<Source, String>> {
    look_by(Links::All, workspace, uid)
}

fn look_by(links: Links, workspace: &Path, uid: u32) -> Option<Result<Source, String>> {
    let path = workspace.join(NAME);
    let name = shown(path.as_os_str().as_bytes());
    let not = |why: &str| Some(Err(format!("`{name}` is not obeyed: {why}")));
    // Where it leads on the way is the workspace's; itself it is no link.
    let found = match links.itself(&path) {
        Ok(Some(found)) => found,
        Ok(None) => return None,
        Err(why) => return not(&why.to_string()),
    };
    // Nobody is to be shown what is not theirs.
    match rustix::fs::fstat(&found) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
            return not("it is no plain file");
        }
        Ok(stat) if stat.st_uid != uid => return not("it belongs to somebody else"),
        Ok(_) => {}
        Err(why) => return not(&why.to_string()),
    }
    let read = File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
        .and_then(|file| rules::read_text(file, MAX_BYTES_OF_REPOSITORY));
    match read {
        Ok(text) => Some(Ok(Source { layer: Layer::Repository, file: path.to_string_lossy().into(), text })),
        Err(why) => not(&why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const OWN: &str = "[[rule]]\nid = \"x\"\nis = \"key\"\nwhere.workspace = [\".env\"]\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"because\"\n";

    fn uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_file_is_believed_as_it_is_and_where_it_is() {
        let source = |file: &str, text: &str| Source {
            layer: Layer::Repository,
            file: file.into(),
            text: text.into(),
        };
        let one = source("/a b/.wardline.toml", OWN);
        let believed = Believed::default().with(&one).unwrap();
        let believed = Believed::read(&believed.text());
        assert!(believed.has(&one) && believed.knows(&one.file));
        let changed = source(&one.file, &OWN.replace(".env", ".other"));
        assert!(!believed.has(&changed) && !believed.has(&source("/c/.wardline.toml", OWN)));
        let again = believed.with(&changed).unwrap();
        assert!(again.has(&changed) && !again.has(&one), "{again:?}");
        assert_eq!(again.without(&one.file), Believed::default());
        assert_eq!(Believed::default().with(&source("/a\nb", OWN)), None);
        assert_eq!(Believed::default().with(&source(&format!("/{}", "a".repeat(MAX_BYTES)), OWN)), None);
        let said = untold(&changed, believed.knows(&changed.file));
        assert!(
            said.contains("was changed") && said.contains("No agent session may read `.other`"),
            "{said}"
        );
        let said = untold(&source("/a", &OWN.replace("deny", "allow")), false);
        assert_eq!(
            said,
            "`/a` is not obeyed, since it holds no rules:6:10: a repository's rules open nothing; `deny` or `watch`; a user opens a \
             place with `wardline policy allow`"
        );
        let said = untold(&source("/a", &OWN.replace(".env", &"x".repeat(900))), false);
        assert!(said.len() < 400 && said.contains("xxx...\""), "{said}");
        let said = untold(&source("/a", &OWN.replace(".env", "x`. Run `y")), false);
        assert_eq!(
            said,
            "`/a` is not obeyed, since it holds no rules:4:20: a text of a repository has no quotation marks in it"
        );
    }

    #[test]
    fn what_itself_is_closed_by_are_rules() {
        assert_eq!(Policy::read(Layer::Repository, "x", ITSELF).unwrap().rules().len(), 1);
    }

    #[test]
    fn a_plain_file_of_the_users_is_read_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        assert_eq!(look(directory.path(), uid()), None);
        fs::write(&path, OWN).unwrap();
        assert_eq!(look(directory.path(), uid()).unwrap().unwrap().text, OWN);
        let why = |uid: u32| look(directory.path(), uid).unwrap().unwrap_err();
        assert!(why(uid() + 1).contains("somebody else"));
        fs::write(&path, [0xff]).unwrap();
        assert!(why(uid()).contains("UTF-8"), "{}", why(uid()));
        for text in
            ["#".repeat(MAX_BYTES_OF_REPOSITORY + 10), format!("#{}", "é".repeat(MAX_BYTES_OF_REPOSITORY))]
        {
            fs::write(&path, text).unwrap();
            let source = look(directory.path(), uid()).unwrap().unwrap();
            let said = untold(&source, false);
            assert!(said.contains("the file has more than 65536 bytes"), "{said}");
        }
        fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        assert!(why(uid()).contains("no plain file"));
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(why(uid()).contains("no plain file"));
    }
}
