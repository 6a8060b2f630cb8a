//! The status of the cluster: one or two plain sentences, in the present and in the past tense. One
//! pure function of the nodes and rows produces the page's heading and title, the screen reader's
//! announcements and the API's verdict.
//!
//! Invariant: each sentence is true of the nodes and rows from which it was produced.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::NodeName;

use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::{Pattern, RowState, Rows};
use crate::model::tables::{TableRows, TypeTable};
use crate::text::{counted, grouped, title};

/// The most cities that a sentence names.
const NAMES_MAX: usize = 6;

/// The status of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Every city is up, all cities and dispatch have the same fingerprint, none refuses rounds, and
    /// no table differs, except presence.
    pub converged: bool,
    /// The same, of the heroes alone.
    pub heroes_converged: bool,
    /// The sentences.
    pub sentence: String,
    /// The sentences about the heroes.
    pub about_heroes: String,
    /// The sentences in the past tense, for a page that has lost contact with dispatch.
    pub past: String,
    /// The sentences in parts, so that a page can colour them.
    pub phrases: Vec<Phrase>,
    /// The number of heroes whose entries differ between the reachable cities.
    pub differences: usize,
    /// The number of entries that differ between the reachable cities, of each table that has any.
    pub table_differences: BTreeMap<TypeTable, usize>,
    /// The number of heroes that only one node holds.
    pub only_copies: usize,
    /// The number of lost writes: acknowledged, no longer held by any node, and not seen by the
    /// writer of the entry that remains.
    pub lost_writes: u64,
    /// The time since the oldest difference was first observed.
    pub oldest_difference: Option<Duration>,
    /// The number of heroes, without the terminated ones, for which all reachable cities hold the
    /// same entry.
    pub agreed_on: usize,
    /// The number of heroes, without the terminated ones.
    pub heroes: usize,
}

/// A part of the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// Plain text.
    Plain(String),
    /// A city's name.
    City(NodeName),
    /// A difference.
    Difference(String),
    /// The state of a city that is not up, or that lost its memory.
    Bad(String),
}

impl ClusterStatus {
    /// Returns the status of these nodes and rows.
    #[must_use]
    pub fn of(
        dispatch: &NodeState,
        cities: &[NodeState],
        rows: &Rows,
        counted: &[bool],
        oldest_difference: Option<Duration>,
        lost_writes: u64,
        tables: &TableRows,
    ) -> Self {
        let differs = |pattern: &Pattern| pattern.state(counted).differs();
        let differences = rows.count(differs);
        let all_up = cities.iter().all(|city| city.status == NodeStatus::Up && city.is_read);
        let table_differences: BTreeMap<TypeTable, usize> = TypeTable::ALL
            .into_iter()
            .map(|table| (table, tables.differing(table, counted)))
            .filter(|(_, differing)| *differing > 0)
            .collect();
        let heroes_converged = all_up
            && differences == 0
            && cities.iter().all(|city| city.fingerprint == dispatch.fingerprint)
            && !any_refuses(dispatch, cities);
        let is_read = |city: &&NodeState| city.status == NodeStatus::Up && city.is_read;
        let are_compared = cities.iter().filter(is_read).count() > 1;
        let heroes_alone = |tense| phrases(dispatch, cities, rows, differences, tense);
        let phrases = |tense| {
            let mut phrases = heroes_alone(tense);
            if are_compared {
                phrases.extend(differing_tables(&table_differences, tense));
            }
            phrases
        };
        let text = |phrases: &[Phrase]| phrases.iter().map(Phrase::to_string).collect();
        let present = phrases(Tense::Present);
        Self {
            converged: heroes_converged && !table_differences.keys().any(|table| table.counts()),
            heroes_converged,
            sentence: text(&present),
            about_heroes: text(&heroes_alone(Tense::Present)),
            past: text(&phrases(Tense::Past)),
            phrases: present,
            differences,
            table_differences,
            only_copies: rows.count(|pattern| pattern.state(counted) == RowState::OnlyCopy),
            lost_writes,
            oldest_difference,
            agreed_on: rows.count(|pattern| pattern.is_alive() && !differs(pattern)),
            heroes: rows.count(Pattern::is_alive),
        }
    }
}

impl std::fmt::Display for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(text) | Self::Difference(text) | Self::Bad(text) => f.write_str(text),
            Self::City(name) => f.write_str(&title(*name)),
        }
    }
}

/// The tense of a sentence.
#[derive(Clone, Copy, Debug)]
enum Tense {
    Present,
    Past,
}

impl Tense {
    fn of<'a>(self, present: &'a str, past: &'a str) -> &'a str {
        match self {
            Self::Present => present,
            Self::Past => past,
        }
    }
}

/// The verb for cities that hold the same entries.
#[derive(Clone, Copy, Debug)]
struct Verb {
    alone: &'static str,
    /// Before the number of heroes.
    on: &'static str,
}

impl Verb {
    /// Nodes that refuse rounds do not exchange writes, so equal copies are no agreement.
    fn of(none_refuses: bool, tense: Tense) -> Self {
        let (alone, on) = match (none_refuses, tense) {
            (true, Tense::Present) => ("agree", "agree on"),
            (true, Tense::Past) => ("agreed", "agreed on"),
            (false, Tense::Present) => ("hold the same", "hold the same"),
            (false, Tense::Past) => ("held the same", "held the same"),
        };
        Self { alone, on }
    }
}

fn plain(text: &str) -> Phrase {
    Phrase::Plain(text.to_owned())
}

fn phrases(
    dispatch: &NodeState,
    cities: &[NodeState],
    rows: &Rows,
    differences: usize,
    tense: Tense,
) -> Vec<Phrase> {
    let up = || (0..cities.len()).filter(|city| cities[*city].status == NodeStatus::Up);
    // A recovering city has lost its memory. Counted with the others, it would hide that these
    // agree.
    let (recovering, intact): (Vec<usize>, Vec<usize>) = up()
        .filter(|city| cities[*city].is_read || cities[*city].recovering)
        .partition(|city| cities[*city].recovering);
    let unread = up().any(|city| !cities[city].is_read && !cities[city].recovering);
    let groups = groups(cities, &intact);
    let refusals = refusals(dispatch, cities);
    let verb = Verb::of(refusals.is_empty(), tense);
    let mut sentence = match groups.as_slice() {
        [] if recovering.is_empty() && !unread => {
            return vec![Phrase::Bad(tense.of("No city answers.", "No city answered.").into())];
        }
        [] if recovering.is_empty() => {
            vec![plain(tense.of("No city has been read yet.", "No city had been read yet."))]
        }
        [] => {
            vec![Phrase::Bad(
                tense.of("No city has recovered yet.", "No city had recovered yet.").into(),
            )]
        }
        [all] if all.len() == 1 && recovering.is_empty() && !unread => [
            vec![plain("Only ")],
            names(cities, all),
            vec![plain(tense.of(" answers.", " answered."))],
        ]
        .concat(),
        [all] if all.len() == 1 => {
            let alone =
                tense.of(" has no other city to agree with.", " had no other city to agree with.");
            [names(cities, all), vec![plain(alone)]].concat()
        }
        [all] => agreement(cities, all, rows, verb, tense),
        [most, others @ ..] if most.len() > 1 => majority(cities, most, others, rows, verb, tense),
        [_, _] => {
            let heroes = counted(changes(rows, intact[0], intact[1]), "hero", "heroes");
            let differ = plain(tense.of(" differ in ", " differed in "));
            let parts = [differ, Phrase::Difference(heroes), plain(".")];
            [names(cities, &intact), parts.into()].concat()
        }
        _ => {
            let (one, many) = (
                tense.of("hero differs", "hero differed"),
                tense.of("heroes differ", "heroes differed"),
            );
            let differ = Phrase::Difference(counted(differences, one, many));
            vec![
                plain(tense.of("No two cities agree: ", "No two cities agreed: ")),
                differ,
                plain("."),
            ]
        }
    };
    let most = most_heroes(dispatch, cities);
    sentence.extend(recovering.iter().flat_map(|city| destroyed(&cities[*city], most, tense)));
    sentence.extend(cities.iter().flat_map(|city| unavailable(city, !groups.is_empty(), tense)));
    let refusal =
        |(node, sources): &(NodeName, Vec<NodeName>)| refuses(*node, sources, dispatch.name, tense);
    sentence.extend(refusals.iter().flat_map(refusal));
    sentence
}

/// The tables whose entries differ between cities, without those that do not count.
fn differing_tables(differences: &BTreeMap<TypeTable, usize>, tense: Tense) -> Vec<Phrase> {
    let counting = differences.keys().filter(|table| table.counts());
    let names = counting.enumerate().map(|(place, table)| {
        let name = if place == 0 { table.label() } else { table.word() };
        Phrase::Difference(name.to_owned())
    });
    let names: Vec<Phrase> = names.collect();
    if names.is_empty() {
        return Vec::new();
    }
    [vec![plain(" ")], joined(names), vec![plain(tense.of(" differ.", " differed."))]].concat()
}

/// Returns each node that answers and refuses rounds, with their sources that answer too.
fn refusals(dispatch: &NodeState, cities: &[NodeState]) -> Vec<(NodeName, Vec<NodeName>)> {
    let up: Vec<&NodeState> =
        cities.iter().chain([dispatch]).filter(|node| node.status == NodeStatus::Up).collect();
    // A refused round matters while its source has writes that the node has not received otherwise.
    let lacks = |node: &NodeState, source: &NodeName| {
        let mut sources = up.iter().filter(|other| other.name == *source);
        sources.any(|other| !other.vector.iter().all(|stamp| node.vector.covers(stamp)))
    };
    let refused = |node: &&NodeState| {
        let sources: Vec<NodeName> =
            node.refuses.iter().copied().filter(|source| lacks(node, source)).collect();
        (!sources.is_empty()).then_some((node.name, sources))
    };
    up.iter().filter_map(refused).collect()
}

/// Returns whether a node that answers refuses rounds of another.
pub(crate) fn any_refuses(dispatch: &NodeState, cities: &[NodeState]) -> bool {
    !refusals(dispatch, cities).is_empty()
}

/// The node refuses the rounds of these sources.
fn refuses(node: NodeName, sources: &[NodeName], dispatch: NodeName, tense: Tense) -> Vec<Phrase> {
    let name = |node: NodeName| {
        if node == dispatch { plain(&title(node)) } else { Phrase::City(node) }
    };
    let mut phrases = vec![plain(" "), name(node), plain(" ")];
    phrases.push(Phrase::Bad(tense.of("refuses", "refused").into()));
    phrases.push(plain(" the writes of "));
    phrases.extend(joined(sources.iter().map(|source| name(*source)).collect()));
    phrases.push(plain("."));
    phrases
}

/// Most cities agree, and each of the others differs from them in some heroes.
fn majority(
    cities: &[NodeState],
    most: &[usize],
    others: &[Vec<usize>],
    rows: &Rows,
    verb: Verb,
    tense: Tense,
) -> Vec<Phrase> {
    let mut sentence = [names(cities, most), vec![plain(&format!(" {}.", verb.alone))]].concat();
    let differing = others.iter().flatten().count();
    if differing > NAMES_MAX {
        let others = Phrase::Difference(format!("{differing} others"));
        sentence.extend([plain(" "), others, plain(tense.of(" differ.", " differed."))]);
        return sentence;
    }
    for city in others.iter().flatten() {
        let heroes = Phrase::Difference(counted(changes(rows, *city, most[0]), "hero", "heroes"));
        let name = Phrase::City(cities[*city].name);
        sentence.extend([
            plain(" "),
            name,
            plain(tense.of(" differs in ", " differed in ")),
            heroes,
            plain("."),
        ]);
    }
    sentence
}

/// The city was destroyed, and holds a part of the heroes that the fullest node holds.
fn destroyed(city: &NodeState, most: u64, tense: Tense) -> [Phrase; 7] {
    let of = counted(usize::try_from(most).unwrap_or(usize::MAX), "hero", "heroes");
    [
        plain(" "),
        Phrase::City(city.name),
        plain(" was "),
        Phrase::Bad("destroyed".into()),
        plain(tense.of(" and holds ", " and held ")),
        Phrase::Difference(format!("{} of {of}", grouped(city.heroes))),
        plain("."),
    ]
}

/// The state of a city whose holdings are unknown; nothing if they are known.
fn unavailable(city: &NodeState, others_are_read: bool, tense: Tense) -> Vec<Phrase> {
    let text = match city.status {
        NodeStatus::Up if !city.is_read && !city.recovering && others_are_read => {
            tense.of("has not been read yet", "had not been read yet")
        }
        NodeStatus::Up => return Vec::new(),
        NodeStatus::Down => tense.of("has stopped", "had stopped"),
        // A frozen city is never called unreachable: its process still runs, and thaws.
        NodeStatus::Unreachable if city.frozen => tense.of("is frozen", "was frozen"),
        NodeStatus::Unreachable => tense.of("is unreachable", "was unreachable"),
    };
    vec![plain(" "), Phrase::City(city.name), plain(" "), Phrase::Bad(text.into()), plain(".")]
}

/// Returns the number of heroes on the node that holds the most.
pub(crate) fn most_heroes(dispatch: &NodeState, cities: &[NodeState]) -> u64 {
    cities.iter().map(|city| city.heroes).fold(dispatch.heroes, u64::max)
}

/// Returns the cities of `up` in groups with equal fingerprints, the largest group first.
fn groups(cities: &[NodeState], up: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for city in up {
        match groups
            .iter_mut()
            .find(|group| cities[group[0]].fingerprint == cities[*city].fingerprint)
        {
            Some(group) => group.push(*city),
            None => groups.push(vec![*city]),
        }
    }
    // The sort is stable: groups of equal size stay in the order of the page.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

/// Returns a city of the largest group of reachable cities that agree; none if no two of several
/// agree.
pub(crate) fn leader(cities: &[NodeState]) -> Option<usize> {
    let up: Vec<usize> = (0..cities.len())
        .filter(|city| {
            cities[*city].status == NodeStatus::Up
                && cities[*city].is_read
                && !cities[*city].recovering
        })
        .collect();
    groups(cities, &up)
        .first()
        .filter(|group| group.len() > 1 || up.len() == 1)
        .map(|group| group[0])
}

fn agreement(
    cities: &[NodeState],
    all: &[usize],
    rows: &Rows,
    verb: Verb,
    tense: Tense,
) -> Vec<Phrase> {
    let heroes = cities[all[0]].heroes;
    let ending = match (heroes, rows.count(Pattern::is_alive) > 0) {
        (0, false) => {
            format!("{}: there {} no heroes yet.", verb.alone, tense.of("are", "were"))
        }
        (0, true) => format!("{}: they {} no heroes yet.", verb.alone, tense.of("hold", "held")),
        _ => {
            let heroes = counted(usize::try_from(heroes).unwrap_or(usize::MAX), "hero", "heroes");
            format!("{} {heroes}.", verb.on)
        }
    };
    [names(cities, all), vec![Phrase::Plain(format!(" {ending}"))]].concat()
}

/// Returns the number of heroes for which these two cities hold different entries.
pub(crate) fn changes(rows: &Rows, a: usize, b: usize) -> usize {
    rows.count(|pattern| pattern.is_apart(a, b))
}

/// Returns the number of heroes for which this city holds another entry than at least one other
/// city that is up and not recovering.
pub(crate) fn changes_from_any(cities: &[NodeState], rows: &Rows, city: usize) -> usize {
    let others: Vec<usize> = (0..cities.len())
        .filter(|other| cities[*other].status == NodeStatus::Up && !cities[*other].recovering)
        .collect();
    rows.count(|pattern| others.iter().any(|other| pattern.is_apart(*other, city)))
}

/// Names the cities of a group, at the beginning of a sentence. Many are counted instead.
fn names(cities: &[NodeState], group: &[usize]) -> Vec<Phrase> {
    if group.len() > NAMES_MAX {
        let many = if group.len() == cities.len() {
            format!("All {} cities", cities.len())
        } else {
            format!("{} of {} cities", group.len(), cities.len())
        };
        return vec![Phrase::Plain(many)];
    }
    joined(group.iter().map(|city| Phrase::City(cities[*city].name)).collect())
}

/// Returns the phrases with commas and an "and" between them.
fn joined(phrases: Vec<Phrase>) -> Vec<Phrase> {
    let mut joined = Vec::new();
    let last = phrases.len().saturating_sub(1);
    for (position, phrase) in phrases.into_iter().enumerate() {
        if position > 0 {
            joined.push(plain(if position == last { " and " } else { ", " }));
        }
        joined.push(phrase);
    }
    joined
}

#[cfg(test)]
mod tests;
