//! The server: one listening address, one script, one thread.

use super::conversation::{Conversation, Turn};
use super::play::{self, Finish};
use super::{chat, generate, messages, responses};
use crate::clock::boottime_ns;
use crate::http::Server;
use crate::{Error, Script};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};

/// Whole conversations come with each request.
const LARGEST_REQUEST_BYTES: usize = 64 << 20;

/// A model that plays one script. Dropping it stops it.
#[derive(Debug)]
pub struct Model {
    server: Server,
    play: Arc<Play>,
}

#[derive(Debug)]
struct Play {
    script: Script,
    finish: Finish,
    /// When each step was first sent, CLOCK_BOOTTIME, ns.
    sent: Mutex<Vec<Option<u64>>>,
}

impl Model {
    /// Begins to listen, in the network namespace of the calling thread.
    pub fn start(address: SocketAddrV4, script: Script, finish: Finish) -> Result<Model, Error> {
        let sent = Mutex::new(vec![None; script.steps.len()]);
        let play = Arc::new(Play { script, finish, sent });
        Ok(Model { server: Server::start(address, router(play.clone()))?, play })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// When each step was first sent, CLOCK_BOOTTIME, ns; `None` for those that were not.
    pub fn sent(&self) -> Vec<Option<u64>> {
        self.play.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the first injected step was sent, CLOCK_BOOTTIME, ns.
    pub fn onset_ns(&self) -> Option<u64> {
        let sent = self.sent();
        let steps = self.play.script.steps.iter().zip(sent);
        steps.filter(|(step, _)| step.injected).find_map(|(_, sent)| sent)
    }
}

impl Play {
    fn turn(&self, conversation: &Conversation) -> Turn {
        let (turn, step) = play::next(&self.script, &self.finish, conversation);
        if let Some(step) = step {
            self.note(step);
        }
        turn
    }

    fn answer(&self, conversation: &Conversation, write: Write) -> Response {
        let kind = if conversation.stream { "text/event-stream" } else { "application/json" };
        let answer = write(conversation, &self.turn(conversation));
        ([(header::CONTENT_TYPE, kind)], answer).into_response()
    }

    fn note(&self, step: usize) {
        let now = boottime_ns();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = sent.get_mut(step) {
            slot.get_or_insert(now);
        }
    }
}

type Read = fn(&Value) -> Conversation;
type Write = fn(&Conversation, &Turn) -> String;

fn router(play: Arc<Play>) -> Router {
    let speak = |read: Read, write: Write| {
        post(async move |State(play): State<Arc<Play>>, Json(request): Json<Value>| {
            play.answer(&read(&request), write)
        })
    };
    Router::new()
        .route("/v1/responses", speak(responses::read, responses::write))
        .route("/v1/chat/completions", speak(chat::read, chat::write))
        .route("/v1/messages", speak(messages::read, messages::write))
        .route("/v1beta/models/{call}", post(content))
        .route("/v1/steps/{number}", get(step))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST_BYTES))
        .with_state(play)
}

/// What is asked of a model of Gemini's stands in the path, behind its name.
async fn content(
    State(play): State<Arc<Play>>,
    Path(call): Path<String>,
    Json(request): Json<Value>,
) -> Response {
    match call.rsplit_once(':') {
        Some((model, "generateContent")) => {
            play.answer(&generate::read(&request, model, false), generate::write)
        }
        Some((model, "streamGenerateContent")) => {
            play.answer(&generate::read(&request, model, true), generate::write)
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn step(State(play): State<Arc<Play>>, Path(number): Path<usize>) -> Response {
    match play.script.steps.get(number) {
        Some(step) => {
            play.note(number);
            step.command.clone().into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
