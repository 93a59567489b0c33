//! The Gemini API of Google: `generateContent`.

use super::conversation::{Answer, Conversation, Tool, Turn, events, field, list};
use serde_json::{Value, json};

/// Reads a request; the path says which model is asked, and whether a stream is wanted.
pub(super) fn read(request: &Value, model: &str, stream: bool) -> Conversation {
    let declarations = list(&request["tools"]).flat_map(|tool| list(&tool["functionDeclarations"]));
    let tools = declarations.map(|function| {
        // The schema stands in one of two fields, by the version of the client.
        let schema = function.get("parametersJsonSchema").unwrap_or(&function["parameters"]);
        Tool { name: field(function, "name"), schema: schema.clone() }
    });
    let parts = list(&request["contents"]).flat_map(|content| list(&content["parts"]));
    let answers = parts
        .map(|part| &part["functionResponse"])
        .filter(|answer| answer.is_object())
        .map(|answer| Answer { call: field(answer, "id"), text: field(&answer["response"], "output") });
    Conversation { tools: tools.collect(), answers: answers.collect(), stream, model: model.to_owned() }
}

/// Writes an answer.
pub(super) fn write(conversation: &Conversation, turn: &Turn) -> String {
    let parts = match turn {
        Turn::Say(said) => vec![json!({"text": said})],
        Turn::Call { says, id, tool, arguments } => {
            let call = json!({"functionCall": {"id": id, "name": tool, "args": arguments}});
            if says.is_empty() { vec![call] } else { vec![json!({"text": says}), call] }
        }
    };
    let content = json!({"role": "model", "parts": parts});
    let answer = json!({
        "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        "modelVersion": conversation.model,
    });
    if conversation.stream { events(&[(None, answer)]) } else { answer.to_string() }
}
