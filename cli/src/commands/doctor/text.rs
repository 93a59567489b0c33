//! The findings as text: on one page, or complete.

use super::findings::Findings;
use command::table;
use command::{add_line, add_text};
use event::{Fate, Means, Tier};
use wire::Confinement;

/// Columns of a line of names.
const WIDTH: usize = 96;

/// What the tier means here, and what would give more.
pub(super) fn words(findings: &Findings) -> Vec<String> {
    let mut words = Vec::new();
    words.push(match (findings.tier, findings.can_prevent) {
        (Some(tier), true) => format!("agents can be guarded here, in tier `{tier}`"),
        (Some(_), false) => {
            "agents cannot be guarded here: for that a read and a connect must be refused".to_owned()
        }
        (None, _) => "nothing could be tried".to_owned(),
    });
    let facts = &findings.facts;
    if findings.tier == Some(Tier::Tracepoint) {
        let bpf = facts.lsm.iter().any(|lsm| lsm == "bpf");
        words.push("after such an operation on a closed object, the session is frozen or killed".to_owned());
        words.push(confined(facts.confinement).to_owned());
        words.push(match facts.lsm.as_slice() {
            [] => "tier `lsm` refuses all of them: this kernel takes no BPF LSM programs".to_owned(),
            lsm if !bpf => format!(
                "tier `lsm` refuses all of them: boot with `lsm={},bpf` on the kernel's command line",
                lsm.join(",")
            ),
            _ => "tier `lsm` refuses all of them: `bpf` is active, and its programs were not taken (see -v)"
                .to_owned(),
        });
    }
    if facts.cgroup2.is_none() {
        words.push("cgroup v2 is not mounted: `mount -t cgroup2 none /sys/fs/cgroup`".to_owned());
    }
    words
}

fn confined(confinement: Confinement) -> &'static str {
    match confinement {
        Confinement { domain: true, .. } => {
            "a session that `sudo` starts has no io_uring, and cannot take other processes' memory or descriptors"
        }
        Confinement { rings: true, .. } => {
            "a session that is started by `sudo` has no io_uring; without Landlock (Linux 6.7) it reaches into other processes"
        }
        _ => "a session that is started without `sudo` is not confined, and may use io_uring",
    }
}

/// One page.
pub(super) fn short(findings: &Findings) -> String {
    let facts = &findings.facts;
    let mut out = format!("Linux {} ({})\n", facts.kernel, facts.machine);
    let mut words = findings.words.iter();
    if let Some(first) = words.next() {
        add_line!(out, "{first}");
    }
    if !findings.probes.is_empty() {
        out.push('\n');
        let fates = Fate::ALL.map(Some).into_iter().chain([None]);
        for fate in fates {
            let rows = findings.probes.iter().filter(|row| row.fate == fate);
            let names: Vec<&str> = rows.map(|row| row.operation.as_str()).collect();
            if !names.is_empty() {
                listed(&mut out, fate.map_or("not known", Fate::name), &names);
            }
        }
    }
    let unsure: Vec<&str> =
        facts.file_systems.iter().filter(|of| !of.enforceable).map(|of| of.path.as_str()).collect();
    if !unsure.is_empty() {
        listed(&mut out, "no lasting identity", &unsure);
    }
    if words.len() > 0 || findings.problem.is_some() {
        out.push('\n');
    }
    for word in words {
        add_line!(out, "{word}");
    }
    end(&mut out, findings);
    out.push_str("\n`wardline doctor -v` shows every attempt and program\n");
    out
}

/// A head, and names beside it, in lines of a bounded width.
fn listed(out: &mut String, head: &str, names: &[&str]) {
    const COLUMN: usize = 22;
    let mut line = format!("{head:COLUMN$}");
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        if line.len() > COLUMN && line.len() + name.len() + comma.len() > WIDTH {
            add_line!(out, "{}", line.trim_end());
            line = " ".repeat(COLUMN);
        }
        add_text!(line, "{name}{comma} ");
    }
    add_line!(out, "{}", line.trim_end());
}

/// The agent that was asked about, and what went wrong.
fn end(out: &mut String, findings: &Findings) {
    if let Some(agent) = &findings.agent {
        out.push('\n');
        for line in agent.lines() {
            add_line!(out, "{line}");
        }
    }
    if let Some(problem) = &findings.problem {
        add_line!(out, "problem: {problem}");
    }
}

/// Everything.
pub(super) fn whole(findings: &Findings) -> String {
    let mut out = String::new();
    let facts = &findings.facts;
    let lsm = match facts.lsm.as_slice() {
        [] => "not known (securityfs is not mounted)".to_owned(),
        lsm => lsm.join(", "),
    };
    let memlock = facts.memlock.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{bytes} bytes"));
    for (name, value) in [
        ("kernel", format!("{} ({})", facts.kernel, facts.machine)),
        ("BTF", if facts.btf { "yes" } else { "no" }.to_owned()),
        ("active LSMs", lsm),
        ("lockdown", facts.lockdown.clone().unwrap_or_else(|| "none".to_owned())),
        ("cgroup v2", facts.cgroup2.clone().unwrap_or_else(|| "not mounted".to_owned())),
        ("capabilities", facts.capabilities.join(", ")),
        ("memlock", memlock),
    ] {
        add_line!(out, "{name:<13} {value}");
    }
    add_line!(out, "file systems");
    for file_system in &facts.file_systems {
        add_line!(out, "  {:<28} {:<10} {}", file_system.path, file_system.kind, file_system.note);
    }
    if !findings.programs.is_empty() {
        add_line!(out, "\nprograms");
        for program in &findings.programs {
            let state = program
                .error
                .as_deref()
                .map_or_else(|| "loaded and attached".to_owned(), |e| format!("not taken: {e}"));
            add_line!(out, "  {:<22} {:<28} {state}", program.name, program.hook);
        }
    }
    if let Some(offsets) = &findings.offsets {
        add_line!(out, "\noffsets");
        for field in &offsets.0 {
            add_line!(out, "  {:<34} {}", field.field, field.offset);
        }
    }
    if !findings.probes.is_empty() {
        let mut table = table::table(&["operation", "means", "what became of it", "tried just now"]);
        for row in &findings.probes {
            let means = row.means.map_or("none", Means::name);
            let fate = row.fate.map_or("not known", Fate::name);
            table.add_row([row.operation.as_str(), means, fate, row.note.as_str()]);
        }
        add_line!(out, "\n{}", table::plain(&table));
    }
    out.push('\n');
    for word in &findings.words {
        add_line!(out, "{word}");
    }
    end(&mut out, findings);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::facts::Facts;
    use guard::canary::Row;

    fn findings(tier: Tier, rows: &[(&str, Option<Fate>)], lsm: &[&str]) -> Findings {
        let mut facts = Facts::read();
        facts.kernel = "6.12.1".to_owned();
        facts.machine = "x86_64".to_owned();
        facts.lsm = lsm.iter().map(|&lsm| lsm.to_owned()).collect();
        facts.cgroup2 = Some("/sys/fs/cgroup".to_owned());
        facts.file_systems.clear();
        facts.confinement = Confinement { rings: true, programs: true, domain: true };
        let probes = rows.iter().map(|&(operation, fate)| Row {
            operation: operation.to_owned(),
            means: None,
            fate,
            errno: None,
            note: String::new(),
        });
        let mut findings = Findings {
            tier: Some(tier),
            can_prevent: true,
            facts,
            programs: Vec::new(),
            offsets: None,
            probes: probes.collect(),
            problem: None,
            words: Vec::new(),
            agent: None,
        };
        findings.words = words(&findings);
        findings
    }

    #[test]
    fn a_page_says_what_becomes_of_each_operation_and_how_to_get_more() {
        let rows = [
            ("read a file", Some(Fate::Refused)),
            ("list a directory", Some(Fate::Refused)),
            ("map a program", Some(Fate::Stopped)),
            ("make a directory", Some(Fate::Happened)),
            ("send a datagram over IPv6", None),
        ];
        insta::assert_snapshot!(
            "tracepoint",
            short(&findings(Tier::Tracepoint, &rows, &["landlock", "yama"]))
        );
        let all = rows.map(|(name, _)| (name, Some(Fate::Refused)));
        insta::assert_snapshot!("lsm", short(&findings(Tier::Lsm, &all, &["landlock", "bpf"])));
    }

    #[test]
    fn a_line_of_names_is_broken_between_them() {
        let mut out = String::new();
        listed(&mut out, "refused", &["rename a file into place"; 9]);
        assert!(out.lines().count() > 2 && out.lines().all(|line| line.len() <= WIDTH), "{out}");
        assert_eq!(out.matches("rename a file into place,").count(), 8);
    }
}
