//! An error in a file of rules or configuration, with its place.

use miette::{Diagnostic, NamedSource, SourceSpan};
use std::ops::Range;
use text::masked;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// Where it stands.
    #[label("here")]
    pub at: SourceSpan,
    /// What to do.
    #[help]
    pub help: Option<String>,
}

/// What a file of rules should be.
pub(crate) const POLICY: &str = "policy";

/// Everything that is wrong with one file.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("`{}` is no {what}: {}", .source_code.name(), text::count(.mistakes.len() as u64, "mistake"))]
pub struct Mistakes {
    /// What it should be, in a word.
    what: &'static str,
    #[source_code]
    source_code: NamedSource<String>,
    /// Each.
    #[related]
    pub mistakes: Vec<Mistake>,
}

/// A text of others as it may be shown: as long as it was, so that places in it stay the same.
fn shown(text: &str) -> String {
    masked(text, &['\n', '\t'])
}

impl Mistake {
    /// One at a place, in bytes.
    pub fn new(message: impl Into<String>, at: Range<usize>) -> Self {
        Self { message: shown(&message.into()), at: (at.start, at.len()).into(), help: None }
    }

    /// The same, with what to do.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// A word that is none, with the nearest of those that are.
    pub fn unknown(what: &str, word: &str, known: &[&str], at: Range<usize>) -> Self {
        let mistake = Self::new(format!("`{word}` is no {what}"), at);
        match nearest(word, known) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake.help(format!("known: {}", known.join(", "))),
        }
    }
}

/// How much like a known word another is that may be meant for it, of 1.
const ALIKE: f64 = 0.6;

/// The known word that is most like another, if one is.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    most_like(word, known, ALIKE)
}

/// The known word that is most like another, if it is so much like it.
pub(crate) fn most_like<'k>(word: &str, known: &[&'k str], alike: f64) -> Option<&'k str> {
    let like = |other: &str| strsim::normalized_damerau_levenshtein(word, other);
    let best = known.iter().map(|known| (like(known), *known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= alike).then_some(best.1)
}

impl Mistakes {
    /// Those of a file that should be `what`, in the order of their places.
    pub fn new(file: &str, what: &'static str, text: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.at.offset());
        Self { what, source_code: NamedSource::new(shown(file), shown(text)), mistakes }
    }

    /// The file.
    pub fn file(&self) -> &str {
        self.source_code.name()
    }

    /// Line and column of a mistake, from 1.
    pub fn position(&self, mistake: &Mistake) -> (usize, usize) {
        let text = self.source_code.inner();
        let (before, _) = text.split_at(text.floor_char_boundary(mistake.at.offset()));
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// With the lines that are meant, for people.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let theme = miette::GraphicalTheme::unicode_nocolor();
        match miette::GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .render_report(&mut text, self)
        {
            Ok(()) => text,
            Err(_) => self.to_string(),
        }
    }
}
