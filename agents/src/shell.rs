//! The commands of a text for a shell, as far as they are said in it: enough to tell which agent a script starts, and no shell.

/// Commands of one text that are looked at.
const COMMANDS_MAX: usize = 256;
/// Words that stand before a command, or in its place.
const RESERVED: [&[u8]; 12] =
    [b"!", b"{", b"}", b"do", b"done", b"elif", b"else", b"fi", b"if", b"then", b"until", b"while"];

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its words, quotes taken away. What is expanded stands as it is written.
    pub words: Vec<Vec<u8>>,
    /// It takes the shell's place.
    pub execs: bool,
    /// It is given what the text was given.
    pub hands_on: bool,
}

/// The simple commands of a text, in order. `given`: what `$1`, `$2` and so on stand for.
pub(crate) fn commands(text: &[u8], given: &[&[u8]]) -> Vec<Command> {
    let mut given = given;
    let mut commands = Vec::new();
    for words in simple(text) {
        let is_shift = words.first().is_some_and(|word| word == b"shift");
        if is_shift {
            let by = words.get(1).and_then(|by| std::str::from_utf8(by).ok()?.parse().ok());
            given = given.get(by.unwrap_or(1)..).unwrap_or(&[]);
        } else if let Some(command) = command(words, given) {
            commands.push(command);
        }
    }
    commands
}

/// A simple command without what stands before it.
fn command(words: Vec<Vec<u8>>, given: &[&[u8]]) -> Option<Command> {
    let hands_on = words.iter().any(|word| is_all(word));
    let mut words: Vec<Vec<u8>> = words
        .into_iter()
        .flat_map(|word| match is_all(&word) {
            true => given.iter().map(|word| word.to_vec()).collect(),
            false => vec![positional(&word, given).unwrap_or(word)],
        })
        .collect();
    let mut execs = false;
    loop {
        let first = words.first()?.clone();
        let rest = match first.as_slice() {
            b"exec" => {
                execs = true;
                let is_name = words.get(1).is_some_and(|option| option == b"-a");
                if is_name { 3 } else { options(&words) }
            }
            b"command" | b"builtin" | b"time" => options(&words),
            word if is_assignment(word) || RESERVED.contains(&word) => 1,
            _ => break,
        };
        words.drain(..rest.min(words.len()));
    }
    // `command -v` says where something is.
    (!words.is_empty()).then_some(Command { words, execs, hands_on })
}

/// How many of the first words are a builtin and its options; one that only asks takes all.
fn options(words: &[Vec<u8>]) -> usize {
    let options = words.iter().skip(1).take_while(|word| word.starts_with(b"-"));
    if options.clone().any(|option| option.contains(&b'v') || option.contains(&b'V')) {
        return words.len();
    }
    1 + options.count()
}

fn is_all(word: &[u8]) -> bool {
    [b"$@".as_slice(), b"$*", b"${@}", b"${*}"].contains(&word)
}

fn positional(word: &[u8], given: &[&[u8]]) -> Option<Vec<u8>> {
    let name = word.strip_prefix(b"$")?;
    let name = name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name);
    let number: usize = std::str::from_utf8(name).ok()?.parse().ok()?;
    given.get(number.checked_sub(1)?).map(|word| word.to_vec())
}

fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|&byte| byte == b'=').next().unwrap_or_default();
    let name = name.strip_suffix(b"+").unwrap_or(name);
    let is_name = !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name && word.contains(&b'=')
}

/// Words of simple commands: text that is quoted, expanded or redirected is stepped over.
fn simple(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = Reader { text, at: 0, awaited: Vec::new() };
    let mut all = Vec::new();
    let mut words: Vec<Vec<u8>> = Vec::new();
    while all.len() < COMMANDS_MAX {
        match reader.piece() {
            Some(Piece::Word(word)) => words.push(word),
            Some(Piece::End) if !words.is_empty() => all.push(std::mem::take(&mut words)),
            Some(Piece::End) => {}
            None => break,
        }
    }
    if !words.is_empty() {
        all.push(words);
    }
    all
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
    /// Ends of the texts that begin with the next line (`<<`).
    awaited: Vec<Vec<u8>>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn piece(&mut self) -> Option<Piece> {
        loop {
            match self.peek()? {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'#' => self.skip_line(),
                b'\\' if self.text.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                b'\n' => {
                    self.at += 1;
                    self.skip_awaited();
                    return Some(Piece::End);
                }
                b';' | b'&' | b'|' | b'(' | b')' => {
                    self.at += 1;
                    return Some(Piece::End);
                }
                b'<' | b'>' => self.redirection(),
                _ => {
                    let word = self.word();
                    // `2>file`
                    let is_number = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
                    if !(is_number && matches!(self.peek(), Some(b'<' | b'>'))) {
                        return Some(Piece::Word(word));
                    }
                }
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn line(&mut self) -> Vec<u8> {
        let start = self.at;
        self.skip_line();
        let line = self.text.get(start..self.at).unwrap_or_default().to_vec();
        self.at += 1;
        line
    }

    fn skip_awaited(&mut self) {
        for end in std::mem::take(&mut self.awaited) {
            while self.peek().is_some() {
                let line = self.line();
                let indent = line.iter().take_while(|byte| **byte == b'\t').count();
                if line.get(indent..) == Some(&end) {
                    break;
                }
            }
        }
    }

    fn redirection(&mut self) {
        let start = self.at;
        while matches!(self.peek(), Some(b'<' | b'>' | b'&' | b'|' | b'-')) {
            self.at += 1;
        }
        let operator = self.text.get(start..self.at).unwrap_or_default();
        // A process in the place of a file.
        if self.peek() == Some(b'(') {
            return self.nested(b'(', b')');
        }
        let is_text = operator.starts_with(b"<<") && !operator.starts_with(b"<<<");
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        if matches!(self.peek(), Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>') | None) {
            return;
        }
        let word = self.word();
        if is_text {
            self.awaited.push(word);
        }
    }

    fn word(&mut self) -> Vec<u8> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => {
                    self.at += 1;
                    while let Some(byte) = self.peek().filter(|byte| *byte != b'\'') {
                        word.push(byte);
                        self.at += 1;
                    }
                    self.at += 1;
                }
                b'"' => {
                    self.at += 1;
                    while let Some(byte) = self.peek().filter(|byte| *byte != b'"') {
                        match byte {
                            b'\\' => {
                                self.at += 1;
                                word.extend(self.peek());
                                self.at += 1;
                            }
                            b'$' | b'`' => self.expansion(&mut word),
                            _ => {
                                word.push(byte);
                                self.at += 1;
                            }
                        }
                    }
                    self.at += 1;
                }
                b'\\' => {
                    self.at += 1;
                    word.extend(self.peek().filter(|byte| *byte != b'\n'));
                    self.at += 1;
                }
                b'$' | b'`' => self.expansion(&mut word),
                _ => {
                    word.push(byte);
                    self.at += 1;
                }
            }
        }
        word
    }

    /// Takes it into the word as it is written.
    fn expansion(&mut self, word: &mut Vec<u8>) {
        let start = self.at;
        let opens = self.peek();
        self.at += 1;
        match (opens, self.peek()) {
            (Some(b'`'), _) => {
                while self.peek().is_some_and(|byte| byte != b'`') {
                    self.at += 1;
                }
                self.at += 1;
            }
            (_, Some(b'(')) => self.nested(b'(', b')'),
            (_, Some(b'{')) => self.nested(b'{', b'}'),
            (_, Some(_)) => self.at += 1,
            (_, None) => {}
        }
        word.extend(self.text.get(start..self.at.min(self.text.len())).unwrap_or_default());
    }

    fn nested(&mut self, opens: u8, closes: u8) {
        let mut depth = 0;
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == opens {
                depth += 1;
            } else if byte == closes {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, given: &[&str]) -> Vec<String> {
        let given: Vec<&[u8]> = given.iter().map(|word| word.as_bytes()).collect();
        let shown = |command: Command| {
            let words = command.words.join(&b' ');
            let execs = if command.execs { "exec " } else { "" };
            let hands_on = if command.hands_on { " ..." } else { "" };
            format!("{execs}{}{hands_on}", String::from_utf8_lossy(&words))
        };
        commands(text.as_bytes(), &given).into_iter().map(shown).collect()
    }

    #[test]
    fn the_commands_of_a_script_are_found_in_order() {
        let text = "#!/bin/bash\nset -eu # exec no\nexport KEY=\"$(pass show 'a b')\" >/dev/null 2>&1\n\
                    if [ -x ~/bin/x ]; then FOO='a b' exec -a agent \"$HOME/.local/bin/claude\" \\\n  --flag \"$@\"; fi\n\
                    cat <<EOF | sort\nexec codex\nEOF\ncommand -v codex >/dev/null && command codex\n";
        let found = [
            "set -eu",
            "export KEY=$(pass show 'a b')",
            "[ -x ~/bin/x ]",
            "exec $HOME/.local/bin/claude --flag one two ...",
            "cat",
            "sort",
            "codex",
        ];
        assert_eq!(of(text, &["one", "two"]), found);
    }

    #[test]
    fn what_it_is_given_takes_its_place() {
        assert_eq!(of("exec \"$@\"", &["codex", "exec"]), ["exec codex exec ..."]);
        assert_eq!(of("d=$1; shift; cd $d; $1 --x", &["/w", "codex"]), ["cd $d", "codex --x"]);
        assert_eq!(of("exec ${1}", &[]), ["exec ${1}"]);
    }

    #[test]
    fn nothing_that_is_cut_off_stops_it() {
        for text in ["'", "\"", "$(", "`", "\\", "<<", "cat <<X\n", "a <(b", "${", "exec", ">", "$", "\"$"] {
            of(text, &[]);
        }
    }
}
