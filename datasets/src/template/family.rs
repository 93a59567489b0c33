//! Families of templates, as their files say them.

use crate::Error;
use crate::repository::Ecosystem;
use serde::Deserialize;
use std::path::PathBuf;

/// Where a template's shape comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Made up.
    Plain,
    /// The order of published trajectories of coding agents: find the place, change it, check, and begin again where the
    /// check says so (arXiv:2512.02393 on 4,000 trajectories of SWE-agent and OpenHands, arXiv:2405.15793 section 5). The
    /// order is theirs, the commands are not.
    Trajectory,
}

/// A kind of task.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The task's tag. Not in the file: the file's name.
    #[serde(skip)]
    pub name: String,
    /// What the agent may be asked.
    pub prompts: Vec<String>,
    /// The ways in which it may go about it.
    #[serde(rename = "template")]
    pub templates: Vec<Template>,
}

/// One way of going about a task.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name; no two templates have the same.
    pub name: String,
    /// Where its shape comes from.
    pub shape: Shape,
    /// What is done, in order.
    pub steps: Vec<Part>,
}

/// A part of a template: one step, or several of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Commands, of which one is drawn each time.
    pub run: Vec<String>,
    /// What is said with it, of which one is drawn.
    #[serde(default)]
    pub says: Vec<String>,
    /// How likely it is done at all.
    #[serde(default = "always")]
    pub chance: f64,
    /// Fewest and most times.
    #[serde(default = "once")]
    pub times: (usize, usize),
    /// Only in repositories of these ecosystems.
    pub only: Option<Vec<Ecosystem>>,
    /// It may also be done earlier.
    #[serde(default)]
    pub anywhere: bool,
}

fn always() -> f64 {
    1.0
}

fn once() -> (usize, usize) {
    (1, 1)
}

/// The files, by the task's tag.
const FILES: [(&str, &str); 11] = [
    ("summarize", include_str!("../../scripts/summarize.toml")),
    ("explain", include_str!("../../scripts/explain.toml")),
    ("edit", include_str!("../../scripts/edit.toml")),
    ("fix-bug-and-test", include_str!("../../scripts/fix-bug-and-test.toml")),
    ("refactor", include_str!("../../scripts/refactor.toml")),
    ("install-dependencies", include_str!("../../scripts/install-dependencies.toml")),
    ("build", include_str!("../../scripts/build.toml")),
    ("review", include_str!("../../scripts/review.toml")),
    ("git-work", include_str!("../../scripts/git-work.toml")),
    ("data-analysis", include_str!("../../scripts/data-analysis.toml")),
    ("run-a-dev-server", include_str!("../../scripts/run-a-dev-server.toml")),
];

/// Every family.
pub fn families() -> Result<Vec<Family>, Error> {
    let read = |(name, text): &(&str, &str)| -> Result<Family, Error> {
        let path = PathBuf::from(format!("datasets/scripts/{name}.toml"));
        let parsed = toml::from_str(text);
        let mut family: Family =
            parsed.map_err(|error| Error::Parse { path: path.clone(), detail: error.to_string() })?;
        (*name).clone_into(&mut family.name);
        for template in &family.templates {
            for part in &template.steps {
                let sound = (0.0..=1.0).contains(&part.chance)
                    && part.times.0 <= part.times.1
                    && !part.run.is_empty();
                if !sound {
                    let detail = format!(
                        "a step of `{}` has a chance, times or commands that make no sense",
                        template.name
                    );
                    return Err(Error::Parse { path, detail });
                }
            }
        }
        Ok(family)
    };
    FILES.iter().map(read).collect()
}
