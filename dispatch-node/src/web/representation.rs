//! Conversions from the model to the API's types.
//!
//! Invariant: the API and the live socket for programs return the same data for the same view,
//! since both are converted here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::{
    ALL, Accepted, Amount, City, CityHeroes, Cluster, Event, Exchange, Fault, Frames, Gossip, Held,
    Hero, HeroEverywhere, LostRecord, LostWrite, Node, Verdict,
};
use gossip::fault::{FaultKind, Pace};
use gossip::{self, NodeName};
use node_api::types::stamp_of;
use shared::Entry;
use shared::hero::HeroId;

use crate::event_log::LoggedEvent;
use crate::model::exchange;
use crate::model::faults::FaultView;
use crate::model::gap::Gap;
use crate::model::lost_writes::Lost;
use crate::model::node_state::NodeState;
use crate::model::status::ClusterStatus;
use crate::model::tables::TypeTable;
use crate::model::view::View;
use crate::request::Acceptance;
use crate::web::render::counterfactual;
use crate::web::render::tables;

/// Returns the hero of an entry; `None` for a tombstone.
pub(crate) fn hero(id: HeroId, entry: &Entry) -> Option<Hero> {
    let hero = entry.live()?;
    Some(Hero {
        id: id.to_string(),
        name: hero.name.to_string(),
        location: hero.location.as_str().to_owned(),
        is_patrolling: hero.is_patrolling,
        health: hero.health,
        stamp: stamp_of(entry.stamp),
    })
}

/// Returns the state of a hero at a node that holds this entry, or none.
pub(crate) fn held(id: HeroId, entry: Option<&Entry>) -> Held {
    match entry {
        None => Held::UnknownAtCity,
        Some(entry) => hero(id, entry).map_or(Held::Tombstone, Held::Live),
    }
}

/// Returns the heroes that a city holds; `None` for an unknown city.
pub(crate) fn city_heroes(view: &View, name: NodeName) -> Option<CityHeroes> {
    let (index, held) = city_without_heroes(view, name)?;
    let rows = view.rows.iter();
    let heroes = rows.filter_map(|row| hero(row.id, row.cells[index].as_deref()?)).collect();
    Some(CityHeroes { heroes, ..held })
}

/// Returns the column of a city, and its description without heroes; `None` for an unknown city.
pub(crate) fn city_without_heroes(view: &View, name: NodeName) -> Option<(usize, CityHeroes)> {
    let (index, city) = view.city(name)?;
    let held = CityHeroes {
        city: city.name.to_string(),
        status: city.status.as_str().to_owned(),
        age_ms: city.age.map(millis),
        heroes: Vec::new(),
        tombstones: city.tombstones,
        next: None,
    };
    Some((index, held))
}

/// Returns a hero, and its copy at each city; `None` if the entry is a tombstone.
pub(crate) fn hero_everywhere(view: &View, id: HeroId, entry: &Entry) -> Option<HeroEverywhere> {
    let hero = hero(id, entry)?;
    // While many rows are stale, a hero that dispatch holds may not have a row yet.
    let unknown = vec![None; view.cities.len()];
    let cells = view.rows.get(id).map_or(&unknown, |row| &row.cells);
    let cities = view.cities.iter().zip(cells);
    let held = |cell: &Option<Arc<Entry>>| held(id, cell.as_deref());
    Some(HeroEverywhere {
        hero,
        cities: cities.map(|(city, cell)| (city.name.to_string(), held(cell))).collect(),
    })
}

/// Returns the name of a city, as the response to an operation on it.
pub(crate) fn city(name: NodeName) -> City {
    City { city: name.to_string() }
}

/// Returns the nodes, with the addresses at which dispatch reaches them.
pub(crate) fn cluster(view: &View, addresses: &BTreeMap<NodeName, String>) -> Cluster {
    let described = |state: &NodeState, role| node(state, role, addresses.get(&state.name));
    let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
    let cities = view.cities.iter().enumerate().map(|(column, city)| {
        let gap = Gap::of(view, column);
        Node {
            ahead: gap.map(|gap| count(gap.ahead)),
            behind: gap.map(|gap| count(gap.behind)),
            ..described(city, "city")
        }
    });
    Cluster {
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        quiet: view.quiet,
        nodes: cities.chain([described(&view.dispatch, "dispatch")]).collect(),
    }
}

fn node(node: &NodeState, role: &str, address: Option<&String>) -> Node {
    let vector = node.vector.iter();
    let marks = node.vector.marks();
    Node {
        name: node.name.to_string(),
        role: role.to_owned(),
        address: address.cloned(),
        status: node.status.as_str().to_owned(),
        incarnation: node.incarnation.map(|incarnation| incarnation.number()),
        crashes: node.crashes,
        heroes: node.heroes,
        tombstones: node.tombstones,
        fingerprint: node.fingerprint.to_string(),
        version_vector: vector
            .map(|stamp| (stamp.origin.to_string(), stamp.hlc.to_string()))
            .collect(),
        closed_before: marks
            .map(|mark| (mark.node.to_string(), mark.incarnation.number()))
            .collect(),
        age_ms: node.age.map(millis),
        clock_ahead_ms: node.clock_ahead_ms,
        stamps_ahead_ms: node.stamps_ahead_ms,
        refuses: node.refuses.iter().map(NodeName::to_string).collect(),
        frozen: node.frozen,
        ahead: None,
        behind: None,
    }
}

pub(crate) fn verdict(status: &ClusterStatus) -> Verdict {
    Verdict {
        converged: status.converged,
        sentence: status.sentence.to_string(),
        differences: status.differences as u64,
        tables: status
            .table_differences
            .iter()
            .map(|(table, rows)| (table.word().to_owned(), *rows as u64))
            .collect(),
        only_copies: status.only_copies as u64,
        lost_writes: status.lost_writes,
        oldest_difference_ms: status.oldest_difference.map(millis),
    }
}

/// Returns the events with a higher number, newest last; the first `limit` of them.
pub(crate) fn events(view: &View, since: u64, limit: usize) -> Vec<Event> {
    // Without an error, an event has this number; with one, this is where it would be.
    let first = view.events.binary_search_by_key(&since, |event| event.number);
    let first = first.map_or_else(|place| place, |place| place + 1);
    view.events.iter().skip(first).take(limit).map(|logged| event(logged)).collect()
}

/// Returns an event of the log.
pub(crate) fn event(event: &LoggedEvent) -> Event {
    Event {
        number: event.number,
        at_ms: event.at.0,
        node: event.node.to_string(),
        kind: event.kind.as_str().to_owned(),
        text: event.text.to_string(),
        hero: event.write.map(|write| write.hero.to_string()),
        stamp: event.write.map(|write| stamp_of(write.stamp)),
        over: event.write.and_then(|write| write.over).map(stamp_of),
    }
}

pub(crate) fn fault(view: &FaultView) -> Fault {
    let gossip::fault::Fault { id, kind, from, to, both } = view.fault;
    let is_between_nodes = kind.is_between_nodes();
    let frames = view.frames;
    Fault {
        id: id.to_string(),
        kind: kind.as_str().to_owned(),
        from: from.to_string(),
        to: is_between_nodes.then(|| to.map_or_else(|| ALL.to_owned(), |to| to.to_string())),
        both: is_between_nodes.then_some(both),
        amount: amount(kind),
        heal_after_s: view.heal_after.as_secs_f64(),
        heals_in_ms: millis(view.remaining),
        in_force_at: view.at.iter().map(NodeName::to_string).collect(),
        frames: Frames {
            seen: frames.seen,
            dropped: frames.dropped,
            delayed: frames.delayed,
            duplicated: frames.duplicated,
        },
    }
}

fn amount(kind: FaultKind) -> Amount {
    let nothing = Amount::default();
    match kind {
        FaultKind::Cut | FaultKind::Freeze => nothing,
        FaultKind::Delay { by, jitter } => {
            Amount { delay_ms: Some(millis(by)), jitter_ms: Some(millis(jitter)), ..nothing }
        }
        FaultKind::Loss(chance) | FaultKind::Duplicate(chance) | FaultKind::Reorder(chance) => {
            Amount { percent: Some(chance.percent()), ..nothing }
        }
        FaultKind::Throttle(bytes_per_s) => Amount { bytes_per_s: Some(bytes_per_s), ..nothing },
        FaultKind::Skew(skew_ms) => Amount { skew_ms: Some(skew_ms), ..nothing },
    }
}

pub(crate) fn gossip(pace: Pace) -> Gossip {
    Gossip { paused: pace == Pace::PAUSED, percent: pace.percent }
}

pub(crate) fn acceptance(acceptance: Acceptance) -> Accepted {
    Accepted {
        until_ms: acceptance.until.0,
        nodes: acceptance.nodes.iter().map(NodeName::to_string).collect(),
    }
}

pub(crate) fn exchange(exchange: exchange::Exchange) -> Exchange {
    Exchange {
        from: exchange.source.to_string(),
        to: exchange.puller.to_string(),
        completed: exchange.completed,
        entries: exchange.entries as u64,
        records: exchange.records as u64,
        bytes: exchange.bytes as u64,
    }
}

/// Returns a lost write of the hero with this name.
pub(crate) fn lost_write(lost: &Lost, name: String) -> LostWrite {
    LostWrite {
        number: lost.number,
        hero: lost.key.to_string(),
        name,
        wrote: held(lost.key, Some(&lost.entry)),
        stamp: stamp_of(lost.entry.stamp),
        saved_at_ms: lost.saved.0,
        found_at_ms: lost.found.0,
        to: held(lost.key, lost.to.as_deref()),
        under: counterfactual::lines(&lost.outcomes).into_iter().map(Into::into).collect(),
    }
}

/// Returns a lost write to a row of this table, with the name of the row.
pub(crate) fn lost_record(lost: &Lost, table: TypeTable, name: String) -> LostRecord {
    LostRecord {
        number: lost.number,
        table: table.word().to_owned(),
        name,
        wrote: tables::written_in_full(table, &lost.entry),
        stamp: stamp_of(lost.entry.stamp),
        saved_at_ms: lost.saved.0,
        found_at_ms: lost.found.0,
        to: lost.to.as_deref().map(|to| tables::written_in_full(table, to)),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
