//! The machine of dispatch: its own replica, the observed cities, and the requests of browsers and
//! scripts.
//!
//! It carries gossip between random pairs of cities, pulls from a random city (the poll), observes
//! every city, and publishes views. Each part of its state is a type of its own with its own
//! deadline; this file combines them.
//!
//! Invariants: dispatch commands cities and never writes in their name; a request has one reply,
//! before its deadline; a view never claims more than dispatch has observed.

mod alarms;
mod announced;
mod commands;
mod event;
mod fault_control;
mod faults;
mod gossip_control;
mod heroes;
mod losses;
mod observe;
mod observer;
mod pending_exchange;
mod publish;
mod publisher;
mod random;
mod record;
mod refresh;
mod refresh_queue;
mod requests;
mod roster;
mod rounds;
mod settings;
mod stamps;
mod write_pulls;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gossip::types::desk::Desk;
use gossip::{Machine, NodeName, Now, Origin, Timer, UnixMillis, earliest, replica};
use shared::{Frame, Input, Output, Replica, Superheroes};

use crate::event_log::{EventKind, LoggedEvent, LoggedWrite, NewEvent};
use crate::model::comparison::Comparison;
use crate::model::known_heroes::KnownHeroes;
use crate::request::{Command, Operation, RequestError, Ticket};

pub use event::Event;
pub use heroes::CREATED;
pub use roster::CITIES_MAX;

use alarms::Alarms;
use announced::Announced;
use fault_control::FaultControl;
use gossip_control::GossipControl;
use observer::Observer;
use publisher::Publisher;
use random::Random;
use record::Record;
use refresh_queue::RefreshQueue;
use requests::Requests;
use write_pulls::WritePulls;

/// The configuration of dispatch. An interval of `None` disables the activity.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cities that are observed from the start, in the order of the columns on the page. Those
    /// that become members follow, by name.
    pub cities: Vec<NodeName>,
    /// The interval between rounds carried from one random city to another.
    pub gossip_interval: Option<Duration>,
    /// The interval between pulls from a random city into dispatch's own replica.
    pub poll_interval: Option<Duration>,
    /// The maximum number of logged events.
    pub events_max: usize,
    /// The limits of the replica.
    pub replica: replica::Config,
}

/// The machine of dispatch.
#[derive(Debug)]
pub struct Dispatch {
    replica: Replica,
    desk: Desk,
    /// The cities that are observed whether they are members or not.
    configured: Vec<NodeName>,
    observer: Observer,
    requests: Requests,
    faults: FaultControl,
    gossip: GossipControl,
    quiet: Announced<bool>,
    write_pulls: WritePulls,
    refresh: RefreshQueue,
    comparison: Comparison,
    known: KnownHeroes,
    record: Record,
    publisher: Publisher,
    alarms: Alarms,
    /// The time up to which stamps were accepted at a client's request.
    accepted: UnixMillis,
    random: Random,
    out: VecDeque<Output<Event>>,
}

impl Dispatch {
    /// Returns dispatch at the start of the incarnation `me`, with an empty replica.
    #[must_use]
    pub fn new(me: Origin, config: Config, seed: u64, now: Now) -> Self {
        let mut random = Random::new(seed, me.incarnation);
        // Random phases, so that dispatch and the cities do not start their rounds in step.
        let mut timer = |interval| Timer::new(interval, random.fraction(), now);
        let (carried, poll) = (timer(config.gossip_interval), timer(config.poll_interval));
        Self {
            alarms: Alarms::new(config.replica.drift_max),
            observer: Observer::new(config.cities.clone(), config.replica.staged_max),
            configured: config.cities,
            replica: Replica::new(me, config.replica, now),
            desk: Desk::new(now),
            requests: Requests::default(),
            faults: FaultControl::default(),
            gossip: GossipControl::new(carried, poll),
            quiet: Announced::default(),
            write_pulls: WritePulls::default(),
            refresh: RefreshQueue::default(),
            comparison: Comparison::new(now),
            known: KnownHeroes::default(),
            record: Record::new(config.events_max, now),
            publisher: Publisher::new(now),
            accepted: UnixMillis::default(),
            random,
            out: VecDeque::new(),
        }
    }

    /// Returns dispatch's own replica.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns the part that serves the library's types.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Removes entries of dispatch's own replica without a trace, as a fault of memory does. For tests.
    #[doc(hidden)]
    pub fn lose_entries(&mut self, is_lost: impl Fn(gossip::Key) -> bool) {
        self.replica.lose_entries(is_lost);
    }

    fn me(&self) -> NodeName {
        self.replica.me().node
    }

    fn send(&mut self, to: NodeName, frame: Frame) {
        self.out.push_back(Output::Send { to, frame });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn reply<O: Operation>(&mut self, ticket: Ticket<O>, outcome: Result<O::Reply, RequestError>) {
        self.event(requests::answer(&ticket, outcome));
    }

    fn log(&mut self, now: Now, node: NodeName, kind: EventKind, text: String) {
        self.log_event(now, NewEvent { node, kind, text, write: None, heard_from: None });
    }

    fn log_write(
        &mut self,
        now: Now,
        node: NodeName,
        kind: EventKind,
        text: String,
        write: LoggedWrite,
    ) {
        self.log_event(now, NewEvent { node, kind, text, write: Some(write), heard_from: None });
    }

    fn log_event(&mut self, now: Now, event: NewEvent) {
        let event = self.record.log(now, event);
        self.logged(now, event);
    }

    fn logged(&mut self, now: Now, event: Arc<LoggedEvent>) {
        self.event(Event::Logged(event));
        self.publisher.touch(now);
    }

    /// Notes that the entries or the incarnation of some node may have changed.
    fn holdings_changed(&mut self, now: Now) {
        self.refresh.holdings_changed = true;
        self.publisher.touch(now);
    }
}

impl Machine for Dispatch {
    type App = Superheroes;
    type Command = Command;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<Command>) {
        match input {
            Input::LinkUp { peer, incarnation } => self.on_link_up(now, peer, incarnation),
            Input::LinkDown { peer, cause } => self.on_link_down(now, peer, cause),
            Input::Refused { running, .. } => self.replica.refused(now, running),
            Input::Frame { from, frame } => self.on_frame(now, from, frame),
            // Another dispatch has set it.
            Input::Pace(set) => self.adopt_pace(now, set),
            Input::Quiet(set) => self.adopt_quiet(now, set),
            Input::Command(Command::Request(request)) => self.on_request(now, request),
            Input::Command(Command::Ask(asked)) => {
                let before = self.replica.map().changes();
                let answered = self.desk.execute(&mut self.replica, now, asked);
                let written = self.replica.map().written_since(before, self.replica.me());
                let written: Vec<_> =
                    written.into_iter().map(|(key, entry)| (key, Arc::new(entry))).collect();
                self.acknowledge_records(now, &written);
                self.event(Event::Answered(answered));
                self.publisher.touch(now);
            }
        }
        self.collect_replica_outputs(now);
    }

    fn poll(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        earliest([
            self.replica.deadline(),
            self.desk.deadline(),
            self.observer.deadline(),
            self.requests.deadline(),
            self.faults.deadline(),
            self.gossip.deadline(),
            self.quiet.deadline(),
            self.write_pulls.deadline(),
            self.refresh.deadline(),
            self.publisher.deadline(self.is_ageing()),
        ])
    }

    fn tick(&mut self, now: Now) {
        self.desk.tick(now);
        self.replica.tick(now);
        self.start_due_rounds(now);
        self.give_up_commands(now);
        self.ask_overdue_cities(now);
        self.announce_due_settings(now);
        self.end_adopted_settings(now);
        self.end_due_faults(now);
        self.end_overdue_exchange(now);
        self.pull_from_due_writers(now);
        // After everything else, so that a view published here includes its effects.
        self.publish(now);
        self.collect_replica_outputs(now);
    }
}

#[cfg(test)]
mod tests;
