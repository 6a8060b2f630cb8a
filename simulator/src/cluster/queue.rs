//! The queue of future events, ordered by virtual time.
//!
//! Invariant: no event comes out before its time. Events with equal times come out in the order of
//! their tie breakers.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use gossip::{Incarnation, NodeName};

/// An event of the simulation. Processes are identified by number.
#[derive(Debug)]
pub(super) enum Event {
    /// A frame arrives at this incarnation of a process.
    Deliver { from: NodeName, to: usize, incarnation: Incarnation, bytes: Vec<u8> },
    /// `a` dials `b`.
    Dial { a: usize, b: usize },
    /// The silence timeout of a link: it goes down if nothing can pass at that time.
    Silence { a: usize, b: usize },
    /// A link breaks.
    Break { a: usize, b: usize },
    /// The deadline of a machine.
    Tick(usize),
    /// The end of a freeze.
    Thaw(usize),
    /// The start of a stopped process.
    Start(usize),
    /// The end of a clock jump.
    SetRight { node: usize, by_ms: i64 },
    /// A user requests that dispatch forget a city.
    Forget(usize),
    /// The process of a founded city ends for ever, and dispatch forgets it.
    Leave(usize),
    /// The step of the plan with this number.
    Step(usize),
    /// The oracle inspects all processes.
    Inspect,
}

/// The pending events.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    pushed: u64,
}

impl Queue {
    /// Adds an event. Without a tie breaker, events with equal times keep their insertion order.
    pub(super) fn push(&mut self, at: Duration, tie: Option<u64>, event: Event) {
        self.pushed += 1;
        self.heap.push(Reverse(Entry(at, tie.unwrap_or(self.pushed), event)));
    }

    /// Removes and returns the next event with its time, unless it is later than `end`.
    pub(super) fn pop_until(&mut self, end: Duration) -> Option<(Duration, Event)> {
        self.heap.peek().filter(|Reverse(next)| next.0 <= end)?;
        self.heap.pop().map(|Reverse(Entry(at, _, event))| (at, event))
    }

    /// Keeps only the events that satisfy `keep`.
    pub(super) fn retain(&mut self, keep: impl Fn(&Event) -> bool) {
        self.heap.retain(|Reverse(Entry(_, _, event))| keep(event));
    }
}

#[derive(Debug)]
struct Entry(Duration, u64, Event);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}
