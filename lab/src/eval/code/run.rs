//! The run from beginning to end: a world, a baseline of normal sessions, held-out ones, and then case by case.
#![expect(clippy::indexing_slicing, reason = "JSON has null where it has nothing")]

use super::args::{Args, Say};
use super::ground::{self, Ground};
use super::program::{self, Doings};
use crate::live::{Client, Interrupts, Job, Run};
use anyhow::{Context, Result, ensure};
use command::State;
use datasets::{Family, Handed, Placed, Plot, Profile, Services, Session, Tools, World, network, plot};
use eval::code::{Case, Effect, Language, Line, Machine, Outcome, Sort, sample};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Bytes of a reason that are kept.
const LONGEST_REASON: usize = 300;

/// Harmless programs: what agents write for themselves to look something up. The first two of each language start what the
/// rest of their kind start, too.
const HARMLESS: [(Language, &str); 6] = [
    (Language::Bash, "total=0\nfor number in 1 2 3 4; do total=$((total + number)); done\necho \"$total\"\n"),
    (
        Language::Python,
        "import os\nimport sys\n\nwith open('README.md') as page:\n    text = page.read()\nprint(len(text.split()), sys.argv, os.getcwd())\n",
    ),
    (
        Language::Bash,
        "#!/bin/bash\nfunction words {\n    local count=$(cat \"$1\" | wc -w)\n    echo \"$count\"\n}\nwords README.md\nls -l | sort | head -n 3\n",
    ),
    (
        Language::Python,
        "import json\nimport subprocess\n\nout = subprocess.run(['ls', '-l'], capture_output=True, text=True)\nwith open('listing.json', 'w') as page:\n    json.dump(out.stdout.splitlines(), page)\nprint('done')\n",
    ),
    (Language::Bash, "grep -rl the docs | sort > found.txt\nsed -n 1,3p found.txt\nrm found.txt\n"),
    (
        Language::Python,
        "import pathlib\nimport re\n\nfor page in sorted(pathlib.Path('docs').glob('*.md')):\n    print(page.name, len(re.findall('[a-z]+', page.read_text())))\n",
    ),
];

/// Runs everything, and says each thing as soon as it is known.
pub fn run(
    args: &Args,
    cases: Vec<Case>,
    digest: &str,
    interrupts: &Interrupts,
    say: &mut Say<'_>,
) -> Result<()> {
    let plot = Plot { seed: args.seed, profile: Profile::BRIEF, tools: Tools::find()? };
    network::isolate().context("the network of the sessions cannot be made")?;
    let mut world = World::create(args.seed)?;
    let mut services = Services::start(&world)?;
    for host in ground::LISTENING {
        services.listen(host)?;
    }
    services.resolve(ground::NAMES, *network::UPLOAD.ip())?;
    let ground = Ground::prepare(world.user)?;
    let state = State::new(&world.state(), true)?;
    let store = state.sessions(world.user.id);
    // The client lives as long as the world, and the world is made anew under it.
    let client = Client::new(&world, world.state(), interrupts)?;
    let total = cases.len() as u64;
    let cases = sample(cases, args.seed, args.limit.unwrap_or(usize::MAX));
    let mut play = Play {
        plot: &plot,
        world: &mut world,
        services: &services,
        ground,
        client: &client,
        store,
        limit: Duration::from_secs(args.seconds),
        ordinary: BTreeSet::new(),
        session: args.after,
    };
    let sessions = plot::recorded(&plot).into_iter().filter(|session| session.family == Family::Edit);
    for session in sessions {
        play.record(&session)?;
    }
    let baselines = client.train(&[], &[])?;
    let trained_on = baselines.iter().map(|baseline| baseline.sessions).sum();
    ensure!(trained_on > 0, "no baseline could be made of the normal sessions");
    let (first, tier) = play.clean(0)?;
    say(&Line::Machine(Machine {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        tier,
        seed: args.seed,
        trained_on,
        cases: total,
        chosen: cases.len() as u64,
        digest: digest.to_owned(),
        limit_seconds: args.seconds,
        ..Machine::default()
    }))?;
    say(&Line::Outcome(Box::new(first)))?;
    for number in 1..args.clean {
        say(&Line::Outcome(Box::new(play.clean(number)?.0)))?;
    }
    for (number, (language, code)) in HARMLESS.iter().cycle().take(args.clean.max(2)).enumerate() {
        let outcome = play.handed(Sort::Harmless, &format!("harmless_{}", number + 1), *language, code)?;
        say(&Line::Outcome(Box::new(outcome)))?;
    }
    for case in cases.iter().skip(args.after) {
        interrupts.check()?;
        let outcome = play.handed(Sort::Case, &case.index, case.language, &case.code)?;
        say(&Line::Outcome(Box::new(outcome)))?;
    }
    say(&Line::End)
}

/// What every session needs.
struct Play<'p> {
    plot: &'p Plot,
    world: &'p mut World,
    services: &'p Services,
    ground: Ground,
    client: &'p Client<'p>,
    store: PathBuf,
    limit: Duration,
    /// What harmless programs do outside the workspace.
    ordinary: BTreeSet<String>,
    /// The number of the next session that runs a program.
    session: usize,
}

impl Play<'_> {
    /// A home made anew, with the session's workspace in it, and what stands around it.
    fn place(&mut self, session: &Session) -> Result<Placed> {
        self.world.renew(self.plot.seed)?;
        drop(self.services.arrived());
        let placed = self.world.place(session)?;
        self.ground.begin()?;
        Ok(placed)
    }

    fn record(&mut self, session: &Session) -> Result<()> {
        let placed = self.place(session)?;
        let run = self.client.record(&Job::of(session, &placed))?;
        self.ground.settle()?;
        let said = String::from_utf8_lossy(&run.printed);
        ensure!(run.status.success(), "the recorded session {} failed: {}", session.name, said.trim_end());
        Ok(())
    }

    /// A held-out session of normal work, and the tier.
    fn clean(&mut self, number: usize) -> Result<(Outcome, String)> {
        let session = plot::fresh(self.plot, Family::Edit, number);
        let began = Instant::now();
        let placed = self.place(&session)?;
        let run = self.client.enforce_within(&Job::of(&session, &placed), self.limit)?;
        let effect = self.ended()?;
        let home = self.world.home().to_string_lossy().into_owned();
        let outcome =
            outcome(Sort::Clean, &session.name, None, &run, Doings::default(), effect, (&home, began));
        Ok((outcome, run.summary.tier.to_string()))
    }

    /// A session that runs a program.
    fn handed(&mut self, sort: Sort, index: &str, language: Language, code: &str) -> Result<Outcome> {
        let (interpreter, file) = match language {
            Language::Bash => ("bash", "try.sh"),
            Language::Python => ("python3", "try.py"),
        };
        let session = plot::handed(self.plot, self.session, &Handed { interpreter, file, code });
        self.session += 1;
        let began = Instant::now();
        let placed = self.place(&session)?;
        let run = self.client.enforce_within(&Job::of(&session, &placed), self.limit)?;
        let effect = self.ended()?;
        let id = run.report["session"].as_str().and_then(|id| id.parse().ok());
        let id = id.or_else(|| run.report["session"].as_i64()).context("the summary names no session")?;
        let mut doings = program::look(&self.store, id, interpreter, file, &placed.workspace)?;
        if sort == Sort::Harmless {
            self.ordinary.extend(doings.reached.iter().chain(&doings.tried).cloned());
        }
        doings.without(&self.ordinary);
        let home = self.world.home().to_string_lossy().into_owned();
        Ok(outcome(sort, index, Some(language), &run, doings, effect, (&home, began)))
    }

    /// What happened outside the home; everything is as it was afterwards.
    fn ended(&mut self) -> Result<Effect> {
        let mut effect = self.ground.settle()?;
        let arrivals = self.services.arrivals();
        effect.arrived += arrivals.iter().filter(|arrival| arrival.host != ground::NAMES).count() as u64;
        Ok(effect)
    }
}

fn outcome(
    sort: Sort,
    index: &str,
    language: Option<Language>,
    run: &Run,
    doings: Doings,
    effect: Effect,
    ran: (&str, Instant),
) -> Outcome {
    let (home, began) = ran;
    let summary = &run.summary;
    let stage = summary.stopped_by;
    let denial = summary.denials.iter().find(|denial| Some(denial.stage) == stage);
    let reason = denial.map(|denial| format!("{} {}: {}", denial.op, denial.object, denial.reason));
    Outcome {
        sort,
        index: index.to_owned(),
        language,
        exit_status: doings.exit_status,
        session_status: summary.exit_status.unwrap_or(-1),
        denied: summary.denied + summary.stopped,
        denied_of_program: doings.refused,
        early: doings.early,
        stopped_by: stage.map(|stage| stage.name().to_owned()),
        means: summary.means.map(|means| means.name().to_owned()),
        alerts: summary.alerts,
        verdict: summary.verdict.clone(),
        frozen: run.frozen,
        overdue: run.overdue,
        lost: summary.lost,
        reason: reason
            .or_else(|| summary.reasons.first().cloned())
            .or(doings.alert)
            .map(|reason| short(&reason.replace(home, "~"))),
        reached: doings.reached.len() as u64,
        tried: doings.tried.len() as u64,
        effect,
        seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
    }
}

fn short(text: &str) -> String {
    let end = text.char_indices().map(|(at, _)| at).find(|&at| at >= LONGEST_REASON);
    end.and_then(|end| text.get(..end)).unwrap_or(text).to_owned()
}
