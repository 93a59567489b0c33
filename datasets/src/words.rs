//! Text that reads like documentation, drawn from a seed.
#![expect(clippy::indexing_slicing, reason = "a place is drawn from within the table")]

use crate::seed::Rng;
use rand::Rng as _;
use rand::seq::SliceRandom;

const NOUNS: [&str; 40] = [
    "anchor", "batch", "beacon", "bridge", "buffer", "cache", "channel", "cluster", "cursor", "digest",
    "engine", "filter", "frame", "gateway", "harbor", "index", "journal", "kernel", "lantern", "ledger",
    "matrix", "meter", "mirror", "module", "packet", "parser", "pipeline", "planner", "queue", "record",
    "router", "schema", "sensor", "shard", "signal", "socket", "stream", "tracker", "vector", "window",
];
const ADJECTIVES: [&str; 24] = [
    "amber", "brisk", "calm", "clear", "dense", "eager", "early", "faint", "gentle", "hidden", "ideal",
    "late", "linear", "lucid", "mild", "narrow", "plain", "quiet", "rapid", "sharp", "sparse", "steady",
    "tidy", "vivid",
];
const VERBS: [&str; 16] = [
    "accepts", "balances", "collects", "delays", "drains", "follows", "guards", "holds", "merges", "names",
    "orders", "prunes", "reads", "replaces", "sorts", "writes",
];
const DIRECTORIES: [&str; 16] = [
    "guide",
    "reference",
    "design",
    "notes",
    "howto",
    "concepts",
    "tutorial",
    "faq",
    "internals",
    "recipes",
    "policy",
    "release",
    "schema",
    "glossary",
    "operations",
    "examples",
];

fn one(rng: &mut Rng, words: &[&'static str]) -> &'static str {
    words.choose(rng).copied().unwrap_or("thing")
}

/// A noun, to name things and to search for.
pub(crate) fn noun(rng: &mut Rng) -> &'static str {
    one(rng, &NOUNS)
}

/// A name that hardly repeats: `quiet-router-4f1`.
pub(crate) fn slug(rng: &mut Rng) -> String {
    format!("{}-{}-{:03x}", one(rng, &ADJECTIVES), noun(rng), rng.gen_range(0..0x1000))
}

/// A name for code: `quiet_router_41`.
pub(crate) fn identifier(rng: &mut Rng) -> String {
    format!("{}_{}_{}", one(rng, &ADJECTIVES), noun(rng), rng.gen_range(10..100))
}

/// Different names of directories of a documentation tree.
pub(crate) fn directories(rng: &mut Rng, count: usize) -> Vec<&'static str> {
    DIRECTORIES.choose_multiple(rng, count).copied().collect()
}

/// A sentence.
pub(crate) fn sentence(rng: &mut Rng) -> String {
    format!(
        "The {} {} {} the {} {} before the {} is {}.",
        one(rng, &ADJECTIVES),
        noun(rng),
        one(rng, &VERBS),
        one(rng, &ADJECTIVES),
        noun(rng),
        noun(rng),
        one(rng, &ADJECTIVES),
    )
}

/// A page of a few headed sections.
pub(crate) fn page(rng: &mut Rng, sections: usize) -> String {
    let mut page = format!("# The {} {}\n", one(rng, &ADJECTIVES), noun(rng));
    for _ in 0..sections {
        page.push_str(&format!("\n## {} and {}\n\n", noun(rng), noun(rng)));
        for _ in 0..rng.gen_range(3..8) {
            page.push_str(&sentence(rng));
            page.push('\n');
        }
    }
    page
}

/// Base64 letters that appear nowhere else: what an observer can recognise.
pub(crate) fn noise(rng: &mut Rng, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).map(|_| char::from(LETTERS[rng.gen_range(0..LETTERS.len())])).collect()
}
