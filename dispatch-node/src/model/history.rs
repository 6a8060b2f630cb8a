//! The history of the last minutes, second by second: pulls and their outcomes, writes, the number
//! of heroes that differed, restarts of nodes; the faults in force and the nodes that did not answer;
//! and for each recently written hero the arrivals of its writes.
//!
//! Dispatch keeps it, so it is available when a page opens. Times are dispatch's own, since the
//! cities' clocks may be wrong.
//!
//! Invariant: bounded. Beyond the limit for one second, writes are only counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, Vector};

use gossip::fault::{Fault, FaultKind};
use gossip::{NodeName, Now, PullOutcome, Pulled, Stamp};
use shared::Entry;
use shared::hero::HeroId;

use crate::event_log::EventKind;
use crate::model::arrival::{Arrival, Way};

/// The time for which the history is kept.
pub const KEPT: Duration = Duration::from_secs(600);
/// The maximum number of pulls, and of writes, kept per second.
const PER_SECOND_MAX: usize = 60;
/// The maximum number of arrivals kept per hero, and in total.
const TRAIL_MAX: usize = 48;
const ARRIVALS_MAX: usize = 40_000;
/// The maximum number of fault spans kept, and of silences.
const SPANS_MAX: usize = 128;

/// The history of the last minutes. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct History {
    seconds: VecDeque<Arc<Second>>,
    spans: Spans<Fault>,
    silences: Spans<NodeName>,
    members: Spans<NodeName>,
    trails: OrdMap<HeroId, Arc<VecDeque<Step>>>,
    /// The number of arrivals so far.
    arrivals: u64,
    /// The number and the hero of each arrival, oldest first; those dropped from long trails
    /// included.
    by_age: Vector<(u64, HeroId)>,
    differences: usize,
}

/// The history of one second.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// The number of the second since the start of dispatch's process.
    pub number: u64,
    /// The pulls that ended in it, up to a limit.
    pub pulls: Vec<Pull>,
    /// The number of all pulls that ended in it.
    pub rounds: u64,
    /// The number of bytes that they received.
    pub bytes: u64,
    /// The state at the last view in it.
    pub sample: Option<Sample>,
    /// The writes made in it.
    pub writes: Vec<Write>,
    /// The number of writes beyond the limit.
    pub more_writes: usize,
    /// The number of heroes that differed at its start.
    pub differences_before: usize,
    /// The times at which that number changed, with the new number.
    pub differences: Vec<(Duration, usize)>,
    /// The events logged in it.
    pub marks: Vec<Mark>,
    /// The nodes that were in a new incarnation, without the memory of the one before.
    pub restarts: Vec<(Duration, NodeName)>,
}

/// The state of the cluster in one second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The heroes that each node holds.
    pub heroes: Vec<(NodeName, u64)>,
    /// The number of lost writes so far.
    pub lost: u64,
    /// The largest age of a difference in this second; zero if there was none.
    pub lag: Duration,
}

/// A pull and its outcome.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The node that pulled.
    pub puller: NodeName,
    /// The node that was pulled from.
    pub source: NodeName,
    /// The time at which the puller sent its question.
    pub asked: Duration,
    /// The time at which the pull ended.
    pub ended: Duration,
    /// The outcome.
    pub outcome: PullOutcome,
}

/// A write, at the node that made it.
#[derive(Clone, Debug)]
pub struct Write {
    /// The time at which it was observed.
    pub at: Duration,
    /// The node.
    pub node: NodeName,
    /// The hero.
    pub hero: HeroId,
    /// The entry that was written.
    pub entry: Arc<Entry>,
}

/// A logged event.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The time of the event.
    pub at: Duration,
    /// The node.
    pub node: NodeName,
    /// The kind of event.
    pub kind: EventKind,
}

/// The time during which something lasted: a fault in force, or the silence of a node.
#[derive(Clone, Debug)]
pub struct Span<T = Fault> {
    /// What lasted.
    pub of: T,
    /// The time at which it was first observed.
    pub began: Duration,
    /// The time at which it ended, if it has.
    pub ended: Option<Duration>,
}

impl<T> Span<T> {
    fn lasted(&self, at: Duration) -> bool {
        self.began <= at && self.ended.is_none_or(|ended| at <= ended)
    }
}

/// The spans of the history, oldest first.
#[derive(Clone, Debug)]
struct Spans<T>(VecDeque<Span<T>>);

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Copy + PartialEq> Spans<T> {
    /// Ends the spans of what does not last any more, and begins those of what does now.
    fn set(&mut self, now: Now, lasting: impl Iterator<Item = T> + Clone) {
        for span in self.0.iter_mut().filter(|span| span.ended.is_none()) {
            if !lasting.clone().any(|of| of == span.of) {
                span.ended = Some(now.mono);
            }
        }
        for of in lasting {
            if !self.0.iter().any(|span| span.of == of && span.ended.is_none()) {
                self.0.push_back(Span { of, began: now.mono, ended: None });
            }
        }
        let horizon = now.mono.saturating_sub(KEPT);
        self.0.retain(|span| span.ended.is_none_or(|ended| ended >= horizon));
        while self.0.len() > SPANS_MAX {
            self.0.pop_front();
        }
    }
}

/// The arrival of a write at a node.
#[derive(Clone, Debug)]
pub struct Step {
    /// The time of the arrival, or of its observation.
    pub at: Duration,
    /// The node.
    pub node: NodeName,
    /// The stamp of the write.
    pub stamp: Stamp,
    /// The entry.
    pub entry: Arc<Entry>,
    /// The way in which it arrived.
    pub way: Way,
    /// Its number among all arrivals.
    number: u64,
}

impl History {
    /// Returns the seconds that are kept, oldest first. Seconds without events may be missing.
    pub fn seconds(&self) -> impl DoubleEndedIterator<Item = &Arc<Second>> {
        self.seconds.iter()
    }

    /// Returns the faults that were in force during the history.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.0.iter()
    }

    /// Returns the times during which nodes did not answer.
    pub fn silences(&self) -> impl Iterator<Item = &Span<NodeName>> {
        self.silences.0.iter()
    }

    /// Returns the time at which this write to a hero arrived at a node last, if it is kept.
    #[must_use]
    pub fn arrived_at(&self, hero: HeroId, node: NodeName, write: Stamp) -> Option<Duration> {
        let mut steps = self.trails.get(&hero)?.iter().rev();
        steps.find(|step| step.node == node && step.stamp == write).map(|step| step.at)
    }

    /// Returns the arrivals of this hero's writes, oldest first, as far as they are kept.
    pub fn trail(&self, hero: HeroId) -> impl Iterator<Item = &Step> {
        self.trails.get(&hero).into_iter().flat_map(|trail| trail.iter())
    }

    /// Returns the number of heroes that differ.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.differences
    }

    /// Adds a pull that a node reports.
    pub(crate) fn pulled(&mut self, now: Now, puller: NodeName, pulled: &Pulled) {
        // The history has no seconds from before dispatch started.
        let Some(ended) = now.mono.checked_sub(pulled.ended_ago) else { return };
        let asked = now.mono.saturating_sub(pulled.asked_ago);
        let pull =
            Pull { puller, source: pulled.source, asked, ended, outcome: pulled.outcome.clone() };
        let Some(second) = self.second(now, ended) else { return };
        second.rounds += 1;
        if let PullOutcome::Merged { bytes, .. } = pull.outcome {
            second.bytes += bytes as u64;
        }
        if second.pulls.len() < PER_SECOND_MAX {
            second.pulls.push(pull);
        }
    }

    /// Sets the state of the present second.
    pub(crate) fn sampled(&mut self, now: Now, sample: Sample) {
        let Some(second) = self.second(now, now.mono) else { return };
        let before = second.sample.take().map_or(Duration::ZERO, |before| before.lag);
        second.sample = Some(Sample { lag: sample.lag.max(before), ..sample });
    }

    /// Adds the arrival of a write.
    pub(crate) fn arrived(&mut self, now: Now, node: NodeName, arrival: Arrival) {
        let Arrival { hero, entry, way, at } = arrival;
        if way == Way::Written
            && let Some(second) = self.second(now, at)
        {
            if second.writes.len() < PER_SECOND_MAX {
                second.writes.push(Write { at, node, hero, entry: Arc::clone(&entry) });
            } else {
                second.more_writes += 1;
            }
        }
        self.arrivals += 1;
        let trail = Arc::make_mut(self.trails.entry(hero).or_default());
        trail.push_back(Step { at, node, stamp: entry.stamp, entry, way, number: self.arrivals });
        if trail.len() > TRAIL_MAX {
            trail.pop_front();
        }
        self.by_age.push_back((self.arrivals, hero));
        while self.by_age.len() > ARRIVALS_MAX {
            let (number, oldest) =
                self.by_age.pop_front().expect("the queue is longer than ARRIVALS_MAX");
            let Some(trail) = self.trails.get_mut(&oldest) else { continue };
            // A trail at its own limit has already dropped its first steps.
            if trail.front().is_some_and(|step| step.number == number) {
                Arc::make_mut(trail).pop_front();
            }
            if trail.is_empty() {
                self.trails.remove(&oldest);
            }
        }
    }

    /// Sets the number of heroes that differ.
    pub(crate) fn differ(&mut self, now: Now, differences: usize) {
        if differences == self.differences {
            return;
        }
        if let Some(second) = self.second(now, now.mono) {
            second.differences.push((now.mono, differences));
        }
        self.differences = differences;
    }

    /// Adds a logged event.
    pub(crate) fn marked(&mut self, now: Now, node: NodeName, kind: EventKind) {
        if let Some(second) =
            self.second(now, now.mono).filter(|second| second.marks.len() < PER_SECOND_MAX)
        {
            second.marks.push(Mark { at: now.mono, node, kind });
        }
    }

    /// Adds the restart of a node in a new incarnation.
    pub(crate) fn restarted(&mut self, now: Now, node: NodeName) {
        if let Some(second) =
            self.second(now, now.mono).filter(|second| second.restarts.len() < PER_SECOND_MAX)
        {
            second.restarts.push((now.mono, node));
        }
    }

    /// Returns the end of the last pull by this node that brought entries, if it is kept.
    #[must_use]
    pub fn last_merged(&self, puller: NodeName) -> Option<Duration> {
        let is_merge = |pull: &&Pull| {
            pull.puller == puller
                && matches!(pull.outcome, PullOutcome::Merged { entries, .. } if entries > 0)
        };
        let mut seconds = self.seconds.iter().rev();
        seconds.find_map(|second| second.pulls.iter().filter(is_merge).map(|pull| pull.ended).max())
    }

    /// Returns the times during which cities were observed.
    pub fn members(&self) -> impl Iterator<Item = &Span<NodeName>> {
        self.members.0.iter()
    }

    /// Sets the cities that are observed.
    pub(crate) fn observed(&mut self, now: Now, cities: &[NodeName]) {
        self.members.set(now, cities.iter().copied());
    }

    /// Sets the nodes that do not answer.
    pub(crate) fn silent(&mut self, now: Now, nodes: &[NodeName]) {
        self.silences.set(now, nodes.iter().copied());
    }

    /// Returns whether the node `from` could exchange messages with `to` at that time, both ways, as
    /// far as is known: both answered, and no link between them was cut.
    #[must_use]
    pub fn reached(&self, at: Duration, from: NodeName, to: NodeName) -> bool {
        let is_silent = |silence: &Span<NodeName>| silence.of == to && silence.lasted(at);
        let separates = |span: &Span| {
            let fault = &span.of;
            span.lasted(at)
                && match fault.kind {
                    FaultKind::Cut => fault.affects(from, to) || fault.affects(to, from),
                    FaultKind::Freeze => fault.from == to,
                    FaultKind::Delay { .. }
                    | FaultKind::Loss(_)
                    | FaultKind::Duplicate(_)
                    | FaultKind::Reorder(_)
                    | FaultKind::Throttle(_)
                    | FaultKind::Skew(_) => false,
                }
        };
        from == to || !self.silences.0.iter().any(is_silent) && !self.spans().any(separates)
    }

    /// Sets the faults that are in force.
    pub(crate) fn in_force<'a>(
        &mut self,
        now: Now,
        faults: impl Iterator<Item = &'a Fault> + Clone,
    ) {
        self.spans.set(now, faults.copied());
    }

    /// Returns the second that contains `at`, if it is still kept.
    fn second(&mut self, now: Now, at: Duration) -> Option<&mut Second> {
        let oldest = now.mono.saturating_sub(KEPT).as_secs();
        while self.seconds.front().is_some_and(|second| second.number < oldest) {
            self.seconds.pop_front();
        }
        let number = at.min(now.mono).as_secs();
        if number < oldest {
            return None;
        }
        let place = self.seconds.partition_point(|second| second.number < number);
        if self.seconds.get(place).is_none_or(|second| second.number != number) {
            // Only the newest second can start with the present number. A skipped one starts with
            // the number at the end of the second before it.
            let before =
                place.checked_sub(1).map_or(0, |place| self.seconds[place].differences_after());
            let differences_before =
                if place == self.seconds.len() { self.differences } else { before };
            self.seconds.insert(
                place,
                Arc::new(Second { number, differences_before, ..Second::default() }),
            );
        }
        // Copied on write: published views share the seconds.
        Some(Arc::make_mut(&mut self.seconds[place]))
    }
}

impl Second {
    /// Returns the number of heroes that differed at its end.
    #[must_use]
    pub fn differences_after(&self) -> usize {
        self.differences.last().map_or(self.differences_before, |(_, differences)| *differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::fault::FaultId;
    use gossip::{Hlc, Incarnation, Origin, UnixMillis};
    use shared::Value;

    fn at(millis: u64) -> Now {
        Now::new(Duration::from_millis(millis), UnixMillis(1_790_000_000_000 + millis))
    }

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn pulled(ended_ago: u64) -> Pulled {
        let ago = Duration::from_millis(ended_ago);
        Pulled {
            source: name("capitol"),
            asked_ago: ago + Duration::from_millis(20),
            ended_ago: ago,
            outcome: PullOutcome::Same,
        }
    }

    fn arrival(hero: u8, wall: u64, way: Way, at: u64) -> Arrival {
        let origin = Origin { node: name("gotham"), incarnation: Incarnation::at(2) };
        let entry = Arc::new(Entry::written(
            Value::Tombstone,
            Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin },
            None,
        ));
        Arrival { hero: HeroId::from_bytes([hero; 16]), entry, way, at: Duration::from_millis(at) }
    }

    #[test]
    fn late_reports_enter_their_second_unless_it_was_dropped() {
        let mut history = History::default();
        history.pulled(at(5_100), name("gotham"), &pulled(0));
        history.pulled(at(5_200), name("gotham"), &pulled(900));
        history.pulled(at(610_000), name("gotham"), &pulled(100));
        history.pulled(at(610_000), name("gotham"), &pulled(605_000));
        let seconds: Vec<(u64, usize)> =
            history.seconds().map(|second| (second.number, second.pulls.len())).collect();
        assert_eq!(seconds, [(609, 1)]);
        history.pulled(at(610_000), name("gotham"), &pulled(599_500));
        let seconds: Vec<u64> = history.seconds().map(|second| second.number).collect();
        assert_eq!(seconds, [10, 609]);
    }

    #[test]
    fn pulls_from_before_the_start_are_ignored() {
        let mut history = History::default();
        history.pulled(at(5_000), name("gotham"), &pulled(9_000));
        assert_eq!(history.seconds().count(), 0);
        history.pulled(at(5_000), name("gotham"), &pulled(4_995));
        let asked: Vec<_> = history
            .seconds()
            .flat_map(|second| &second.pulls)
            .map(|pull| (pull.asked, pull.ended))
            .collect();
        assert_eq!(
            asked,
            [(Duration::ZERO, Duration::from_millis(5))],
            "a pull that was in progress at the start ended after it"
        );
    }

    #[test]
    fn second_contains_the_differences_at_its_start() {
        let mut history = History::default();
        history.differ(at(1_500), 3);
        history.differ(at(1_600), 3);
        history.differ(at(4_000), 0);
        // A second between the two, reported later.
        history.pulled(at(4_100), name("gotham"), &pulled(1_600));
        let seconds: Vec<_> = history
            .seconds()
            .map(|second| (second.number, second.differences_before, second.differences.len()))
            .collect();
        assert_eq!(seconds, [(1, 0, 1), (2, 3, 0), (4, 3, 1)]);
    }

    #[test]
    fn trail_contains_arrivals_and_drops_the_oldest() {
        let mut history = History::default();
        history.arrived(at(100), name("gotham"), arrival(1, 5, Way::Written, 90));
        history.arrived(
            at(200),
            name("capitol"),
            arrival(1, 5, Way::Received(name("gotham")), 150),
        );
        let hero = arrival(1, 0, Way::Unknown, 0).hero;
        let trail: Vec<_> = history
            .trail(hero)
            .map(|step| (step.node.to_string(), step.way, step.at.as_millis()))
            .collect();
        assert_eq!(
            trail,
            [
                ("gotham".to_owned(), Way::Written, 90),
                ("capitol".to_owned(), Way::Received(name("gotham")), 150)
            ]
        );
        assert_eq!(
            history.seconds().map(|second| second.writes.len()).sum::<usize>(),
            1,
            "a received entry is not a write"
        );
        for number in 0..ARRIVALS_MAX as u64 {
            history.arrived(
                at(300),
                name("gotham"),
                arrival(2 + (number % 250) as u8, number, Way::Unknown, 300),
            );
        }
        assert_eq!(history.trail(hero).count(), 0);
        assert!(history.trails.values().all(|trail| trail.len() <= TRAIL_MAX));
        assert!(history.by_age.len() <= ARRIVALS_MAX);
    }

    #[test]
    fn limit_on_all_arrivals_drops_the_oldest_of_a_trail() {
        let mut history = History::default();
        for number in 0..100 {
            history.arrived(at(100), name("gotham"), arrival(1, number, Way::Written, 90));
        }
        for number in 0..ARRIVALS_MAX as u64 - 40 {
            history.arrived(
                at(300),
                name("gotham"),
                arrival(2 + (number % 250) as u8, number, Way::Unknown, 300),
            );
        }
        let hero = arrival(1, 0, Way::Unknown, 0).hero;
        let walls: Vec<u64> = history.trail(hero).map(|step| step.stamp.hlc.wall.0).collect();
        assert_eq!(
            walls,
            (60..100).collect::<Vec<_>>(),
            "sixty arrivals are dropped, the first ones of this hero"
        );
    }

    #[test]
    fn busy_second_counts_writes_beyond_the_limit() {
        let mut history = History::default();
        for number in 0..200 {
            history.arrived(at(100), name("gotham"), arrival(1, number, Way::Written, 90));
            history.pulled(at(100), name("gotham"), &pulled(0));
        }
        let second = history.seconds().next().unwrap();
        assert_eq!(
            (second.writes.len() + second.more_writes, second.pulls.len()),
            (200, PER_SECOND_MAX)
        );
    }

    #[test]
    fn cut_freeze_and_silence_keep_two_nodes_apart_while_they_last() {
        let mut history = History::default();
        let (gotham, capitol, metropolis) = (name("gotham"), name("capitol"), name("metropolis"));
        let reached = |history: &History, seconds, from, to| {
            history.reached(Duration::from_secs(seconds), from, to)
        };
        let cut = Fault {
            id: FaultId(1),
            kind: FaultKind::Cut,
            from: gotham,
            to: Some(capitol),
            both: false,
        };
        history.in_force(at(2_000), [cut].iter());
        history.silent(at(3_000), &[metropolis]);
        history.in_force(at(5_000), std::iter::empty());
        history.silent(at(6_000), &[]);
        for (seconds, expected) in [(1, true), (2, false), (5, false), (6, true)] {
            assert_eq!(reached(&history, seconds, gotham, capitol), expected, "{seconds}");
            assert_eq!(reached(&history, seconds, capitol, gotham), expected, "one way is enough");
        }
        assert!(
            !reached(&history, 4, capitol, metropolis) && reached(&history, 7, capitol, metropolis)
        );
        assert!(reached(&history, 4, gotham, gotham), "a node reaches itself");
    }

    #[test]
    fn fault_span_covers_the_time_in_force() {
        let mut history = History::default();
        let fault = |id| Fault {
            id: FaultId(id),
            kind: FaultKind::Cut,
            from: name("gotham"),
            to: None,
            both: true,
        };
        history.in_force(at(1_000), [fault(1)].iter());
        history.in_force(at(2_000), [fault(1), fault(2)].iter());
        history.in_force(at(3_000), [fault(2)].iter());
        let spans: Vec<_> = history
            .spans()
            .map(|span| (span.of.id.0, span.began.as_secs(), span.ended.map(|at| at.as_secs())))
            .collect();
        assert_eq!(spans, [(1, 1, Some(3)), (2, 2, None)]);
        history.in_force(at(603_001), std::iter::empty());
        assert_eq!(history.spans().count(), 1, "the first ended more than ten minutes ago");
    }
}
