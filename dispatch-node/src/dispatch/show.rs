//! The part of dispatch that says what it knows: the rows, the verdict, the event log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shared::crdt::{Entry, EntryRef, Fingerprint};
use shared::hero::HeroName;
use shared::id::{HeroId, NodeName};
use shared::message::{PullOutcome, Pulled};
use shared::replica::PullRecord;
use shared::time::Now;

use super::{Dispatch, Event, KNOWN_MAX, Known, VIEW_INTERVAL};
use crate::forecast::Intervals;
use crate::happening::{Happening, Kind, Write};
use crate::mirror::{Arrival, Status, Way};
use crate::rows::{Pattern, Row};
use crate::verdict::Verdict;
use crate::view::{self, Aftermath, NodeView, View};

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

    pub(super) fn touch(&mut self) {
        self.view_due = true;
    }

    /// What is known at this moment.
    pub(super) fn view(&mut self, now: Now) -> Arc<View> {
        self.collect_replica_outputs(now);
        self.refresh_rows(now);
        if std::mem::take(&mut self.holdings_changed) {
            self.settle_ledger(now);
            self.acknowledged.retain(|_, entry| !self.replica.vector().covers(entry.stamp));
        }
        // A city that lost its memory has it back when it holds what somebody holds who did not lose theirs.
        let unhurt =
            self.cities.iter().filter(|city| !city.recovering && city.is_read && city.status == Status::Up).map(|city| city.fingerprint);
        let whole: Vec<Fingerprint> = unhurt.chain([self.replica.map().fingerprint()]).collect();
        for city in &mut self.cities {
            city.recovering &= !whole.contains(&city.fingerprint);
        }
        let dispatch = NodeView::of_dispatch(&self.replica);
        let cities: Vec<NodeView> =
            self.cities.iter().map(|city| NodeView::of_city(city, self.troubles.is_frozen(city.name), now)).collect();
        let oldest = self.differs_since.values().min().map(|since| now.mono.saturating_sub(*since));
        let verdict = Verdict::of(&dispatch, &cities, &self.rows, &self.counted, oldest, self.ledger.lost());
        if verdict.converged != self.agreed {
            self.agreed = verdict.converged;
            if self.agreed {
                self.happened(now, self.me(), Kind::Agreed, verdict.sentence.clone());
            }
        }
        self.history.differ(now, verdict.differences);
        self.history.in_force(now, self.troubles.faults());
        Arc::new(View {
            at: now,
            dispatch,
            joined: self.replica.joined(),
            cities,
            counted: self.counted.clone(),
            rows: self.rows.clone(),
            verdict,
            happenings: self.happenings.clone(),
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

    /// Makes the rows of those heroes anew of whom somebody holds something else now.
    pub(super) fn refresh_rows(&mut self, now: Now) {
        let mut changed: BTreeSet<HeroId> = BTreeSet::new();
        for index in 0..self.cities.len() {
            let city = &mut self.cities[index];
            changed.extend(city.changed.drain(..));
            let (name, arrivals) = (city.name, std::mem::take(&mut city.arrivals));
            arrivals.into_iter().for_each(|arrival| self.history.arrived(now, name, arrival));
        }
        self.follow_own_map(now, &mut changed);
        self.holdings_changed |= !changed.is_empty();
        for id in &changed {
            let cells = self.cities.iter().map(|city| city.entries.get(id).cloned()).collect();
            let row = Row::of(*id, self.name_of(*id), self.replica.map().get(*id).map(Arc::new), cells);
            match &row {
                Some(row) => self.lags.heard(now, self.rows.get(*id).map(|before| &**before), row),
                None => self.lags.forgotten(now, *id),
            }
            self.rows.put(*id, row);
        }
        let counted = view::counted(&self.cities);
        if counted != self.counted {
            self.counted = counted;
            changed.extend(self.rows.ids());
        }
        for id in changed {
            if let Some(row) = self.rows.get(id) {
                self.lags.look(now, row, &self.counted);
            }
            if self.rows.get(id).is_some_and(|row| row.pattern.state(&self.counted).differs()) {
                self.differs_since.entry(id).or_insert(now.mono);
            } else {
                self.differs_since.remove(&id);
            }
        }
    }

    /// Takes note of what has changed in dispatch's own copy, and how it came there.
    fn follow_own_map(&mut self, now: Now, changed: &mut BTreeSet<HeroId>) {
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
        if map.remembers_since(since) {
            changed.extend(map.removed_between(since, map.changes()));
        } else {
            changed.extend(self.rows.ids());
        }
        let entries: Vec<(u64, HeroId, Arc<Entry>)> =
            map.changed_since(since).map(|(number, id, entry)| (number, id, Arc::new(entry))).collect();
        for (number, hero, entry) in entries {
            let brought = |pull: &&PullRecord| matches!(&pull.outcome, PullOutcome::Merged { changes, .. } if changes.contains(&number));
            let (way, at) = match pulls.iter().find(brought) {
                Some(pull) if entry.stamp.origin != me => (Way::Heard(pull.source.node), pull.ended),
                None if entry.stamp.origin != me => (Way::Unknown, now.mono),
                Some(_) | None => (Way::Written, now.mono),
            };
            self.get_to_know(hero, &entry.as_entry_ref());
            changed.insert(hero);
            self.history.arrived(now, me.node, Arrival { hero, entry, way, at });
        }
    }

    /// What the city alone holds as far as is known: a bomb there puts it at stake.
    pub(super) fn at_stake(&mut self, now: Now, city: NodeName) -> Vec<(HeroId, HeroName)> {
        self.refresh_rows(now);
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
        let happening = self.next_happening;
        self.happened(now, city, Kind::Destroyed, text);
        self.aftermaths.push_back(Arc::new(Aftermath { city, happening, only_there, count }));
        if self.aftermaths.len() > AFTERMATHS_MAX {
            self.aftermaths.pop_front();
        }
    }

    pub(super) fn settle_ledger(&mut self, now: Now) {
        if self.cities.iter().all(|city| city.status == Status::Up && city.is_read) {
            let (own, cities) = (self.replica.map(), &self.cities);
            let lives = self
                .links
                .iter()
                .map(|(name, life)| (*name, *life))
                .chain([(self.replica.me().node, self.replica.me().incarnation)])
                .collect();
            self.ledger.settle(
                now.wall,
                |id| cities.iter().map(|city| city.entries.get(&id).cloned()).chain([own.get(id).map(Arc::new)]).collect(),
                &lives,
            );
        }
    }

    pub(super) fn happened(&mut self, now: Now, node: NodeName, kind: Kind, text: String) {
        self.log(now, Happening { number: self.next_happening, at: now.wall, node, kind, text, write: None });
    }

    pub(super) fn wrote(&mut self, now: Now, node: NodeName, kind: Kind, text: String, write: Write) {
        self.log(now, Happening { number: self.next_happening, at: now.wall, node, kind, text, write: Some(write) });
    }

    pub(super) fn log(&mut self, now: Now, happening: Happening) {
        let happening = Arc::new(happening);
        self.next_happening += 1;
        self.history.marked(now, happening.node, happening.kind);
        self.happenings.push_back(Arc::clone(&happening));
        if self.happenings.len() > self.happenings_max {
            self.happenings.pop_front();
        }
        self.event(Event::Happened(happening));
        self.touch();
    }

    pub(super) fn view_deadline(&self) -> Option<Duration> {
        // A city that gives no answer grows older on the page by the second, and trouble comes nearer to its end.
        let ageing = self.history_grew || self.troubles.len() > 0 || self.cities.iter().any(|city| city.status != Status::Up);
        let wait = if self.view_due { VIEW_INTERVAL } else { Duration::from_secs(1) };
        (self.view_due || ageing).then_some(self.view_at + wait)
    }

    pub(super) fn push_view(&mut self, now: Now) {
        self.view_at = now.mono;
        self.view_due = false;
        self.history_grew = false;
        let view = self.view(now);
        self.event(Event::View(view));
        let arrived = self.lags.take();
        if !arrived.is_empty() {
            self.event(Event::Arrived(arrived));
        }
    }
}
