//! What an evaluation is told.

/// What the corpus does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Seed of resampling, of orders and of what is dropped.
    pub seed: u64,
    /// The source that Wardline was built from.
    pub commit: Option<String>,
    /// Keep what the channels said.
    pub channels: bool,
    /// Version of Wardline.
    pub wardline: String,
}
