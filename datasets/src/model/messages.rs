//! The Messages API of Anthropic.
#![expect(clippy::indexing_slicing, reason = "what gets a field was made as an object just before")]

use super::conversation::{Answer, Conversation, Tool, Turn, events, field, list, text};
use serde_json::{Value, json};

/// Reads a request.
pub(super) fn read(request: &Value) -> Conversation {
    let tools = list(&request["tools"])
        .map(|tool| Tool { name: field(tool, "name"), schema: tool["input_schema"].clone() });
    let answers = list(&request["messages"])
        .flat_map(|message| list(&message["content"]))
        .filter(|part| part["type"] == "tool_result")
        .map(|part| Answer { call: field(part, "tool_use_id"), text: text(&part["content"]) });
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
        Turn::Say(said) => (said, None, "end_turn"),
        Turn::Call { says, id, tool, arguments } => (says, Some((id, tool, arguments)), "tool_use"),
    };
    let message = |content: Value, reason: Value| {
        json!({
            "id": format!("msg_{}", conversation.answers.len()), "type": "message", "role": "assistant",
            "model": conversation.model, "content": content, "stop_reason": reason, "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        })
    };
    let use_of = |(id, tool, input): (&String, &String, Value)| json!({"type": "tool_use", "id": id, "name": tool, "input": input});
    let texts: Vec<&String> = [said].into_iter().filter(|said| !said.is_empty()).collect();
    if !conversation.stream {
        let mut content: Vec<Value> =
            texts.iter().map(|said| json!({"type": "text", "text": said})).collect();
        content.extend(call.map(|(id, tool, arguments)| use_of((id, tool, arguments.clone()))));
        return message(content.into(), reason.into()).to_string();
    }
    let named = |kind: &'static str, mut data: Value| {
        data["type"] = kind.into();
        (Some(kind), data)
    };
    // Each block with the one delta that fills it.
    let mut blocks = Vec::new();
    for said in texts {
        let delta = json!({"type": "text_delta", "text": said});
        blocks.push((json!({"type": "text", "text": ""}), delta));
    }
    if let Some((id, tool, arguments)) = call {
        let delta = json!({"type": "input_json_delta", "partial_json": arguments.to_string()});
        blocks.push((use_of((id, tool, json!({}))), delta));
    }
    let mut sent = vec![named("message_start", json!({"message": message(json!([]), Value::Null)}))];
    for (index, (block, delta)) in blocks.into_iter().enumerate() {
        sent.push(named("content_block_start", json!({"index": index, "content_block": block})));
        sent.push(named("content_block_delta", json!({"index": index, "delta": delta})));
        sent.push(named("content_block_stop", json!({"index": index})));
    }
    let end = json!({"stop_reason": reason, "stop_sequence": null});
    sent.push(named("message_delta", json!({"delta": end, "usage": {"output_tokens": 1}})));
    sent.push(named("message_stop", json!({})));
    events(&sent)
}
