//! What people say and no rule can hold: why, and which stage does what comes nearest.

/// Why a sentence, or a part of it, is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// One agent is named.
    Agent,
    /// One task is named.
    Task,
    /// A host, or the network.
    Host,
    /// A program.
    Program,
    /// What a program is told to do.
    Argument,
    /// How much, or how often.
    Count,
    /// When.
    Time,
    /// Somebody is to be asked.
    Ask,
    /// For one purpose.
    Lend,
    /// Where content goes.
    Flow,
    /// What is left out.
    Except,
    /// All but what is named.
    Only,
    /// A part of what change is.
    Narrower,
    /// No place is named.
    Scope,
    /// Which model answers.
    Model,
    /// What came before.
    Prior,
    /// Everybody's sessions.
    Everyone,
    /// This kind of place with this effect.
    Unheld,
    /// It stays closed by another rule.
    Closed,
    /// Words that are not known.
    Unknown,
}

impl Limit {
    /// Its word, in lists of directives and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Limit::Agent => "agent",
            Limit::Task => "task",
            Limit::Host => "host",
            Limit::Program => "program",
            Limit::Argument => "argument",
            Limit::Count => "count",
            Limit::Time => "time",
            Limit::Ask => "ask",
            Limit::Lend => "lend",
            Limit::Flow => "flow",
            Limit::Except => "except",
            Limit::Only => "only",
            Limit::Narrower => "narrower",
            Limit::Scope => "scope",
            Limit::Model => "model",
            Limit::Prior => "prior",
            Limit::Everyone => "everyone",
            Limit::Unheld => "unheld",
            Limit::Closed => "closed",
            Limit::Unknown => "unknown",
        }
    }

    /// The reason, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Limit::Agent => {
                "no sentence names one agent; a rule in TOML does (`agents`), and what one agent does is learned (T1)"
            }
            Limit::Task => {
                "no sentence names a task; a rule in TOML does (`tasks`), and what belongs to a task is learned (T1: a baseline is of one task)"
            }
            Limit::Host => {
                "no sentence holds the name of a host; a rule in TOML does (`where.host`), and which hosts a session reaches is learned (T1)"
            }
            Limit::Program => {
                "no rule names a program to be started; which programs a session starts is learned (T1)"
            }
            Limit::Argument => "what a program is told to do is its own claim, and no stage refuses by it",
            Limit::Count => {
                "how much and how often is the score's (T2), which learns its limits; none can be set"
            }
            Limit::Time => "no stage knows hours; a rule in TOML can end on a day (`expires`)",
            Limit::Ask => {
                "no rule asks: it refuses, or lets go on and tells; the score (T2) stops what is unlikely and asks then"
            }
            Limit::Lend => {
                "no sentence opens a place for one program, host or purpose; `wardline policy lend PLACE --host HOST` lends a credential for its hosts"
            }
            Limit::Flow => {
                "where content goes once it was read is not seen; a rule can refuse that it is read"
            }
            Limit::Except => "a rule holds for its place with everything below it, and always",
            Limit::Only => {
                "a rule closes what it names; to close everything else is what a baseline does (T1)"
            }
            Limit::Narrower => "making, writing, renaming and deleting are one thing to a rule: change",
            Limit::Scope => {
                "it names no place that a rule can find; what lies outside of what a task needs is learned (T1)"
            }
            Limit::Model => "which model answers is not seen from the kernel",
            Limit::Prior => "no rule depends on what came before it",
            Limit::Everyone => {
                "it would hold in other users' sessions, too: root may put such a rule into `/etc/wardline/policy.d`"
            }
            Limit::Unheld => "such a place cannot be told of, only closed",
            Limit::Closed => "another rule keeps it closed",
            Limit::Unknown => "these words are not known here",
        }
    }
}
