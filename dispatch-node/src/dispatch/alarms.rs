//! The alarms in the event log: wrong clocks and refused rounds.
//!
//! Invariant: a refusal that repeats every round is logged at most once per [`ALARM_INTERVAL`]; a
//! clock that stays wrong is logged once.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{NodeName, Now, replica};

use crate::model::city_state::CityState;
use crate::text::seconds;

/// The minimum time between two alarms about one node.
const ALARM_INTERVAL: Duration = Duration::from_secs(10);

/// The time of the last alarm about each node.
#[derive(Debug)]
pub(super) struct Alarms {
    last: BTreeMap<NodeName, Duration>,
    /// The largest accepted difference between two clocks.
    drift_max: Duration,
}

impl Alarms {
    pub(super) fn new(drift_max: Duration) -> Self {
        Self { last: BTreeMap::new(), drift_max }
    }

    /// Returns the largest accepted difference between two clocks.
    pub(super) fn drift_max(&self) -> Duration {
        self.drift_max
    }

    /// Returns the node and the text of the alarm raised by this event of the replica, if any.
    pub(super) fn on_replica_event(
        &mut self,
        now: Now,
        event: &replica::Event,
    ) -> Option<(NodeName, String)> {
        let (node, text) = text(event)?;
        let is_due = self.last.get(&node).is_none_or(|at| *at + ALARM_INTERVAL <= now.mono);
        if is_due {
            self.last.insert(node, now.mono);
        }
        is_due.then_some((node, text))
    }

    /// Returns the text of an alarm if the city's clock has just exceeded the accepted difference.
    pub(super) fn on_clock(&self, now: Now, city: &mut CityState) -> Option<String> {
        let ahead_ms = city.clock_ahead_ms(now).unwrap_or(0);
        let off_by = Duration::from_millis(ahead_ms.unsigned_abs());
        let is_off = off_by.as_millis() > self.drift_max.as_millis();
        let was_off = std::mem::replace(&mut city.clock_is_off, is_off);
        let (way, consequence) = match ahead_ms {
            0.. => ("ahead", "the other nodes refuse its writes"),
            _ => ("behind", "it refuses the writes of the other nodes"),
        };
        (is_off && !was_off).then(|| {
            let (name, off_by, drift_max) = (city.name, seconds(off_by), seconds(self.drift_max));
            format!("the clock of {name} is {off_by} {way}; beyond {drift_max} {consequence}")
        })
    }
}

/// Returns the node and the text of the alarm for this event; `None` for normal operation.
fn text(event: &replica::Event) -> Option<(NodeName, String)> {
    match event {
        replica::Event::TooFarAhead { source, writer, ahead_ms } => Some((
            writer.node,
            format!(
                "a round from {} was refused: the clock of {} is {ahead_ms} ms ahead",
                source.node, writer.node
            ),
        )),
        replica::Event::OriginStolen { source } => Some((
            source.node,
            format!(
                "a round from {} was refused: it claims writes that dispatch never made",
                source.node
            ),
        )),
        replica::Event::Diverged { peer } => Some((
            peer.node,
            format!("DIVERGED: {} covers the same writes and holds different entries", peer.node),
        )),
        replica::Event::Fenced { source } => Some((
            source.node,
            format!(
                "{source} is an earlier incarnation of {}: dispatch no longer pulls from it",
                source.node
            ),
        )),
        replica::Event::Collected { .. }
        | replica::Event::Adopted { .. }
        | replica::Event::Closed { .. }
        | replica::Event::Forgotten { .. }
        | replica::Event::LateWritesDeleted { .. }
        | replica::Event::Committed { .. }
        | replica::Event::GivenUp { .. }
        | replica::Event::Joined { .. }
        | replica::Event::Superseded { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::{Incarnation, Origin, UnixMillis};

    #[test]
    fn repeated_refusal_raises_an_alarm_once_per_interval() {
        let source = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation(1) };
        let event = replica::Event::Diverged { peer: source };
        let mut alarms = Alarms::new(Duration::from_secs(1));
        let mut raised = |seconds| {
            let now = Now { mono: Duration::from_secs(seconds), wall: UnixMillis(0) };
            alarms.on_replica_event(now, &event).is_some()
        };
        assert_eq!([0, 1, 9, 10, 11].map(&mut raised), [true, false, false, true, false]);
    }

    #[test]
    fn clock_that_stays_wrong_raises_one_alarm() {
        let (alarms, mut city) =
            (Alarms::new(Duration::from_secs(1)), CityState::new("gotham".parse().unwrap()));
        let now = Now { mono: Duration::ZERO, wall: UnixMillis(10_000) };
        let mut raised = |wall| {
            city.clock = Some((UnixMillis(wall), now.mono));
            alarms.on_clock(now, &mut city)
        };
        assert_eq!(raised(11_000), None);
        assert_eq!(
            raised(12_500).as_deref(),
            Some(
                "the clock of gotham is 2.5 s ahead; beyond 1 s the other nodes refuse its writes"
            )
        );
        assert_eq!(raised(12_600), None);
        assert_eq!(raised(10_000), None);
        assert!(raised(8_000).is_some_and(|text| text.contains("2 s behind")));
    }
}
