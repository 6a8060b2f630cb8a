//! The status of the cluster: one or two plain sentences, in either tense. One pure function of the
//! nodes and rows makes the page's heading, its title, the screen reader's news and the API's
//! answer.
//!
//! Invariant: each sentence is true of the nodes and rows that it was made of.

use std::time::Duration;

use gossip::NodeName;

use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::{Pattern, RowState, Rows};
use crate::text::{counted, grouped, title};

/// The status of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Every city answers, and all of them and dispatch hold the same.
    pub converged: bool,
    /// The sentences.
    pub sentence: String,
    /// The sentences in the past tense: for a page that has lost dispatch, and cannot know what is.
    pub past: String,
    /// The sentences in their parts, for a page that colours them.
    pub phrases: Vec<Phrase>,
    /// The number of heroes of which the answering cities hold different entries.
    pub differences: usize,
    /// The number of heroes that only one node holds.
    pub only_copies: usize,
    /// The number of acknowledged writes that were overwritten everywhere by a writer that had not
    /// seen them.
    pub lost_writes: u64,
    /// The time since the oldest difference was first seen.
    pub oldest_difference: Option<Duration>,
    /// The number of living heroes of which all answering cities hold the same entry.
    pub agreed_on: usize,
    /// The number of living heroes.
    pub heroes: usize,
}

/// A part of the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// Plain words.
    Plain(String),
    /// A city's name.
    City(NodeName),
    /// A difference.
    Apart(String),
    /// A city that does not answer, or lost its memory.
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
    ) -> Self {
        let differs = |pattern: &Pattern| pattern.state(counted).differs();
        let differences = rows.count(differs);
        let all_up = cities.iter().all(|city| city.status == NodeStatus::Up && city.is_read);
        let converged = all_up
            && differences == 0
            && cities.iter().all(|city| city.fingerprint == dispatch.fingerprint);
        let phrases = |tense| phrases(dispatch, cities, rows, differences, tense);
        let text = |phrases: &[Phrase]| phrases.iter().map(Phrase::to_string).collect();
        let present = phrases(Tense::Present);
        Self {
            converged,
            sentence: text(&present),
            past: text(&phrases(Tense::Past)),
            phrases: present,
            differences,
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
            Self::Plain(text) | Self::Apart(text) | Self::Bad(text) => f.write_str(text),
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
    // A city that has just lost its memory is no party to the others' agreement.
    let (hurt, standing): (Vec<usize>, Vec<usize>) = up()
        .filter(|city| cities[*city].is_read || cities[*city].recovering)
        .partition(|city| cities[*city].recovering);
    let unread = up().any(|city| !cities[city].is_read && !cities[city].recovering);
    let groups = groups(cities, &standing);
    let mut sentence = match groups.as_slice() {
        [] if hurt.is_empty() && !unread => {
            return vec![Phrase::Bad(tense.of("No city answers.", "No city answered.").into())];
        }
        [] if hurt.is_empty() => vec![plain(
            tense.of("No city has told yet what it holds.", "No city had told yet what it held."),
        )],
        [] => {
            vec![Phrase::Bad(tense.of("No city has its memory.", "No city had its memory.").into())]
        }
        [all] if all.len() == 1 && hurt.is_empty() && !unread => [
            vec![plain("Only ")],
            names(cities, all),
            vec![plain(tense.of(" answers.", " answered."))],
        ]
        .concat(),
        [all] if all.len() == 1 => {
            [names(cities, all), vec![plain(tense.of(" stands alone.", " stood alone."))]].concat()
        }
        [all] => agreement(cities, all, rows, tense),
        [most, others @ ..] if most.len() > 1 => majority(cities, most, others, rows, tense),
        [_, _] => {
            let apart = counted(changes(rows, standing[0], standing[1]), "change", "changes");
            let parts =
                [plain(tense.of(" are ", " were ")), Phrase::Apart(apart), plain(" apart.")];
            [names(cities, &standing), parts.into()].concat()
        }
        _ => {
            let (one, many) = (
                tense.of("hero differs", "hero differed"),
                tense.of("heroes differ", "heroes differed"),
            );
            let differ = Phrase::Apart(counted(differences, one, many));
            vec![
                plain(tense.of("No two cities agree: ", "No two cities agreed: ")),
                differ,
                plain("."),
            ]
        }
    };
    let most = groups.first().map_or(dispatch.heroes, |group| cities[group[0]].heroes);
    sentence.extend(hurt.iter().flat_map(|city| destroyed(&cities[*city], most, tense)));
    sentence.extend(cities.iter().flat_map(|city| silence(city, !groups.is_empty(), tense)));
    sentence
}

/// Most cities agree, and each of the others is some changes apart from them.
fn majority(
    cities: &[NodeState],
    most: &[usize],
    others: &[Vec<usize>],
    rows: &Rows,
    tense: Tense,
) -> Vec<Phrase> {
    let mut sentence = [names(cities, most), vec![plain(tense.of(" agree.", " agreed."))]].concat();
    for city in others.iter().flatten() {
        let apart = Phrase::Apart(counted(changes(rows, *city, most[0]), "change", "changes"));
        let name = Phrase::City(cities[*city].name);
        sentence.extend([
            plain(" "),
            name,
            plain(tense.of(" is ", " was ")),
            apart,
            plain(" apart."),
        ]);
    }
    sentence
}

/// The city was destroyed, and holds some of the heroes that most others hold.
fn destroyed(city: &NodeState, most: u64, tense: Tense) -> [Phrase; 7] {
    let of = counted(usize::try_from(most).unwrap_or(usize::MAX), "hero", "heroes");
    [
        plain(" "),
        Phrase::City(city.name),
        plain(" was "),
        Phrase::Bad("destroyed".into()),
        plain(tense.of(" and holds ", " and held ")),
        Phrase::Apart(format!("{} of {of}", grouped(city.heroes))),
        plain("."),
    ]
}

/// The city does not say what it holds, and why.
fn silence(city: &NodeState, others_do: bool, tense: Tense) -> Vec<Phrase> {
    let text = match city.status {
        NodeStatus::Up if !city.is_read && !city.recovering && others_do => {
            tense.of("has not told yet what it holds", "had not told yet what it held")
        }
        NodeStatus::Up => return Vec::new(),
        NodeStatus::Down => tense.of("has stopped", "had stopped"),
        NodeStatus::Unreachable => tense.of("gives no answer", "gave no answer"),
    };
    vec![plain(" "), Phrase::City(city.name), plain(" "), Phrase::Bad(text.into()), plain(".")]
}

/// Returns the cities of `up` in groups that hold the same, the largest group first.
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
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

/// Returns a city that holds what most answering cities hold; none if no two of several agree.
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

fn agreement(cities: &[NodeState], all: &[usize], rows: &Rows, tense: Tense) -> Vec<Phrase> {
    let heroes = cities[all[0]].heroes;
    let ending = match (heroes, rows.count(Pattern::is_alive) > 0) {
        (0, false) => tense
            .of("agree: there are no heroes yet.", "agreed: there were no heroes yet.")
            .to_owned(),
        (0, true) => tense
            .of("agree: they have heard of no hero yet.", "agreed: they had heard of no hero yet.")
            .to_owned(),
        _ => {
            let heroes = counted(usize::try_from(heroes).unwrap_or(usize::MAX), "hero", "heroes");
            format!("{} on {heroes}.", tense.of("agree", "agreed"))
        }
    };
    [names(cities, all), vec![Phrase::Plain(format!(" {ending}"))]].concat()
}

/// Returns the number of heroes of which these two cities hold different entries.
pub(crate) fn changes(rows: &Rows, a: usize, b: usize) -> usize {
    rows.count(|pattern| pattern.is_apart(a, b))
}

/// Returns the number of heroes of which this city holds another entry than some other city that
/// answers and has its memory.
pub(crate) fn changes_from_any(cities: &[NodeState], rows: &Rows, city: usize) -> usize {
    let others: Vec<usize> = (0..cities.len())
        .filter(|other| cities[*other].status == NodeStatus::Up && !cities[*other].recovering)
        .collect();
    rows.count(|pattern| others.iter().any(|other| pattern.is_apart(*other, city)))
}

fn names(cities: &[NodeState], group: &[usize]) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for (position, city) in group.iter().enumerate() {
        if position > 0 {
            let last = position + 1 == group.len();
            phrases.push(Phrase::Plain(if last { " and " } else { ", " }.into()));
        }
        phrases.push(Phrase::City(cities[*city].name));
    }
    phrases
}

#[cfg(test)]
mod tests;
