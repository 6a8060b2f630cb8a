//! The machine of a city: patrols and fights on its own heroes, commands from dispatch, gossip with
//! its peers, and observation by whoever asks.
//!
//! Invariants: a city writes only to heroes that its own copy says are alive; it never acts on a
//! command after its time; each observer has at most one question open, so a slow one costs
//! nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use gossip::fault::Pace;
use gossip::replica::{PullRecord, WriteError};
use gossip::{Incarnation, Machine, NodeName, Now, Origin, Pulled, Timer, earliest, replica};
use shared::hero::{Hero, HeroId, HeroRef, Location};
use shared::message::{Command, Done, Refusal};
use shared::{Changes, Entry, Frame, Input, Observation, Output, Replica, Superheroes, Value};

/// The least time between two answers to one observer, so that a busy city sends batches. A view
/// shows what comes within a quarter of a second; this adds hardly to what a write waits for.
const OBSERVATION_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// The longest an observer waits for a further answer when nothing changes: it learns that the city
/// lives.
const OBSERVATION_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// After how many bytes of entries an observation is full; the rest follows at once.
const OBSERVATION_BYTES: usize = 64 * 1024;
/// What a fight costs, in points of health.
const DAMAGE: std::ops::RangeInclusive<u8> = 5..=15;

/// How a city behaves. An interval of `None` switches the activity off.
#[derive(Clone, Debug)]
pub struct Config {
    /// Between two pulls from a random peer.
    pub gossip_interval: Option<Duration>,
    /// Between two heroes sent on patrol.
    pub patrol_interval: Option<Duration>,
    /// Between two fights.
    pub fight_interval: Option<Duration>,
    /// The replica's limits.
    pub replica: replica::Config,
}

/// What a city tells its process.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It was bombed: this life ends here, with all its memory.
    Bombed,
    /// Dispatch assigned a hero here.
    Assigned {
        /// Which.
        hero: HeroId,
    },
    /// A hero went on patrol.
    Patrols {
        /// Which.
        hero: HeroId,
    },
    /// A hero met a villain.
    Fought {
        /// Which.
        hero: HeroId,
        /// What it cost, in points.
        damage: u8,
        /// Whether it was the last fight.
        died: bool,
    },
    /// Something happened in a replication round.
    Replica(replica::Event),
}

/// Somebody who watches this city.
#[derive(Debug)]
struct Observer {
    /// What they asked and have not been told yet.
    question: Option<Question>,
    /// When they may be told again.
    not_before: Duration,
}

#[derive(Debug)]
struct Question {
    since: u64,
    pulls: u64,
    /// When they are told that there is nothing to tell.
    not_after: Duration,
}

/// The machine of one life of a city.
#[derive(Debug)]
pub struct City {
    replica: Replica,
    crashes: u32,
    links: BTreeMap<NodeName, Incarnation>,
    observers: BTreeMap<NodeName, Observer>,
    rng: ChaCha8Rng,
    gossip: Timer,
    /// When gossip runs free again, if dispatch does not say otherwise until then.
    free_at: Option<Duration>,
    patrol: Timer,
    fight: Timer,
    out: VecDeque<Output<Event>>,
}

impl City {
    /// A city at the beginning of the life `me`, empty, after `crashes` earlier lives of its
    /// process.
    #[must_use]
    pub fn new(me: Origin, config: Config, crashes: u32, seed: u64, now: Now) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut timer = |interval| Timer::new(interval, rng.random_range(0.0..1.0), now);
        let (gossip, patrol, fight) = (
            timer(config.gossip_interval),
            timer(config.patrol_interval),
            timer(config.fight_interval),
        );
        Self {
            replica: Replica::new(me, config.replica, now),
            crashes,
            links: BTreeMap::new(),
            observers: BTreeMap::new(),
            rng,
            gossip,
            free_at: None,
            patrol,
            fight,
            out: VecDeque::new(),
        }
    }

    /// The city's copy of the map.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    fn here(&self) -> Location {
        Location::City(self.replica.me().node)
    }

    fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame) {
        match frame {
            Frame::Round(envelope) => self.replica.handle(now, from, envelope),
            Frame::Command { request, expires, command, trace: _ } => {
                let result = if now.wall > expires {
                    Err(Refusal::Expired)
                } else {
                    self.execute(now, &command)
                };
                let bombed = result == Ok(Done::Bombed);
                self.send(from, Frame::Answer { request, result });
                if bombed {
                    self.event(Event::Bombed);
                }
            }
            Frame::Observe { since, pulls } => self.on_observe(now, from, since, pulls),
            // A city asks nobody anything, and what is asked of its process it does not hear.
            Frame::Answer { .. } | Frame::Observation(_) | Frame::Control(_) | Frame::Report(_) => {
            }
        }
    }

    fn execute(&mut self, now: Now, command: &Command) -> Result<Done, Refusal> {
        match command {
            Command::Bomb => Ok(Done::Bombed),
            Command::Assign { hero, to, copy } => {
                self.assign(now, *hero, *to, copy.as_deref()).map(Done::Assigned)
            }
        }
    }

    fn assign(
        &mut self,
        now: Now,
        id: HeroId,
        to: Location,
        copy: Option<&Entry>,
    ) -> Result<Arc<Entry>, Refusal> {
        // One that has lost its memory has not "never heard of" anybody.
        if !self.replica.joined() {
            return Err(Refusal::Joining);
        }
        let held = self.replica.map().get(id);
        let over = held.as_ref().or(copy).ok_or(Refusal::UnknownAtCity)?;
        let hero = over.live().ok_or(Refusal::Deleted)?.assigned(to);
        let entry =
            self.replica.write_over(now, id, Value::Live(hero), Some(over)).map_err(|error| {
                match error {
                    WriteError::Joining => Refusal::Joining,
                    WriteError::Deleted => Refusal::Deleted,
                    WriteError::TooFarAhead => Refusal::TooFarAhead,
                    WriteError::TooManyLive | WriteError::TooManyTombstones => {
                        unreachable!("an assignment begins and ends no life")
                    }
                }
            })?;
        self.event(Event::Assigned { hero: id });
        Ok(Arc::new(entry))
    }

    fn on_observe(&mut self, now: Now, from: NodeName, since: u64, pulls: u64) {
        // A number from another life, from the future, or from too far back starts over.
        let map = self.replica.map();
        let since = if since > map.changes() || !map.remembers_since(since) { 0 } else { since };
        let (not_before, not_after) = match self.observers.get(&from) {
            Some(observer) => (observer.not_before, now.mono + OBSERVATION_INTERVAL_MAX),
            // A newcomer learns at once how things stand.
            None => (now.mono, now.mono),
        };
        self.observers.insert(
            from,
            Observer { question: Some(Question { since, pulls, not_after }), not_before },
        );
        self.answer_observers(now);
    }

    /// When this observer is told something; never while nothing is asked.
    fn observer_deadline(&self, observer: &Observer) -> Option<Duration> {
        let question = observer.question.as_ref()?;
        Some(if question.since < self.replica.map().changes() {
            observer.not_before
        } else {
            question.not_after
        })
    }

    fn answer_observers(&mut self, now: Now) {
        let is_due =
            |observer: &Observer| self.observer_deadline(observer).is_some_and(|at| at <= now.mono);
        let due: Vec<NodeName> = self
            .observers
            .iter()
            .filter(|(_, observer)| is_due(observer))
            .map(|(name, _)| *name)
            .collect();
        for name in due {
            let question =
                self.observers.get_mut(&name).and_then(|observer| observer.question.take());
            let Some(Question { since, pulls, .. }) = question else { continue };
            let observation = self.observation(now, since, pulls);
            // When more is waiting than one answer takes, the next follows without a pause.
            let pause = if observation.until < observation.head {
                Duration::ZERO
            } else {
                OBSERVATION_INTERVAL_MIN
            };
            self.observers.insert(name, Observer { question: None, not_before: now.mono + pause });
            self.send(name, Frame::Observation(observation));
        }
    }

    fn observation(&self, now: Now, since: u64, pulls: u64) -> Observation {
        let map = self.replica.map();
        let (numbers, entries) = map.packed_changes(since, OBSERVATION_BYTES);
        let last = numbers.last().copied().unwrap_or(since);
        let until = if map.has_changed_since(last) { last } else { map.changes() };
        Observation {
            incarnation: self.replica.me().incarnation,
            since,
            until,
            wall: now.wall,
            head: map.changes(),
            removed: map.removed_between(since, until).collect(),
            changes: Changes { numbers, entries },
            pulls: self.replica.pull_log().since(pulls).map(|record| pulled(now, record)).collect(),
            pulls_until: self.replica.pull_log().written(),
            gossip_interval: self.gossip.interval(),
            live: map.live() as u64,
            tombstones: map.tombstones() as u64,
            fingerprint: map.fingerprint(),
            vector: self.replica.vector().clone(),
            crashes: self.crashes,
            joined: self.replica.joined(),
        }
    }

    fn set_pace(&mut self, now: Now, pace: Pace) {
        self.gossip.set_pace(pace, now);
        self.replica.pause(pace == Pace::PAUSED);
    }

    fn gossip(&mut self, now: Now) {
        let peer = self
            .links
            .iter()
            .choose(&mut self.rng)
            .map(|(node, incarnation)| Origin { node: *node, incarnation: *incarnation });
        if let Some(peer) = peer {
            self.replica.pull(now, peer, peer.node, true);
        }
    }

    fn patrol(&mut self, now: Now) {
        let Some((id, hero)) = self.pick(|_| true) else { return };
        if !hero.is_patrolling
            && self.replica.write(now, id, Value::Live(hero.patrolling())).is_ok()
        {
            self.event(Event::Patrols { hero: id });
        }
    }

    fn fight(&mut self, now: Now) {
        let Some((id, hero)) = self.pick(|hero| hero.is_patrolling) else { return };
        let damage = self.rng.random_range(DAMAGE);
        let wounded = hero.wounded(damage);
        let died = wounded.is_none();
        if self.replica.write(now, id, wounded.map_or(Value::Tombstone, Value::Live)).is_ok() {
            self.event(Event::Fought { hero: id, damage, died });
        }
    }

    /// One of the heroes here that `fits`, at random.
    fn pick(&mut self, fits: impl Fn(HeroRef<'_>) -> bool) -> Option<(HeroId, Hero)> {
        let here = self.here();
        let fitting = self
            .replica
            .map()
            .live_entries()
            .filter(|(_, hero)| hero.location == here && fits(*hero));
        fitting.choose(&mut self.rng).map(|(id, hero)| (id, hero.to_hero()))
    }

    fn collect_replica_outputs(&mut self) {
        while let Some(output) = self.replica.poll() {
            self.out.push_back(match output {
                replica::Output::Send { via, envelope } => {
                    Output::Send { to: via, frame: Frame::Round(envelope) }
                }
                replica::Output::Event(event) => Output::Event(Event::Replica(event)),
            });
        }
    }

    fn send(&mut self, to: NodeName, frame: Frame) {
        self.out.push_back(Output::Send { to, frame });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

fn pulled(now: Now, record: &PullRecord) -> Pulled {
    Pulled {
        source: record.source.node,
        asked_ago: now.mono.saturating_sub(record.asked),
        ended_ago: now.mono.saturating_sub(record.ended),
        outcome: record.outcome.clone(),
    }
}

impl Machine for City {
    type App = Superheroes;
    type Command = std::convert::Infallible;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<Self::Command>) {
        match input {
            Input::LinkUp { peer, incarnation } => {
                self.links.insert(peer, incarnation);
                self.replica.link_up(now, Origin { node: peer, incarnation });
            }
            Input::LinkDown { peer, cause: _ } => {
                self.links.remove(&peer);
                self.observers.remove(&peer);
                self.replica.link_down(peer);
            }
            Input::Refused { alive, .. } => self.replica.refused(now, alive),
            Input::Frame { from, frame } => self.on_frame(now, from, frame),
            Input::Pace(pace) => {
                self.set_pace(now, pace);
                self.free_at = (pace != Pace::FREE).then(|| now.mono + Pace::LEASE);
            }
            Input::Command(never) => match never {},
        }
        self.collect_replica_outputs();
        self.answer_observers(now);
    }

    fn poll(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let observers =
            self.observers.values().filter_map(|observer| self.observer_deadline(observer)).min();
        earliest([
            self.replica.deadline(),
            self.gossip.deadline(),
            self.free_at,
            self.patrol.deadline(),
            self.fight.deadline(),
            observers,
        ])
    }

    fn tick(&mut self, now: Now) {
        if self.free_at.is_some_and(|at| at <= now.mono) {
            self.free_at = None;
            self.set_pace(now, Pace::FREE);
        }
        self.replica.tick(now);
        if self.gossip.is_due(now) {
            self.gossip(now);
        }
        if self.patrol.is_due(now) {
            self.patrol(now);
        }
        if self.fight.is_due(now) {
            self.fight(now);
        }
        self.collect_replica_outputs();
        self.answer_observers(now);
    }
}

#[cfg(test)]
mod tests;
