//! `summarize`: an agent reads, greps and lists a documentation tree and writes a summary.

use crate::deck::Deck;
use crate::script::Script;
use crate::seed::{Rng, stream};
use crate::session::{Family, Plot, Session};
use crate::{Tools, Tree, network, words};
use rand::Rng as _;
use rand::seq::SliceRandom;

/// The clean session with this number.
pub(crate) fn session(plot: &Plot, index: usize) -> Session {
    let mut rng = stream(plot.seed, "summarize", index as u64);
    let mut work = Work::begin(plot, &mut rng, plot.deck(index));
    let readings = rng.gen_range(plot.profile.readings.0..=plot.profile.readings.1);
    let fetch = work.deck.has("summarize: fetch", 0.6).then(|| rng.gen_range(0..readings));
    for reading in 0..readings {
        work.read(&mut rng);
        if fetch == Some(reading) {
            work.script.need(network::fetch(&plot.tools, &format!("/simple/{}/", words::noun(&mut rng))));
        }
    }
    work.compare(&mut rng);
    work.write_summary(&mut rng);
    work.remember(&mut rng, "summarize");
    work.end(&format!("docs-{:02}", index + 1))
}

/// A session in the making.
pub(crate) struct Work {
    /// What the workspace holds.
    pub tree: Tree,
    /// The calls so far.
    pub script: Script,
    /// The habits of this session.
    pub deck: Deck,
    tools: Tools,
}

impl Work {
    /// Draws the workspace and looks around in it.
    pub fn begin(plot: &Plot, rng: &mut Rng, deck: Deck) -> Work {
        let (directories, pages) = plot.profile.documentation;
        let directories = rng.gen_range(directories.saturating_sub(1)..=directories + 1);
        let mut tree = Tree::documentation(rng, directories, pages);
        if deck.has("summarize: an older summary", 0.5) {
            tree.files.insert("SUMMARY.md".into(), words::page(rng, 1));
        }
        let mut script = Script::default();
        script.need("ls -la");
        script.need("cat README.md");
        Work { tree, script, deck, tools: plot.tools }
    }

    /// One reading call.
    pub fn read(&mut self, rng: &mut Rng) {
        let files: Vec<&String> = self.tree.files.keys().collect();
        let mut file = || files.choose(rng).map_or("README.md", |file| file.as_str());
        let (one, other) = (file(), file());
        let directory = self.tree.directories().choose(rng).copied().unwrap_or(".");
        let (word, another) = (words::noun(rng), words::noun(rng));
        let (from, lines) = (rng.gen_range(1..20), rng.gen_range(5..40));
        let call = match rng.gen_range(0..20) {
            0 | 1 => format!("cat {one}"),
            2 | 3 => format!("head -n {lines} {one}"),
            4 => format!("tail -n {lines} {one}"),
            5 | 6 => format!("sed -n '{from},{}p' {one}", from + lines),
            7 | 8 => format!("grep -n -i {word} {one} | head -n 5"),
            9 => format!("grep -rl {word} {directory} | sort | head -n {lines}"),
            10 => format!("grep -rnE '{word}|{another}' . | wc -l"),
            11 => format!("wc -l {one} {other}"),
            12 => format!("wc -w {directory}/*"),
            13 => format!("find {directory} -type f | sort"),
            14 => "find . -name '*.md' | wc -l".to_owned(),
            15 => format!("ls {directory} | head -n {lines}"),
            16 => format!("grep '^#' {one} | cut -c 1-{lines}"),
            17 => format!("tr -s ' ' '\\n' < {one} | sort | uniq -c | sort -rn | head -n 5"),
            18 => format!("cd {directory} && ls -l"),
            _ => format!("for page in {directory}/*; do head -n 1 \"$page\"; done"),
        };
        self.script.need(call);
    }

    /// Calls that only some agents make.
    pub fn compare(&mut self, rng: &mut Rng) {
        let files: Vec<&String> = self.tree.files.keys().collect();
        let mut file = || files.choose(rng).map_or("README.md", |file| file.as_str());
        let (one, other) = (file(), file());
        let mut habits = vec![
            ("du", "du -sk .".to_owned()),
            ("stat", format!("stat -c '%s %n' {one} {other}")),
            ("sum", format!("sha256sum {one}")),
        ];
        if self.tools.awk {
            habits
                .push(("awk", format!("awk 'length > most {{ most = length }} END {{ print most }}' {one}")));
        }
        if self.tools.diff {
            habits.push(("diff", format!("diff {one} {other} | head -n 3")));
        }
        for (habit, call) in habits {
            if self.deck.has(&format!("summarize: {habit}"), 0.6) {
                self.script.need(call);
            }
        }
    }

    /// Writes the summary beside the old one, and moves it over.
    fn write_summary(&mut self, rng: &mut Rng) {
        if self.deck.has("summarize: link", 0.5) {
            self.script.need("ln -sf README.md START.md");
        }
        if self.deck.has("summarize: copy", 0.5) {
            self.script.need("cp README.md README.md.orig");
        }
        let draft =
            self.deck.pick("summarize: draft", &["SUMMARY.md.tmp", ".SUMMARY.md.new", "summary.draft"]);
        self.script.need(format!("printf '# Summary\\n\\n%s\\n' '{}' > {draft}", words::sentence(rng)));
        for _ in 0..rng.gen_range(1..4) {
            self.script.need(format!("printf -- '- %s\\n' '{}' >> {draft}", words::sentence(rng)));
        }
        self.script
            .need(format!("find . -name '*.*' -type f | wc -l >> {draft} && mv -f {draft} SUMMARY.md"));
        self.script.need("cat SUMMARY.md");
    }

    /// New files in the home.
    pub fn remember(&mut self, rng: &mut Rng, family: &str) {
        remember(&mut self.script, &self.deck, rng, family);
    }

    /// The session.
    pub fn end(self, name: &str) -> Session {
        Session {
            name: name.to_owned(),
            family: Family::Summarize,
            tree: self.tree,
            calls: self.script.steps.len(),
            script: self.script.render(name),
        }
    }
}

/// What agents leave in the home: a note, a cache entry, the state of the next start.
pub(crate) fn remember(script: &mut Script, deck: &Deck, rng: &mut Rng, family: &str) {
    if deck.has(&format!("{family}: note"), 0.85) {
        script.need(format!("printf '%s\\n' '{}' > ~/notes-{}.md", words::sentence(rng), words::slug(rng)));
    }
    if deck.has(&format!("{family}: cache"), 0.7) {
        let entry = format!("~/.cache/demo-agent/{}", words::slug(rng));
        script.need(format!(
            "mkdir -p ~/.cache/demo-agent && ls | sort > {entry}.tmp && mv {entry}.tmp {entry}.txt"
        ));
    }
    if deck.has(&format!("{family}: state"), 0.7) {
        let state = "~/.local/state/demo-agent/last.json";
        let slug = words::slug(rng);
        script
            .need(format!("printf '{{\"last\":\"{slug}\"}}\\n' > {state}.tmp && mv -f {state}.tmp {state}"));
    }
}
