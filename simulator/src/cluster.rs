//! The simulated cluster: machines, links, a queue of what happens when, and the checks after every step.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xxhash_rust::xxh3::Xxh3;

use dispatch_node::dispatch::{self, Ask, Dispatch, Verb};
use dispatch_node::verdict::Verdict;
use dispatch_node::view::View;
use location_node::city::{self, City};
use shared::clock::Stamp;
use shared::crdt::VersionVector;
use shared::hero::Location;
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::machine::{Input, LinkDown, Machine, Output};
use shared::message::Frame;
use shared::replica::{self, Replica};
use shared::time::{Now, UnixMillis};
use shared::wire;

use crate::checks::{self, Deaths, Writes};
use crate::faults::Faults;

/// When the simulated world begins: some day, long enough after 1970 for clocks to be off either way.
const EPOCH_MS: u64 = 1_790_000_000_000;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long a restarted node is without links.
const RESTART: Duration = Duration::from_millis(100);

enum Node {
    City(Box<City>),
    Dispatch(Box<Dispatch>),
}

/// One process of the simulated cluster.
struct Process {
    name: NodeName,
    node: Node,
    me: Origin,
    crashes: u32,
    skew_ms: i64,
    deaths: Deaths,
    changes_seen: u64,
}

impl Process {
    fn replica(&self) -> &Replica {
        match &self.node {
            Node::City(city) => city.replica(),
            Node::Dispatch(dispatch) => dispatch.replica(),
        }
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.node {
            Node::City(city) => city.deadline(),
            Node::Dispatch(dispatch) => dispatch.deadline(),
        }
    }
}

#[derive(Debug)]
enum Happening {
    Deliver { from: usize, to: usize, life: Incarnation, bytes: Vec<u8> },
    Connect { a: usize, b: usize },
}

/// How often each kind of trouble struck, and how much was done meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames sent.
    pub frames: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Frames lost.
    pub lost: u64,
    /// Frames delivered twice.
    pub duplicated: u64,
    /// Links cut.
    pub cuts: u64,
    /// Cities bombed.
    pub bombs: u64,
    /// Processes killed.
    pub kills: u64,
    /// Rounds merged.
    pub rounds: u64,
    /// Writes seen.
    pub writes: u64,
    /// Rounds refused for a clock too far ahead.
    pub too_far_ahead: u64,
    /// Tombstones collected, each node's counted.
    pub collected: u64,
    /// Rounds that brought all the source held.
    pub full: u64,
    /// Late writes buried.
    pub buried: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.cuts += other.cuts;
        self.bombs += other.bombs;
        self.kills += other.kills;
        self.rounds += other.rounds;
        self.writes += other.writes;
        self.too_far_ahead += other.too_far_ahead;
        self.collected += other.collected;
        self.full += other.full;
        self.buried += other.buried;
    }
}

/// The simulated cluster.
pub struct Cluster {
    faults: Faults,
    processes: Vec<Process>,
    linked: BTreeSet<(usize, usize)>,
    cut_until: BTreeMap<(usize, usize), Duration>,
    queue: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    happenings: BTreeMap<usize, Happening>,
    next: usize,
    now: Duration,
    rng: ChaCha8Rng,
    writes: Writes,
    acknowledged: Vec<(HeroId, Stamp, bool)>,
    heroes: Vec<HeroId>,
    next_ticket: u64,
    /// Asks without an answer, and when they were asked.
    open: BTreeMap<u64, Duration>,
    view: Option<Arc<View>>,
    trace: Xxh3,
    /// What happened so far, in numbers.
    pub tally: Tally,
    violation: Option<String>,
    log: bool,
}

impl Cluster {
    /// A cluster of `cities` cities and a dispatch, all just started. With `log`, prints what happens.
    #[must_use]
    pub fn new(seed: u64, cities: usize, faults: Faults, log: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let names: Vec<NodeName> = (0..cities).map(|number| format!("city-{number}").parse().expect("a valid name")).collect();
        let dispatch: NodeName = "dispatch".parse().expect("a valid name");
        let mut cluster = Self {
            processes: Vec::new(),
            linked: BTreeSet::new(),
            cut_until: BTreeMap::new(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next: 0,
            now: Duration::ZERO,
            writes: Writes::default(),
            acknowledged: Vec::new(),
            heroes: Vec::new(),
            next_ticket: 0,
            open: BTreeMap::new(),
            view: None,
            trace: Xxh3::new(),
            tally: Tally::default(),
            violation: None,
            log,
            faults,
            rng: ChaCha8Rng::seed_from_u64(0),
        };
        for name in names.iter().chain([&dispatch]) {
            let skew = cluster.faults.skew_ms;
            let skew_ms = rng.random_range(-skew..=skew);
            let me = Origin { node: *name, incarnation: Incarnation(EPOCH_MS.saturating_add_signed(skew_ms)) };
            let now = Now { mono: Duration::ZERO, wall: UnixMillis(me.incarnation.0) };
            let node = cluster.start(me, 0, rng.random(), now, &names);
            cluster.processes.push(Process { name: *name, node, me, crashes: 0, skew_ms, deaths: Deaths::default(), changes_seen: 0 });
        }
        cluster.rng = rng;
        for b in 0..cluster.processes.len() {
            for a in 0..b {
                cluster.schedule(RESTART, Happening::Connect { a, b });
            }
        }
        cluster
    }

    fn start(&self, me: Origin, crashes: u32, seed: u64, now: Now, cities: &[NodeName]) -> Node {
        let second = Some(Duration::from_secs(1));
        let fights = self.faults.fights.then_some(Duration::from_secs(12));
        if cities.contains(&me.node) {
            let gossip_interval = second.filter(|_| self.faults.city_gossip);
            let config = city::Config { gossip_interval, patrol_interval: fights, fight_interval: fights, replica: small_replica(cities) };
            Node::City(Box::new(City::new(me, config, crashes, seed, now)))
        } else {
            let config = dispatch::Config {
                cities: cities.to_vec(),
                gossip_interval: second,
                poll_interval: Some(Duration::from_secs(2)),
                replica: small_replica(cities),
            };
            Node::Dispatch(Box::new(Dispatch::new(me, config, seed, now)))
        }
    }

    /// Runs for `span` of virtual time; with `hurt`, troubles strike, and users ask for things either way while `asking`.
    /// Stops at the first violation.
    ///
    /// # Errors
    /// Says what was violated and when.
    pub fn run(&mut self, span: Duration, hurt: bool, asking: bool) -> Result<(), String> {
        let end = self.now + span;
        let step = Duration::from_millis(100);
        let mut next_step = self.now + step;
        while self.now < end {
            let due = self.processes.iter().enumerate().filter_map(|(index, process)| Some((process.deadline()?, index))).min();
            let queued = self.queue.peek().map(|Reverse((at, _, _))| *at);
            match (queued, due) {
                (Some(at), _) if at <= next_step && due.is_none_or(|(deadline, _)| at <= deadline) => {
                    let Reverse((at, _, id)) = self.queue.pop().expect("the one just peeked at");
                    self.now = self.now.max(at);
                    if let Some(happening) = self.happenings.remove(&id) {
                        self.happen(happening);
                    }
                }
                (_, Some((deadline, index))) if deadline <= next_step => {
                    self.now = self.now.max(deadline);
                    let now = self.clock(index);
                    match &mut self.processes[index].node {
                        Node::City(city) => city.tick(now),
                        Node::Dispatch(dispatch) => dispatch.tick(now),
                    }
                    self.after(index);
                }
                _ => {
                    self.now = next_step;
                    next_step += step;
                    self.troubles(hurt, asking, step);
                    self.check_vectors();
                    self.check_answers();
                }
            }
            if let Some(violation) = &self.violation {
                return Err(format!("at {:?}: {violation}", self.now));
            }
        }
        self.check_claims()
    }

    /// Ends every cut.
    pub fn heal(&mut self) {
        self.cut_until.clear();
        self.faults = Faults { fights: self.faults.fights, city_gossip: self.faults.city_gossip, ..Faults::none() };
        for b in 0..self.processes.len() {
            for a in 0..b {
                self.schedule(RESTART, Happening::Connect { a, b });
            }
        }
    }

    /// Whether all replicas hold the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let mut fingerprints = self.processes.iter().map(|process| process.replica().map().fingerprint());
        let first = fingerprints.next();
        fingerprints.all(|fingerprint| Some(fingerprint) == first)
    }

    /// Whether every replica covers what any covered when `vectors` were taken.
    #[must_use]
    pub fn all_cover(&self, vectors: &[VersionVector]) -> bool {
        self.processes.iter().all(|process| vectors.iter().all(|vector| process.replica().vector().covers_all(vector)))
    }

    /// What each replica holds and covers, in a line for people.
    #[must_use]
    pub fn census(&self) -> String {
        let line = |process: &Process| {
            let (replica, map) = (process.replica(), process.replica().map());
            format!("{} holds {} heroes and {} tombstones, covers {:?}", replica.me(), map.live(), map.tombstones(), replica.vector())
        };
        self.processes.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    /// How many tombstones stand anywhere.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.processes.iter().map(|process| process.replica().map().tombstones()).sum()
    }

    /// Every replica's vector.
    #[must_use]
    pub fn vectors(&self) -> Vec<VersionVector> {
        self.processes.iter().map(|process| process.replica().vector().clone()).collect()
    }

    /// The greatest entry that any replica holds of each hero.
    #[must_use]
    pub fn best(&self) -> BTreeMap<HeroId, (bool, Stamp)> {
        let mut best: BTreeMap<HeroId, (bool, Stamp)> = BTreeMap::new();
        for process in &self.processes {
            for (key, entry) in process.replica().map().iter() {
                let rank = (entry.is_tombstone(), entry.stamp);
                best.entry(key).and_modify(|best| *best = rank.max(*best)).or_insert(rank);
            }
        }
        best
    }

    /// What anybody held when `best` was taken is held everywhere, or beaten: a write that a survivor held is not lost.
    ///
    /// # Errors
    /// Names the write that is missing.
    pub fn check_nothing_is_lost(&self, best: &BTreeMap<HeroId, (bool, Stamp)>) -> Result<(), String> {
        for (key, rank) in best {
            for process in &self.processes {
                let held = process.replica().map().get(*key);
                let buried = held.is_none() && self.writes.dead_by(*key, process.replica().vector());
                if !buried && held.is_none_or(|held| (held.is_tombstone(), held.stamp) < *rank) {
                    return Err(format!(
                        "{} does not hold {} of hero {key}, which was held when all was healed, nor what beats it",
                        process.name, rank.1
                    ));
                }
            }
        }
        Ok(())
    }

    /// A hash of everything that happened, in order.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.digest()
    }

    fn clock(&self, index: usize) -> Now {
        let millis = u64::try_from(self.now.as_millis()).expect("virtual time is short");
        Now { mono: self.now, wall: UnixMillis((EPOCH_MS + millis).saturating_add_signed(self.processes[index].skew_ms)) }
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        let id = self.next;
        self.next += 1;
        self.happenings.insert(id, happening);
        // Equal times are taken in a random order, so that no test passes by luck of the queue.
        let tie = if self.faults.reorder { self.rng.random() } else { id as u64 };
        self.queue.push(Reverse((self.now + after, tie, id)));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver { from, to, life, bytes } => {
                let connected = self.linked.contains(&pair(from, to)) && self.processes[to].me.incarnation == life;
                if connected || (self.faults.reorder && self.processes[to].me.incarnation == life) {
                    let frame = wire::decode(&bytes).expect("what a node wrote, a node can read");
                    self.say(|cluster| format!("{} <- {}: {frame:?}", cluster.processes[to].name, cluster.processes[from].name));
                    let from = self.processes[from].name;
                    self.input(to, Input::Frame { from, frame });
                }
            }
            Happening::Connect { a, b } => {
                let cut = self.cut_until.get(&(a, b)).copied().filter(|until| *until > self.now);
                if let Some(until) = cut {
                    self.schedule(until - self.now, Happening::Connect { a, b });
                } else if self.linked.insert((a, b)) {
                    for (this, other) in [(a, b), (b, a)] {
                        let Origin { node: peer, incarnation } = self.processes[other].me;
                        self.input(this, Input::LinkUp { peer, incarnation });
                    }
                }
            }
        }
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        if self.linked.remove(&pair(a, b)) {
            for (this, other) in [(a, b), (b, a)] {
                let peer = self.processes[other].name;
                self.input(this, Input::LinkDown { peer, cause: LinkDown::Lost });
            }
        }
    }

    fn input(&mut self, index: usize, input: Input<Infallible>) {
        let now = self.clock(index);
        match &mut self.processes[index].node {
            Node::City(city) => city.handle(now, input),
            Node::Dispatch(dispatch) => dispatch.handle(now, for_dispatch(input)),
        }
        self.after(index);
    }

    /// Takes the outputs of a machine that has just moved, and checks what it did.
    fn after(&mut self, index: usize) {
        self.check_changes(index);
        let mut ended = None;
        loop {
            let (to, frame) = match &mut self.processes[index].node {
                Node::City(city) => match city.poll() {
                    None => break,
                    Some(Output::Send { to, frame }) => (to, frame),
                    Some(Output::Event(event)) => {
                        if event == city::Event::Bombed {
                            ended = Some(Incarnation(0));
                        }
                        if let city::Event::Replica(event) = event {
                            ended = self.on_replica_event(index, &event).or(ended);
                        }
                        continue;
                    }
                },
                Node::Dispatch(dispatch) => match dispatch.poll() {
                    None => break,
                    Some(Output::Send { to, frame }) => (to, frame),
                    Some(Output::Event(event)) => {
                        match event {
                            dispatch::Event::Answer { ticket, answer } => {
                                if self.open.remove(&ticket).is_none() {
                                    self.violate(index, &format!("answered ticket {ticket}, which nobody holds: {answer:?}"));
                                }
                                self.on_answer(answer);
                            }
                            dispatch::Event::Replica(event) => ended = self.on_replica_event(index, &event).or(ended),
                            dispatch::Event::View(_) | dispatch::Event::Happened(_) => {}
                        }
                        continue;
                    }
                },
            };
            self.transmit(index, to, &frame);
        }
        if let Some(above) = ended {
            self.tally.bombs += 1;
            let last = self.processes[index].me.incarnation;
            self.restart(index, above.max(last));
        }
    }

    fn on_replica_event(&mut self, index: usize, event: &replica::Event) -> Option<Incarnation> {
        self.say(|cluster| format!("{}: {event:?}", cluster.processes[index].name));
        match event {
            replica::Event::Committed { full, .. } => {
                self.tally.rounds += 1;
                self.tally.full += u64::from(*full);
            }
            replica::Event::Collected { tombstones } => self.tally.collected += *tombstones as u64,
            replica::Event::Buried { writes, .. } => self.tally.buried += *writes as u64,
            replica::Event::TooFarAhead { .. } => self.tally.too_far_ahead += 1,
            replica::Event::OriginStolen { .. } | replica::Event::Diverged { .. } => self.violate(index, &format!("{event:?}")),
            replica::Event::Superseded { by } => return Some(*by),
            replica::Event::Adopted { .. }
            | replica::Event::Closed { .. }
            | replica::Event::Forgotten { .. }
            | replica::Event::Fenced { .. }
            | replica::Event::GivenUp { .. }
            | replica::Event::Joined { .. } => {}
        }
        None
    }

    fn on_answer(&mut self, answer: dispatch::Answer) {
        match answer {
            dispatch::Answer::Created(created) => {
                for (id, entry) in created {
                    self.heroes.push(id);
                    self.acknowledged.push((id, entry.stamp, false));
                }
            }
            dispatch::Answer::Assigned(id, entry) => self.acknowledged.push((id, entry.stamp, false)),
            dispatch::Answer::Terminated(id, entry) => self.acknowledged.push((id, entry.stamp, true)),
            dispatch::Answer::View(view) => self.view = Some(view),
            dispatch::Answer::Bombed(_) | dispatch::Answer::Forgotten(_) | dispatch::Answer::Found(..) | dispatch::Answer::Refused(_) => {}
        }
    }

    fn transmit(&mut self, from: usize, to: NodeName, frame: &Frame) {
        let Some(to) = self.processes.iter().position(|process| process.name == to) else { return };
        if !self.linked.contains(&pair(from, to)) {
            return;
        }
        let bytes = wire::encode(frame);
        self.trace.update(&self.now.as_micros().to_le_bytes());
        self.trace.update(&bytes);
        self.tally.frames += 1;
        self.tally.bytes += bytes.len() as u64;
        let copies = if self.rng.random_bool(self.faults.loss) {
            self.tally.lost += 1;
            0
        } else if self.rng.random_bool(self.faults.duplication) {
            self.tally.duplicated += 1;
            2
        } else {
            1
        };
        for _ in 0..copies {
            // Without reordering every frame takes the longest time, so that none overtakes another.
            let (least, most) = self.faults.delay;
            let delay = if self.faults.reorder { self.rng.random_range(least..=most) } else { most };
            let life = self.processes[to].me.incarnation;
            self.schedule(delay, Happening::Deliver { from, to, life, bytes: bytes.clone() });
        }
    }

    fn restart(&mut self, index: usize, above: Incarnation) {
        for other in 0..self.processes.len() {
            if other != index {
                self.disconnect(index, other);
            }
        }
        let now = self.clock(index);
        let cities: Vec<NodeName> =
            self.processes.iter().filter(|process| matches!(process.node, Node::City(_))).map(|process| process.name).collect();
        let seed = self.rng.random();
        let before = &self.processes[index];
        let mut incarnation = Incarnation(now.wall.0.max(above.0 + 1));
        if incarnation == before.me.incarnation {
            incarnation.0 += 1;
        }
        if matches!(before.node, Node::Dispatch(_)) {
            self.open.clear();
        }
        let before = &self.processes[index];
        let me = Origin { incarnation, ..before.me };
        let crashes = before.crashes + 1;
        let node = self.start(me, crashes, seed, now, &cities);
        self.say(|_| format!("{me} begins"));
        let process = &mut self.processes[index];
        *process = Process { node, me, crashes, deaths: Deaths::default(), changes_seen: 0, ..*process };
        for other in 0..self.processes.len() {
            if other != index {
                let (a, b) = pair(index, other);
                self.schedule(RESTART, Happening::Connect { a, b });
            }
        }
    }

    fn troubles(&mut self, hurt: bool, asking: bool, step: Duration) {
        let share = step.as_secs_f64();
        let strikes = |rng: &mut ChaCha8Rng, rate: f64| rng.random_bool((rate * share).min(1.0));
        let count = self.processes.len();
        if asking && strikes(&mut self.rng, self.faults.asks) {
            let verb = self.wish();
            self.ask(verb);
        }
        if !hurt {
            return;
        }
        if strikes(&mut self.rng, self.faults.cuts) {
            let (a, b) = (self.rng.random_range(0..count), self.rng.random_range(0..count));
            if a != b {
                let until = self.now + self.rng.random_range(Duration::ZERO..=self.faults.cut_max);
                self.tally.cuts += 1;
                self.cut_until.insert(pair(a, b), until);
                self.disconnect(a, b);
                let (a, b) = pair(a, b);
                self.schedule(until - self.now, Happening::Connect { a, b });
            }
        }
        if strikes(&mut self.rng, self.faults.bombs) {
            self.ask(Verb::Bomb { city: None });
        }
        if strikes(&mut self.rng, self.faults.kills) {
            let index = self.rng.random_range(0..count);
            self.tally.kills += 1;
            // A process that is started anew knows nothing of its last life, and its clock may have been set meanwhile.
            let skew = self.faults.skew_ms;
            self.processes[index].skew_ms = self.rng.random_range(-skew..=skew);
            self.restart(index, Incarnation(0));
        }
    }

    /// What a user might want now.
    fn wish(&mut self) -> Verb {
        let hero = self.heroes.iter().choose(&mut self.rng).copied();
        match (self.rng.random_range(0..10), hero) {
            (0..4, _) | (_, None) => Verb::Create { name: None },
            (4..8, Some(hero)) => {
                let place = self.rng.random_range(0..self.processes.len());
                let to = if matches!(self.processes[place].node, Node::City(_)) {
                    Location::City(self.processes[place].name)
                } else {
                    Location::Home
                };
                Verb::Assign { hero, to }
            }
            (_, Some(hero)) => Verb::Terminate { hero },
        }
    }

    fn ask(&mut self, verb: Verb) {
        self.say(|_| format!("asked: {verb:?}"));
        let index = self.processes.len() - 1;
        let now = self.clock(index);
        self.next_ticket += 1;
        self.open.insert(self.next_ticket, self.now);
        if let Node::Dispatch(dispatch) = &mut self.processes[index].node {
            dispatch.handle(now, Input::Command(Ask { ticket: self.next_ticket, key: None, verb }));
        }
        self.after(index);
    }

    /// Looks at what changed in a replica since it was looked at last.
    fn check_changes(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let replica = match &process.node {
            Node::City(city) => city.replica(),
            Node::Dispatch(dispatch) => dispatch.replica(),
        };
        let mut wrong = None;
        for (change, key, entry) in replica.map().changed_since(process.changes_seen) {
            process.changes_seen = change;
            let noted = self.writes.note(entry.stamp, key, entry.is_tombstone());
            wrong = noted.and(process.deaths.note(key, entry.is_tombstone())).err().or(wrong);
        }
        self.tally.writes = self.writes.len() as u64;
        if let Some(wrong) = wrong {
            self.violate(index, &wrong);
        }
    }

    fn check_vectors(&mut self) {
        let replicas =
            self.processes.iter().map(|process| (process.name, process.replica().vector(), process.replica().map().fingerprint()));
        let replicas: Vec<_> = replicas.collect();
        let verdict = checks::equal_vectors_mean_equal_maps(
            replicas.iter().map(|(name, vector, fingerprint)| (name.as_str(), *vector, *fingerprint)),
        );
        if let Err(wrong) = verdict {
            self.violation.get_or_insert(wrong);
        }
    }

    /// Whoever asks is told something within two seconds.
    fn check_answers(&mut self) {
        if let Some((ticket, asked)) = self.open.iter().find(|(_, asked)| self.now - **asked > ANSWER_MAX) {
            self.violation.get_or_insert(format!("ticket {ticket}, asked at {asked:?}, has no answer"));
        }
    }

    /// What dispatch shows is what is, once nothing changes any more.
    ///
    /// # Errors
    /// Says what it shows instead.
    pub fn check_view(&mut self) -> Result<Verdict, String> {
        self.ask(Verb::View);
        let view = self.view.take().ok_or("dispatch shows nothing")?;
        for (index, city) in view.cities.iter().enumerate() {
            let process = self.processes.iter().find(|process| process.name == city.name).ok_or("a city that is not")?;
            // The living: tombstones may still be collected at this very moment.
            let shown = view.rows.iter().filter_map(|row| Some((row.id, row.cells[index].as_ref()?)));
            let shown = shown.filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
            let held = process.replica().map().iter().filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
            if shown != held {
                return Err(format!("dispatch shows {} heroes of {}, which holds {}, or others", shown.len(), city.name, held.len()));
            }
        }
        if view.verdict.converged {
            Ok(view.verdict.clone())
        } else {
            Err(format!(
                "all agree, and dispatch says {:?} of {:?}",
                view.verdict,
                view.rows.iter().filter(|row| row.differs()).collect::<Vec<_>>()
            ))
        }
    }

    fn check_claims(&self) -> Result<(), String> {
        let held = self.processes.iter().flat_map(|process| process.replica().map().iter().map(|(_, entry)| entry.stamp)).collect();
        for process in &self.processes {
            let (map, vector) = (process.replica().map(), process.replica().vector());
            checks::no_overclaim(&self.writes, map, vector, &held)
                .and(checks::no_underclaim(map, vector))
                .and(checks::horizon_is_covered(process.replica().horizon(), vector))
                .map_err(|wrong| format!("at {:?}: {}: {wrong}", self.now, process.name))?;
        }
        Ok(())
    }

    fn violate(&mut self, index: usize, wrong: &str) {
        let name = self.processes[index].name;
        self.violation.get_or_insert(format!("{name}: {wrong}"));
    }

    fn say(&self, text: impl FnOnce(&Self) -> String) {
        if self.log {
            println!("{:>10.3}s  {}", self.now.as_secs_f64(), text(self));
        }
    }
}

/// Chunks of two entries or so: a delta of any size is many chunks, and every border case of a round is met often.
fn small_replica(cities: &[NodeName]) -> replica::Config {
    let members = cities.iter().copied().chain(["dispatch".parse().expect("a valid name")]).collect();
    replica::Config { members, chunk_bytes: 200, window: 3, ..replica::Config::default() }
}

/// What happens on links is the same for both kinds of machine; only their commands have different types.
fn for_dispatch(input: Input<Infallible>) -> Input<Ask> {
    match input {
        Input::LinkUp { peer, incarnation } => Input::LinkUp { peer, incarnation },
        Input::LinkDown { peer, cause } => Input::LinkDown { peer, cause },
        Input::Frame { from, frame } => Input::Frame { from, frame },
        Input::Command(never) => match never {},
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
