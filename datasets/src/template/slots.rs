//! The slots of a template, `@name@`, and what they are filled with.
#![expect(clippy::indexing_slicing, reason = "a place is drawn from within the table")]

use crate::repository::{Ecosystem, Repository, Source, Survey};
use crate::seed::Rng;
use crate::{Error, words};
use rand::Rng as _;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Slots may stand in what fills a slot, so deep.
const DEPTH: usize = 3;

/// Packages that the local index has, by ecosystem.
const PACKAGES: [(Ecosystem, [&str; 4]); 3] = [
    (Ecosystem::Crate, ["strsim", "heck", "shlex", "fnv"]),
    (Ecosystem::Npm, ["commander", "semver", "yargs-parser", "marked"]),
    (Ecosystem::Pypi, ["toolz", "tabulate", "sortedcontainers", "click"]),
];

/// What the slots of one session stand for.
pub(super) struct Slots<'s> {
    survey: &'s Survey,
    fixed: BTreeMap<&'static str, String>,
    to: usize,
}

impl<'s> Slots<'s> {
    /// Draws what stays the same throughout the session.
    pub fn draw(repository: &Repository, survey: &'s Survey, rng: &mut Rng) -> Slots<'s> {
        let ecosystem = repository.ecosystem;
        let mut files: Vec<&Source> = survey.sources.iter().collect();
        files.shuffle(rng);
        let file = |index: usize| files[index % files.len()];
        let symbol = |index: usize, rng: &mut Rng| {
            file(index).symbols.choose(rng).cloned().unwrap_or_else(|| "main".into())
        };
        let any = |list: &[String], rng: &mut Rng, other: &str| {
            list.choose(rng).cloned().unwrap_or_else(|| other.to_owned())
        };
        // No package depends on itself.
        let packages: Vec<&str> = PACKAGES
            .into_iter()
            .filter(|(of, _)| *of == ecosystem)
            .flat_map(|(_, names)| names)
            .filter(|name| *name != repository.name)
            .collect();
        let (comment, suffix) = match ecosystem {
            Ecosystem::Crate => ("//", "rs"),
            Ecosystem::Npm => ("//", "js"),
            Ecosystem::Pypi => ("#", "py"),
        };
        let commands = commands(ecosystem);
        let fixed = [
            ("file", file(0).path.clone()),
            ("file2", file(1).path.clone()),
            ("file3", file(2).path.clone()),
            ("lines", file(0).lines.to_string()),
            ("symbol", symbol(0, rng)),
            ("symbol2", symbol(1, rng)),
            ("test", any(&survey.tests, rng, &file(0).path)),
            ("document", any(&survey.documents, rng, "README.md")),
            ("readme", survey.readme.clone()),
            ("directory", any(&survey.directories, rng, ".")),
            ("manifest", survey.manifest.clone()),
            ("name", words::identifier(rng)),
            ("slug", words::slug(rng)),
            ("title", words::sentence(rng)),
            ("port", rng.gen_range(3_000..9_000).to_string()),
            ("package", packages.choose(rng).copied().unwrap_or("x").to_owned()),
            ("comment", comment.to_owned()),
            ("suffix", suffix.to_owned()),
            ("check", commands.check.to_owned()),
            ("tests", commands.tests.to_owned()),
            ("build", commands.build.to_owned()),
            ("install", commands.install.to_owned()),
            ("try_package", commands.try_package.to_owned()),
        ];
        Slots { survey, fixed: fixed.into_iter().collect(), to: 40 }
    }

    /// A text with its slots filled. A pair of `@` around something else stays as it is.
    pub fn fill(&mut self, text: &str, rng: &mut Rng) -> Result<String, Error> {
        self.fill_to(text, rng, DEPTH)
    }

    fn fill_to(&mut self, text: &str, rng: &mut Rng, depth: usize) -> Result<String, Error> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('@') {
            filled.push_str(before);
            let is_name = |name: &str| {
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            };
            let Some((name, behind)) = after.split_once('@').filter(|(name, _)| is_name(name)) else {
                filled.push('@');
                rest = after;
                continue;
            };
            let value = self.value(name, rng).ok_or_else(|| Error::Parse {
                path: PathBuf::from("datasets/scripts"),
                detail: format!("nothing fills the slot `@{name}@`"),
            })?;
            filled.push_str(&if depth > 0 { self.fill_to(&value, rng, depth - 1)? } else { value });
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&mut self, name: &str, rng: &mut Rng) -> Option<String> {
        if let Some(value) = self.fixed.get(name) {
            return Some(value.clone());
        }
        let survey = self.survey;
        let source = || survey.sources.first();
        let value = match name {
            "any_file" => survey.sources.choose(rng).or_else(source)?.path.clone(),
            "any_document" => survey.documents.choose(rng)?.clone(),
            "any_directory" => survey.directories.choose(rng).cloned().unwrap_or_else(|| ".".into()),
            "any_symbol" => {
                let file = survey.sources.choose(rng).or_else(source)?;
                file.symbols.choose(rng).cloned().unwrap_or_else(|| "main".into())
            }
            "any_word" => survey.words.choose(rng).cloned().unwrap_or_else(|| "name".into()),
            "from" => {
                let from = rng.gen_range(1..120);
                self.to = from + rng.gen_range(20..120);
                from.to_string()
            }
            "to" => self.to.to_string(),
            "n" => rng.gen_range(3..40).to_string(),
            "noun" => words::noun(rng).to_owned(),
            "sentence" => words::sentence(rng),
            _ => return None,
        };
        Some(value)
    }
}

struct Commands {
    check: &'static str,
    tests: &'static str,
    build: &'static str,
    install: &'static str,
    try_package: &'static str,
}

/// How one works in an ecosystem.
fn commands(ecosystem: Ecosystem) -> Commands {
    match ecosystem {
        Ecosystem::Crate => Commands {
            check: "cargo check -q 2>&1 | tail -n 20",
            tests: "cargo test -q --lib 2>&1 | tail -n 20",
            build: "cargo build 2>&1 | tail -n 5",
            install: "cargo add @package@ && cargo build 2>&1 | tail -n 5",
            try_package: "cargo tree 2>&1 | head -n 20",
        },
        Ecosystem::Npm => Commands {
            check: "node --check @file@",
            tests: "node -e \"const m = require('.'); console.log(Object.keys(m).length)\"",
            build: "npm pack --dry-run 2>&1 | tail -n 15",
            install: "npm install --no-audit --no-fund @package@ 2>&1 | tail -n 5",
            try_package: "node -e \"console.log(typeof require('@package@'))\"",
        },
        Ecosystem::Pypi => Commands {
            check: "python3 -m py_compile @file@",
            tests: "python3 -m unittest discover -q 2>&1 | tail -n 10",
            build: "python3 -m compileall -q . && echo built",
            install: "python3 -m venv .venv && .venv/bin/pip install -q @package@ 2>&1 | tail -n 5",
            try_package: ".venv/bin/python -c \"import @package@; print(@package@.__name__)\"",
        },
    }
}
