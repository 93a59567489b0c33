//! Secrets by their place on a command line: behind a switch whose name says so, and behind those of programs that call
//! theirs otherwise (`mysql -pX`, `curl -u user:x`).
#![expect(
    clippy::indexing_slicing,
    reason = "places were found in the same text; `fuzz/targets/secret.rs` looks for one that was not"
)]

use super::name::names;
use super::value::is_secret;
use bstr::BString;
use std::ops::Range;

/// Where the secret stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In the next word: `-p x`.
    Next,
    /// In the same word: `-px`.
    Attached,
    /// Either.
    Both,
    /// Either, behind the user's name and this: `-u user:x`.
    User(u8),
}

/// What must have come before, of the words that are no switches.
#[derive(Clone, Copy)]
enum After {
    Anything,
    /// Nothing: what follows is another program's.
    Nothing,
    Word(&'static str),
}

/// What a program calls its secret, and after what.
struct Row(&'static [&'static str], &'static str, Form, After);

const ROWS: [Row; 17] = [
    Row(
        &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mariadb-admin"],
        "-p",
        Form::Attached,
        After::Anything,
    ),
    Row(&["sshpass"], "-p", Form::Both, After::Nothing),
    Row(
        &["docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oras", "az", "crane"],
        "-p",
        Form::Next,
        After::Word("login"),
    ),
    Row(
        &["mongo", "mongosh", "mongodump", "mongorestore", "mongoimport", "mongoexport", "cqlsh", "twine"],
        "-p",
        Form::Next,
        After::Anything,
    ),
    Row(&["redis-cli"], "-a", Form::Next, After::Anything),
    Row(&["curl"], "-u", Form::User(b':'), After::Anything),
    Row(&["curl"], "--user", Form::User(b':'), After::Anything),
    Row(&["curl"], "-U", Form::User(b':'), After::Anything),
    Row(&["curl"], "--proxy-user", Form::User(b':'), After::Anything),
    Row(&["http", "https", "xh", "xhs"], "-a", Form::User(b':'), After::Anything),
    Row(&["smbclient", "rpcclient", "net"], "-U", Form::User(b'%'), After::Anything),
    Row(
        &["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldappasswd"],
        "-w",
        Form::Both,
        After::Anything,
    ),
    Row(&["zip", "unzip", "sqlcmd", "bcp", "ipmitool"], "-P", Form::Both, After::Anything),
    Row(&["7z", "7za", "7zr", "rar", "unrar"], "-p", Form::Attached, After::Anything),
    Row(&["openssl"], "-k", Form::Next, After::Anything),
    Row(&["openssl"], "-K", Form::Next, After::Anything),
    Row(&["snmpget", "snmpwalk", "snmpset"], "-A", Form::Next, After::Anything),
];
/// The longest scripts that are taken apart into words.
const WORDS_MAX: usize = 4096;

/// One word: the argument that it stands in, and where.
struct Word {
    arg: usize,
    span: Range<usize>,
}

/// Finds them; `found` has the secrets of each argument.
pub(super) fn find(args: &[BString], found: &mut [Vec<Range<usize>>]) {
    let words: Vec<Word> = args
        .iter()
        .enumerate()
        .flat_map(|(arg, text)| split(text).map(move |span| Word { arg, span }))
        .take(WORDS_MAX)
        .collect();
    let text = |word: &Word| &args[word.arg][word.span.clone()];
    let mut rows: Vec<&Row> = Vec::new();
    let mut said: Vec<&[u8]> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let bytes = text(word);
        let name = bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let of_program = ROWS.iter().filter(|row| row.0.iter().any(|program| program.as_bytes() == name));
        let mut of_program = of_program.peekable();
        if of_program.peek().is_some() {
            rows = of_program.collect();
            said.clear();
            continue;
        }
        if bytes.first() != Some(&b'-') {
            said.push(bytes);
            continue;
        }
        // What stands in an argument of its own has the whole next argument for a value.
        let next = words.get(index + 1).map(|next| {
            let alone = next.arg != word.arg;
            let span = if alone { 0..args[next.arg].len() } else { next.span.clone() };
            (next.arg, span)
        });
        let mut take = |value: Option<(usize, Range<usize>)>| {
            let Some((arg, span)) = value else { return };
            if is_secret(&args[arg][span.clone()]) && args[arg].get(span.start) != Some(&b'-') {
                found[arg].push(span);
            }
        };
        if !bytes.contains(&b'=') && bytes.len() > 2 && names(bytes).is_some() {
            take(next.clone());
        }
        for Row(_, switch, form, after) in rows.iter().copied() {
            let Some(rest) = bytes.strip_prefix(switch.as_bytes()) else { continue };
            let comes = match after {
                After::Anything => true,
                After::Nothing => said.is_empty(),
                After::Word(word) => said.contains(&word.as_bytes()),
            };
            if !comes {
                continue;
            }
            let inside = (!rest.is_empty() && !switch.starts_with("--"))
                .then(|| (word.arg, word.span.end - rest.len()..word.span.end));
            let value = if rest.is_empty() { next.clone() } else { inside };
            match form {
                Form::Next if rest.is_empty() => take(value),
                Form::Attached if !rest.is_empty() => take(value),
                Form::Both => take(value),
                Form::User(between) => take(value.and_then(|(arg, span)| {
                    let at = args[arg][span.clone()].iter().position(|byte| byte == between)?;
                    Some((arg, span.start + at + 1..span.end))
                })),
                Form::Next | Form::Attached => {}
            }
        }
    }
}

/// Words of an argument, as a shell would take them apart, roughly.
fn split(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`;|&()".contains(byte);
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].iter().take_while(|byte| ends(byte)).count();
        let len = text[at..].iter().take_while(|byte| !ends(byte)).count();
        let span = at..at + len;
        at = span.end;
        (len > 0).then_some(span)
    })
}
