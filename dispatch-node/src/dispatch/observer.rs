//! The observation of the cities: the last observation of each, the linked nodes, and the open
//! questions.
//!
//! Invariant: a linked city always has one open question, so that it reports each change at once;
//! an answer is accepted only if a question is open and it comes from the linked incarnation.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{Incarnation, NodeName, Now, Origin};
use shared::hero::HeroId;
use shared::{Entry, Frame};

use crate::model::city_state::CityState;
use crate::model::node_state::NodeStatus;

/// The time after which an unanswered question is asked again. Cities answer within a second, even
/// without changes.
const OBSERVATION_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest delay with which a busy dispatch notices a timeout.
const NOTICED_LATE: Duration = Duration::from_secs(1);

/// The observed cities, and the links to all nodes.
#[derive(Debug)]
pub(super) struct Observer {
    cities: Vec<CityState>,
    /// The number of entries that are kept of each city.
    entries_max: usize,
    links: BTreeMap<NodeName, Incarnation>,
    asked: BTreeMap<NodeName, Question>,
    /// The cities that may answer a question that was asked again a second time, and the time at
    /// which it was asked again.
    answered_once: BTreeMap<NodeName, Duration>,
}

/// An open question.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// The time of the last time it was asked.
    asked: Duration,
    /// The earliest time at which the city may have composed the next answer.
    answered_after: Duration,
}

impl Observer {
    /// Returns an observer of these cities, without any links. It keeps at most `entries_max`
    /// entries of each city.
    pub(super) fn new(cities: Vec<NodeName>, entries_max: usize) -> Self {
        let city = |name| CityState::new(name, entries_max);
        Self {
            cities: cities.into_iter().map(city).collect(),
            entries_max,
            links: BTreeMap::new(),
            asked: BTreeMap::new(),
            answered_once: BTreeMap::new(),
        }
    }

    /// Returns the cities, in the order of the columns on the page.
    pub(super) fn cities(&self) -> &[CityState] {
        &self.cities
    }

    /// Returns the cities for modification.
    pub(super) fn cities_mut(&mut self) -> &mut [CityState] {
        &mut self.cities
    }

    /// Observes exactly these cities, in this order. Returns for each its column so far; `None` if the
    /// cities are the same.
    pub(super) fn arrange(&mut self, names: &[NodeName]) -> Option<Vec<Option<usize>>> {
        if self.cities.iter().map(|city| city.name).eq(names.iter().copied()) {
            return None;
        }
        let columns = names.iter().map(|name| self.index(*name)).collect();
        let mut before: BTreeMap<NodeName, CityState> =
            std::mem::take(&mut self.cities).into_iter().map(|city| (city.name, city)).collect();
        let entries_max = self.entries_max;
        let city = |name: &NodeName| {
            before.remove(name).unwrap_or_else(|| CityState::new(*name, entries_max))
        };
        self.cities = names.iter().map(city).collect();
        for gone in before.keys() {
            self.asked.remove(gone);
            self.answered_once.remove(gone);
        }
        Some(columns)
    }

    /// Returns whether this write was lost with its writer: its incarnation has ended, and no city
    /// holds the write, or a later one that is based on it. A stopped city holds nothing; of one that
    /// is unreachable or not read, this is unknown.
    pub(super) fn has_lost(&self, id: HeroId, write: &Entry) -> bool {
        let Origin { node, incarnation } = write.stamp.origin;
        let is_stopped = |city: &CityState| city.status == NodeStatus::Down;
        let is_replaced = self.links.get(&node).is_some_and(|present| *present != incarnation);
        let has_ended = is_replaced || self.city(node).is_some_and(is_stopped);
        let is_gone = |city: &CityState| {
            let held = city.entries.get(&id);
            let is_known = city.status == NodeStatus::Up && city.is_read;
            is_stopped(city) || is_known && held.is_none_or(|held| !held.had_seen(write.stamp))
        };
        has_ended && self.cities.iter().all(is_gone)
    }

    /// Returns the city with this name for modification.
    pub(super) fn city_mut(&mut self, name: NodeName) -> Option<&mut CityState> {
        self.cities.iter_mut().find(|city| city.name == name)
    }

    /// Returns the city with this name.
    pub(super) fn city(&self, name: NodeName) -> Option<&CityState> {
        self.cities.iter().find(|city| city.name == name)
    }

    /// Returns the column of the city with this name.
    pub(super) fn index(&self, name: NodeName) -> Option<usize> {
        self.cities.iter().position(|city| city.name == name)
    }

    /// Returns the latest time after which every city has answered a question; `None` unless every
    /// city answers, and has been read completely.
    pub(super) fn all_have_answered(&self) -> Option<Duration> {
        let is_read = |city: &CityState| city.status == NodeStatus::Up && city.is_read;
        let answered = |city: &CityState| city.answered_after.filter(|_| is_read(city));
        self.cities.iter().try_fold(Duration::MAX, |first, city| Some(answered(city)?.min(first)))
    }

    /// Notes that the link to `peer` is up.
    pub(super) fn link_up(&mut self, peer: NodeName, incarnation: Incarnation) {
        self.links.insert(peer, incarnation);
    }

    /// Notes that the link to `peer` is down. Its open question is lost with the link.
    pub(super) fn link_down(&mut self, peer: NodeName) {
        self.links.remove(&peer);
        self.asked.remove(&peer);
        self.answered_once.remove(&peer);
    }

    /// Returns whether there is a link to this node.
    pub(super) fn is_linked(&self, name: NodeName) -> bool {
        self.links.contains_key(&name)
    }

    /// Returns whether the city is linked and answers the questions for its state.
    pub(super) fn answers(&self, name: NodeName) -> bool {
        self.is_linked(name) && self.city(name).is_some_and(|city| city.status == NodeStatus::Up)
    }

    /// Returns the incarnation at the other end of the link to this node.
    pub(super) fn linked(&self, name: NodeName) -> Option<Origin> {
        self.links.get(&name).map(|incarnation| Origin { node: name, incarnation: *incarnation })
    }

    /// Returns the linked cities, in the order of the columns on the page.
    pub(super) fn linked_cities(&self) -> Vec<Origin> {
        self.cities.iter().filter_map(|city| self.linked(city.name)).collect()
    }

    /// Returns the incarnation of each linked node.
    pub(super) fn links(&self) -> &BTreeMap<NodeName, Incarnation> {
        &self.links
    }

    /// Opens a question to the city for its changes since the last observation. Returns `None` if
    /// it is not an observed city.
    pub(super) fn ask(&mut self, now: Now, city: NodeName) -> Option<Frame> {
        let question = self.city(city)?.question();
        let open = self.asked.get(&city).map(|open| open.answered_after);
        let earlier = open.or_else(|| self.answered_once.remove(&city));
        let answered_after = earlier.unwrap_or(now.mono);
        self.asked.insert(city, Question { asked: now.mono, answered_after });
        Some(question)
    }

    /// If an observation from this incarnation of `city` is expected, closes the question, and
    /// returns the earliest time at which the city may have composed the observation.
    pub(super) fn take_question(
        &mut self,
        city: NodeName,
        incarnation: Incarnation,
    ) -> Option<Duration> {
        if self.links.get(&city) != Some(&incarnation) {
            return None;
        }
        let Question { asked, answered_after } = self.asked.remove(&city)?;
        if answered_after < asked {
            self.answered_once.insert(city, asked);
        }
        Some(answered_after)
    }

    /// Returns the cities whose observations are overdue, each with whether dispatch noticed it on
    /// time. If not, dispatch itself did not run, and the answer may be waiting for it.
    pub(super) fn overdue(&self, now: Now) -> Vec<(NodeName, bool)> {
        let late = |asked: Duration| now.mono.checked_sub(asked + OBSERVATION_TIMEOUT);
        let overdue = self.asked.iter().filter_map(|(city, open)| Some((*city, late(open.asked)?)));
        overdue.map(|(city, late)| (city, late <= NOTICED_LATE)).collect()
    }

    /// Returns the time at which the next observation is overdue.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.asked.values().map(|open| open.asked + OBSERVATION_TIMEOUT).min()
    }

    /// Ends the recovery of the cities that hold exactly the entries of dispatch or of a city that
    /// is not recovering. Returns each with the time at which it lost its memory.
    pub(super) fn note_recoveries(
        &mut self,
        own: gossip::Fingerprint,
    ) -> Vec<(NodeName, Option<Duration>)> {
        let intact = self
            .cities
            .iter()
            .filter(|city| !city.recovering && city.is_read && city.status == NodeStatus::Up);
        let complete: Vec<_> = intact.map(|city| city.fingerprint).chain([own]).collect();
        let mut recovered = Vec::new();
        for city in &mut self.cities {
            if city.recovering && complete.contains(&city.fingerprint) {
                city.recovering = false;
                recovered.push((city.name, city.emptied_at));
            }
        }
        recovered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;

    #[test]
    fn answer_is_accepted_once_and_only_from_the_linked_incarnation() {
        let (gotham, now) =
            ("gotham".parse().unwrap(), Now::new(Duration::from_secs(1), UnixMillis(0)));
        let mut observer = Observer::new(vec![gotham], 1_000);
        assert!(observer.ask(now, "dispatch".parse().unwrap()).is_none(), "dispatch is not a city");
        observer.link_up(gotham, Incarnation::at(2));
        assert!(observer.ask(now, gotham).is_some());
        assert_eq!(observer.deadline(), Some(Duration::from_secs(4)));
        assert_eq!(observer.take_question(gotham, Incarnation::at(1)), None);
        let mut take = || observer.take_question(gotham, Incarnation::at(2));
        assert_eq!((take(), take()), (Some(now.mono), None));
        observer.ask(now, gotham);
        let overdue = |observer: &Observer, seconds| {
            observer.overdue(Now::new(Duration::from_secs(seconds), now.wall))
        };
        assert_eq!(overdue(&observer, 3), []);
        assert_eq!(overdue(&observer, 4), [(gotham, true)]);
        assert_eq!(overdue(&observer, 40), [(gotham, false)]);
        observer.link_down(gotham);
        assert_eq!((observer.deadline(), observer.linked_cities()), (None, vec![]));
    }

    #[test]
    fn answer_to_a_repeated_question_may_be_as_old_as_the_first_one() {
        let gotham = "gotham".parse().unwrap();
        let at = |seconds| Now::new(Duration::from_secs(seconds), UnixMillis(0));
        let mut observer = Observer::new(vec![gotham], 1_000);
        observer.link_up(gotham, Incarnation::at(2));
        let take = |observer: &mut Observer| {
            observer.take_question(gotham, Incarnation::at(2)).map(|time| time.as_secs())
        };
        observer.ask(at(1), gotham);
        observer.ask(at(4), gotham);
        assert_eq!(take(&mut observer), Some(1));
        // This may be the answer to the question of second 4, and the next one to that of second 5.
        observer.ask(at(5), gotham);
        assert_eq!(take(&mut observer), Some(4));
        observer.ask(at(6), gotham);
        let second = take(&mut observer);
        observer.ask(at(7), gotham);
        assert_eq!((second, take(&mut observer)), (Some(5), Some(6)));
    }
}
