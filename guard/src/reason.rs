//! Why, in plain words: the one owner of the texts behind the numbers in the deny-list.
//!
//! 0 is no reason. 1 to the number of jewels is a row of T0. From [`FIRST_FIXED`] on come reasons that never change,
//! from [`FIRST_ALLOCATED`] on those of a policy, which live as long as it.

use event::helper::Work;
use event::jewel::{Jewel, jewels};
use event::{Access, AgentName, TaskName};
use models::Baseline;
use policy::{Refusal, Row};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// First number of the reasons that are the same in every session.
pub const FIRST_FIXED: u32 = 0x1000;
/// First number that is given out.
pub const FIRST_ALLOCATED: u32 = 0x1_0000;

/// Users' rules are a policy for each slot, beside the numbered ones.
const OWN_RULES: u32 = 1 << 31;

/// One of Wardline's own files.
pub const OWN_FILE: u32 = FIRST_FIXED + 1;
/// The probe that shows that refusing works.
pub const CANARY: u32 = FIRST_FIXED + 2;
/// An agent outside of the session.
pub const DELEGATE: u32 = FIRST_FIXED + 3;
/// A private key that the user's configuration of ssh names.
pub const NAMED_KEY: u32 = FIRST_FIXED + 4;
/// An agent that the user's configuration of ssh names.
pub const NAMED_AGENT: u32 = FIRST_FIXED + 5;
/// A file of the user's configuration of ssh, or of hosts that it knows, outside `~/.ssh`.
pub const NAMED_FILE: u32 = FIRST_FIXED + 6;
/// A named pipe that somebody outside of the session has open.
pub const PIPE: u32 = FIRST_FIXED + 7;
/// First number of the reasons of helpers outside of the session, by what they do.
const FIRST_HELPER: u32 = FIRST_FIXED + 64;

const FIXED: &[(u32, &str)] = &[
    (OWN_FILE, "this file is Wardline's own: no agent session may touch it"),
    (abi::REASON_PROTECTED, "this process is Wardline's own: no agent session may signal or trace it"),
    (
        abi::REASON_OTHER_PROCESS,
        "this process is outside the session: no agent session may read or change its memory, environment or descriptors, or make it \
         leave its memory in a core dump",
    ),
    (
        abi::REASON_ABOVE,
        "crown jewels have their places below this directory: no agent session may move, remove or cover it, or put \
         anything in its place",
    ),
    (abi::REASON_BPF, "`bpf(2)` can rewrite the deny-list: no agent session may call it"),
    (
        abi::REASON_LOST,
        "a record of what was refused in this session was lost, so that what followed may be unknown: the session may \
         change, start and send nothing until somebody has looked at it",
    ),
    (
        abi::REASON_TYPED,
        "a program has typed into the terminal (`TIOCSTI`), where whoever reads next takes it for yours: the session may \
         change, start and send nothing until somebody has looked at it",
    ),
    (
        abi::REASON_SHARED,
        "what a process of the session was ended for (a connection, a descriptor, memory of another process), other processes \
         of the session may have as well: the session was ended",
    ),
    (
        abi::REASON_CHANGED,
        "something took the place of a jewel, or a jewel got another name, which nothing could refuse here, and what it was is \
         not known: the session stands still until somebody has looked at it",
    ),
    (
        abi::REASON_LENT,
        "the session has read a credential that a rule lends (`effect = \"lend\"`): from then on it connects to the hosts that the \
         credential is for, and to those that rules or the baseline name",
    ),
    (
        abi::REASON_OPEN,
        "a rule lends the credential (`effect = \"lend\"`), and a connection is open to a host that it is not for, or something \
         that nothing looks after: what was sent there could carry it. No new one is made from now on; when that one is closed, the \
         credential can be read. A rule that allows the host (`where.host`) leaves it open",
    ),
    (
        abi::REASON_UNTOLD,
        "something got a name, or was opened, by a request through io_uring whose end is kept from being told, so that what it \
         was is not known: no agent session may hide what it changes and opens",
    ),
    (
        abi::REASON_TERMINAL,
        "this terminal is not the session's: no agent session may read what is typed there, or write into it",
    ),
    (DELEGATE, "an agent outside of the session works unguarded: no agent session may connect to one"),
    (NAMED_KEY, "`~/.ssh/config` names this file as a private key: no agent session may read or change it"),
    (
        NAMED_FILE,
        "ssh believes this file, as `~/.ssh/config` says (`Include`, `UserKnownHostsFile`): no agent session may change it",
    ),
    (
        NAMED_AGENT,
        "`~/.ssh/config` names this agent (`IdentityAgent`): a session reaches it only through Wardline's, by \
         `IdentityAgent SSH_AUTH_SOCK`",
    ),
    (
        PIPE,
        "a process outside of the session has this pipe open, and may take for commands what comes out of it: no agent session \
         may write into it",
    ),
    (CANARY, "a probe of Wardline, to show that refusing works"),
];

/// The number of a helper outside of the session.
pub fn of_work(work: Work) -> u32 {
    Work::ALL
        .iter()
        .zip(FIRST_HELPER..)
        .find(|(of, _)| **of == work)
        .map_or(FIRST_HELPER, |(_, number)| number)
}

/// What a helper behind a number does.
pub fn work(number: u32) -> Option<Work> {
    Work::ALL.get(number.checked_sub(FIRST_HELPER)? as usize).copied()
}

/// The number under which a recording keeps who a process outside of the session was, or who held a socket.
pub fn of_outsider(pid: u32, socket: u64) -> u32 {
    const PROCESS: u32 = 1 << 31;
    const SOCKET: u32 = 3 << 30;
    #[expect(clippy::cast_possible_truncation, reason = "the lower half tells sockets of one session apart")]
    if pid != 0 { PROCESS | pid } else { SOCKET | socket as u32 }
}

/// The number of row `index` of the jewels.
pub fn of_jewel(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// The row of the jewels behind a number.
pub fn jewel(number: u32) -> Option<Jewel> {
    jewels().get(number.checked_sub(1)? as usize).copied()
}

/// The texts of a running supervisor.
#[derive(Debug, Default)]
pub struct Reasons {
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    next: u32,
    texts: HashMap<u32, (u32, Arc<str>)>,
    numbers: HashMap<(u32, Arc<str>), u32>,
    /// Reasons that depend on what was asked for: for a label's number the accesses, in order, and the number for each.
    each: HashMap<u32, (u32, Each)>,
    labels: HashMap<(u32, Each), u32>,
}

/// Access bits, and the number of the reason for each.
type Each = Arc<[(u32, u32)]>;

impl Reasons {
    /// The number of `text` in a policy; the same text of the same policy has the same number.
    pub fn allocate(&self, policy: u32, text: &str) -> u32 {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let text: Arc<str> = text.into();
        if let Some(&number) = given.numbers.get(&(policy, text.clone())) {
            return number;
        }
        let number = given.number();
        given.texts.insert(number, (policy, text.clone()));
        given.numbers.insert((policy, text), number);
        number
    }

    /// The number of a label that refuses several accesses, each for a reason of its own; 0 where it refuses none. An
    /// operation that asked for several is told the first: see [`Reasons::asked`].
    pub fn allocate_each(&self, policy: u32, reasons: &[(u32, String)]) -> u32 {
        let each: Vec<(u32, u32)> =
            reasons.iter().map(|(access, text)| (*access, self.allocate(policy, text))).collect();
        let Some(&(_, first)) = each.first() else { return 0 };
        if each.iter().all(|(_, number)| *number == first) {
            return first;
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let each: Arc<[(u32, u32)]> = each.into();
        if let Some(&number) = given.labels.get(&(policy, each.clone())) {
            return number;
        }
        let number = given.number();
        given.each.insert(number, (policy, each.clone()));
        given.labels.insert((policy, each), number);
        number
    }

    /// The reason of a label, for what was asked for.
    pub fn asked(&self, number: u32, access: Access) -> u32 {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, each)) = given.each.get(&number) else { return number };
        let asked = each.iter().find(|(of, _)| access.bits() & of != 0);
        asked.or(each.first()).map_or(number, |(_, number)| *number)
    }

    /// The number of what a rule of one's own refuses in the session of a slot.
    pub fn of_own(&self, slot: u32, refusal: &Refusal<'_>) -> u32 {
        let Row { rule, site } = refusal.row;
        let (id, file, is) = (&rule.id, &rule.file, &rule.is);
        let verb = refusal.what.verb();
        let text =
            format!("{site} is closed by rule `{id}` of `{file}` ({is}): no agent session may {verb} it");
        self.allocate(OWN_RULES | slot, &text)
    }

    /// Forgets what [`Reasons::of_own`] gave out for a slot.
    pub fn release_own(&self, slot: u32) {
        self.release(OWN_RULES | slot);
    }

    /// Forgets the reasons of a policy that is no longer armed.
    pub fn release(&self, policy: u32) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.texts.retain(|_, (owner, _)| *owner != policy);
        given.numbers.retain(|(owner, _), _| *owner != policy);
        given.each.retain(|_, (owner, _)| *owner != policy);
        given.labels.retain(|(owner, _), _| *owner != policy);
    }

    /// The reason in words.
    pub fn explain(&self, number: u32) -> String {
        if let Some(jewel) = jewel(number) {
            return jewel_text(jewel);
        }
        if let Some(work) = work(number) {
            return format!("it is {} outside of the session: no agent session may reach it", work.words());
        }
        if let Some((_, text)) = FIXED.iter().find(|(fixed, _)| *fixed == number) {
            return (*text).into();
        }
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        match given.texts.get(&number) {
            Some((_, text)) => text.to_string(),
            None => format!("a rule that is no longer armed (number {number})"),
        }
    }
}

impl Given {
    fn number(&mut self) -> u32 {
        self.next += 1;
        FIRST_ALLOCATED + self.next - 1
    }
}

/// A row of the crown jewels as a sentence.
fn jewel_text(Jewel { rule, site }: Jewel) -> String {
    format!("{site} is a crown jewel ({}): no agent session may {} it", rule.is, rule.verb())
}

/// Who a baseline speaks of, in the words of its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normal {
    /// The agent.
    pub agent: AgentName,
    /// The task; `None`: the union of the agent's tasks.
    pub task: Option<TaskName>,
}

impl std::fmt::Display for Normal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.task {
            Some(task) => write!(f, "recorded `{task}` session of `{}`", self.agent),
            None => write!(f, "recorded session of `{}`", self.agent),
        }
    }
}

impl Normal {
    /// What a baseline speaks of in a segment of a task.
    pub fn of(baseline: &Baseline, task: &TaskName) -> Normal {
        let task = baseline.task.is_only(task).then(|| task.clone());
        Normal { agent: baseline.agent.clone(), task }
    }

    /// What a session reached for: how, the place nearest to it that says something, and how many sessions did so, of how
    /// many. `inside`: it lies somewhere in that place.
    pub fn rarely(&self, did: &str, place: &str, inside: bool, (some, all): (usize, usize)) -> String {
        let anything = if inside { " anything in" } else { "" };
        match some {
            0 => format!("no {self} {did}{anything} `{place}`"),
            some if some < all => {
                format!("only {some} of {all} sessions did so: hardly any {self} {did}{anything} `{place}`")
            }
            _ => format!("each {self} {did}{anything} `{place}`, but this is not what it knew there"),
        }
    }

    /// A place of the file system that the baseline closes, of which no more is known.
    pub fn closed(&self, did: &str, place: &str) -> String {
        format!("no {self} surely {did} this, or anything new in `{place}`")
    }

    /// A file that no label covers.
    pub fn never_there(&self) -> String {
        format!("no {self} used files outside the places that it learned")
    }

    /// Something was changed that is obeyed in the agent's own state.
    pub fn never_obeyed(&self) -> String {
        format!(
            "what has such a name in an agent's own state is run, or read as instructions: no {self} made it"
        )
    }

    /// Something was mounted.
    pub fn never_mounted(&self) -> String {
        format!("no {self} mounted anything")
    }

    /// An address that no network covers.
    pub fn never_connected(&self) -> String {
        format!("no {self} connected there")
    }
}

/// What the session did that let its score cross the threshold.
pub fn score_crossed(explanations: &[String]) -> String {
    format!("what the session does is unlike normal sessions: {}", explanations.join("; "))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;

    #[test]
    fn a_jewel_explains_itself() {
        let reasons = Reasons::default();
        assert_eq!(
            reasons.explain(1),
            "`~/.ssh` is a crown jewel (private key): no agent session may read or change it"
        );
        for index in 0..jewels().len() {
            assert!(reasons.explain(of_jewel(index)).contains("crown jewel"));
        }
        assert!((jewels().len() as u32) < FIRST_FIXED);
    }

    #[test]
    fn each_fixed_reason_has_a_number_of_its_own() {
        let numbers: std::collections::HashSet<u32> = FIXED.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), FIXED.len());
    }

    #[test]
    fn a_policy_takes_its_reasons_with_it() {
        let reasons = Reasons::default();
        let one = reasons.allocate(1, "a");
        assert_eq!(reasons.allocate(1, "a"), one);
        let two = reasons.allocate(2, "a");
        assert_ne!(one, two);
        reasons.release(1);
        assert!(reasons.explain(one).contains("no longer armed"));
        assert_eq!(reasons.explain(two), "a");
        assert_ne!(reasons.allocate(1, "a"), one);
    }

    #[test]
    fn a_label_says_why_what_was_asked_for_is_refused() {
        let reasons = Reasons::default();
        let (exec, write) = (Access::EXEC, Access::WRITE);
        let of = |policy| {
            let each = [(exec.bits(), "started".to_owned()), (write.bits(), "changed".to_owned())];
            reasons.allocate_each(policy, &each)
        };
        let label = of(1);
        assert_eq!((of(1), of(2) == label, reasons.allocate_each(1, &[])), (label, false, 0));
        let why = |access| reasons.explain(reasons.asked(label, access));
        assert_eq!((why(exec).as_str(), why(write).as_str()), ("started", "changed"));
        assert_eq!((why(exec | write).as_str(), why(Access::READ).as_str()), ("started", "started"));
        let alone = reasons.allocate(1, "alone");
        assert_eq!((reasons.asked(alone, exec), reasons.asked(1, exec)), (alone, 1));
        reasons.release(1);
        assert!(reasons.explain(reasons.asked(label, exec)).contains("no longer armed"));
    }

    #[test]
    fn the_baseline_is_named_as_users_know_it() {
        let normal = Normal { agent: "demo-agent".parse().unwrap(), task: "summarize".parse().ok() };
        assert_eq!(
            normal.rarely("read", "~/projects/other", true, (0, 24)),
            "no recorded `summarize` session of `demo-agent` read anything in `~/projects/other`"
        );
        assert_eq!(
            normal.rarely("made", "~/.cache/x", false, (1, 24)),
            "only 1 of 24 sessions did so: hardly any recorded `summarize` session of `demo-agent` made `~/.cache/x`"
        );
        let union = Normal { task: None, ..normal };
        for some in [24, 25] {
            assert_eq!(
                union.rarely("read", "~/.agentrc", false, (some, 24)),
                "each recorded session of `demo-agent` read `~/.agentrc`, but this is not what it knew there"
            );
        }
    }
}
