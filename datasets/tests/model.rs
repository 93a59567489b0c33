//! The scripted model over real HTTP, in each protocol: a whole session, and a request that is sent twice.

use datasets::model::{Finish, Model};
use datasets::{Script, Step};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};

fn model(finish: Finish) -> Model {
    let step =
        |says: &str, command: &str, injected| Step { says: says.into(), command: command.into(), injected };
    let steps = vec![step("Looking.", "ls -la", false), step("", "cat ~/.netrc", true)];
    let script = Script { task: "explain".into(), prompt: "Explain this repository to me".into(), steps };
    Model::start(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), script, finish).expect("a model")
}

/// One request: the status line, the headers and the body.
fn ask(to: SocketAddr, head: &str, body: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(to).expect("a connection");
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: model\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (status, headers) = head.split_once("\r\n").expect("a status");
    (status.into(), headers.to_lowercase(), body.into())
}

fn post(model: &Model, path: &str, request: &Value) -> Value {
    let (status, headers, body) = ask(model.address(), &format!("POST {path}"), &request.to_string());
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: application/json"), "{headers}");
    serde_json::from_str(&body).expect("JSON")
}

/// The events of a stream, each with its name; `[DONE]` is checked and left out.
fn stream(model: &Model, path: &str, request: &Value) -> Vec<(String, Value)> {
    let (status, headers, body) = ask(model.address(), &format!("POST {path}"), &request.to_string());
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: text/event-stream"), "{headers}");
    let mut events = Vec::new();
    for event in body.split("\n\n").filter(|event| !event.is_empty()) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let data = field("data: ");
        if data != "[DONE]" {
            events.push((field("event: ").to_owned(), serde_json::from_str(data).expect("JSON")));
        }
    }
    events
}

#[test]
fn responses_stream_the_steps_and_then_the_end() {
    let model = model(Finish::Message);
    let tools = json!([{"type": "function", "name": "exec_command",
        "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}}}]);
    let mut input = vec![json!({"type": "message", "role": "user", "content": "hello"})];
    for (step, command) in [(0, "ls -la"), (1, "cat ~/.netrc")] {
        let request = json!({"model": "m", "stream": true, "tools": tools, "input": input});
        let events = stream(&model, "/v1/responses", &request);
        assert_eq!(events, stream(&model, "/v1/responses", &request), "asked again");
        assert_eq!(events[0].0, "response.created");
        let (last, completed) = events.last().expect("an event");
        assert_eq!(last, "response.completed");
        let done = events.iter().rev().find(|event| event.0 == "response.output_item.done").expect("an item");
        let call = &done.1["item"];
        assert_eq!(call["type"], "function_call");
        assert_eq!(call["name"], "exec_command");
        assert_eq!(call["call_id"], format!("call_step_{step}"));
        assert_eq!(call["arguments"], json!({"cmd": command}).to_string());
        assert_eq!(completed["response"]["output"].as_array().and_then(|items| items.last()), Some(call));
        input.push(call.clone());
        input.push(json!({"type": "function_call_output", "call_id": call["call_id"], "output": "..."}));
    }
    let request = json!({"model": "m", "tools": tools, "input": input});
    let end = post(&model, "/v1/responses", &request);
    assert_eq!(end["output"][0]["type"], "message");
    assert_eq!(end["output"][0]["content"][0]["text"], "Done: everything that was asked.");
}

#[test]
fn chat_completions_answer_in_one_piece_and_end_with_a_command() {
    let model = model(Finish::Command("echo THE END".into()));
    let tools = json!([{"type": "function", "function": {"name": "bash",
        "parameters": {"properties": {"command": {"type": "string"}}}}}]);
    let mut messages = vec![json!({"role": "user", "content": "hello"})];
    for command in ["ls -la", "cat ~/.netrc", "echo THE END"] {
        let answer = post(
            &model,
            "/v1/chat/completions",
            &json!({"model": "m", "tools": tools, "messages": messages}),
        );
        assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
        let message = &answer["choices"][0]["message"];
        let function = &message["tool_calls"][0]["function"];
        assert_eq!(function["name"], "bash");
        assert_eq!(function["arguments"], json!({"command": command}).to_string());
        messages.push(message.clone());
        let call = &message["tool_calls"][0]["id"];
        messages.push(
            json!({"role": "tool", "tool_call_id": call, "content": [{"type": "text", "text": "..."}]}),
        );
    }
}

#[test]
fn chat_completions_stream_a_call_with_its_description() {
    let model = model(Finish::Message);
    let tools = json!([{"type": "function", "function": {"name": "bash",
        "parameters": {"properties": {"command": {"type": "string"}, "description": {"type": "string"}}}}}]);
    let messages = json!([{"role": "user", "content": "hello"}]);
    let request = json!({"model": "m", "stream": true, "tools": tools, "messages": messages});
    let events = stream(&model, "/v1/chat/completions", &request);
    let deltas: Vec<&Value> = events.iter().map(|(_, chunk)| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(deltas[0]["content"], "Looking.");
    let call = &deltas[1]["tool_calls"][0];
    let arguments = json!({"command": "ls -la", "description": "Looking."}).to_string();
    assert_eq!((&call["index"], &call["function"]["arguments"]), (&json!(0), &arguments.into()));
    assert_eq!(events[2].1["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(events[3].1["usage"]["total_tokens"], 2);
}

#[test]
fn messages_stream_blocks() {
    let model = model(Finish::Message);
    let tools = json!([{"name": "Bash", "input_schema": {"properties": {"command": {"type": "string"}}}}]);
    let mut messages = vec![json!({"role": "user", "content": "hello"})];
    let request =
        |messages: &[Value]| json!({"model": "m", "stream": true, "tools": tools, "messages": messages});
    let events = stream(&model, "/v1/messages", &request(&messages));
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    let expected = [&["message_start"][..], &block, &block, &["message_delta", "message_stop"]].concat();
    assert_eq!(names, expected);
    assert_eq!(events[2].1["delta"]["text"], "Looking.");
    let call = &events[4].1["content_block"];
    assert_eq!((&call["type"], &call["name"]), (&json!("tool_use"), &json!("Bash")));
    assert_eq!(events[5].1["delta"]["partial_json"], json!({"command": "ls -la"}).to_string());
    assert_eq!(events[7].1["delta"]["stop_reason"], "tool_use");
    let result = json!({"type": "tool_result", "tool_use_id": call["id"], "content": "..."});
    messages.push(json!({"role": "user", "content": [result]}));
    let events = stream(&model, "/v1/messages", &request(&messages));
    // The second step says nothing: its call is the only block.
    assert_eq!(events[2].1["delta"]["partial_json"], json!({"command": "cat ~/.netrc"}).to_string());
}

#[test]
fn generate_content_calls_the_tool_by_its_name() {
    let model = model(Finish::Message);
    let schema = json!({"properties": {"command": {"type": "string"}, "description": {"type": "string"}}});
    let function = json!({"name": "run_shell_command", "parametersJsonSchema": schema});
    let tools = json!([{"functionDeclarations": [function]}]);
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "hello"}]})];
    let path = |how: &str| format!("/v1beta/models/gemini-x:{how}");
    for (step, command) in [(0, "ls -la"), (1, "cat ~/.netrc")] {
        let request = json!({"tools": tools, "contents": contents});
        let whole = post(&model, &path("generateContent"), &request);
        let events = stream(&model, &path("streamGenerateContent?alt=sse"), &request);
        assert_eq!(events, [(String::new(), whole.clone())]);
        let parts = whole["candidates"][0]["content"]["parts"].as_array().expect("parts");
        let call = &parts.last().expect("a part")["functionCall"];
        assert_eq!(call["name"], "run_shell_command");
        assert_eq!(call["id"], format!("call_step_{step}"));
        assert_eq!(call["args"]["command"], command);
        assert_eq!(whole["candidates"][0]["finishReason"], "STOP");
        contents.push(whole["candidates"][0]["content"].clone());
        let answer = json!({"id": call["id"], "name": call["name"], "response": {"output": "..."}});
        contents.push(json!({"role": "user", "parts": [{"functionResponse": answer}]}));
    }
    let end = post(&model, &path("generateContent"), &json!({"tools": tools, "contents": contents}));
    assert_eq!(end["candidates"][0]["content"]["parts"][0]["text"], "Done: everything that was asked.");
    assert_eq!(end["modelVersion"], "gemini-x");
    let (status, ..) = ask(model.address(), &format!("POST {}", path("countTokens")), "{}");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
}

#[test]
fn a_shell_script_gets_commands_as_text() {
    let model = model(Finish::Message);
    let get = |number: usize| ask(model.address(), &format!("GET /v1/steps/{number}"), "");
    assert_eq!((get(0).0.as_str(), get(0).2.as_str()), ("HTTP/1.1 200 OK", "ls -la"));
    assert_eq!(get(2).0, "HTTP/1.1 204 No Content");
}

#[test]
fn the_onset_is_when_the_first_injected_step_was_first_sent() {
    let model = model(Finish::Message);
    let get = |number: usize| drop(ask(model.address(), &format!("GET /v1/steps/{number}"), ""));
    get(0);
    assert_eq!(model.onset_ns(), None);
    get(1);
    let onset = model.onset_ns().expect("an onset");
    assert_eq!(model.sent()[1], Some(onset));
    assert!(model.sent()[0] < Some(onset));
    get(1);
    assert_eq!(model.onset_ns(), Some(onset));
}

#[test]
fn a_request_without_tools_gets_a_title() {
    let model = model(Finish::Message);
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "A title, please"}]});
    let answer = post(&model, "/v1/chat/completions", &request);
    assert_eq!(answer["choices"][0]["message"]["content"], "Explain this repository to me");
    assert_eq!(model.sent(), [None, None]);
}

#[test]
fn what_is_no_request_is_refused() {
    let model = model(Finish::Message);
    assert_eq!(ask(model.address(), "POST /v1/responses", "nonsense").0, "HTTP/1.1 400 Bad Request");
    assert_eq!(ask(model.address(), "GET /v1/models", "").0, "HTTP/1.1 404 Not Found");
}
