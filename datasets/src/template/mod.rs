//! Templates: how normal work on any repository goes, as data, and scripts drawn from them.
//!
//! The files are `datasets/scripts/FAMILY.toml`; their README describes them. A [`Script`] is a pure function of a
//! template, a repository and a seed.

mod family;
mod slots;

pub use family::{Family, Shape, Template, families};

use crate::repository::{Repository, Survey};
use crate::seed::{Rng, stream};
use crate::{Error, Script, Step};
use rand::Rng as _;
use rand::seq::SliceRandom;
use slots::Slots;

impl Template {
    /// The script of one session.
    pub fn draw(
        &self,
        family: &Family,
        repository: &Repository,
        survey: &Survey,
        seed: u64,
    ) -> Result<Script, Error> {
        let mut rng = stream(seed, &self.name, 0);
        let mut slots = Slots::draw(repository, survey, &mut rng);
        let prompt = slots.fill(one(&family.prompts, &mut rng), &mut rng)?;
        let mut script = Script { task: family.name.clone(), prompt, steps: Vec::new() };
        let mut groups: Vec<Vec<Step>> = Vec::new();
        for part in &self.steps {
            if part.only.as_ref().is_some_and(|only| !only.contains(&repository.ecosystem))
                || !rng.gen_bool(part.chance)
            {
                continue;
            }
            let times = rng.gen_range(part.times.0..=part.times.1);
            let mut steps = Vec::new();
            for _ in 0..times {
                let command = slots.fill(one(&part.run, &mut rng), &mut rng)?;
                let says = match part.says.is_empty() {
                    true => String::new(),
                    false => slots.fill(one(&part.says, &mut rng), &mut rng)?,
                };
                steps.push(Step { says, command, injected: false });
            }
            // Parts that may come in any order change places with the ones before them.
            match groups.last_mut() {
                Some(_) if part.anywhere => {
                    let place = rng.gen_range(0..=groups.len());
                    groups.insert(place, steps);
                }
                _ => groups.push(steps),
            }
        }
        script.steps = groups.into_iter().flatten().collect();
        Ok(script)
    }
}

fn one<'t>(texts: &'t [String], rng: &mut Rng) -> &'t str {
    texts.choose(rng).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{Ecosystem, Source};
    use std::collections::BTreeSet;

    fn repository(ecosystem: Ecosystem) -> Repository {
        Repository { name: "semver".into(), ecosystem, version: "1.0.0".into(), hash: String::new() }
    }

    fn survey() -> Survey {
        let source = |path: &str| Source {
            path: path.into(),
            lines: 120,
            symbols: vec!["parse".into(), "print_all".into()],
        };
        Survey {
            sources: vec![source("src/a.py"), source("src/b.py"), source("src/c.py")],
            tests: vec!["tests/test_a.py".into()],
            documents: vec!["README.md".into(), "CHANGES.md".into()],
            directories: vec!["src".into(), "tests".into()],
            readme: "README.md".into(),
            manifest: "setup.py".into(),
            words: vec!["parser".into(), "import".into()],
        }
    }

    #[test]
    fn every_template_gives_scripts_without_open_slots_for_every_ecosystem_that_it_is_for() {
        for family in families().unwrap() {
            for template in &family.templates {
                for ecosystem in Ecosystem::ALL {
                    for seed in 0..20 {
                        let script = template.draw(&family, &repository(ecosystem), &survey(), seed).unwrap();
                        assert!(script.steps.len() >= 3, "{}: {script:?}", template.name);
                        assert!(script.steps.len() <= 40, "{}: {}", template.name, script.steps.len());
                        for step in &script.steps {
                            assert!(!step.command.trim().is_empty(), "{}", template.name);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_script_is_a_function_of_its_seed() {
        for family in families().unwrap() {
            for template in &family.templates {
                let repository = repository(Ecosystem::Pypi);
                let draw = |seed| template.draw(&family, &repository, &survey(), seed).unwrap();
                assert_eq!(draw(7), draw(7));
                let different: BTreeSet<String> = (0..10).map(|seed| format!("{:?}", draw(seed))).collect();
                assert!(different.len() >= 8, "{}: {}", template.name, different.len());
            }
        }
    }

    #[test]
    fn there_are_families_enough_and_each_has_templates_for_three_splits() {
        let families = families().unwrap();
        assert!(families.len() >= 10);
        for family in &families {
            assert!(family.templates.len() >= 3, "{}", family.name);
        }
        let templates: Vec<&Template> = families.iter().flat_map(|family| &family.templates).collect();
        let names: BTreeSet<&str> = templates.iter().map(|template| template.name.as_str()).collect();
        assert_eq!(names.len(), templates.len(), "two templates have one name");
        let trajectories = templates.iter().filter(|template| template.shape == Shape::Trajectory).count();
        assert!(trajectories * 10 >= templates.len() * 3, "{trajectories} of {}", templates.len());
    }

    #[test]
    fn the_package_is_never_the_repository_itself() {
        let survey = survey();
        let package = |seed| {
            let mut rng = stream(seed, "test", 0);
            let mut slots = Slots::draw(&repository(Ecosystem::Npm), &survey, &mut rng);
            slots.fill("@package@", &mut rng).unwrap()
        };
        let packages: BTreeSet<String> = (0..50).map(package).collect();
        assert_eq!(packages.iter().collect::<Vec<_>>(), ["commander", "marked", "yargs-parser"]);
    }

    #[test]
    fn a_slot_that_nobody_knows_is_an_error() {
        let mut rng = stream(1, "test", 0);
        let survey = survey();
        let mut slots = Slots::draw(&repository(Ecosystem::Npm), &survey, &mut rng);
        assert!(slots.fill("cat @nothing@", &mut rng).is_err());
        assert_eq!(slots.fill("mail a@b.c and @manifest@", &mut rng).unwrap(), "mail a@b.c and setup.py");
    }
}
