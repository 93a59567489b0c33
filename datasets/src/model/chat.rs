//! The Chat Completions API of OpenAI.
#![expect(clippy::indexing_slicing, reason = "what gets a field was made as an object just before")]

use super::conversation::{Answer, Conversation, Tool, Turn, events, field, list, text};
use serde_json::{Value, json};

/// Reads a request.
pub(super) fn read(request: &Value) -> Conversation {
    let tools = list(&request["tools"]).map(|tool| {
        let function = &tool["function"];
        Tool { name: field(function, "name"), schema: function["parameters"].clone() }
    });
    let answers = list(&request["messages"])
        .filter(|message| message["role"] == "tool")
        .map(|message| Answer { call: field(message, "tool_call_id"), text: text(&message["content"]) });
    Conversation {
        tools: tools.collect(),
        answers: answers.collect(),
        stream: request["stream"] == true,
        model: field(request, "model"),
    }
}

/// Writes an answer.
pub(super) fn write(conversation: &Conversation, turn: &Turn) -> String {
    let (said, call, reason) = match turn {
        Turn::Say(said) => (said, None, "stop"),
        Turn::Call { says, id, tool, arguments } => {
            let function = json!({"name": tool, "arguments": arguments.to_string()});
            let call = json!({"index": 0, "id": id, "type": "function", "function": function});
            (says, Some(call), "tool_calls")
        }
    };
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    let whole = |object: &str, choices: Value| {
        json!({
            "id": format!("chatcmpl-{}", conversation.answers.len()), "object": object, "created": 0,
            "model": conversation.model, "choices": choices, "usage": usage,
        })
    };
    if !conversation.stream {
        let mut message = json!({"role": "assistant", "content": said});
        if let Some(call) = call {
            message["tool_calls"] = json!([call]);
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        return whole("chat.completion", json!([choice])).to_string();
    }
    let delta = |delta: Value, reason: Value| {
        let mut chunk =
            whole("chat.completion.chunk", json!([{"index": 0, "delta": delta, "finish_reason": reason}]));
        chunk["usage"] = Value::Null;
        (None, chunk)
    };
    let mut sent = vec![delta(json!({"role": "assistant", "content": said}), Value::Null)];
    if let Some(call) = call {
        sent.push(delta(json!({"tool_calls": [call]}), Value::Null));
    }
    sent.push(delta(json!({}), reason.into()));
    sent.push((None, whole("chat.completion.chunk", json!([]))));
    events(&sent) + "data: [DONE]\n\n"
}
