//! The verdict for each state of a cluster, the degraded ones first.

use std::sync::Arc;

use super::*;
use gossip::{Hlc, Incarnation, LinkDown, Origin, Stamp, UnixMillis, VersionVector};
use shared::hero::{Hero, HeroId};
use shared::{Change, Entry, Map, Observation, Value};

use crate::model::city_state::CityState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Row;
use crate::model::view;

const NOW: gossip::Now = gossip::Now::new(Duration::ZERO, UnixMillis(0));

/// A cluster as dispatch observes it: each city holds some of a few writes.
struct Fixture {
    own: Map,
    cities: Vec<CityState>,
    /// The index of a frozen city.
    frozen: Option<usize>,
    dispatch_refuses: Vec<gossip::NodeName>,
}

/// Write number `n` to hero `hero`; by convention a later number is a later write.
fn entry(n: u64, deleted: bool) -> Arc<Entry> {
    let origin = Origin { node: "dispatch".parse().unwrap(), incarnation: Incarnation::at(1) };
    let stamp = Stamp { hlc: Hlc { wall: UnixMillis(n), logical: 0 }, origin };
    let value = if deleted { Value::Tombstone } else { Value::Live(Hero::new("Granite".into())) };
    Arc::new(Entry::written(value, stamp, None))
}

fn hero(number: u8) -> HeroId {
    HeroId::from_bytes([number; 16])
}

type Holding = Vec<(u8, Arc<Entry>)>;

fn map(holding: &Holding) -> Map {
    let mut map = Map::default();
    for (number, entry) in holding {
        map.merge(hero(*number), &entry.as_entry_ref());
    }
    map
}

impl Fixture {
    /// Returns a cluster with the holdings of gotham, metropolis, capitol and dispatch, in this
    /// order.
    fn new(holdings: [Holding; 4]) -> Self {
        let city = |(name, holding): (&str, &Holding)| {
            let map = map(holding);
            let mut city = CityState::new(name.parse().unwrap(), 1_000);
            city.link_up(Incarnation::at(1), Duration::ZERO);
            city.observe(observation(&map), NOW);
            city
        };
        Self {
            cities: ["gotham", "metropolis", "capitol"]
                .into_iter()
                .zip(&holdings)
                .map(city)
                .collect(),
            own: map(&holdings[3]),
            frozen: None,
            dispatch_refuses: Vec::new(),
        }
    }

    fn without(mut self, city: usize, cause: LinkDown) -> Self {
        self.cities[city].link_down(cause, Duration::ZERO);
        self
    }

    fn restarted(mut self, city: usize) -> Self {
        let held = std::mem::take(&mut self.cities[city].entries);
        self.cities[city].link_up(Incarnation::at(2), Duration::ZERO);
        let map = map(&held.into_iter().map(|(id, entry)| (id.as_bytes()[0], entry)).collect());
        self.cities[city].observe(observation(&map), NOW);
        self
    }

    fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        for id in self
            .own
            .iter()
            .map(|(id, _)| id)
            .chain(self.cities.iter().flat_map(|city| city.entries.keys().copied()))
        {
            let cells = self.cities.iter().map(|city| city.entries.get(&id).cloned()).collect();
            rows.put(id, Row::of(id, id.to_string().into(), self.own.get(id).map(Arc::new), cells));
        }
        rows
    }

    fn verdict(&self) -> ClusterStatus {
        let (rows, counted) = (self.rows(), view::counted(&self.cities));
        let node = |name: &str, status, map_hash, heroes, recovering| NodeState {
            name: name.parse().unwrap(),
            status,
            incarnation: None,
            crashes: 0,
            heroes,
            tombstones: 0,
            fingerprint: map_hash,
            vector: VersionVector::new(),
            age: None,
            recovering,
            clock_ahead_ms: Some(0),
            stamps_ahead_ms: 0,
            reference: NOW.wall,
            refuses: Vec::new(),
            frozen: false,
            is_read: true,
        };
        let mut cities: Vec<NodeState> = self
            .cities
            .iter()
            .map(|city| {
                node(
                    city.name.as_str(),
                    city.status,
                    city.fingerprint,
                    city.heroes,
                    city.recovering,
                )
            })
            .collect();
        for (node, city) in cities.iter_mut().zip(&self.cities) {
            node.refuses = city.refuses.iter().copied().collect();
            node.vector = city.vector.clone();
        }
        if let Some(city) = self.frozen {
            cities[city].frozen = true;
        }
        let mut dispatch =
            node("dispatch", NodeStatus::Up, self.own.fingerprint(), self.own.live() as u64, false);
        dispatch.refuses = self.dispatch_refuses.clone();
        ClusterStatus::of(&dispatch, &cities, &rows, &counted, None, 0, &TableRows::default())
    }

    fn sentence(&self) -> String {
        self.verdict().sentence
    }
}

fn observation(map: &Map) -> Observation {
    Observation {
        incarnation: Incarnation::at(1),
        since: 0,
        until: map.changes(),
        wall: NOW.wall,
        reference: NOW.wall,
        head: map.changes(),
        changes: map
            .iter()
            .map(|(key, entry)| Change { number: 1, key, entry: entry.into() })
            .collect(),
        pulls: Vec::new(),
        pulls_until: 0,
        gossip_interval: None,
        live: map.live() as u64,
        tombstones: map.tombstones() as u64,
        fingerprint: map.fingerprint(),
        vector: VersionVector::new(),
        removed: Vec::new(),
        crashes: 0,
        joined: true,
    }
}

fn holding(heroes: &[u8]) -> Holding {
    heroes.iter().map(|number| (*number, entry(u64::from(*number), false))).collect()
}

fn all_hold(heroes: &[u8]) -> Fixture {
    Fixture::new([(); 4].map(|()| holding(heroes)))
}

#[test]
fn no_city_is_up() {
    let fixture =
        (0..3).fold(all_hold(&[1]), |fixture, city| fixture.without(city, LinkDown::Refused));
    assert_eq!(fixture.sentence(), "No city answers.");
    assert!(!fixture.verdict().converged);
}

#[test]
fn one_city_is_up() {
    let fixture = all_hold(&[1]).without(0, LinkDown::Refused).without(1, LinkDown::TimedOut);
    assert_eq!(
        fixture.sentence(),
        "Only Capitol answers. Gotham has stopped. Metropolis is unreachable."
    );
}

#[test]
fn stopped_city_is_not_counted_as_agreeing() {
    let fixture = all_hold(&[1, 2]).without(1, LinkDown::Refused);
    assert_eq!(fixture.sentence(), "Gotham and Capitol agree on 2 heroes. Metropolis has stopped.");
    assert!(!fixture.verdict().converged, "the holdings of a stopped city are unknown");
}

#[test]
fn nodes_that_refuse_rounds_do_not_agree() {
    let refusing = |node: &str, source: &str| {
        let mut fixture = all_hold(&[1, 2]);
        let origin = Origin { node: source.parse().unwrap(), incarnation: Incarnation::at(1) };
        let ahead = Stamp { hlc: Hlc { wall: UnixMillis(9), logical: 0 }, origin };
        for city in &mut fixture.cities {
            if city.name == origin.node {
                city.vector.advance(ahead);
            }
        }
        let source = [origin.node];
        match fixture.cities.iter_mut().find(|city| city.name.as_str() == node) {
            Some(city) => city.refuses = source.into(),
            None => fixture.dispatch_refuses = source.into(),
        }
        fixture
    };
    let fixture = refusing("dispatch", "gotham");
    assert_eq!(
        fixture.sentence(),
        "Gotham, Metropolis and Capitol hold the same 2 heroes. Dispatch refuses the writes of \
         Gotham."
    );
    assert_eq!(
        fixture.verdict().past,
        "Gotham, Metropolis and Capitol held the same 2 heroes. Dispatch refused the writes of \
         Gotham."
    );
    assert!(!fixture.verdict().converged);
    let mut received = refusing("capitol", "gotham");
    received.cities[2].vector = received.cities[0].vector.clone();
    assert!(received.sentence().contains("agree"), "it received the writes from another node");
    let fixture = refusing("capitol", "gotham").without(0, LinkDown::Refused);
    assert_eq!(
        fixture.sentence(),
        "Metropolis and Capitol agree on 2 heroes. Gotham has stopped.",
        "a stopped city sends no rounds"
    );
}

#[test]
fn lost_link_does_not_mean_a_stopped_process() {
    assert_eq!(
        all_hold(&[1]).without(2, LinkDown::Lost).sentence(),
        "Gotham and Metropolis agree on 1 hero. Capitol is unreachable."
    );
}

#[test]
fn frozen_city_is_not_called_unreachable() {
    let mut fixture = all_hold(&[1]).without(2, LinkDown::TimedOut);
    fixture.frozen = Some(2);
    assert_eq!(fixture.sentence(), "Gotham and Metropolis agree on 1 hero. Capitol is frozen.");
    assert_eq!(
        fixture.verdict().past,
        "Gotham and Metropolis agreed on 1 hero. Capitol was frozen."
    );
}

#[test]
fn bombed_city_is_destroyed_until_it_has_recovered() {
    let fixture =
        Fixture::new([vec![], holding(&[1, 2]), holding(&[1, 2]), holding(&[1, 2])]).restarted(0);
    assert_eq!(
        fixture.sentence(),
        "Metropolis and Capitol agree on 2 heroes. Gotham was destroyed and holds 0 of 2 heroes."
    );
}

#[test]
fn recovering_cities_do_not_outvote_an_intact_one() {
    let fixture = Fixture::new([vec![], vec![], holding(&[1, 2]), holding(&[1, 2])])
        .restarted(0)
        .restarted(1);
    let destroyed = "Gotham was destroyed and holds 0 of 2 heroes. \
                     Metropolis was destroyed and holds 0 of 2 heroes.";
    assert_eq!(fixture.sentence(), format!("Capitol has no other city to agree with. {destroyed}"));
    assert_eq!(
        fixture.restarted(2).sentence(),
        format!(
            "No city has recovered yet. {destroyed} Capitol was destroyed and holds 2 of 2 heroes."
        )
    );
}

#[test]
fn one_city_differs_from_two_that_agree() {
    let fixture = Fixture::new([
        holding(&[1, 2, 3]),
        holding(&[1]),
        holding(&[1, 2, 3]),
        holding(&[1, 2, 3]),
    ]);
    assert_eq!(fixture.sentence(), "Gotham and Capitol agree. Metropolis differs in 2 heroes.");
    assert_eq!(
        (fixture.verdict().differences, fixture.verdict().agreed_on, fixture.verdict().heroes),
        (2, 1, 3)
    );
}

#[test]
fn two_cities_differ_and_the_third_has_stopped() {
    let fixture = Fixture::new([holding(&[1]), holding(&[1]), holding(&[1, 2]), holding(&[1])])
        .without(0, LinkDown::Refused);
    assert_eq!(fixture.sentence(), "Metropolis and Capitol differ in 1 hero. Gotham has stopped.");
}

#[test]
fn many_cities_are_counted_instead_of_named() {
    let count = |count: usize| {
        let names: Vec<String> = (0..count).map(|city| format!("city-{city}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        crate::fixtures::view(&names, 100_000).status.sentence
    };
    assert!(count(6).starts_with("City 0, City 1, City 2, City 3, City 4 and City 5 agree"));
    assert_eq!(count(7), "All 7 cities agree on 120 heroes.");
}

#[test]
fn no_two_cities_agree() {
    let fixture = Fixture::new([holding(&[1]), holding(&[2]), holding(&[3]), holding(&[1])]);
    assert_eq!(fixture.sentence(), "No two cities agree: 3 heroes differ.");
}

#[test]
fn cities_that_agree_without_dispatch_are_not_converged() {
    let fixture =
        Fixture::new([holding(&[1, 2]), holding(&[1, 2]), holding(&[1, 2]), holding(&[1])]);
    assert_eq!(fixture.sentence(), "Gotham, Metropolis and Capitol agree on 2 heroes.");
    assert!(!fixture.verdict().converged);
}

#[test]
fn empty_cluster_has_no_heroes_yet() {
    assert_eq!(
        all_hold(&[]).sentence(),
        "Gotham, Metropolis and Capitol agree: there are no heroes yet."
    );
    let new = Fixture::new([vec![], vec![], vec![], holding(&[1])]);
    assert_eq!(new.sentence(), "Gotham, Metropolis and Capitol agree: they hold no heroes yet.");
    assert_eq!(new.verdict().only_copies, 1, "dispatch alone holds it");
}

#[test]
fn all_cities_and_dispatch_agree() {
    let fixture = all_hold(&[1, 2]);
    assert_eq!(fixture.sentence(), "Gotham, Metropolis and Capitol agree on 2 heroes.");
    assert!(fixture.verdict().converged);
}

#[test]
fn tombstone_is_a_difference_until_every_city_holds_it() {
    let deleted = || vec![(1, entry(9, true))];
    let fixture = Fixture::new([deleted(), deleted(), holding(&[1]), deleted()]);
    let counted = view::counted(&fixture.cities);
    assert_eq!(
        fixture.rows().count(|pattern| pattern.state(&counted) == RowState::DeletePending),
        1
    );
    assert_eq!(fixture.verdict().differences, 1);
    assert_eq!(
        Fixture::new([deleted(), deleted(), deleted(), deleted()]).verdict(),
        ClusterStatus { converged: true, ..all_hold(&[]).verdict() }
    );
}

#[test]
fn only_copy_is_a_hero_that_exactly_one_node_holds() {
    assert_eq!(Fixture::new([holding(&[1]), vec![], vec![], vec![]]).verdict().only_copies, 1);
    assert_eq!(
        Fixture::new([holding(&[1]), vec![], vec![], holding(&[1])]).verdict().only_copies,
        0
    );
}

#[test]
fn numbers_are_grouped_by_three() {
    assert_eq!(
        [7, 999, 1_000, 1_234_567].map(grouped),
        ["7", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
    );
}

#[test]
fn every_sentence_has_a_past_tense() {
    let past = |fixture: &Fixture| fixture.verdict().past;
    let agreed = all_hold(&[1, 2]);
    assert_eq!(past(&agreed), "Gotham, Metropolis and Capitol agreed on 2 heroes.");
    assert_eq!(
        past(&all_hold(&[])),
        "Gotham, Metropolis and Capitol agreed: there were no heroes yet."
    );
    let one_differs =
        Fixture::new([holding(&[1, 2]), holding(&[1, 2]), holding(&[1]), holding(&[1, 2])]);
    assert_eq!(past(&one_differs), "Gotham and Metropolis agreed. Capitol differed in 1 hero.");
    let all_differ =
        Fixture::new([holding(&[1, 2]), holding(&[2]), holding(&[1]), holding(&[1, 2])]);
    assert_eq!(past(&all_differ), "No two cities agreed: 2 heroes differed.");
    let one_up = all_hold(&[1]).without(0, LinkDown::Refused).without(1, LinkDown::TimedOut);
    assert_eq!(
        past(&one_up),
        "Only Capitol answered. Gotham had stopped. Metropolis was unreachable."
    );
    let none = all_hold(&[1])
        .without(0, LinkDown::Refused)
        .without(1, LinkDown::TimedOut)
        .without(2, LinkDown::TimedOut);
    assert_eq!(past(&none), none.sentence().replace("answers", "answered"));
    let destroyed =
        Fixture::new([holding(&[1]), holding(&[1, 2]), holding(&[1, 2]), holding(&[1, 2])])
            .restarted(0);
    assert_eq!(
        past(&destroyed),
        "Metropolis and Capitol agreed on 2 heroes. Gotham was destroyed and held 1 of 2 heroes."
    );
}
