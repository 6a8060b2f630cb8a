//! The driver of a simulated cluster. It feeds the machines from a network and an event queue in
//! virtual time, and reports every event to the oracle.
//!
//! It replaces the production driver: links and link loss, silence timeouts, frames as bytes,
//! deadlines, restarts. Each of these has a submodule.
//!
//! Invariant: every event comes out of the queue. If the network reorders, events with equal times
//! are handled in random order, so that no run depends on a lucky order. All randomness comes from
//! one generator, drawn in the order of events: equal plans give equal runs.

mod asks;
mod incarnations;
mod lies;
mod links;
mod machines;
mod queue;
mod requests;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dispatch_node::model::view::View;
use dispatch_node::request;
use gossip::replica::Rules;
use gossip::types::request::Request as TypeRequest;
use gossip::{NodeName, UnixMillis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::hero::HeroId;
use xxhash_rust::xxh3::Xxh3;

use crate::network::Network;
use crate::oracle::Oracle;
use crate::plan::{Action, Noise, Plan};
use crate::process::{Process, Processes};
use crate::tally::Tally;
use crate::violation::Violation;
use queue::{Event, Queue};

/// The interval between two inspections of all processes.
const INSPECTION_INTERVAL: Duration = Duration::from_millis(250);

/// The simulated cluster.
pub(crate) struct Cluster {
    pub(crate) processes: Processes,
    pub(crate) oracle: Oracle,
    pub(crate) now: Duration,
    pub(crate) tally: Tally,
    noise: Noise,
    steps: Vec<Action>,
    /// All cities that there were, those from the start first.
    cities: Vec<NodeName>,
    /// The number of cities from the start.
    configured: usize,
    /// The process numbers of the founded cities, by their numbers in the plan.
    founded: BTreeMap<usize, usize>,
    /// True if cities are founded.
    is_open: bool,
    rules: Rules,
    network: Network,
    queue: Queue,
    rng: ChaCha8Rng,
    /// The source of the random bits of incarnations.
    incarnation_rng: ChaCha8Rng,
    /// The heroes that dispatch has created; requests select from them.
    heroes: Vec<HeroId>,
    tickets: u64,
    /// The request to one of the types that is being executed.
    asked: Option<TypeRequest>,
    /// The time up to which an operator has accepted stamps.
    accepted: UnixMillis,
    /// The process that sends false rounds.
    liar: Option<usize>,
    liar_rng: ChaCha8Rng,
    view: Option<Arc<View>>,
    trace: Xxh3,
    log: bool,
}

impl Cluster {
    /// Returns a just started cluster for this plan. With `log`, it prints every event.
    pub(crate) fn new(plan: &Plan, rules: Rules, log: bool) -> Self {
        let city = |number| format!("city-{number}").parse().expect("a valid name");
        let cities: Vec<NodeName> = (0..plan.cities).map(city).collect();
        let mut incarnation_rng = ChaCha8Rng::seed_from_u64(plan.seed);
        incarnation_rng.set_stream(1);
        let mut liar_rng = incarnation_rng.clone();
        liar_rng.set_stream(4);
        let mut cluster = Self {
            processes: Processes::default(),
            oracle: Oracle::default(),
            now: Duration::ZERO,
            tally: Tally::default(),
            noise: plan.noise.clone(),
            steps: plan.steps.iter().map(|step| step.action.clone()).collect(),
            cities: cities.clone(),
            configured: plan.cities,
            founded: BTreeMap::new(),
            is_open: plan.founded() > 0,
            rules,
            network: Network::default(),
            queue: Queue::default(),
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            incarnation_rng,
            liar: None,
            liar_rng,
            heroes: Vec::new(),
            tickets: 0,
            asked: None,
            accepted: UnixMillis::default(),
            view: None,
            trace: Xxh3::new(),
            log,
        };
        cluster.oracle.faulty = plan.is_faulty();
        let dispatch = "dispatch".parse().expect("a valid name");
        for name in cities.into_iter().chain([dispatch]) {
            let clock = cluster.draw_clock();
            cluster.add_process(name, clock);
        }
        for (number, step) in plan.steps.iter().enumerate() {
            cluster.schedule(step.at, Event::Step(number));
        }
        cluster.schedule(INSPECTION_INTERVAL, Event::Inspect);
        cluster
    }

    /// Returns the number of node names, dispatch included, without those that have gone for ever.
    pub(crate) fn nodes(&self) -> usize {
        let has_left = |city: &&usize| self.processes[**city].has_left;
        self.names() - self.founded.values().filter(has_left).count()
    }

    /// Returns the number of all node names that there were, dispatch included.
    pub(crate) fn names(&self) -> usize {
        self.cities.len() + 1
    }

    /// Returns the process number of a node of the plan; `None` before it is founded.
    fn process_of(&self, node: usize) -> Option<usize> {
        if node <= self.configured { Some(node) } else { self.founded.get(&node).copied() }
    }

    /// Returns the process number of dispatch.
    fn dispatch(&self) -> usize {
        self.configured
    }

    /// Runs until `end` in virtual time, or until the first violation.
    ///
    /// # Errors
    /// Returns the violation.
    pub(crate) fn run(&mut self, end: Duration) -> Result<(), Violation> {
        while self.oracle.violation().is_none()
            && let Some((at, event)) = self.queue.pop_until(end)
        {
            self.now = at;
            self.handle(event);
        }
        self.now = end.max(self.now);
        self.oracle.violation().cloned().map_or(Ok(()), Err)
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        // A reordering network gives no order to events at equal times. Otherwise nothing is drawn,
        // and the queue keeps insertion order.
        let tie = self.noise.reorder.then(|| self.rng.random());
        self.queue.push(self.now + after, tie, event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, incarnation, bytes } => {
                self.deliver(from, to, incarnation, &bytes)
            }
            Event::Dial { a, b } => self.dial(a, b),
            Event::Silence { a, b } => self.notice_silence(a, b),
            Event::Break { a, b } => self.break_link(a, b),
            Event::Tick(number) => self.tick(number),
            Event::Thaw(number) => self.thaw(number),
            Event::Start(number) => self.start_if_down(number),
            // Subtracted, not reset: several jumps of one clock may overlap.
            Event::SetRight { node, by_ms } => self.processes[node].clock.jump_ms -= by_ms,
            Event::Forget(city) => {
                let city = self.processes[city].name;
                self.ask(request::Forget { city });
            }
            Event::Leave(city) => self.leave(city),
            Event::Step(number) => self.carry_out(self.steps[number].clone()),
            Event::Inspect => {
                let (dispatch, nodes) = (self.dispatch(), self.names());
                self.oracle.inspect(self.now, &self.processes, dispatch, nodes);
                self.schedule(INSPECTION_INTERVAL, Event::Inspect);
            }
        }
    }

    /// Returns a description of what each replica holds and covers.
    pub(crate) fn census(&self) -> String {
        let line = |process: &Process| {
            let (replica, map) = (process.replica(), process.replica().map());
            let number = self.processes.iter().position(|other| other.me == process.me);
            let peers = self.network.peers(number.expect("a process of this cluster"));
            let peers: Vec<String> =
                peers.iter().map(|peer| self.processes[*peer].name.to_string()).collect();
            let tombstones: Vec<_> = map.iter().filter(|(_, entry)| entry.is_tombstone()).collect();
            format!(
                "{} holds {} heroes and tombstones {tombstones:?}, covers {:?}, is linked to {}, \
                 is missing proofs of {:?}, joins after {:?}",
                replica.me(),
                map.live(),
                replica.vector(),
                peers.join(" "),
                replica.awaited(),
                replica.awaited_to_join()
            )
        };
        self.processes.running().map(line).collect::<Vec<_>>().join("; ")
    }

    /// Returns a hash of all frames sent, in order.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.digest()
    }

    fn log(&self, text: impl FnOnce(&Self) -> String) {
        if self.log {
            println!("{:>10.3}s  {}", self.now.as_secs_f64(), text(self));
        }
    }
}
