//! Names that a session's addresses go by: what resolvers answered it, and what it asked servers to be.
//!
//! All of it is claimed. An answer counts when it came to the socket and port that had asked, with the question's number and
//! its name, from the resolver that was asked, in the network namespace of the supervisor, and that resolver was
//! configured when the session began. Everything else only explains. Bounded: what overflows is forgotten, and an address
//! without a name is judged by itself.

mod resolvers;

use collector::Dns;
use event::{Class, Host, HostOrigin};
pub(crate) use resolvers::Resolvers;
pub use resolvers::configured;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Questions that wait for an answer.
const QUESTIONS_MAX: usize = 1_024;
/// Addresses that have names.
const ADDRESSES_MAX: usize = 4_096;
/// Names of one address that are told apart.
const NAMES_MAX: usize = 8;
/// So many names make an address a shared one.
const SHARED_FROM: usize = 3;

/// What an answer must match: the socket, the question's number, and who was asked.
type Key = (u64, u16, SocketAddr);

#[derive(Debug)]
struct Question {
    local_port: u16,
    name: String,
    kind: u16,
    counts: bool,
}

/// The names of one session.
#[derive(Debug, Default)]
pub(crate) struct Names {
    resolvers: Resolvers,
    questions: HashMap<Key, Question>,
    asked: VecDeque<Key>,
    /// The latest name last.
    known: HashMap<IpAddr, Vec<(String, HostOrigin)>>,
}

impl Names {
    pub(crate) fn new(resolvers: Resolvers) -> Self {
        Self { resolvers, ..Self::default() }
    }

    /// Takes in a DNS message. Returns the name that it gives addresses to, if it counts.
    pub(crate) fn hear(&mut self, dns: &Dns) -> Option<String> {
        let message = &dns.message;
        let key = (dns.socket, message.id, dns.remote);
        if !dns.incoming {
            if !message.response {
                self.ask(key, dns);
            }
            return None;
        }
        let asked = self.questions.get(&key)?;
        let matches = message.response
            && asked.local_port == dns.local_port
            && asked.name == message.question
            && asked.kind == message.kind;
        if !matches {
            return None;
        }
        // The first answer is the one that the session reads.
        let Question { name, counts, .. } = self.questions.remove(&key)?;
        self.asked.retain(|other| *other != key);
        let origin = if counts { HostOrigin::Answered } else { HostOrigin::Claimed };
        for ip in &message.addresses {
            self.learn(*ip, &name, origin);
        }
        (counts && !message.addresses.is_empty()).then_some(name)
    }

    fn ask(&mut self, key: Key, dns: &Dns) {
        if self.asked.len() >= QUESTIONS_MAX
            && let Some(oldest) = self.asked.pop_front()
        {
            self.questions.remove(&oldest);
        }
        let question = Question {
            local_port: dns.local_port,
            name: dns.message.question.clone(),
            kind: dns.message.kind,
            counts: self.resolvers.count(dns.netns, dns.remote.ip()),
        };
        if self.questions.insert(key, question).is_none() {
            self.asked.push_back(key);
        }
    }

    /// The session itself calls this address so.
    pub(crate) fn claim(&mut self, ip: IpAddr, name: &str) {
        self.learn(ip, name, HostOrigin::Claimed);
    }

    fn learn(&mut self, ip: IpAddr, name: &str, origin: HostOrigin) {
        // A proxy of this machine's is asked for every name, and is none of them.
        if Class::of_address(ip) == Class::Loopback {
            return;
        }
        if self.known.len() >= ADDRESSES_MAX && !self.known.contains_key(&ip) {
            self.known.clear();
        }
        let names = self.known.entry(ip).or_default();
        let before = names.iter().position(|(known, _)| known == name).map(|at| names.remove(at).1);
        if names.len() >= NAMES_MAX {
            names.remove(0);
        }
        names.push((name.to_owned(), before.map_or(origin, |before| before.max(origin))));
    }

    /// The name of an address: the latest that was answered and that `resolved` knows, or the latest that was answered, or
    /// the latest claim.
    pub(crate) fn host(&self, ip: IpAddr, resolved: impl Fn(&str) -> bool) -> Option<Host> {
        let names = self.known.get(&ip)?;
        let answered = || names.iter().rev().filter(|(_, origin)| *origin == HostOrigin::Answered);
        let found = answered().find(|(name, _)| resolved(name)).map(|(name, _)| (name, HostOrigin::Resolved));
        let latest = || answered().next().or(names.last()).map(|(name, origin)| (name, *origin));
        let (name, origin) = found.or_else(latest)?;
        Some(Host { name: name.clone(), origin, shared: self.is_shared(ip) })
    }

    /// Whether so many names lead to an address that each says little.
    pub(crate) fn is_shared(&self, ip: IpAddr) -> bool {
        self.known.get(&ip).is_some_and(|names| names.len() >= SHARED_FROM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collector::dns::Message;
    use std::net::Ipv4Addr;

    const NETNS: u64 = 5;

    fn names() -> Names {
        let text = "# a comment\nnameserver 198.51.100.53\nnameserver fe80::1%eth0\nsearch example\n";
        Names::new(Resolvers::of(text, Some(NETNS)))
    }

    fn question(name: &str) -> Dns {
        Dns {
            socket: 77,
            netns: NETNS,
            local_port: 40_000,
            remote: "198.51.100.53:53".parse().unwrap(),
            incoming: false,
            message: Message {
                id: 9,
                response: false,
                question: name.into(),
                kind: 1,
                addresses: Vec::new(),
            },
        }
    }

    fn answer(name: &str, ip: &str) -> Dns {
        let mut dns = question(name);
        dns.incoming = true;
        dns.message.response = true;
        dns.message.addresses = vec![ip.parse().unwrap()];
        dns
    }

    fn origin(names: &Names, ip: &str) -> Option<HostOrigin> {
        names.host(ip.parse().unwrap(), |_| false).map(|host| host.origin)
    }

    #[test]
    fn an_answer_to_a_question_gives_a_name() {
        let mut names = names();
        assert_eq!(names.hear(&question("a.example")), None);
        assert_eq!(names.hear(&answer("a.example", "203.0.113.7")), Some("a.example".into()));
        let expected = Host { name: "a.example".into(), origin: HostOrigin::Answered, shared: false };
        assert_eq!(names.host("203.0.113.7".parse().unwrap(), |_| false), Some(expected));
        assert_eq!(names.hear(&answer("a.example", "203.0.113.8")), None, "it was answered");
    }

    #[test]
    fn what_does_not_match_is_no_answer() {
        let good = answer("a.example", "203.0.113.7");
        let message = |change: fn(&mut Dns)| {
            let mut dns = good.clone();
            change(&mut dns);
            let mut names = names();
            names.hear(&question("a.example"));
            (names.hear(&dns), origin(&names, "203.0.113.7"))
        };
        assert_eq!(message(|_| ()), (Some("a.example".into()), Some(HostOrigin::Answered)));
        for change in [
            (|dns| dns.socket += 1) as fn(&mut Dns),
            |dns| dns.local_port += 1,
            |dns| dns.message.id += 1,
            |dns| dns.message.question = "b.example".into(),
            |dns| dns.message.kind = 28,
            |dns| dns.message.response = false,
            |dns| dns.remote = "198.51.100.54:53".parse().unwrap(),
        ] {
            assert_eq!(message(change), (None, None));
        }
    }

    #[test]
    fn another_resolver_and_another_network_namespace_only_claim() {
        for change in
            [(|dns| dns.remote = "203.0.113.53:53".parse().unwrap()) as fn(&mut Dns), |dns| dns.netns += 1]
        {
            let (mut asked, mut answered) = (question("a.example"), answer("a.example", "203.0.113.7"));
            change(&mut asked);
            change(&mut answered);
            let mut names = names();
            names.hear(&asked);
            assert_eq!(names.hear(&answered), None);
            assert_eq!(origin(&names, "203.0.113.7"), Some(HostOrigin::Claimed));
        }
    }

    #[test]
    fn a_claim_does_not_replace_an_answer_and_many_names_make_an_address_shared() {
        let mut names = names();
        let ip = "203.0.113.7".parse().unwrap();
        names.hear(&question("a.example"));
        names.hear(&answer("a.example", "203.0.113.7"));
        names.claim(ip, "b.example");
        names.claim(ip, "a.example");
        assert_eq!(
            names.host(ip, |_| false),
            Some(Host { name: "a.example".into(), origin: HostOrigin::Answered, shared: false })
        );
        names.claim(ip, "c.example");
        assert!(names.host(ip, |_| false).is_some_and(|host| host.shared && host.name == "a.example"));
    }

    #[test]
    fn a_claim_is_never_resolved_and_a_resolved_name_comes_before_a_later_one() {
        let mut names = names();
        let ip = "203.0.113.7".parse().unwrap();
        names.claim(ip, "a.example");
        assert_eq!(names.host(ip, |_| true).map(|host| host.origin), Some(HostOrigin::Claimed));
        for name in ["a.example", "b.example"] {
            names.hear(&question(name));
            names.hear(&answer(name, "203.0.113.7"));
        }
        let host = |resolved: fn(&str) -> bool| names.host(ip, resolved).map(|host| (host.name, host.origin));
        assert_eq!(host(|name| name == "a.example"), Some(("a.example".into(), HostOrigin::Resolved)));
        assert_eq!(host(|_| false), Some(("b.example".into(), HostOrigin::Answered)));
    }

    #[test]
    fn floods_stay_within_bounds() {
        let mut names = names();
        for n in 0..10_000u32 {
            let mut dns = question("a.example");
            dns.socket = u64::from(n);
            names.hear(&dns);
            names.claim(IpAddr::V4(Ipv4Addr::from(n)), "x.example");
            names.claim("203.0.113.7".parse().unwrap(), &format!("{n}.example"));
            names.claim(IpAddr::V4(Ipv4Addr::LOCALHOST), "x.example");
        }
        assert_eq!((names.questions.len(), names.asked.len()), (QUESTIONS_MAX, QUESTIONS_MAX));
        assert!(names.known.len() <= ADDRESSES_MAX);
        assert_eq!(names.host(IpAddr::V4(Ipv4Addr::LOCALHOST), |_| false), None);
        assert!(names.known.values().all(|names| names.len() <= NAMES_MAX));
    }
}
