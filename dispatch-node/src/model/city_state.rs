//! The state of one city as it showed it last, apart from dispatch's merged replica: observing
//! never heals, and never hides a difference.
//!
//! Invariant: all entries are of one incarnation of the city. After a bomb it is as empty as the
//! city.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gossip::{
    Fingerprint, Incarnation, LinkDown, NodeName, Now, Pulled, UnixMillis, VersionVector,
};
use shared::hero::HeroId;
use shared::{Change, Changes, Entry, Frame, Observation};

use crate::model::arrival::{Arrival, Rounds};
use crate::model::node_state::{NodeState, NodeStatus};

/// A part of an observation that is not complete yet.
#[derive(Debug)]
struct Observed {
    removed: Vec<HeroId>,
    changes: Changes,
}

/// The whole content of a city, until all of its parts are here.
#[derive(Debug, Default)]
struct Reload {
    entries: BTreeMap<HeroId, Arc<Entry>>,
    arrivals: Vec<Arrival>,
}

/// One city as last read.
#[derive(Debug)]
pub(crate) struct CityState {
    pub(crate) name: NodeName,
    pub(crate) status: NodeStatus,
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) entries: BTreeMap<HeroId, Arc<Entry>>,
    pub(crate) heroes: u64,
    pub(crate) tombstones: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) vector: VersionVector,
    pub(crate) crashes: u32,
    pub(crate) joined: bool,
    /// Whether it lost its memory and has not got it back: it runs another incarnation than before,
    /// and has not held what any other node holds.
    pub(crate) recovering: bool,
    /// Whether its silence has been logged.
    pub(crate) is_lost_reported: bool,
    /// The time of the last message from the city, on the machine's own clock.
    pub(crate) received_at: Option<Duration>,
    /// A reading of the city's wall clock, and its time on the machine's own clock.
    pub(crate) clock: Option<(UnixMillis, Duration)>,
    /// Whether an alarm about its clock has been logged.
    pub(crate) clock_is_off: bool,
    /// Whether this incarnation of the city has been read to its end once.
    pub(crate) is_read: bool,
    since: u64,
    /// The parts so far of an observation that continues the entries.
    staged: Vec<Observed>,
    /// An observation that starts from nothing, as far as it has come. It will replace all entries;
    /// it is unpacked as it comes, since there may be much of it.
    reload: Option<Reload>,
    /// The interval of the city's own pulls, if it makes any.
    pub(crate) gossip_interval: Option<Duration>,
    /// The number of the city's newest pull that is known.
    pulls: u64,
    rounds: Rounds,
    /// The heroes whose entries have changed since this was last emptied.
    pub(crate) changed: Vec<HeroId>,
    /// The entries that have arrived since this was last emptied.
    pub(crate) arrivals: VecDeque<Arrival>,
}

impl CityState {
    pub(crate) fn new(name: NodeName) -> Self {
        Self {
            name,
            status: NodeStatus::Unreachable,
            incarnation: None,
            entries: BTreeMap::new(),
            heroes: 0,
            tombstones: 0,
            fingerprint: Fingerprint::default(),
            vector: VersionVector::new(),
            crashes: 0,
            joined: false,
            recovering: false,
            is_lost_reported: false,
            received_at: None,
            clock: None,
            clock_is_off: false,
            is_read: false,
            since: 0,
            staged: Vec::new(),
            reload: None,
            gossip_interval: None,
            pulls: 0,
            rounds: Rounds::default(),
            changed: Vec::new(),
            arrivals: VecDeque::new(),
        }
    }

    /// Notes that the city answers, in this incarnation.
    pub(crate) fn link_up(&mut self, incarnation: Incarnation, at: Duration) {
        self.status = NodeStatus::Up;
        self.received_at = Some(at);
        if self.incarnation != Some(incarnation) {
            let recovering = self.incarnation.is_some();
            let crashes = self.crashes;
            let mut changed = std::mem::take(&mut self.changed);
            changed.extend(std::mem::take(&mut self.entries).into_keys());
            let arrivals = std::mem::take(&mut self.arrivals);
            *self = Self {
                status: NodeStatus::Up,
                incarnation: Some(incarnation),
                recovering,
                crashes,
                received_at: Some(at),
                changed,
                arrivals,
                ..Self::new(self.name)
            };
        }
    }

    /// Notes that the city does not answer. The last known state stays.
    pub(crate) fn link_down(&mut self, cause: LinkDown) {
        self.status = match cause {
            LinkDown::Refused => NodeStatus::Down,
            // A link that broke says nothing of the process; the next attempt will.
            LinkDown::Lost if self.status == NodeStatus::Down => NodeStatus::Down,
            LinkDown::Lost | LinkDown::Silent => NodeStatus::Unreachable,
        };
    }

    /// Takes an observation in. One that comes in several parts is shown when the last part is
    /// here, so that what is shown was true of the city at one moment.
    pub(crate) fn observe(&mut self, observation: Observation, now: Now) {
        self.received_at = Some(now.mono);
        self.clock = Some((observation.wall, now.mono));
        if observation.since != self.since {
            // It does not continue the entries, so only a start from nothing can be used.
            if observation.since != 0 {
                return;
            }
        }
        if observation.since == 0 {
            self.staged.clear();
            self.reload = Some(Reload::default());
        }
        self.rounds.note(self.news(&observation), now);
        self.pulls = observation.pulls_until;
        self.gossip_interval = observation.gossip_interval;
        self.since = observation.until;
        let Observation { removed, changes, .. } = observation;
        match self.reload.take() {
            Some(mut reload) => {
                removed.iter().for_each(|hero| drop(reload.entries.remove(hero)));
                for change in changes.iter() {
                    let held =
                        reload.entries.get(&change.key).or_else(|| self.entries.get(&change.key));
                    reload.arrivals.extend(self.arrival(&change, held, now));
                    reload.entries.insert(change.key, change.entry);
                }
                self.reload = Some(reload);
            }
            None => self.staged.push(Observed { removed, changes }),
        }
        if observation.until == observation.head {
            if let Some(Reload { entries, arrivals }) = self.reload.take() {
                let before = std::mem::replace(&mut self.entries, entries);
                self.changed.extend(before.into_keys().chain(self.entries.keys().copied()));
                self.arrivals.extend(arrivals);
            }
            for Observed { removed, changes } in std::mem::take(&mut self.staged) {
                for hero in removed {
                    self.entries.remove(&hero);
                    self.changed.push(hero);
                }
                for change in changes.iter() {
                    self.arrivals.extend(self.arrival(&change, self.entries.get(&change.key), now));
                    self.changed.push(change.key);
                    self.entries.insert(change.key, change.entry);
                }
            }
            self.heroes = observation.live;
            self.tombstones = observation.tombstones;
            self.fingerprint = observation.fingerprint;
            self.vector = observation.vector;
            self.crashes = observation.crashes;
            self.joined = observation.joined;
            self.is_read = true;
        }
    }

    /// Returns the pulls in the observation that no earlier one had: a question may be answered
    /// twice.
    pub(crate) fn news(&self, observation: &Observation) -> Vec<Pulled> {
        let first = observation.pulls_until.saturating_sub(observation.pulls.len() as u64) + 1;
        let news = (first..).zip(&observation.pulls).filter(|(number, _)| *number > self.pulls);
        news.map(|(_, pulled)| pulled.clone()).collect()
    }

    /// Returns how and when this change came to the city, unless the city was known to hold it.
    fn arrival(&self, change: &Change, held: Option<&Arc<Entry>>, now: Now) -> Option<Arrival> {
        let writer = change.entry.stamp.origin;
        let is_own = writer.node == self.name && Some(writer.incarnation) == self.incarnation;
        let is_news = held.is_none_or(|held| held.stamp != change.entry.stamp);
        is_news.then(|| self.rounds.arrival(change, is_own, self.is_read, now))
    }

    /// Returns the present reading of the city's wall clock; of dispatch's own where that is
    /// unknown.
    pub(crate) fn wall(&self, now: Now) -> UnixMillis {
        self.clock.map_or(now.wall, |(wall, at)| wall.plus(now.mono.saturating_sub(at)))
    }

    /// Returns how far the city's wall clock is ahead of dispatch's, in milliseconds, if it is
    /// known.
    pub(crate) fn clock_ahead_ms(&self, now: Now) -> Option<i64> {
        self.clock.map(|_| self.wall(now).0.cast_signed().saturating_sub_unsigned(now.wall.0))
    }

    /// Returns the state of the city as a node of the view.
    pub(crate) fn node_state(&self, frozen: bool, now: Now) -> NodeState {
        NodeState {
            name: self.name,
            status: self.status,
            incarnation: self.incarnation,
            crashes: self.crashes,
            heroes: self.heroes,
            tombstones: self.tombstones,
            fingerprint: self.fingerprint,
            vector: self.vector.clone(),
            age: self.received_at.map(|at| now.mono.saturating_sub(at)),
            recovering: self.recovering,
            clock_ahead_ms: self.clock_ahead_ms(now),
            frozen,
            is_read: self.is_read,
        }
    }

    /// Returns the question that continues from what is known.
    pub(crate) fn question(&self) -> Frame {
        Frame::Observe { since: self.since, pulls: self.pulls }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;
    use crate::model::arrival::Way;
    use gossip::{Hlc, Origin, PullOutcome, Stamp};
    use shared::Value;

    fn at(millis: u64) -> Now {
        Now { mono: Duration::from_millis(millis), wall: UnixMillis(1_790_000_000_000 + millis) }
    }

    fn change(number: u64, hero: u8, writer: &str) -> Change {
        let origin = Origin { node: writer.parse().unwrap(), incarnation: Incarnation(2) };
        let stamp = Stamp { hlc: Hlc { wall: UnixMillis(number), logical: 0 }, origin };
        Change {
            number,
            key: HeroId::from_bytes([hero; 16]),
            entry: Arc::new(Entry::written(Value::Tombstone, stamp, None)),
        }
    }

    fn merged(source: &str, changes: RangeInclusive<u64>, ended_ago: u64) -> Pulled {
        let outcome = PullOutcome::Merged { entries: 1, bytes: 100, changes };
        let ended_ago = Duration::from_millis(ended_ago);
        Pulled { source: source.parse().unwrap(), asked_ago: ended_ago, ended_ago, outcome }
    }

    fn observation(since: u64, changes: Vec<Change>, pulls: Vec<Pulled>) -> Observation {
        Observation {
            incarnation: Incarnation(2),
            since,
            until: since + changes.len() as u64,
            head: since + changes.len() as u64,
            wall: at(0).wall,
            live: 0,
            changes: changes.into_iter().collect(),
            pulls_until: pulls.len() as u64,
            gossip_interval: None,
            pulls,
            tombstones: 0,
            fingerprint: Fingerprint::default(),
            vector: VersionVector::new(),
            removed: Vec::new(),
            crashes: 0,
            joined: true,
        }
    }

    fn arrivals(mirror: &mut CityState) -> Vec<(u8, Way, u128)> {
        let told =
            |arrival: Arrival| (arrival.hero.as_bytes()[0], arrival.way, arrival.at.as_millis());
        std::mem::take(&mut mirror.arrivals).into_iter().map(told).collect()
    }

    #[test]
    fn it_knows_from_whom_a_city_heard_what_it_holds_and_when() {
        let heard = |from: &str| Way::Received(from.parse().unwrap());
        let mut gotham = CityState::new("gotham".parse().unwrap());
        gotham.link_up(Incarnation(2), Duration::ZERO);
        // When dispatch sees the city for the first time, it holds what it holds.
        gotham.observe(
            observation(
                0,
                vec![change(1, 1, "gotham"), change(2, 2, "capitol")],
                vec![merged("capitol", 2..=2, 700)],
            ),
            at(1_000),
        );
        assert_eq!(arrivals(&mut gotham), [(1, Way::Unknown, 1_000), (2, heard("capitol"), 300)]);
        let news = vec![
            change(3, 3, "gotham"),
            change(4, 4, "capitol"),
            change(5, 5, "capitol"),
            change(6, 6, "gotham"),
        ];
        let pulls = vec![merged("metropolis", 4..=4, 50), merged("capitol", 6..=6, 40)];
        gotham.observe(Observation { pulls_until: 3, ..observation(2, news, pulls) }, at(2_000));
        let expected = [
            (3, Way::Written, 2_000),
            (4, heard("metropolis"), 1_950),
            (5, Way::Unknown, 2_000),
            (6, Way::Written, 2_000),
        ];
        assert_eq!(arrivals(&mut gotham), expected, "what it writes while it merges is its own");
        assert_eq!(gotham.changed.len(), 6);
        // The same over again, and a start from nothing in the same life, are no news.
        gotham.observe(observation(0, vec![change(3, 3, "gotham")], Vec::new()), at(3_000));
        assert_eq!(arrivals(&mut gotham), []);
        assert_eq!(gotham.entries.len(), 1);
        assert!(gotham.changed.len() > 6, "who is gone has changed too");
        let before = gotham.changed.len();
        gotham.link_up(Incarnation(4), Duration::from_secs(4));
        assert_eq!(
            (gotham.entries.len(), gotham.changed.len()),
            (0, before + 1),
            "what nobody has looked at yet is not forgotten"
        );
    }

    #[test]
    fn a_start_from_nothing_in_the_same_life_is_shown_when_it_is_whole_and_only_what_is_new_is_news()
     {
        let mut gotham = CityState::new("gotham".parse().unwrap());
        gotham.link_up(Incarnation(2), Duration::ZERO);
        gotham.observe(
            observation(0, vec![change(1, 1, "gotham"), change(2, 2, "capitol")], Vec::new()),
            at(1_000),
        );
        (gotham.arrivals, gotham.changed) = (VecDeque::new(), Vec::new());
        gotham.observe(
            Observation { head: 3, ..observation(0, vec![change(1, 1, "gotham")], Vec::new()) },
            at(2_000),
        );
        assert_eq!((gotham.entries.len(), gotham.changed.len()), (2, 0), "the rest is under way");
        gotham.observe(
            Observation {
                until: 3,
                head: 3,
                ..observation(1, vec![change(3, 3, "gotham")], Vec::new())
            },
            at(2_100),
        );
        assert_eq!(arrivals(&mut gotham), [(3, Way::Written, 2_100)]);
        let numbers = |heroes: &mut dyn Iterator<Item = HeroId>| {
            heroes.map(|hero| hero.as_bytes()[0]).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&mut gotham.entries.keys().copied()), [1, 3]);
        assert!(
            numbers(&mut gotham.changed.iter().copied()).contains(&2),
            "who is gone has changed too"
        );
    }

    #[test]
    fn who_told_a_city_before_dispatch_began_is_not_told_as_if_it_had_been_since() {
        let mut gotham = CityState::new("gotham".parse().unwrap());
        gotham.link_up(Incarnation(2), Duration::ZERO);
        gotham.observe(
            observation(0, vec![change(1, 1, "capitol")], vec![merged("capitol", 1..=1, 60_000)]),
            at(1_000),
        );
        assert_eq!(arrivals(&mut gotham), [(1, Way::Unknown, 1_000)]);
    }
}
