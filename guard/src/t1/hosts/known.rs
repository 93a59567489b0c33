//! Hosts that are known by name: destinations of a baseline, or hosts of loans.

use super::public::is_public;
use crate::t1::network;
use abi::{LABEL_LOANS, NetLabel};
use bstr::{BStr, BString, ByteSlice};
use event::{Place, Reach};
use models::{Baseline, DENIAL_BUDGET_BITS, Novelty};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Ports that names were reached at, of all names together.
const PORTS_MAX: usize = 64;

/// Who is known.
pub(super) enum Known {
    /// To a baseline, at the ports of this list that it learned with the name.
    Baseline(Arc<Baseline>, Vec<u16>),
    /// To loans, a bit each, at every port.
    Loans(BTreeMap<String, u32>),
}

impl Known {
    /// What a baseline knows, and the names in the order in which they are resolved; `None` where it knows none.
    pub(super) fn learned(baseline: Arc<Baseline>) -> Option<(Self, Vec<String>)> {
        let (names, ports) = learned(&baseline.models.novelty);
        (!ports.is_empty()).then_some((Known::Baseline(baseline, ports), names))
    }

    /// Whether a name is known.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Known::Baseline(..) => !self.ports_of(name).is_empty(),
            Known::Loans(hosts) => hosts.contains_key(name),
        }
    }

    /// Ports at which a name may be reached; of a loan's, none is told apart.
    pub(super) fn ports_of(&self, name: &str) -> Vec<u16> {
        let Known::Baseline(baseline, ports) = self else { return Vec::new() };
        let host: Vec<BString> =
            std::iter::once("$host").chain(name.rsplit('.')).map(BString::from).collect();
        let is_known = |port: &u16| {
            let components = host.iter().cloned().chain([format!(":{port}").into()]).collect();
            let place = Place { reach: Reach::Connect, components };
            baseline.models.novelty.first_touch_bits(&place) < DENIAL_BUDGET_BITS
        };
        ports.iter().copied().filter(is_known).collect()
    }

    /// Whether an answer is believed. Who wrote a rule knows the host, which may be of a private network.
    pub(super) fn may_be_at(&self, ip: IpAddr) -> bool {
        matches!(self, Known::Loans(_)) || is_public(ip)
    }

    /// The label of an address that was found for some names, at the ports that are known; `by_address`: what the policy opens
    /// there besides.
    pub(super) fn label(
        &self,
        names: &BTreeSet<String>,
        known: &[u16],
        by_address: Option<&NetLabel>,
    ) -> NetLabel {
        match self {
            Known::Baseline(..) => {
                // What the policy opens by address comes first, then what was open before.
                let by_address = by_address.map(|label| label.ports).unwrap_or_default();
                let mut ports: Vec<u16> = by_address.into_iter().filter(|port| *port != 0).collect();
                let more: Vec<u16> = known.iter().copied().filter(|port| !ports.contains(port)).collect();
                ports.extend(more);
                network::label(&ports)
            }
            Known::Loans(hosts) => {
                let loans = names.iter().filter_map(|name| hosts.get(name)).fold(0, |all, of| all | of);
                NetLabel { deny: LABEL_LOANS & !loans, ..network::label(&[]) }
            }
        }
    }
}

/// The names that a baseline knows, those that most sessions reached first; and the ports at which any name was.
pub(super) fn learned(novelty: &Novelty) -> (Vec<String>, Vec<u16>) {
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
