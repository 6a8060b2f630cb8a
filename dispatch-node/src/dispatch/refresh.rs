//! What has changed at the cities and in dispatch's own copy, followed a step at a time: rows, lags, the history and the ledger of lost writes.
//!
//! A city of a hundred thousand heroes that is bombed, and is whole again a moment later, changes all of them twice. That takes dispatch half a
//! second, in which others want to be answered: so a step makes no more than [`STEP`] rows anew, and whatever else has come is heard in between. What dispatch
//! itself has pulled is taken note of at once.
//!
//! Invariants: a hero whose row is not that of what is held is in `stale`. The ledger is asked only when no row is stale.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use shared::crdt::Entry;
use shared::id::{HeroId, Incarnation, NodeName};
use shared::message::{PullOutcome, Pulled};
use shared::replica::PullRecord;
use shared::time::Now;

use super::Dispatch;
use crate::model::city_state::{Arrival, Way};
use crate::model::node_state::NodeStatus;
use crate::model::rows::{Pattern, Row};
use crate::model::view;

/// How many heroes are followed in one step: a millisecond or two.
pub(super) const STEP: usize = 128;
/// So few are followed at once where somebody wants to see what has just been done. Of more the first step alone: most of them could not be
/// seen in time anyway, and everybody else would wait.
pub(super) const FEW: usize = 2_048;

impl Dispatch {
    /// Follows what has changed if that is no more than `at_once` heroes, and else a step of it.
    pub(super) fn catch_up(&mut self, now: Now, at_once: usize) {
        let was_behind = self.is_behind;
        self.hear_what_changed(now, at_once);
        let at_most = if self.stale.len() > at_once { STEP } else { at_once };
        if !self.stale.is_empty() {
            self.touch(now);
        }
        for _ in 0..at_most {
            // On from the last one: were it from the first, those behind would never have their turn while others change again and again.
            let after = (Bound::Excluded(self.followed), Bound::Unbounded);
            let Some(id) = self.stale.range(after).next().or_else(|| self.stale.first()).copied() else { break };
            self.followed = id;
            self.refresh_row(now, id);
        }
        if self.holdings_changed && self.stale.is_empty() {
            self.holdings_changed = !self.settle_ledger(now, at_most);
        }
        if !self.holdings_changed {
            self.acknowledged.retain(|_, entry| !self.replica.vector().covers(entry.stamp));
        }
        self.is_behind = !self.stale.is_empty() || self.holdings_changed || self.cities.iter().any(|city| !city.arrivals.is_empty());
        if was_behind && !self.is_behind {
            self.touch(now);
        }
        if !self.is_behind {
            self.written.clear();
        }
    }

    /// Follows what dispatch itself has written and answered, so that who reads next sees it; and all else unless there is much of it.
    pub(super) fn catch_up_to_be_seen(&mut self, now: Now) {
        if !self.is_behind {
            self.catch_up(now, FEW);
        }
        for id in std::mem::take(&mut self.written) {
            self.refresh_row(now, id);
        }
    }

    /// Dispatch has written this, and who reads next is to see it. They wait for it, so these are few: who writes very many waits himself.
    pub(super) fn is_to_be_seen(&mut self, now: Now, id: HeroId) {
        self.written.insert(id);
        if self.written.len() > FEW
            && let Some(first) = self.written.pop_first()
        {
            self.refresh_row(now, first);
        }
    }

    fn hear_what_changed(&mut self, now: Now, at_most: usize) {
        for index in 0..self.cities.len() {
            let city = &mut self.cities[index];
            let (name, changed) = (city.name, std::mem::take(&mut city.changed));
            let arrivals: Vec<Arrival> = city.arrivals.drain(..city.arrivals.len().min(at_most)).collect();
            self.are_stale(changed);
            arrivals.into_iter().for_each(|arrival| self.history.arrived(now, name, arrival));
        }
        self.follow_own_map(now);
        let counted = view::counted(&self.cities);
        if counted != self.counted {
            let before = std::mem::replace(&mut self.counted, counted);
            // The rows are as they were; whether they differ may be otherwise, and whether what is under way has arrived.
            let turns = |pattern: &Pattern| pattern.state(&before).differs() != pattern.state(&self.counted).differs();
            let turned = if self.rows.count(turns) == 0 { Vec::new() } else { self.rows.having(turns).map(|row| row.id).collect() };
            self.are_stale(turned);
            self.are_stale(self.lags.heroes().collect());
        }
        self.holdings_changed |= !self.stale.is_empty();
    }

    fn are_stale(&mut self, heroes: Vec<HeroId>) {
        if heroes.len() > self.stale.len() {
            // A set made at once, and joined with another, costs less than putting in one after the other.
            self.stale.append(&mut heroes.into_iter().collect());
        } else {
            self.stale.extend(heroes);
        }
    }

    /// Makes the row of this hero anew, and judges it.
    fn refresh_row(&mut self, now: Now, id: HeroId) {
        self.stale.remove(&id);
        let before = self.rows.get(id);
        let own = self.own(id, before);
        let cells: Vec<_> = self.cities.iter().map(|city| city.entries.get(&id).cloned()).collect();
        let hero = own.iter().chain(cells.iter().flatten()).find_map(|entry| entry.hero());
        let name = hero.map_or_else(|| self.name_of(id), |hero| hero.name.clone());
        let row = Row::of(id, name, own, cells);
        match &row {
            Some(row) => {
                self.lags.heard(now, before.map(|before| &**before), row);
                self.lags.look(now, row, &self.counted);
            }
            None => self.lags.forgotten(now, id),
        }
        let differs = row.as_ref().is_some_and(|row| row.pattern.state(&self.counted).differs());
        self.differing.look(id, differs, now.mono);
        self.rows.put(id, row);
        self.ledger.changed(id);
    }

    /// What dispatch's own copy holds of the hero; the same as in its row where that has not changed.
    fn own(&self, id: HeroId, row: Option<&Arc<Row>>) -> Option<Arc<Entry>> {
        let map = self.replica.map();
        let rank = map.rank(id)?;
        let shown = row.and_then(|row| row.own.clone()).filter(|shown| shown.rank() == rank);
        shown.or_else(|| map.get(id).map(Arc::new))
    }

    /// Takes note of what has changed in dispatch's own copy, and how it came there.
    fn follow_own_map(&mut self, now: Now) {
        let me = self.replica.me();
        let pulls: Vec<PullRecord> = self.replica.journal().since(self.own_pulls).cloned().collect();
        self.own_pulls = self.replica.journal().written();
        for PullRecord { source, asked, ended, outcome, .. } in &pulls {
            let ago = |at: Duration| now.mono.saturating_sub(at);
            let pulled = Pulled { source: source.node, asked_ago: ago(*asked), ended_ago: ago(*ended), outcome: outcome.clone() };
            self.history.pulled(now, me.node, &pulled);
        }
        let map = self.replica.map();
        let since = std::mem::replace(&mut self.own_changes, map.changes());
        let removed =
            if map.remembers_since(since) { map.removed_between(since, map.changes()).collect() } else { self.rows.ids().collect() };
        self.are_stale(removed);
        let map = self.replica.map();
        let entries: Vec<(u64, HeroId, Arc<Entry>)> =
            map.changed_since(since).map(|(number, id, entry)| (number, id, Arc::new(entry))).collect();
        for (number, hero, entry) in entries {
            let brought = |pull: &&PullRecord| matches!(&pull.outcome, PullOutcome::Merged { changes, .. } if changes.contains(&number));
            let (way, at) = match pulls.iter().find(brought) {
                Some(pull) if entry.stamp.origin != me => (Way::Received(pull.source.node), pull.ended),
                None if entry.stamp.origin != me => (Way::Unknown, now.mono),
                Some(_) | None => (Way::Written, now.mono),
            };
            self.get_to_know(hero, &entry.as_entry_ref());
            self.stale.insert(hero);
            self.history.arrived(now, me.node, Arrival { hero, entry, way, at });
        }
    }

    /// Closes those of the acknowledged writes whose fate is known now; says whether that was all of them.
    fn settle_ledger(&mut self, now: Now, at_most: usize) -> bool {
        if self.cities.iter().any(|city| city.status != NodeStatus::Up || !city.is_read) {
            return true;
        }
        let nobody = vec![None; self.cities.len() + 1];
        let holdings = |id| self.rows.get(id).map_or_else(|| nobody.clone(), |row| row.cells.iter().chain([&row.own]).cloned().collect());
        let me = self.replica.me();
        let lives: BTreeMap<NodeName, Incarnation> =
            self.links.iter().map(|(name, life)| (*name, *life)).chain([(me.node, me.incarnation)]).collect();
        self.ledger.settle(now.wall, at_most, holdings, lives)
    }
}
