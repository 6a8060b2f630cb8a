//! The workloads. The result of every exchange is asserted, so that an exchange without effect is
//! not measured.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use benches::measure::{allocated, timed};
use benches::text::grouped;

use crate::cost::{self, CHANGES_MAX, Cost, RUNS_MAX};
use crate::hero::{Write, health, writes};
use crate::peer::{Bytes, Peer};

/// The numbers of heroes that one side changes.
const CHANGED: [u32; 3] = [1, 100, 1_000];
/// The number of heroes that both sides change.
const BOTH_CHANGE: u32 = 1_000;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// One node creates all heroes.
    Insert,
    /// An empty replica catches up with one that holds all heroes.
    Whole,
    /// One of two equal replicas catches up.
    Nothing,
    /// One of two equal replicas changes this many heroes, and the other catches up.
    Changed(u32),
    /// Both replicas change the same heroes, then catch up with each other.
    Both,
}

impl Workload {
    pub(crate) const ALL: [Self; 7] = [
        Self::Insert,
        Self::Whole,
        Self::Nothing,
        Self::Changed(CHANGED[0]),
        Self::Changed(CHANGED[1]),
        Self::Changed(CHANGED[2]),
        Self::Both,
    ];

    /// Returns its short name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Insert => "W1".into(),
            Self::Whole => "W2".into(),
            Self::Nothing => "W4".into(),
            Self::Changed(changed) => format!("W3-{changed}"),
            Self::Both => "W5".into(),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Insert => write!(f, "{name}: one node creates all heroes"),
            Self::Whole => write!(f, "{name}: an empty replica catches up with the whole state"),
            Self::Nothing => write!(f, "{name}: two equal replicas, one exchange"),
            Self::Changed(1) => {
                write!(f, "{name}: one side changes one hero, the other catches up")
            }
            Self::Changed(changed) => write!(
                f,
                "{name}: one side changes {} heroes, the other catches up",
                grouped(*changed)
            ),
            Self::Both => write!(
                f,
                "{name}: both change the same {} heroes, then catch up with each other",
                grouped(BOTH_CHANGE)
            ),
        }
    }
}

/// The cost of each workload. [`Workload::Insert`] sends nothing; its bytes are the memory of the
/// filled replica.
pub(crate) type Costs = BTreeMap<Workload, Cost>;

/// Measures all workloads with this many heroes.
pub(crate) fn measure<P: Peer>(heroes: u32, duration: Duration) -> Costs {
    let created = writes(0..heroes, 0, 0);
    let mut costs = Costs::from([(Workload::Insert, insert::<P>(&created, duration))]);
    let (whole, mut pair) = whole::<P>(heroes, &created, duration);
    drop(created);
    costs.insert(Workload::Whole, whole);
    costs.insert(Workload::Nothing, cost::median(RUNS_MAX, duration, || pair.exchange()));
    drop(pair);
    let mut changes = |workload, change: &dyn Fn(&mut Pair<P>) -> Cost| {
        let mut pair = Pair::new(heroes);
        costs.insert(workload, cost::median(CHANGES_MAX, duration, || change(&mut pair)));
        pair.assert_equal();
    };
    for changed in CHANGED {
        changes(Workload::Changed(changed), &|pair| pair.change(changed));
    }
    changes(Workload::Both, &Pair::change_both);
    costs
}

fn insert<P: Peer>(created: &[Write], duration: Duration) -> Cost {
    cost::median(RUNS_MAX, duration, || {
        let before = allocated();
        let (cpu, replica) = timed(|| filled::<P>(created));
        let bytes = Bytes { asked: 0, answered: allocated().saturating_sub(before) };
        assert_eq!(replica.held().heroes, created.len(), "{} holds every write", P::NAME);
        Cost { cpu, bytes }
    })
}

fn whole<P: Peer>(heroes: u32, created: &[Write], duration: Duration) -> (Cost, Pair<P>) {
    let mut source: P = filled(created);
    let held = source.held();
    let mut puller = P::empty(1);
    let cost = cost::median(RUNS_MAX, duration, || {
        // Outside the timed part, since this drops the full replica of the previous run.
        puller = P::empty(1);
        assert_eq!(puller.held().heroes, 0, "{} starts empty", P::NAME);
        let (cpu, bytes) = timed(|| puller.catch_up(&mut source));
        assert_eq!(puller.held(), held, "{} has caught up", P::NAME);
        Cost { cpu, bytes }
    });
    (cost, Pair::of(source, puller, heroes))
}

/// Returns a replica with these writes.
pub(crate) fn filled<P: Peer>(created: &[Write]) -> P {
    let mut replica = P::empty(0);
    replica.write(created);
    replica
}

/// Two replicas that hold the same heroes.
pub(crate) struct Pair<P> {
    pub(crate) source: P,
    pub(crate) puller: P,
    heroes: u32,
    /// The number of turns in which heroes were changed.
    turn: u32,
}

impl<P: Peer> Pair<P> {
    pub(crate) fn new(heroes: u32) -> Self {
        let mut source: P = filled(&writes(0..heroes, 0, 0));
        let mut puller = P::empty(1);
        puller.catch_up(&mut source);
        Self::of(source, puller, heroes)
    }

    pub(crate) fn of(mut source: P, mut puller: P, heroes: u32) -> Self {
        // The source has not yet seen the incarnation of the puller; without this exchange the
        // first measured one would transfer it.
        source.catch_up(&mut puller);
        let pair = Self { source, puller, heroes, turn: 0 };
        pair.assert_equal();
        pair
    }

    /// Asserts that both replicas are equal and hold all heroes.
    pub(crate) fn assert_equal(&self) {
        let held = self.source.held();
        assert_eq!(held, self.puller.held(), "both replicas of {} hold the same", P::NAME);
        assert_eq!(held.heroes, self.heroes as usize, "{} holds all heroes", P::NAME);
    }

    /// Lets the puller catch up and measures it.
    pub(crate) fn exchange(&mut self) -> Cost {
        let (cpu, bytes) = timed(|| self.puller.catch_up(&mut self.source));
        Cost { cpu, bytes }
    }

    /// Changes this many heroes at the source, at most all of them, and measures how the puller
    /// catches up. The change itself is not measured.
    pub(crate) fn change(&mut self, changed: u32) -> Cost {
        let changed = changed.min(self.heroes);
        let last = changed - 1;
        // Health values repeat after 50 turns: a hero last written a whole cycle ago would be
        // written unchanged.
        if self.puller.health(last) == Some(health(0, self.turn + 1)) {
            self.turn += 1;
        }
        let health = self.write(changed);
        assert_ne!(self.puller.health(last), Some(health), "{} has a change to receive", P::NAME);
        let cost = self.exchange();
        for number in [0, last] {
            assert_eq!(self.puller.health(number), Some(health), "{} has caught up", P::NAME);
        }
        cost
    }

    /// Changes the same heroes at both replicas and measures how they catch up with each other. The
    /// changes themselves are not measured.
    pub(crate) fn change_both(&mut self) -> Cost {
        let changed = BOTH_CHANGE.min(self.heroes);
        let healths = self.write_both(changed);
        let (cpu, bytes) = timed(|| self.puller.sync(&mut self.source));
        for number in [0, changed - 1] {
            let agreed = self.source.health(number);
            assert_eq!(agreed, self.puller.health(number), "{} agrees", P::NAME);
            assert!(
                healths.map(Some).contains(&agreed),
                "{} agrees on one of the two writes",
                P::NAME
            );
        }
        Cost { cpu, bytes }
    }

    /// Writes these heroes again at the source and returns their new health.
    pub(crate) fn write(&mut self, changed: u32) -> u8 {
        self.turn += 1;
        self.source.write(&writes(0..changed, 0, self.turn));
        health(0, self.turn)
    }

    /// Writes these heroes again at both replicas, with different health, and returns both values.
    pub(crate) fn write_both(&mut self, changed: u32) -> [u8; 2] {
        self.write(changed);
        self.puller.write(&writes(0..changed, 1, self.turn));
        [0, 1].map(|node| health(node, self.turn))
    }
}
