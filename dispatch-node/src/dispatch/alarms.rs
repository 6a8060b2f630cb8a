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

    /// Returns the node and the text of an alarm if the clock of the city `name` has just exceeded
    /// the accepted difference.
    ///
    /// If most cities differ from dispatch in the same way, dispatch's own clock is the wrong one.
    pub(super) fn on_clock(
        &self,
        now: Now,
        cities: &mut [CityState],
        name: NodeName,
        me: NodeName,
    ) -> Option<(NodeName, String)> {
        let drift = i64::try_from(self.drift_max.as_millis()).unwrap_or(i64::MAX);
        let ahead = |city: &CityState| city.clock_ahead_ms(now).unwrap_or(0);
        let ahead_ms = ahead(cities.iter().find(|city| city.name == name)?);
        let is_off = ahead_ms.saturating_abs() > drift;
        let alike =
            |city: &&CityState| ahead(city).saturating_sub(ahead_ms).saturating_abs() <= drift;
        let alike = cities.iter().filter(alike).count();
        let mine = is_off && alike > 1 && alike * 2 > cities.len();
        let known = cities.iter().any(|city| city.clock_is_off && city.name != name);
        let city = cities.iter_mut().find(|city| city.name == name)?;
        let was_off = std::mem::replace(&mut city.clock_is_off, is_off);
        if !is_off || was_off || (mine && known) {
            return None;
        }
        // Seen from dispatch, a clock of its own that is behind puts all others ahead.
        let (node, ahead_ms) =
            if mine { (me, ahead_ms.saturating_neg()) } else { (name, ahead_ms) };
        let off_by = seconds(Duration::from_millis(ahead_ms.unsigned_abs()));
        let (way, consequence) = match ahead_ms {
            0.. => ("ahead", "the other nodes refuse its writes"),
            _ => ("behind", "it refuses the writes of the other nodes"),
        };
        let limit = seconds(self.drift_max);
        Some((node, format!("the clock of {node} is {off_by} {way}; beyond {limit} {consequence}")))
    }
}

/// Returns the node and the text of the alarm for this event; `None` for normal operation.
fn text(event: &replica::Event) -> Option<(NodeName, String)> {
    match event {
        replica::Event::TooFarAhead { source, writer, ahead_ms } => Some((
            writer.node,
            format!(
                "a round from {} was refused: a stamp of {} is {} ahead of the clock of dispatch",
                source.node,
                writer.node,
                seconds(Duration::from_millis(*ahead_ms))
            ),
        )),
        replica::Event::OriginStolen { source } => Some((
            source.node,
            format!(
                "a round from {} contains writes that dispatch never made: another process has its \
                 origin, or {} is faulty",
                source.node, source.node
            ),
        )),
        replica::Event::NotMember { source, writer } => Some((
            source.node,
            format!(
                "a round from {} was refused: it contains writes of {writer}, which is not a \
                 member of this cluster: every node needs it as a peer before it starts, and it must \
                 be forgotten before it is removed",
                source.node
            ),
        )),
        replica::Event::TooManyIncarnations { source, node } => Some((
            source.node,
            format!(
                "a round from {} was refused: it contains too many incarnations of {node}",
                source.node
            ),
        )),
        replica::Event::Repaired { peer, entries } => Some((
            peer.node,
            format!(
                "repaired: dispatch was missing {entries} entries, and took them from {}",
                peer.node
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
        | replica::Event::OrphansDropped { .. }
        | replica::Event::Closed { .. }
        | replica::Event::Forgotten { .. }
        | replica::Event::LateWritesDeleted { .. }
        | replica::Event::Committed { .. }
        | replica::Event::GivenUp { .. }
        | replica::Event::Announced
        | replica::Event::Listed { .. }
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
        let source = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(1) };
        let event = replica::Event::Diverged { peer: source };
        let mut alarms = Alarms::new(Duration::from_secs(1));
        let mut raised = |seconds| {
            let now = Now::new(Duration::from_secs(seconds), UnixMillis(0));
            alarms.on_replica_event(now, &event).is_some()
        };
        assert_eq!([0, 1, 9, 10, 11].map(&mut raised), [true, false, false, true, false]);
    }

    #[test]
    fn clock_that_stays_wrong_raises_one_alarm() {
        let alarms = Alarms::new(Duration::from_secs(1));
        let (gotham, me) = ("gotham".parse().unwrap(), "dispatch".parse().unwrap());
        let mut cities = ["gotham", "metropolis", "capitol"]
            .map(|name| CityState::new(name.parse().unwrap(), 1_000));
        let now = Now::new(Duration::ZERO, UnixMillis(10_000));
        let mut raised = |wall| {
            cities[0].clock = Some((UnixMillis(wall), now.mono));
            alarms.on_clock(now, &mut cities, gotham, me).map(|(_, text)| text)
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

    #[test]
    fn clock_that_differs_from_most_is_the_one_accused() {
        let alarms = Alarms::new(Duration::from_secs(1));
        let me: NodeName = "dispatch".parse().unwrap();
        let names: [NodeName; 3] =
            ["gotham", "metropolis", "capitol"].map(|name| name.parse().unwrap());
        let now = Now::new(Duration::ZERO, UnixMillis(10_000));
        let mut cities = names.map(|name| CityState::new(name, 1_000));
        let mut raised = |city: usize, wall| {
            cities[city].clock = Some((UnixMillis(wall), now.mono));
            alarms.on_clock(now, &mut cities, names[city], me).map(|(node, _)| node)
        };
        // All cities are an hour ahead of dispatch: dispatch is an hour behind.
        assert_eq!(raised(0, 3_610_000), Some(names[0]), "one of three is no majority");
        assert_eq!(raised(1, 3_610_300), None, "one alarm about the same difference is enough");
        assert_eq!(raised(2, 10_000), None);
        let mut cities = names.map(|name| CityState::new(name, 1_000));
        for city in &mut cities {
            city.clock = Some((UnixMillis(3_610_000), now.mono));
        }
        let alarm = alarms.on_clock(now, &mut cities, names[0], me);
        assert_eq!(
            alarm.map(|(node, text)| (node, text.split(';').next().unwrap().to_owned())),
            Some((me, "the clock of dispatch is 3600 s behind".to_owned()))
        );
    }
}
