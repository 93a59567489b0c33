//! `edit`: an agent changes sources, tests them, commits and pushes.
#![expect(clippy::indexing_slicing, reason = "one is chosen from within their number")]

use crate::deck::Deck;
use crate::language::{Language, Module};
use crate::script::Script;
use crate::seed::{Rng, stream};
use crate::session::{Family, Plot, Session};
use crate::{Handed, Tree, network, summarize, words};
use rand::Rng as _;
use rand::seq::SliceRandom;

/// The number whose habits the first session has that runs a program that it was handed: none that was recorded.
const HANDED: usize = 10_000;

/// The clean session with this number.
pub(crate) fn session(plot: &Plot, index: usize) -> Session {
    let mut rng = stream(plot.seed, "edit", index as u64);
    let modules = rng.gen_range(plot.profile.modules.0..=plot.profile.modules.1);
    let mut work = Work::begin(plot, &mut rng, plot.deck(index), modules);
    if work.deck.has("edit: index", 0.5) {
        work.script.need(network::fetch(&plot.tools, &format!("/simple/{}/", words::noun(&mut rng))));
    }
    for _ in 0..rng.gen_range(plot.profile.rounds.0..=plot.profile.rounds.1) {
        work.round(&mut rng);
    }
    if work.deck.has("edit: new module", 0.6) {
        work.add_module(&mut rng);
    }
    work.remove_obsolete(&mut rng);
    work.commit(&mut rng);
    summarize::remember(&mut work.script, &work.deck, &mut rng, "edit");
    work.end(&format!("app-{:02}", index + 1))
}

/// A session that no baseline knows, with a number of its own, which runs a program that it was handed.
pub(crate) fn handed(plot: &Plot, number: usize, program: &Handed<'_>) -> Session {
    let mut rng = stream(plot.seed, "edit: handed", number as u64);
    let modules = rng.gen_range(plot.profile.modules.0..=plot.profile.modules.1);
    let mut work = Work::begin(plot, &mut rng, plot.deck(HANDED + number), modules);
    work.round(&mut rng);
    program.call(&mut work.script);
    work.glance(&mut rng);
    work.commit(&mut rng);
    summarize::remember(&mut work.script, &work.deck, &mut rng, "edit");
    work.end(&format!("app-handed-{:03}", number + 1))
}

/// A session in the making.
pub(crate) struct Work {
    /// What the workspace holds.
    pub tree: Tree,
    /// The calls so far.
    pub script: Script,
    deck: Deck,
    language: Language,
    modules: Vec<Module>,
    obsolete: Vec<String>,
    changed: usize,
}

impl Work {
    /// Draws the workspace and looks around in it.
    pub fn begin(plot: &Plot, rng: &mut Rng, deck: Deck, modules: usize) -> Work {
        let language = deck.pick("edit: language", &Language::at_hand(&plot.tools));
        let mut tree = Tree { git: true, ..Tree::default() };
        tree.files.insert("README.md".into(), words::page(rng, 2));
        tree.files.insert("docs/CHANGES.md".into(), words::page(rng, 1));
        tree.files.insert(".gitignore".into(), "build/\n__pycache__/\n".into());
        let modules: Vec<Module> = (0..modules).map(|_| Module::draw(rng)).collect();
        for module in &modules {
            tree.files.insert(language.source_path(&module.name), language.source(module, rng));
            tree.files.insert(language.test_path(&module.name), language.test(module));
        }
        // What a real tree has lying about: sources that nothing uses any more.
        let obsolete: Vec<String> =
            (0..3).map(|_| language.source_path(&format!("old_{}", words::identifier(rng)))).collect();
        for path in &obsolete {
            tree.files.insert(path.clone(), format!("{} {}\n", language.comment(), words::sentence(rng)));
        }
        let mut work =
            Work { tree, script: Script::default(), deck, language, modules, obsolete, changed: 0 };
        work.look(rng);
        work
    }

    fn look(&mut self, rng: &mut Rng) {
        let mut calls = vec!["ls -la", "cat README.md", "git status --short", "git log --oneline -n 5"];
        calls.shuffle(rng);
        for call in calls {
            self.script.need(call);
        }
        if self.deck.has("edit: fetch", 0.7) {
            self.script.need("git fetch -q origin");
        }
    }

    /// One small call that every edit session makes again and again.
    pub fn glance(&mut self, rng: &mut Rng) {
        let (directory, _) = self.language.place();
        let Some(module) = self.modules.choose(rng) else { return };
        let source = self.language.source_path(&module.name);
        let (word, lines) = (words::noun(rng), rng.gen_range(5..30));
        self.script.need(match rng.gen_range(0..9) {
            0 => format!("cat {source}"),
            1 => format!("sed -n '1,{lines}p' {source}"),
            2 => format!("grep -rn {} . --exclude-dir=.git | head -n 5", module.name),
            3 => format!("grep -rl {word} {directory} | wc -l"),
            4 => format!("ls {directory} | wc -l"),
            5 => format!("ls tests | head -n {lines}"),
            6 => format!("find {directory} -type f | sort | head -n {lines}"),
            7 => format!("wc -l {source}"),
            _ => "git status --short | wc -l".to_owned(),
        });
    }

    /// Reads, changes a module, and tests it.
    pub fn round(&mut self, rng: &mut Rng) {
        for _ in 0..rng.gen_range(1..4) {
            self.glance(rng);
        }
        // Each module once: Python takes a source of the same second and size for the one that it compiled.
        let chosen = self.changed % self.modules.len();
        self.changed += 1;
        let offset = rng.gen_range(100..900);
        let language = self.language;
        let module = &mut self.modules[chosen];
        let name = module.name.clone();
        let (source, test) = (language.source_path(&name), language.test_path(&name));
        let (in_source, in_test) = language.change_offset(module, offset);
        self.script.need(match rng.gen_range(0..3) {
            0 => format!("sed -i '{in_source}' {source}"),
            1 => format!("sed '{in_source}' {source} > {source}.new && mv -f {source}.new {source}"),
            _ => format!("text=$(sed '{in_source}' {source}) && printf '%s\\n' \"$text\" > {source}"),
        });
        self.script.need(format!("sed -i '{in_test}' {test}"));
        if rng.gen_bool(0.5) {
            let remark = words::sentence(rng);
            self.script.need(format!("printf '%s\\n' '{} {remark}' >> {source}", language.comment()));
        }
        self.script.need(language.run_test(&name));
        self.script.need(if rng.gen_bool(0.5) {
            format!("git diff {source}")
        } else {
            "git diff --stat".into()
        });
    }

    fn add_module(&mut self, rng: &mut Rng) {
        let module = Module::draw(rng);
        let language = self.language;
        for (path, text) in [
            (language.source_path(&module.name), language.source(&module, rng)),
            (language.test_path(&module.name), language.test(&module)),
        ] {
            self.script.need(format!("cat > {path} <<'END'\n{text}END"));
        }
        self.script.need(language.run_test(&module.name));
        self.script.need(format!("printf -- '- new: {}\\n' >> docs/CHANGES.md", module.name));
    }

    /// Real edit sessions now and then remove a file that was there before.
    fn remove_obsolete(&mut self, rng: &mut Rng) {
        let count = self.deck.pick("edit: removals", &[0, 1, 2, 1]);
        for path in self.obsolete.iter().take(count) {
            self.script.need(if rng.gen_bool(0.5) {
                format!("rm {path}")
            } else {
                format!("git rm -q {path}")
            });
        }
    }

    /// Commits, and pushes.
    pub fn commit(&mut self, rng: &mut Rng) {
        let message = words::sentence(rng);
        self.script.need("git add -A");
        if self.deck.has("edit: staged diff", 0.5) {
            self.script.need("git diff --cached --stat");
        }
        self.script.need(format!("git commit -q -m '{message}'"));
        self.script.need("git push -q origin HEAD");
        self.script.need("git log --oneline -n 2");
    }

    /// Every source and test, in the order in which something could remove them.
    pub fn sources(&self) -> Vec<String> {
        let modules = self.modules.iter();
        let paths = modules.flat_map(|module| {
            [self.language.source_path(&module.name), self.language.test_path(&module.name)]
        });
        paths.chain(self.obsolete.iter().cloned()).collect()
    }

    /// The session.
    pub fn end(self, name: &str) -> Session {
        Session {
            name: name.to_owned(),
            family: Family::Edit,
            tree: self.tree,
            calls: self.script.steps.len(),
            script: self.script.render(name),
        }
    }
}
