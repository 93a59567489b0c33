//! The Responses API of OpenAI.
#![expect(clippy::indexing_slicing, reason = "what gets a field was made as an object just before")]

use super::conversation::{Answer, Conversation, Tool, Turn, events, field, list, text};
use serde_json::{Value, json};

/// Reads a request.
pub(super) fn read(request: &Value) -> Conversation {
    let tools = list(&request["tools"])
        .filter(|tool| tool["type"] == "function")
        .map(|tool| Tool { name: field(tool, "name"), schema: tool["parameters"].clone() });
    let answers = list(&request["input"]).filter(|item| item["type"] == "function_call_output");
    let answer = |item: &Value| {
        let output = &item["output"];
        // A text, a list of parts, or an object with the text in it.
        let content = output.get("content").unwrap_or(output);
        Answer { call: field(item, "call_id"), text: text(content) }
    };
    Conversation {
        tools: tools.collect(),
        answers: answers.map(answer).collect(),
        stream: request["stream"] == true,
        model: field(request, "model"),
    }
}

/// Writes an answer.
pub(super) fn write(conversation: &Conversation, turn: &Turn) -> String {
    let id = format!("resp_{}", conversation.answers.len());
    let message = |said: &str| {
        json!({
            "type": "message", "id": format!("msg_{}", conversation.answers.len()), "role": "assistant",
            "status": "completed", "content": [{"type": "output_text", "text": said, "annotations": []}],
        })
    };
    let output = match turn {
        Turn::Say(said) => vec![message(said)],
        Turn::Call { says, id, tool, arguments } => {
            let call = json!({
                "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": tool,
                "arguments": arguments.to_string(), "status": "completed",
            });
            if says.is_empty() { vec![call] } else { vec![message(says), call] }
        }
    };
    let response = |status: &str, output: &[Value]| {
        json!({
            "id": id, "object": "response", "status": status, "model": conversation.model, "output": output,
            "usage": {
                "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
            },
        })
    };
    if !conversation.stream {
        return response("completed", &output).to_string();
    }
    let named = |kind: &'static str, mut data: Value| {
        data["type"] = kind.into();
        (Some(kind), data)
    };
    let mut sent = vec![named("response.created", json!({"response": response("in_progress", &[])}))];
    for (index, item) in output.iter().enumerate() {
        sent.push(named("response.output_item.added", json!({"output_index": index, "item": item})));
        sent.push(named("response.output_item.done", json!({"output_index": index, "item": item})));
    }
    sent.push(named("response.completed", json!({"response": response("completed", &output)})));
    events(&sent)
}
