//! Destinations that a baseline knows by name. The supervisor resolves the names itself, when the policy is armed and
//! now and then while it is, and opens what it finds at the ports that were learned. What the session was told opens
//! nothing: it is only a reason to ask again.
//!
//! A name's answers are its owner's, so that they open public addresses only: a name that turns to the private network,
//! or to this machine, opens nothing there. What was opened stays open as long as the policy, since programs keep answers,
//! too.

use super::network::{self, covered};
use super::{Policy, net_key};
use crate::DenyList;
use crate::t0::mapped;
use abi::NetLabel;
use bstr::{BStr, BString, ByteSlice};
use event::{Class, Place, Reach};
use models::{Baseline, DENIAL_BUDGET_BITS, Novelty};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Names that are resolved when a policy is armed, those that most sessions reached first.
const ARMED_MAX: usize = 64;
/// Names that are resolved at all.
const NAMES_MAX: usize = 256;
/// Ports that names were reached at, of all names together.
const PORTS_MAX: usize = 64;
/// Addresses that one answer opens.
const ANSWER_MAX: usize = 32;
/// Addresses that one policy opens.
const OPENED_MAX: usize = 1_024;
/// After this every name is resolved again.
const EVERY: Duration = Duration::from_secs(60);
/// A name is not resolved again before this, however often it is wanted.
const AGAIN: Duration = Duration::from_secs(2);
/// A failure that took so long: nobody answers, and the other names wait for the next round.
const SLOW: Duration = Duration::from_secs(2);

/// Finds the addresses of a name.
pub(crate) type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;

/// Asks the configured resolvers, as every program here does. A name is whole: no search list is tried.
pub(crate) fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (format!("{name}."), 0u16).to_socket_addrs()?;
    let distinct: BTreeSet<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
    Ok(distinct.into_iter().collect())
}

/// The named destinations of one armed policy. Dropping it closes what it opened, but for what the policy opens, too:
/// that goes with the policy, which is taken back after it.
pub(crate) struct Hosts {
    shared: Arc<Shared>,
}

struct Shared {
    list: Arc<dyn DenyList>,
    number: u32,
    /// What the policy opens by address.
    nets: BTreeMap<(u32, [u8; 16]), NetLabel>,
    baseline: Arc<Baseline>,
    ports: Vec<u16>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    asking: bool,
    queue: VecDeque<String>,
    asked: HashMap<String, Instant>,
    opened: BTreeMap<IpAddr, Opened>,
}

#[derive(Default)]
struct Opened {
    /// Ports that its names are known at, in the order in which they were found.
    ports: Vec<u16>,
    /// Those that there was no room to open.
    closed: Vec<u16>,
    names: BTreeSet<String>,
}

impl Hosts {
    /// Starts to resolve what a policy knows by name; `None` where it knows nothing so.
    pub(crate) fn start(
        list: Arc<dyn DenyList>,
        policy: &Policy,
        baseline: Arc<Baseline>,
        resolve: Resolve,
    ) -> io::Result<Option<Self>> {
        let (names, ports) = learned(&baseline.models.novelty);
        if ports.is_empty() {
            return Ok(None);
        }
        let state = State { queue: names.into_iter().take(ARMED_MAX).collect(), ..State::default() };
        let shared = Arc::new(Shared {
            list,
            number: policy.number,
            nets: policy.nets.iter().map(|(bits, addr, label)| ((*bits, *addr), *label)).collect(),
            baseline,
            ports,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new().name("names".into()).spawn(move || run(&weak, resolve))?;
        Ok(Some(Self { shared }))
    }

    /// Waits until every name was resolved that waits for it, but no longer than this.
    pub(crate) fn settle(&self, limit: Duration) {
        let pending = |state: &mut State| state.asking || !state.queue.is_empty();
        let state = self.shared.state();
        drop(self.shared.changed.wait_timeout_while(state, limit, pending));
    }

    /// The session was told of addresses of this name, or was refused one: it is resolved again, if the baseline knows it.
    pub(crate) fn want(&self, name: &str) {
        let mut state = self.shared.state();
        let lately = state.asked.get(name).is_some_and(|at| at.elapsed() < AGAIN);
        let full = state.asked.len() >= NAMES_MAX && !state.asked.contains_key(name);
        if lately || full || state.queue.iter().any(|waits| waits == name) {
            return;
        }
        if self.shared.ports_of(name).next().is_some() {
            state.queue.push_back(name.to_owned());
            self.shared.changed.notify_all();
        }
    }

    /// Whether the supervisor itself found this address under this name.
    pub(crate) fn is_resolved(&self, name: &str, ip: IpAddr) -> bool {
        self.shared.state().opened.get(&ip).is_some_and(|opened| opened.names.contains(name))
    }

    /// Addresses that were opened for several names: whoever else is there is open as well.
    pub(crate) fn notes(&self) -> Vec<String> {
        let state = self.shared.state();
        let mut notes = Vec::new();
        for (ip, opened) in &state.opened {
            let names: Vec<&str> = opened.names.iter().map(String::as_str).collect();
            let names = names.join(" and ");
            if opened.names.len() > 1 {
                notes.push(format!(
                    "{ip} was opened for {names}: a shared address, behind which other hosts are open, too"
                ));
            }
            if !opened.closed.is_empty() {
                let closed = network::listed(&opened.closed);
                notes.push(format!("{ip} ({names}) is known at too many ports: {closed} stays closed"));
            }
        }
        notes
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.over = true;
        state.queue.clear();
        for ip in std::mem::take(&mut state.opened).into_keys() {
            self.shared.close(ip);
        }
        self.shared.changed.notify_all();
    }
}

/// Resolves one name after the other. Holds nothing of the policy while it waits for an answer, which may take long.
fn run(weak: &Weak<Shared>, resolve: Resolve) {
    while let Some(name) = weak.upgrade().and_then(|shared| shared.next()) {
        let began = Instant::now();
        let found = resolve(&name);
        let Some(shared) = weak.upgrade() else { return };
        shared.take(&name, found, began.elapsed());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next name to resolve; `None`: the policy is over.
    fn next(&self) -> Option<String> {
        let mut state = self.state();
        let mut round = Instant::now() + EVERY;
        loop {
            if state.over {
                return None;
            }
            if let Some(name) = state.queue.pop_front() {
                state.asking = true;
                state.asked.insert(name.clone(), Instant::now());
                return Some(name);
            }
            let left = round.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.queue = state.asked.keys().cloned().collect();
                round = Instant::now() + EVERY;
                continue;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take(&self, name: &str, found: io::Result<Vec<IpAddr>>, took: Duration) {
        let mut state = self.state();
        state.asking = false;
        match found {
            Ok(_) if state.over => {}
            Ok(addresses) => {
                for ip in addresses.into_iter().take(ANSWER_MAX) {
                    self.open(&mut state, name, ip);
                }
            }
            Err(error) => {
                tracing::debug!(name, %error, "not resolved");
                if took >= SLOW {
                    // They are asked in the next round.
                    let now = Instant::now();
                    for waits in std::mem::take(&mut state.queue) {
                        state.asked.insert(waits, now);
                    }
                }
            }
        }
        self.changed.notify_all();
    }

    /// Ports at which a name may be reached.
    fn ports_of(&self, name: &str) -> impl Iterator<Item = u16> {
        let mut place = Place { reach: Reach::Connect, components: vec![BString::from("$host")] };
        place.components.extend(name.rsplit('.').map(BString::from));
        self.ports.iter().copied().filter(move |port| {
            place.components.push(format!(":{port}").into());
            let bits = self.baseline.models.novelty.first_touch_bits(&place);
            place.components.pop();
            bits < DENIAL_BUDGET_BITS
        })
    }

    fn open(&self, state: &mut State, name: &str, ip: IpAddr) {
        let full = state.opened.len() >= OPENED_MAX && !state.opened.contains_key(&ip);
        if full || !is_public(ip) {
            return;
        }
        let opened = state.opened.entry(ip).or_default();
        opened.names.insert(name.to_owned());
        let before = opened.ports.len();
        for port in self.ports_of(name) {
            if !opened.ports.contains(&port) {
                opened.ports.push(port);
            }
        }
        let addr = mapped(ip);
        if opened.ports.len() == before || covered(&self.nets, addr) {
            return;
        }
        // What the policy opens by address comes first, then what was open before.
        let by_address = self.nets.get(&(128, addr)).map(|label| label.ports).unwrap_or_default();
        let mut ports: Vec<u16> = by_address.into_iter().filter(|port| *port != 0).collect();
        let more: Vec<u16> = opened.ports.iter().copied().filter(|port| !ports.contains(port)).collect();
        ports.extend(more);
        opened.closed = ports.split_off(ports.len().min(network::PORTS));
        let written = self.list.insert_net(128, net_key(self.number, addr), &network::label(&ports));
        if let Err(error) = written {
            tracing::error!(name, %ip, %error, "an address that was resolved could not be opened");
            state.opened.remove(&ip);
        }
    }

    fn close(&self, ip: IpAddr) {
        let addr = mapped(ip);
        if self.nets.contains_key(&(128, addr)) {
            return;
        }
        if let Err(error) = self.list.remove_net(128, net_key(self.number, addr)) {
            tracing::error!(%ip, %error, "an address of a policy that is over was left in the kernel");
        }
    }
}

/// The names that a baseline knows, those that most sessions reached first; and the ports at which any name was.
fn learned(novelty: &Novelty) -> (Vec<String>, Vec<u16>) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut ports = BTreeSet::new();
    for region in novelty.regions().filter(|region| region.reach == Reach::Connect) {
        let Some((name, port)) = named(&region.components) else { continue };
        if ports.len() < PORTS_MAX {
            ports.insert(port);
        }
        if region.known {
            let support = names.entry(name).or_default();
            *support = region.support.max(*support);
        }
    }
    let mut names: Vec<(String, usize)> = names.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    (names.into_iter().map(|(name, _)| name).collect(), ports.into_iter().collect())
}

/// The name and the port of a place: `$host`, labels from the last to the first, and a colon with the port.
fn named(components: &[&BStr]) -> Option<(String, u16)> {
    let [root, labels @ .., port] = components else { return None };
    if *root != "$host" || labels.is_empty() {
        return None;
    }
    let port = port.strip_prefix(b":")?.to_str().ok()?.parse().ok().filter(|port| *port != 0)?;
    let labels: Option<Vec<&str>> = labels.iter().rev().map(|label| label.to_str().ok()).collect();
    Some((labels?.join("."), port))
}

/// Whether an address is one of the Internet: the owner of a name may say that it lies anywhere, also where this machine
/// and its neighbours are. Ranges: RFC 6890 and its registries.
fn is_public(ip: IpAddr) -> bool {
    if Class::of_address(ip) != Class::Host {
        return false;
    }
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let translated = (a, b) == (192, 0) && ip.octets()[2] == 0;
            !(a == 0 || a >= 224 || shared || translated || (a == 198 && (b & 0xfe) == 18))
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            // Unicast of the Internet is 2000::/3; Teredo and 6to4 carry addresses of IPv4.
            a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && b == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use models::Models;

    const LIMIT: Duration = Duration::from_secs(10);

    fn at(name: &str, port: u16) -> Place {
        let mut components = vec![BString::from("$host")];
        components.extend(name.rsplit('.').map(BString::from));
        components.push(format!(":{port}").into());
        Place { reach: Reach::Connect, components }
    }

    fn baseline(places: &[Place], sessions: u64) -> Arc<Baseline> {
        let novelty = Novelty::learn((0..sessions).map(|session| (session, places.iter())));
        Arc::new(Baseline {
            agent: "a".into(),
            task: "t".into(),
            sessions: sessions as usize,
            tokens: 0,
            syscalls: 0,
            workspaces: 1,
            trained_at_unix_ns: 0,
            tier: "lsm".into(),
            provenance: models::Provenance::default(),
            vocabulary: event::vocabulary_hash(),
            partial: false,
            models: Arc::new(Models { novelty, ..Models::default() }),
            calibration: models::calibration::Calibration::default(),
        })
    }

    fn answers(name: &str) -> io::Result<Vec<IpAddr>> {
        match name {
            "api.example.org" => {
                Ok(vec![ip("203.0.113.7"), ip("127.0.0.1"), ip("10.0.0.5"), ip("169.254.169.254")])
            }
            "www.example.org" => Ok(vec![ip("203.0.113.7"), ip("203.0.113.8")]),
            _ => Err(io::Error::other("no such name")),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ports(list: &Fake, text: &str) -> Option<Vec<u16>> {
        let key = (128, net_key(7, mapped(ip(text))));
        let label = list.state().nets.get(&key).copied()?;
        assert_eq!(label.deny, 0);
        Some(label.ports.into_iter().filter(|port| *port != 0).collect())
    }

    #[test]
    fn known_names_open_what_the_supervisor_finds_and_nothing_private() {
        let list = Arc::new(Fake::default());
        let places = [at("api.example.org", 443), at("www.example.org", 80), at("gone.example.org", 443)];
        let policy = Policy { number: 7, ..Policy::default() };
        let hosts = Hosts::start(list.clone(), &policy, baseline(&places, 4), answers).unwrap().unwrap();
        hosts.settle(LIMIT);
        assert_eq!(ports(&list, "203.0.113.7"), Some(vec![80, 443]));
        assert_eq!(ports(&list, "203.0.113.8"), Some(vec![80]));
        assert_eq!(
            list.state().nets.len(),
            2,
            "loopback, private and link-local addresses stay as they were"
        );
        assert!(hosts.is_resolved("api.example.org", ip("203.0.113.7")));
        assert!(!hosts.is_resolved("api.example.org", ip("203.0.113.8")));
        let notes = hosts.notes();
        assert_eq!(notes.len(), 1);
        assert!(
            notes[0].contains("203.0.113.7 was opened for api.example.org and www.example.org"),
            "{notes:?}"
        );
        drop(hosts);
        assert!(list.state().nets.is_empty());
    }

    #[test]
    fn of_nine_ports_of_a_name_eight_are_open() {
        let list = Arc::new(Fake::default());
        let policy = Policy { number: 7, ..Policy::default() };
        let places: Vec<Place> = (81..=89).map(|port| at("www.example.org", port)).collect();
        let hosts = Hosts::start(list.clone(), &policy, baseline(&places, 4), answers).unwrap().unwrap();
        hosts.settle(LIMIT);
        assert_eq!(ports(&list, "203.0.113.8"), Some((81..=88).collect()));
        let note = "203.0.113.8 (www.example.org) is known at too many ports: 89 stays closed".to_owned();
        assert!(hosts.notes().contains(&note), "{:?}", hosts.notes());
    }

    #[test]
    fn a_name_that_is_not_known_is_never_resolved() {
        let list = Arc::new(Fake::default());
        let policy = Policy { number: 7, ..Policy::default() };
        let hosts = Hosts::start(list.clone(), &policy, baseline(&[at("gone.example.org", 443)], 4), answers)
            .unwrap()
            .unwrap();
        hosts.want("www.example.org");
        hosts.settle(LIMIT);
        assert!(list.state().nets.is_empty());
        let once = baseline(&[at("api.example.org", 443)], 1);
        let hosts = Hosts::start(list.clone(), &policy, once, answers).unwrap().unwrap();
        hosts.want("api.example.org");
        hosts.settle(LIMIT);
        assert!(list.state().nets.is_empty(), "one session makes no name known");
    }

    #[test]
    fn what_the_policy_opens_by_address_goes_with_the_policy() {
        let list = Arc::new(Fake::default());
        let label = network::label(&[22]);
        let policy =
            Policy { number: 7, nets: vec![(128, mapped(ip("203.0.113.8")), label)], ..Policy::default() };
        let places = baseline(&[at("www.example.org", 80)], 4);
        let hosts = Hosts::start(list.clone(), &policy, places, answers).unwrap().unwrap();
        hosts.settle(LIMIT);
        assert_eq!(ports(&list, "203.0.113.8"), Some(vec![22, 80]));
        drop(hosts);
        assert_eq!(list.state().nets.len(), 1);
        crate::t1::disarm(&*list, &policy).unwrap();
        assert!(list.state().nets.is_empty());
    }

    #[test]
    fn a_baseline_without_names_asks_nobody() {
        let policy = Policy { number: 7, ..Policy::default() };
        let hosts = Hosts::start(Arc::new(Fake::default()), &policy, baseline(&[], 4), answers).unwrap();
        assert!(hosts.is_none());
    }

    #[test]
    fn a_name_opens_addresses_of_the_internet_alone() {
        for public in ["93.184.215.14", "198.51.100.7", "203.0.113.9", "2606:2800:21f::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.1.2.3",
            "10.0.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:0:a00:1::1",
            "fec0::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:100.64.0.1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
