//! The verdict: one or two plain sentences about the cluster, always true. One pure function of what is known makes the page's
//! heading, its title, the screen reader's news and the API's answer.

use std::time::Duration;

use shared::id::NodeName;

use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::{Pattern, RowState, Rows};
use crate::text::{counted, grouped, title};

/// What the cluster's state amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Every city answers, and all of them and dispatch hold the same.
    pub converged: bool,
    /// The sentences.
    pub sentence: String,
    /// The sentences in their parts, for a page that colours them.
    pub phrases: Vec<Phrase>,
    /// Heroes of which the answering cities do not all say the same.
    pub differences: usize,
    /// Heroes that one node alone holds.
    pub only_copies: usize,
    /// Writes answered as saved, and later overwritten everywhere by somebody who had not seen them.
    pub lost_writes: u64,
    /// How long ago the oldest of the differences was first seen.
    pub oldest_difference: Option<Duration>,
    /// Living heroes of which all answering cities say the same.
    pub agreed_on: usize,
    /// Living heroes.
    pub heroes: usize,
}

/// A part of the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// Words.
    Plain(String),
    /// A city's name.
    City(NodeName),
    /// A difference.
    Apart(String),
    /// A city that does not answer, or lost its memory.
    Bad(String),
}

impl ClusterStatus {
    /// The verdict over these nodes and rows.
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
        let converged = all_up && differences == 0 && cities.iter().all(|city| city.fingerprint == dispatch.fingerprint);
        let phrases = phrases(dispatch, cities, rows, differences);
        Self {
            converged,
            sentence: phrases.iter().map(Phrase::to_string).collect(),
            phrases,
            differences,
            only_copies: rows.count(|pattern| pattern.state(counted) == RowState::OnlyCopy),
            lost_writes,
            oldest_difference,
            agreed_on: rows.count(|pattern| pattern.lives() && !differs(pattern)),
            heroes: rows.count(Pattern::lives),
        }
    }
}

impl ClusterStatus {
    /// The sentences as what was the case: for a page that has lost dispatch, and cannot know what is.
    #[must_use]
    pub fn past(&self) -> String {
        self.phrases.iter().map(Phrase::past).collect()
    }
}

impl Phrase {
    /// The phrase of the past. Names are not looked at: nobody is called by a action, but who knows.
    fn past(&self) -> String {
        match self {
            Self::City(_) => self.to_string(),
            Self::Plain(text) | Self::Apart(text) | Self::Bad(text) => text.split_inclusive([' ', '.', ':', ',']).map(past).collect(),
        }
    }
}

/// A word, with what ends it, as it reads in the past.
fn past(word: &str) -> String {
    let (word, end) = word.split_at(word.trim_end_matches([' ', '.', ':', ',']).len());
    let past = match word {
        "agree" => "agreed",
        "is" => "was",
        "are" => "were",
        "has" | "have" => "had",
        "holds" => "held",
        "answers" => "answered",
        "gives" => "gave",
        "stands" => "stood",
        "differ" | "differs" => "differed",
        other => other,
    };
    [past, end].concat()
}

impl std::fmt::Display for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(text) | Self::Apart(text) | Self::Bad(text) => f.write_str(text),
            Self::City(name) => f.write_str(&title(*name)),
        }
    }
}

fn phrases(dispatch: &NodeState, cities: &[NodeState], rows: &Rows, differences: usize) -> Vec<Phrase> {
    let up = || (0..cities.len()).filter(|city| cities[*city].status == NodeStatus::Up);
    // A city that has just lost its memory is no party to the others' agreement.
    let (hurt, standing): (Vec<usize>, Vec<usize>) =
        up().filter(|city| cities[*city].is_read || cities[*city].recovering).partition(|city| cities[*city].recovering);
    let unread: Vec<usize> = up().filter(|city| !cities[*city].is_read && !cities[*city].recovering).collect();
    let groups = groups(cities, &standing);
    let mut sentence = match groups.as_slice() {
        [] if hurt.is_empty() && unread.is_empty() => return vec![Phrase::Bad("No city answers.".into())],
        [] if hurt.is_empty() => vec![Phrase::Plain("No city has told yet what it holds.".into())],
        [] => vec![Phrase::Bad("No city has its memory.".into())],
        [all] if all.len() == 1 && hurt.is_empty() && unread.is_empty() => {
            [vec![Phrase::Plain("Only ".into())], names(cities, all), vec![Phrase::Plain(" answers.".into())]].concat()
        }
        [all] if all.len() == 1 => [names(cities, all), vec![Phrase::Plain(" stands alone.".into())]].concat(),
        [all] => agreement(cities, all, rows),
        [most, others @ ..] if most.len() > 1 => {
            let mut sentence = [names(cities, most), vec![Phrase::Plain(" agree.".into())]].concat();
            for city in others.iter().flatten() {
                let changes = counted(changes(rows, *city, most[0]), "change", "changes");
                sentence.extend([
                    Phrase::Plain(" ".into()),
                    Phrase::City(cities[*city].name),
                    Phrase::Plain(" is ".into()),
                    Phrase::Apart(changes),
                    Phrase::Plain(" apart.".into()),
                ]);
            }
            sentence
        }
        [_, _] => {
            let apart = counted(changes(rows, standing[0], standing[1]), "change", "changes");
            [names(cities, &standing), vec![Phrase::Plain(" are ".into()), Phrase::Apart(apart), Phrase::Plain(" apart.".into())]].concat()
        }
        _ => vec![
            Phrase::Plain("No two cities agree: ".into()),
            Phrase::Apart(counted(differences, "hero differs", "heroes differ")),
            Phrase::Plain(".".into()),
        ],
    };
    let most = groups.first().map_or(dispatch.heroes, |group| cities[group[0]].heroes);
    for city in hurt {
        let count =
            format!("{} of {}", grouped(cities[city].heroes), counted(usize::try_from(most).unwrap_or(usize::MAX), "hero", "heroes"));
        let name = Phrase::City(cities[city].name);
        sentence.extend([
            Phrase::Plain(" ".into()),
            name,
            Phrase::Plain(" was ".into()),
            Phrase::Bad("destroyed".into()),
            Phrase::Plain(" and holds ".into()),
            Phrase::Apart(count),
            Phrase::Plain(".".into()),
        ]);
    }
    for city in cities {
        let word = match city.status {
            NodeStatus::Up if !city.is_read && !city.recovering && !groups.is_empty() => "has not told yet what it holds",
            NodeStatus::Up => continue,
            NodeStatus::Down => "has stopped",
            NodeStatus::Unreachable => "gives no answer",
        };
        sentence.extend([
            Phrase::Plain(" ".into()),
            Phrase::City(city.name),
            Phrase::Plain(" ".into()),
            Phrase::Bad(word.into()),
            Phrase::Plain(".".into()),
        ]);
    }
    sentence
}

/// The cities of `up` in groups that hold the same, the largest first.
fn groups(cities: &[NodeState], up: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for city in up {
        match groups.iter_mut().find(|group| cities[group[0]].fingerprint == cities[*city].fingerprint) {
            Some(group) => group.push(*city),
            None => groups.push(vec![*city]),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

/// A city that holds what most of those that answer hold; none where no two of several do.
pub(crate) fn leader(cities: &[NodeState]) -> Option<usize> {
    let up: Vec<usize> = (0..cities.len())
        .filter(|city| cities[*city].status == NodeStatus::Up && cities[*city].is_read && !cities[*city].recovering)
        .collect();
    groups(cities, &up).first().filter(|group| group.len() > 1 || up.len() == 1).map(|group| group[0])
}

fn agreement(cities: &[NodeState], all: &[usize], rows: &Rows) -> Vec<Phrase> {
    let heroes = cities[all[0]].heroes;
    let ending = match (heroes, rows.count(Pattern::lives) > 0) {
        (0, false) => " agree: there are no heroes yet.".to_owned(),
        (0, true) => " agree: they have heard of no hero yet.".to_owned(),
        _ => format!(" agree on {}.", counted(usize::try_from(heroes).unwrap_or(usize::MAX), "hero", "heroes")),
    };
    [names(cities, all), vec![Phrase::Plain(ending)]].concat()
}

/// Of how many heroes these two cities do not say the same.
pub(crate) fn changes(rows: &Rows, a: usize, b: usize) -> usize {
    rows.count(|pattern| pattern.is_apart(a, b))
}

/// Of how many heroes this city does not say the same as some other that answers and has its memory.
pub(crate) fn changes_from_any(cities: &[NodeState], rows: &Rows, city: usize) -> usize {
    let others: Vec<usize> =
        (0..cities.len()).filter(|other| cities[*other].status == NodeStatus::Up && !cities[*other].recovering).collect();
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
