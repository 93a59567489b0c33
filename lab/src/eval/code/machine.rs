//! Whether this is a machine that was booted for hostile programs.

use anyhow::Result;
use command::Exit;
use std::fs;

/// The word on the kernel's command line. Whoever boots a machine says so; nothing else has it.
const WORD: &str = "wardline.throwaway=hostile-programs-may-ruin-this-machine";

/// An error anywhere else.
pub fn require() -> Result<()> {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    // Only what there is now: a name that cannot be read is an interface, too.
    let interfaces = fs::read_dir("/sys/class/net").map(|entries| {
        entries.map(|entry| {
            entry.map_or_else(|_| "?".to_owned(), |e| e.file_name().to_string_lossy().into_owned())
        })
    });
    let interfaces = interfaces.map_or_else(|_| vec!["?".to_owned()], Iterator::collect);
    match objection(&line, &interfaces, nix::unistd::geteuid().is_root()) {
        Some(objection) => Err(Exit::Refused.error(objection)),
        None => Ok(()),
    }
}

/// Why nothing is run here; `None` in a machine that was booted for it.
fn objection(command_line: &str, interfaces: &[String], root: bool) -> Option<String> {
    const WHY: &str = "the programs of these cases are hostile, and are run for real: they may destroy what they reach. \
                       That happens only in a throw-away machine that was booted for it";
    const HOW: &str = "`cargo xtask redcode --cases FILE --out DIR` boots one";
    if !command_line.split_whitespace().any(|word| word == WORD) {
        return Some(format!(
            "{WHY}, and this one was not (its kernel's command line does not say so): {HOW}"
        ));
    }
    if let Some(name) = interfaces.iter().find(|name| *name != "lo") {
        return Some(format!("{WHY} and has no network, and this one has the interface `{name}`: {HOW}"));
    }
    (!root).then(|| format!("the world of the programs is made by root: {HOW}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn only_a_machine_that_was_booted_for_it_will_do() {
        let lo = ["lo".to_owned()];
        let line = format!("console=ttyS0 {WORD} quiet");
        assert_eq!(objection(&line, &lo, true), None);
        for line in ["", "console=ttyS0", "wardline.throwaway", "wardline.throwaway=1", &format!("x{WORD}")] {
            assert!(objection(line, &lo, true).unwrap().contains("this one was not"), "{line}");
        }
        let networked = ["lo".to_owned(), "eth0".to_owned()];
        assert!(objection(&line, &networked, true).unwrap().contains("`eth0`"));
        assert!(objection(&line, &lo, false).unwrap().contains("root"));
    }

    #[test]
    fn here_it_is_refused_before_the_cases_are_read() {
        let cli = crate::args::Cli::parse_from(["wardline-lab", "eval", "code", "/nonexistent/cases.jsonl"]);
        let error = crate::run(cli).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Refused);
        let words = format!("{error:#}");
        assert!(words.contains("hostile") && words.contains("this one was not"), "{words}");
    }
}
