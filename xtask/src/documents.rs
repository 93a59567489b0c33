//! A test of the documents: links, paths and names that they mention exist. And each limit of the threat model names its test.
//!
//! A relative link leads to a file, and to one of its headings. In a code span without blanks these are checked:
//!
//! * A path that begins with a folder of the tree, up to a placeholder (`NAME`, `*`), and a name that ends in `.rs`: the file
//!   exists.
//! * `module::item`: a file, folder or type of that name declares the item.
//! * `name()`, `TypeName`, and a name of five words or more, such as that of a test: some source declares it, or it is one of
//!   `ELSEWHERE`.
//!
//! Committed results describe the tree of their time: only their links are checked.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Folders of results that were kept with the names of their time.
const KEPT: [&str; 2] = ["bench/results", "eval/results"];
/// What a reader begins with, and how many bytes it has at most.
const LONGEST: [(&str, usize); 2] = [("README.md", 8 << 10), ("ARCHITECTURE.md", 16 << 10)];
/// Names that no source of the tree declares, each with the project that does.
const ELSEWHERE: [(&str, &str); 7] = [
    ("ControlPath", "OpenSSH: ssh_config(5)"),
    ("IdentitiesOnly", "OpenSSH: ssh_config(5)"),
    ("IdentityAgent", "OpenSSH: ssh_config(5)"),
    ("Include", "OpenSSH: ssh_config(5)"),
    ("__bpf_ringbuf_reserve", "Linux: kernel/bpf/ringbuf.c"),
    ("inode_set_ctime_to_ts", "Linux: fs/inode.c"),
    ("ktime_get_boot_fast_ns", "Linux: kernel/time/timekeeping.c"),
];
/// Underscores in a name that is checked without parentheses.
const LONG_NAME: usize = 4;
/// What an item is declared with.
const DECLARED: [&str; 9] =
    ["fn", "struct", "enum", "trait", "mod", "const", "static", "type", "macro_rules"];

/// The tree as the documents speak of it.
pub struct Tree {
    root: PathBuf,
    folders: BTreeSet<String>,
    /// What is not committed, and so not always there.
    ignored: Vec<String>,
    documents: Vec<PathBuf>,
    sources: Vec<Source>,
    /// Items and variants that some source declares.
    declared: BTreeSet<String>,
}

struct Source {
    /// Its own name, and those of the folders that it lies in.
    names: Vec<String>,
    text: String,
}

impl Tree {
    /// Reads a tree.
    pub fn read(root: &Path) -> std::io::Result<Tree> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored = ignored.lines().filter_map(|line| line.strip_prefix('/')).map(str::to_owned).collect();
        let mut tree = Tree {
            root: root.to_owned(),
            folders: BTreeSet::new(),
            ignored,
            documents: Vec::new(),
            sources: Vec::new(),
            declared: BTreeSet::new(),
        };
        tree.enter(root)?;
        tree.declared = tree.sources.iter().flat_map(|source| declarations(&source.text)).collect();
        tree.documents.sort();
        Ok(tree)
    }

    fn enter(&mut self, folder: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Ok(name) = path.strip_prefix(&self.root).map(|name| name.to_string_lossy().into_owned())
            else {
                continue;
            };
            if name.starts_with('.') || self.is_ignored(&name) {
                continue;
            }
            if path.is_dir() {
                if !name.contains('/') {
                    self.folders.insert(name);
                }
                self.enter(&path)?;
            } else if name.ends_with(".md") {
                self.documents.push(PathBuf::from(name));
            } else if let Some(stem) = name.strip_suffix(".rs") {
                let names = stem.split('/').map(str::to_owned).collect();
                self.sources.push(Source { names, text: fs::read_to_string(&path)? });
            }
        }
        Ok(())
    }

    fn is_ignored(&self, name: &str) -> bool {
        self.ignored.iter().any(|ignored| name == ignored || name.starts_with(&format!("{ignored}/")))
    }

    /// What is wrong with the documents, each with its place.
    pub fn wrong(&self) -> std::io::Result<Vec<String>> {
        let mut wrong = Vec::new();
        for document in &self.documents {
            let text = fs::read_to_string(self.root.join(document))?;
            let is_kept = KEPT.iter().any(|kept| document.starts_with(kept));
            for (number, line) in prose(&text) {
                let (plain, code) = apart(line);
                let at = |what: String| format!("{}:{number}: {what}", document.display());
                wrong.extend(links(&plain).filter_map(|link| self.link(document, link)).map(at));
                if !is_kept {
                    wrong.extend(code.iter().filter_map(|name| self.name(name)).map(at));
                }
            }
        }
        Ok(wrong)
    }

    /// What is wrong with a link.
    fn link(&self, document: &Path, link: &str) -> Option<String> {
        if link.contains("://") || link.starts_with("mailto:") {
            return None;
        }
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let file = match file {
            "" => self.root.join(document),
            file => self.root.join(document).parent()?.join(file),
        };
        if !file.exists() {
            return Some(format!("the link to {link} leads nowhere"));
        }
        if heading.is_empty() || file.extension().is_none_or(|kind| kind != "md") {
            return None;
        }
        let text = fs::read_to_string(&file).unwrap_or_default();
        let mut headings =
            prose(&text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| anchor(line));
        (!headings.any(|known| known == heading)).then(|| format!("{link}: there is no such heading"))
    }

    /// What is wrong with a name in back-ticks.
    fn name(&self, name: &str) -> Option<String> {
        if self.is_undeclared(name) {
            return Some(format!("no source declares `{name}`"));
        }
        let name = name.trim_end_matches("()");
        if name.contains(char::is_whitespace) {
            return None;
        }
        if name.contains("::") {
            let parts: Vec<&str> = name.split("::").collect();
            let [.., holder, item] = parts[..] else { return None };
            let speaks_of_code = parts.iter().all(|part| is_identifier(part));
            return (speaks_of_code && !self.defines(holder, item)).then(|| format!("there is no `{name}`"));
        }
        let (first, _) = name.split_once('/').unwrap_or(("", name));
        if !self.folders.contains(first) && !name.ends_with(".rs")
            || self.is_ignored(name.trim_end_matches('/'))
        {
            return None;
        }
        let said: PathBuf = name.split('/').take_while(|part| !stands_for_others(part)).collect();
        (!self.root.join(said).exists()).then(|| format!("there is no file `{name}`"))
    }

    /// Whether a bare name should be declared in the tree, and is not.
    fn is_undeclared(&self, span: &str) -> bool {
        let name = span.trim_end_matches("()");
        let is_type = name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
        let is_function =
            name != span || name.matches('_').count() >= LONG_NAME && !name.contains(char::is_uppercase);
        is_identifier(name)
            && (is_type || is_function)
            && !self.declared.contains(name)
            && !ELSEWHERE.iter().any(|(known, _)| *known == name)
    }

    fn defines(&self, holder: &str, item: &str) -> bool {
        self.sources.iter().any(|source| {
            let is_of = source.names.iter().any(|name| name == holder) || declares(&source.text, holder);
            is_of && declares(&source.text, item)
        })
    }
}

/// The lines of a text with their numbers, without blocks of code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced && !line.starts_with("    ")).then_some((index + 1, line))
    })
}

/// A line without what stands in back-ticks, and that.
fn apart(line: &str) -> (String, Vec<&str>) {
    let parts: Vec<&str> = line.split('`').collect();
    let plain = parts.iter().step_by(2).copied().collect::<Vec<_>>().join("`");
    (plain, parts.iter().skip(1).step_by(2).copied().collect())
}

fn links(plain: &str) -> impl Iterator<Item = &str> {
    plain.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

/// A heading's name in links, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn is_identifier(part: &str) -> bool {
    part.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && part.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// `NAME.toml`, `*`, `DATE-KERNEL`, `...`
fn stands_for_others(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part);
    let is_upper = stem.len() > 1 && stem.chars().all(|c| c.is_ascii_uppercase() || c == '-');
    part.contains(['*', '{', '<']) || part == "..." || is_upper && stem != "README"
}

/// Whether a source declares an item, or has a variant of that name.
fn declares(text: &str, item: &str) -> bool {
    declarations(text).any(|name| name == item)
}

/// The items of a source. A capitalised word that begins a line counts as a variant.
fn declarations(text: &str) -> impl Iterator<Item = String> {
    text.lines().flat_map(|line| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        let is_variant = line.trim_start().starts_with(char::is_uppercase);
        let variant = words.clone().next().filter(|_| is_variant);
        let items = words.clone().zip(words.skip(1)).filter(|(word, _)| DECLARED.contains(word));
        variant.into_iter().chain(items.map(|(_, name)| name)).map(str::to_owned)
    })
}

/// Limits of the threat model that are not numbered in order, or say of no test.
fn without_a_test(text: &str) -> Vec<String> {
    let limits = text.split("\n## Limits\n").nth(1).unwrap_or_default();
    let items = limits.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let numbered = items.enumerate().filter(|(index, item)| {
        let proof =
            item.rsplit_once(" Test: `").is_some_and(|(_, test)| test.contains("::") && test.ends_with("`."));
        !item.starts_with(&format!("{}. ", index + 1)) || !(proof || item.ends_with(" Untested."))
    });
    numbered.map(|(_, item)| item.chars().take(80).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_name_what_is_there() {
        let root = crate::host::workspace().unwrap();
        let tree = Tree::read(&root).unwrap();
        assert!(tree.documents.contains(&PathBuf::from("docs/kernel.md")), "{:?}", tree.documents);
        let wrong = tree.wrong().unwrap();
        assert!(wrong.is_empty(), "{} of the documents:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn what_a_reader_begins_with_is_short() {
        let root = crate::host::workspace().unwrap();
        for (name, most) in LONGEST {
            let bytes = fs::metadata(root.join(name)).unwrap().len();
            assert!(bytes <= most as u64, "{name} has {bytes} bytes, which should be {most} at most");
        }
    }

    #[test]
    fn each_limit_names_its_test() {
        let text =
            fs::read_to_string(crate::host::workspace().unwrap().join("docs/threat-model.md")).unwrap();
        assert_eq!(without_a_test(&text), Vec::<String>::new());
        assert_eq!(text.matches("\n1. ").count(), 1);
    }

    #[test]
    fn what_is_not_there_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let write = |name: &str, text: &str| crate::host::write(&root.join(name), text).unwrap();
        write(".gitignore", "/kept\n");
        write("store/src/quota.rs", "pub enum Quota {\n    Full(u8),\n}\npub fn spent() {}\n");
        write("docs/other.md", "# A heading, of two\n");
        write(
            "README.md",
            "[a](docs/other.md) [b](docs/other.md#a-heading-of-two) [c](docs/other.md#none) [d](gone.md) [e](https://x.y/z)\n\
             `store/src/quota.rs` `store/src/gone.rs` `src/quota.rs` `kept/a` `store/NAME.toml` `~/.ssh/x` `quota::spent` \
             `Quota::Full` `quota::gone` `fe80::1` `store --state`\n\
             `spent()` `lost()` `Quota` `Gone` `IdentitiesOnly` `FULL` `short_name` `a_test_that_is_gone`\n\n    `store/indented`\n```\n`store/fenced`\n```\n",
        );
        let wrong = Tree::read(root).unwrap().wrong().unwrap();
        let expected = [
            "README.md:1: docs/other.md#none: there is no such heading",
            "README.md:1: the link to gone.md leads nowhere",
            "README.md:2: there is no file `store/src/gone.rs`",
            "README.md:2: there is no file `src/quota.rs`",
            "README.md:2: there is no `quota::gone`",
            "README.md:3: no source declares `lost()`",
            "README.md:3: no source declares `Gone`",
            "README.md:3: no source declares `a_test_that_is_gone`",
        ];
        assert_eq!(wrong, expected);
    }

    #[test]
    fn an_exception_is_used_and_declared_nowhere() {
        let tree = Tree::read(&crate::host::workspace().unwrap()).unwrap();
        let texts =
            tree.documents.iter().map(|document| fs::read_to_string(tree.root.join(document)).unwrap());
        let texts: String = texts.collect();
        for (name, project) in ELSEWHERE {
            assert!(texts.contains(&format!("`{name}`")), "no document mentions `{name}` ({project})");
            assert!(!tree.declared.contains(name), "the tree declares `{name}`");
        }
    }

    #[test]
    fn a_limit_without_a_test_is_found() {
        let text =
            "# T\n\n## Limits\n\n1. One. Test: `a::b`.\n2. Two. Untested.\n3. Three.\n5. Five. Untested.\n";
        assert_eq!(without_a_test(text), ["3. Three.", "5. Five. Untested."]);
    }
}
