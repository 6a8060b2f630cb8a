//! The simulated cluster: processes, a network, and a queue of what happens when; the checkers look on.
//!
//! Everything that happens is in the queue, and equal times are taken in a random order (where the network reorders), so that no run
//! passes by luck. The production driver's part is played here: links and their loss, silence that is noticed, frames as bytes,
//! restarts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xxhash_rust::xxh3::Xxh3;

use dispatch_node::dispatch::{self, Dispatch};
use dispatch_node::model::status::ClusterStatus;
use dispatch_node::model::view::View;
use dispatch_node::request::{Action, Reply, Request};
use location_node::city::{self, City};
use shared::clock::Stamp;
use shared::crdt::{Entry, VersionVector};
use shared::hero::Location;
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::machine::{Input, LinkDown};
use shared::membership::{LinkRefusal, Roster};
use shared::message::Frame;
use shared::replica::{self, Replica, Rules};
use shared::supervise::Intensity;
use shared::time::Now;
use shared::wire;

use crate::checker::{Witness, agreement, answers, bounds, claims, collection, rank, restarts, survival};
use crate::network::Network;
use crate::plan::{Act, Noise, Plan, Wish};
use crate::process::{EPOCH_MS, Machine, Process, State, WallClock, Wanted};
use crate::tally::Tally;

/// How long it takes to dial again.
const REDIAL: Duration = Duration::from_millis(100);
/// After how long a silent link is given up, as in `link::connection`.
const SILENCE: Duration = Duration::from_secs(3);
/// How often the checkers look at everybody.
const LOOK: Duration = Duration::from_millis(250);
/// How soon an operator starts a process again that has ended by itself.
const OPERATOR: Duration = Duration::from_secs(1);
/// Crashes survived within a window, as in the cities' options.
const RESTARTS_MAX: usize = 3;
const RESTARTS_WINDOW: Duration = Duration::from_secs(5);

/// What must hold and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in virtual time.
    pub at: Duration,
    /// Which claim.
    pub claim: &'static str,
    /// Where, and how.
    pub text: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:.3}s: {}", self.claim, self.at.as_secs_f64(), self.text)
    }
}

#[derive(Debug)]
enum Happening {
    Deliver {
        from: NodeName,
        to: usize,
        life: Incarnation,
        bytes: Vec<u8>,
    },
    Dial {
        a: usize,
        b: usize,
    },
    /// Whoever listens on this link notices that nothing comes any more, if so.
    Silence {
        a: usize,
        b: usize,
    },
    Break {
        a: usize,
        b: usize,
    },
    Tick(usize),
    Thaw(usize),
    Start(usize),
    SetRight {
        node: usize,
        by_ms: i64,
    },
    Forget(usize),
    Step(usize),
    Look,
}

struct Queued(Duration, u64, Happening);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// The simulated cluster.
pub(crate) struct Cluster {
    pub(crate) processes: Vec<Process>,
    noise: Noise,
    steps: Vec<Act>,
    cities: Vec<NodeName>,
    rules: Rules,
    network: Network,
    queue: BinaryHeap<Reverse<Queued>>,
    queued: u64,
    pub(crate) now: Duration,
    rng: ChaCha8Rng,
    writes: claims::Writes,
    heroes: Vec<HeroId>,
    lives: BTreeSet<Origin>,
    open: answers::Open,
    restarts: BTreeMap<usize, restarts::Restarts>,
    told: BTreeMap<Stamp, (HeroId, bool)>,
    tickets: u64,
    view: Option<Arc<View>>,
    trace: Xxh3,
    pub(crate) tally: Tally,
    violation: Option<Violation>,
    log: bool,
}

impl Cluster {
    /// The cluster of this plan, just started. With `log`, prints what happens.
    pub(crate) fn new(plan: &Plan, rules: Rules, log: bool) -> Self {
        let cities: Vec<NodeName> = (0..plan.cities).map(|number| format!("city-{number}").parse().expect("a valid name")).collect();
        let mut cluster = Self {
            processes: Vec::new(),
            noise: plan.noise.clone(),
            steps: plan.steps.iter().map(|step| step.act.clone()).collect(),
            cities: cities.clone(),
            rules,
            network: Network::default(),
            queue: BinaryHeap::new(),
            queued: 0,
            now: Duration::ZERO,
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            writes: claims::Writes::default(),
            heroes: Vec::new(),
            lives: BTreeSet::new(),
            open: answers::Open::default(),
            restarts: BTreeMap::new(),
            told: BTreeMap::new(),
            tickets: 0,
            view: None,
            trace: Xxh3::new(),
            tally: Tally::default(),
            violation: None,
            log,
        };
        let dispatch = "dispatch".parse().expect("a valid name");
        for name in cities.into_iter().chain([dispatch]) {
            cluster.add_process(name);
        }
        for (number, step) in plan.steps.iter().enumerate() {
            cluster.schedule(step.at, Happening::Step(number));
        }
        cluster.schedule(LOOK, Happening::Look);
        cluster
    }

    fn add_process(&mut self, name: NodeName) -> usize {
        let (skew, drift) = (self.noise.skew_ms, self.noise.drift_ppm);
        let (skew_ms, drift_ppm) = (self.rng.random_range(-skew..=skew), self.rng.random_range(-drift..=drift));
        let mut clock = WallClock::new(skew_ms, drift_ppm);
        let now = clock.read(self.now);
        let me = self.new_life(name, Incarnation::begun_at(now.wall));
        let machine = self.machine(me, 0, now);
        self.processes.push(Process {
            name,
            machine,
            me,
            state: State::Running,
            crashes: 0,
            intensity: Intensity::new(RESTARTS_MAX, RESTARTS_WINDOW),
            clock,
            frozen_until: None,
            inbox: Vec::new(),
            tick_at: None,
            witness: Witness::default(),
        });
        let index = self.processes.len() - 1;
        self.dial_everybody(index);
        self.plan_tick(index);
        index
    }

    /// A life of this name that has not been before, no earlier than `least`.
    fn new_life(&mut self, node: NodeName, least: Incarnation) -> Origin {
        let mut life = Origin { node, incarnation: least };
        while !self.lives.insert(life) {
            life.incarnation = life.incarnation.next_life();
        }
        life
    }

    fn machine(&mut self, me: Origin, crashes: u32, now: Now) -> Machine {
        let second = Some(Duration::from_secs(1));
        let seed = self.rng.random();
        let members = self.cities.iter().copied().chain(["dispatch".parse().expect("a valid name")]).collect();
        // Chunks of two entries or so: a delta of any size is many chunks, and every border case of a round is met often.
        let replica = replica::Config { members, chunk_bytes: 300, window: 3, rules: self.rules.clone(), ..replica::Config::default() };
        if self.cities.contains(&me.node) {
            let fights = self.noise.fights.then_some(Duration::from_secs(6));
            let gossip_interval = second.filter(|_| self.noise.city_gossip);
            let config = city::Config { gossip_interval, patrol_interval: fights, fight_interval: fights, replica };
            Machine::City(Box::new(City::new(me, config, crashes, seed, now)))
        } else {
            let (cities, poll_interval) = (self.cities.clone(), Some(Duration::from_secs(2)));
            let config = dispatch::Config { cities, gossip_interval: second, poll_interval, events_max: 4_000, replica };
            Machine::Dispatch(Box::new(Dispatch::new(me, config, seed, now)))
        }
    }

    /// The number of the process that is dispatch.
    fn dispatch(&self) -> usize {
        self.cities.len()
    }

    /// The processes that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.is_running())
    }

    /// The processes that take part: all that run, but those that wait at the door because their name is alive.
    fn members(&self) -> impl Iterator<Item = &Process> {
        let waits = |process: &Process| {
            let alive = |other: &Process| other.name == process.name && other.me != process.me && other.replica().joined();
            !process.replica().joined() && self.running().any(alive)
        };
        self.running().filter(move |process| !waits(process))
    }

    // Time.

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.queued += 1;
        // Equal times are taken in a random order, where the network does not keep it.
        let tie = if self.noise.reorder { self.rng.random() } else { self.queued };
        self.queue.push(Reverse(Queued(self.now + after, tie, happening)));
    }

    /// Runs until `end` in virtual time, or to the first violation.
    pub(crate) fn run(&mut self, end: Duration) -> Result<(), Violation> {
        while self.violation.is_none() && self.queue.peek().is_some_and(|Reverse(next)| next.0 <= end) {
            let Some(Reverse(Queued(at, _, happening))) = self.queue.pop() else { break };
            self.now = at;
            self.happen(happening);
        }
        self.now = end.max(self.now);
        self.violation.clone().map_or(Ok(()), Err)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver { from, to, life, bytes } => self.deliver(from, to, life, &bytes),
            Happening::Dial { a, b } => self.dial(a, b),
            Happening::Silence { a, b } => {
                let still = [a, b].iter().any(|end| self.processes[*end].frozen_until.is_some());
                if still || self.network.blocked_until(a, b, self.now).is_some() {
                    self.unlink(a, b, LinkDown::Silent);
                }
            }
            Happening::Break { a, b } => self.unlink(a, b, LinkDown::Lost),
            Happening::Tick(index) => {
                self.processes[index].tick_at = None;
                if self.processes[index].is_awake() {
                    let now = self.clock(index);
                    if self.processes[index].machine.deadline().is_some_and(|deadline| deadline <= now.mono) {
                        self.processes[index].machine.tick(now);
                        self.after(index);
                    } else {
                        self.plan_tick(index);
                    }
                }
            }
            Happening::Thaw(index) => self.thaw(index),
            Happening::Start(index) => {
                if self.processes[index].state == State::Down {
                    self.start(index);
                }
            }
            Happening::SetRight { node, by_ms } => self.processes[node].clock.jump_ms -= by_ms,
            Happening::Forget(city) => {
                let verb = Action::Forget { city: self.processes[city].name };
                self.ask(verb);
            }
            Happening::Step(number) => self.act(self.steps[number].clone()),
            Happening::Look => {
                self.look();
                self.schedule(LOOK, Happening::Look);
            }
        }
    }

    fn clock(&mut self, index: usize) -> Now {
        self.processes[index].clock.read(self.now)
    }

    fn plan_tick(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let Some(deadline) = process.machine.deadline().map(|deadline| deadline.max(self.now)) else { return };
        if process.tick_at.is_none_or(|at| deadline < at) {
            process.tick_at = Some(deadline);
            let after = deadline - self.now;
            self.schedule(after, Happening::Tick(index));
        }
    }

    // Links.

    fn dial_everybody(&mut self, index: usize) {
        for other in 0..self.processes.len() {
            if other != index {
                self.schedule(REDIAL, Happening::Dial { a: index, b: other });
            }
        }
    }

    fn dial(&mut self, a: usize, b: usize) {
        let (this, other) = (&self.processes[a], &self.processes[b]);
        if !this.is_awake() || !other.is_awake() || this.name == other.name || self.network.linked(a, b) {
            return;
        }
        if let Some(until) = self.network.blocked_until(a, b, self.now) {
            return self.schedule(until - self.now, Happening::Dial { a, b });
        }
        if !(self.admits(a, b) && self.admits(b, a)) {
            return self.schedule(REDIAL * 5, Happening::Dial { a, b });
        }
        self.network.link(a, b);
        for (this, other) in [(a, b), (b, a)] {
            let Origin { node: peer, incarnation } = self.processes[other].me;
            self.input(this, Input::LinkUp { peer, incarnation });
        }
    }

    /// Whether one process admits another, as the roster of the real nodes has it. One that takes another's place takes its link.
    fn admits(&mut self, this: usize, other: usize) -> bool {
        let peers = self.network.peers(this);
        let lives = peers.iter().map(|peer| &self.processes[*peer].me).map(|life| (life.node, life.incarnation)).collect();
        let Process { me, machine, .. } = &self.processes[other];
        let (me, joined) = (*me, machine.replica().joined());
        let roster = Roster::new(self.processes[this].name, self.processes.iter().map(|process| process.name));
        match roster.admit(me, joined, &lives) {
            Ok(()) => {
                if let Some(earlier) = peers.into_iter().find(|peer| self.processes[*peer].name == me.node) {
                    self.unlink(this, earlier, LinkDown::Lost);
                }
                true
            }
            Err(LinkRefusal::AliveElsewhere { alive, .. }) => {
                let peer = self.processes[this].name;
                self.input(other, Input::Refused { peer, alive });
                false
            }
            Err(LinkRefusal::OwnName(_) | LinkRefusal::Stranger(_)) => false,
        }
    }

    fn unlink(&mut self, a: usize, b: usize, cause: LinkDown) {
        if self.network.unlink(a, b) {
            for (this, other) in [(a, b), (b, a)] {
                let peer = self.processes[other].name;
                self.input(this, Input::LinkDown { peer, cause });
            }
            self.schedule(REDIAL, Happening::Dial { a, b });
        }
    }

    fn unlink_all(&mut self, index: usize) {
        for other in self.network.peers(index) {
            self.unlink(index, other, LinkDown::Lost);
        }
    }

    fn transmit(&mut self, from: usize, to: NodeName, frame: &Frame) {
        let Some(to) = self.network.peers(from).into_iter().find(|peer| self.processes[*peer].name == to) else { return };
        let bytes = wire::encode(frame);
        self.trace.update(&self.now.as_micros().to_le_bytes());
        self.trace.update(&bytes);
        self.tally.frames += 1;
        self.tally.bytes += bytes.len() as u64;
        let fate = self.network.fate(from, to, bytes.len(), self.now, &self.noise, &mut self.rng);
        self.tally.lost += u64::from(fate.lost);
        self.tally.duplicated += u64::from(fate.duplicated);
        let (from, life) = (self.processes[from].name, self.processes[to].incarnation());
        for delay in fate.delays {
            self.schedule(delay, Happening::Deliver { from, to, life, bytes: bytes.clone() });
        }
    }

    fn deliver(&mut self, from: NodeName, to: usize, life: Incarnation, bytes: &[u8]) {
        let linked = self.network.peers(to).iter().any(|peer| self.processes[*peer].name == from);
        let same_life = self.processes[to].incarnation() == life;
        let frame = wire::decode(bytes).expect("what a node wrote, a node can read");
        // A step of a round may have been carried, and outlive the connection and even the life that it was sent to.
        let late = self.noise.reorder && (same_life || matches!(frame, Frame::Round(_)));
        if self.processes[to].is_running() && (linked && same_life || late) {
            self.say(|cluster| format!("{} <- {from}: {frame:?}", cluster.processes[to].name));
            self.input(to, Input::Frame { from, frame });
        }
    }

    fn input(&mut self, index: usize, input: Input<std::convert::Infallible>) {
        let process = &mut self.processes[index];
        if !process.is_running() {
            return;
        }
        if process.frozen_until.is_some() {
            process.inbox.push(input);
            return;
        }
        let now = self.clock(index);
        self.processes[index].machine.handle(now, input);
        self.after(index);
    }

    /// Takes the outputs of a machine that has just moved, and checks what it did.
    fn after(&mut self, index: usize) {
        self.check_changes(index);
        let mut ended = None;
        while let Some(wanted) = self.processes[index].machine.poll() {
            match wanted {
                Wanted::Send { to, frame } => self.transmit(index, to, &frame),
                Wanted::Bombed => ended = Some(End::Bombed),
                Wanted::Replica(event) => {
                    let end = self.on_replica_event(index, &event);
                    ended = ended.or(end);
                }
                Wanted::Answer { ticket, answer } => {
                    let verdict = self.open.answered(ticket);
                    self.claim("answers", index, verdict);
                    self.on_answer(answer);
                }
                Wanted::Nothing => {}
            }
        }
        self.plan_tick(index);
        if let Some(end) = ended {
            self.end_life(index, end);
        }
    }

    fn on_replica_event(&mut self, index: usize, event: &replica::Event) -> Option<End> {
        self.say(|cluster| format!("{}: {event:?}", cluster.processes[index].name));
        self.tally.count(event);
        match event {
            replica::Event::Collected { tombstones } => {
                self.writes.note_collected(tombstones);
                self.check_collection(index, tombstones);
            }
            replica::Event::OriginStolen { .. } => self.claim("origins", index, Err(format!("{event:?}"))),
            replica::Event::Diverged { .. } => self.claim("agreement", index, Err(format!("{event:?}"))),
            replica::Event::Superseded { by, halts: false } => return Some(End::Outlived(*by)),
            replica::Event::Superseded { halts: true, .. } => return Some(End::Halted),
            replica::Event::Committed { .. }
            | replica::Event::Buried { .. }
            | replica::Event::TooFarAhead { .. }
            | replica::Event::Adopted { .. }
            | replica::Event::Closed { .. }
            | replica::Event::Forgotten { .. }
            | replica::Event::Fenced { .. }
            | replica::Event::GivenUp { .. }
            | replica::Event::Joined { .. } => {}
        }
        None
    }

    // Lives.

    fn end_life(&mut self, index: usize, end: End) {
        match end {
            End::Bombed => {
                if self.processes[index].intensity.allows_restart_after_crash(self.now) {
                    let restart = self.restarts.entry(index).or_default().note(self.now, RESTARTS_MAX, RESTARTS_WINDOW);
                    self.claim("restarts", index, restart);
                    self.begin_life(index, Incarnation(0));
                } else {
                    self.restarts.remove(&index);
                    self.stop(index, OPERATOR);
                }
            }
            End::Outlived(by) => self.begin_life(index, by),
            End::Halted => {
                let name = self.processes[index].name;
                let others = self.processes.iter().enumerate();
                let carried_on =
                    others.filter(|(other, _)| *other != index).any(|(_, other)| other.name == name && other.state != State::Halted);
                self.stop(index, OPERATOR);
                if carried_on {
                    self.processes[index].state = State::Halted;
                }
            }
        }
    }

    /// The process crashed and its supervisor begins the next life, above that one.
    fn begin_life(&mut self, index: usize, above: Incarnation) {
        self.unlink_all(index);
        let now = self.clock(index);
        let process = &self.processes[index];
        let least = Incarnation::begun_at(now.wall).max(process.me.incarnation.next_life()).max(above.next_life());
        let (name, crashes) = (process.name, process.crashes + 1);
        let me = self.new_life(name, least);
        let machine = self.machine(me, crashes, now);
        let process = &mut self.processes[index];
        (process.machine, process.me, process.crashes) = (machine, me, crashes);
        process.witness = process.next_witness();
        self.say(|_| format!("{me} begins"));
        self.dial_everybody(index);
        self.plan_tick(index);
    }

    /// The process is gone; somebody starts it again after a while.
    fn stop(&mut self, index: usize, down: Duration) {
        self.unlink_all(index);
        let process = &mut self.processes[index];
        process.state = State::Down;
        process.frozen_until = None;
        process.inbox.clear();
        if !process.is_city() {
            self.open.hang_up();
        }
        self.schedule(down, Happening::Start(index));
    }

    /// A process that is started anew knows nothing of its last life, and its clock may have been set meanwhile.
    fn start(&mut self, index: usize) {
        let skew = self.noise.skew_ms;
        let skew_ms = self.rng.random_range(-skew..=skew);
        let process = &mut self.processes[index];
        process.clock.skew_ms = skew_ms;
        let now = process.clock.read(self.now);
        let name = process.name;
        let me = self.new_life(name, Incarnation::begun_at(now.wall));
        let machine = self.machine(me, 0, now);
        let process = &mut self.processes[index];
        (process.machine, process.me, process.crashes, process.state) = (machine, me, 0, State::Running);
        process.intensity = Intensity::new(RESTARTS_MAX, RESTARTS_WINDOW);
        process.witness = process.next_witness();
        self.restarts.remove(&index);
        self.say(|_| format!("{me} is started"));
        self.dial_everybody(index);
        self.plan_tick(index);
    }

    fn thaw(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if process.frozen_until.is_none_or(|until| until > self.now) {
            return;
        }
        process.frozen_until = None;
        let inbox = std::mem::take(&mut process.inbox);
        if !process.is_city() {
            self.open.wait_anew(self.now);
        }
        let life = self.processes[index].me;
        for input in inbox {
            if self.processes[index].me == life {
                self.input(index, input);
            }
        }
        self.dial_everybody(index);
        self.plan_tick(index);
    }

    // Troubles, and users.

    fn act(&mut self, act: Act) {
        self.say(|_| format!("-- {act}"));
        if let Some(kind) = act.trouble() {
            self.tally.troubles[kind] += 1;
        }
        let nodes = self.cities.len() + 1;
        match act {
            Act::Ask(wish) => {
                let verb = self.verb(&wish);
                self.ask(verb);
            }
            Act::Bomb(city) => {
                let city = Some(self.processes[city].name);
                self.ask(Action::Bomb { city });
            }
            Act::Cut { a, b, both, silent, lasts } => self.cut(a, b, both, silent, lasts),
            Act::Split { side, lasts } => {
                let on_side = |node: usize| side >> (node % 128) & 1 == 1;
                for b in 0..nodes {
                    (0..b).filter(|a| on_side(*a) != on_side(b)).for_each(|a| self.cut(a, b, true, false, lasts));
                }
            }
            Act::Flap { a, b, period, times } => {
                (0..times).for_each(|time| self.schedule(period * time, Happening::Break { a, b }));
            }
            Act::Freeze { node, lasts } => {
                if self.processes[node].is_running() {
                    self.processes[node].frozen_until = Some(self.now + lasts);
                    self.schedule(lasts, Happening::Thaw(node));
                    for peer in self.network.peers(node) {
                        self.schedule(SILENCE, Happening::Silence { a: node, b: peer });
                    }
                }
            }
            Act::Reset(node) => self.unlink_all(node),
            Act::Kill { node, down } => {
                if self.processes[node].is_running() {
                    self.stop(node, down);
                }
            }
            Act::Jump { node, by_ms, lasts } => {
                self.processes[node].clock.jump_ms += by_ms;
                self.schedule(lasts, Happening::SetRight { node, by_ms });
            }
            Act::Forget { city, alive, away } => {
                if alive {
                    (0..nodes).filter(|other| *other != city).for_each(|other| self.cut(city, other, true, false, away));
                } else if self.processes[city].is_running() {
                    self.stop(city, away);
                }
                self.schedule(away / 2, Happening::Forget(city));
            }
            Act::Double { city, side, lasts } => {
                let double = self.add_process(self.processes[city].name);
                for other in (0..self.processes.len()).filter(|other| *other != city && *other != double) {
                    let hidden = if side >> (other % 128) & 1 == 1 { city } else { double };
                    self.cut(hidden, other, true, false, lasts);
                }
            }
        }
    }

    fn cut(&mut self, a: usize, b: usize, both: bool, silent: bool, lasts: Duration) {
        self.network.block(a, b, self.now + lasts);
        if both {
            self.network.block(b, a, self.now + lasts);
        }
        if silent {
            self.schedule(SILENCE, Happening::Silence { a, b });
        } else {
            self.unlink(a, b, LinkDown::Lost);
        }
    }

    fn verb(&self, wish: &Wish) -> Action {
        let hero = |number: &u32| self.heroes.get(*number as usize % self.heroes.len().max(1)).copied();
        let verb = match wish {
            Wish::Create => None,
            Wish::Assign { hero: number, to } => hero(number).map(|hero| {
                let to = self.cities.get(*to as usize % (self.cities.len() + 1)).map_or(Location::Home, |city| Location::City(*city));
                Action::Assign { hero, to }
            }),
            Wish::Terminate { hero: number } => hero(number).map(|hero| Action::Terminate { hero }),
        };
        verb.unwrap_or(Action::Create { name: Some("Granite".into()) })
    }

    fn ask(&mut self, verb: Action) {
        self.say(|_| format!("asked: {verb:?}"));
        let index = self.dispatch();
        if !self.processes[index].is_awake() {
            return;
        }
        let now = self.clock(index);
        self.tickets += 1;
        self.open.asked(self.tickets, self.now);
        if let Machine::Dispatch(dispatch) = &mut self.processes[index].machine {
            use shared::machine::Machine as _;
            dispatch.handle(now, Input::Command(Request { ticket: self.tickets, key: None, action: verb, trace: None }));
        }
        self.after(index);
    }

    fn on_answer(&mut self, answer: Reply) {
        match answer {
            Reply::Created(created) => {
                for (id, entry) in created {
                    self.heroes.push(id);
                    self.told.insert(entry.stamp, (id, false));
                }
            }
            Reply::Assigned(id, entry) | Reply::Terminated(id, entry) => {
                self.told.insert(entry.stamp, (id, entry.is_tombstone()));
            }
            Reply::View(view) => self.view = Some(view),
            Reply::Bombed(_)
            | Reply::Forgotten(_)
            | Reply::Injected(_)
            | Reply::Healed
            | Reply::Gossip(_)
            | Reply::Exchanged(_)
            | Reply::Ended(_)
            | Reply::Logged
            | Reply::Found(..)
            | Reply::Refused(_) => {}
        }
    }

    /// Ends all trouble. A process whose copy is further ahead than clocks may be is started anew, as its operator is told to.
    pub(crate) fn heal(&mut self) {
        self.steps.clear();
        self.queue.retain(|Reverse(Queued(_, _, happening))| {
            !matches!(happening, Happening::Step(_) | Happening::Break { .. } | Happening::Forget(_) | Happening::SetRight { .. })
        });
        self.noise = Noise { fights: self.noise.fights, city_gossip: self.noise.city_gossip, ..Noise::none() };
        self.network.unblock_all();
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            process.clock.set_right();
            process.frozen_until = process.frozen_until.map(|_| self.now);
            let truth = EPOCH_MS + u64::try_from(self.now.as_millis()).expect("virtual time is short");
            let drift_max = replica::Config::default().drift_max;
            let ahead = process.replica().vector().iter().any(|slot| slot.hlc.wall > shared::time::UnixMillis(truth).plus(drift_max));
            if process.state == State::Down {
                self.start(index);
            } else if process.is_running() && ahead {
                self.stop(index, Duration::ZERO);
            }
            self.thaw(index);
            if self.processes[index].is_running() {
                self.dial_everybody(index);
            }
        }
    }

    // What is seen.

    fn claim(&mut self, claim: &'static str, index: usize, verdict: Result<(), String>) {
        if let Err(text) = verdict {
            let text = format!("{}: {text}", self.processes[index].me);
            self.violation.get_or_insert(Violation { at: self.now, claim, text });
        }
    }

    /// Looks at what changed in a replica since it was looked at last.
    fn check_changes(&mut self, index: usize) {
        let now = self.clock(index);
        let Process { machine, witness, me, clock, .. } = &mut self.processes[index];
        if clock.was_set_back(now) {
            witness.writers.forgive();
        }
        let replica = machine.replica();
        let mut wrong: Option<(&'static str, String)> = None;
        let mut note = |claim, verdict: Result<(), String>| {
            if let Err(text) = verdict {
                wrong.get_or_insert((claim, text));
            }
        };
        let since = witness.changes_seen;
        for (change, key, entry) in replica.map().changed_since(since) {
            witness.changes_seen = change;
            note("origins", self.writes.note(key, rank(&entry)));
            note("deaths", witness.deaths.note(key, entry.is_tombstone()));
            note("monotonic reads", witness.reads.note(key, rank(&entry)));
            if entry.stamp.origin == *me {
                // Burials are written by whoever finds them due.
                note("writers", witness.writers.wrote(entry.stamp, replica.joined() || entry.is_tombstone()));
            } else {
                witness.writers.heard(entry.stamp);
            }
        }
        self.tally.writes = self.writes.len() as u64;
        if let Some((claim, text)) = wrong {
            self.claim(claim, index, Err(text));
        }
    }

    fn check_collection(&mut self, index: usize, collected: &[Stamp]) {
        let replica = self.processes[index].replica();
        let members = self.running().filter(|process| process.me != replica.me());
        let counted = members.filter(|process| !replica.is_forgotten(process.name) && !self.is_outlived(process));
        let lives = counted.map(|process| (process.me, process.replica().vector()));
        let verdict = collection::all_have_heard(collected, replica.vector(), lives);
        self.claim("collection", index, verdict);
    }

    /// Whether another process carries the same name, in a later life.
    fn is_outlived(&self, process: &Process) -> bool {
        self.running().any(|other| other.name == process.name && other.me > process.me)
    }

    /// Looks at everybody.
    fn look(&mut self) {
        let names: Vec<String> = self.running().map(|process| process.me.to_string()).collect();
        let replicas = self.running().zip(&names);
        let replicas = replicas.map(|(process, name)| (name.as_str(), process.replica().vector(), process.replica().map().fingerprint()));
        let agreed = agreement::equal_vectors_mean_equal_maps(replicas);
        let waits = self.open.none_waits_too_long(self.now);
        let nodes = self.cities.len() + 1;
        self.claim("agreement", self.dispatch(), agreed);
        if self.processes[self.dispatch()].is_awake() {
            self.claim("answers", self.dispatch(), waits);
        }
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            if process.is_running() {
                let shrunk = process.witness.reads.note_vector(process.machine.replica().vector());
                let (covered, bounded) = {
                    let replica = process.replica();
                    (collection::horizon_is_covered(replica.horizon(), replica.vector()), bounds::under_way(replica, nodes))
                };
                self.claim("monotonic reads", index, shrunk);
                self.claim("collection", index, covered);
                self.claim("bounds", index, bounded);
            }
        }
    }

    /// What every version vector claims is there.
    pub(crate) fn check_claims(&mut self) -> Result<(), Violation> {
        let held = self.running().flat_map(|process| process.replica().map().iter().map(|(_, entry)| entry.stamp)).collect();
        for index in 0..self.processes.len() {
            if self.processes[index].is_running() {
                let (map, vector) = (self.processes[index].replica().map(), self.processes[index].replica().vector());
                let verdict = claims::no_overclaim(&self.writes, map, vector, &held).and_then(|()| claims::no_underclaim(map, vector));
                self.claim("claims", index, verdict);
            }
        }
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// What those hold who will go on: of two lives of a name, the later.
    pub(crate) fn survivors(&self) -> (survival::Survivors, Vec<VersionVector>) {
        let (mut survivors, mut vectors) = (survival::Survivors::default(), Vec::new());
        let fenced = |process: &Process| self.running().any(|other| other.replica().has_fenced(process.me));
        for process in self.running().filter(|process| !self.is_outlived(process) && !fenced(process)) {
            survivors.note_all(process.replica().map());
            vectors.push(process.replica().vector().clone());
            // What somebody was told was saved, and the writer is alive to tell.
            for (stamp, (key, is_tombstone)) in self.told.iter().filter(|(stamp, _)| stamp.origin == process.me) {
                survivors.note(*key, (*is_tombstone, *stamp));
            }
        }
        (survivors, vectors)
    }

    /// Whether every member holds what the survivors held, or what beats it.
    pub(crate) fn all_survive(&self, survivors: &survival::Survivors) -> Result<(), Violation> {
        for process in self.members() {
            let replica = process.replica();
            let held = |key| replica.map().get(key).map(|entry| rank(&entry));
            let stand = survivors.all_stand(held, |key| self.writes.dead_by(key, replica.vector()));
            stand.map_err(|text| self.not_true("survival", format!("{}: {text}", process.me)))?;
        }
        Ok(())
    }

    pub(crate) fn check_at_rest(&mut self) -> Result<(), Violation> {
        let nodes = self.cities.len() + 1;
        let members: Vec<Origin> = self.members().map(|process| process.me).collect();
        for index in 0..self.processes.len() {
            if self.processes[index].is_running() && members.contains(&self.processes[index].me) {
                let verdict = bounds::at_rest(self.processes[index].replica(), nodes);
                self.claim("bounds", index, verdict);
            }
        }
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Whether one process carries each name, all hold the same, and nothing is left to tidy up that can be.
    pub(crate) fn is_at_rest(&self, tidy: bool) -> bool {
        let nodes = self.cities.len() + 1;
        let tidied = |replica: &Replica| bounds::at_rest(replica, nodes).is_ok();
        let mut fingerprints = self.members().map(|process| process.replica().map().fingerprint());
        let first = fingerprints.next();
        self.members().count() == nodes
            && fingerprints.all(|fingerprint| Some(fingerprint) == first)
            && (!tidy || self.members().all(|process| tidied(process.replica())))
    }

    /// Whether every replica covers all of these.
    pub(crate) fn all_cover(&self, vectors: &[VersionVector]) -> bool {
        self.members().all(|process| vectors.iter().all(|vector| process.replica().vector().covers_all(vector)))
    }

    /// What each replica holds and covers, in a line for people.
    pub(crate) fn census(&self) -> String {
        let line = |process: &Process| {
            let (replica, map) = (process.replica(), process.replica().map());
            let number = self.processes.iter().position(|other| other.me == process.me).expect("one of them");
            let peers: Vec<String> = self.network.peers(number).iter().map(|peer| self.processes[*peer].name.to_string()).collect();
            format!(
                "{} holds {} heroes and {} tombstones, covers {:?}, is linked to {}, waits for proofs of {:?}",
                replica.me(),
                map.live(),
                map.tombstones(),
                replica.vector(),
                peers.join(" "),
                replica.awaited()
            )
        };
        self.running().map(line).collect::<Vec<_>>().join("; ")
    }

    /// A violation of something that should have come true.
    pub(crate) fn not_true(&self, claim: &'static str, text: String) -> Violation {
        Violation { at: self.now, claim, text }
    }

    /// A hash of everything that happened, in order.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.digest()
    }

    /// What dispatch shows is what is, once nothing changes any more.
    pub(crate) fn check_view(&mut self) -> Result<ClusterStatus, String> {
        self.ask(Action::View);
        let view = self.view.take().ok_or("dispatch shows nothing")?;
        for (index, city) in view.cities.iter().enumerate() {
            let process = self.members().find(|process| process.name == city.name).ok_or("a city that is not")?;
            // The living: tombstones may still be collected at this very moment.
            let shown = view.rows.iter().filter_map(|row| Some((row.id, Entry::clone(row.cells[index].as_ref()?))));
            let shown = shown.filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
            let held = process.replica().map().iter().filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
            if shown != held {
                return Err(format!("dispatch shows {} heroes of {}, which holds {}, or others", shown.len(), city.name, held.len()));
            }
        }
        if view.status.converged {
            Ok(view.status.clone())
        } else {
            let differing: Vec<_> = view.rows.iter().filter(|row| view.state(row).differs()).collect();
            Err(format!("all agree, and dispatch says {:?} of {differing:?}", view.status))
        }
    }

    fn say(&self, text: impl FnOnce(&Self) -> String) {
        if self.log {
            println!("{:>10.3}s  {}", self.now.as_secs_f64(), text(self));
        }
    }
}

/// How a life ended by itself.
#[derive(Clone, Copy, Debug)]
enum End {
    Bombed,
    /// The process goes on, as a life above that one.
    Outlived(Incarnation),
    Halted,
}
