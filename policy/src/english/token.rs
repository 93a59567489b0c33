//! A sentence as words, names in quotes, and places.

use std::ops::Range;

/// Bytes that are heard.
pub const MAX_BYTES: usize = 4_096;

/// One piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub text: Text,
    /// A comma stands behind it.
    pub comma: bool,
    /// A question mark does.
    pub asks: bool,
    /// Where in what was said.
    pub at: Range<usize>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A word, in lower case.
    Word(String),
    /// What stands in quotes.
    Quoted(String),
    /// What looks like a path, a pattern, a file's name, a host or an address.
    Name(String),
}

impl Token {
    /// The word, if it is one.
    pub fn word(&self) -> Option<&str> {
        match &self.text {
            Text::Word(word) => Some(word),
            _ => None,
        }
    }

    /// What it names, if it is no plain word.
    pub fn name(&self) -> Option<&str> {
        match &self.text {
            Text::Quoted(name) | Text::Name(name) => Some(name),
            Text::Word(_) => None,
        }
    }
}

/// Files that are known by a name that looks like a word.
const FILES: [&str; 7] =
    ["makefile", "dockerfile", "license", "readme", "justfile", "vagrantfile", "procfile"];

/// The sentences of a text.
pub fn sentences(text: &str) -> Vec<Vec<Token>> {
    let mut all = vec![Vec::new()];
    let mut rest = 0;
    while let Some(start) = text.get(rest..).and_then(|left| left.find(|c: char| !c.is_whitespace())) {
        let is_new_line = text.get(rest..rest + start).is_some_and(|gap| gap.contains('\n'));
        let start = rest + start;
        let (token, end, ends) = token(text, start);
        if is_new_line {
            all.push(Vec::new());
        }
        if let (Some(token), Some(sentence)) = (token, all.last_mut()) {
            sentence.push(token);
        }
        if ends {
            all.push(Vec::new());
        }
        rest = end;
    }
    all.retain(|sentence| !sentence.is_empty());
    all
}

/// The piece that begins here, where it ends, and whether its sentence ends with it.
fn token(text: &str, start: usize) -> (Option<Token>, usize, bool) {
    let left = text.get(start..).unwrap_or_default();
    let quote = left.chars().next().filter(|c| ['`', '"', '\''].contains(c));
    let quoted = quote.and_then(|quote| unquoted(left, quote));
    let (body, length) = match quoted {
        Some((name, length)) => (Some(name), length),
        None => (None, left.find(char::is_whitespace).unwrap_or(left.len())),
    };
    // What stands between the closing quote and the next space.
    let end = left
        .get(length..)
        .and_then(|tail| tail.find(char::is_whitespace))
        .map_or(left.len(), |at| length + at);
    let end = if body.is_some() { end } else { length };
    let raw = left.get(..length).unwrap_or_default();
    let tail = left.get(length..end).unwrap_or_default();
    let is_mark = |c: char| ['.', ',', ';', ':', '!', '?', ')', '(', '\''].contains(&c);
    let (text, marks) = match body {
        // Something clings to the quotes: it is none of what is known.
        Some(_) if tail.contains(|c| !is_mark(c)) => {
            (Text::Word(left.get(..end).unwrap_or_default().to_lowercase()), "")
        }
        Some(name) => (Text::Quoted(name), tail),
        None => {
            let trimmed = raw.trim_start_matches(['(', '\'']).trim_end_matches(is_mark);
            let marks = raw.rfind(trimmed).and_then(|at| raw.get(at + trimmed.len()..)).unwrap_or_default();
            if trimmed.is_empty() {
                return (None, start + end, marks.contains(['.', ';', '!', '?']));
            }
            (plain(trimmed), marks)
        }
    };
    let ends = marks.contains(['.', ';', '!', '?']);
    let comma = marks.contains([',', ':', '(', ')']);
    let token = Token { text, comma, asks: marks.contains('?'), at: start..start + end };
    (Some(token), start + end, ends)
}

fn plain(text: &str) -> Text {
    let inner = text.trim_matches('.');
    let is_file =
        FILES.contains(&text.to_lowercase().as_str()) && text.starts_with(|c: char| c.is_uppercase());
    let is_name = is_file
        || text.starts_with(['~', '/', '.', '$', '*'])
        || text.contains(['/', '*'])
        || inner.contains('.')
        || text.parse::<std::net::IpAddr>().is_ok();
    // What elides: "don't", "it's".
    if is_name && inner != "e.g" && inner != "i.e" {
        Text::Name(text.to_owned())
    } else {
        Text::Word(text.to_lowercase().replace('\u{2019}', "'"))
    }
}

/// What stands in quotes at the beginning of a text, and how many bytes with them.
fn unquoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            '\n' => return None,
            c if c == quote => return (!name.is_empty()).then_some((name, at + 1)),
            c => name.push(c),
        }
    }
    None
}

/// A name in quotes, as [`sentences`] reads it.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_sentences_of_words_and_names() {
        let all = sentences("Don't read ~/a b, or `x y.z`. Never `a\\`b` (too)!\nMakefile");
        let of = |sentence: &[Token]| {
            let text = |token: &Token| {
                token.word().map_or_else(|| format!("<{}>", token.name().unwrap()), str::to_owned)
            };
            sentence.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let all: Vec<String> = all.iter().map(|sentence| of(sentence)).collect();
        assert_eq!(all, ["don't read <~/a> b or <x y.z>", "never <a`b> too", "<Makefile>"]);
    }

    proptest! {
        #[test]
        fn what_is_put_into_quotes_comes_out(name in "[^\\n]{1,20}") {
            let all = sentences(&format!("read {}.", quoted(&name)));
            prop_assert_eq!(all[0][1].name(), Some(&*name));
        }

        #[test]
        fn every_piece_has_its_place(text in "\\PC{0,60}") {
            for token in sentences(&text).iter().flatten() {
                prop_assert!(text.get(token.at.clone()).is_some_and(|there| !there.is_empty()));
            }
        }
    }
}
