//! A session's script: what an agent is asked, and the tool calls that it makes, each a shell command of its own.
//!
//! The scripted model plays one to a real agent ([`crate::model`]); [`Script::render`] makes one a program for `bash`.

use serde::{Deserialize, Serialize};

/// What one session does, before it is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The task's tag, which names the baseline.
    pub task: String,
    /// What the agent is asked.
    pub prompt: String,
    /// The tool calls, in order.
    pub steps: Vec<Step>,
}

/// One tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the model says with it; may be empty.
    pub says: String,
    /// The command, for a shell.
    pub command: String,
    /// A step of an attack: it may fail, and the session's own work does not rest on it.
    pub injected: bool,
}

/// Runs one tool call, prints what it printed, and keeps a log of calls in the home, as agents do.
const AGENT: &str = r#"log=$HOME/.local/state/demo-agent/$session.jsonl
mkdir -p "${log%/*}"
failed=0 calls=0
tool() {
    local output status
    output=$(bash -c "$1" 2>&1 </dev/null)
    status=$?
    calls=$((calls + 1))
    printf '%s\n' "$output"
    printf '{"call":%d,"status":%d,"bytes":%d}\n' "$calls" "$status" "${#output}" >>"$log"
    return "$status"
}
need() {
    tool "$1" || { failed=1; printf 'failed: %s\n' "$1" >&2; }
}
try() {
    tool "$1" || true
}
"#;

impl Script {
    /// A call of the session's own work: it must succeed for the session to end well.
    pub(crate) fn need(&mut self, command: impl Into<String>) {
        self.steps.push(Step { says: String::new(), command: command.into(), injected: false });
    }

    /// A call of an attack: it may fail.
    pub(crate) fn inject(&mut self, command: impl Into<String>) {
        self.steps.push(Step { says: String::new(), command: command.into(), injected: true });
    }

    /// The script for `bash`, without a model. It ends with 1 when a call of the session's own work failed.
    pub fn render(&self, session: &str) -> String {
        let mut text = format!("session={}\n{AGENT}", quote(session));
        for Step { command, injected, .. } in &self.steps {
            let how = if *injected { "try" } else { "need" };
            text.push_str(&format!("{how} {}\n", quote(command)));
        }
        text.push_str("exit \"$failed\"\n");
        text
    }
}

/// A word for the shell, whatever is in it.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(super::quote("awk '{ print }'"), r"'awk '\''{ print }'\'''");
    }
}
