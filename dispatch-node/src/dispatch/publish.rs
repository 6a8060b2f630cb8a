//! The part of dispatch that says what it knows: views, the cluster status, the event log.

use std::sync::Arc;
use std::time::Duration;

use shared::crdt::{EntryRef, Fingerprint};
use shared::hero::HeroName;
use shared::id::{HeroId, NodeName};
use shared::machine::earliest;
use shared::time::Now;

use super::refresh::{FEW, STEP};
use super::{Dispatch, Event, KNOWN_MAX, Known, VIEW_GATHERS, VIEW_INTERVAL, VIEW_LATE_MAX};
use crate::event_log::{EventKind, LoggedEvent, LoggedWrite};
use crate::forecast::Intervals;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Pattern;
use crate::model::status::ClusterStatus;
use crate::model::view::{Aftermath, View};

/// How many of the heroes that a bomb put at stake are remembered, and of how many bombs.
const AT_STAKE_MAX: usize = 200;
const AFTERMATHS_MAX: usize = 8;

impl Dispatch {
    /// Remembers a hero beyond its death: what it was called, and when it was born.
    pub(super) fn get_to_know(&mut self, id: HeroId, entry: &EntryRef<'_>) {
        self.ledger.heard(id, entry);
        if let Some(hero) = entry.hero {
            self.known.entry(id).or_insert_with(|| Known { name: hero.name.into(), born: entry.born });
        }
        if self.known.len() > KNOWN_MAX {
            let map = self.replica.map();
            let cities = &self.cities;
            self.known.retain(|id, _| map.get(*id).is_some() || cities.iter().any(|city| city.entries.contains_key(id)));
        }
    }

    pub(super) fn name_of(&self, id: HeroId) -> HeroName {
        self.known.get(&id).map_or_else(|| id.to_string().into(), |known| known.name.clone())
    }

    /// There is something to show.
    pub(super) fn touch(&mut self, now: Now) {
        self.touched_at.get_or_insert(now.mono);
    }

    /// What is known at this moment, of what has been followed.
    pub(super) fn view(&mut self, now: Now) -> Arc<View> {
        self.collect_replica_outputs(now);
        // A city that lost its memory has it back when it holds what somebody holds who did not lose theirs.
        let unhurt = self
            .cities
            .iter()
            .filter(|city| !city.recovering && city.is_read && city.status == NodeStatus::Up)
            .map(|city| city.fingerprint);
        let whole: Vec<Fingerprint> = unhurt.chain([self.replica.map().fingerprint()]).collect();
        for city in &mut self.cities {
            city.recovering &= !whole.contains(&city.fingerprint);
        }
        let dispatch = NodeState::of_dispatch(&self.replica);
        let cities: Vec<NodeState> = self.cities.iter().map(|city| city.node_state(self.troubles.is_frozen(city.name), now)).collect();
        let oldest = self.differing.oldest().map(|since| now.mono.saturating_sub(since));
        let status = ClusterStatus::of(&dispatch, &cities, &self.rows, &self.counted, oldest, self.ledger.lost());
        if status.converged != self.agreed {
            self.agreed = status.converged;
            if self.agreed {
                self.happened(now, self.me(), EventKind::Agreed, status.sentence.clone());
            }
        }
        self.history.differ(now, status.differences);
        self.history.in_force(now, self.troubles.faults());
        Arc::new(View {
            at: now,
            dispatch,
            joined: self.replica.joined(),
            cities,
            counted: self.counted.clone(),
            rows: self.rows.clone(),
            status,
            events: self.events.clone(),
            faults: self.troubles.views(now.mono),
            pace: self.pace,
            drift_max_ms: u64::try_from(self.drift_max.as_millis()).unwrap_or(u64::MAX),
            intervals: Intervals {
                city: self.cities.iter().find_map(|city| city.gossip_interval),
                carried: self.gossip.interval(),
                poll: self.poll.interval(),
            },
            history: self.history.clone(),
            lost: self.ledger.listed().clone(),
            aftermaths: self.aftermaths.iter().cloned().collect(),
        })
    }

    /// What the city alone holds as far as is known: a bomb there puts it at stake.
    pub(super) fn at_stake(&mut self, now: Now, city: NodeName) -> Vec<(HeroId, HeroName)> {
        self.catch_up(now, FEW);
        let Some(index) = self.cities.iter().position(|mirror| mirror.name == city) else { return Vec::new() };
        let is_only_there = |pattern: &Pattern| pattern.only_at(&self.counted) == Some(index);
        if self.rows.count(is_only_there) == 0 {
            return Vec::new();
        }
        self.rows.iter().filter(|row| is_only_there(&row.pattern)).map(|row| (row.id, row.name.clone())).collect()
    }

    /// A bomb has hit the city, and this was at stake.
    pub(super) fn destroyed(&mut self, now: Now, city: NodeName, mut only_there: Vec<(HeroId, HeroName)>) {
        let count = only_there.len();
        only_there.truncate(AT_STAKE_MAX);
        let text = match count {
            0 => format!("{city} has been destroyed"),
            1 => format!("{city} has been destroyed, and it alone had heard of {}", only_there[0].1),
            _ => format!("{city} has been destroyed, and it alone had heard of {count} heroes"),
        };
        let event = self.next_event;
        self.happened(now, city, EventKind::Destroyed, text);
        self.aftermaths.push_back(Arc::new(Aftermath { city, event, only_there, count }));
        if self.aftermaths.len() > AFTERMATHS_MAX {
            self.aftermaths.pop_front();
        }
    }

    pub(super) fn happened(&mut self, now: Now, node: NodeName, kind: EventKind, text: String) {
        self.log(now, LoggedEvent { number: self.next_event, at: now.wall, node, kind, text, write: None });
    }

    pub(super) fn wrote(&mut self, now: Now, node: NodeName, kind: EventKind, text: String, write: LoggedWrite) {
        self.log(now, LoggedEvent { number: self.next_event, at: now.wall, node, kind, text, write: Some(write) });
    }

    pub(super) fn log(&mut self, now: Now, event: LoggedEvent) {
        let event = Arc::new(event);
        self.next_event += 1;
        self.history.marked(now, event.node, event.kind);
        self.events.push_back(Arc::clone(&event));
        if self.events.len() > self.events_max {
            self.events.pop_front();
        }
        self.event(Event::Logged(event));
        self.touch(now);
    }

    pub(super) fn view_deadline(&self) -> Option<Duration> {
        // A city that gives no answer grows older on the page by the second, and trouble comes nearer to its end.
        let ageing = self.history_grew || self.troubles.len() > 0 || self.cities.iter().any(|city| city.status != NodeStatus::Up);
        let due = self.touched_at.map(|touched| (self.view_at + VIEW_INTERVAL).max(touched + VIEW_GATHERS));
        earliest([due, ageing.then_some(self.view_at + Duration::from_secs(1))])
    }

    /// Follows what is left to follow, and shows what is known when its time has come: once all has been followed, unless that takes too long.
    pub(super) fn show(&mut self, now: Now) {
        let due = self.view_deadline().filter(|due| *due <= now.mono);
        if self.is_behind || due.is_some() {
            self.catch_up(now, STEP);
        }
        if due.is_some_and(|due| !self.is_behind || due + VIEW_LATE_MAX <= now.mono) {
            self.push_view(now);
        }
    }

    pub(super) fn push_view(&mut self, now: Now) {
        self.view_at = now.mono;
        self.touched_at = None;
        self.history_grew = false;
        let view = self.view(now);
        self.event(Event::View(view));
        let arrived = self.lags.take();
        if !arrived.is_empty() {
            self.event(Event::Arrived(arrived));
        }
    }
}
