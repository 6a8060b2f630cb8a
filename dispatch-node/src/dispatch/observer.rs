//! The observation of the cities: what each showed last, which nodes are linked, and which cities
//! have an open question.
//!
//! Invariant: a linked city always has one open question, so that it shows each change at once; an
//! answer is taken only if it was asked for, and only from the city's present incarnation.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{Incarnation, NodeName, Now, Origin};
use shared::Frame;

use crate::model::city_state::CityState;
use crate::model::node_state::NodeStatus;

/// The time after which an overdue observation is asked for again.
const OBSERVATION_TIMEOUT: Duration = Duration::from_secs(3);

/// The cities as they are observed, and the links to all nodes.
#[derive(Debug)]
pub(super) struct Observer {
    cities: Vec<CityState>,
    links: BTreeMap<NodeName, Incarnation>,
    asked: BTreeMap<NodeName, Duration>,
}

impl Observer {
    /// Returns an observer of these cities, none of which is linked.
    pub(super) fn new(cities: Vec<NodeName>) -> Self {
        Self {
            cities: cities.into_iter().map(CityState::new).collect(),
            links: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Returns the cities, in the order of the page's columns.
    pub(super) fn cities(&self) -> &[CityState] {
        &self.cities
    }

    /// Returns the cities, to be changed.
    pub(super) fn cities_mut(&mut self) -> &mut [CityState] {
        &mut self.cities
    }

    /// Returns the city of this name, to be changed.
    pub(super) fn city_mut(&mut self, name: NodeName) -> Option<&mut CityState> {
        self.cities.iter_mut().find(|city| city.name == name)
    }

    /// Returns the city of this name.
    pub(super) fn city(&self, name: NodeName) -> Option<&CityState> {
        self.cities.iter().find(|city| city.name == name)
    }

    /// Returns the column of the city of this name.
    pub(super) fn index(&self, name: NodeName) -> Option<usize> {
        self.cities.iter().position(|city| city.name == name)
    }

    /// Returns whether every city answers and has been read to its end.
    pub(super) fn all_are_read(&self) -> bool {
        self.cities.iter().all(|city| city.status == NodeStatus::Up && city.is_read)
    }

    /// Notes that a link to `peer` stands.
    pub(super) fn link_up(&mut self, peer: NodeName, incarnation: Incarnation) {
        self.links.insert(peer, incarnation);
    }

    /// Notes that there is no link to `peer`. Its open question is lost with it.
    pub(super) fn link_down(&mut self, peer: NodeName) {
        self.links.remove(&peer);
        self.asked.remove(&peer);
    }

    /// Returns whether there is a link to this node.
    pub(super) fn is_linked(&self, name: NodeName) -> bool {
        self.links.contains_key(&name)
    }

    /// Returns the incarnation at the other end of the link to this node.
    pub(super) fn linked(&self, name: NodeName) -> Option<Origin> {
        self.links.get(&name).map(|incarnation| Origin { node: name, incarnation: *incarnation })
    }

    /// Returns the cities that are linked, in the order of the page's columns.
    pub(super) fn linked_cities(&self) -> Vec<Origin> {
        self.cities.iter().filter_map(|city| self.linked(city.name)).collect()
    }

    /// Returns the incarnation of each node that is linked.
    pub(super) fn links(&self) -> &BTreeMap<NodeName, Incarnation> {
        &self.links
    }

    /// Returns the question to the city for what it holds beyond what it showed; none if it is not
    /// one of the observed cities.
    pub(super) fn ask(&mut self, now: Now, city: NodeName) -> Option<Frame> {
        let question = self.city(city)?.question();
        self.asked.insert(city, now.mono);
        Some(question)
    }

    /// Returns whether an observation from this incarnation of `city` was asked for; if so, the
    /// question is no longer open.
    pub(super) fn take_question(&mut self, city: NodeName, incarnation: Incarnation) -> bool {
        self.links.get(&city) == Some(&incarnation) && self.asked.remove(&city).is_some()
    }

    /// Returns the cities whose observations are overdue.
    pub(super) fn overdue(&self, now: Now) -> Vec<NodeName> {
        let overdue =
            self.asked.iter().filter(|(_, asked)| **asked + OBSERVATION_TIMEOUT <= now.mono);
        overdue.map(|(city, _)| *city).collect()
    }

    /// Returns the time at which the next observation is overdue.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.asked.values().map(|asked| *asked + OBSERVATION_TIMEOUT).min()
    }

    /// Notes which of the cities that lost their memory have it back: those that hold what a node
    /// holds that did not lose its own.
    pub(super) fn note_recoveries(&mut self, own: gossip::Fingerprint) {
        let unhurt = self
            .cities
            .iter()
            .filter(|city| !city.recovering && city.is_read && city.status == NodeStatus::Up);
        let whole: Vec<_> = unhurt.map(|city| city.fingerprint).chain([own]).collect();
        for city in &mut self.cities {
            city.recovering &= !whole.contains(&city.fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;

    #[test]
    fn an_answer_is_taken_once_and_only_from_the_linked_incarnation() {
        let (gotham, now) =
            ("gotham".parse().unwrap(), Now { mono: Duration::from_secs(1), wall: UnixMillis(0) });
        let mut observer = Observer::new(vec![gotham]);
        assert!(observer.ask(now, "dispatch".parse().unwrap()).is_none(), "it is no city");
        observer.link_up(gotham, Incarnation(2));
        assert!(observer.ask(now, gotham).is_some());
        assert_eq!(observer.deadline(), Some(Duration::from_secs(4)));
        assert!(!observer.take_question(gotham, Incarnation(1)));
        assert!(
            observer.take_question(gotham, Incarnation(2))
                && !observer.take_question(gotham, Incarnation(2))
        );
        observer.ask(now, gotham);
        assert_eq!(observer.overdue(Now { mono: Duration::from_secs(4), ..now }), [gotham]);
        observer.link_down(gotham);
        assert_eq!((observer.deadline(), observer.linked_cities()), (None, vec![]));
    }
}
