//! The content of a request, in any protocol.
#![expect(clippy::indexing_slicing, reason = "JSON has null where it has nothing")]

use serde_json::{Map, Value, json};

/// A tool of the agent's, as the request offers it.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// Its name.
    pub name: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

/// The result of a tool call, as the agent sends it back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The call's id, which was given here.
    pub call: String,
    /// What the tool said.
    pub text: String,
}

/// A request, without its protocol.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    /// The tools at hand.
    pub tools: Vec<Tool>,
    /// The results so far, in order.
    pub answers: Vec<Answer>,
    /// The answer is wanted as server-sent events.
    pub stream: bool,
    /// The model that is asked for; it is named in the answer.
    pub model: String,
}

/// What the model does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It calls a tool.
    Call {
        /// What it says with it; may be empty.
        says: String,
        /// Id of the call.
        id: String,
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Value,
    },
    /// It says something, and is done.
    Say(String),
}

/// Names of tools that run a shell command, as agents call them; earlier ones are preferred.
const SHELLS: [&str; 8] = [
    "exec_command",
    "shell_command",
    "bash",
    "Bash",
    "shell",
    "run_shell_command",
    "execute_command",
    "run_command",
];

impl Conversation {
    /// The tool for shell commands.
    pub fn shell(&self) -> Option<&Tool> {
        SHELLS.iter().find_map(|name| self.tool(name))
    }

    /// A tool by its name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

impl Tool {
    /// Arguments that make it run a command: the schema says what the argument is called, whether it is a text or a list
    /// of words, and what else it insists on.
    pub fn run(&self, command: &str, says: &str) -> Value {
        let properties = &self.schema["properties"];
        let mut arguments = Map::new();
        let name = if properties.get("cmd").is_some() { "cmd" } else { "command" };
        let words = properties[name]["type"] == "array";
        arguments.insert(name.into(), if words { json!(["bash", "-lc", command]) } else { command.into() });
        if properties.get("description").is_some() {
            let description = if says.is_empty() { "Runs a command" } else { says };
            arguments.insert("description".into(), description.into());
        }
        if properties.get("yield_time_ms").is_some() {
            arguments.insert("yield_time_ms".into(), 30_000.into());
        }
        Value::Object(arguments)
    }
}

/// The text in a value: itself, or the texts of a list of parts.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(|part| text(&part["text"])).collect(),
        _ => String::new(),
    }
}

/// The elements of a list, none where it is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text in a field; empty where there is none.
pub(super) fn field(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// Events as they are sent: `event:` only where they have a name.
pub(super) fn events(events: &[(Option<&str>, Value)]) -> String {
    let lines = events.iter().map(|(name, data)| match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(schema: Value) -> Tool {
        Tool { name: "shell".into(), schema }
    }

    #[test]
    fn the_schema_says_how_a_command_is_given() {
        let text = tool(json!({"properties": {"cmd": {"type": "string"}, "yield_time_ms": {}}}));
        assert_eq!(text.run("ls", ""), json!({"cmd": "ls", "yield_time_ms": 30_000}));
        let words = tool(json!({"properties": {"command": {"type": "array"}}}));
        assert_eq!(words.run("ls", ""), json!({"command": ["bash", "-lc", "ls"]}));
        let said = tool(json!({"properties": {"command": {"type": "string"}, "description": {}}}));
        assert_eq!(said.run("ls", "Look"), json!({"command": "ls", "description": "Look"}));
    }
}
