//! The history of the last minute, second by second: pulls and their outcomes, writes, the number
//! of heroes that differed; and of each hero that was written lately, the way of its writes.
//!
//! Dispatch keeps it, so it is there when a page opens. Times are dispatch's own, since the cities'
//! clocks may be wrong.
//!
//! Invariant: bounded. What is too much for one second is counted, not kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, Vector};

use gossip::fault::Fault;
use gossip::{NodeName, Now, PullOutcome, Pulled, Stamp};
use shared::Entry;
use shared::hero::HeroId;

use crate::event_log::EventKind;
use crate::model::arrival::{Arrival, Way};

/// The time for which the history is kept.
pub const KEPT: Duration = Duration::from_secs(60);
/// The number of pulls, and of writes, that are kept of one second.
const PER_SECOND_MAX: usize = 60;
/// The number of arrivals that are kept of one hero, and of all.
const TRAIL_MAX: usize = 48;
const ARRIVALS_MAX: usize = 40_000;
/// The number of fault spans that are kept.
const SPANS_MAX: usize = 128;

/// The history of the last minute. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub struct History {
    seconds: VecDeque<Arc<Second>>,
    spans: VecDeque<Span>,
    trails: OrdMap<HeroId, Arc<VecDeque<Step>>>,
    /// The number of arrivals so far.
    arrivals: u64,
    /// The number and the hero of each arrival that is or was kept, oldest first.
    by_age: Vector<(u64, HeroId)>,
    differences: usize,
}

/// The history of one second.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// The number of the second since the start of dispatch's process.
    pub number: u64,
    /// The pulls that ended in it.
    pub pulls: Vec<Pull>,
    /// The writes made in it.
    pub writes: Vec<Write>,
    /// The number of writes that are not kept.
    pub more_writes: usize,
    /// The number of heroes that differed at its beginning.
    pub differences_before: usize,
    /// The times at which that number changed, with the new number.
    pub differences: Vec<(Duration, usize)>,
    /// The events of nodes.
    pub marks: Vec<Mark>,
}

/// A pull and its outcome.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The node that pulled.
    pub puller: NodeName,
    /// The node that was pulled from.
    pub source: NodeName,
    /// The time of the question.
    pub asked: Duration,
    /// The time of its end.
    pub ended: Duration,
    /// The outcome.
    pub outcome: PullOutcome,
}

/// A write at the node that made it.
#[derive(Clone, Debug)]
pub struct Write {
    /// The time at which it was seen.
    pub at: Duration,
    /// The node.
    pub node: NodeName,
    /// The hero.
    pub hero: HeroId,
    /// The entry that was written.
    pub entry: Arc<Entry>,
}

/// An event of a node.
#[derive(Clone, Debug)]
pub struct Mark {
    /// When.
    pub at: Duration,
    /// The node.
    pub node: NodeName,
    /// The kind of event.
    pub kind: EventKind,
}

/// The time during which a fault was in force.
#[derive(Clone, Debug)]
pub struct Span {
    /// The fault.
    pub fault: Fault,
    /// The time at which it began.
    pub began: Duration,
    /// The time at which it ended, if it is over.
    pub ended: Option<Duration>,
}

/// The arrival of a write at a node.
#[derive(Clone, Debug)]
pub struct Step {
    /// The time of the arrival, or at which it was noticed.
    pub at: Duration,
    /// The node.
    pub node: NodeName,
    /// The stamp of the write.
    pub stamp: Stamp,
    /// The entry.
    pub entry: Arc<Entry>,
    /// The way.
    pub way: Way,
    /// Its number among all arrivals.
    number: u64,
}

impl History {
    /// Returns the seconds that are kept, oldest first. One in which nothing happened may be
    /// missing.
    pub fn seconds(&self) -> impl DoubleEndedIterator<Item = &Arc<Second>> {
        self.seconds.iter()
    }

    /// Returns the faults that were in force in that time.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter()
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

    /// Notes a pull that a node reports.
    pub(crate) fn pulled(&mut self, now: Now, puller: NodeName, pulled: &Pulled) {
        // There is no second before dispatch started.
        let Some(ended) = now.mono.checked_sub(pulled.ended_ago) else { return };
        let asked = now.mono.saturating_sub(pulled.asked_ago);
        let pull =
            Pull { puller, source: pulled.source, asked, ended, outcome: pulled.outcome.clone() };
        if let Some(second) =
            self.second(now, ended).filter(|second| second.pulls.len() < PER_SECOND_MAX)
        {
            second.pulls.push(pull);
        }
    }

    /// Notes the arrival of a write.
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
            let (number, oldest) = self.by_age.pop_front().expect("more than none are left");
            let Some(trail) = self.trails.get_mut(&oldest) else { continue };
            // A long trail has dropped its first steps by itself.
            if trail.front().is_some_and(|step| step.number == number) {
                Arc::make_mut(trail).pop_front();
            }
            if trail.is_empty() {
                self.trails.remove(&oldest);
            }
        }
    }

    /// Notes the number of heroes that differ from now on.
    pub(crate) fn differ(&mut self, now: Now, differences: usize) {
        if differences == self.differences {
            return;
        }
        if let Some(second) = self.second(now, now.mono) {
            second.differences.push((now.mono, differences));
        }
        self.differences = differences;
    }

    /// Notes an event of a node.
    pub(crate) fn marked(&mut self, now: Now, node: NodeName, kind: EventKind) {
        if let Some(second) =
            self.second(now, now.mono).filter(|second| second.marks.len() < PER_SECOND_MAX)
        {
            second.marks.push(Mark { at: now.mono, node, kind });
        }
    }

    /// Notes the faults that are in force.
    pub(crate) fn in_force<'a>(
        &mut self,
        now: Now,
        faults: impl Iterator<Item = &'a Fault> + Clone,
    ) {
        for span in self.spans.iter_mut().filter(|span| span.ended.is_none()) {
            if !faults.clone().any(|fault| fault.id == span.fault.id) {
                span.ended = Some(now.mono);
            }
        }
        for fault in faults {
            if !self.spans.iter().any(|span| span.fault.id == fault.id && span.ended.is_none()) {
                self.spans.push_back(Span { fault: *fault, began: now.mono, ended: None });
            }
        }
        let horizon = now.mono.saturating_sub(KEPT);
        self.spans.retain(|span| span.ended.is_none_or(|ended| ended >= horizon));
        while self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
    }

    /// Returns the second in which `at` lies, if it is still kept.
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
            // Only the newest second can begin with what is the case now; for one that was skipped,
            // look at the one before.
            let before =
                place.checked_sub(1).map_or(0, |place| self.seconds[place].differences_after());
            let differences_before =
                if place == self.seconds.len() { self.differences } else { before };
            self.seconds.insert(
                place,
                Arc::new(Second { number, differences_before, ..Second::default() }),
            );
        }
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
    use gossip::fault::{FaultId, FaultKind};
    use gossip::{Hlc, Incarnation, Origin, UnixMillis};
    use shared::Value;

    fn at(millis: u64) -> Now {
        Now { mono: Duration::from_millis(millis), wall: UnixMillis(1_790_000_000_000 + millis) }
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
        let origin = Origin { node: name("gotham"), incarnation: Incarnation(2) };
        let entry = Arc::new(Entry::written(
            Value::Tombstone,
            Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin },
            None,
        ));
        Arrival { hero: HeroId::from_bytes([hero; 16]), entry, way, at: Duration::from_millis(at) }
    }

    #[test]
    fn what_is_told_late_stands_in_the_second_in_which_it_happened_and_what_is_told_too_late_nowhere()
     {
        let mut history = History::default();
        history.pulled(at(5_100), name("gotham"), &pulled(0));
        history.pulled(at(5_200), name("gotham"), &pulled(900));
        history.pulled(at(70_000), name("gotham"), &pulled(100));
        history.pulled(at(70_000), name("gotham"), &pulled(65_000));
        let seconds: Vec<(u64, usize)> =
            history.seconds().map(|second| (second.number, second.pulls.len())).collect();
        assert_eq!(seconds, [(69, 1)]);
        history.pulled(at(70_000), name("gotham"), &pulled(59_500));
        let seconds: Vec<u64> = history.seconds().map(|second| second.number).collect();
        assert_eq!(seconds, [10, 69]);
    }

    #[test]
    fn what_happened_before_dispatch_began_stands_nowhere() {
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
            "one that was under way then ended within the time of dispatch"
        );
    }

    #[test]
    fn a_second_knows_how_many_differed_when_it_began() {
        let mut history = History::default();
        history.differ(at(1_500), 3);
        history.differ(at(1_600), 3);
        history.differ(at(4_000), 0);
        // One between the two, heard of later.
        history.pulled(at(4_100), name("gotham"), &pulled(1_600));
        let told: Vec<_> = history
            .seconds()
            .map(|second| (second.number, second.differences_before, second.differences.len()))
            .collect();
        assert_eq!(told, [(1, 0, 1), (2, 3, 0), (4, 3, 1)]);
    }

    #[test]
    fn a_trail_tells_how_a_write_came_to_each_node_and_the_oldest_is_forgotten() {
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
            "what was heard is no write"
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
    fn of_a_hero_with_many_arrivals_the_newest_are_remembered_when_the_oldest_of_all_are_forgotten()
    {
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
            "sixty of all are forgotten, and they were the first of this hero"
        );
    }

    #[test]
    fn a_busy_second_is_counted_and_not_kept_whole() {
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
    fn a_trouble_spans_from_when_it_was_first_seen_in_force_to_when_it_was_no_more() {
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
            .map(|span| (span.fault.id.0, span.began.as_secs(), span.ended.map(|at| at.as_secs())))
            .collect();
        assert_eq!(spans, [(1, 1, Some(3)), (2, 2, None)]);
        history.in_force(at(90_000), std::iter::empty());
        assert_eq!(history.spans().count(), 1, "the first ended more than a minute ago");
    }
}
