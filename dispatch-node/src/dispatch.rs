//! The machine of dispatch: its own replica, a mirror of each city, and what browsers and scripts ask for.
//!
//! It carries gossip between random pairs of cities, pulls from a random city (the poll), observes every city, and hands out
//! views. Invariants: it commands, it never writes for a city; a command has one answer, within its time; what it does not
//! know it does not claim.

mod control;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fake::Fake;
use fake::faker::name::en::Name;
use rand::seq::IteratorRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use shared::clock::Stamp;
use shared::crdt::{Entry, Fingerprint, Value};
use shared::fault::{Control, Fault, FaultId, Pace};
use shared::hero::{Hero, Location};
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::machine::{Input, LinkDown, Machine, Output, Timer, earliest};
use shared::message::{Command, Done, Envelope, Frame, Observation, Refusal, Step};
use shared::replica::{self, ForgetError, Replica, WriteError};
use shared::time::Now;

use crate::ask::{Answer, Ask, CREATE_MAX, NotDone, Verb};
use crate::exchange::UnderWay;
use crate::happening::{Happening, Kind, Write};
use crate::ledger::Ledger;
use crate::mirror::{Mirror, Status};
use crate::trouble::{Troubles, describe};
use crate::view::{self, View};

/// A city does not act on a command later than this.
const COMMAND_EXPIRES: Duration = Duration::from_secs(1);
/// How long a city's answer is waited for: a command that has expired by then did not happen.
const ANSWER_PATIENCE: Duration = Duration::from_millis(1_700);
/// How long an observation may be overdue before it is asked for again.
const OBSERVATION_PATIENCE: Duration = Duration::from_secs(3);
/// The least time between two views pushed to browsers.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);
/// How many happenings are remembered.
const HAPPENINGS_MAX: usize = 4_000;
/// The least time between two alarms about one node.
const ALARM_INTERVAL: Duration = Duration::from_secs(10);
/// How many idempotency keys are remembered.
const KEYS_MAX: usize = 1_000;
/// How many heroes are remembered before those that are long gone are forgotten.
const KNOWN_MAX: usize = 2_000_000;

/// How dispatch behaves. An interval of `None` switches the activity off.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cities, in the order of the page's columns.
    pub cities: Vec<NodeName>,
    /// Between two rounds carried from a random city to another.
    pub gossip_interval: Option<Duration>,
    /// Between two pulls from a random city into dispatch's own replica.
    pub poll_interval: Option<Duration>,
    /// The replica's limits.
    pub replica: replica::Config,
}

/// What dispatch tells its process.
#[derive(Clone, Debug)]
pub enum Event {
    /// An ask has its answer.
    Answer {
        /// The ask's ticket.
        ticket: u64,
        /// What became of it.
        answer: Answer,
    },
    /// Something changed: what is known now.
    View(Arc<View>),
    /// Something happened that people may want to know.
    Happened(Arc<Happening>),
    /// Wake this node's process, which this fault keeps frozen, so that it hears no frame.
    Thaw(NodeName, FaultId),
    /// Something happened in a replication round.
    Replica(replica::Event),
}

/// What is remembered of a hero that may be gone.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    born: Stamp,
}

/// A command sent to a city, waiting for its answer.
#[derive(Debug)]
struct Pending {
    ticket: u64,
    key: Option<String>,
    city: NodeName,
    verb: Verb,
    deadline: Duration,
}

/// A fault to be in force, or to be over, before the answer is given.
#[derive(Debug)]
struct Confirming {
    ticket: u64,
    key: Option<String>,
    what: Awaited,
    deadline: Duration,
}

#[derive(Debug)]
enum Awaited {
    /// In force at all these nodes.
    InForce(Fault, Duration, BTreeSet<NodeName>),
    /// In force at no node that answers.
    Over(Vec<FaultId>),
}

/// The machine of dispatch.
#[derive(Debug)]
pub struct Dispatch {
    replica: Replica,
    cities: Vec<Mirror>,
    links: BTreeMap<NodeName, Incarnation>,
    known: BTreeMap<HeroId, Known>,
    pending: BTreeMap<u64, Pending>,
    next_request: u64,
    asked: BTreeMap<NodeName, Duration>,
    keys: BTreeMap<String, (Verb, Option<Answer>)>,
    keys_by_age: VecDeque<String>,
    ledger: Ledger,
    /// What cities answered as done, until dispatch's own copy covers it.
    acknowledged: BTreeMap<HeroId, Arc<Entry>>,
    differs_since: BTreeMap<HeroId, Duration>,
    happenings: VecDeque<Arc<Happening>>,
    next_happening: u64,
    agreed: bool,
    rows: Arc<Vec<view::Row>>,
    rows_stale: bool,
    view_at: Duration,
    view_due: bool,
    rng: ChaCha8Rng,
    troubles: Troubles,
    confirming: Vec<Confirming>,
    /// What each node's process reports to be in force.
    reported: BTreeMap<NodeName, BTreeSet<FaultId>>,
    /// How far ahead a stamp may be.
    drift_max: Duration,
    pace: Pace,
    /// When the cities are told of the pace again, while it is not the usual one.
    pace_at: Option<Duration>,
    exchange: Option<UnderWay>,
    /// When people were told of a clock last.
    alarmed: BTreeMap<NodeName, Duration>,
    /// Makes the ids of heroes and faults. Of every life another stream: the same seed given to a later life must not make the same.
    ids: ChaCha8Rng,
    gossip: Timer,
    poll: Timer,
    out: VecDeque<Output<Event>>,
}

impl Dispatch {
    /// Dispatch at the beginning of the life `me`, knowing nothing.
    #[must_use]
    pub fn new(me: Origin, config: Config, seed: u64, now: Now) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ids = rng.clone();
        ids.set_stream(me.incarnation.0);
        let mut timer = |interval| Timer::new(interval, rng.random_range(0.0..1.0), now);
        let (gossip, poll) = (timer(config.gossip_interval), timer(config.poll_interval));
        Self {
            drift_max: config.replica.drift_max,
            replica: Replica::new(me, config.replica, now),
            cities: config.cities.into_iter().map(Mirror::new).collect(),
            links: BTreeMap::new(),
            known: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_request: 1,
            asked: BTreeMap::new(),
            keys: BTreeMap::new(),
            keys_by_age: VecDeque::new(),
            ledger: Ledger::default(),
            acknowledged: BTreeMap::new(),
            differs_since: BTreeMap::new(),
            happenings: VecDeque::new(),
            next_happening: 1,
            agreed: false,
            rows: Arc::default(),
            rows_stale: true,
            view_at: now.mono,
            view_due: true,
            troubles: Troubles::default(),
            confirming: Vec::new(),
            reported: BTreeMap::new(),
            pace: Pace::FREE,
            pace_at: None,
            exchange: None,
            alarmed: BTreeMap::new(),
            rng,
            ids,
            gossip,
            poll,
            out: VecDeque::new(),
        }
    }

    /// Dispatch's own copy of the map.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    fn me(&self) -> NodeName {
        self.replica.me().node
    }

    fn city(&mut self, name: NodeName) -> Option<&mut Mirror> {
        self.cities.iter_mut().find(|city| city.name == name)
    }

    fn linked(&self, name: NodeName) -> Option<Origin> {
        self.links.get(&name).map(|incarnation| Origin { node: name, incarnation: *incarnation })
    }

    fn linked_cities(&self) -> Vec<Origin> {
        self.cities.iter().filter_map(|city| self.linked(city.name)).collect()
    }

    // What others say.

    fn on_link_up(&mut self, now: Now, peer: NodeName, incarnation: Incarnation) {
        self.links.insert(peer, incarnation);
        self.replica.link_up(now, Origin { node: peer, incarnation });
        if self.pace != Pace::FREE {
            self.send(peer, Frame::Control(Control::Pace(self.pace)));
        }
        let Some(city) = self.city(peer) else { return };
        let (before, said_lost) = (city.incarnation, city.said_lost);
        let since = city.link_up(incarnation, now.mono);
        city.said_lost = false;
        let reborn = before.is_some_and(|before| before != incarnation);
        if reborn {
            // Its answer was lost with its old life, perhaps; that it has a new one tells as much.
            let hits = self.pending.iter().filter(|(_, pending)| pending.city == peer && matches!(pending.verb, Verb::Bomb { .. }));
            for request in hits.map(|(request, _)| *request).collect::<Vec<_>>() {
                self.on_answer(now, peer, request, Ok(Done::Bombed));
            }
            self.happened(now, peer, Kind::Answers, format!("{peer} is back, empty, in a new life"));
        } else if said_lost {
            self.happened(now, peer, Kind::Answers, format!("{peer} answers again"));
        }
        self.observe(now, peer, since);
        self.rows_stale = true;
        self.touch();
        if reborn {
            // An emptied city may be full again before the next view is due; people should see what they did.
            self.push_view(now);
        }
    }

    fn on_link_down(&mut self, now: Now, peer: NodeName, cause: LinkDown) {
        self.links.remove(&peer);
        self.asked.remove(&peer);
        self.replica.link_down(peer);
        // A bomb may well be why: whether it hit is known when the city is back.
        let is_given_up = |pending: &Pending| pending.city == peer && !matches!(pending.verb, Verb::Bomb { .. });
        let given_up: Vec<u64> = self.pending.iter().filter(|(_, pending)| is_given_up(pending)).map(|(request, _)| *request).collect();
        for request in given_up {
            self.no_answer(request);
        }
        self.answer_confirmed(now);
        let Some(city) = self.city(peer) else { return };
        let was = city.status;
        city.link_down(cause);
        if city.status == was {
            return;
        }
        let ended = city.status == Status::Down;
        let text = match (city.status, cause) {
            (Status::Down, _) => Some(format!("{peer} has stopped")),
            (Status::Unreachable, LinkDown::Silent) => Some(format!("{peer} gives no answer")),
            // A bombed city is gone for a moment only; what lasts will be said by the next attempt to reach it.
            (Status::Unreachable | Status::Up, _) => None,
        };
        // One that was never heard has not been lost.
        if let Some(text) = text.filter(|_| city.incarnation.is_some()) {
            city.said_lost = true;
            self.happened(now, peer, Kind::Lost, text);
        }
        if ended {
            for fault in self.troubles.on_end(peer) {
                self.happened(now, peer, Kind::Healed, format!("over: {}", describe(&fault)));
            }
        }
        self.rows_stale = true;
        self.touch();
    }

    fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame) {
        match frame {
            Frame::Round(envelope) if envelope.to.node == self.me() => {
                self.count_exchange(now, &envelope);
                let before = self.replica.map().changes();
                self.replica.handle(now, from, envelope);
                if self.replica.map().changes() != before {
                    self.rows_stale = true;
                    self.touch();
                }
            }
            Frame::Round(envelope) => self.carry(now, from, envelope),
            Frame::Observation(observation) => self.on_observation(now, from, observation),
            Frame::Answer { request, result } => self.on_answer(now, from, request, result),
            Frame::Report(report) => self.on_report(now, from, &report),
            // Dispatch obeys nobody and shows itself to browsers only.
            Frame::Command { .. } | Frame::Observe { .. } | Frame::Control(_) => {}
        }
    }

    /// Passes a step of a carried round on. Only its author can hand it in, and only a linked life receives it.
    fn carry(&mut self, now: Now, from: NodeName, envelope: Envelope) {
        if envelope.from.node == from && self.linked(envelope.to.node) == Some(envelope.to) {
            self.count_exchange(now, &envelope);
            self.send(envelope.to.node, Frame::Round(envelope));
        }
    }

    fn on_observation(&mut self, now: Now, from: NodeName, observation: Observation) {
        // Not asked for, or of a life that has ended since.
        if self.linked(from).map(|city| city.incarnation) != Some(observation.life) || self.asked.remove(&from).is_none() {
            return;
        }
        for (id, entry) in &observation.entries {
            self.get_to_know(*id, entry);
        }
        let changed = !(observation.entries.is_empty() && observation.removed.is_empty());
        let Some(city) = self.city(from) else { return };
        let before = (city.joined, city.is_read);
        let since = city.observe(observation, now);
        if changed || (city.joined, city.is_read) != before {
            self.rows_stale = true;
            self.touch();
        }
        self.look_at_the_clock(now, from);
        self.observe(now, from, since);
    }

    fn observe(&mut self, now: Now, city: NodeName, since: u64) {
        self.asked.insert(city, now.mono);
        self.send(city, Frame::Observe { since });
    }

    fn on_answer(&mut self, now: Now, from: NodeName, request: u64, result: Result<Done, Refusal>) {
        if self.pending.get(&request).is_none_or(|pending| pending.city != from) {
            return;
        }
        let pending = self.pending.remove(&request).expect("the request that was just found");
        let answer = match (pending.verb, result) {
            (Verb::Bomb { .. }, Ok(Done::Bombed)) => {
                self.happened(now, from, Kind::Destroyed, format!("{from} has been destroyed"));
                Answer::Bombed(from)
            }
            (Verb::Assign { hero, .. }, Ok(Done::Assigned(entry))) => {
                self.ledger.saved(hero, &entry);
                self.acknowledged.insert(hero, Arc::clone(&entry));
                let name = self.name_of(hero);
                self.wrote(now, from, Kind::Assigned, format!("{name} was assigned to {from}"), Write::of(hero, &entry));
                // Hear of it soon, rather than at the next poll.
                if let Some(city) = self.linked(from) {
                    self.replica.pull(now, city, from, true);
                }
                Answer::Assigned(hero, entry)
            }
            (Verb::Assign { hero, .. }, Err(Refusal::Deleted)) => Answer::Refused(NotDone::Deleted(hero)),
            (_, Err(Refusal::Joining)) => Answer::Refused(NotDone::Joining { node: from }),
            (_, Err(Refusal::NotHeardOf)) => Answer::Refused(NotDone::CityHasNotHeard { city: from }),
            (_, Err(Refusal::Expired)) => Answer::Refused(NotDone::TooLate { city: from }),
            (_, Err(Refusal::TooFarAhead)) => Answer::Refused(NotDone::TooFarAhead { node: from }),
            // An answer to something else than was asked.
            (_, Ok(_) | Err(Refusal::Deleted)) => Answer::Refused(NotDone::Unknown { city: from }),
        };
        self.answer(pending.ticket, pending.key, answer);
    }

    fn no_answer(&mut self, request: u64) {
        if let Some(pending) = self.pending.remove(&request) {
            self.answer(pending.ticket, pending.key, Answer::Refused(NotDone::Unknown { city: pending.city }));
        }
    }

    // What is asked.

    fn on_ask(&mut self, now: Now, Ask { ticket, key, verb }: Ask) {
        if let Some(key) = &key {
            if let Some((before, answer)) = self.keys.get(key) {
                let answer = match answer {
                    _ if *before != verb => Answer::Refused(NotDone::KeyReused),
                    Some(answer) => answer.clone(),
                    None => Answer::Refused(NotDone::UnderWay),
                };
                return self.event(Event::Answer { ticket, answer });
            }
            self.remember(key.clone(), verb.clone());
        }
        match verb {
            Verb::Create { name } => {
                let name = name.unwrap_or_else(|| Name().fake_with_rng(&mut self.rng));
                self.create(now, ticket, key, vec![name]);
            }
            Verb::CreateMany { count } => {
                let names = (0..count.min(CREATE_MAX)).map(|_| Name().fake_with_rng(&mut self.rng)).collect();
                self.create(now, ticket, key, names);
            }
            Verb::Assign { hero, to: Location::Home } => {
                let answer = self.send_home(now, hero).map_or_else(Answer::Refused, |entry| Answer::Assigned(hero, entry));
                self.answer(ticket, key, answer);
            }
            Verb::Assign { hero, to: to @ Location::City(city) } => match self.copy_for(city, hero) {
                Ok(copy) => self.command(now, ticket, key, city, Verb::Assign { hero, to }, Command::Assign { hero, to, copy }),
                Err(refusal) => self.answer(ticket, key, Answer::Refused(refusal)),
            },
            Verb::Terminate { hero } => {
                let answer = self.terminate(now, hero).map_or_else(Answer::Refused, |entry| Answer::Terminated(hero, entry));
                self.answer(ticket, key, answer);
            }
            Verb::Bomb { city } => {
                let city = city.or_else(|| self.linked_cities().into_iter().choose(&mut self.rng).map(|city| city.node));
                match city {
                    Some(city) => self.command(now, ticket, key, city, verb, Command::Bomb),
                    None => self.answer(ticket, key, Answer::Refused(NotDone::NoCity)),
                }
            }
            Verb::Forget { city } => {
                let answer = self.forget(now, city).map_or_else(Answer::Refused, |()| Answer::Forgotten(city));
                self.answer(ticket, key, answer);
            }
            Verb::Inject { trouble, from, to, both, heal_after } => {
                let fault = Fault { id: FaultId(self.ids.random()), trouble, from, to, both };
                self.inject(now, ticket, key, fault, heal_after);
            }
            Verb::Heal { fault } => self.heal(now, ticket, key, fault),
            Verb::Gossip { pace } => {
                self.set_pace(now, pace);
                self.answer(ticket, key, Answer::Gossip(pace));
            }
            Verb::Exchange { source, puller } => self.begin_exchange(now, ticket, key, source, puller),
            Verb::Stop { city } => self.end_process(now, ticket, key, city, Control::Stop),
            Verb::Kill { city } => self.end_process(now, ticket, key, city, Control::Kill),
            Verb::Log { node, kind, text } => {
                self.happened(now, node, kind, text);
                self.answer(ticket, key, Answer::Logged);
            }
            Verb::Find { hero } => {
                let answer = self.find(hero).map_or_else(Answer::Refused, |entry| Answer::Found(hero, entry));
                self.answer(ticket, key, answer);
            }
            Verb::View => {
                let view = self.view(now);
                self.answer(ticket, key, Answer::View(view));
            }
        }
    }

    fn forget(&mut self, now: Now, city: NodeName) -> Result<(), NotDone> {
        if self.linked(city).is_some() {
            return Err(NotDone::Alive { city });
        }
        self.replica.forget(now, city).map_err(|error| match error {
            ForgetError::Joining => NotDone::Joining { node: self.me() },
            ForgetError::Myself | ForgetError::NotMember => NotDone::NoAnswer { city },
        })?;
        let text = format!("{city} is forgotten: it keeps nothing in place any more");
        self.happened(now, city, Kind::Forgotten, text);
        Ok(())
    }

    fn create(&mut self, now: Now, ticket: u64, key: Option<String>, names: Vec<String>) {
        let mut created = Vec::with_capacity(names.len());
        for name in names {
            let mut bytes = [0; 16];
            self.ids.fill_bytes(&mut bytes);
            let id = HeroId(uuid::Builder::from_random_bytes(bytes).into_uuid());
            let hero = Hero::new(name.into());
            match self.write(now, id, Value::Live(hero)) {
                Ok(entry) => created.push((id, entry)),
                Err(refusal) => return self.answer(ticket, key, Answer::Refused(refusal)),
            }
        }
        match created.as_slice() {
            [(id, entry)] => {
                let text = format!("{} was created", self.name_of(*id));
                self.wrote(now, self.me(), Kind::Created, text, Write::of(*id, entry));
            }
            many => self.happened(now, self.me(), Kind::Created, format!("{} superheroes were created", many.len())),
        }
        self.answer(ticket, key, Answer::Created(created));
    }

    fn send_home(&mut self, now: Now, id: HeroId) -> Result<Arc<Entry>, NotDone> {
        let copy = self.copy(id)?;
        let hero = copy.hero().ok_or(NotDone::Deleted(id))?.assigned(Location::Home);
        let entry = self.write_over(now, id, Value::Live(hero), &copy)?;
        let name = self.name_of(id);
        self.wrote(now, self.me(), Kind::Assigned, format!("{name} was sent home"), Write::of(id, &entry));
        Ok(entry)
    }

    fn terminate(&mut self, now: Now, id: HeroId) -> Result<Arc<Entry>, NotDone> {
        let copy = self.copy(id)?;
        let entry = self.write_over(now, id, Value::Tombstone, &copy)?;
        let name = self.name_of(id);
        self.wrote(now, self.me(), Kind::Terminated, format!("{name} was terminated"), Write::of(id, &entry));
        Ok(entry)
    }

    /// A living copy of the hero, the newest that is known: dispatch's own, what a city showed, or what one answered. A command
    /// over an older one would pass for a write that had not seen the newer.
    fn find(&self, id: HeroId) -> Result<Arc<Entry>, NotDone> {
        let own = self.replica.map().get(id).into_iter();
        let seen = self.cities.iter().filter_map(|city| city.entries.get(&id));
        let newest = own.chain(seen).chain(self.acknowledged.get(&id)).max_by_key(|entry| (entry.is_tombstone(), entry.stamp));
        match newest {
            Some(copy) if !copy.is_tombstone() && !self.replica.knows_dead(id, copy) => Ok(Arc::clone(copy)),
            Some(_) => Err(NotDone::Deleted(id)),
            // Dead, and the tombstone collected, or gone with the only city that knew.
            None if self.known.get(&id).is_some_and(|known| self.replica.vector().covers(known.born)) => Err(NotDone::Deleted(id)),
            None => Err(NotDone::NeverHeardOf(id)),
        }
    }

    /// As [`find`](Self::find), for a command. While anything is cut, only dispatch's own copy: what it has merely seen of a city it
    /// has not heard, and a command over it would carry news past the cut.
    fn copy(&self, id: HeroId) -> Result<Arc<Entry>, NotDone> {
        if !self.troubles.any_cut() {
            return self.find(id);
        }
        match self.replica.map().get(id) {
            Some(own) if !own.is_tombstone() => Ok(Arc::clone(own)),
            Some(_) => Err(NotDone::Deleted(id)),
            None => Err(self.find(id).err().unwrap_or(NotDone::CityHasNotHeard { city: self.me() })),
        }
    }

    /// The copy that goes to a city with a command; none where replication to it is cut: then it acts on what it holds.
    fn copy_for(&self, city: NodeName, id: HeroId) -> Result<Option<Arc<Entry>>, NotDone> {
        // A pull needs both directions, so one that is cut stops both.
        if self.troubles.is_cut(self.me(), city) || self.troubles.is_cut(city, self.me()) {
            return match self.find(id) {
                Err(never @ NotDone::NeverHeardOf(_)) => Err(never),
                Ok(_) | Err(_) => Ok(None),
            };
        }
        match self.copy(id) {
            Err(NotDone::CityHasNotHeard { .. }) => Ok(None),
            copy => copy.map(Some),
        }
    }

    fn write(&mut self, now: Now, id: HeroId, value: Value) -> Result<Arc<Entry>, NotDone> {
        let written = self.replica.write(now, id, value);
        self.written(id, written)
    }

    fn write_over(&mut self, now: Now, id: HeroId, value: Value, over: &Entry) -> Result<Arc<Entry>, NotDone> {
        let written = self.replica.write_over(now, id, value, Some(over));
        self.written(id, written)
    }

    fn written(&mut self, id: HeroId, written: Result<Arc<Entry>, WriteError>) -> Result<Arc<Entry>, NotDone> {
        let entry = written.map_err(|error| match error {
            WriteError::Joining => NotDone::Joining { node: self.me() },
            WriteError::Dead => NotDone::Deleted(id),
            WriteError::TooFarAhead => NotDone::TooFarAhead { node: self.me() },
        })?;
        self.get_to_know(id, &entry);
        self.ledger.saved(id, &entry);
        self.rows_stale = true;
        self.touch();
        Ok(entry)
    }

    fn command(&mut self, now: Now, ticket: u64, key: Option<String>, city: NodeName, verb: Verb, command: Command) {
        if self.linked(city).is_none() {
            return self.answer(ticket, key, Answer::Refused(NotDone::NoAnswer { city }));
        }
        let request = self.next_request;
        self.next_request += 1;
        self.pending.insert(request, Pending { ticket, key, city, verb, deadline: now.mono + ANSWER_PATIENCE });
        // By the city's clock, as far as its last word tells how that one runs.
        let expires = self.city(city).map_or(now.wall, |mirror| mirror.wall(now)).plus(COMMAND_EXPIRES);
        self.send(city, Frame::Command { request, expires, command });
    }

    fn answer(&mut self, ticket: u64, key: Option<String>, answer: Answer) {
        if let Some(key) = key {
            // What was not done may be tried again; what may have been done may not.
            if matches!(&answer, Answer::Refused(refusal) if !matches!(refusal, NotDone::Unknown { .. })) {
                self.keys.remove(&key);
                self.keys_by_age.retain(|other| *other != key);
            } else if let Some((_, slot)) = self.keys.get_mut(&key) {
                *slot = Some(answer.clone());
            }
        }
        self.event(Event::Answer { ticket, answer });
    }

    fn remember(&mut self, key: String, verb: Verb) {
        self.keys_by_age.push_back(key.clone());
        self.keys.insert(key, (verb, None));
        while self.keys_by_age.len() > KEYS_MAX {
            let oldest = self.keys_by_age.pop_front().expect("more than none are left");
            self.keys.remove(&oldest);
        }
    }

    // What is known.

    /// Remembers a hero beyond its death: what it was called, and when it was born.
    fn get_to_know(&mut self, id: HeroId, entry: &Arc<Entry>) {
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

    fn name_of(&self, id: HeroId) -> Arc<str> {
        self.known.get(&id).map_or_else(|| id.to_string().into(), |known| Arc::clone(&known.name))
    }

    fn touch(&mut self) {
        self.view_due = true;
    }

    /// What is known at this moment. The rows are made anew only when an entry changed.
    fn view(&mut self, now: Now) -> Arc<View> {
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

    fn settle_ledger(&mut self) {
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

    fn happened(&mut self, now: Now, node: NodeName, kind: Kind, text: String) {
        self.log(Happening { number: self.next_happening, at: now.wall, node, kind, text, write: None });
    }

    fn wrote(&mut self, now: Now, node: NodeName, kind: Kind, text: String, write: Write) {
        self.log(Happening { number: self.next_happening, at: now.wall, node, kind, text, write: Some(write) });
    }

    fn log(&mut self, happening: Happening) {
        let happening = Arc::new(happening);
        self.next_happening += 1;
        self.happenings.push_back(Arc::clone(&happening));
        if self.happenings.len() > HAPPENINGS_MAX {
            self.happenings.pop_front();
        }
        self.event(Event::Happened(happening));
        self.touch();
    }

    // What is due.

    /// Has a random city pull from another, through dispatch.
    fn carry_gossip(&mut self) {
        let cities = self.linked_cities();
        let pairs = cities.iter().flat_map(|source| cities.iter().map(move |puller| (*source, *puller)));
        if let Some((source, puller)) = pairs.filter(|(source, puller)| source != puller).choose(&mut self.rng) {
            self.invite(source, puller);
        }
    }

    fn invite(&mut self, source: Origin, puller: Origin) {
        let invite = Envelope { from: self.replica.me(), to: puller, round: 0, step: Step::Invite { source } };
        self.send(puller.node, Frame::Round(invite));
    }

    fn poll_a_city(&mut self, now: Now) {
        if let Some(city) = self.linked_cities().into_iter().choose(&mut self.rng) {
            self.replica.pull(now, city, city.node, true);
        }
    }

    fn view_deadline(&self) -> Option<Duration> {
        // A city that gives no answer grows older on the page by the second, and trouble comes nearer to its end.
        let ageing = self.troubles.len() > 0 || self.cities.iter().any(|city| city.status != Status::Up);
        let wait = if self.view_due { VIEW_INTERVAL } else { Duration::from_secs(1) };
        (self.view_due || ageing).then_some(self.view_at + wait)
    }

    fn push_view(&mut self, now: Now) {
        self.view_at = now.mono;
        self.view_due = false;
        let view = self.view(now);
        self.event(Event::View(view));
    }

    fn collect_replica_outputs(&mut self, now: Now) {
        while let Some(output) = self.replica.poll() {
            match output {
                replica::Output::Send { via, envelope } => {
                    self.count_exchange(now, &envelope);
                    self.send(via, Frame::Round(envelope));
                }
                replica::Output::Event(event) => {
                    if matches!(event, replica::Event::Superseded { .. }) {
                        self.answer_everybody();
                    }
                    if let Some((node, text)) = alarm(&event).filter(|(node, _)| self.may_alarm(now, *node)) {
                        self.happened(now, node, Kind::Alarm, text);
                    }
                    self.event(Event::Replica(event));
                }
            }
        }
    }

    /// Tells people when a city's clock has come to be off by more than is accepted.
    fn look_at_the_clock(&mut self, now: Now, name: NodeName) {
        let drift_max = self.drift_max;
        let Some(city) = self.city(name) else { return };
        let ahead_ms = city.clock_ahead_ms(now).unwrap_or(0);
        let is_off = u128::from(ahead_ms.unsigned_abs()) > drift_max.as_millis();
        if is_off && !city.clock_is_off {
            let (off, what) = match ahead_ms {
                0.. => ("ahead", "the others refuse what it writes"),
                _ => ("behind", "it refuses what the others write"),
            };
            let text = format!(
                "the clock of {name} is {} {off}; beyond {} {what}",
                seconds(Duration::from_millis(ahead_ms.unsigned_abs())),
                seconds(drift_max)
            );
            city.clock_is_off = true;
            self.happened(now, name, Kind::Alarm, text);
        } else if !is_off {
            city.clock_is_off = false;
        }
    }

    /// This life is over: whoever waits for something learns that its outcome is not known.
    fn answer_everybody(&mut self) {
        for request in self.pending.keys().copied().collect::<Vec<_>>() {
            self.no_answer(request);
        }
    }

    /// Whether people have not been told of this node's trouble just now. What is refused in every round need not be told in every round.
    fn may_alarm(&mut self, now: Now, node: NodeName) -> bool {
        let quiet = self.alarmed.get(&node).is_none_or(|at| *at + ALARM_INTERVAL <= now.mono);
        if quiet {
            self.alarmed.insert(node, now.mono);
        }
        quiet
    }

    fn send(&mut self, to: NodeName, frame: Frame) {
        self.out.push_back(Output::Send { to, frame });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

/// A span of time, for people.
fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

/// What people should be told of a replica's event, if it is bad news.
fn alarm(event: &replica::Event) -> Option<(NodeName, String)> {
    match event {
        replica::Event::TooFarAhead { source, writer, ahead_ms } => {
            Some((writer.node, format!("a round from {} was refused: the clock of {} is {ahead_ms} ms ahead", source.node, writer.node)))
        }
        replica::Event::OriginStolen { source } => {
            Some((source.node, format!("a round from {} was refused: it claims writes that dispatch never made", source.node)))
        }
        replica::Event::Diverged { peer } => {
            Some((peer.node, format!("DIVERGED: {} covers the same writes and holds something else", peer.node)))
        }
        replica::Event::Fenced { source } => {
            Some((source.node, format!("{source} is an earlier life than the newest of {}: it is not heard any more", source.node)))
        }
        replica::Event::Collected { .. }
        | replica::Event::Adopted { .. }
        | replica::Event::Closed { .. }
        | replica::Event::Forgotten { .. }
        | replica::Event::Buried { .. }
        | replica::Event::Committed { .. }
        | replica::Event::GivenUp { .. }
        | replica::Event::Joined { .. }
        | replica::Event::Superseded { .. } => None,
    }
}

impl Machine for Dispatch {
    type Command = Ask;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<Ask>) {
        match input {
            Input::LinkUp { peer, incarnation } => self.on_link_up(now, peer, incarnation),
            Input::LinkDown { peer, cause } => self.on_link_down(now, peer, cause),
            Input::Refused { alive, .. } => self.replica.refused(now, alive),
            Input::Frame { from, frame } => self.on_frame(now, from, frame),
            // It sets the pace itself.
            Input::Pace(_) => {}
            Input::Command(ask) => self.on_ask(now, ask),
        }
        self.collect_replica_outputs(now);
    }

    fn poll(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let pending = self.pending.values().map(|pending| pending.deadline).min();
        let overdue = self.asked.values().map(|asked| *asked + OBSERVATION_PATIENCE).min();
        let confirming = self.confirming.iter().map(|confirming| confirming.deadline).min();
        let exchange = self.exchange.as_ref().map(|exchange| exchange.deadline);
        let due = [self.replica.deadline(), self.gossip.deadline(), self.poll.deadline(), self.pace_at, self.troubles.deadline()];
        earliest([earliest(due), pending, overdue, confirming, exchange, self.view_deadline()])
    }

    fn tick(&mut self, now: Now) {
        self.replica.tick(now);
        if self.gossip.is_due(now) {
            self.carry_gossip();
        }
        if self.poll.is_due(now) {
            self.poll_a_city(now);
        }
        let expired: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.deadline <= now.mono).map(|(request, _)| *request).collect();
        for request in expired {
            self.no_answer(request);
        }
        let overdue: Vec<NodeName> =
            self.asked.iter().filter(|(_, asked)| **asked + OBSERVATION_PATIENCE <= now.mono).map(|(city, _)| *city).collect();
        for city in overdue {
            if let Some(since) = self.city(city).map(|city| city.since()) {
                self.observe(now, city, since);
            }
        }
        if self.pace_at.is_some_and(|at| at <= now.mono) {
            self.tell_pace(now);
        }
        for fault in self.troubles.expire(now.mono) {
            self.happened(now, fault.from, Kind::Healed, format!("healed by itself: {}", describe(&fault)));
        }
        self.answer_confirmed(now);
        if self.exchange.as_ref().is_some_and(|exchange| exchange.deadline <= now.mono) {
            self.end_exchange(now);
        }
        if self.view_deadline().is_some_and(|at| at <= now.mono) {
            self.push_view(now);
        }
        self.collect_replica_outputs(now);
    }
}

#[cfg(test)]
mod tests;
