//! A session's script: the tool calls of a pretended agent, each a shell of its own, as agents do it.

/// The tool calls of one session, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    calls: Vec<Call>,
}

#[derive(Clone, Debug)]
struct Call {
    command: String,
    needed: bool,
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
    /// A call that must succeed for the session to end well.
    pub fn need(&mut self, command: impl Into<String>) {
        self.calls.push(Call { command: command.into(), needed: true });
    }

    /// A call that may fail.
    pub fn attempt(&mut self, command: impl Into<String>) {
        self.calls.push(Call { command: command.into(), needed: false });
    }

    /// How many calls.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// The script for `bash`. It ends with 1 when a needed call failed.
    pub fn render(&self, session: &str) -> String {
        let mut text = format!("session={}\n{AGENT}", quote(session));
        for Call { command, needed } in &self.calls {
            let how = if *needed { "need" } else { "try" };
            text.push_str(&format!("{how} {}\n", quote(command)));
        }
        text.push_str("exit \"$failed\"\n");
        text
    }
}

/// A word for the shell, whatever is in it.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(super::quote("awk '{ print }'"), r"'awk '\''{ print }'\'''");
    }
}
