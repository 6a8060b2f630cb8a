//! The last observed state of one city, separate from dispatch's merged replica. Observation
//! therefore heals nothing and hides no difference.
//!
//! Invariant: all entries belong to one incarnation of the city. After a bomb they are as empty as
//! the city.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gossip::{
    Fingerprint, Incarnation, LinkDown, NodeName, Now, Origin, Pulled, UnixMillis, VersionVector,
};
use shared::hero::HeroId;
use shared::{Change, Changes, Entry, Frame, Observation};

use crate::model::arrival::{Arrival, Rounds};
use crate::model::node_state::{NodeState, NodeStatus, note_outcome, stamps_ahead_ms};

/// The maximum number of nodes of which it is known that the city refuses their rounds.
const REFUSES_MAX: usize = 128;

/// A part of an observation that is not complete yet.
#[derive(Debug)]
struct Observed {
    removed: Vec<HeroId>,
    changes: Changes,
}

/// The complete content of a city, until all of its parts have arrived.
#[derive(Debug, Default)]
struct Reload {
    entries: BTreeMap<HeroId, Arc<Entry>>,
    arrivals: Vec<Arrival>,
}

/// One city as last observed.
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
    /// True if it lost its memory and has not recovered: it runs another incarnation than before,
    /// and has not held the same entries as another node since.
    pub(crate) recovering: bool,
    /// The time at which it was last known to have its memory, if it has lost it since.
    pub(crate) emptied_at: Option<Duration>,
    /// The time of the first sign that it does not answer.
    silent_since: Option<Duration>,
    /// True if an event was logged because it does not answer.
    pub(crate) is_lost_reported: bool,
    /// The time of the last message from the city, on dispatch's monotonic clock.
    pub(crate) received_at: Option<Duration>,
    /// A reading of the city's wall clock, and its time on dispatch's monotonic clock.
    pub(crate) clock: Option<(UnixMillis, Duration)>,
    /// The time by which the city last judged the stamps of others.
    reference: UnixMillis,
    /// True if its clock exceeded the accepted difference at the last check.
    pub(crate) clock_is_off: bool,
    /// True if this incarnation of the city has been read completely.
    pub(crate) is_read: bool,
    /// A time before which the city has not composed the newest complete observation, on dispatch's
    /// monotonic clock.
    pub(crate) answered_after: Option<Duration>,
    since: u64,
    /// The maximum number of entries that are kept, those under way included.
    entries_max: usize,
    /// The parts received so far of an observation that continues the entries.
    staged: Vec<Observed>,
    /// The number of changes and removals in these parts.
    staged_entries: usize,
    /// An observation that starts from scratch, as far as received. It will replace all entries.
    /// Unpacked on arrival, since it may be large.
    reload: Option<Reload>,
    /// The interval of the city's own pulls, if it makes any.
    pub(crate) gossip_interval: Option<Duration>,
    /// The number of the city's newest known pull.
    pulls: u64,
    rounds: Rounds,
    /// The nodes whose last round the city refused.
    pub(crate) refuses: BTreeSet<NodeName>,
    /// The heroes whose entries have changed since this list was last emptied.
    pub(crate) changed: Vec<HeroId>,
    /// The entries that have arrived since this queue was last emptied.
    pub(crate) arrivals: VecDeque<Arrival>,
}

impl CityState {
    /// Returns a city that was not observed yet, and of which at most `entries_max` entries are kept.
    pub(crate) fn new(name: NodeName, entries_max: usize) -> Self {
        Self {
            name,
            entries_max,
            staged_entries: 0,
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
            emptied_at: None,
            silent_since: None,
            is_lost_reported: false,
            received_at: None,
            clock: None,
            reference: UnixMillis(0),
            clock_is_off: false,
            is_read: false,
            answered_after: None,
            since: 0,
            staged: Vec::new(),
            reload: None,
            gossip_interval: None,
            pulls: 0,
            rounds: Rounds::default(),
            refuses: BTreeSet::new(),
            changed: Vec::new(),
            arrivals: VecDeque::new(),
        }
    }

    /// Notes a link to the city in this incarnation. Resets the state if it is a new one.
    pub(crate) fn link_up(&mut self, incarnation: Incarnation, at: Duration) {
        self.status = NodeStatus::Up;
        self.received_at = Some(at);
        if self.incarnation == Some(incarnation) {
            self.silent_since = None;
        }
        if self.incarnation != Some(incarnation) {
            let recovering = self.incarnation.is_some();
            let emptied_at = recovering.then(|| self.silent_since.unwrap_or(at));
            let crashes = self.crashes;
            // The rows of the old entries are stale, and arrivals that were not read yet have still
            // occurred.
            let mut changed = std::mem::take(&mut self.changed);
            changed.extend(std::mem::take(&mut self.entries).into_keys());
            let arrivals = std::mem::take(&mut self.arrivals);
            *self = Self {
                status: NodeStatus::Up,
                incarnation: Some(incarnation),
                recovering,
                emptied_at,
                crashes,
                received_at: Some(at),
                changed,
                arrivals,
                ..Self::new(self.name, self.entries_max)
            };
        }
    }

    /// Returns the observed incarnation.
    pub(crate) fn origin(&self) -> Option<Origin> {
        Some(Origin { node: self.name, incarnation: self.incarnation? })
    }

    /// Notes a sign that this incarnation has ended, or does not answer.
    pub(crate) fn note_silent(&mut self, at: Duration) {
        self.silent_since.get_or_insert(at);
    }

    /// Notes that the city does not answer. The last observed state is kept.
    pub(crate) fn link_down(&mut self, cause: LinkDown, at: Duration) {
        self.note_silent(at);
        self.status = match cause {
            LinkDown::Refused => NodeStatus::Down,
            // A broken link proves nothing about the process; the next attempt to connect does.
            LinkDown::Lost if self.status == NodeStatus::Down => NodeStatus::Down,
            LinkDown::Lost | LinkDown::TimedOut => NodeStatus::Unreachable,
        };
    }

    /// Processes an observation. One in several parts takes effect with its last part, so that the
    /// displayed state existed at the city at one moment. Returns whether its entries are kept.
    pub(crate) fn observe(&mut self, observation: Observation, now: Now) -> bool {
        self.received_at = Some(now.mono);
        self.clock = Some((observation.wall, now.mono));
        self.reference = observation.reference;
        if observation.since != self.since {
            // It does not continue the entries, so only an observation from scratch is usable.
            if observation.since != 0 {
                return false;
            }
        }
        if observation.since == 0 {
            self.discard_parts();
            self.reload = Some(Reload::default());
        }
        if self.exceeds_limit(&observation) {
            // A city that follows the protocol holds fewer. Its content stays unknown.
            self.discard_parts();
            (self.since, self.is_read) = (0, false);
            return false;
        }
        let pulls = self.new_pulls(&observation);
        for pulled in &pulls {
            note_outcome(&mut self.refuses, pulled.source, &pulled.outcome);
        }
        // The city names the sources.
        while self.refuses.len() > REFUSES_MAX {
            self.refuses.pop_last();
        }
        self.rounds.note(pulls, now);
        self.pulls = observation.pulls_until;
        self.gossip_interval = observation.gossip_interval;
        // The next question continues after this part, even if the observation is not complete.
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
            None => {
                self.staged_entries += removed.len() + changes.numbers.len();
                self.staged.push(Observed { removed, changes });
            }
        }
        if observation.until == observation.head {
            if let Some(Reload { entries, arrivals }) = self.reload.take() {
                let before = std::mem::replace(&mut self.entries, entries);
                self.changed.extend(before.into_keys().chain(self.entries.keys().copied()));
                self.arrivals.extend(arrivals);
            }
            self.staged_entries = 0;
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
        true
    }

    fn discard_parts(&mut self) {
        self.staged.clear();
        self.staged_entries = 0;
        self.reload = None;
    }

    /// Returns whether more entries than the maximum would be kept with this observation.
    fn exceeds_limit(&self, observation: &Observation) -> bool {
        let reloaded =
            self.reload.as_ref().map_or(self.entries.len(), |reload| reload.entries.len());
        let new = observation.removed.len() + observation.changes.numbers.len();
        reloaded + self.staged_entries + new > self.entries_max
    }

    /// Returns the pulls in the observation that no earlier one contained. A question may be
    /// answered twice, after it was asked again.
    pub(crate) fn new_pulls(&self, observation: &Observation) -> Vec<Pulled> {
        let first = observation.pulls_until.saturating_sub(observation.pulls.len() as u64) + 1;
        let new = (first..).zip(&observation.pulls).filter(|(number, _)| *number > self.pulls);
        new.map(|(_, pulled)| pulled.clone()).collect()
    }

    /// Returns the arrival of this change at the city, unless the city was known to hold the entry.
    fn arrival(&self, change: &Change, held: Option<&Arc<Entry>>, now: Now) -> Option<Arrival> {
        let writer = change.entry.stamp.origin;
        let is_own = writer.node == self.name && Some(writer.incarnation) == self.incarnation;
        let is_hero = change.key.table().is_none();
        let is_new = is_hero && held.is_none_or(|held| held.stamp != change.entry.stamp);
        is_new.then(|| self.rounds.arrival(change, is_own, self.is_read, now))
    }

    /// Returns the estimated present reading of the city's wall clock, or dispatch's own reading if
    /// it is unknown.
    pub(crate) fn wall(&self, now: Now) -> UnixMillis {
        self.clock.map_or(now.wall, |(wall, at)| wall.plus(now.mono.saturating_sub(at)))
    }

    /// Returns the lead of the city's wall clock over dispatch's, in milliseconds, if it is known.
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
            stamps_ahead_ms: stamps_ahead_ms(&self.vector, self.wall(now)),
            // It is never before the wall clock.
            reference: self.reference.max(self.wall(now)),
            refuses: self.refuses.iter().copied().collect(),
            frozen,
            is_read: self.is_read,
        }
    }

    /// Returns the question for the changes since the last observation.
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
        Now::new(Duration::from_millis(millis), UnixMillis(1_790_000_000_000 + millis))
    }

    fn change(number: u64, hero: u8, writer: &str) -> Change {
        let origin = Origin { node: writer.parse().unwrap(), incarnation: Incarnation::at(2) };
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
            incarnation: Incarnation::at(2),
            since,
            until: since + changes.len() as u64,
            head: since + changes.len() as u64,
            wall: at(0).wall,
            reference: at(0).wall,
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

    fn arrivals(city: &mut CityState) -> Vec<(u8, Way, u128)> {
        let fields =
            |arrival: Arrival| (arrival.hero.as_bytes()[0], arrival.way, arrival.at.as_millis());
        std::mem::take(&mut city.arrivals).into_iter().map(fields).collect()
    }

    #[test]
    fn arrivals_have_their_source_and_time() {
        let received = |from: &str| Way::Received(from.parse().unwrap());
        let mut gotham = CityState::new("gotham".parse().unwrap(), 1_000);
        gotham.link_up(Incarnation::at(2), Duration::ZERO);
        // At the first observation, the source of entries without a known round is unknown.
        gotham.observe(
            observation(
                0,
                vec![change(1, 1, "gotham"), change(2, 2, "capitol")],
                vec![merged("capitol", 2..=2, 700)],
            ),
            at(1_000),
        );
        assert_eq!(
            arrivals(&mut gotham),
            [(1, Way::Unknown, 1_000), (2, received("capitol"), 300)]
        );
        let changes = vec![
            change(3, 3, "gotham"),
            change(4, 4, "capitol"),
            change(5, 5, "capitol"),
            change(6, 6, "gotham"),
        ];
        let pulls = vec![merged("metropolis", 4..=4, 50), merged("capitol", 6..=6, 40)];
        gotham.observe(Observation { pulls_until: 3, ..observation(2, changes, pulls) }, at(2_000));
        let expected = [
            (3, Way::Written, 2_000),
            (4, received("metropolis"), 1_950),
            (5, Way::Unknown, 2_000),
            (6, Way::Written, 2_000),
        ];
        assert_eq!(arrivals(&mut gotham), expected, "what it writes while it merges is its own");
        assert_eq!(gotham.changed.len(), 6);
        // Repeated changes, and an observation from scratch in one incarnation, are no arrivals.
        gotham.observe(observation(0, vec![change(3, 3, "gotham")], Vec::new()), at(3_000));
        assert_eq!(arrivals(&mut gotham), []);
        assert_eq!(gotham.entries.len(), 1);
        assert!(gotham.changed.len() > 6, "removed heroes have changed too");
        let before = gotham.changed.len();
        gotham.link_up(Incarnation::at(4), Duration::from_secs(4));
        assert_eq!(
            (gotham.entries.len(), gotham.changed.len()),
            (0, before + 1),
            "unread changes are kept"
        );
    }

    #[test]
    fn reload_takes_effect_when_complete_and_reports_new_entries_only() {
        let mut gotham = CityState::new("gotham".parse().unwrap(), 1_000);
        gotham.link_up(Incarnation::at(2), Duration::ZERO);
        gotham.observe(
            observation(0, vec![change(1, 1, "gotham"), change(2, 2, "capitol")], Vec::new()),
            at(1_000),
        );
        (gotham.arrivals, gotham.changed) = (VecDeque::new(), Vec::new());
        gotham.observe(
            Observation { head: 3, ..observation(0, vec![change(1, 1, "gotham")], Vec::new()) },
            at(2_000),
        );
        assert_eq!(
            (gotham.entries.len(), gotham.changed.len()),
            (2, 0),
            "the rest has not arrived"
        );
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
            "removed heroes have changed too"
        );
    }

    #[test]
    fn round_from_before_dispatch_started_is_no_known_source() {
        let mut gotham = CityState::new("gotham".parse().unwrap(), 1_000);
        gotham.link_up(Incarnation::at(2), Duration::ZERO);
        gotham.observe(
            observation(0, vec![change(1, 1, "capitol")], vec![merged("capitol", 1..=1, 60_000)]),
            at(1_000),
        );
        assert_eq!(arrivals(&mut gotham), [(1, Way::Unknown, 1_000)]);
    }

    #[test]
    fn city_that_reports_too_many_entries_stays_unread() {
        let changes = |numbers: std::ops::Range<u8>| {
            numbers.map(|number| change(number.into(), number, "gotham")).collect::<Vec<_>>()
        };
        let name = "gotham".parse().unwrap();
        let mut gotham = CityState::new(name, 10);
        gotham.link_up(Incarnation::at(2), Duration::ZERO);
        gotham.observe(observation(0, changes(1..9), vec![]), at(1_000));
        assert!(gotham.is_read && gotham.entries.len() == 8);
        gotham.observe(observation(8, changes(9..12), vec![]), at(1_001));
        assert!(!gotham.is_read && gotham.entries.len() == 8);
        assert_eq!(gotham.question(), Frame::Observe { since: 0, pulls: 0 }, "it starts again");
        // An observation that never ends is bounded too.
        for since in 0..4 {
            let mut part = observation(since, changes(1..5), vec![]);
            (part.until, part.head) = (since + 1, 99);
            gotham.observe(part, at(1_002));
            assert!(gotham.staged_entries <= 10);
        }
    }
}
