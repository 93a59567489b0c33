//! The words of the simple commands in a text for a shell: enough to look for an agent in them, and no shell.

/// Commands of one text.
const COMMANDS_MAX: usize = 256;

/// The simple commands of a text, each as its words. Quotes are taken away, and what is expanded stands as it is written.
pub(super) fn commands(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = Reader { text, at: 0 };
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    while commands.len() < COMMANDS_MAX {
        match reader.next() {
            Some(Piece::Word(word)) => words.push(word),
            Some(Piece::End) => commands.push(std::mem::take(&mut words)),
            None => {
                commands.push(words);
                break;
            }
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// What a text is made of.
enum Piece {
    Word(Vec<u8>),
    /// A command ends here.
    End,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Piece> {
        loop {
            match self.peek()? {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.text.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                byte if is_end(byte) => {
                    self.at += 1;
                    return Some(Piece::End);
                }
                _ => return Some(Piece::Word(self.word())),
            }
        }
    }

    fn word(&mut self) -> Vec<u8> {
        let mut word = Vec::new();
        let mut quote = None;
        while let Some(byte) = self.peek() {
            match (quote, byte) {
                (None, b' ' | b'\t' | b'\r') => break,
                (None, byte) if is_end(byte) => break,
                (None, b'\'' | b'"') => quote = Some(byte),
                (Some(of), byte) if of == byte => quote = None,
                (None | Some(b'"'), b'\\') => {
                    self.at += 1;
                    word.extend(self.peek());
                }
                (None | Some(b'"'), b'$' | b'`') => {
                    self.expansion(&mut word);
                    continue;
                }
                (_, byte) => word.push(byte),
            }
            self.at += 1;
        }
        word
    }

    /// A variable, or a command in the place of what it says, as it is written.
    fn expansion(&mut self, word: &mut Vec<u8>) {
        let start = self.at;
        let (open, close) = match (self.peek(), self.text.get(self.at + 1)) {
            (Some(b'`'), _) => (b'`', b'`'),
            (_, Some(b'(')) => (b'(', b')'),
            (_, Some(b'{')) => (b'{', b'}'),
            _ => (0, 0),
        };
        self.at += 1;
        let mut depth = usize::from(open == b'`');
        while let Some(byte) = self.peek().filter(|_| open != 0) {
            self.at += 1;
            if byte == close {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            } else if byte == open {
                depth += 1;
            }
        }
        word.extend(self.text.get(start..self.at).unwrap_or_default());
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let words = |words: &Vec<Vec<u8>>| String::from_utf8(words.join(&b'_')).unwrap();
        commands(text.as_bytes()).iter().map(words).collect()
    }

    #[test]
    fn commands_are_taken_apart_and_quotes_away() {
        assert_eq!(of("a 'b c' \"d e\"f\\ g # h\ni"), ["a_b c_d ef g", "i"]);
        assert_eq!(of("a && b|c; (d) & { e; }"), ["a", "b", "c", "d", "{_e", "}"]);
        assert_eq!(of("x=$(dirname \"$(echo \"$0\")\") y"), ["x=$(dirname \"$(echo \"$0\")\")_y"]);
        assert_eq!(of("exec \"$d/node\"  \"${d}/../x.js\" \"$@\"\n"), ["exec_$d/node_${d}/../x.js_$@"]);
        assert_eq!(
            of("case `uname -s` in\n *X*) y=`z \"$y\"`;;\nesac"),
            ["case_`uname -s`_in", "*X*", "y=`z \"$y\"`", "esac"]
        );
        assert_eq!(of("a \\\n b >c 2>&1"), ["a_b", "c_2", "1"]);
        for cut in ["a $(b", "a `b", "a 'b", "a \"b", "a \\", "a ${b", "a $"] {
            assert_eq!(of(cut).len(), 1, "{cut}");
        }
        assert_eq!(commands(&b"a;".repeat(1000)).len(), COMMANDS_MAX);
    }
}
