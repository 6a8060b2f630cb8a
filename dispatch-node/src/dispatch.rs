//! The machine of dispatch: its own replica, a mirror of each city, and what browsers and scripts ask for.
//!
//! It carries gossip between random pairs of cities, pulls from a random city (the poll), observes every city, and hands out
//! views. Invariants: it commands, it never writes for a city; a command has one answer, within its time; what it does not
//! know it does not claim.

mod commands;
mod faults;
mod observe;
mod publish;
mod refresh;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use shared::clock::Stamp;
use shared::crdt::Entry;
use shared::fault::{Fault, FaultId, Pace};
use shared::hero::HeroName;
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::machine::{Input, Machine, Output, Timer, earliest};
use shared::message::{Envelope, Frame, Step};
use shared::replica::{self, Replica};
use shared::time::Now;

use crate::event_log::{EventKind, LoggedEvent};
use crate::model::city_state::CityState;
use crate::model::difference_age::DifferenceAges;
use crate::model::exchange::PendingExchange;
use crate::model::faults::{Faults, describe};
use crate::model::history::History;
use crate::model::lost_writes::LostWrites;
use crate::model::rows::Rows;
use crate::model::view::{Aftermath, View};
use crate::model::write_lag::WriteLags;
use crate::request::{Action, Reply, Request};

/// A city does not act on a command later than this.
const COMMAND_EXPIRES: Duration = Duration::from_secs(1);
/// How long a city's answer is waited for: a command that has expired by then did not happen.
const ANSWER_PATIENCE: Duration = Duration::from_millis(1_700);
/// How long an observation may be overdue before it is asked for again.
const OBSERVATION_PATIENCE: Duration = Duration::from_secs(3);
/// The least time between two views pushed to browsers.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);
/// How long a view waits for what belongs to the change that it shows first: a city answers an order, and tells a moment later what it did, after
/// a pause of up to 20 ms.
const VIEW_GATHERS: Duration = Duration::from_millis(25);
/// How long a view may wait for what has changed to be followed.
const VIEW_LATE_MAX: Duration = Duration::from_secs(1);
/// The least time between two pulls from a city because it has written something.
const HEAR_INTERVAL: Duration = Duration::from_millis(50);
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
    /// The number of logged events that are kept.
    pub events_max: usize,
    /// The replica's limits.
    pub replica: replica::Config,
}

/// What dispatch tells its process.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reply to a request.
    Reply {
        /// The ask's ticket.
        ticket: u64,
        /// What became of it.
        reply: Reply,
    },
    /// Something changed: what is known now.
    View(Arc<View>),
    /// Something happened that people may want to know.
    Logged(Arc<LoggedEvent>),
    /// Writes have arrived at every city that answers, after this long.
    Arrived(Vec<Duration>),
    /// Wake this node's process, which this fault keeps frozen, so that it hears no frame.
    Thaw(NodeName, FaultId),
    /// Something happened in a replication round.
    Replica(replica::Event),
}

/// What is remembered of a hero that may be gone.
#[derive(Debug)]
struct Known {
    name: HeroName,
    born: Stamp,
}

/// A command sent to a city, waiting for its answer.
#[derive(Debug)]
struct Pending {
    ticket: u64,
    key: Option<String>,
    city: NodeName,
    action: Action,
    /// What a bomb puts at stake.
    at_stake: Vec<(HeroId, HeroName)>,
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
    cities: Vec<CityState>,
    links: BTreeMap<NodeName, Incarnation>,
    known: BTreeMap<HeroId, Known>,
    pending: BTreeMap<u64, Pending>,
    next_request: u64,
    asked: BTreeMap<NodeName, Duration>,
    keys: BTreeMap<String, (Action, Option<Reply>)>,
    keys_by_age: VecDeque<String>,
    ledger: LostWrites,
    lags: WriteLags,
    /// What cities answered as done, until dispatch's own copy covers it.
    acknowledged: BTreeMap<HeroId, Arc<Entry>>,
    differing: DifferenceAges,
    events: Vector<Arc<LoggedEvent>>,
    events_max: usize,
    next_event: u64,
    agreed: bool,
    rows: Rows,
    /// Whether each city counts when copies are compared.
    counted: Vec<bool>,
    /// Whether somebody has come to hold something else, or another life, since the ledger was looked through.
    holdings_changed: bool,
    /// When the cities that have written something are pulled from next, and when each was last for that.
    to_hear: BTreeMap<NodeName, Duration>,
    heard: BTreeMap<NodeName, Duration>,
    /// The heroes whose rows are to be made anew.
    stale: BTreeSet<HeroId>,
    /// Those of them that dispatch itself has written.
    written: BTreeSet<HeroId>,
    /// Whose row was made anew last.
    followed: HeroId,
    /// Whether not all that has changed has been followed.
    is_behind: bool,
    /// Up to which of its own replica's changes and pulls dispatch has looked.
    own_changes: u64,
    own_pulls: u64,
    history: History,
    /// Whether the history has grown since the last view, by what can wait.
    history_grew: bool,
    /// What the last bombs put at stake, newest last.
    aftermaths: VecDeque<Arc<Aftermath>>,
    /// When the last view was shown.
    view_at: Duration,
    /// Since when there is something to show that it does not.
    touched_at: Option<Duration>,
    rng: ChaCha8Rng,
    troubles: Faults,
    confirming: Vec<Confirming>,
    /// What each node's process reports to be in force.
    reported: BTreeMap<NodeName, BTreeSet<FaultId>>,
    /// How far ahead a stamp may be.
    drift_max: Duration,
    pace: Pace,
    /// When the cities are told of the pace again, while it is not the usual one.
    pace_at: Option<Duration>,
    exchange: Option<PendingExchange>,
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
            cities: config.cities.into_iter().map(CityState::new).collect(),
            links: BTreeMap::new(),
            known: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_request: 1,
            asked: BTreeMap::new(),
            keys: BTreeMap::new(),
            keys_by_age: VecDeque::new(),
            ledger: LostWrites::default(),
            lags: WriteLags::new(now),
            acknowledged: BTreeMap::new(),
            differing: DifferenceAges::default(),
            events: Vector::new(),
            events_max: config.events_max,
            next_event: 1,
            agreed: false,
            rows: Rows::default(),
            counted: Vec::new(),
            holdings_changed: true,
            to_hear: BTreeMap::new(),
            heard: BTreeMap::new(),
            stale: BTreeSet::new(),
            written: BTreeSet::new(),
            followed: HeroId(Uuid::nil()),
            is_behind: false,
            own_changes: 0,
            own_pulls: 0,
            history: History::default(),
            history_grew: false,
            aftermaths: VecDeque::new(),
            view_at: now.mono,
            touched_at: Some(now.mono),
            troubles: Faults::default(),
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

    fn city(&mut self, name: NodeName) -> Option<&mut CityState> {
        self.cities.iter_mut().find(|city| city.name == name)
    }

    fn linked(&self, name: NodeName) -> Option<Origin> {
        self.links.get(&name).map(|incarnation| Origin { node: name, incarnation: *incarnation })
    }

    fn linked_cities(&self) -> Vec<Origin> {
        self.cities.iter().filter_map(|city| self.linked(city.name)).collect()
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

    /// Pulls from a city that has written something, rather than at the next poll; but not for each of very many writes.
    fn hear_soon(&mut self, now: Now, city: NodeName) {
        let earliest = self.heard.get(&city).map_or(now.mono, |last| *last + HEAR_INTERVAL);
        self.to_hear.entry(city).or_insert(earliest);
        self.hear_what_is_due(now);
    }

    fn hear_what_is_due(&mut self, now: Now) {
        let due: Vec<NodeName> = self.to_hear.iter().filter(|(_, at)| **at <= now.mono).map(|(city, _)| *city).collect();
        for city in due {
            self.to_hear.remove(&city);
            self.heard.insert(city, now.mono);
            if let Some(origin) = self.linked(city) {
                self.replica.pull(now, origin, city, true);
            }
        }
    }

    fn poll_a_city(&mut self, now: Now) {
        if let Some(city) = self.linked_cities().into_iter().choose(&mut self.rng) {
            self.replica.pull(now, city, city.node, true);
        }
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

impl Machine for Dispatch {
    type Command = Request;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<Request>) {
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
        let to_hear = self.to_hear.values().min().copied();
        let behind = self.is_behind.then_some(Duration::ZERO);
        earliest([earliest(due), pending, overdue, confirming, exchange, to_hear, behind, self.view_deadline()])
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
            self.observe(now, city);
        }
        if self.pace_at.is_some_and(|at| at <= now.mono) {
            self.tell_pace(now);
        }
        for fault in self.troubles.expire(now.mono) {
            self.happened(now, fault.from, EventKind::Healed, format!("healed by itself: {}", describe(&fault)));
        }
        self.answer_confirmed(now);
        if self.exchange.as_ref().is_some_and(|exchange| exchange.deadline <= now.mono) {
            self.end_exchange(now);
        }
        self.hear_what_is_due(now);
        self.show(now);
        self.collect_replica_outputs(now);
    }
}

#[cfg(test)]
mod tests;
