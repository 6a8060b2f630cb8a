//! The panel of the processes: a card for each city with its state and its buttons, and dispatch in
//! one line.

use askama::Template;

use gossip::NodeName;

use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;
use crate::model::status;
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::launcher::{LauncherClient, is_further};
use crate::web::render::at_risk;
use crate::web::render::forecast_curve::Predicted;
use crate::web::render::gaps;
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{age, clock, early_stamps};

/// The time before the end of a process in which events may explain it, in milliseconds.
const WHY_MS: u64 = 10_000;

/// The processes: a card for each city, and dispatch in one line.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "cluster.html", whitespace = "minimize")]
pub(crate) struct ClusterPanel {
    /// Next to the heading: `4 processes, all up`.
    pub(crate) summary: String,
    /// The cities, always in the same order.
    pub(crate) cities: Vec<CityCard>,
    /// The holdings of dispatch itself: `holds 10 000 heroes and 3 tombstones`.
    pub(crate) dispatch: String,
}

/// One city, as dispatch last observed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CityCard {
    /// `gotham`.
    pub(crate) key: CityKey,
    /// `Gotham`.
    pub(crate) name: String,
    /// The number of heroes that it holds: `4 120`.
    pub(crate) heroes: String,
    /// The number of heroes on the node that holds the most: `of 10 000`. Empty if it is this city.
    pub(crate) of: String,
    /// The share of heroes for the ring, in percent, 0 to 100.
    pub(crate) fill: u8,
    /// The reachability of the process.
    pub(crate) status: NodeStatus,
    /// The state in words: `agrees`, `differs in 14 heroes`, `has stopped`.
    pub(crate) state: String,
    /// Its entries differ from those of other cities.
    pub(crate) differs: bool,
    /// The age of the last observation: `as of 4 s ago`.
    pub(crate) age: String,
    /// The incarnation, counted: `4th incarnation`. Empty for the first.
    pub(crate) incarnation: String,
    /// The first eight hexadecimal digits of the fingerprint of its map. Equal maps have equal
    /// fingerprints. Empty if it is unknown.
    pub(crate) fingerprint: String,
    /// The writes that it has and others lack, those that it lacks, and until when. May be empty.
    pub(crate) gap: String,
    /// The heroes that a bomb would destroy, because no other node holds them. May be empty.
    pub(crate) at_stake: String,
    /// It was founded, and can be removed.
    pub(crate) is_further: bool,
    /// The way to start it again, if its process has stopped. A stopped city cannot be bombed.
    pub(crate) rebuild: Option<Rebuild>,
}

/// The way to start a city again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rebuild {
    /// From the page.
    Button,
    /// By hand, with these instructions.
    ByHand(String),
}

impl ClusterPanel {
    /// Returns the panel for this view.
    pub(crate) fn of(
        view: &View,
        launcher: &LauncherClient,
        predicted: Option<&Predicted>,
    ) -> Self {
        let down = view.cities.iter().filter(|city| city.status != NodeStatus::Up).count();
        let processes = view.cities.len() + 1;
        let summary = match down {
            0 => format!("{processes} processes, all up"),
            _ => format!("{} of {processes} processes up", processes - down),
        };
        let most = status::most_heroes(&view.dispatch, &view.cities);
        let leader = status::leader(&view.cities);
        Self {
            summary,
            cities: (0..view.cities.len())
                .map(|index| CityCard {
                    gap: gaps::of_city(view, index, predicted).unwrap_or_default(),
                    ..city_card(view, index, leader, most, launcher)
                })
                .collect(),
            dispatch: format!(
                "holds {} and {}",
                counted_u64(view.dispatch.heroes, "hero", "heroes"),
                counted_u64(view.dispatch.tombstones, "tombstone", "tombstones")
            ),
        }
    }
}

fn counted_u64(number: u64, one: &str, many: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), one, many)
}

/// The card of one city. `most` is the number of heroes that the fullest node holds.
fn city_card(
    view: &View,
    index: usize,
    leader: Option<usize>,
    most: u64,
    launcher: &LauncherClient,
) -> CityCard {
    let city = &view.cities[index];
    let differences = match leader {
        Some(leader) => status::changes(&view.rows, index, leader),
        // Without a majority there is no reference, so the city is compared with all others.
        None => status::changes_from_any(&view.cities, &view.rows, index),
    };
    let (status, state) = match city.status {
        NodeStatus::Unreachable if city.age.is_none() => {
            (NodeStatus::Unreachable, "not read yet".to_owned())
        }
        NodeStatus::Unreachable if city.frozen => {
            (NodeStatus::Unreachable, "frozen by a fault".to_owned())
        }
        NodeStatus::Unreachable => (NodeStatus::Unreachable, "is unreachable".to_owned()),
        NodeStatus::Down => {
            (NodeStatus::Down, format!("has stopped{}", why_stopped(view, city.name)))
        }
        NodeStatus::Up if !city.is_read && !city.recovering => {
            (NodeStatus::Up, "not read yet".to_owned())
        }
        NodeStatus::Up if city.recovering => (NodeStatus::Up, "destroyed, recovering".to_owned()),
        NodeStatus::Up if differences > 0 => {
            let heroes = counted(differences, "hero", "heroes");
            (NodeStatus::Up, format!("differs in {heroes}"))
        }
        // Nodes that do not exchange writes hold the same without agreeing.
        NodeStatus::Up if status::any_refuses(&view.dispatch, &view.cities) => {
            (NodeStatus::Up, "holds the same".to_owned())
        }
        NodeStatus::Up => (NodeStatus::Up, "agrees".to_owned()),
    };
    let refuses = (city.status == NodeStatus::Up && !city.refuses.is_empty())
        .then(|| "refuses writes".to_owned());
    let state = [Some(state), refuses, clock(city), early_stamps(city, view.drift_max_ms)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    // Without any hero, every city holds all of them.
    let percent = (city.heroes * 100).checked_div(most).unwrap_or(100);
    CityCard {
        key: city.name.to_string(),
        name: title(city.name),
        heroes: grouped(city.heroes),
        of: if city.heroes < most { format!("of {}", grouped(most)) } else { String::new() },
        fill: u8::try_from(percent).unwrap_or(100),
        status,
        state,
        differs: city.status == NodeStatus::Up && (differences > 0 || city.recovering),
        age: age(city),
        incarnation: if city.crashes == 0 {
            String::new()
        } else {
            format!("{} incarnation", ordinal(city.crashes + 1))
        },
        fingerprint: if city.age.is_none() {
            String::new()
        } else {
            city.fingerprint.to_string().chars().take(8).collect()
        },
        is_further: is_further(city.name),
        gap: String::new(),
        at_stake: at_risk::at_stake(view, index).unwrap_or_default(),
        rebuild: (city.status == NodeStatus::Down).then(|| match launcher.by_hand(city.name) {
            None => Rebuild::Button,
            Some(how) => Rebuild::ByHand(format!("To start it again, {how}.")),
        }),
    }
}

/// The reason for which a city has stopped, as far as the events before it tell.
fn why_stopped(view: &View, city: NodeName) -> String {
    let of_city = || view.events.iter().rev().filter(|event| event.node == city);
    let Some(lost) = of_city().find(|event| event.kind == EventKind::Lost) else {
        return String::new();
    };
    let shortly_before = of_city()
        .skip_while(|event| event.number > lost.number)
        .take_while(|event| event.at.0.saturating_add(WHY_MS) >= lost.at.0);
    // A command is logged once it is done, so it may come after the loss.
    let since = of_city().take_while(|event| event.number > lost.number);
    let near: Vec<EventKind> = since.chain(shortly_before).map(|event| event.kind).collect();
    let crashes = near.iter().filter(|kind| **kind == EventKind::Destroyed).count();
    if near.contains(&EventKind::Killed) {
        ": it was killed".to_owned()
    } else if near.contains(&EventKind::Stopped) {
        ": it was asked to".to_owned()
    } else if crashes > 1 {
        format!(": {crashes} crashes in a short time exceed its restart limit")
    } else {
        ": dispatch did not ask for it".to_owned()
    }
}

/// `1st`, `2nd`, `3rd`.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, name};

    #[test]
    fn events_before_the_end_of_a_process_explain_it() {
        let cases: [(&[EventKind], &str); 5] = [
            (&[EventKind::Killed, EventKind::Lost], "it was killed"),
            (&[EventKind::Lost, EventKind::Killed], "it was killed"),
            (&[EventKind::Stopped, EventKind::Lost], "it was asked to"),
            (&[EventKind::Destroyed, EventKind::Destroyed, EventKind::Lost], "2 crashes"),
            (&[EventKind::Answers, EventKind::Lost], "dispatch did not ask for it"),
        ];
        for (kinds, reason) in cases {
            let mut fixture = Fixture::new();
            for kind in kinds {
                fixture = fixture.logged("gotham", *kind).logged("capitol", EventKind::Killed);
            }
            let said = why_stopped(&fixture.view, name("gotham"));
            assert!(said.contains(reason), "{kinds:?}: {said}");
        }
        assert_eq!(why_stopped(&Fixture::new().view, name("gotham")), "", "nothing is known");
    }

    #[test]
    fn incarnations_are_counted_from_one() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th"]
        );
    }
}
