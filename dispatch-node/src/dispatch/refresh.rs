//! Processing changes at the cities and in dispatch's own replica, in steps.
//!
//! A bombed city of a hundred thousand heroes that recovers a moment later changes all rows twice.
//! Processing that takes half a second, in which other requests wait. So a step refreshes at most
//! [`STEP`] rows, and inputs are handled between steps.
//!
//! Invariants: changes are read before rows are refreshed; lost writes are settled only while no
//! row is stale.

use std::sync::Arc;
use std::time::Duration;

use gossip::replica::PullRecord;
use gossip::{Now, PullOutcome, Pulled};
use shared::Entry;
use shared::hero::HeroId;

use super::Dispatch;
use super::refresh_queue::{FEW, STEP};
use crate::model::arrival::{Arrival, Way};
use crate::model::lost_writes::Nodes;
use crate::model::rows::Row;
use crate::model::view;

impl Dispatch {
    /// Processes one step of pending changes.
    pub(super) fn catch_up_a_step(&mut self, now: Now) {
        self.catch_up(now, STEP);
    }

    /// Processes all pending changes if there are few, or else one step.
    pub(super) fn catch_up_a_few(&mut self, now: Now) {
        self.catch_up(now, FEW);
    }

    fn catch_up(&mut self, now: Now, at_once: usize) {
        self.read_changes(now, at_once);
        let at_most = if self.refresh.len() > at_once { STEP } else { at_once };
        if !self.refresh.is_empty() {
            self.publisher.touch(now);
        }
        for _ in 0..at_most {
            let Some(id) = self.refresh.next() else { break };
            self.refresh_row(now, id);
        }
        if self.refresh.holdings_changed && self.refresh.is_empty() {
            self.refresh.holdings_changed = !self.settle_lost_writes(now, at_most);
        }
        if !self.refresh.holdings_changed {
            let (observer, replica) = (&self.observer, &self.replica);
            self.known.drop_settled(replica.vector(), |id, write| {
                observer.has_lost(id, write)
                    && replica.map().get(id).is_none_or(|own| !own.had_seen(write.stamp))
            });
        }
        let unread = self.observer.cities().iter().any(|city| !city.arrivals.is_empty());
        if self.refresh.end_step(unread) {
            self.publisher.touch(now);
        }
    }

    /// Refreshes the heroes that dispatch itself has written, so that the next reader sees them,
    /// and processes all other changes unless there are many.
    pub(super) fn catch_up_for_reader(&mut self, now: Now) {
        if !self.refresh.is_behind() {
            self.catch_up_a_few(now);
        }
        for id in self.refresh.take_written() {
            self.refresh_row(now, id);
        }
    }

    fn read_changes(&mut self, now: Now, at_most: usize) {
        for city in self.observer.cities_mut() {
            self.refresh.add(std::mem::take(&mut city.changed));
            for arrival in city.arrivals.drain(..city.arrivals.len().min(at_most)) {
                self.record.history.arrived(now, city.name, arrival);
            }
        }
        self.read_own_changes(now);
        self.refresh.add(self.comparison.count(view::counted(self.observer.cities())));
        self.refresh.holdings_changed |= self.refresh.has_heroes();
    }

    /// Refreshes the row of this hero, or of this key of a table.
    pub(super) fn refresh_row(&mut self, now: Now, id: HeroId) {
        self.refresh.done(id);
        let own = self.own_entry(id);
        let cells: Vec<_> =
            self.observer.cities().iter().map(|city| city.entries.get(&id).cloned()).collect();
        if id.table().is_some() {
            self.comparison.put_record(id, own, cells);
            return;
        }
        let hero = own.iter().chain(cells.iter().flatten()).find_map(|entry| entry.live());
        let name = hero.map_or_else(|| self.known.name(id), |hero| hero.name.clone());
        let before = self.comparison.rows().get(id).cloned();
        let row = Row::of(id, name, own, cells);
        let cities = self.observer.cities().iter().map(|city| city.name);
        let nodes = std::iter::once(self.replica.me().node).chain(cities);
        let emptied_at = |node| self.observer.city(node)?.emptied_at;
        self.record.changed(now, id, nodes, [before.as_deref(), row.as_ref()], emptied_at);
        self.comparison.put(now, id, row);
    }

    /// Returns dispatch's own entry of the key, reusing the one in its row if it has not changed.
    fn own_entry(&self, id: HeroId) -> Option<Arc<Entry>> {
        let map = self.replica.map();
        let rank = map.rank(id)?;
        let shown = match id.table() {
            None => self.comparison.rows().get(id).and_then(|row| row.own.clone()),
            Some(_) => self.comparison.tables().own(id).cloned(),
        };
        let shown = shown.filter(|shown| shown.rank() == rank);
        shown.or_else(|| map.get(id).map(Arc::new))
    }

    /// Reads the changes in dispatch's own replica, and the pulls that made them.
    fn read_own_changes(&mut self, now: Now) {
        let me = self.replica.me();
        let pulls: Vec<PullRecord> =
            self.replica.pull_log().since(self.refresh.own_pulls).cloned().collect();
        self.refresh.own_pulls = self.replica.pull_log().written();
        for PullRecord { source, asked, ended, outcome, .. } in &pulls {
            let ago = |at: Duration| now.mono.saturating_sub(at);
            let pulled = Pulled {
                source: source.node,
                asked_ago: ago(*asked),
                ended_ago: ago(*ended),
                outcome: outcome.clone(),
            };
            self.record.history.pulled(now, me.node, &pulled);
        }
        let map = self.replica.map();
        let since = std::mem::replace(&mut self.refresh.own_changes, map.changes());
        let removed = if map.remembers_since(since) {
            map.removed_between(since, map.changes()).collect()
        } else {
            // The map no longer remembers all removals since then, so any row may be stale.
            self.comparison.rows().ids().chain(self.comparison.tables().keys()).collect()
        };
        self.refresh.add(removed);
        let mut changed = Vec::new();
        let mut heroes: Vec<(u64, HeroId, Arc<Entry>)> = Vec::new();
        for (number, key, entry) in map.changed_since(since) {
            changed.push(key);
            if key.table().is_none() {
                heroes.push((number, key, Arc::new(entry)));
            } else {
                self.comparison.seen(key, &entry.as_entry_ref());
            }
        }
        self.refresh.add(changed);
        for (number, hero, entry) in heroes {
            let made_it = |pull: &&PullRecord| {
                matches!(
                    &pull.outcome,
                    PullOutcome::Merged { changes, .. } if changes.contains(&number)
                )
            };
            let (way, at) = match pulls.iter().find(made_it) {
                Some(pull) if entry.stamp.origin != me => {
                    (Way::Received(pull.source.node), pull.ended)
                }
                None if entry.stamp.origin != me => (Way::Unknown, now.mono),
                Some(_) | None => (Way::Written, now.mono),
            };
            self.remember(hero, &entry.as_entry_ref());
            self.record.history.arrived(now, me.node, Arrival { hero, entry, way, at });
        }
    }

    /// Settles acknowledged writes after an observation without changes.
    pub(super) fn settle_after_observation(&mut self, now: Now) {
        if !self.refresh.holdings_changed && self.refresh.is_empty() {
            self.refresh.holdings_changed = !self.settle_lost_writes(now, STEP);
        }
    }

    /// Settles acknowledged writes whose fate is decided. Returns whether none is left that could be
    /// settled without a further observation.
    fn settle_lost_writes(&mut self, now: Now, at_most: usize) -> bool {
        let Some(answered) = self.observer.all_have_answered() else { return true };
        let own = (self.replica.me(), self.replica.vector());
        let cities = self.observer.cities().iter();
        let observed = cities.filter_map(|city| Some((city.origin()?, &city.vector)));
        let seen = |write| self.replica.has_seen(write);
        let observed = observed.chain([own]).collect();
        let nodes = Nodes { observed, seen: &seen, answered };
        let before = self.comparison.lost_count();
        let is_done = self.comparison.settle_lost_writes(now, at_most, &nodes);
        if self.comparison.lost_count() > before {
            self.note_lost_writes(now, before);
        }
        if !is_done || self.comparison.lost_count() > before {
            self.publisher.touch(now);
        }
        is_done
    }
}
