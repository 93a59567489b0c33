//! Tests of known names: the addresses that they open, and the times of queries.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use super::*;
use crate::denylist::fake::Fake;
use crate::t1::network;
use abi::{LABEL_LOANS, loan};
use bstr::BString;
use event::{Place, Reach};
use models::{Models, Novelty};

const LIMIT: Duration = Duration::from_secs(10);

fn at(name: &str, port: u16) -> Place {
    let names = std::iter::once("$host").chain(name.rsplit('.')).map(BString::from);
    Place { reach: Reach::Connect, components: names.chain([format!(":{port}").into()]).collect() }
}

fn baseline(places: &[Place], sessions: u64) -> Arc<Baseline> {
    let novelty = Novelty::learn((0..sessions).map(|session| (session, places.iter())));
    Arc::new(Baseline {
        agent: "a".parse().unwrap(),
        task: "t".parse().unwrap(),
        sessions: sessions as usize,
        tokens: 0,
        syscalls: 0,
        workspaces: 1,
        trained_at_unix_ns: 0,
        tier: event::Tier::Lsm,
        provenance: models::Provenance::default(),
        vocabulary: event::vocabulary_hash(),
        partial: false,
        models: Arc::new(Models { novelty, ..Models::default() }),
        calibration: models::calibration::Calibration::default(),
        trial: models::Trial::default(),
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
    assert_eq!(list.state().nets.len(), 2, "loopback, private and link-local addresses stay as they were");
    assert!(hosts.is_resolved("api.example.org", ip("203.0.113.7")));
    assert!(!hosts.is_resolved("api.example.org", ip("203.0.113.8")));
    let notes = hosts.notes();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("203.0.113.7 was opened for api.example.org and www.example.org"), "{notes:?}");
    drop(hosts);
    assert!(list.state().nets.is_empty());
}

#[test]
fn a_name_that_is_known_at_more_ports_than_a_label_names_is_open() {
    for (last, open) in [(88, (81..=88).collect()), (89, Vec::new())] {
        let list = Arc::new(Fake::default());
        let policy = Policy { number: 7, ..Policy::default() };
        let places: Vec<Place> = (81..=last).map(|port| at("www.example.org", port)).collect();
        let hosts = Hosts::start(list.clone(), &policy, baseline(&places, 4), answers).unwrap().unwrap();
        hosts.settle(LIMIT);
        // A label without ports is about all of them.
        assert_eq!(ports(&list, "203.0.113.8"), Some(open));
    }
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
fn a_name_that_is_always_wanted_does_not_keep_the_others_waiting() {
    let now = Instant::now() + 10 * EVERY;
    let mut state = State::default();
    assert_eq!(state.due(now), Err(EVERY), "there is nothing to ask for");
    state.asked.insert("quiet.example.org".into(), now - EVERY);
    state.asked.insert("busy.example.org".into(), now - AGAIN);
    assert_eq!(state.due(now), Ok("quiet.example.org".into()));
    state.asked.insert("quiet.example.org".into(), now);
    assert_eq!(state.due(now), Err(EVERY - AGAIN));
    state.queue.push_back("busy.example.org".into());
    assert_eq!(state.due(now), Ok("busy.example.org".into()));
}

#[test]
fn a_host_of_loans_is_open_to_those_that_it_is_for_wherever_it_is() {
    let list = Arc::new(Fake::default());
    let of =
        BTreeMap::from([("api.example.org".to_owned(), loan(0)), ("www.example.org".to_owned(), loan(1))]);
    let hosts = Hosts::lending(list.clone(), 7, of, answers).unwrap();
    hosts.settle(LIMIT);
    let refused =
        |text: &str| list.state().nets.get(&(128, net_key(7, mapped(ip(text))))).map(|label| label.deny);
    assert_eq!(refused("203.0.113.7"), Some(LABEL_LOANS & !(loan(0) | loan(1))), "both are there");
    assert_eq!(refused("203.0.113.8"), Some(LABEL_LOANS & !loan(1)));
    assert_eq!(refused("10.0.0.5"), Some(LABEL_LOANS & !loan(0)));
    assert_eq!(refused("203.0.113.9"), None);
    drop(hosts);
    assert!(list.state().nets.is_empty());
}
