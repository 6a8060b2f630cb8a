//! How agreement is going to come about: of how many heroes the nodes will still hold different
//! things, if links stay as they are and nothing new is written.
//!
//! A Markov chain over *who holds the news*. Its steps are those that the machines take, each with
//! its own chances (`gossip`); nothing is simulated and nothing drawn. What is not known is when
//! each timer is due: any order of the timers is equally likely, and any moment. The chain is
//! followed for each order and the results are averaged (`rounds`).
//!
//! Timers are not taken for exponential clocks, as would be usual: a city that was cut off begins
//! an exchange of its own within a second of being healed, for certain, and an exponential clock
//! would leave it waiting in one case of three.
//!
//! What is exact: the chances, for the orders of turns that are looked at, with the time that
//! frames take left out. Where few states can come about (one piece of news among four nodes, or
//! that of a city which was cut off beside that of the others), all orders are; elsewhere some of
//! them, balanced, which moved no chance by more than one and a half hundredths where it was tried.
//! What is a bound is said at [`Forecast`].

mod chain;
mod gossip;
mod rounds;

use std::collections::BTreeMap;
use std::time::Duration;

pub use gossip::{Actor, Exchange, Gossip, Intervals, Way};

use chain::{Chain, State, set, state};
use rounds::{Rounds, Table};

/// More nodes than this have too many states.
const NODES_MAX: usize = 8;
/// The share of runs that is left out of the band at each end: the band holds nine in ten.
const LEFT_OUT: f64 = 0.05;
/// For how many states in how many turns a round the classes of heroes are followed together.
const TOGETHER_WORK: usize = 120_000;
/// What sums of probabilities may be off by.
const ROUNDING: f64 = 1e-9;

/// Heroes of which the same nodes hold the newest write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// These nodes, a bit each.
    pub holders: u8,
    /// How many heroes.
    pub heroes: usize,
}

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// How long from now.
    pub after: Duration,
    /// Of how many heroes not all nodes will hold the newest write, on average.
    pub mean: f64,
    /// In nine runs of ten it will be no fewer than this,
    pub low: usize,
    /// and no more than that.
    pub high: usize,
}

/// What is to be expected.
///
/// All heroes move together, since an exchange brings everything. Where that has few enough states
/// (with four nodes and the usual intervals, always; with eight, unless several of them hold news
/// of their own), the band and `agreed_within` are exact too: at least nine runs in ten are within,
/// and more only because heroes are whole. Elsewhere only the mean is. There the band takes classes
/// of heroes for comonotone, those that take longer always being behind (Dhaene et al., "The
/// Concept of Comonotonicity in Actuarial Science and Finance: Theory", Insurance: Mathematics and
/// Economics 31, 2002: the sum that varies most, by convex order, its quantiles being the sums of
/// the quantiles); and `agreed_within` is by Fréchet's bounds no shorter than it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// From now to the horizon, in even steps.
    pub points: Vec<Point>,
    /// When all will have heard of everything: nine runs in ten agree between these two. `None` if
    /// that takes longer than the horizon.
    pub agreed_within: Option<(Duration, Duration)>,
    /// Heroes of which some node will never hear as long as links are as they are. Where there are
    /// any, nothing is ever agreed.
    pub out_of_reach: usize,
}

/// How the nodes will come to agree, as far as `horizon`, in steps of `step`. `None` if there are
/// more than eight nodes, or more than a thousand of the shortest interval until then.
///
/// # Panics
/// If `step` is zero.
#[must_use]
pub fn forecast(
    gossip: &Gossip,
    news: &[News],
    horizon: Duration,
    step: Duration,
) -> Option<Forecast> {
    assert!(!step.is_zero(), "a curve has points some time apart");
    if gossip.nodes > NODES_MAX {
        return None;
    }
    // Whoever can bring nothing changes nothing.
    let is_useful = |actor: &&Actor| !actor.exchanges.is_empty() && !actor.interval.is_zero();
    let actors: Vec<Actor> = gossip.actors.iter().filter(is_useful).cloned().collect();
    let rounds = Rounds::until(horizon, &actors)?;
    let news = News::classes(news, gossip.nodes);
    let all_nodes_mask = all_nodes_mask(gossip.nodes);
    let forecast = Together::of(&news, &actors, &rounds, all_nodes_mask).map_or_else(
        || Apart::of(&news, &actors, &rounds, all_nodes_mask).forecast(horizon, step),
        |together| together.forecast(horizon, step),
    );
    let out_of_reach = news
        .iter()
        .filter(|class| class.reach(&actors) != all_nodes_mask)
        .map(|class| class.heroes)
        .sum();
    Some(Forecast { out_of_reach, ..forecast })
}

fn all_nodes_mask(nodes: usize) -> u8 {
    u8::MAX.checked_shr(u32::try_from(NODES_MAX - nodes).expect("a few")).unwrap_or(0)
}

impl News {
    /// The heroes that differ, each set of holders once.
    fn classes(news: &[Self], nodes: usize) -> Vec<Self> {
        let mut classes = BTreeMap::new();
        for News { holders, heroes } in news {
            *classes.entry(holders & all_nodes_mask(nodes)).or_insert(0) += heroes;
        }
        let differs =
            |(holders, heroes): &(u8, usize)| *holders != all_nodes_mask(nodes) && *heroes > 0;
        classes
            .into_iter()
            .filter(differs)
            .map(|(holders, heroes)| Self { holders, heroes })
            .collect()
    }

    /// Who will hold it in the end.
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

/// A forecast from what is known of each moment.
trait Outlook {
    /// Mean, low and high.
    fn point(&self, after: Duration) -> (f64, usize, usize);
    /// How likely all agree by then: at least, and at most.
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

/// When that is first so, which will then stay so; to the millisecond.
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

/// All classes of heroes at once: how likely each number of differences is.
struct Together {
    /// The numbers of differences that can come about, the smallest first.
    differences: Vec<usize>,
    probabilities: Table,
}

impl Together {
    /// `None` where that has too many states.
    fn of(news: &[News], actors: &[Actor], rounds: &Rounds, all_nodes_mask: u8) -> Option<Self> {
        // What becomes of any set of holders follows from what becomes of what each node holds.
        let (starts, parts): (Vec<u8>, Vec<u8>) = if news.len() <= NODES_MAX {
            news.iter().zip(0..).map(|(class, place)| (class.holders, 1 << place)).unzip()
        } else {
            (
                (0..8).map(|node| 1 << node).collect(),
                news.iter().map(|class| class.holders).collect(),
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
            news.iter()
                .zip(&parts)
                .filter(|(_, parts)| holders(reached, **parts) != all_nodes_mask)
                .map(|(class, _)| class.heroes)
                .sum()
        };
        let counts: Vec<usize> = chain.states.iter().map(|state| count(*state)).collect();
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

/// Each class of heroes by itself: how likely it is still to differ.
struct Apart<'a> {
    news: &'a [News],
    probabilities: Table,
}

impl<'a> Apart<'a> {
    fn of(news: &'a [News], actors: &[Actor], rounds: &Rounds, all_nodes_mask: u8) -> Self {
        let starts = news.iter().map(|class| state([class.holders]));
        let chain = Chain::explore(starts, actors, usize::MAX).expect("any number is welcome");
        let differs: Vec<f64> = chain
            .states
            .iter()
            .map(|state| if set(*state, 0) == all_nodes_mask { 0.0 } else { 1.0 })
            .collect();
        let classes: Vec<usize> =
            news.iter().map(|class| chain.number(state([class.holders]))).collect();
        let read = |vector: &[f64], shares: &mut [f64]| {
            shares.iter_mut().zip(&classes).for_each(|(share, class)| *share = vector[*class])
        };
        // Turns lie in reverse as likely as they lie like this, so that one walk back does for all
        // classes.
        let turn = |actor: usize, after: &[f64], before: &mut Vec<f64>| {
            chain.backward(actor, after, before)
        };
        Self { news, probabilities: rounds.follow(&differs, news.len(), turn, read) }
    }
}

impl Outlook for Apart<'_> {
    fn point(&self, after: Duration) -> (f64, usize, usize) {
        let probabilities = self.probabilities.after(after);
        let classes = || self.news.iter().zip(&probabilities);
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
        let differ = probabilities.iter().zip(self.news).map(|(differs, _)| differs);
        ((1.0 - differ.clone().sum::<f64>()).max(0.0), 1.0 - differ.copied().fold(0.0, f64::max))
    }
}

#[cfg(test)]
mod tests;
