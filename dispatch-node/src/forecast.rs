//! A forecast of convergence: for how many heroes the nodes will still hold different entries, if
//! links stay as they are and nothing is written.
//!
//! It is a Markov chain over the *set of nodes that hold the newest write*. Its steps are those of
//! the machines, each with its own probability (`gossip`); nothing is simulated or sampled. The
//! phases of the timers are unknown: every order of the timers and every phase is equally likely.
//! The chain is computed for each order, and the results are averaged (`rounds`).
//!
//! Timers are not modelled as exponential clocks, as would be usual: a city that was cut off starts
//! an exchange within a second of being healed, with certainty, and an exponential clock would
//! leave it waiting in one case of three.
//!
//! The probabilities are exact for the orders of turns that are computed, apart from the travel
//! time of frames. With few reachable states (one write among four nodes, or the writes of a city
//! that was cut off and those of the others), all orders are computed; otherwise a balanced subset,
//! which changed no probability by more than 0.015 in measurements. [`Forecast`] lists the values
//! that are bounds.

mod chain;
mod gossip;
mod rounds;

use std::collections::BTreeMap;
use std::time::Duration;

pub use gossip::{Actor, Exchange, Gossip, Intervals, Way};

use chain::{Chain, State, set, state};
use rounds::{Rounds, Table};

/// The maximum number of nodes. More have too many states.
const NODES_MAX: usize = 8;
/// The share of runs outside the band at each end: the band contains 90 % of them.
const LEFT_OUT: f64 = 0.05;
/// The maximum of states times turns per round for which all classes are computed together.
const TOGETHER_WORK: usize = 120_000;
/// The tolerance for rounding errors in sums of probabilities.
const ROUNDING: f64 = 1e-9;

/// A class of heroes whose newest writes are held by the same nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeroClass {
    /// The nodes that hold the newest write, one bit per node.
    pub holders: u8,
    /// The number of heroes.
    pub heroes: usize,
}

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The time from now.
    pub after: Duration,
    /// The mean number of heroes whose newest write is not held by every node.
    pub mean: f64,
    /// The lower end of the band that contains that number in nine runs of ten.
    pub low: usize,
    /// The upper end of that band.
    pub high: usize,
}

/// The expected course of convergence.
///
/// All heroes move together, since an exchange transfers everything. If that has few enough states
/// (always with four nodes and the default intervals; with eight, unless several of them hold
/// writes of their own), the band and `agreed_within` are exact too: the band contains at least
/// nine runs in ten, and more only because heroes are counted in whole numbers. Otherwise only the
/// mean is exact. The band then treats classes of heroes as comonotone, so slower classes always
/// lag behind (Dhaene et al., "The Concept of Comonotonicity in Actuarial Science and Finance:
/// Theory", Insurance: Mathematics and Economics 31, 2002: it is the sum with the largest variation
/// in convex order, and its quantiles are the sums of the quantiles); and by Fréchet's bounds,
/// `agreed_within` is not too short.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The points from now to the horizon, at equal intervals.
    pub points: Vec<Point>,
    /// The interval in which nine runs of ten reach agreement. `None` if that takes longer than the
    /// horizon.
    pub agreed_within: Option<(Duration, Duration)>,
    /// The number of heroes whose newest write cannot reach every node over the present links. If
    /// it is not zero, the nodes never agree.
    pub out_of_reach: usize,
}

/// Returns the expected convergence up to `horizon`, in steps of `step`. `None` if there are more
/// than eight nodes, or if the horizon is further than a thousand times the shortest interval.
///
/// # Panics
/// If `step` is zero.
#[must_use]
pub fn forecast(
    gossip: &Gossip,
    classes: &[HeroClass],
    horizon: Duration,
    step: Duration,
) -> Option<Forecast> {
    assert!(!step.is_zero(), "the step must not be zero");
    if gossip.nodes > NODES_MAX {
        return None;
    }
    // Actors without useful exchanges change nothing, but would add turns.
    let is_useful = |actor: &&Actor| !actor.exchanges.is_empty() && !actor.interval.is_zero();
    let actors: Vec<Actor> = gossip.actors.iter().filter(is_useful).cloned().collect();
    let rounds = Rounds::until(horizon, &actors)?;
    let classes = HeroClass::classes(classes, gossip.nodes);
    let all_nodes_mask = all_nodes_mask(gossip.nodes);
    let forecast = Together::of(&classes, &actors, &rounds, all_nodes_mask).map_or_else(
        || Apart::of(&classes, &actors, &rounds, all_nodes_mask).forecast(horizon, step),
        |together| together.forecast(horizon, step),
    );
    let out_of_reach = classes
        .iter()
        .filter(|class| class.reach(&actors) != all_nodes_mask)
        .map(|class| class.heroes)
        .sum();
    Some(Forecast { out_of_reach, ..forecast })
}

fn all_nodes_mask(nodes: usize) -> u8 {
    u8::MAX.checked_shr(u32::try_from(NODES_MAX - nodes).expect("at most NODES_MAX")).unwrap_or(0)
}

impl HeroClass {
    /// Returns the classes that differ, merged by holders.
    fn classes(all: &[Self], nodes: usize) -> Vec<Self> {
        let mut merged = BTreeMap::new();
        for HeroClass { holders, heroes } in all {
            *merged.entry(holders & all_nodes_mask(nodes)).or_insert(0) += heroes;
        }
        let differs =
            |(holders, heroes): &(u8, usize)| *holders != all_nodes_mask(nodes) && *heroes > 0;
        merged
            .into_iter()
            .filter(differs)
            .map(|(holders, heroes)| Self { holders, heroes })
            .collect()
    }

    /// Returns the nodes that will hold the write eventually.
    fn reach(&self, actors: &[Actor]) -> u8 {
        let mut reached = state([self.holders]);
        loop {
            let exchanges = actors.iter().flat_map(|actor| &actor.exchanges);
            let further =
                exchanges.fold(reached, |reached, exchange| chain::after(reached, *exchange));
            if further == reached {
                return set(reached, 0);
            }
            reached = further;
        }
    }
}

/// The computed probabilities, from which the forecast is derived.
trait Outlook {
    /// Returns the mean, the low and the high number of differences at this time.
    fn point(&self, after: Duration) -> (f64, usize, usize);
    /// Returns a lower and an upper bound on the probability that all nodes agree by then.
    fn agreed(&self, by: Duration) -> (f64, f64);

    fn forecast(&self, horizon: Duration, step: Duration) -> Forecast {
        let times = (0..)
            .map_while(|number| step.checked_mul(number))
            .take_while(|after| *after <= horizon);
        let points = times.map(|after| {
            let (mean, low, high) = self.point(after);
            Point { after, mean, low, high }
        });
        let earliest = first(horizon, |by| self.agreed(by).1 >= LEFT_OUT - ROUNDING);
        let latest = first(horizon, |by| self.agreed(by).0 >= 1.0 - LEFT_OUT - ROUNDING);
        Forecast { points: points.collect(), agreed_within: earliest.zip(latest), out_of_reach: 0 }
    }
}

/// Returns the first time, to the millisecond, at which a monotone condition holds.
fn first(horizon: Duration, is_so: impl Fn(Duration) -> bool) -> Option<Duration> {
    if is_so(Duration::ZERO) {
        return Some(Duration::ZERO);
    }
    let (mut before, mut by) = (Duration::ZERO, horizon);
    while by - before > Duration::from_millis(1) {
        let middle = before + (by - before) / 2;
        if is_so(middle) {
            by = middle;
        } else {
            before = middle;
        }
    }
    is_so(by).then_some(by)
}

/// All classes of heroes in one chain: the probability of each number of differences.
struct Together {
    /// The possible numbers of differences, smallest first.
    differences: Vec<usize>,
    probabilities: Table,
}

impl Together {
    /// Returns `None` if there would be too many states.
    fn of(
        classes: &[HeroClass],
        actors: &[Actor],
        rounds: &Rounds,
        all_nodes_mask: u8,
    ) -> Option<Self> {
        // With more classes than sets in a state, follow the holders of each node's writes instead;
        // the holders of a class are the union over the nodes that hold it at the start.
        let (starts, parts): (Vec<u8>, Vec<u8>) = if classes.len() <= NODES_MAX {
            classes.iter().zip(0..).map(|(class, place)| (class.holders, 1 << place)).unzip()
        } else {
            (
                (0..8).map(|node| 1 << node).collect(),
                classes.iter().map(|class| class.holders).collect(),
            )
        };
        let chain =
            Chain::explore([state(starts.iter().copied())], actors, TOGETHER_WORK / rounds.work())?;
        let holders = |reached: State, parts: u8| {
            (0..8)
                .filter(|place| parts >> place & 1 == 1)
                .fold(0, |all, place| all | set(reached, place))
        };
        let count = |reached: State| -> usize {
            classes
                .iter()
                .zip(&parts)
                .filter(|(_, parts)| holders(reached, **parts) != all_nodes_mask)
                .map(|(class, _)| class.heroes)
                .sum()
        };
        let counts: Vec<usize> = chain.states.iter().map(|state| count(*state)).collect();
        // 0 is always included: `agreed` reads the probability of the first number.
        let mut differences = [&[0], &counts[..]].concat();
        differences.sort_unstable();
        differences.dedup();
        let levels: Vec<usize> =
            counts.iter().map(|count| differences.partition_point(|other| other < count)).collect();
        let mut start = vec![0.0; chain.states.len()];
        start[chain.number(state(starts))] = 1.0;
        let read = |vector: &[f64], shares: &mut [f64]| {
            shares.fill(0.0);
            levels.iter().zip(vector).for_each(|(level, share)| shares[*level] += share);
        };
        let turn = |actor: usize, before: &[f64], after: &mut Vec<f64>| {
            chain.forward(actor, before, after)
        };
        let probabilities = rounds.follow(&start, differences.len(), turn, read);
        Some(Self { differences, probabilities })
    }
}

impl Outlook for Together {
    fn point(&self, after: Duration) -> (f64, usize, usize) {
        let probabilities = self.probabilities.after(after);
        let mean = self
            .differences
            .iter()
            .zip(&probabilities)
            .map(|(count, share)| *count as f64 * share)
            .sum();
        let quantile = |of: f64| {
            let mut below = 0.0;
            let reached = probabilities.iter().position(|share| {
                below += share;
                below >= of - ROUNDING
            });
            self.differences[reached.unwrap_or(self.differences.len() - 1)]
        };
        (mean, quantile(LEFT_OUT), quantile(1.0 - LEFT_OUT))
    }

    fn agreed(&self, by: Duration) -> (f64, f64) {
        let agreed = self.probabilities.after(by)[0];
        (agreed, agreed)
    }
}

/// Each class of heroes in a chain of its own: the probability that it still differs.
struct Apart<'a> {
    classes: &'a [HeroClass],
    probabilities: Table,
}

impl<'a> Apart<'a> {
    fn of(classes: &'a [HeroClass], actors: &[Actor], rounds: &Rounds, all_nodes_mask: u8) -> Self {
        let starts = classes.iter().map(|class| state([class.holders]));
        let chain = Chain::explore(starts, actors, usize::MAX)
            .expect("the number of states is not limited");
        let differs: Vec<f64> = chain
            .states
            .iter()
            .map(|state| if set(*state, 0) == all_nodes_mask { 0.0 } else { 1.0 })
            .collect();
        let numbers: Vec<usize> =
            classes.iter().map(|class| chain.number(state([class.holders]))).collect();
        let read = |vector: &[f64], shares: &mut [f64]| {
            shares.iter_mut().zip(&numbers).for_each(|(share, number)| *share = vector[*number])
        };
        // An order of turns is as likely as its reverse, so one backward pass serves all classes.
        let turn = |actor: usize, after: &[f64], before: &mut Vec<f64>| {
            chain.backward(actor, after, before)
        };
        Self { classes, probabilities: rounds.follow(&differs, classes.len(), turn, read) }
    }
}

impl Outlook for Apart<'_> {
    fn point(&self, after: Duration) -> (f64, usize, usize) {
        let probabilities = self.probabilities.after(after);
        let classes = || self.classes.iter().zip(&probabilities);
        let mean = classes().map(|(class, differs)| class.heroes as f64 * differs).sum();
        let likelier = |than: f64| {
            classes()
                .filter(|(_, differs)| **differs > than + ROUNDING)
                .map(|(class, _)| class.heroes)
                .sum()
        };
        (mean, likelier(1.0 - LEFT_OUT), likelier(LEFT_OUT))
    }

    fn agreed(&self, by: Duration) -> (f64, f64) {
        let probabilities = self.probabilities.after(by);
        let differ = probabilities.iter().zip(self.classes).map(|(differs, _)| differs);
        ((1.0 - differ.clone().sum::<f64>()).max(0.0), 1.0 - differ.copied().fold(0.0, f64::max))
    }
}

#[cfg(test)]
mod tests;
