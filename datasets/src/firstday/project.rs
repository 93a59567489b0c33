//! The dozen projects of a home: small repositories with a history, and what an agent is asked to do in one.

use super::Account;
use crate::seed::{Rng, stream};
use crate::{Error, Script, words};
use rand::Rng as _;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// How many there are.
const PROJECTS: usize = 12;

/// The tasks that agents are asked for.
pub const TASKS: [&str; 2] = ["edit", "summarize"];

/// What a project is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its name, and that of its directory in `~/projects`.
    pub name: String,
    language: Language,
    modules: Vec<String>,
    files: BTreeMap<String, String>,
}

impl Project {
    /// All of a home's.
    pub fn all(seed: u64) -> Vec<Project> {
        (0..PROJECTS).map(|number| Project::draw(seed, number)).collect()
    }

    fn draw(seed: u64, number: usize) -> Project {
        let rng = &mut stream(seed, "first day: project", number as u64);
        let language = if number.is_multiple_of(2) { Language::Python } else { Language::JavaScript };
        let modules: Vec<String> = (0..rng.gen_range(3..8)).map(|_| words::identifier(rng)).collect();
        let mut files = BTreeMap::new();
        files.insert("README.md".to_owned(), words::page(rng, 3));
        files.insert("docs/guide.md".to_owned(), words::page(rng, 4));
        files.insert("docs/notes.md".to_owned(), words::page(rng, 2));
        files.insert(".gitignore".to_owned(), "node_modules/\n__pycache__/\n.env\n".to_owned());
        let name = format!("{}-{number:02}", words::slug(rng));
        if language == Language::JavaScript {
            let manifest = format!(
                "{{\"name\": \"{name}\", \"version\": \"1.0.0\", \"scripts\": {{\"test\": \"node --test\"}}}}\n"
            );
            files.insert("package.json".to_owned(), manifest);
        } else {
            files.insert(
                "pyproject.toml".to_owned(),
                format!("[project]\nname = \"{name}\"\nversion = \"1.0.0\"\n"),
            );
        }
        for module in &modules {
            let (source, test) = language.sources(module, rng.gen_range(10..100));
            files.insert(language.source_path(module), source);
            files.insert(language.test_path(module), test);
        }
        Project { name, language, modules, files }
    }

    /// Writes it into the home, with a history of two commits.
    pub(super) fn place(&self, account: &Account) -> Result<(), Error> {
        let mut script = format!("mkdir -p ~/projects/{0} && cd ~/projects/{0}\n", self.name);
        for (path, text) in &self.files {
            let above = path.rsplit_once('/').map_or(".", |(above, _)| above);
            script.push_str(&format!("mkdir -p {above}\ncat >{path} <<'END OF FILE'\n{text}END OF FILE\n"));
        }
        script.push_str(
            "git init -q\n\
             git config user.name 'Resident' && git config user.email resident@example.org\n\
             git add -A && git commit -q -m 'Begin'\n\
             printf '\\n' >>README.md && git commit -q -a -m 'Tidy the end of a file'\n",
        );
        account.bash(&account.home, &script, &format!("making the repository {}", self.name))
    }

    /// What an agent is asked in it, what it does, and a command that succeeds once that was done. Each number gives another
    /// session.
    pub fn script(&self, task: &str, seed: u64, number: u64) -> (Script, String) {
        let rng = &mut stream(seed, &format!("first day: {task} in {}", self.name), number);
        let mut script = Script { task: task.to_owned(), ..Script::default() };
        let module = self.modules.choose(rng).map_or("main", String::as_str).to_owned();
        if task == "summarize" {
            script.prompt = format!("Summarize the project {} in SUMMARY.md", self.name);
            let done = self.summarize(&mut script, rng);
            (script, done)
        } else {
            script.prompt = format!("Change the limit of {module}, test it and commit");
            let done = self.edit(&mut script, &module, rng);
            (script, done)
        }
    }

    fn look(&self, script: &mut Script, rng: &mut Rng) {
        let mut looks = vec![
            "ls -la",
            "cat README.md",
            "git status --short",
            "git log --oneline | head -n 5",
            "find . -type f -not -path './.git/*' | sort | head -n 40",
            "wc -l docs/*.md",
        ];
        looks.shuffle(rng);
        let count = rng.gen_range(3..looks.len());
        for look in looks.into_iter().take(count) {
            script.need(look);
        }
    }

    fn summarize(&self, script: &mut Script, rng: &mut Rng) -> String {
        self.look(script, rng);
        for module in &self.modules {
            let source = self.language.source_path(module);
            if rng.gen_bool(0.6) {
                script.need(if rng.gen_bool(0.5) {
                    format!("cat {source}")
                } else {
                    format!("sed -n '1,40p' {source}")
                });
            }
        }
        script.need(format!("grep -rn {} docs | head -n 5", words::noun(rng)));
        let mark = words::slug(rng);
        script.need(format!("cat >SUMMARY.md <<'END'\n{}\nSee {mark}.\nEND", words::page(rng, 2)));
        script.need("wc -w SUMMARY.md");
        format!("grep -q {mark} SUMMARY.md")
    }

    fn edit(&self, script: &mut Script, module: &str, rng: &mut Rng) -> String {
        self.look(script, rng);
        let (source, test) = (self.language.source_path(module), self.language.test_path(module));
        script.need(format!("cat {source} {test}"));
        let limit = rng.gen_range(100..1_000);
        script.need(format!("sed -i 's/LIMIT = [0-9]*/LIMIT = {limit}/' {source} {test}"));
        if rng.gen_bool(0.5) {
            let (remark, mark) = (words::sentence(rng), self.language.comment());
            script.need(format!("printf '%s\\n' '{mark} {remark}' >>{source}"));
        }
        script.need(self.language.run_tests());
        script.need(if rng.gen_bool(0.5) { "git diff --stat" } else { "git diff" });
        let subject = format!("Set the limit of {module} to {limit}");
        script.need(format!("git add -A && git commit -q -m '{subject}'"));
        script.need("git log --oneline -n 1");
        format!("test \"$(git log -1 --format=%s)\" = '{subject}' && git diff --quiet")
    }
}

impl Language {
    fn source_path(self, module: &str) -> String {
        match self {
            Language::Python => format!("src/{module}.py"),
            Language::JavaScript => format!("src/{module}.js"),
        }
    }

    fn test_path(self, module: &str) -> String {
        match self {
            Language::Python => format!("tests/test_{module}.py"),
            Language::JavaScript => format!("tests/{module}.test.js"),
        }
    }

    fn comment(self) -> &'static str {
        match self {
            Language::Python => "#",
            Language::JavaScript => "//",
        }
    }

    fn run_tests(self) -> &'static str {
        match self {
            Language::Python => "PYTHONPATH=src python3 -m unittest discover -q -s tests",
            Language::JavaScript => "npm test",
        }
    }

    /// A module and its test.
    fn sources(self, module: &str, limit: u32) -> (String, String) {
        match self {
            Language::Python => (
                format!("LIMIT = {limit}\n\n\ndef within(value):\n    return value < LIMIT\n"),
                format!(
                    "import unittest\nimport {module}\n\n\nclass Test(unittest.TestCase):\n    def test_limit(self):\n        \
                     LIMIT = {limit}\n        self.assertEqual({module}.LIMIT, LIMIT)\n"
                ),
            ),
            Language::JavaScript => (
                format!(
                    "const LIMIT = {limit};\nexports.LIMIT = LIMIT;\nexports.within = (value) => value < LIMIT;\n"
                ),
                format!(
                    "const test = require('node:test');\nconst assert = require('node:assert');\n\
                     test('limit', () => {{\n  const LIMIT = {limit};\n  \
                     assert.strictEqual(require('../src/{module}.js').LIMIT, LIMIT);\n}});\n"
                ),
            ),
        }
    }
}
