//! Keys, from the bytes of a terminal that a full-screen program may have left in any mode.
//!
//! A letter counts only where it was typed by itself: not in a paste, not in what the terminal reports of its mouse, its
//! focus or itself, and not in a row with others.

/// What was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A letter.
    Letter(u8),
    /// Ctrl-C, in whatever way the terminal says it.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Something else.
    Other,
}

/// Parameters of one sequence that are kept: the longest that is known here has seven bytes.
const SEQUENCE_MAX: usize = 32;

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Behind `ESC [`.
    Sequence(Vec<u8>),
    /// One byte of a function key, or so many of an old mouse report.
    Skip(u8),
}

/// Takes the bytes apart; a sequence may come in pieces.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    pasting: bool,
}

impl Keys {
    /// The keys in some bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        bytes.iter().filter_map(|&byte| self.byte(byte)).collect()
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => match byte {
                0x1b => {
                    self.state = State::Escape;
                    None
                }
                _ if self.pasting => None,
                0x03 => Some(Key::Interrupt),
                0x1a => Some(Key::Suspend),
                letter if letter.is_ascii_alphabetic() => Some(Key::Letter(letter)),
                _ => Some(Key::Other),
            },
            State::Escape => {
                self.state = match byte {
                    b'[' => State::Sequence(Vec::new()),
                    b'O' => State::Skip(1),
                    0x1b => State::Escape,
                    _ => return Some(Key::Other),
                };
                None
            }
            State::Sequence(mut kept) => {
                if !(0x40..=0x7e).contains(&byte) {
                    if kept.len() < SEQUENCE_MAX {
                        kept.push(byte);
                    }
                    self.state = State::Sequence(kept);
                    return None;
                }
                self.sequence(&kept, byte)
            }
            State::Skip(left) => {
                if left > 1 {
                    self.state = State::Skip(left - 1);
                }
                None
            }
        }
    }

    fn sequence(&mut self, kept: &[u8], end: u8) -> Option<Key> {
        let numbers: Vec<u32> = kept
            .split(|byte| *byte == b';')
            .map(|number| number.split(|byte| *byte == b':').next().unwrap_or_default())
            .map(|number| {
                std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).unwrap_or(0)
            })
            .collect();
        // Modifiers are told as a set of bits, plus one: Ctrl is the third.
        let with_ctrl =
            |code: u32, modifiers: u32| match (char::from_u32(code), modifiers.wrapping_sub(1) & 4) {
                (Some('c' | 'C'), 4) => Some(Key::Interrupt),
                (Some('z' | 'Z'), 4) => Some(Key::Suspend),
                _ => Some(Key::Other),
            };
        match (numbers.as_slice(), end) {
            ([200], b'~') => self.pasting = true,
            ([201], b'~') => self.pasting = false,
            ([], _) | ([0], b'M') if end == b'M' => self.state = State::Skip(3),
            _ if self.pasting => {}
            ([code, modifiers], b'u') => return with_ctrl(*code, *modifiers),
            ([27, modifiers, code], b'~') => return with_ctrl(*code, *modifiers),
            _ => return Some(Key::Other),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().read(bytes)
    }

    #[test]
    fn a_letter_is_one_only_where_it_was_typed() {
        assert_eq!(keys(b"k"), [Key::Letter(b'k')]);
        for reported in [
            &b"\x1b[<0;10;5M"[..],
            b"\x1b[<0;10;5m",
            b"\x1b[I",
            b"\x1bOc",
            b"\x1b[Mcsk",
            b"\x1b[200~cks\x1b[201~",
            b"\x1b[?1049;2$y",
            b"\x1bc",
            b"\x1b[99u",
        ] {
            let letters =
                keys(reported).into_iter().any(|key| matches!(key, Key::Letter(_) | Key::Interrupt));
            assert!(!letters, "{reported:?}");
        }
    }

    #[test]
    fn ctrl_c_is_known_in_each_protocol() {
        for typed in [&b"\x03"[..], b"\x1b[99;5u", b"\x1b[99;5:1u", b"\x1b[99;69u", b"\x1b[27;5;99~"] {
            assert_eq!(keys(typed), [Key::Interrupt], "{typed:?}");
        }
        assert_eq!(keys(b"\x1b[122;5u"), [Key::Suspend]);
        assert_eq!(keys(b"\x1b[200~\x03\x1b[201~\x03"), [Key::Interrupt], "a pasted one is none");
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut reader = Keys::default();
        assert_eq!(reader.read(b"\x1b[9"), []);
        assert_eq!(reader.read(b"9;5u"), [Key::Interrupt]);
        assert_eq!(reader.read(b"\x1b["), []);
        assert_eq!(reader.read(&[b'1'; 4096]), []);
        assert_eq!(reader.read(b"uk"), [Key::Other, Key::Letter(b'k')]);
    }
}
