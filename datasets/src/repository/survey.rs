//! The content of a repository, which fills the slots of a template.

use super::Ecosystem;
use crate::Error;
use crate::error::at;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Files longer than this are not looked into.
const LONGEST_BYTES: u64 = 1 << 20;

/// A source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path below the repository.
    pub path: String,
    /// Its lines.
    pub lines: usize,
    /// Functions and classes that it defines.
    pub symbols: Vec<String>,
}

/// The repository, looked through. All lists are sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Sources in the repository's language, tests left out where there is anything else.
    pub sources: Vec<Source>,
    /// Tests.
    pub tests: Vec<String>,
    /// Documentation.
    pub documents: Vec<String>,
    /// Directories that hold files, without the top.
    pub directories: Vec<String>,
    /// The document that comes first.
    pub readme: String,
    /// The manifest.
    pub manifest: String,
    /// Words that occur in sources.
    pub words: Vec<String>,
}

impl Survey {
    /// Looks through a repository.
    pub fn of(root: &Path, ecosystem: Ecosystem) -> Result<Survey, Error> {
        let mut files = Vec::new();
        list(root, "", &mut files)?;
        files.sort();
        let mut survey = Survey::default();
        let (mut directories, mut words) = (BTreeSet::new(), BTreeSet::new());
        for path in files {
            if let Some((directory, _)) = path.rsplit_once('/') {
                directories.insert(directory.to_owned());
            }
            let suffix = path.rsplit_once('.').map_or("", |(_, suffix)| suffix);
            let name = path.rsplit('/').next().unwrap_or(&path);
            if matches!(name, "Cargo.toml" | "package.json" | "setup.py" | "pyproject.toml")
                && survey.manifest.is_empty()
            {
                survey.manifest.clone_from(&path);
            }
            if matches!(suffix, "md" | "rst") {
                if survey.readme.is_empty() && path.to_lowercase().starts_with("readme.") {
                    survey.readme.clone_from(&path);
                }
                survey.documents.push(path);
            } else if ecosystem.suffixes().contains(&suffix) {
                let full = root.join(&path);
                if at("look at", &full, fs::metadata(&full))?.len() > LONGEST_BYTES {
                    continue;
                }
                let text = String::from_utf8_lossy(&at("read", &full, fs::read(&full))?).into_owned();
                words.extend(
                    text.split(|c: char| !c.is_ascii_alphabetic())
                        .filter(|word| (5..14).contains(&word.len()))
                        .map(str::to_lowercase)
                        .take(400),
                );
                if path.contains("test") {
                    survey.tests.push(path);
                } else if text.lines().count() > 3 {
                    survey.sources.push(Source {
                        lines: text.lines().count(),
                        symbols: symbols(&text),
                        path,
                    });
                }
            }
        }
        survey.directories = directories.into_iter().collect();
        survey.words = words.into_iter().collect();
        let missing =
            |what: &str| Error::Parse { path: root.to_owned(), detail: format!("the package has no {what}") };
        if survey.sources.is_empty() {
            return Err(missing("sources"));
        }
        if survey.readme.is_empty() || survey.manifest.is_empty() {
            return Err(missing("README or no manifest"));
        }
        Ok(survey)
    }
}

fn list(root: &Path, below: &str, files: &mut Vec<String>) -> Result<(), Error> {
    let directory = root.join(below);
    for entry in at("list", &directory, fs::read_dir(&directory))?.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = at("look at", &entry.path(), entry.file_type())?;
        if kind.is_dir() && name != ".git" && !name.ends_with(".egg-info") {
            list(root, &path, files)?;
        } else if kind.is_file() && !path.contains([' ', '\'']) {
            files.push(path);
        }
    }
    Ok(())
}

/// Names after the words that define something.
fn symbols(text: &str) -> Vec<String> {
    const DEFINING: [&str; 8] =
        ["pub fn ", "fn ", "def ", "class ", "function ", "pub struct ", "async function ", "const "];
    let mut symbols: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let rest = DEFINING.iter().find_map(|word| line.trim_start().strip_prefix(word))?;
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            (name.len() > 2 && !name.starts_with('_')).then_some(name)
        })
        .collect();
    symbols.sort();
    symbols.dedup();
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_looked_through() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("README.md", "# Hello\n");
        write("setup.py", "import setuptools\nsetuptools.setup()\n");
        write("app/main.py", "import sys\n\nclass Parser:\n    def parse_all(self):\n        pass\n");
        write("tests/test_main.py", "def test_it():\n    pass\n");
        write(".git/config", "");
        let survey = Survey::of(root.path(), Ecosystem::Pypi).unwrap();
        assert_eq!(survey.manifest, "setup.py");
        assert_eq!((survey.documents, survey.readme), (vec!["README.md".to_owned()], "README.md".to_owned()));
        assert_eq!(survey.tests, ["tests/test_main.py"]);
        assert_eq!(survey.directories, ["app", "tests"]);
        let main = Source {
            path: "app/main.py".into(),
            lines: 5,
            symbols: vec!["Parser".into(), "parse_all".into()],
        };
        assert_eq!(survey.sources, [main]);
        assert!(survey.words.contains(&"import".into()));
    }

    #[test]
    fn a_package_without_sources_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(Survey::of(root.path(), Ecosystem::Npm), Err(Error::Parse { .. })));
    }
}
