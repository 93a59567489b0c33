//! The values of a file of rules, each with its place, and the mistakes that were found in them.

use crate::mistake::Mistake;
use crate::rule::Layer;
use std::ops::Range;
use text::is_unseen;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Places of one rule.
pub(crate) const MAX_SITES: usize = 1_000;
/// Mistakes that are told of one file.
const MAX_MISTAKES: usize = 50;
/// Bytes of a text or path.
pub(crate) const MAX_TEXT: usize = 1_024;

/// A value with its place.
pub(super) type Value<'v> = Spanned<DeValue<'v>>;

/// Reads the values of a file of a layer.
pub(super) struct Reader<'f> {
    pub(super) layer: Layer,
    pub(super) file: &'f str,
    pub(super) mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, mistake: Mistake) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(mistake);
        }
    }

    /// Tells what is not known, and what is and cannot be enforced.
    pub(super) fn known(&mut self, what: &str, table: &DeTable<'_>, known: &[&str], later: &[&str]) {
        for key in table.keys() {
            let word: &str = key.get_ref();
            if !known.contains(&word) {
                self.wrong(Mistake::unknown(what, word, known, key.span()));
            } else if later.contains(&word) {
                self.wrong(not_yet(word, key.span()));
            }
        }
    }

    pub(super) fn text(&mut self, value: &Value<'_>) -> Option<String> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(Mistake::new("this should be a text in quotes", value.span()));
            return None;
        };
        if text.trim().is_empty() || text.len() > MAX_TEXT || text.chars().any(is_unseen) {
            let message = format!("a text has 1 to {MAX_TEXT} bytes on one line, all of which are seen");
            self.wrong(Mistake::new(message, value.span()));
            return None;
        }
        // Whoever is shown it in quotes could take what follows for what is said of it.
        if self.layer == Layer::Repository && text.contains(['`', '"']) {
            self.wrong(Mistake::new("a text of a repository has no quotation marks in it", value.span()));
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn bool(&mut self, value: &Value<'_>) -> bool {
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(Mistake::new("this is `true` or `false`", value.span()));
            false
        })
    }

    pub(super) fn word<T: Copy>(
        &mut self,
        value: &Value<'_>,
        what: &str,
        all: &[T],
        word: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(value)?;
        let found = all.iter().copied().find(|one| word(*one) == text);
        if found.is_none() {
            let known: Vec<&str> = all.iter().map(|one| word(*one)).collect();
            self.wrong(Mistake::unknown(what, &text, &known, value.span()));
        }
        found
    }

    pub(super) fn list<'v>(&mut self, value: &'v Value<'v>) -> &'v [Value<'v>] {
        match value.get_ref() {
            DeValue::String(_) => std::slice::from_ref(value),
            DeValue::Array(list) if list.len() <= MAX_SITES => list,
            DeValue::Array(_) => {
                self.wrong(Mistake::new(format!("a list has at most {MAX_SITES} entries"), value.span()));
                &[]
            }
            _ => {
                self.wrong(Mistake::new("this should be a text in quotes, or a list of them", value.span()));
                &[]
            }
        }
    }
}

/// What is known, and does nothing yet.
pub(super) fn not_yet(word: &str, at: Range<usize>) -> Mistake {
    Mistake::new(format!("`{word}` cannot be enforced yet"), at)
        .help("leave it out: a rule that says it would not hold")
}
