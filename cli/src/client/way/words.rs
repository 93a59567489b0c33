//! The words of the simple commands in a text for a shell: enough to look for an agent in them, and no shell.

/// The simple commands of a text, each as its words. Quotes are taken away, and what is expanded stands as it is written.
pub(super) fn commands(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = Reader { text, at: 0, here: Vec::new() };
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    loop {
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
    /// Lines that end the documents which begin behind this one.
    here: Vec<Vec<u8>>,
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
                b'<' if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(b"<<")) => {
                    self.here_document();
                }
                byte if is_end(byte) => {
                    self.at += 1;
                    if byte == b'\n' {
                        self.pass_documents();
                    }
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

    /// `<<WORD`, `<<-WORD`, or `<<< WORD`, which is no document.
    fn here_document(&mut self) {
        self.at += 2;
        let is_string = self.peek() == Some(b'<');
        while matches!(self.peek(), Some(b'<' | b'-' | b' ' | b'\t')) {
            self.at += 1;
        }
        let word = self.word();
        if !is_string {
            self.here.push(word);
        }
    }

    /// What stands in documents is no command.
    fn pass_documents(&mut self) {
        for end in std::mem::take(&mut self.here) {
            while let Some(rest) = self.text.get(self.at..).filter(|rest| !rest.is_empty()) {
                let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
                self.at = (self.at + line.len() + 1).min(self.text.len());
                let tabs = line.iter().take_while(|&&byte| byte == b'\t').count();
                if line.get(tabs..) == Some(end.as_slice()) {
                    break;
                }
            }
        }
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
        assert_eq!(
            of("cat <<'E' >/tmp/x 2>&1\nit isn't `a\nE\nexec b <<- F c\n\td\n\tF\ne <<< \"f\" g\nh << I"),
            ["cat", "/tmp/x_2", "1", "exec_b_c", "e_g", "h"]
        );
    }
}
