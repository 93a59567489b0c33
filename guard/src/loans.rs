//! What a session still reaches when it has read what is lent to it: the hosts that its loans are for, those that rules leave
//! open by name or address, and the configured resolvers. What a baseline knows is asked in the kernel as well.

use crate::Error;
use crate::shared::Shared;
use crate::t0::mapped;
use crate::t1::hosts::{Hosts, Resolve};
use crate::t1::net_key;
use abi::{LABEL_LOANS, NetLabel, loan};
use event::RESOLVER_PORT;
use policy::{Effect, Rules, Site};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The loans of a session, and where its taken ones let it connect to. Dropping it closes that again.
pub(crate) struct Loans {
    shared: Arc<Shared>,
    /// The first half of its keys of the deny-list's networks.
    pub(crate) number: u32,
    /// Resolvers that are open at their port.
    resolvers: Vec<IpAddr>,
    hosts: Option<Hosts>,
}

impl Loans {
    /// Opens what loans need; `None` where nothing is lent.
    pub(crate) fn arm(
        shared: &Arc<Shared>,
        rules: &Rules,
        resolvers: &[IpAddr],
        resolve: Resolve,
    ) -> Result<Option<Self>, Error> {
        if rules.loans().next().is_none() {
            return Ok(None);
        }
        let number = shared.next_policy.fetch_add(1, Relaxed);
        let mut loans = Self { shared: shared.clone(), number, resolvers: Vec::new(), hosts: None };
        for &resolver in resolvers {
            let mut ports = [0; 8];
            ports[0] = RESOLVER_PORT;
            let label = NetLabel { deny: 0, reason: 0, ports, from: 0, to: 0 };
            shared.list.insert_net(128, net_key(number, mapped(resolver)), &label)?;
            loans.resolvers.push(resolver);
        }
        let hosts = Hosts::lending(shared.list.clone(), number, hosts(rules), resolve);
        loans.hosts = Some(hosts.map_err(|e| Error::io("a thread could not be started", e))?);
        Ok(Some(loans))
    }

    /// Who is resolved for them.
    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        self.hosts.as_ref()
    }
}

impl Drop for Loans {
    fn drop(&mut self) {
        self.hosts = None;
        for resolver in &self.resolvers {
            let key = net_key(self.number, mapped(*resolver));
            if let Err(e) = self.shared.list.remove_net(128, key) {
                tracing::error!(error = %e, policy = self.number, "a resolver of loans was left in the kernel");
            }
        }
    }
}

/// The hosts of a session's loans, and those that rules leave open to all of them, with the loans that each is for.
pub(crate) fn hosts(rules: &Rules) -> BTreeMap<String, u32> {
    let mut hosts: BTreeMap<String, u32> = BTreeMap::new();
    for (number, rule) in (0..).zip(rules.loans()) {
        for host in &rule.hosts {
            *hosts.entry(host.clone()).or_default() |= loan(number);
        }
    }
    for row in rules.policy().rows().filter(|row| row.rule.effect == Effect::Allow) {
        let name = match row.site {
            Site::Host(name) => name.clone(),
            Site::Address(address) => address.to_string(),
            _ => continue,
        };
        hosts.insert(name, LABEL_LOANS);
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::{Layer, Source};

    #[test]
    fn a_host_is_for_the_loans_that_name_it_and_one_that_a_rule_opens_for_all() {
        let rule = |id: &str, place: &str, effect: &str, hosts: &str| {
            format!(
                "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.{place}\neffect = \"{effect}\"\n{hosts}\nwhy = \"said\"\n"
            )
        };
        let text = [
            rule(
                "a",
                "home = \".npmrc\"\nwhat = \"read\"",
                "lend",
                "hosts = [\"a.example.org\", \"192.0.2.1\"]",
            ),
            rule("b", "home = \".pypirc\"\nwhat = \"read\"", "lend", "hosts = \"a.example.org\""),
            rule("c", "host = \"c.example.org\"\nwhat = \"connect\"", "allow", ""),
        ];
        let source = Source { layer: Layer::User, file: "own.toml".into(), text: text.concat() };
        let rules = Rules::read(&[source], policy::Day::at(0)).unwrap();
        let hosts = hosts(&rules);
        assert_eq!(hosts["a.example.org"], loan(0) | loan(1));
        assert_eq!(hosts["192.0.2.1"], loan(0));
        assert_eq!(hosts["c.example.org"], LABEL_LOANS);
    }
}
