//! The panel of the processes: a card a city with its state and its buttons, and dispatch in one
//! line.

use askama::Template;

use crate::model::node_state::NodeStatus;
use crate::model::status;
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::launcher::LauncherClient;
use crate::web::render::at_risk;
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{age, clock};

/// The processes: a card a city, and dispatch in one line.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "cluster.html", whitespace = "minimize")]
pub(crate) struct ClusterPanel {
    /// Next to the heading: `4 processes, all running`.
    pub(crate) summary: String,
    /// The cities, always in the same order.
    pub(crate) cities: Vec<CityCard>,
    /// The holdings of dispatch itself: `holds 10 000 heroes and 3 tombstones`.
    pub(crate) dispatch: String,
}

/// One city, as dispatch last saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CityCard {
    /// `gotham`.
    pub(crate) key: CityKey,
    /// `Gotham`.
    pub(crate) name: String,
    /// The number of heroes that it holds: `4 120`.
    pub(crate) heroes: String,
    /// The number of heroes to recover: `of 10 000`. Empty when it holds them all.
    pub(crate) of: String,
    /// The same as a share for the ring, in percent, 0 to 100.
    pub(crate) fill: u8,
    /// The reachability of the process.
    pub(crate) status: NodeStatus,
    /// The state in words: `agrees`, `14 changes apart`, `recovering`, `stopped`.
    pub(crate) state: String,
    /// It holds something else than the others.
    pub(crate) differs: bool,
    /// The age of this knowledge: `as of 0.1 s ago`.
    pub(crate) age: String,
    /// The incarnation, counted: `4th incarnation`. Empty for the first.
    pub(crate) incarnation: String,
    /// Eight hexadecimal digits over everything it holds. Equal fingerprints mean equal maps. May
    /// be empty.
    pub(crate) fingerprint: String,
    /// The heroes that a bomb would destroy, since no other node holds them. May be empty.
    pub(crate) at_stake: String,
    /// The way to start it again, where its process has ended. Such a city cannot be bombed.
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
    /// The processes as dispatch last saw them.
    pub(crate) fn of(view: &View, launcher: &LauncherClient) -> Self {
        let silent = view.cities.iter().filter(|city| city.status != NodeStatus::Up).count();
        let processes = view.cities.len() + 1;
        let summary = match silent {
            0 => format!("{processes} processes, all answer"),
            _ => format!("{processes} processes, {silent} without an answer"),
        };
        let most =
            view.cities.iter().chain([&view.dispatch]).map(|node| node.heroes).max().unwrap_or(0);
        let leader = status::leader(&view.cities);
        Self {
            summary,
            cities: (0..view.cities.len())
                .map(|index| city_card(view, index, leader, most, launcher))
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
    let apart = match leader {
        Some(leader) => status::changes(&view.rows, index, leader),
        None => status::changes_from_any(&view.cities, &view.rows, index),
    };
    let (status, state) = match city.status {
        NodeStatus::Unreachable if city.age.is_none() => {
            (NodeStatus::Unreachable, "not heard yet".to_owned())
        }
        NodeStatus::Unreachable if city.frozen => {
            (NodeStatus::Unreachable, "frozen from here".to_owned())
        }
        NodeStatus::Unreachable => (NodeStatus::Unreachable, "gives no answer".to_owned()),
        NodeStatus::Down => (NodeStatus::Down, "has stopped".to_owned()),
        NodeStatus::Up if !city.is_read && !city.recovering => {
            (NodeStatus::Up, "not heard yet".to_owned())
        }
        NodeStatus::Up if city.recovering => (NodeStatus::Up, "destroyed, recovering".to_owned()),
        NodeStatus::Up if apart > 0 => {
            (NodeStatus::Up, format!("{} apart", counted(apart, "change", "changes")))
        }
        NodeStatus::Up => (NodeStatus::Up, "agrees".to_owned()),
    };
    let state = match clock(city) {
        Some(clock) => format!("{state}, {clock}"),
        None => state,
    };
    let percent = (city.heroes * 100).checked_div(most).unwrap_or(100);
    CityCard {
        key: city.name.to_string(),
        name: title(city.name),
        heroes: grouped(city.heroes),
        of: if city.heroes < most { format!("of {}", grouped(most)) } else { String::new() },
        fill: u8::try_from(percent).unwrap_or(100),
        status,
        state,
        differs: city.status == NodeStatus::Up && (apart > 0 || city.recovering),
        age: age(city),
        incarnation: if city.crashes == 0 {
            String::new()
        } else {
            format!("{} life", ordinal(city.crashes + 1))
        },
        fingerprint: if city.age.is_none() {
            String::new()
        } else {
            city.fingerprint.to_string().chars().take(8).collect()
        },
        at_stake: at_risk::at_stake(view, index).unwrap_or_default(),
        rebuild: (city.status == NodeStatus::Down).then(|| match launcher.by_hand(city.name) {
            None => Rebuild::Button,
            Some(how) => Rebuild::ByHand(format!("To start it again, {how}.")),
        }),
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

    #[test]
    fn incarnations_are_counted_from_one() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th"]
        );
    }
}
