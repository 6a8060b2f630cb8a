//! The part of dispatch that says what it knows: the rows, the verdict, the event log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shared::crdt::{Entry, Fingerprint};
use shared::id::{HeroId, NodeName};
use shared::time::Now;

use super::{Dispatch, Event, HAPPENINGS_MAX, KNOWN_MAX, Known, VIEW_INTERVAL};
use crate::happening::{Happening, Kind, Write};
use crate::mirror::Status;
use crate::view::{self, View};

impl Dispatch {
    /// Remembers a hero beyond its death: what it was called, and when it was born.
    pub(super) fn get_to_know(&mut self, id: HeroId, entry: &Arc<Entry>) {
        self.ledger.heard(id, entry);
        if let Some(hero) = entry.hero() {
            self.known.entry(id).or_insert_with(|| Known { name: Arc::clone(&hero.name), born: entry.born });
        }
        if self.known.len() > KNOWN_MAX {
            let map = self.replica.map();
            let cities = &self.cities;
            self.known.retain(|id, _| map.get(*id).is_some() || cities.iter().any(|city| city.entries.contains_key(id)));
        }
    }

    pub(super) fn name_of(&self, id: HeroId) -> Arc<str> {
        self.known.get(&id).map_or_else(|| id.to_string().into(), |known| Arc::clone(&known.name))
    }

    pub(super) fn touch(&mut self) {
        self.view_due = true;
    }

    /// What is known at this moment. The rows are made anew only when an entry changed.
    pub(super) fn view(&mut self, now: Now) -> Arc<View> {
        self.collect_replica_outputs(now);
        if self.rows_stale {
            self.rows = Arc::new(view::rows(self.replica.map(), &self.cities, |id| self.name_of(id)));
            self.rows_stale = false;
            let differing: BTreeSet<HeroId> = self.rows.iter().filter(|row| row.differs()).map(|row| row.id).collect();
            self.differs_since.retain(|id, _| differing.contains(id));
            for id in differing {
                self.differs_since.entry(id).or_insert(now.mono);
            }
            self.settle_ledger();
            self.acknowledged.retain(|_, entry| !self.replica.vector().covers(entry.stamp));
        }
        // A city that lost its memory has it back when it holds what somebody holds who did not lose theirs.
        let unhurt =
            self.cities.iter().filter(|city| !city.recovering && city.is_read && city.status == Status::Up).map(|city| city.fingerprint);
        let whole: Vec<Fingerprint> = unhurt.chain([self.replica.map().fingerprint()]).collect();
        for city in &mut self.cities {
            city.recovering &= !whole.contains(&city.fingerprint);
        }
        let oldest = self.differs_since.values().min().map(|since| now.mono.saturating_sub(*since));
        let mut view = View::new(now, &self.replica, &self.cities, &self.rows, oldest, self.ledger.lost(), &self.happenings);
        view.pace = self.pace;
        view.faults = self.troubles.views(now.mono);
        for city in &mut view.cities {
            city.frozen = self.troubles.is_frozen(city.name);
        }
        if view.verdict.converged != self.agreed {
            self.agreed = view.verdict.converged;
            if self.agreed {
                self.happened(now, self.me(), Kind::Agreed, view.verdict.sentence.clone());
            }
        }
        Arc::new(view)
    }

    pub(super) fn settle_ledger(&mut self) {
        if self.cities.iter().all(|city| city.status == Status::Up && city.is_read) {
            let (own, cities) = (self.replica.map(), &self.cities);
            let lives = self
                .links
                .iter()
                .map(|(name, life)| (*name, *life))
                .chain([(self.replica.me().node, self.replica.me().incarnation)])
                .collect();
            self.ledger.settle(|id| cities.iter().map(|city| city.entries.get(&id)).chain([own.get(id)]).collect(), &lives);
        }
    }

    pub(super) fn happened(&mut self, now: Now, node: NodeName, kind: Kind, text: String) {
        self.log(Happening { number: self.next_happening, at: now.wall, node, kind, text, write: None });
    }

    pub(super) fn wrote(&mut self, now: Now, node: NodeName, kind: Kind, text: String, write: Write) {
        self.log(Happening { number: self.next_happening, at: now.wall, node, kind, text, write: Some(write) });
    }

    pub(super) fn log(&mut self, happening: Happening) {
        let happening = Arc::new(happening);
        self.next_happening += 1;
        self.happenings.push_back(Arc::clone(&happening));
        if self.happenings.len() > HAPPENINGS_MAX {
            self.happenings.pop_front();
        }
        self.event(Event::Happened(happening));
        self.touch();
    }

    pub(super) fn view_deadline(&self) -> Option<Duration> {
        // A city that gives no answer grows older on the page by the second, and trouble comes nearer to its end.
        let ageing = self.troubles.len() > 0 || self.cities.iter().any(|city| city.status != Status::Up);
        let wait = if self.view_due { VIEW_INTERVAL } else { Duration::from_secs(1) };
        (self.view_due || ageing).then_some(self.view_at + wait)
    }

    pub(super) fn push_view(&mut self, now: Now) {
        self.view_at = now.mono;
        self.view_due = false;
        let view = self.view(now);
        self.event(Event::View(view));
    }
}
