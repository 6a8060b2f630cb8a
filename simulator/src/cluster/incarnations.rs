//! The incarnations of processes: start, end, restart, freeze and thaw.
//!
//! Invariant: no two incarnations have the same name, number and random bits, and a new incarnation
//! has no state of its predecessor.

use std::time::Duration;

use dispatch_node::dispatch::{self, Dispatch};
use gossip::{Incarnation, Intensity, NodeName, Now, Origin, replica};
use location_node::city::{self, City};
use rand::RngExt;

use super::Cluster;
use super::queue::Event;
use crate::machine::Machine;
use crate::process::{Process, State};
use crate::wall_clock::WallClock;

/// The delay after which an operator restarts a process that has exited.
const OPERATOR_DELAY: Duration = Duration::from_secs(1);
/// The limit of the number of names in a cluster in which cities are founded.
const NAMES_MAX: usize = 64;
/// The default restart limit of cities.
const RESTARTS_MAX: usize = 3;
const RESTARTS_WINDOW: Duration = Duration::from_secs(5);

/// The reason why an incarnation ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Bombed,
    /// The process continues as an incarnation above this one.
    Superseded(Incarnation),
    Halted,
}

impl Cluster {
    /// Returns a clock with a random skew and drift.
    pub(super) fn draw_clock(&mut self) -> WallClock {
        let (skew, drift) = (self.noise.skew_ms, self.noise.drift_ppm);
        let skew_ms = self.rng.random_range(-skew..=skew);
        let drift_ppm = self.rng.random_range(-drift..=drift);
        WallClock::new(skew_ms, drift_ppm)
    }

    /// Adds a running process with this name and clock, and returns its number.
    pub(super) fn add_process(&mut self, name: NodeName, mut clock: WallClock) -> usize {
        let now = clock.read(self.now);
        let me = self.new_incarnation(name, now, None);
        let machine = self.machine(me, 0, now);
        let number = self.processes.add(Process {
            name,
            machine,
            me,
            state: State::Running,
            has_left: false,
            crashes: 0,
            intensity: Intensity::new(RESTARTS_MAX, RESTARTS_WINDOW),
            clock,
            frozen_until: None,
            inbox: Vec::new(),
            tick_at: None,
        });
        self.oracle.process_added();
        self.dial_all(number);
        self.schedule_tick(number);
        number
    }

    /// Returns a new incarnation of this name, later than `above`.
    fn new_incarnation(&mut self, node: NodeName, now: Now, above: Option<Incarnation>) -> Origin {
        let incarnation = Incarnation::begun_at(now.wall, above, self.incarnation_rng.random());
        Origin { node, incarnation }
    }

    fn machine(&mut self, me: Origin, crashes: u32, now: Now) -> Machine {
        let second = Some(Duration::from_secs(1));
        let seed = self.rng.random();
        let dispatch = "dispatch".parse().expect("a valid name");
        let configured = &self.cities[..self.configured];
        let replica = replica::Config {
            members: configured.iter().copied().chain([dispatch]).collect(),
            members_max: if self.is_open { NAMES_MAX } else { 0 },
            carriers: [dispatch].into(),
            // About two entries fit into a chunk, so that small deltas also need many chunks and
            // the edge cases of a round occur often.
            chunk_bytes: 300,
            window: 3,
            rules: self.rules.clone(),
            ..replica::Config::default()
        };
        if self.cities.contains(&me.node) {
            let fights = self.noise.fights.then_some(Duration::from_secs(6));
            let config = city::Config {
                gossip_interval: second.filter(|_| self.noise.city_gossip),
                patrol_interval: fights,
                fight_interval: fights,
                replica,
            };
            Machine::City(Box::new(City::new(me, config, crashes, seed, now)))
        } else {
            let config = dispatch::Config {
                cities: configured.to_vec(),
                gossip_interval: second,
                poll_interval: Some(Duration::from_secs(2)),
                events_max: 4_000,
                replica,
            };
            Machine::Dispatch(Box::new(Dispatch::new(me, config, seed, now)))
        }
    }

    pub(super) fn end_incarnation(&mut self, number: usize, end: End) {
        match end {
            End::Bombed => {
                let (now, process) = (self.now, &mut self.processes[number]);
                if process.intensity.allows_restart_after_crash(now) {
                    let incarnation = process.me;
                    self.oracle.restarted(now, number, incarnation, RESTARTS_MAX, RESTARTS_WINDOW);
                    self.begin_incarnation(number, incarnation.incarnation);
                } else {
                    // The supervisor gives up; the operator starts a new one, with a fresh restart
                    // limit.
                    self.oracle.forget_restarts(number);
                    self.stop(number, OPERATOR_DELAY);
                }
            }
            End::Superseded(by) => self.begin_incarnation(number, by),
            End::Halted => {
                let name = self.processes[number].name;
                let replaces_it = |(other, process): (usize, &Process)| {
                    other != number && process.name == name && process.state != State::Halted
                };
                let is_replaced = self.processes.iter().enumerate().any(replaces_it);
                self.stop(number, OPERATOR_DELAY);
                // `stop` has scheduled a start, which is ignored in this state.
                if is_replaced {
                    self.processes[number].state = State::Halted;
                }
            }
        }
    }

    /// Starts the next incarnation of a crashed process, above the given one.
    fn begin_incarnation(&mut self, number: usize, above: Incarnation) {
        self.unlink_all(number);
        let now = self.clock(number);
        let process = &self.processes[number];
        let above = above.max(process.me.incarnation);
        let (name, crashes) = (process.name, process.crashes + 1);
        let me = self.new_incarnation(name, now, Some(above));
        let machine = self.machine(me, crashes, now);
        let process = &mut self.processes[number];
        (process.machine, process.me, process.crashes) = (machine, me, crashes);
        let was_set_back = self.processes[number].clock.was_set_back(now);
        self.oracle.incarnation_began(number, was_set_back);
        self.log(|_| format!("{me} starts after a crash"));
        self.dial_all(number);
        self.schedule_tick(number);
    }

    /// Stops a process and schedules its restart.
    pub(super) fn stop(&mut self, number: usize, down: Duration) {
        self.unlink_all(number);
        let process = &mut self.processes[number];
        process.state = State::Down;
        process.frozen_until = None;
        process.inbox.clear();
        if !process.is_city() {
            self.oracle.connections_closed();
        }
        self.schedule(down, Event::Start(number));
    }

    pub(super) fn start_if_down(&mut self, number: usize) {
        if self.processes[number].state == State::Down {
            self.start(number);
        }
    }

    /// Starts a stopped process without any earlier state. Its clock may have been set meanwhile,
    /// so its skew is drawn again.
    pub(super) fn start(&mut self, number: usize) {
        let skew = self.noise.skew_ms;
        let skew_ms = self.rng.random_range(-skew..=skew);
        let process = &mut self.processes[number];
        process.clock.skew_ms = skew_ms;
        process.clock.process_started();
        // Dispatch sends it to every process that starts.
        process.clock.accept(self.accepted);
        let now = process.clock.read(self.now);
        let name = process.name;
        let me = self.new_incarnation(name, now, None);
        let machine = self.machine(me, 0, now);
        let process = &mut self.processes[number];
        (process.machine, process.me, process.crashes) = (machine, me, 0);
        process.state = State::Running;
        process.intensity = Intensity::new(RESTARTS_MAX, RESTARTS_WINDOW);
        let was_set_back = self.processes[number].clock.was_set_back(now);
        self.oracle.incarnation_began(number, was_set_back);
        self.oracle.forget_restarts(number);
        self.log(|_| format!("{me} starts"));
        self.dial_all(number);
        self.schedule_tick(number);
    }

    /// Starts a further city, with a clock of its own.
    pub(super) fn found(&mut self, city: usize, stays: Option<Duration>) {
        let name: NodeName = format!("city-{city}").parse().expect("a valid name");
        self.cities.push(name);
        let clock = self.draw_clock();
        let number = self.add_process(name, clock);
        self.founded.insert(city, number);
        if let Some(stays) = stays {
            self.schedule(stays, Event::Leave(number));
        }
    }

    /// Ends all processes of a founded city for ever, and lets dispatch forget it.
    pub(super) fn leave(&mut self, city: usize) {
        let name = self.processes[city].name;
        for number in 0..self.processes.len() {
            if self.processes[number].name == name {
                self.unlink_all(number);
                let process = &mut self.processes[number];
                (process.state, process.has_left) = (State::Halted, true);
                process.frozen_until = None;
                process.inbox.clear();
            }
        }
        self.forget_repeatedly(city);
    }

    /// Lets dispatch forget a city that has gone. It is repeated, since dispatch may not run, may not
    /// have joined, or may learn of the city later.
    pub(super) fn forget_repeatedly(&mut self, city: usize) {
        for seconds in [1, 3, 6, 10, 20, 30, 40] {
            self.schedule(Duration::from_secs(seconds), Event::Forget(city));
        }
    }

    /// Ends the freeze of a process once its time is over, and handles the inputs that arrived
    /// meanwhile.
    pub(super) fn thaw(&mut self, number: usize) {
        let process = &mut self.processes[number];
        // A newer freeze may last longer; it has scheduled its own thaw.
        if process.frozen_until.is_none_or(|until| until > self.now) {
            return;
        }
        process.frozen_until = None;
        let inbox = std::mem::take(&mut process.inbox);
        if !process.is_city() {
            self.oracle.dispatch_thawed(self.now);
        }
        let incarnation = self.processes[number].me;
        for input in inbox {
            // An input may end the incarnation; the rest of the inbox was addressed to it.
            if self.processes[number].me == incarnation {
                self.input(number, input);
            }
        }
        self.dial_all(number);
        self.schedule_tick(number);
    }
}
