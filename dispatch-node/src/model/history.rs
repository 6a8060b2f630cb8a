//! What happened in the last minute, second by second: who pulled from whom and what came of it, who wrote, how many heroes differed;
//! and of each hero that was touched lately, how its writes came to be where they are.
//!
//! Dispatch keeps it, so it is there when a page opens. Times are dispatch's own, since cities' clocks may be wrong.
//!
//! Invariant: bounded, whatever happens. What is too much for a second is counted, not kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, Vector};

use shared::clock::Stamp;
use shared::crdt::Entry;
use shared::fault::Fault;
use shared::id::{HeroId, NodeName};
use shared::message::{PullOutcome, Pulled};
use shared::time::Now;

use crate::event_log::EventKind;
use crate::model::arrival::{Arrival, Way};

/// How long what happened is kept.
pub const KEPT: Duration = Duration::from_secs(60);
/// How many pulls, and how many writes, are kept of one second.
const PER_SECOND_MAX: usize = 60;
/// How many arrivals are kept of one hero, and of all.
const TRAIL_MAX: usize = 48;
const ARRIVALS_MAX: usize = 40_000;
/// How many spans of trouble are kept.
const SPANS_MAX: usize = 128;

/// What happened lately. A clone is what had happened by then, and costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct History {
    seconds: VecDeque<Arc<Second>>,
    spans: VecDeque<Span>,
    trails: OrdMap<HeroId, Arc<VecDeque<Step>>>,
    /// How many arrivals there were.
    arrivals: u64,
    /// The number of each arrival that is kept or was, and of which hero it was, oldest first.
    by_age: Vector<(u64, HeroId)>,
    differences: usize,
}

/// What happened within one second.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// Which, from the start of dispatch's process.
    pub number: u64,
    /// The pulls that ended in it.
    pub pulls: Vec<Pull>,
    /// What was written in it.
    pub writes: Vec<Write>,
    /// How many writes more there were than are kept.
    pub more_writes: usize,
    /// How many heroes differed at its beginning.
    pub differences_before: usize,
    /// How many differed from which time on.
    pub differences: Vec<(Duration, usize)>,
    /// What else happened.
    pub marks: Vec<Mark>,
}

/// A pull, and what came of it.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Who asked.
    pub puller: NodeName,
    /// Who was asked.
    pub source: NodeName,
    /// When.
    pub asked: Duration,
    /// When that was over.
    pub ended: Duration,
    /// What came of it.
    pub outcome: PullOutcome,
}

/// A write where it was made.
#[derive(Clone, Debug)]
pub struct Write {
    /// When it was seen.
    pub at: Duration,
    /// Where.
    pub node: NodeName,
    /// To which hero.
    pub hero: HeroId,
    /// What stands there since.
    pub entry: Arc<Entry>,
}

/// Something that happened to a node.
#[derive(Clone, Debug)]
pub struct Mark {
    /// When.
    pub at: Duration,
    /// To which.
    pub node: NodeName,
    /// What.
    pub kind: EventKind,
}

/// How long a trouble was in force.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which.
    pub fault: Fault,
    /// From when.
    pub began: Duration,
    /// Until when, if it is over.
    pub ended: Option<Duration>,
}

/// How a write of a hero came to a node.
#[derive(Clone, Debug)]
pub struct Step {
    /// When, or when that was noticed.
    pub at: Duration,
    /// Where to.
    pub node: NodeName,
    /// Which write.
    pub stamp: Stamp,
    /// What it says.
    pub entry: Arc<Entry>,
    /// How.
    pub way: Way,
    /// Its number among all arrivals.
    number: u64,
}

impl History {
    /// The seconds that are kept, oldest first. One in which nothing happened may be missing.
    pub fn seconds(&self) -> impl DoubleEndedIterator<Item = &Arc<Second>> {
        self.seconds.iter()
    }

    /// The troubles that were in force in that time.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter()
    }

    /// How the writes of this hero came to where they are, oldest first, as far as is remembered.
    pub fn trail(&self, hero: HeroId) -> impl Iterator<Item = &Step> {
        self.trails.get(&hero).into_iter().flat_map(|trail| trail.iter())
    }

    /// How many heroes differ.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.differences
    }

    /// A node tells of a pull.
    pub(crate) fn pulled(&mut self, now: Now, puller: NodeName, pulled: &Pulled) {
        // Before dispatch began there was no second.
        let Some(ended) = now.mono.checked_sub(pulled.ended_ago) else { return };
        let asked = now.mono.saturating_sub(pulled.asked_ago);
        let pull = Pull { puller, source: pulled.source, asked, ended, outcome: pulled.outcome.clone() };
        if let Some(second) = self.second(now, ended).filter(|second| second.pulls.len() < PER_SECOND_MAX) {
            second.pulls.push(pull);
        }
    }

    /// A write has come to be at a node.
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

    /// So many heroes differ from now on.
    pub(crate) fn differ(&mut self, now: Now, differences: usize) {
        if differences == self.differences {
            return;
        }
        if let Some(second) = self.second(now, now.mono) {
            second.differences.push((now.mono, differences));
        }
        self.differences = differences;
    }

    /// Something happened to a node.
    pub(crate) fn marked(&mut self, now: Now, node: NodeName, kind: EventKind) {
        if let Some(second) = self.second(now, now.mono).filter(|second| second.marks.len() < PER_SECOND_MAX) {
            second.marks.push(Mark { at: now.mono, node, kind });
        }
    }

    /// These faults are in force.
    pub(crate) fn in_force<'a>(&mut self, now: Now, faults: impl Iterator<Item = &'a Fault> + Clone) {
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

    /// The second in which `at` lies, if it is still kept.
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
            // Only the newest second can begin with what is the case now; for one that was skipped, look at the one before.
            let before = place.checked_sub(1).map_or(0, |place| self.seconds[place].differences_after());
            let differences_before = if place == self.seconds.len() { self.differences } else { before };
            self.seconds.insert(place, Arc::new(Second { number, differences_before, ..Second::default() }));
        }
        Some(Arc::make_mut(&mut self.seconds[place]))
    }
}

impl Second {
    /// How many heroes differed at its end.
    #[must_use]
    pub fn differences_after(&self) -> usize {
        self.differences.last().map_or(self.differences_before, |(_, differences)| *differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::clock::Hlc;
    use shared::crdt::Value;
    use shared::fault::{FaultId, Trouble};
    use shared::id::{Incarnation, Origin};
    use shared::time::UnixMillis;

    fn at(millis: u64) -> Now {
        Now { mono: Duration::from_millis(millis), wall: UnixMillis(1_790_000_000_000 + millis) }
    }

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn pulled(ended_ago: u64) -> Pulled {
        let ago = Duration::from_millis(ended_ago);
        Pulled { source: name("capitol"), asked_ago: ago + Duration::from_millis(20), ended_ago: ago, outcome: PullOutcome::Same }
    }

    fn arrival(hero: u8, wall: u64, way: Way, at: u64) -> Arrival {
        let origin = Origin { node: name("gotham"), incarnation: Incarnation(2) };
        let entry = Arc::new(Entry::written(Value::Tombstone, Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }, None));
        Arrival { hero: HeroId(uuid::Uuid::from_bytes([hero; 16])), entry, way, at: Duration::from_millis(at) }
    }

    #[test]
    fn what_is_told_late_stands_in_the_second_in_which_it_happened_and_what_is_told_too_late_nowhere() {
        let mut history = History::default();
        history.pulled(at(5_100), name("gotham"), &pulled(0));
        history.pulled(at(5_200), name("gotham"), &pulled(900));
        history.pulled(at(70_000), name("gotham"), &pulled(100));
        history.pulled(at(70_000), name("gotham"), &pulled(65_000));
        let seconds: Vec<(u64, usize)> = history.seconds().map(|second| (second.number, second.pulls.len())).collect();
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
        let asked: Vec<_> = history.seconds().flat_map(|second| &second.pulls).map(|pull| (pull.asked, pull.ended)).collect();
        assert_eq!(asked, [(Duration::ZERO, Duration::from_millis(5))], "one that was under way then ended within the time of dispatch");
    }

    #[test]
    fn a_second_knows_how_many_differed_when_it_began() {
        let mut history = History::default();
        history.differ(at(1_500), 3);
        history.differ(at(1_600), 3);
        history.differ(at(4_000), 0);
        // One between the two, heard of later.
        history.pulled(at(4_100), name("gotham"), &pulled(1_600));
        let told: Vec<_> = history.seconds().map(|second| (second.number, second.differences_before, second.differences.len())).collect();
        assert_eq!(told, [(1, 0, 1), (2, 3, 0), (4, 3, 1)]);
    }

    #[test]
    fn a_trail_tells_how_a_write_came_to_each_node_and_the_oldest_is_forgotten() {
        let mut history = History::default();
        history.arrived(at(100), name("gotham"), arrival(1, 5, Way::Written, 90));
        history.arrived(at(200), name("capitol"), arrival(1, 5, Way::Received(name("gotham")), 150));
        let hero = arrival(1, 0, Way::Unknown, 0).hero;
        let trail: Vec<_> = history.trail(hero).map(|step| (step.node.to_string(), step.way, step.at.as_millis())).collect();
        assert_eq!(trail, [("gotham".to_owned(), Way::Written, 90), ("capitol".to_owned(), Way::Received(name("gotham")), 150)]);
        assert_eq!(history.seconds().map(|second| second.writes.len()).sum::<usize>(), 1, "what was heard is no write");
        for number in 0..ARRIVALS_MAX as u64 {
            history.arrived(at(300), name("gotham"), arrival(2 + (number % 250) as u8, number, Way::Unknown, 300));
        }
        assert_eq!(history.trail(hero).count(), 0);
        assert!(history.trails.values().all(|trail| trail.len() <= TRAIL_MAX));
        assert!(history.by_age.len() <= ARRIVALS_MAX);
    }

    #[test]
    fn of_a_hero_with_many_arrivals_the_newest_are_remembered_when_the_oldest_of_all_are_forgotten() {
        let mut history = History::default();
        for number in 0..100 {
            history.arrived(at(100), name("gotham"), arrival(1, number, Way::Written, 90));
        }
        for number in 0..ARRIVALS_MAX as u64 - 40 {
            history.arrived(at(300), name("gotham"), arrival(2 + (number % 250) as u8, number, Way::Unknown, 300));
        }
        let hero = arrival(1, 0, Way::Unknown, 0).hero;
        let walls: Vec<u64> = history.trail(hero).map(|step| step.stamp.hlc.wall.0).collect();
        assert_eq!(walls, (60..100).collect::<Vec<_>>(), "sixty of all are forgotten, and they were the first of this hero");
    }

    #[test]
    fn a_busy_second_is_counted_and_not_kept_whole() {
        let mut history = History::default();
        for number in 0..200 {
            history.arrived(at(100), name("gotham"), arrival(1, number, Way::Written, 90));
            history.pulled(at(100), name("gotham"), &pulled(0));
        }
        let second = history.seconds().next().unwrap();
        assert_eq!((second.writes.len() + second.more_writes, second.pulls.len()), (200, PER_SECOND_MAX));
    }

    #[test]
    fn a_trouble_spans_from_when_it_was_first_seen_in_force_to_when_it_was_no_more() {
        let mut history = History::default();
        let fault = |id| Fault { id: FaultId(id), trouble: Trouble::Cut, from: name("gotham"), to: None, both: true };
        history.in_force(at(1_000), [fault(1)].iter());
        history.in_force(at(2_000), [fault(1), fault(2)].iter());
        history.in_force(at(3_000), [fault(2)].iter());
        let spans: Vec<_> =
            history.spans().map(|span| (span.fault.id.0, span.began.as_secs(), span.ended.map(|at| at.as_secs()))).collect();
        assert_eq!(spans, [(1, 1, Some(3)), (2, 2, None)]);
        history.in_force(at(90_000), std::iter::empty());
        assert_eq!(history.spans().count(), 1, "the first ended more than a minute ago");
    }
}
