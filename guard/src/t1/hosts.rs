//! Destinations that a baseline or a loan knows by name. The supervisor resolves the names itself, when the policy is armed and
//! now and then while it is, and opens what it finds, of a baseline's at the ports that were learned. What the session was told
//! opens nothing: it is only a reason to ask again.
//!
//! A learned name's answers are its owner's, so that they open public addresses only: a name that turns to the private network,
//! or to this machine, opens nothing there. What was opened stays open as long as the policy, since programs keep answers,
//! too.

mod known;
mod public;

use super::network::covered;
use super::{Policy, net_key};
use crate::DenyList;
use crate::t0::mapped;
use abi::NetLabel;
use known::Known;
use models::Baseline;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Names that are resolved when a policy is armed, those that most sessions reached first.
const ARMED_MAX: usize = 64;
/// Names that are resolved at all.
const NAMES_MAX: usize = 256;
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

/// How long who is guarded waits for the first answers: a resolver nearby is done by then, and where there is none nobody
/// waits.
pub(crate) const FIRST_ANSWERS: Duration = Duration::from_millis(250);

/// Finds the addresses of a name.
pub(crate) type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;

/// Asks the configured resolvers, as every program here does. A name is whole: no search list is tried. An address is its own.
pub(crate) fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
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
    known: Known,
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

impl State {
    /// The name to resolve now, or how long to wait for one: what is wanted first, then the name that was asked for longest
    /// ago, each a minute after its own last time.
    fn due(&mut self, now: Instant) -> Result<String, Duration> {
        if let Some(name) = self.queue.pop_front() {
            return Ok(name);
        }
        let oldest = self.asked.iter().min_by_key(|(_, at)| **at);
        let Some((name, at)) = oldest else { return Err(EVERY) };
        match EVERY.saturating_sub(now.saturating_duration_since(*at)) {
            Duration::ZERO => Ok(name.clone()),
            wait => Err(wait),
        }
    }
}

#[derive(Default)]
struct Opened {
    /// Ports that its names are known at, in the order in which they were found.
    ports: Vec<u16>,
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
        let Some((known, names)) = Known::learned(baseline) else { return Ok(None) };
        let nets = policy.nets.iter().map(|(bits, addr, label)| ((*bits, *addr), *label)).collect();
        Self::resolving(list, policy.number, nets, known, names, resolve).map(Some)
    }

    /// Starts to resolve the hosts of loans, each with the loans that it is for, under the number of a policy.
    pub(crate) fn lending(
        list: Arc<dyn DenyList>,
        number: u32,
        hosts: BTreeMap<String, u32>,
        resolve: Resolve,
    ) -> io::Result<Self> {
        let names = hosts.keys().cloned().collect();
        Self::resolving(list, number, BTreeMap::new(), Known::Loans(hosts), names, resolve)
    }

    fn resolving(
        list: Arc<dyn DenyList>,
        number: u32,
        nets: BTreeMap<(u32, [u8; 16]), NetLabel>,
        known: Known,
        names: Vec<String>,
        resolve: Resolve,
    ) -> io::Result<Self> {
        let queue = names.into_iter().take(ARMED_MAX).collect();
        let state = Mutex::new(State { queue, ..State::default() });
        let shared = Arc::new(Shared { list, number, nets, known, state, changed: Condvar::new() });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new().name("names".into()).spawn(move || run(&weak, resolve))?;
        Ok(Self { shared })
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
        if self.shared.known.has(name) {
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
        while !state.over {
            match state.due(Instant::now()) {
                Ok(name) => {
                    state.asking = true;
                    state.asked.insert(name.clone(), Instant::now());
                    return Some(name);
                }
                Err(wait) => {
                    let waited = self.changed.wait_timeout(state, wait);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        None
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

    fn open(&self, state: &mut State, name: &str, ip: IpAddr) {
        let full = state.opened.len() >= OPENED_MAX && !state.opened.contains_key(&ip);
        if full || !self.known.may_be_at(ip) {
            return;
        }
        let opened = state.opened.entry(ip).or_default();
        let is_new = opened.names.insert(name.to_owned());
        let before = opened.ports.len();
        for port in self.known.ports_of(name) {
            if !opened.ports.contains(&port) {
                opened.ports.push(port);
            }
        }
        let addr = mapped(ip);
        if !is_new && opened.ports.len() == before || covered(&self.nets, addr) {
            return;
        }
        let label = self.known.label(&opened.names, &opened.ports, self.nets.get(&(128, addr)));
        let written = self.list.insert_net(128, net_key(self.number, addr), &label);
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

#[cfg(test)]
mod tests;
