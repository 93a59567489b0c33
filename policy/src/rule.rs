//! A rule, and what stands in it.

use crate::{Day, Site};
use std::ops::Range;

bitflags::bitflags! {
    /// What a rule is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct What: u8 {
        /// Read content, or list a directory.
        const READ = 1;
        /// Change content, and nothing else: the name may be given to another file.
        const WRITE = 2;
        /// Change content, name, place, mode or owner, or make it.
        const CHANGE = 4;
        /// Connect, or send.
        const CONNECT = 8;
        /// Listen there.
        const LISTEN = 16;
        /// All of that, and start it.
        const EVERYTHING = 31;
    }
}

impl Default for What {
    fn default() -> Self {
        What::empty()
    }
}

/// Declares an enum whose values are words of the language.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Its word.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What comes of an operation that meets a rule.
    Effect {
        /// It is refused.
        Deny = "deny",
        /// It is left open here, and the reason is the rule's: what other rules refuse at the same place, and is not final, is
        /// taken back. What was learned may still refuse it.
        Allow = "allow",
        /// It goes on, and is said.
        Watch = "watch",
        /// It may be read, and is said. From then on the session connects to the hosts that it is for, and to those that rules or
        /// the baseline name, and to nobody else.
        Lend = "lend",
    }
}

words! {
    /// Whose rule it is. A later layer may take back what an earlier one refuses, where that is not final.
    Layer {
        /// Wardline's.
        Shipped = "shipped",
        /// This machine's, which root wrote.
        Machine = "machine",
        /// The session's user's own.
        User = "user",
        /// The workspace's, which came with it: it closes and tells, and opens nothing.
        Repository = "repository",
    }
}

words! {
    /// What kind of thing lies there, where something depends on it.
    Kind {
        /// A private key, or what lies beside one: `ssh` looks for it whenever it runs, and a broker uses it.
        Key = "key",
        /// Where gpg keeps keys: what `GNUPGHOME` names is the same.
        Gpg = "gpg",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What a file may be read in spite of its rule for: that it surely holds nothing of what the rule is about.
    Harmless {
        /// Settings of npm that are known for none.
        Npm = "npm-settings",
        /// Hosts of netrc without a password.
        Netrc = "netrc-hosts",
        /// Lines of plain settings of which none has to do with a secret.
        Settings = "settings",
        /// Certificates and public keys.
        Public = "public-keys",
    }
}

words! {
    /// How much below a directory gets labels of its own, besides the directory itself, which stands for everything in it.
    Walk {
        /// Everything: hard links that were made earlier are closed with it.
        Whole = "whole",
        /// Directories alone, where there are very many files: a hard link made earlier to one of them, elsewhere, is open.
        Directories = "directories",
    }
}

/// One decision of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, the only one of its layer.
    pub id: String,
    /// Whose it is.
    pub layer: Layer,
    /// The file that it stands in.
    pub file: String,
    /// Where in the file.
    pub(crate) at: Range<usize>,
    /// What lies there, in words: "private key".
    pub is: String,
    /// Where it holds.
    pub sites: Vec<Site>,
    /// What it is about.
    pub what: What,
    /// What comes of it.
    pub effect: Effect,
    /// What is lent is for these: names, or addresses.
    pub hosts: Vec<String>,
    /// It holds in sessions of these agents alone; none: in all.
    pub agents: Vec<String>,
    /// It holds while the session's task is one of these; none: always.
    pub tasks: Vec<String>,
    /// The last day on which sessions begin with it.
    pub expires: Option<Day>,
    /// Why.
    pub why: String,
    /// Where that is documented.
    pub source: Option<String>,
    /// No rule of a later layer takes it back.
    pub is_final: bool,
    /// The kind.
    pub kind: Kind,
    /// Tools look there whenever they run: by itself, a refused look says nothing against a session.
    pub routine: bool,
    /// What may be read there after all.
    pub harmless: Option<Harmless>,
    /// How far it is walked.
    pub walk: Walk,
    /// It is about names alone: below its places none is closed that is closed wherever it lies.
    pub frees_names: bool,
    /// Only what lies there when a session begins is closed: it may be replaced.
    pub is_replaced: bool,
    /// An empty directory may be made at its places: what is put into it is closed.
    pub is_empty: bool,
}

/// A rule at one of its sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// The site.
    pub site: &'p Site,
}

impl Rule {
    /// One that says nothing yet.
    pub(crate) fn empty(layer: Layer, file: &str) -> Self {
        Self {
            id: String::new(),
            layer,
            file: file.to_owned(),
            at: 0..0,
            is: String::new(),
            sites: Vec::new(),
            what: What::empty(),
            effect: Effect::Deny,
            hosts: Vec::new(),
            agents: Vec::new(),
            tasks: Vec::new(),
            expires: None,
            why: String::new(),
            source: None,
            is_final: true,
            kind: Kind::Other,
            routine: false,
            harmless: None,
            walk: Walk::Whole,
            frees_names: false,
            is_replaced: false,
            is_empty: false,
        }
    }

    /// Whether sessions of an agent have it.
    pub fn is_for(&self, agent: &str) -> bool {
        self.agents.is_empty() || self.agents.iter().any(|of| of == agent)
    }

    /// Whether it holds during a task.
    pub fn is_during(&self, task: &str) -> bool {
        self.tasks.is_empty() || self.tasks.iter().any(|of| of == task)
    }

    /// Whether it holds during a task, and not during every one.
    pub fn is_during_alone(&self, task: &str) -> bool {
        !self.tasks.is_empty() && self.is_during(task)
    }

    /// Whether some sessions have it and others have not, or not always.
    pub fn is_of_some(&self) -> bool {
        !self.agents.is_empty() || !self.tasks.is_empty()
    }

    /// Whether its last day is over on another one.
    pub fn has_expired(&self, today: Day) -> bool {
        self.expires.is_some_and(|last| last < today)
    }

    /// What no session may do there, as a verb.
    pub fn verb(&self) -> &'static str {
        self.what.verb()
    }
}

impl What {
    /// What may be said.
    pub const WORDS: [(&'static str, What); 6] = [
        ("everything", What::EVERYTHING),
        ("read", What::READ),
        ("write", What::WRITE),
        ("change", What::CHANGE),
        ("connect", What::CONNECT),
        ("listen", What::LISTEN),
    ];

    /// The fewest words that say it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let mut left = self;
        Self::WORDS
            .into_iter()
            .filter(move |(_, what)| {
                let says = left.contains(*what);
                left -= if says { *what } else { What::empty() };
                says
            })
            .map(|(word, _)| word)
    }

    /// The word's.
    pub fn of(word: &str) -> Option<What> {
        Self::WORDS.iter().find(|(of, _)| *of == word).map(|(_, what)| *what)
    }

    /// As a verb.
    pub fn verb(self) -> &'static str {
        if self.contains(What::READ) {
            if self.intersects(What::CHANGE | What::WRITE) { "read or change" } else { "read" }
        } else if self.intersects(What::CHANGE | What::WRITE) {
            "change"
        } else {
            "connect to"
        }
    }
}
