//! Evaluation: recorded and live sessions against what Wardline said of them.
//!
//! [`evaluate()`] reads a corpus, trains on its training split, calibrates on its calibration split, and replays the rest
//! through the same tokeniser and scorer as the guard's; what live sessions came to is read from their recordings and the
//! corpus' own observer. The [`result::EvalResult`] is written as JSON, as a Markdown [`table`] and as one [`report`] page;
//! [`compare`] sets two of them side by side. [`replay()`] scores the sessions of any store. [`code`] reads programs of others
//! that are run by a guarded agent, and counts what became of them. [`public`] scores traces that others recorded.
//!
//! Must never: talk to a kernel, take Wardline's word for what an attack achieved, or let a clock, an address or an order
//! of threads into a figure.
#![expect(
    clippy::indexing_slicing,
    reason = "places are those of the corpus that they were found in, and JSON has null where it has nothing; a panic ends an evaluation, and guards nobody"
)]
#![forbid(unsafe_code)]

mod channels;
pub mod code;
pub mod compare;
mod error;
mod evaluate;
pub mod metrics;
mod planted;
pub mod public;
mod replay;
pub mod report;
pub mod result;
mod scenario;
mod score;
pub mod table;
mod trace;
mod words;

pub use channels::{Channels, Figures, Measure};
pub use error::Error;
pub use evaluate::{Evaluation, Options, evaluate};
pub use planted::{Planted, planted};
pub use replay::{Peak, SessionScore, Summary, replay, summarise};
pub use result::{read, result_file};
pub use scenario::{Scenario, Scenarios};
pub use words::{headline, percent, three};
