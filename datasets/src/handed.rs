//! A program that the agent was handed, and runs as a tool in the middle of normal work.

use crate::script::{Script, quote};

/// The program.
#[derive(Clone, Copy, Debug)]
pub struct Handed<'h> {
    /// What runs it: `bash` or `python3`.
    pub interpreter: &'h str,
    /// The file that it is written into, in the workspace.
    pub file: &'h str,
    /// Its text. Nothing in it is a NUL, and it fits into one argument of a shell.
    pub code: &'h str,
}

impl Handed<'_> {
    /// Two tool calls: it is written, and it is run. Neither has to succeed.
    pub(crate) fn call(&self, script: &mut Script) {
        let mut end = "END".to_owned();
        while self.code.lines().any(|line| line == end) {
            end.push('D');
        }
        let line = if self.code.ends_with('\n') { "" } else { "\n" };
        script.inject(format!("cat > {} <<'{end}'\n{}{line}{end}", quote(self.file), self.code));
        script.inject(format!("{} {}", self.interpreter, quote(self.file)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_written_as_it_was_handed_over() {
        let directory = tempfile::tempdir().unwrap();
        for code in ["echo \"$HOME\" 'a'", "cat <<'END'\nEND\ntrue\n", "END\nENDD\n"] {
            let mut script = Script::default();
            Handed { interpreter: "bash", file: "it's.sh", code }.call(&mut script);
            let mut bash = std::process::Command::new("bash");
            let status = bash.arg("-c").arg(&script.steps[0].command).current_dir(directory.path()).status();
            assert!(status.unwrap().success());
            let written = std::fs::read_to_string(directory.path().join("it's.sh")).unwrap();
            assert_eq!(written.trim_end_matches('\n'), code.trim_end_matches('\n'));
            assert_eq!(script.steps[1].command, r"bash 'it'\''s.sh'");
            assert!(script.steps.iter().all(|step| step.injected));
        }
    }
}
