//! Small worlds, explored to the end: a few real replicas, a few things that may happen, in every order that there is.
//!
//! A world is three replicas, the parts of rounds that are under way, and a budget of what may still happen. Every state that can be
//! reached within the budget is reached, and in every one the claims of all version vectors are checked; where nothing is left to happen, the world is healed, and must converge to what its
//! survivors held. A part that is never delivered is a lost one, and parts are delivered in any order, so loss, delay and reordering need
//! no actions of their own. Time stands still but when a life begins.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use shared::crdt::Value;
use shared::hero::Hero;
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::message::{Envelope, Step};
use shared::replica::{Config, Event, Output, Replica, Rules};
use shared::time::{Now, UnixMillis};

use crate::checker::{agreement, claims, rank, survival};

const EPOCH_MS: u64 = 1_790_000_000_000;
/// How long a new life takes to begin, and how long it is before it acts; longer than any drift.
const LATER: u64 = 10;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// What may happen, and how often. One unit of anything more multiplies the states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Heroes: the first is written by a, and all have heard of it before anything happens; the second is written by b.
    pub keys: u8,
    /// Writes over what is held, or of the second hero.
    pub writes: u8,
    /// Deaths.
    pub deaths: u8,
    /// Rounds that run to their end at once.
    pub rounds: u8,
    /// Rounds of which the parts are under way, to be delivered in any order, or never.
    pub slow_rounds: u8,
    /// Replicas that lose all their memory.
    pub bombs: u8,
    /// Replicas of which a second process is started while the first lives on.
    pub doubles: u8,
    /// Members that are forgotten.
    pub forgets: u8,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A replica writes a hero.
    Write(usize, u8),
    /// A replica ends a hero.
    Kill(usize, u8),
    /// The first pulls from the second, to the end.
    Round(usize, usize),
    /// The first pulls from the second; what the second answers is under way.
    SlowRound(usize, usize),
    /// A part that was under way arrives.
    Deliver(usize),
    /// A replica loses its memory.
    Bomb(usize),
    /// A second process of a replica's name is started.
    Double(usize),
    /// The first forgets the second.
    Forget(usize, usize),
}

#[derive(Clone)]
struct World {
    /// A place that is empty belonged to a process that has halted.
    nodes: Vec<Option<Arc<Replica>>>,
    under_way: Vec<Arc<Envelope>>,
    budget: Budget,
    seconds: u64,
    /// The incarnation of the newest life of anybody.
    newest: u64,
    writes: Arc<claims::Writes>,
    violation: Option<String>,
}

/// What an exploration came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// How many different states there are.
    pub states: usize,
    /// In how many of them the world was healed and had to converge.
    pub healed: usize,
}

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is violated.
    pub violation: String,
    /// A way there.
    pub actions: Vec<Action>,
    /// How many states were seen before.
    pub states: usize,
}

/// Explores all states within the budget, or `states_max` of them.
///
/// # Errors
/// The first violation, and a way there.
pub fn explore(budget: Budget, rules: &Rules, states_max: usize) -> Result<Explored, Found> {
    let (mut seen, mut healed) = (Seen::default(), Seen::default());
    // Depth first: what is not explored yet takes no more room than a way is long.
    let mut stack: Vec<(World, Vec<Action>)> = Vec::new();
    let mut way: Vec<Action> = Vec::new();
    let mut next = Some(World::warm(budget, rules));
    loop {
        if let Some(world) = next.take() {
            let actions = world.actions();
            let spent = actions.iter().all(|action| matches!(action, Action::Deliver(_)));
            let violation = world.violation.clone().or_else(|| world.check().err()).or_else(|| {
                // What is under way is lost when a world is healed, so it makes no difference.
                if spent && healed.insert(digest(&world.nodes)) { world.heal(rules).err() } else { None }
            });
            if let Some(violation) = violation {
                return Err(Found { violation, actions: way, states: seen.len() });
            }
            stack.push((world, actions));
        }
        let Some((world, actions)) = stack.last_mut() else {
            return Ok(Explored { states: seen.len(), healed: healed.len() });
        };
        if let Some(action) = actions.pop() {
            let after = world.after(action, rules);
            if seen.len() < states_max && seen.insert(after.digest()) {
                way.push(action);
                next = Some(after);
            }
        } else {
            stack.pop();
            way.pop();
        }
    }
}

#[expect(clippy::disallowed_types, reason = "only asked whether it holds something; its order is never seen")]
type Seen = std::collections::HashSet<u64>;

fn key(number: u8) -> HeroId {
    HeroId(uuid::Uuid::from_bytes([number; 16]))
}

fn hero() -> Value {
    Value::Live(Hero::new("Granite".into()))
}

impl World {
    /// All have joined, hold the first hero, and have proved that to each other.
    fn warm(budget: Budget, rules: &Rules) -> Self {
        let nodes = NAMES.map(|name| Some(Arc::new(newborn(name.parse().expect("a valid name"), Incarnation(1), 0, rules)))).to_vec();
        let mut world = Self { nodes, under_way: Vec::new(), budget, seconds: LATER, newest: 1, writes: Arc::default(), violation: None };
        for node in 0..NAMES.len() {
            let now = world.now();
            world.change(node, |replica| replica.tick(now));
        }
        world.write(0, 0, hero());
        world.everybody_pulls(rules);
        world.everybody_pulls(rules);
        assert!(world.check().is_ok(), "{:?}", world.check());
        world
    }

    /// A life later than all before, which is about to act.
    fn newborn(&mut self, name: NodeName, rules: &Rules) -> Arc<Replica> {
        self.seconds += LATER;
        self.newest += 1;
        let replica = newborn(name, Incarnation(self.newest), self.seconds, rules);
        self.seconds += LATER;
        Arc::new(replica)
    }

    fn now(&self) -> Now {
        Now { mono: Duration::from_secs(self.seconds), wall: UnixMillis(EPOCH_MS + self.seconds * 1_000) }
    }

    fn digest(&self) -> u64 {
        let mut hasher = Xxh3::new();
        self.nodes.hash(&mut hasher);
        // In whatever order they were sent.
        let mut parts: Vec<u64> = self.under_way.iter().map(digest).collect();
        parts.sort_unstable();
        (parts, self.budget, self.violation.is_some()).hash(&mut hasher);
        hasher.finish()
    }

    fn alive(&self) -> impl Iterator<Item = (usize, &Arc<Replica>)> {
        self.nodes.iter().enumerate().filter_map(|(number, node)| Some((number, node.as_ref()?)))
    }

    fn node(&self, number: usize) -> &Replica {
        self.nodes[number].as_ref().expect("one that is alive")
    }

    /// All that can happen next.
    fn actions(&self) -> Vec<Action> {
        if self.violation.is_some() {
            return Vec::new();
        }
        let Budget { keys, writes, deaths, rounds, slow_rounds, bombs, doubles, forgets } = self.budget;
        let mut actions: Vec<Action> = (0..self.under_way.len()).map(Action::Deliver).collect();
        for (node, replica) in self.alive() {
            for number in 0..keys {
                let held = replica.map().rank(key(number));
                let lives = held.is_some_and(|held| !held.is_tombstone);
                let second = number == 1 && node == 1 && held.is_none() && self.writes.len() < 64 && !self.writes.knows(key(1));
                if writes > 0 && replica.joined() && (lives || second) {
                    actions.push(Action::Write(node, number));
                }
                if deaths > 0 && replica.joined() && lives {
                    actions.push(Action::Kill(node, number));
                }
            }
            for (other, peer) in self.alive().filter(|(other, peer)| *other != node && peer.me().node != replica.me().node) {
                actions.extend((rounds > 0).then_some(Action::Round(node, other)));
                actions.extend((slow_rounds > 0).then_some(Action::SlowRound(node, other)));
                let can_forget = forgets > 0 && replica.joined() && !replica.is_forgotten(peer.me().node);
                actions.extend(can_forget.then_some(Action::Forget(node, other)));
            }
            actions.extend((bombs > 0).then_some(Action::Bomb(node)));
            actions.extend((doubles > 0).then_some(Action::Double(node)));
        }
        actions
    }

    fn after(&self, action: Action, rules: &Rules) -> Self {
        let mut world = self.clone();
        match action {
            Action::Write(node, number) => {
                world.budget.writes -= 1;
                world.write(node, number, hero());
            }
            Action::Kill(node, number) => {
                world.budget.deaths -= 1;
                world.write(node, number, Value::Tombstone);
            }
            Action::Round(puller, source) => {
                world.budget.rounds -= 1;
                world.round(puller, source, rules);
            }
            Action::SlowRound(puller, source) => {
                world.budget.slow_rounds -= 1;
                let parts = world.open(puller, source, rules);
                world.under_way.extend(parts.into_iter().map(Arc::new));
            }
            Action::Deliver(number) => {
                let part = Envelope::clone(&world.under_way.remove(number));
                // To whoever carries that name now; if two do, to the life that is meant.
                let named = |(_, replica): &(usize, &Arc<Replica>)| replica.me().node == part.to.node;
                let meant = world.alive().find(|(_, replica)| replica.me() == part.to).or_else(|| world.alive().find(named));
                if let Some((node, _)) = meant {
                    world.handle(node, part, rules);
                }
            }
            Action::Bomb(node) => {
                world.budget.bombs -= 1;
                let name = world.node(node).me().node;
                world.nodes[node] = Some(world.newborn(name, rules));
            }
            Action::Double(node) => {
                world.budget.doubles -= 1;
                let name = world.node(node).me().node;
                let double = world.newborn(name, rules);
                world.nodes.push(Some(double));
            }
            Action::Forget(node, other) => {
                world.budget.forgets -= 1;
                let (now, name) = (world.now(), world.node(other).me().node);
                world.change(node, |replica| replica.forget(now, name).expect("it has joined, and the other is a member"));
            }
        }
        world
    }

    fn change<T>(&mut self, node: usize, change: impl FnOnce(&mut Replica) -> T) -> T {
        let replica = Arc::make_mut(self.nodes[node].as_mut().expect("one that is alive"));
        let changes = replica.map().changes();
        let result = change(replica);
        if replica.map().changes() != changes {
            let writes = Arc::make_mut(&mut self.writes);
            for (_, key, entry) in replica.map().changed_since(changes) {
                if let Err(twice) = writes.note(key, rank(&entry)) {
                    self.violation.get_or_insert(twice);
                }
            }
        }
        result
    }

    fn write(&mut self, node: usize, number: u8, value: Value) {
        let now = self.now();
        let written = self.change(node, |replica| replica.write(now, key(number), value));
        written.expect("it has joined, and the hero lives");
    }

    /// Begins a pull and takes the answers. Asking and being asked back which vector it is takes no time here.
    fn open(&mut self, puller: usize, source: usize, rules: &Rules) -> Vec<Envelope> {
        let (now, from) = (self.now(), self.node(source).me());
        // What stood still between these two is given up.
        self.change(puller, |replica| replica.link_down(from.node));
        let to = self.node(puller).me().node;
        self.change(source, |replica| replica.link_down(to));
        self.change(puller, |replica| replica.pull(now, from, from.node, false));
        let mut parts = Vec::new();
        loop {
            let questions = self.drain(puller, rules);
            if questions.is_empty() || self.nodes[puller].is_none() || self.nodes[source].is_none() {
                return parts;
            }
            for question in questions {
                if matches!(question.step, Step::Invite { .. }) {
                    // It does not know that it is outlived: it pulls instead, at once.
                    let answers = self.open(source, puller, rules);
                    answers.into_iter().for_each(|part| self.handle(source, part, rules));
                    return Vec::new();
                }
                self.change(source, |replica| replica.handle(now, to, question));
            }
            for answer in self.drain(source, rules) {
                if matches!(answer.step, Step::Chunk { .. } | Step::End { .. }) {
                    parts.push(answer);
                } else if self.nodes[puller].is_some() {
                    self.change(puller, |replica| replica.handle(now, from.node, answer));
                }
            }
        }
    }

    fn round(&mut self, puller: usize, source: usize, rules: &Rules) {
        for part in self.open(puller, source, rules) {
            self.handle(puller, part, rules);
        }
    }

    fn handle(&mut self, node: usize, part: Envelope, rules: &Rules) {
        if self.nodes[node].is_some() {
            let (now, via) = (self.now(), part.from.node);
            self.change(node, |replica| replica.handle(now, via, part));
            // Acknowledgements are not needed: the window is wide.
            drop(self.drain(node, rules));
        }
    }

    /// Takes what a replica says, and notices what must not happen to it.
    fn drain(&mut self, node: usize, rules: &Rules) -> Vec<Envelope> {
        let mut said = Vec::new();
        let mut superseded = None;
        loop {
            match self.change(node, Replica::poll) {
                None => break,
                Some(Output::Send { envelope, .. }) => said.push(envelope),
                Some(Output::Event(event @ (Event::Diverged { .. } | Event::OriginStolen { .. }))) => {
                    self.violation.get_or_insert(format!("{}: {event:?}", self.node(node).me()));
                }
                Some(Output::Event(Event::Superseded { halts, .. })) => superseded = superseded.or(Some(halts)),
                Some(Output::Event(Event::Collected { tombstones })) => Arc::make_mut(&mut self.writes).note_collected(&tombstones),
                Some(Output::Event(_)) => {}
            }
        }
        if let Some(halts) = superseded {
            let name = self.node(node).me().node;
            self.nodes[node] = if halts { None } else { Some(self.newborn(name, rules)) };
        }
        said.retain(|envelope| !matches!(envelope.step, Step::Ack { .. }));
        said
    }

    /// Whether a later life of that name is there, or heard of.
    fn is_outlived(&self, replica: &Replica) -> bool {
        let later = |other: &Replica| other.me().node == replica.me().node && other.me() > replica.me();
        self.alive().any(|(_, other)| later(other) || other.has_fenced(replica.me()))
    }

    /// What must hold in every state.
    fn check(&self) -> Result<(), String> {
        // What an outlived or forgotten life writes is not taken in; and where two processes of one name have lived, an orphan may
        // stand at its holder until that hears of the closing. Elsewhere a mark covers nothing that stands and is missing here.
        let standing = self.alive().filter(|(_, replica)| !self.is_outlived(replica));
        let mut held: BTreeSet<_> = standing.flat_map(|(_, replica)| replica.map().iter().map(|(_, entry)| entry.stamp)).collect();
        if self.nodes.len() > NAMES.len() {
            held.clear();
        }
        for (_, replica) in self.alive() {
            let claims = claims::no_overclaim(&self.writes, replica.map(), replica.vector(), &held);
            claims.and(claims::no_underclaim(replica.map(), replica.vector())).map_err(|wrong| format!("{}: {wrong}", replica.me()))?;
        }
        let replicas = self.alive().map(|(_, replica)| (replica.me().node, replica)).collect::<Vec<_>>();
        let replicas = replicas.iter().map(|(name, replica)| (name.as_str(), replica.vector(), replica.map().fingerprint()));
        agreement::equal_vectors_mean_equal_maps(replicas)
    }

    fn everybody_pulls(&mut self, rules: &Rules) {
        for puller in 0..self.nodes.len() {
            for source in 0..self.nodes.len() {
                let both = self.nodes[puller].as_ref().zip(self.nodes[source].as_ref());
                if both.is_some_and(|(puller, source)| puller.me().node != source.me().node) {
                    self.round(puller, source, rules);
                }
            }
        }
    }

    /// Whatever is under way is lost, and everybody pulls from everybody until nothing changes: all hold the same, and nothing that a
    /// survivor held is lost.
    fn heal(&self, rules: &Rules) -> Result<(), String> {
        let mut world = Self { under_way: Vec::new(), ..self.clone() };
        let mut survivors = survival::Survivors::default();
        self.alive().filter(|(_, replica)| !self.is_outlived(replica)).for_each(|(_, replica)| survivors.note_all(replica.map()));
        let mut before = None;
        for _ in 0..12 {
            let now: Vec<_> =
                world.alive().map(|(_, replica)| (replica.summary(), replica.map().tombstones(), replica.horizon().hash())).collect();
            if before.as_ref() == Some(&now) {
                break;
            }
            before = Some(now);
            world.everybody_pulls(rules);
            if let Some(violation) = world.violation.clone() {
                return Err(format!("while healing: {violation}"));
            }
        }
        world.check().map_err(|wrong| format!("after healing: {wrong}"))?;
        let first = world.alive().next().map(|(_, replica)| replica.map().fingerprint());
        for (_, replica) in world.alive() {
            if Some(replica.map().fingerprint()) != first {
                return Err(format!("after healing: {} holds something else", replica.me()));
            }
            let held = |key| replica.map().get(key).map(|entry| rank(&entry));
            let stand = survivors.all_stand(held, |key| world.writes.dead_by(key, replica.vector()));
            stand.map_err(|wrong| format!("after healing: {}: {wrong}", replica.me()))?;
            if world.alive().count() == NAMES.len() && replica.joined() && replica.map().tombstones() > 0 {
                return Err(format!("after healing: {} keeps a tombstone that all have heard of", replica.me()));
            }
        }
        Ok(())
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = Xxh3::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn newborn(node: NodeName, incarnation: Incarnation, seconds: u64, rules: &Rules) -> Replica {
    let members = NAMES.map(|name| name.parse().expect("a valid name")).into();
    // Each entry is a chunk of its own, and none waits for an acknowledgement.
    let config = Config { members, chunk_bytes: 1, window: 1_000, journal_max: 0, rules: rules.clone(), ..Config::default() };
    let now = Now { mono: Duration::from_secs(seconds), wall: UnixMillis(EPOCH_MS + seconds * 1_000) };
    Replica::new(Origin { node, incarnation }, config, now)
}
