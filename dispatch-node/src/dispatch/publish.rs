//! Building and publishing views.
//!
//! Invariant: a view shows a single moment, and only changes that have been processed.

use std::sync::Arc;

use gossip::{NodeName, Now};

use super::Dispatch;
use super::event::Event;
use crate::event_log::EventKind;
use crate::forecast::Intervals;
use crate::model::city_state::CityState;
use crate::model::faults::span;
use crate::model::history::Sample;
use crate::model::node_state::{NodeState, NodeStatus, keep_lasting_refusals};
use crate::model::status::ClusterStatus;
use crate::model::view::View;

impl Dispatch {
    /// Returns the state of the cluster at this moment, as far as changes have been processed.
    pub(super) fn view(&mut self, now: Now) -> Arc<View> {
        self.collect_replica_outputs(now);
        self.end_recoveries(now);
        let dispatch = NodeState::of_dispatch(&self.replica, now, |source| {
            self.observer.linked(source.node) == Some(source)
        });
        let faults = &self.faults.faults;
        let state = |city: &CityState| city.node_state(faults.is_frozen(city.name), now);
        let mut nodes: Vec<NodeState> = self.observer.cities().iter().map(state).collect();
        nodes.push(dispatch);
        keep_lasting_refusals(&mut nodes, self.alarms.drift_max());
        let dispatch = nodes.pop().expect("it was pushed");
        let cities = nodes;
        let (rows, counted) = (self.comparison.rows(), self.comparison.counted());
        let oldest = self.comparison.oldest_difference(now);
        let status = ClusterStatus::of(
            &dispatch,
            &cities,
            rows,
            counted,
            oldest,
            self.comparison.lost_count(),
            self.comparison.tables(),
        );
        let agrees = self.publisher.note_agreement(status.heroes_converged);
        if agrees && self.record.is_news(&status.about_heroes) {
            self.log(now, self.me(), EventKind::Agreed, status.about_heroes.clone());
        }
        self.record.history.differ(now, status.differences);
        let nodes = cities.iter().chain([&dispatch]);
        let sample = Sample {
            heroes: nodes.map(|node| (node.name, node.heroes)).collect(),
            lost: status.lost_writes,
            lag: status.oldest_difference.unwrap_or_default(),
        };
        self.record.history.sampled(now, sample);
        self.record.history.in_force(now, self.faults.faults.faults());
        self.note_reachability(now);
        Arc::new(View {
            at: now,
            dispatch,
            joined: self.replica.joined(),
            cities,
            dispatches: self.dispatches(),
            counted: self.comparison.counted().to_vec(),
            rows: self.comparison.rows().clone(),
            tables: self.comparison.tables().clone(),
            status,
            events: self.record.log.events().clone(),
            faults: self.faults.faults.views(now.mono),
            pace: self.gossip.pace.value(),
            quiet: self.quiet.value(),
            drift_max_ms: u64::try_from(self.alarms.drift_max().as_millis()).unwrap_or(u64::MAX),
            intervals: Intervals {
                city: self.observer.cities().iter().find_map(|city| city.gossip_interval),
                carried: self.gossip.carried_interval(),
                poll: self.gossip.poll_interval(),
            },
            history: self.record.history.clone(),
            tape: self.record.tape.clone(),
            lost: self.comparison.lost_writes().clone(),
            bomb_reports: self.record.bomb_reports.to_vec(),
        })
    }

    /// Logs the cities that have recovered, with the time that it took: until the last pull that brought
    /// something, since dispatch itself looks at a city less often.
    fn end_recoveries(&mut self, now: Now) {
        let own = self.replica.map().application().fingerprint;
        for (city, emptied_at) in self.observer.note_recoveries(own) {
            let since = emptied_at.unwrap_or(now.mono);
            let full = self.record.history.last_merged(city).filter(|at| *at > since);
            let text = match full {
                Some(full) => {
                    format!(
                        "{city} has recovered, about {} after it lost its memory",
                        span(full - since)
                    )
                }
                None => format!("{city} has recovered"),
            };
            self.log(now, city, EventKind::Recovered, text);
        }
    }

    /// Records which cities are observed, and which of them do not answer.
    pub(super) fn note_reachability(&mut self, now: Now) {
        let cities = self.observer.cities();
        let silent = cities.iter().filter(|city| city.status != NodeStatus::Up);
        self.record.history.silent(now, &silent.map(|city| city.name).collect::<Vec<_>>());
        let names: Vec<NodeName> = cities.iter().map(|city| city.name).collect();
        self.record.history.observed(now, &names);
    }

    /// Returns whether something on the page changes with time alone: a city that does not answer,
    /// or a fault that approaches its expiry.
    pub(super) fn is_ageing(&self) -> bool {
        self.faults.faults.len() > 0
            || self.observer.cities().iter().any(|city| city.status != NodeStatus::Up)
    }

    /// Processes pending changes, and publishes a view if one is due: once all changes have been
    /// processed, unless that takes too long.
    pub(super) fn publish(&mut self, now: Now) {
        let is_ageing = self.is_ageing();
        let (is_due, is_late) =
            (self.publisher.is_due(now, is_ageing), self.publisher.is_late(now, is_ageing));
        if self.refresh.is_behind() || is_due {
            self.catch_up_a_step(now);
        }
        if is_due && (!self.refresh.is_behind() || is_late) {
            self.push_view(now);
        }
    }

    pub(super) fn push_view(&mut self, now: Now) {
        self.publisher.pushed(now);
        let view = self.view(now);
        self.event(Event::View(view));
        let arrived = self.comparison.take_lags();
        if !arrived.is_empty() {
            self.event(Event::Arrived(arrived));
        }
    }
}
