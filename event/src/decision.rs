//! A stage's decision about an operation, and the operation's fate.

use serde::{Deserialize, Serialize};

/// Which of the three decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// The static deny-list.
    T0,
    /// The compiled baseline.
    T1,
    /// The score.
    T2,
}

impl Stage {
    /// Its name, as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::T0 => "T0",
            Stage::T1 => "T1",
            Stage::T2 => "T2",
        }
    }
}

/// Declares the means: its number in a record of the kernel side, its name as users see it, and what became of an
/// operation that it stopped.
macro_rules! means {
    ($($(#[$meta:meta])* $means:ident = $number:path, $name:literal, $fate:ident;)*) => {
        /// By what an operation was stopped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Means {
            $($(#[$meta])* $means,)*
        }

        impl Means {
            /// Every means.
            pub const ALL: &[Means] = &[$(Means::$means),*];

            /// That of a record of the kernel side.
            pub fn from_number(number: u8) -> Option<Means> {
                match number {
                    $($number => Some(Means::$means),)*
                    _ => None,
                }
            }

            /// Its name, as users see it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Means::$means => $name,)*
                }
            }

            fn fate(self) -> Fate {
                match self {
                    $(Means::$means => Fate::$fate,)*
                }
            }
        }
    };
}

means! {
    /// A BPF LSM hook returned -EPERM.
    Lsm = abi::MEANS_LSM, "lsm", Refused;
    /// A fanotify permission event was answered with a denial.
    Fanotify = abi::MEANS_FANOTIFY, "fanotify", Refused;
    /// A cgroup socket hook returned -EPERM.
    Cgroup = abi::MEANS_CGROUP, "cgroup", Refused;
    /// The session was frozen.
    Freeze = abi::MEANS_FREEZE, "freeze", Stopped;
    /// The process was killed before it came back from the call.
    Kill = abi::MEANS_KILL, "kill", Stopped;
    /// What the command was given before its first instruction: a filter of system calls, or a Landlock domain.
    Confinement = abi::MEANS_CONFINEMENT, "confinement", Refused;
}

/// What a stage decided of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decision {
    /// The stage.
    pub stage: Stage,
    /// By what it was, or would have been, stopped.
    pub means: Means,
    /// It was acted upon; false in a shadow session, and for what the session's owner let pass.
    pub enforced: bool,
    /// Reason of the deny-list entry.
    pub reason: u32,
}

impl Decision {
    /// What became of the operation that it is about, as far as that is up to Wardline.
    pub fn fate(&self) -> Fate {
        if self.enforced { self.means.fate() } else { Fate::Happened }
    }
}

/// What became of an operation that a stage spoke against. Every word that Wardline says of one is this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fate {
    /// It did not happen.
    #[serde(rename = "refused")]
    Refused,
    /// It happened, and afterwards its process was killed or its session frozen.
    #[serde(rename = "happened-and-stopped")]
    Stopped,
    /// It happened, and nothing was stopped for it.
    #[serde(rename = "happened")]
    Happened,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Fate; 3] = [Fate::Refused, Fate::Stopped, Fate::Happened];

    /// Its name, as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Refused => "refused",
            Fate::Stopped => "happened and stopped",
            Fate::Happened => "happened",
        }
    }
}

/// What was done, and what became of it: the one sentence of the summary, of `show` and of `tail`.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What became of it.
    pub fate: Fate,
    /// The stage that spoke against it.
    pub stage: Stage,
    /// By what it was stopped, or would have been.
    pub means: Means,
    /// The operation.
    pub op: &'a str,
    /// What it acted on, for people.
    pub object: &'a str,
    /// How often the same was told.
    pub times: u64,
}

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stage, means) = (self.stage.name(), self.means.name());
        let deed = format!("{} {}", self.op, self.object);
        let deed = deed.trim_end();
        // What it was, or would have been: every means says what it does.
        let done = match self.means {
            Means::Lsm | Means::Fanotify | Means::Cgroup | Means::Confinement => "refused",
            Means::Freeze => "the session was frozen afterwards",
            Means::Kill => "the process was killed afterwards",
        };
        match (self.fate, self.means.fate()) {
            (Fate::Refused, _) => write!(f, "refused: `{deed}`, by {stage} ({means})")?,
            (Fate::Stopped, _) => write!(f, "NOT prevented: `{deed}` happened; {done} ({stage})")?,
            (Fate::Happened, _) if self.means == Means::Freeze => {
                write!(
                    f,
                    "happened: `{deed}`; {stage} speaks against it, and the session's owner let it pass"
                )?;
            }
            (Fate::Happened, Fate::Refused) => {
                write!(f, "happened: `{deed}`; {stage} would have refused it ({means})")?;
            }
            (Fate::Happened, Fate::Stopped | Fate::Happened) => {
                write!(f, "happened: `{deed}`; {stage} would have stopped it afterwards ({means})")?;
            }
        }
        if self.times > 1 {
            write!(f, ", {} times", self.times)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn only_what_did_not_happen_is_called_refused() {
        for &means in Means::ALL {
            let decision = |enforced| Decision { stage: Stage::T0, means, enforced, reason: 1 };
            let stopped = matches!(means, Means::Freeze | Means::Kill);
            assert_eq!(decision(true).fate() == Fate::Stopped, stopped, "{means:?}");
            assert_eq!(decision(true).fate() == Fate::Refused, !stopped, "{means:?}");
            assert_eq!(decision(false).fate(), Fate::Happened);
        }
    }

    #[test]
    fn a_means_has_one_name() -> serde_json::Result<()> {
        for &means in Means::ALL {
            assert_eq!(serde_json::to_value(means)?, means.name());
        }
        Ok(())
    }

    #[test]
    fn a_sentence_says_what_happened() {
        let told =
            |fate, means| Told { fate, stage: Stage::T0, means, op: "mkdir", object: "~/.ssh/d", times: 1 };
        let mut said = String::new();
        for (fate, means) in [
            (Fate::Refused, Means::Lsm),
            (Fate::Stopped, Means::Kill),
            (Fate::Stopped, Means::Freeze),
            (Fate::Happened, Means::Lsm),
            (Fate::Happened, Means::Kill),
            (Fate::Happened, Means::Freeze),
        ] {
            let _ = writeln!(said, "{}", Told { times: 2, ..told(fate, means) });
        }
        let expected = "\
refused: `mkdir ~/.ssh/d`, by T0 (lsm), 2 times
NOT prevented: `mkdir ~/.ssh/d` happened; the process was killed afterwards (T0), 2 times
NOT prevented: `mkdir ~/.ssh/d` happened; the session was frozen afterwards (T0), 2 times
happened: `mkdir ~/.ssh/d`; T0 would have refused it (lsm), 2 times
happened: `mkdir ~/.ssh/d`; T0 would have stopped it afterwards (kill), 2 times
happened: `mkdir ~/.ssh/d`; T0 speaks against it, and the session's owner let it pass, 2 times
";
        assert_eq!(said, expected);
    }
}
