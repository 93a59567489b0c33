//! The words that are known, and what each is in a sentence.

use super::limit::Limit;
use super::token::Token;
use crate::rule::What;

/// What some words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What follows is refused.
    Deny,
    /// The place that follows is refused with everything.
    Shut,
    /// What follows is opened.
    Allow,
    /// What follows is told.
    Tell,
    /// Somebody is asked before what follows.
    Ask,
    /// What is done.
    Verb(What),
    /// What is done, which is a part of this, or has it for a condition.
    Part(What, Limit),
    /// Something that no rule is about.
    Beyond(Limit),
    /// What it is said of may be read alone.
    ReadOnly,
    /// What it is said of may not be touched.
    OffLimits,
    /// All but what follows, or nothing but it.
    Only,
    /// What follows, up to a comma or the end, is a condition of this kind.
    Condition(Limit),
    /// A place that was named before.
    It,
    /// Binds two words of one kind.
    And,
    /// Begins another clause.
    But,
    /// Things without a place of their own.
    Vague,
    /// What lies at a place.
    Thing,
    /// What follows says where what stands before it is.
    In,
    /// The place that follows is refused with everything, if it is left alone.
    Leave,
    /// It is.
    Alone,
    /// All that can be done, where it is refused; what is opened is said more closely.
    All,
    /// Nothing by itself.
    Filler,
    /// Nothing by itself, where something is refused or told.
    Loose,
}

use Limit::{Agent, Argument, Count, Except, Flow, Host, Model, Narrower, Prior, Program, Scope, Task, Time};
use Meaning::{
    All, Allow, Alone, And, Ask, Beyond, But, Condition, Deny, Filler, In, It, Leave, Loose, OffLimits, Only,
    Part, ReadOnly, Shut, Tell, Thing, Vague, Verb,
};

/// Phrases by what they are; of those that fit somewhere the longest counts. A `|` parts them.
const PHRASES: &[(Meaning, &str)] = &[
    (
        Deny,
        "never|do not|don't|must not|mustn't|may not|should not|shouldn't|cannot|can't|can not|will not|shall not",
    ),
    (
        Deny,
        "no|not|no agent session may|no agent may|no agent can|no agent should|no agent must|no agent should be able to",
    ),
    (
        Deny,
        "not allowed to|is not allowed to|are not allowed to|it is not allowed to|is forbidden to|it's forbidden to|it is forbidden to|nobody may|no one may|nothing may",
    ),
    (
        Deny,
        "block|forbid|prevent|deny|refuse|disallow|avoid|is forbidden|are forbidden|is not permitted|are not permitted|is not allowed|are not allowed|is prohibited|are prohibited",
    ),
    (Shut, "keep out of|stay out of|stay away from|keep away from|hands off|stay off"),
    (Leave, "leave"),
    (Alone, "alone"),
    (OffLimits, "off limits|off-limits|out of bounds|taboo"),
    (ReadOnly, "read-only|read only"),
    (
        Allow,
        "may|can|let|allow|permit|allowed to|are allowed to|is allowed to|it is fine to|it's fine to|it is ok to|it's ok to|it is okay to|it's okay to|feel free to|agent sessions may",
    ),
    (
        Tell,
        "tell me when|tell me if|tell me whenever|tell us when|say when|say if|say whenever|warn me when|warn me if|warn me whenever|notify me when|notify me if|notify me whenever|alert me when|alert me if|report|watch|wardline tells when",
    ),
    (
        Ask,
        "ask before|ask me before|ask first before|ask the user before|ask us before|get my approval before|get approval before|check with me before|check before|confirm before|confirm with me before|confirm with the user before",
    ),
    (
        Verb(What::READ),
        "read|reads|reading|view|views|viewing|viewed|see|sees|seeing|seen|look at|looks at|looking at|look into|looks into|looking into|inspect|inspects|inspecting|inspected|reading of|reads of|search|searching",
    ),
    (
        Verb(What::CHANGE),
        "change|changes|changing|changed|modify|modifies|modifying|modified|edit|edits|editing|edited|alter|alters|altering|altered|update|updates|updating|updated|write|writes|writing|written|write to|writes to|writing to|write into|changes to|edits to|modifications to|writes to|make changes to",
    ),
    (Verb(What::WRITE), "rewrite in place|rewrites in place"),
    (Verb(What::EVERYTHING), "touch|touches|touching|touched"),
    (All, "access|accesses|accessing|accessed|access to|open|opens|opening|opened"),
    (Verb(What::empty()), "use|uses|using|used"),
    (Verb(What::CONNECT), "connect to|connects to|connecting to"),
    (Verb(What::LISTEN), "listen at|listens at|listening at|listen on|listens on"),
    (
        Part(What::CHANGE, Narrower),
        "delete|deletes|deleting|deleted|remove|removes|removing|removed|create|creates|creating|created|add|adds|adding|added|rename|renames|renaming|renamed|move|moves|moving|moved|overwrite|overwrites|overwriting|overwritten|truncate|truncates|truncating|erase|erases|append to|appends to",
    ),
    (
        Part(What::READ, Flow),
        "upload|uploads|uploading|uploaded|copy|copies|copying|copied|send|sends|sending|sent|share|shares|sharing|shared|paste|pastes|pasting|pasted|log|logs|logging|logged|exfiltrate|leak|leaks|leaking|leaked|expose|exposes|exposing|print|prints|printing|printed",
    ),
    (Part(What::empty(), Flow), "commit|commits|committing|committed|publish|check in"),
    (
        Part(What::empty(), Program),
        "run|runs|running|execute|executes|executing|executed|start|starts|starting|started|launch|launches|launching",
    ),
    (
        Part(What::empty(), Argument),
        "push|pushes|pushing|force-push|force push|rebase|rebases|rebasing|merge|merges|merging|amend",
    ),
    (
        Part(What::empty(), Host),
        "contact|contacts|contacting|talk to|talks to|talking to|download|downloads|downloading|fetch from|request|requests to|requests|call home",
    ),
    (
        Beyond(Host),
        "network|the network|internet|the internet|internet access|network access|online|server|servers|production servers",
    ),
    (
        Beyond(Program),
        "docker|podman|sudo|su|ssh|scp|curl|wget|kubectl|terraform|ansible|make|npm|npx|pnpm|yarn|pip|cargo|git|rm|dd|systemctl|crontab|web browser|browser|binaries|binary|scripts|shell scripts|programs|program|executables",
    ),
    (Beyond(Count), "per minute|per hour|per day|per second|a minute|an hour"),
    (
        Beyond(Time),
        "at night|at weekends|at the weekend|during the weekend|on weekends|during the night|outside office hours|during office hours|during business hours|outside business hours|on mondays|on tuesdays|on wednesdays|on thursdays|on fridays|on saturdays|on sundays",
    ),
    (
        Beyond(Agent),
        "codex|claude|claude code|gemini|aider|cursor|copilot|opencode|goose|cline|windsurf|devin|amp|qwen|crush|kiro",
    ),
    (
        Beyond(Scope),
        "outside the workspace|outside the repository|outside the repo|outside the project|outside of the workspace|outside of the repository|stay inside the project directory|stay inside the workspace|stay in the workspace|stay in the project|stay inside the repository",
    ),
    (Condition(Except), "except|except for|unless|apart from|other than|without|besides|if|until"),
    (Condition(Task), "while|when|during|for"),
    (Condition(Prior), "after|once|as soon as"),
    (Condition(Model), "if you are|if you're|if the model is"),
    (Only, "only|nothing but|nothing except|no files but|nothing else than"),
    (It, "it|them"),
    (And, "and|or|nor|as well as"),
    (But, "but"),
    (Vague, "secrets|secret|credentials|passwords|tokens|keys|data|configuration files|config files"),
    (Thing, "files|file|anything|everything"),
    (In, "in|under|below|inside|within"),
    (
        Filler,
        "the|a|an|any|my|your|our|all|please|ever|to|of|agent|agents|any agent|an agent|an agent session|agent session|agent sessions|session|sessions|you|the agent|ai|assistant|assistants|folder|directory|directories|folders",
    ),
    (
        Loose,
        "must|should|shall|will|be|is|are|been|being|do|always|from|with|at|on|content|contents|everyone|anyone|anybody|treat|consider|as|who|it is|it's|that|able|i|me|we|us|into",
    ),
];

/// The words before a number of things.
const COMPARED: [&str; 9] = [
    "more than",
    "no more than",
    "at most",
    "at least",
    "less than",
    "fewer than",
    "up to",
    "over",
    "not more than",
];
/// Things that are counted.
const COUNTED: &str = "file files mb gb kb bytes request requests times connections connection processes commands directories lines-of-files";
const NUMBERS: &str =
    "one two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred";

/// What the words that begin here are, and how many they are: the longest that fits.
pub fn at(tokens: &[Token]) -> Option<(Meaning, usize)> {
    if let Some(count) = counted(tokens) {
        return Some((Beyond(Count), count));
    }
    if let Some(count) = hour(tokens) {
        return Some((Beyond(Time), count));
    }
    let all = PHRASES.iter().flat_map(|(meaning, all)| all.split('|').map(move |phrase| (*meaning, phrase)));
    let fitting = all.filter_map(|(meaning, phrase)| Some((meaning, begins(tokens, phrase)?)));
    fitting.fold(None, |best: Option<(Meaning, usize)>, this| match best {
        Some(best) if best.1 >= this.1 => Some(best),
        _ => Some(this),
    })
}

/// How many words a phrase is, if the tokens begin with it.
pub fn begins(tokens: &[Token], phrase: &str) -> Option<usize> {
    let mut count = 0;
    for word in phrase.split(' ') {
        let token = tokens.get(count)?;
        // A comma parts what would be one phrase.
        if token.word() != Some(word) || count > 0 && tokens.get(count - 1)?.comma {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// `more than ten files`, `1 MB`.
fn counted(tokens: &[Token]) -> Option<usize> {
    let compared = COMPARED.iter().filter_map(|phrase| begins(tokens, phrase)).max()?;
    let number = tokens.get(compared)?.word()?;
    let is_number =
        number.bytes().all(|byte| byte.is_ascii_digit()) || NUMBERS.split(' ').any(|of| of == number);
    let counted = tokens.get(compared + 1)?.word()?;
    (is_number && COUNTED.split(' ').any(|of| of == counted)).then_some(compared + 2)
}

/// `after 6pm`, `before 9am`.
fn hour(tokens: &[Token]) -> Option<usize> {
    let before = ["after", "before", "from", "until"];
    let hour = tokens.get(1)?.word()?;
    let number = hour.strip_suffix("pm").or_else(|| hour.strip_suffix("am"))?;
    let is_hour = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_hour && before.contains(&tokens.first()?.word()?)).then_some(2)
}

/// Whether words hold no condition, and take nothing back.
pub fn is_plain(tokens: &[Token]) -> bool {
    let binds = |meaning| {
        matches!(
            meaning,
            Deny | Allow
                | Ask
                | Tell
                | Shut
                | Leave
                | Only
                | OffLimits
                | ReadOnly
                | Condition(_)
                | But
                | Beyond(_)
        )
    };
    let is_plain = |nth: usize| tokens.get(nth..).and_then(at).is_none_or(|(meaning, _)| !binds(meaning));
    (0..tokens.len()).all(is_plain) && tokens.iter().all(|token| token.name().is_none() && !token.comma)
}

/// How much like a known word one must be: short words are like many.
const ALIKE: f64 = 0.7;

/// The known word that is most like one that is not.
pub fn nearest(word: &str) -> Option<&'static str> {
    let known = PHRASES.iter().filter(|(meaning, _)| !matches!(meaning, Filler | Loose | Vague | Thing | In));
    let known: Vec<&str> = known.flat_map(|(_, all)| all.split('|')).filter(|of| !of.contains(' ')).collect();
    crate::mistake::most_like(word, &known, ALIKE)
}

#[cfg(test)]
mod tests {
    use super::super::token::sentences;
    use super::*;

    #[test]
    fn the_longest_phrase_counts() {
        for (text, expected) in [
            ("may not read", Some((Deny, 2))),
            ("may read", Some((Allow, 1))),
            ("not allowed to read", Some((Deny, 3))),
            ("allowed to read", Some((Allow, 2))),
            ("changes to it", Some((Verb(What::CHANGE), 2))),
            ("more than ten files", Some((Beyond(Count), 4))),
            ("more than enough", None),
            ("after 6pm", Some((Beyond(Time), 2))),
            ("do, not", Some((Loose, 1))),
            ("~/may", None),
        ] {
            assert_eq!(at(&sentences(text)[0]), expected, "{text}");
        }
    }

    #[test]
    fn no_phrase_is_two_things() {
        let mut seen = std::collections::HashMap::new();
        for (meaning, all) in PHRASES {
            for phrase in all.split('|') {
                let before = seen.insert(phrase, *meaning);
                assert!(before.is_none_or(|before| before == *meaning), "{phrase}: {before:?}, {meaning:?}");
            }
        }
    }
}
