//! The most frequent events of the last minute, counted at the owner of each event.
//!
//! Counts are ephemeral and approximate: an event is sent once and not repeated, and what an owner has
//! counted is gone with it. What must not be lost belongs into a [counter](crate::types::counter).

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::call::CallError;
use crate::link::{Cluster, Target};
use crate::services::{decode, encode};
use crate::table::NAME_BYTES_MAX;

/// The name of the handler.
const HANDLER: &str = "gossip/track";
/// The time limit for sending an event to its owner.
const WITHIN: Duration = Duration::from_secs(1);
/// The length of the window.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The number of different events that one node counts.
const EVENTS_MAX: usize = 10_000;
/// The number of events in an answer.
pub const TOP_MAX: usize = 100;

/// The tracker of one node. Clones share it.
#[derive(Clone)]
pub struct Tracker {
    cluster: Cluster,
}

/// The most frequent events of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The events of the last minute with their counts, the most frequent one first.
    pub events: Vec<(String, u64)>,
    /// The number of nodes that have answered. The events of the others are missing.
    pub answered: usize,
    /// The number of nodes that count events.
    pub of: usize,
}

/// What one node has counted, by stream and event.
#[derive(Default)]
struct Counts(BTreeMap<(String, String), Window>);

/// The occurrences of an event, by the second.
#[derive(Default)]
struct Window {
    seconds: VecDeque<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
enum Request {
    Track { stream: String, event: String },
    Top { stream: String, count: usize },
}

impl Window {
    fn add(&mut self, second: u64) {
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += 1,
            Some(_) | None => self.seconds.push_back((second, 1)),
        }
    }

    /// Drops what is older than the window. Returns the number of occurrences in it.
    fn count(&mut self, second: u64) -> u64 {
        while self.seconds.front().is_some_and(|(at, _)| at + WINDOW.as_secs() <= second) {
            self.seconds.pop_front();
        }
        self.seconds.iter().map(|(_, count)| count).sum()
    }
}

impl Counts {
    /// Counts an event. Returns `false` if there are too many different ones.
    fn track(&mut self, stream: String, event: String, second: u64) -> bool {
        let key = (stream, event);
        if self.0.len() >= EVENTS_MAX && !self.0.contains_key(&key) {
            self.0.retain(|_, window| window.count(second) > 0);
            if self.0.len() >= EVENTS_MAX {
                return false;
            }
        }
        self.0.entry(key).or_default().add(second);
        true
    }

    fn top(&mut self, stream: &str, count: usize, second: u64) -> Vec<(String, u64)> {
        let first = (stream.to_owned(), String::new());
        let of_stream = self.0.range_mut(first..).take_while(|((of, _), _)| of == stream);
        let counts = of_stream.map(|((_, event), window)| (event.clone(), window.count(second)));
        most_frequent(counts.filter(|(_, count)| *count > 0).collect(), count)
    }
}

fn most_frequent(mut events: Vec<(String, u64)>, count: usize) -> Vec<(String, u64)> {
    events.sort_unstable_by(|(a, at), (b, bt)| Reverse(at).cmp(&Reverse(bt)).then(a.cmp(b)));
    events.truncate(count.min(TOP_MAX));
    events
}

fn shortened(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

impl Tracker {
    /// Returns the tracker of a node, which from now on counts the events that it owns.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let (counts, started) = (Mutex::<Counts>::default(), Instant::now());
        cluster.handle(HANDLER, move |_, args| {
            let second = started.elapsed().as_secs();
            // The value is consistent whenever the lock is released.
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = decode(&args).and_then(|request| match request {
                Request::Track { stream, event }
                    if stream.len().max(event.len()) > NAME_BYTES_MAX =>
                {
                    Err(format!("a name must have at most {NAME_BYTES_MAX} bytes"))
                }
                Request::Track { stream, event } => {
                    let is_counted = counts.track(stream, event, second);
                    if is_counted { Ok(Vec::new()) } else { Err("too many events".to_owned()) }
                }
                Request::Top { stream, count } => Ok(encode(&counts.top(&stream, count, second))),
            });
            std::future::ready(answer)
        });
        Self { cluster: cluster.clone() }
    }

    /// Counts an event of a stream at its owner, without waiting. Names of more than 400 bytes count by
    /// their first 400 bytes.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn track(&self, stream: &str, event: &str) {
        let (stream, event) = (shortened(stream), shortened(event));
        let target = Target::Owner(format!("{stream}\0{event}"));
        let request = encode(&Request::Track { stream, event });
        let cluster = self.cluster.clone();
        tokio::spawn(async move {
            // An event that is not counted is missing, which is documented.
            let _ = cluster.call_within(WITHIN, &target, HANDLER, &request).await;
        });
    }

    /// Asks all reachable nodes for the most frequent events of a stream, at most 100.
    pub async fn top(&self, stream: &str, count: usize) -> Top {
        let request = encode(&Request::Top { stream: shortened(stream), count });
        let nodes = self.cluster.snapshot().map(|snapshot| snapshot.nodes()).unwrap_or_default();
        let ask = |node| {
            let (cluster, request) = (&self.cluster, &request);
            async move { cluster.call_within(WITHIN, &Target::Node(node), HANDLER, request).await }
        };
        let answers = join_all(nodes.into_iter().map(ask)).await;
        let counting =
            answers.iter().filter(|answer| !matches!(answer, Err(CallError::NoHandler { .. })));
        let mut top = Top { events: Vec::new(), answered: 0, of: counting.count() };
        for returned in answers.into_iter().flatten() {
            if let Ok(events) = decode::<Vec<(String, u64)>>(&returned.result) {
                top.events.extend(events);
                top.answered += 1;
            }
        }
        // An event may have had several owners within the window.
        let mut sums = BTreeMap::new();
        for (event, count) in std::mem::take(&mut top.events) {
            let sum: &mut u64 = sums.entry(event).or_default();
            *sum = sum.saturating_add(count);
        }
        top.events = most_frequent(sums.into_iter().collect(), count);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, count: u64) -> (String, u64) {
        (name.to_owned(), count)
    }

    #[test]
    fn occurrences_of_the_last_minute_count() {
        let mut counts = Counts::default();
        for (stream, name, second) in
            [("api", "get", 0), ("api", "get", 0), ("api", "put", 30), ("page", "get", 30)]
        {
            assert!(counts.track(stream.to_owned(), name.to_owned(), second));
        }
        assert_eq!(counts.top("api", 10, 59), [event("get", 2), event("put", 1)]);
        assert_eq!(counts.top("api", 1, 59), [event("get", 2)]);
        assert_eq!(counts.top("api", 10, 60), [event("put", 1)]);
        assert_eq!(counts.top("api", 10, 90), []);
    }

    #[test]
    fn different_events_are_limited_and_old_ones_make_room() {
        let mut counts = Counts::default();
        for number in 0..EVENTS_MAX {
            assert!(counts.track("api".to_owned(), number.to_string(), 0));
        }
        assert!(!counts.track("api".to_owned(), "new".to_owned(), 59));
        assert!(counts.track("api".to_owned(), "1".to_owned(), 59));
        assert!(counts.track("api".to_owned(), "new".to_owned(), 60));
        assert_eq!(counts.0.len(), 2);
    }
}
