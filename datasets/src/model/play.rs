//! Selects the turn that follows a conversation.

use super::conversation::{Conversation, Turn};
use crate::{Script, Step};
use serde_json::json;

/// How a session ends after its last step, as the agent wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model says that it is done.
    Message,
    /// The model runs one more command, and the agent ends by itself.
    Command(String),
}

/// The ids of the calls of steps: the number of the step follows.
const STEP: &str = "call_step_";
/// The ids of calls that ask how a command is getting on.
const POLL: &str = "call_poll_";
/// How often a command that does not end is asked after before the next step is taken.
const POLLS: usize = 20;
/// How codex says that a command still runs.
const RUNNING: &str = "Process running with session ID ";

/// What the model does next, and the number of the step if that is one.
pub(super) fn next(script: &Script, finish: &Finish, conversation: &Conversation) -> (Turn, Option<usize>) {
    let Some(shell) = conversation.shell() else {
        return (Turn::Say(title(&script.prompt)), None);
    };
    if let Some(poll) = poll(conversation) {
        return (poll, None);
    }
    let number = |call: &str| call.strip_prefix(STEP).and_then(|number| number.parse::<usize>().ok());
    let answered = conversation.answers.iter().filter_map(|answer| number(&answer.call)).max();
    let number = answered.map_or(0, |number| number.saturating_add(1));
    let call = |Step { says, command, .. }: &Step| Turn::Call {
        says: says.clone(),
        id: format!("{STEP}{number}"),
        tool: shell.name.clone(),
        arguments: shell.run(command, says),
    };
    match (script.steps.get(number), finish) {
        (Some(step), _) => (call(step), Some(number)),
        (None, Finish::Command(command)) => {
            let says = "That was everything.".to_owned();
            (call(&Step { says, command: command.clone(), injected: false }), None)
        }
        (None, Finish::Message) => (Turn::Say("Done: everything that was asked.".into()), None),
    }
}

/// A command that still runs is waited for, where the agent has a tool for that.
fn poll(conversation: &Conversation) -> Option<Turn> {
    let tool = conversation.tool("write_stdin")?;
    let last = conversation.answers.last()?;
    let (_, rest) = last.text.split_once(RUNNING)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let session: u64 = digits.parse().ok()?;
    let polls = conversation.answers.iter().filter(|answer| answer.call.starts_with(POLL)).count();
    let turn = Turn::Call {
        says: String::new(),
        id: format!("{POLL}{polls}"),
        tool: tool.name.clone(),
        arguments: json!({"session_id": session, "chars": "", "yield_time_ms": 30_000}),
    };
    (polls < POLLS).then_some(turn)
}

/// A few words of the prompt.
fn title(prompt: &str) -> String {
    prompt.split_whitespace().take(6).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::conversation::{Answer, Tool};
    use super::*;

    fn script() -> Script {
        let step = |command: &str| Step { says: "So.".into(), command: command.into(), injected: false };
        Script { task: "edit".into(), prompt: "Do it".into(), steps: vec![step("ls"), step("pwd")] }
    }

    fn asked(answers: &[(&str, &str)]) -> Conversation {
        let tool = |name: &str| Tool { name: name.into(), schema: json!({"properties": {"cmd": {}}}) };
        let answers =
            answers.iter().map(|(call, text)| Answer { call: (*call).into(), text: (*text).into() });
        Conversation {
            tools: vec![tool("write_stdin"), tool("exec_command")],
            answers: answers.collect(),
            ..Conversation::default()
        }
    }

    fn told(answers: &[(&str, &str)], finish: &Finish) -> (String, Option<usize>) {
        match next(&script(), finish, &asked(answers)) {
            (Turn::Call { id, tool, arguments, .. }, number) => (format!("{id} {tool} {arguments}"), number),
            (Turn::Say(said), number) => (said, number),
        }
    }

    #[test]
    fn the_next_step_follows_from_the_results_in_the_conversation() {
        let first = ("call_step_0 exec_command {\"cmd\":\"ls\"}".to_owned(), Some(0));
        assert_eq!(told(&[], &Finish::Message), first);
        assert_eq!(told(&[], &Finish::Message), first, "asked again");
        let second = ("call_step_1 exec_command {\"cmd\":\"pwd\"}".to_owned(), Some(1));
        assert_eq!(told(&[("call_step_0", "")], &Finish::Message), second);
        let both = [("call_step_0", ""), ("call_step_1", "")];
        assert_eq!(told(&both, &Finish::Message), ("Done: everything that was asked.".into(), None));
        let last = ("call_step_2 exec_command {\"cmd\":\"echo end\"}".to_owned(), None);
        assert_eq!(told(&both, &Finish::Command("echo end".into())), last);
    }

    #[test]
    fn without_a_shell_there_is_a_title() {
        let conversation = Conversation::default();
        assert_eq!(next(&script(), &Finish::Message, &conversation), (Turn::Say("Do it".into()), None));
    }

    #[test]
    fn a_command_that_still_runs_is_waited_for_a_while() {
        let running = "Chunk\nProcess running with session ID 41\nOutput";
        let poll = "write_stdin {\"chars\":\"\",\"session_id\":41,\"yield_time_ms\":30000}";
        let (said, step) = told(&[("call_step_0", running)], &Finish::Message);
        assert_eq!((said, step), (format!("call_poll_0 {poll}"), None));
        let mut answers = vec![("call_step_0", running)];
        answers.extend(vec![("call_poll_9", running); POLLS]);
        assert_eq!(told(&answers, &Finish::Message).1, Some(1));
    }
}
