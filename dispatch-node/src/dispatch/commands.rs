//! The part of dispatch that does what it is asked: its own writes, commands to cities, and their answers.
//!
//! Invariant: each ask is answered once, whatever becomes of it.

use std::sync::Arc;

use fake::Fake;
use fake::faker::name::en::Name;
use rand::seq::IteratorRandom;
use rand::{Rng, RngExt};

use shared::crdt::{Entry, Value};
use shared::fault::{Control, Fault, FaultId};
use shared::hero::{Hero, Location};
use shared::id::{HeroId, NodeName};
use shared::message::{Command, Done, Frame, Refusal};
use shared::replica::{ForgetError, WriteError};
use shared::time::Now;

use super::{ANSWER_PATIENCE, COMMAND_EXPIRES, Dispatch, Event, KEYS_MAX, Pending};
use crate::event_log::{EventKind, LoggedWrite};
use crate::request::{Action, CREATE_MAX, Reply, Request, RequestError};

impl Dispatch {
    pub(super) fn on_ask(&mut self, now: Now, Request { ticket, key, action, trace }: Request) {
        if let Some(key) = &key {
            if let Some((before, answer)) = self.keys.get(key) {
                let answer = match answer {
                    _ if *before != action => Reply::Refused(RequestError::KeyReused),
                    Some(answer) => answer.clone(),
                    None => Reply::Refused(RequestError::UnderWay),
                };
                return self.event(Event::Reply { ticket, reply: answer });
            }
            self.remember(key.clone(), action.clone());
        }
        match action {
            Action::Create { name } => {
                let name = name.unwrap_or_else(|| Name().fake_with_rng(&mut self.rng));
                self.create(now, ticket, key, vec![name]);
            }
            Action::CreateMany { count } => {
                let names = (0..count.min(CREATE_MAX)).map(|_| Name().fake_with_rng(&mut self.rng)).collect();
                self.create(now, ticket, key, names);
            }
            Action::Assign { hero, to: Location::Home } => {
                let answer = self.send_home(now, hero).map_or_else(Reply::Refused, |entry| Reply::Assigned(hero, entry));
                self.answer(ticket, key, answer);
            }
            Action::Assign { hero, to: to @ Location::City(city) } => match self.copy_for(city, hero) {
                Ok(copy) => {
                    let ask = Request { ticket, key, action: Action::Assign { hero, to }, trace };
                    self.command(now, ask, city, Command::Assign { hero, to, copy });
                }
                Err(refusal) => self.answer(ticket, key, Reply::Refused(refusal)),
            },
            Action::Terminate { hero } => {
                let answer = self.terminate(now, hero).map_or_else(Reply::Refused, |entry| Reply::Terminated(hero, entry));
                self.answer(ticket, key, answer);
            }
            Action::Bomb { city } => {
                let city = city.or_else(|| self.linked_cities().into_iter().choose(&mut self.rng).map(|city| city.node));
                match city {
                    Some(city) => self.command(now, Request { ticket, key, action, trace }, city, Command::Bomb),
                    None => self.answer(ticket, key, Reply::Refused(RequestError::NoCity)),
                }
            }
            Action::Forget { city } => {
                let answer = self.forget(now, city).map_or_else(Reply::Refused, |()| Reply::Forgotten(city));
                self.answer(ticket, key, answer);
            }
            Action::Inject { trouble, from, to, both, heal_after } => {
                let fault = Fault { id: FaultId(self.ids.random()), trouble, from, to, both };
                self.inject(now, ticket, key, fault, heal_after);
            }
            Action::Heal { fault } => self.heal(now, ticket, key, fault),
            Action::Gossip { pace } => {
                self.set_pace(now, pace);
                self.answer(ticket, key, Reply::Gossip(pace));
            }
            Action::Exchange { source, puller } => self.begin_exchange(now, ticket, key, source, puller),
            Action::Stop { city } => self.end_process(now, ticket, key, city, Control::Stop),
            Action::Kill { city } => self.end_process(now, ticket, key, city, Control::Kill),
            Action::Log { node, kind, text } => {
                self.happened(now, node, kind, text);
                self.answer(ticket, key, Reply::Logged);
            }
            Action::Find { hero } => {
                let answer = self.find(hero).map_or_else(Reply::Refused, |entry| Reply::Found(hero, entry));
                self.answer(ticket, key, answer);
            }
            Action::View => {
                self.catch_up_to_be_seen(now);
                let view = self.view(now);
                self.answer(ticket, key, Reply::View(view));
            }
        }
    }

    pub(super) fn forget(&mut self, now: Now, city: NodeName) -> Result<(), RequestError> {
        if self.linked(city).is_some() {
            return Err(RequestError::Alive { city });
        }
        self.replica.forget(now, city).map_err(|error| match error {
            ForgetError::Joining => RequestError::Joining { node: self.me() },
            ForgetError::Myself | ForgetError::NotMember => RequestError::NoAnswer { city },
        })?;
        let text = format!("{city} is forgotten: it keeps nothing in place any more");
        self.happened(now, city, EventKind::Forgotten, text);
        Ok(())
    }

    pub(super) fn create(&mut self, now: Now, ticket: u64, key: Option<String>, names: Vec<String>) {
        // All of them or none.
        if names.len() > self.replica.room_for_heroes() {
            return self.answer(ticket, key, Reply::Refused(RequestError::TooManyHeroes));
        }
        let mut created = Vec::with_capacity(names.len());
        for name in names {
            let mut bytes = [0; 16];
            self.ids.fill_bytes(&mut bytes);
            let id = HeroId(uuid::Builder::from_random_bytes(bytes).into_uuid());
            let hero = Hero::new(name.into());
            match self.write(now, id, Value::Live(hero)) {
                Ok(entry) => created.push((id, entry)),
                Err(refusal) => return self.answer(ticket, key, Reply::Refused(refusal)),
            }
        }
        match created.as_slice() {
            [(id, entry)] => {
                let text = format!("{} was created", self.name_of(*id));
                self.wrote(now, self.me(), EventKind::Created, text, LoggedWrite::of(*id, entry));
            }
            many => self.happened(now, self.me(), EventKind::Created, format!("{} superheroes were created", many.len())),
        }
        self.answer(ticket, key, Reply::Created(created));
    }

    pub(super) fn send_home(&mut self, now: Now, id: HeroId) -> Result<Arc<Entry>, RequestError> {
        let copy = self.copy(id)?;
        let hero = copy.hero().ok_or(RequestError::Deleted(id))?.assigned(Location::Home);
        let entry = self.write_over(now, id, Value::Live(hero), &copy)?;
        let name = self.name_of(id);
        self.wrote(now, self.me(), EventKind::Assigned, format!("{name} was sent home"), LoggedWrite::of(id, &entry));
        Ok(entry)
    }

    pub(super) fn terminate(&mut self, now: Now, id: HeroId) -> Result<Arc<Entry>, RequestError> {
        let copy = self.copy(id)?;
        let entry = self.write_over(now, id, Value::Tombstone, &copy)?;
        let name = self.name_of(id);
        self.wrote(now, self.me(), EventKind::Terminated, format!("{name} was terminated"), LoggedWrite::of(id, &entry));
        Ok(entry)
    }

    /// A living copy of the hero, the newest that is known: dispatch's own, what a city showed, or what one answered. A command
    /// over an older one would pass for a write that had not seen the newer.
    pub(super) fn find(&self, id: HeroId) -> Result<Arc<Entry>, RequestError> {
        let own = self.replica.map().get(id).map(Arc::new);
        let seen = self.cities.iter().filter_map(|city| city.entries.get(&id));
        let newest = own.iter().chain(seen).chain(self.acknowledged.get(&id)).max_by_key(|entry| entry.rank());
        match newest {
            Some(copy) if !copy.is_tombstone() && !self.replica.knows_dead(id, copy) => Ok(Arc::clone(copy)),
            Some(_) => Err(RequestError::Deleted(id)),
            // Dead, and the tombstone collected, or gone with the only city that knew.
            None if self.known.get(&id).is_some_and(|known| self.replica.vector().covers(known.born)) => Err(RequestError::Deleted(id)),
            None => Err(RequestError::NeverHeardOf(id)),
        }
    }

    /// As [`find`](Self::find), for a command. While anything is cut, only dispatch's own copy: what it has merely seen of a city it
    /// has not heard, and a command over it would carry news past the cut.
    pub(super) fn copy(&self, id: HeroId) -> Result<Arc<Entry>, RequestError> {
        if !self.troubles.any_cut() {
            return self.find(id);
        }
        match self.replica.map().get(id) {
            Some(own) if !own.is_tombstone() => Ok(own.into()),
            Some(_) => Err(RequestError::Deleted(id)),
            None => Err(self.find(id).err().unwrap_or(RequestError::CityHasNotHeard { city: self.me() })),
        }
    }

    /// The copy that goes to a city with a command; none where replication to it is cut: then it acts on what it holds.
    pub(super) fn copy_for(&self, city: NodeName, id: HeroId) -> Result<Option<Arc<Entry>>, RequestError> {
        // A pull needs both directions, so one that is cut stops both.
        if self.troubles.is_cut(self.me(), city) || self.troubles.is_cut(city, self.me()) {
            return match self.find(id) {
                Err(never @ RequestError::NeverHeardOf(_)) => Err(never),
                Ok(_) | Err(_) => Ok(None),
            };
        }
        match self.copy(id) {
            Err(RequestError::CityHasNotHeard { .. }) => Ok(None),
            copy => copy.map(Some),
        }
    }

    pub(super) fn write(&mut self, now: Now, id: HeroId, value: Value) -> Result<Arc<Entry>, RequestError> {
        let written = self.replica.write(now, id, value);
        self.written(now, id, written)
    }

    pub(super) fn write_over(&mut self, now: Now, id: HeroId, value: Value, over: &Entry) -> Result<Arc<Entry>, RequestError> {
        let written = self.replica.write_over(now, id, value, Some(over));
        self.written(now, id, written)
    }

    pub(super) fn written(&mut self, now: Now, id: HeroId, written: Result<Entry, WriteError>) -> Result<Arc<Entry>, RequestError> {
        let entry = written.map_err(|error| match error {
            WriteError::Joining => RequestError::Joining { node: self.me() },
            WriteError::Dead => RequestError::Deleted(id),
            WriteError::TooFarAhead => RequestError::TooFarAhead { node: self.me() },
            WriteError::TooManyHeroes => RequestError::TooManyHeroes,
            WriteError::TooManyTombstones => RequestError::TooManyTombstones,
        })?;
        let entry = Arc::new(entry);
        self.get_to_know(id, &entry.as_entry_ref());
        self.is_to_be_seen(now, id);
        self.ledger.saved(now.wall, id, &entry);
        self.holdings_changed = true;
        self.touch(now);
        Ok(entry)
    }

    pub(super) fn command(&mut self, now: Now, Request { ticket, key, action, trace }: Request, city: NodeName, command: Command) {
        if self.linked(city).is_none() {
            return self.answer(ticket, key, Reply::Refused(RequestError::NoAnswer { city }));
        }
        let request = self.next_request;
        self.next_request += 1;
        let at_stake = if command == Command::Bomb { self.at_stake(now, city) } else { Vec::new() };
        self.pending.insert(request, Pending { ticket, key, city, action, at_stake, deadline: now.mono + ANSWER_PATIENCE });
        // By the city's clock, as far as its last word tells how that one runs.
        let expires = self.city(city).map_or(now.wall, |mirror| mirror.wall(now)).plus(COMMAND_EXPIRES);
        self.send(city, Frame::Command { request, expires, trace, command });
    }

    pub(super) fn answer(&mut self, ticket: u64, key: Option<String>, answer: Reply) {
        if let Some(key) = key {
            // What was not done may be tried again; what may have been done may not.
            if matches!(&answer, Reply::Refused(refusal) if !matches!(refusal, RequestError::Unknown { .. })) {
                self.keys.remove(&key);
                self.keys_by_age.retain(|other| *other != key);
            } else if let Some((_, slot)) = self.keys.get_mut(&key) {
                *slot = Some(answer.clone());
            }
        }
        self.event(Event::Reply { ticket, reply: answer });
    }

    pub(super) fn remember(&mut self, key: String, action: Action) {
        self.keys_by_age.push_back(key.clone());
        self.keys.insert(key, (action, None));
        while self.keys_by_age.len() > KEYS_MAX {
            let oldest = self.keys_by_age.pop_front().expect("more than none are left");
            self.keys.remove(&oldest);
        }
    }

    pub(super) fn on_answer(&mut self, now: Now, from: NodeName, request: u64, result: Result<Done, Refusal>) {
        if self.pending.get(&request).is_none_or(|pending| pending.city != from) {
            return;
        }
        let pending = self.pending.remove(&request).expect("the request that was just found");
        let answer = match (pending.action, result) {
            (Action::Bomb { .. }, Ok(Done::Bombed)) => {
                self.destroyed(now, from, pending.at_stake);
                Reply::Bombed(from)
            }
            (Action::Assign { hero, .. }, Ok(Done::Assigned(entry))) => {
                self.ledger.saved(now.wall, hero, &entry);
                self.holdings_changed = true;
                self.acknowledged.insert(hero, Arc::clone(&entry));
                let name = self.name_of(hero);
                self.wrote(now, from, EventKind::Assigned, format!("{name} was assigned to {from}"), LoggedWrite::of(hero, &entry));
                self.hear_soon(now, from);
                Reply::Assigned(hero, entry)
            }
            (Action::Assign { hero, .. }, Err(Refusal::Deleted)) => Reply::Refused(RequestError::Deleted(hero)),
            (_, Err(Refusal::Joining)) => Reply::Refused(RequestError::Joining { node: from }),
            (_, Err(Refusal::NotHeardOf)) => Reply::Refused(RequestError::CityHasNotHeard { city: from }),
            (_, Err(Refusal::Expired)) => Reply::Refused(RequestError::TooLate { city: from }),
            (_, Err(Refusal::TooFarAhead)) => Reply::Refused(RequestError::TooFarAhead { node: from }),
            // An answer to something else than was asked.
            (_, Ok(_) | Err(Refusal::Deleted)) => Reply::Refused(RequestError::Unknown { city: from }),
        };
        self.answer(pending.ticket, pending.key, answer);
    }

    pub(super) fn no_answer(&mut self, request: u64) {
        if let Some(pending) = self.pending.remove(&request) {
            self.answer(pending.ticket, pending.key, Reply::Refused(RequestError::Unknown { city: pending.city }));
        }
    }
}
