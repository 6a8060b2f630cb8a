//! Finding copies of heroes, and dispatch's own writes.
//!
//! Invariant: a write or command is based on the newest copy that may be used; while replication to
//! a city is cut, a command carries no copy across the cut.

use std::sync::Arc;

use gossip::replica::WriteError;
use gossip::types::request::Request;
use gossip::{NodeName, Now};
use shared::hero::{Hero, HeroId, Location};
use shared::{Entry, EntryRef, Value};

use super::Dispatch;
use crate::event_log::{EventKind, LoggedWrite};
use crate::request::{RequestError, TERMINATE_MAX, Terminations, Written};
use crate::text::{counted, isolated};

/// The counter of created heroes.
pub const CREATED: &str = "created";

impl Dispatch {
    /// Creates heroes with these names: all of them or none.
    pub(super) fn create_heroes(
        &mut self,
        now: Now,
        names: Vec<String>,
    ) -> Result<Vec<Written>, RequestError> {
        // Checked before the first write, because heroes that were created cannot be taken back.
        if names.len() > self.replica.room_for_live() {
            return Err(RequestError::TooManyHeroes);
        }
        let mut created = Vec::with_capacity(names.len());
        for name in names {
            let hero = self.random.hero_id();
            let written = self.replica.write(now, hero, Value::Live(Hero::new(name.into())));
            created.push(self.written(now, hero, written)?);
        }
        self.count_created(now, created.len());
        match created.as_slice() {
            [Written { hero, entry }] => {
                let text = format!("{} was created", isolated(&self.known.name(*hero)));
                self.log_write(
                    now,
                    self.me(),
                    EventKind::Created,
                    text,
                    LoggedWrite::of(*hero, entry),
                );
            }
            // One event for all of them: ten thousand events would push all others out of the log.
            many => self.log(
                now,
                self.me(),
                EventKind::Created,
                format!("{} superheroes were created", many.len()),
            ),
        }
        Ok(created)
    }

    /// Adds to the counter of created heroes. At a limit of the tables they are not counted.
    fn count_created(&mut self, now: Now, heroes: usize) {
        if let Ok(amount @ 1..) = i64::try_from(heroes) {
            let created = Request::Add { counter: CREATED.to_owned(), amount };
            let _ = self.desk.request(&mut self.replica, now, created);
        }
    }

    pub(super) fn send_home(&mut self, now: Now, id: HeroId) -> Result<Written, RequestError> {
        let copy = self.copy(id)?;
        let hero = copy.live().ok_or(RequestError::Deleted(id))?.assigned(Location::Home);
        self.write_over(now, id, Value::Live(hero), &copy, EventKind::Assigned, "was sent home")
    }

    pub(super) fn terminate(&mut self, now: Now, id: HeroId) -> Result<Written, RequestError> {
        let copy = self.copy(id)?;
        self.write_over(now, id, Value::Tombstone, &copy, EventKind::Terminated, "was terminated")
    }

    /// Terminates those of these heroes that live. Heroes that cannot be terminated do not keep others
    /// from it.
    pub(super) fn terminate_many(&mut self, now: Now, heroes: &[HeroId]) -> Terminations {
        let mut outcome = Terminations::default();
        for hero in heroes.iter().take(TERMINATE_MAX) {
            let written = self.copy(*hero).and_then(|copy| {
                let written = self.replica.write_over(now, *hero, Value::Tombstone, Some(&copy));
                self.written(now, *hero, written)
            });
            match written {
                Ok(_) => outcome.terminated += 1,
                Err(RequestError::Deleted(_)) => {}
                Err(error) => outcome.refused.push((*hero, error)),
            }
        }
        if outcome.terminated > 0 {
            // One event for all of them, as for their creation.
            let heroes = counted(outcome.terminated, "superhero was", "superheroes were");
            self.log(now, self.me(), EventKind::Terminated, format!("{heroes} terminated"));
        }
        outcome
    }

    fn write_over(
        &mut self,
        now: Now,
        id: HeroId,
        value: Value,
        over: &Entry,
        kind: EventKind,
        action: &str,
    ) -> Result<Written, RequestError> {
        let written = self.replica.write_over(now, id, value, Some(over));
        let written = self.written(now, id, written)?;
        let text = format!("{} {action}", isolated(&self.known.name(id)));
        self.log_write(now, self.me(), kind, text, LoggedWrite::of(id, &written.entry));
        Ok(written)
    }

    /// Records a write of dispatch's own: the next reader must see it.
    fn written(
        &mut self,
        now: Now,
        hero: HeroId,
        written: Result<Entry, WriteError>,
    ) -> Result<Written, RequestError> {
        let entry = Arc::new(written.map_err(|error| match error {
            WriteError::Joining => RequestError::Joining { node: self.me() },
            WriteError::Deleted => RequestError::Deleted(hero),
            WriteError::TooFarAhead => RequestError::TooFarAhead { node: self.me() },
            WriteError::TooManyLive => RequestError::TooManyHeroes,
            WriteError::TooManyTombstones => RequestError::TooManyTombstones,
            WriteError::TooManyBytes | WriteError::Misplaced => {
                unreachable!("a hero is no record of a table")
            }
        })?);
        self.remember(hero, &entry.as_entry_ref());
        // The writer refreshes the excess, so that the next reader does not wait for all of it.
        if let Some(first) = self.refresh.add_written(hero) {
            self.refresh_row(now, first);
        }
        self.comparison.acknowledged(now, hero, &entry);
        self.holdings_changed(now);
        Ok(Written { hero, entry })
    }

    /// Remembers the name and creation of a hero, even after its deletion.
    pub(super) fn remember(&mut self, id: HeroId, entry: &EntryRef<'_, '_>) {
        self.comparison.seen(id, entry);
        self.known.remember(id, entry);
        let (map, cities) = (self.replica.map(), self.observer.cities());
        self.known.prune(|id| {
            map.get(id).is_some() || cities.iter().any(|city| city.entries.contains_key(&id))
        });
    }

    /// Returns the newest live copy of the hero: dispatch's own, one observed at a city, or one
    /// acknowledged by a city. A command based on an older copy would count as a write that had not
    /// seen the newer one.
    pub(super) fn find(&self, id: HeroId) -> Result<Arc<Entry>, RequestError> {
        if id.table().is_some() {
            return Err(RequestError::UnknownHero(id));
        }
        let own = self.replica.map().get(id).map(Arc::new);
        let seen = self.observer.cities().iter().filter_map(|city| city.entries.get(&id));
        let newest = own
            .iter()
            .chain(seen)
            .chain(self.known.acknowledged(id))
            .max_by_key(|entry| entry.rank());
        match newest {
            Some(copy) if !copy.is_tombstone() && !self.replica.is_deleted(id, copy) => {
                Ok(Arc::clone(copy))
            }
            Some(_) => Err(RequestError::Deleted(id)),
            // The tombstone was collected. If the creation is covered only because its incarnation
            // is closed, it was never seen here: the hero was lost with the only city holding it.
            None if self.known.born(id).is_some_and(|born| self.replica.has_seen(born)) => {
                Err(RequestError::Deleted(id))
            }
            None => Err(RequestError::UnknownHero(id)),
        }
    }

    /// Returns the copy that a write is based on. While any link is cut it is dispatch's own: a
    /// copy that was only observed at a city would carry data past the cut.
    fn copy(&self, id: HeroId) -> Result<Arc<Entry>, RequestError> {
        if !self.faults.faults.any_cut() {
            return self.find(id);
        }
        match self.replica.map().get(id).filter(|_| id.table().is_none()) {
            Some(own) if !own.is_tombstone() => Ok(own.into()),
            Some(_) => Err(RequestError::Deleted(id)),
            None => {
                Err(self.find(id).err().unwrap_or(RequestError::UnknownAtCity { city: self.me() }))
            }
        }
    }

    /// Returns the copy to send to a city with a command; `None` if replication to it is cut. The
    /// city then uses the copy that it holds.
    pub(super) fn copy_for(
        &self,
        city: NodeName,
        id: HeroId,
    ) -> Result<Option<Arc<Entry>>, RequestError> {
        let (me, faults) = (self.me(), &self.faults.faults);
        // A pull needs both directions, so a cut of one stops both.
        if faults.is_cut(me, city) || faults.is_cut(city, me) {
            return match self.find(id) {
                Err(unknown @ RequestError::UnknownHero(_)) => Err(unknown),
                Ok(_) | Err(_) => Ok(None),
            };
        }
        match self.copy(id) {
            Err(RequestError::UnknownAtCity { .. }) => Ok(None),
            copy => copy.map(Some),
        }
    }
}
