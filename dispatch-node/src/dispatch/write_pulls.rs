//! The pulls from cities that have just written, so that dispatch does not wait for its next poll.
//!
//! Invariant: for this reason, a city is pulled from at most once per [`PULL_INTERVAL`] and at
//! least once after each of its writes.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{NodeName, Now};

/// The minimum time between two such pulls from one city.
const PULL_INTERVAL: Duration = Duration::from_millis(50);

/// The next and the last write-triggered pull of each city.
#[derive(Debug, Default)]
pub(super) struct WritePulls {
    due: BTreeMap<NodeName, Duration>,
    last: BTreeMap<NodeName, Duration>,
}

impl WritePulls {
    /// Schedules a pull from a city that has just written.
    pub(super) fn schedule(&mut self, now: Now, city: NodeName) {
        let earliest = self.last.get(&city).map_or(now.mono, |last| *last + PULL_INTERVAL);
        // A pull that is already due will include this write as well.
        self.due.entry(city).or_insert(earliest);
    }

    /// Removes and returns the cities from which a pull is due.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<NodeName> {
        let due: Vec<NodeName> =
            self.due.extract_if(.., |_, at| *at <= now.mono).map(|(city, _)| city).collect();
        self.last.extend(due.iter().map(|city| (*city, now.mono)));
        due
    }

    /// Returns the time of the next pull.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;

    #[test]
    fn first_write_is_pulled_at_once_and_later_ones_together() {
        let now = |millis| Now::new(Duration::from_millis(millis), UnixMillis(millis));
        let (gotham, mut pulls) = ("gotham".parse().unwrap(), WritePulls::default());
        pulls.schedule(now(100), gotham);
        assert_eq!(pulls.take_due(now(100)), [gotham]);
        for millis in [101, 120, 149] {
            pulls.schedule(now(millis), gotham);
            assert_eq!(
                (pulls.take_due(now(millis)), pulls.deadline()),
                (vec![], Some(Duration::from_millis(150)))
            );
        }
        assert_eq!((pulls.take_due(now(150)), pulls.deadline()), (vec![gotham], None));
    }
}
