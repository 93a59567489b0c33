//! The scripted model: a server that speaks what coding agents speak, and plays a [`Script`](crate::Script).
//!
//! | path | protocol |
//! | --- | --- |
//! | `POST /v1/responses` | OpenAI Responses |
//! | `POST /v1/chat/completions` | OpenAI Chat Completions |
//! | `POST /v1/messages` | Anthropic Messages |
//! | `POST /v1beta/models/MODEL:generateContent`, `:streamGenerateContent` | Google Gemini |
//! | `GET /v1/steps/N` | none: the N-th command as text, for an agent that is a shell script; 204 after the last |
//!
//! All but the last answer in one piece or as server-sent events, as the request says. A request that offers
//! no tool for shell commands (agents ask for titles and summaries so) gets a sentence. One that does gets the next step
//! as a call of that tool, and after the last step the end. Which step is next follows from the conversation that the
//! agent sends, not from a counter here: a request that is sent again gets the same answer.

mod chat;
mod conversation;
mod generate;
mod messages;
mod play;
mod responses;
mod server;

pub use play::Finish;
pub use server::Model;
