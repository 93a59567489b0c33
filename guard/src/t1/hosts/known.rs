//! What a baseline knows by name.

use bstr::{BStr, ByteSlice};
use event::Reach;
use models::Novelty;
use std::collections::{BTreeMap, BTreeSet};

/// Ports that names were reached at, of all names together.
const PORTS_MAX: usize = 64;

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
