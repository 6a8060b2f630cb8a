//! The machine of a city: patrols and fights of its heroes, commands from dispatch, gossip with its
//! peers, and observations for any peer that requests them.
//!
//! Invariants: a quiet city writes only when it is asked to; a city writes only to heroes that are not deleted in its replica (or in the copy in
//! the command, if the replica has no entry); it does not execute an expired command; each observer
//! has at most one open request, so a slow observer costs nothing.

mod villain;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use gossip::fault::Pace;
use gossip::replica::{PullRecord, WriteError};
use gossip::types::desk::{Answered, Asked, Desk};
use gossip::types::request::Request;
use gossip::{Incarnation, Machine, NodeName, Now, Origin, Pulled, Timer, earliest, replica};
use shared::hero::{Hero, HeroId, HeroRef, Location};
use shared::message::{Command, Done, Refusal};
use shared::{Changes, Entry, Frame, Input, Observation, Output, Replica, Superheroes, Value};

pub use self::villain::NAME as VILLAIN;
use self::villain::Villain;

/// The shortest interval between two observations sent to one observer, so that a busy city sends
/// batches. It is small compared with the quarter of a second at which views are published.
const OBSERVATION_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// The longest time until a request is answered if nothing changes. The answer shows the observer
/// that the city is up.
const OBSERVATION_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// The size of entries at which an observation is full, in bytes. The rest follows without a pause.
const OBSERVATION_BYTES: usize = 64 * 1024;
/// The counter of fights. Its share of a city is the number of fights there.
pub const FIGHTS: &str = "fights";
/// The damage of a fight, in points of health.
const DAMAGE: std::ops::RangeInclusive<u8> = 5..=15;

/// The configuration of a city. An interval of `None` switches the activity off.
#[derive(Clone, Debug)]
pub struct Config {
    /// The interval between pulls from a random peer.
    pub gossip_interval: Option<Duration>,
    /// The interval at which a hero goes on patrol.
    pub patrol_interval: Option<Duration>,
    /// The interval between fights.
    pub fight_interval: Option<Duration>,
    /// The configuration of the replica.
    pub replica: replica::Config,
}

/// An event that a city reports to its process.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The city was bombed: this incarnation must end and lose all its memory.
    Bombed,
    /// Dispatch ended the process.
    Ended {
        /// True if it ends immediately, without any cleanup.
        at_once: bool,
    },
    /// Dispatch assigned a hero.
    Assigned {
        /// The hero.
        hero: HeroId,
    },
    /// A hero went on patrol.
    Patrols {
        /// The hero.
        hero: HeroId,
    },
    /// A hero fought.
    Fought {
        /// The hero.
        hero: HeroId,
        /// The damage, in points of health.
        damage: u8,
        /// Set if no health is left; the hero is deleted.
        fell: bool,
    },
    /// The city has registered a villain, since no other city had one.
    VillainArrived {
        /// The villain.
        villain: &'static str,
    },
    /// A request to one of the library's types was executed or refused.
    Answered(Answered),
    /// An event of the replica.
    Replica(replica::Event),
}

/// A peer that observes this city.
#[derive(Debug)]
struct Observer {
    /// The open request, if any.
    request: Option<ObserveRequest>,
    /// The earliest time of the next observation.
    not_before: Duration,
}

#[derive(Debug)]
struct ObserveRequest {
    since: u64,
    pulls: u64,
    /// The time at which the request is answered even if nothing has changed.
    not_after: Duration,
}

/// The machine of one incarnation of a city.
#[derive(Debug)]
pub struct City {
    replica: Replica,
    desk: Desk,
    crashes: u32,
    links: BTreeMap<NodeName, Incarnation>,
    observers: BTreeMap<NodeName, Observer>,
    rng: ChaCha8Rng,
    gossip: Timer,
    /// The time at which gossip returns to its configured pace, unless dispatch renews the change.
    pace_expires_at: Option<Duration>,
    /// The time until which there are no patrols and no fights, unless dispatch renews it.
    quiet_until: Option<Duration>,
    patrol: Timer,
    fight: Timer,
    out: VecDeque<Output<Event>>,
}

impl City {
    /// Returns an empty city at the start of the incarnation `me`, after `crashes` crashes of
    /// earlier incarnations of its process.
    #[must_use]
    pub fn new(me: Origin, config: Config, crashes: u32, seed: u64, now: Now) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Random phases, so that cities that start together do not act in lockstep.
        let mut timer = |interval| Timer::new(interval, rng.random_range(0.0..1.0), now);
        let (gossip, patrol, fight) = (
            timer(config.gossip_interval),
            timer(config.patrol_interval),
            timer(config.fight_interval),
        );
        Self {
            replica: Replica::new(me, config.replica, now),
            desk: Desk::new(now),
            crashes,
            links: BTreeMap::new(),
            observers: BTreeMap::new(),
            rng,
            gossip,
            pace_expires_at: None,
            quiet_until: None,
            patrol,
            fight,
            out: VecDeque::new(),
        }
    }

    /// Returns the city's replica of the map.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns the part that serves the library's types.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Removes entries of the city's replica without a trace, as a fault of memory does. For tests.
    #[doc(hidden)]
    pub fn lose_entries(&mut self, is_lost: impl Fn(HeroId) -> bool) {
        self.replica.lose_entries(is_lost);
    }

    fn here(&self) -> Location {
        Location::City(self.replica.me().node)
    }

    fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame) {
        match frame {
            Frame::Round(envelope) => self.replica.handle(now, from, envelope),
            Frame::Command { request, expires, command, trace: _ } => {
                // Dispatch has given up on an expired command, so it must not take effect.
                let result = if now.wall > expires {
                    Err(Refusal::Expired)
                } else {
                    self.execute(now, &command)
                };
                let end = match result {
                    Ok(Done::Bombed) => Some(Event::Bombed),
                    Ok(Done::Ending) => Some(Event::Ended { at_once: command == Command::Kill }),
                    Ok(Done::Assigned(_) | Done::Asked(_)) | Err(_) => None,
                };
                // The answer is queued before the event, since the event ends the incarnation.
                self.send(from, Frame::Answer { request, result });
                self.out.extend(end.map(Output::Event));
            }
            Frame::Observe { since, pulls } => self.on_observe(now, from, since, pulls),
            // A city sends no requests, so it ignores answers. Its process handles control frames.
            Frame::Answer { .. }
            | Frame::Observation(_)
            | Frame::Control(_)
            | Frame::Report(_)
            | Frame::Publication(_)
            | Frame::Call(_)
            | Frame::Return(_)
            | Frame::Cancel { .. } => {}
        }
    }

    fn execute(&mut self, now: Now, command: &Command) -> Result<Done, Refusal> {
        match command {
            Command::Ask(request) => self.ask(now, request.clone()).map(Done::Asked),
            Command::Bomb => Ok(Done::Bombed),
            Command::Stop | Command::Kill => Ok(Done::Ending),
            Command::Assign { hero, to, copy } => {
                self.assign(now, *hero, *to, copy.as_deref()).map(Done::Assigned)
            }
        }
    }

    /// Executes a request to one of the types. Returns its writes.
    fn ask(&mut self, now: Now, request: Request) -> Result<Vec<(HeroId, Arc<Entry>)>, Refusal> {
        let before = self.replica.map().changes();
        self.desk.request(&mut self.replica, now, request).map_err(Refusal::Type)?;
        let written = self.replica.map().written_since(before, self.replica.me()).into_iter();
        Ok(written.map(|(key, entry)| (key, Arc::new(entry))).collect())
    }

    fn assign(
        &mut self,
        now: Now,
        id: HeroId,
        to: Location,
        copy: Option<&Entry>,
    ) -> Result<Arc<Entry>, Refusal> {
        // Before it has joined, a missing entry does not mean that the hero is unknown.
        if !self.replica.joined() {
            return Err(Refusal::Joining);
        }
        if id.table().is_some() {
            return Err(Refusal::UnknownAtCity);
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
                    WriteError::TooManyLive
                    | WriteError::TooManyTombstones
                    | WriteError::TooManyBytes
                    | WriteError::Misplaced => {
                        unreachable!("an assignment neither creates nor deletes a hero")
                    }
                }
            })?;
        self.event(Event::Assigned { hero: id });
        Ok(Arc::new(entry))
    }

    fn on_observe(&mut self, now: Now, from: NodeName, since: u64, pulls: u64) {
        // A change number of another incarnation, above the latest one, or below the oldest one
        // that is remembered: the observation starts from the beginning.
        let map = self.replica.map();
        let since = if since > map.changes() || !map.remembers_since(since) { 0 } else { since };
        let (not_before, not_after) = match self.observers.get(&from) {
            Some(observer) => (observer.not_before, now.mono + OBSERVATION_INTERVAL_MAX),
            // A new observer is answered immediately.
            None => (now.mono, now.mono),
        };
        self.observers.insert(
            from,
            Observer { request: Some(ObserveRequest { since, pulls, not_after }), not_before },
        );
        self.answer_observers(now);
    }

    /// Returns the time of the next observation for this observer; `None` without an open request.
    fn observer_deadline(&self, observer: &Observer) -> Option<Duration> {
        let request = observer.request.as_ref()?;
        Some(if request.since < self.replica.map().changes() {
            observer.not_before
        } else {
            request.not_after
        })
    }

    fn answer_observers(&mut self, now: Now) {
        // Collected first, since answering changes the observers.
        let is_due =
            |observer: &Observer| self.observer_deadline(observer).is_some_and(|at| at <= now.mono);
        let due: Vec<NodeName> = self
            .observers
            .iter()
            .filter(|(_, observer)| is_due(observer))
            .map(|(name, _)| *name)
            .collect();
        for name in due {
            let request =
                self.observers.get_mut(&name).and_then(|observer| observer.request.take());
            let Some(ObserveRequest { since, pulls, .. }) = request else { continue };
            let observation = self.observation(now, since, pulls);
            // If the changes exceed one observation, the next one follows without a pause.
            let pause = if observation.until < observation.head {
                Duration::ZERO
            } else {
                OBSERVATION_INTERVAL_MIN
            };
            self.observers.insert(name, Observer { request: None, not_before: now.mono + pause });
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
            reference: now.reference,
            head: map.changes(),
            removed: map.removed_between(since, until).collect(),
            changes: Changes { numbers, entries },
            pulls: self.replica.pull_log().since(pulls).map(|record| pulled(now, record)).collect(),
            pulls_until: self.replica.pull_log().written(),
            gossip_interval: self.gossip.interval(),
            live: map.live() as u64,
            tombstones: map.tombstones() as u64,
            fingerprint: map.application().fingerprint,
            vector: self.replica.vector().clone(),
            crashes: self.crashes,
            joined: self.replica.joined(),
        }
    }

    fn set_pace(&mut self, now: Now, pace: Pace) {
        self.gossip.set_pace(pace, now);
        // The replica starts rounds of its own, for example to join, which a pause must stop too.
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
        // If the write is refused, for example before joining, the patrol is skipped.
        if !hero.is_patrolling
            && self.replica.write(now, id, Value::Live(hero.patrolling())).is_ok()
        {
            self.event(Event::Patrols { hero: id });
        }
    }

    fn fight(&mut self, now: Now) {
        let found = villain::find(&mut self.desk, &mut self.replica, now, &mut self.rng);
        match found {
            Villain::Absent => return,
            Villain::Arrived(villain) => self.event(Event::VillainArrived { villain }),
            Villain::Present => {}
        }
        let Some((id, hero)) = self.pick(|hero| hero.is_patrolling) else { return };
        let damage = self.rng.random_range(DAMAGE);
        let wounded = hero.wounded(damage);
        let fell = wounded.is_none();
        // At the limit of tombstones the write is refused and the hero keeps its health.
        if self.replica.write(now, id, wounded.map_or(Value::Tombstone, Value::Live)).is_ok() {
            // In the same step, so that no node shows the fight without its count. At a limit of
            // the tables the fight is not counted.
            let fought = Request::Add { counter: FIGHTS.to_owned(), amount: 1 };
            let _ = self.desk.request(&mut self.replica, now, fought);
            self.event(Event::Fought { hero: id, damage, fell });
        }
    }

    /// Returns a random hero in this city for which `fits` holds.
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
    type Command = Asked;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<Self::Command>) {
        match input {
            Input::LinkUp { peer, incarnation } => {
                let peer = Origin { node: peer, incarnation };
                self.links.insert(peer.node, incarnation);
                self.desk.link_up(peer);
                self.replica.link_up(now, peer);
            }
            Input::LinkDown { peer, cause: _ } => {
                self.links.remove(&peer);
                self.observers.remove(&peer);
                self.desk.link_down(now, peer);
                self.replica.link_down(peer);
            }
            Input::Refused { running, .. } => self.replica.refused(now, running),
            Input::Frame { from, frame } => self.on_frame(now, from, frame),
            Input::Pace(set) => {
                self.set_pace(now, set.value);
                // A change of pace is a lease that dispatch renews, so gossip resumes when dispatch
                // is unreachable.
                self.pace_expires_at = set.lease_ends(now.mono);
            }
            Input::Quiet(set) => self.quiet_until = set.lease_ends(now.mono),
            Input::Command(asked) => {
                let answered = self.desk.execute(&mut self.replica, now, asked);
                self.event(Event::Answered(answered));
            }
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
            self.desk.deadline(),
            self.gossip.deadline(),
            self.pace_expires_at,
            self.quiet_until,
            self.patrol.deadline(),
            self.fight.deadline(),
            observers,
        ])
    }

    fn tick(&mut self, now: Now) {
        if self.pace_expires_at.is_some_and(|at| at <= now.mono) {
            self.pace_expires_at = None;
            self.set_pace(now, Pace::FREE);
        }
        self.quiet_until.take_if(|until| *until <= now.mono);
        self.desk.tick(now);
        self.replica.tick(now);
        if self.gossip.is_due(now) {
            self.gossip(now);
        }
        let is_quiet = self.quiet_until.is_some();
        // The timers keep running, so that cities do not act in lockstep when a quiet ends.
        if self.patrol.is_due(now) && !is_quiet {
            self.patrol(now);
        }
        if self.fight.is_due(now) && !is_quiet {
            self.fight(now);
        }
        self.collect_replica_outputs();
        self.answer_observers(now);
    }
}

#[cfg(test)]
mod tests;
