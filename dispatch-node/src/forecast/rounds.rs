//! Time: who acts when, and how likely what is after how long.
//!
//! A **round** is the shortest interval. In each, every actor of that interval has one turn, and
//! always in the same order, since timers keep their distance; which order that is nobody knows. An
//! actor of `every` rounds has its turn once in so many. Within the order, the moments of the turns
//! are spread evenly and independently, so that after a part `f` of a round, of `m` turns the first
//! `j` are over, with `j` drawn from Binomial(m, f).

use std::time::Duration;

use super::gossip::Actor;

/// A horizon further away than this many rounds is not looked at.
const ROUNDS_MAX: usize = 1_000;
/// Where no probability changes by more than this any more, none is said to.
const SETTLED: f64 = 1e-6;
/// Up to how many states and turns in all orders, each order is looked at.
const ALL_ORDERS_WORK: usize = 20_000;
/// Up to how many rounds a slow timer's turn is looked for in each of them, whatever the order.
const SHIFTS_MAX: usize = 4;

/// The rounds until the horizon.
#[derive(Debug)]
pub(super) struct Rounds {
    round: Duration,
    count: usize,
    /// Of each actor: every how many rounds it acts.
    every: Vec<usize>,
}

/// One way in which turns may lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    /// The actors by turn.
    order: Vec<usize>,
    /// Of each actor: its first round.
    first: Vec<usize>,
}

/// Some numbers after each turn of each round, averaged over all runs.
#[derive(Debug)]
pub(super) struct Table {
    round: Duration,
    /// How many numbers.
    width: usize,
    /// Round by round, and in each, turn by turn from before the first to after the last.
    numbers: Vec<f64>,
    turns: usize,
}

impl Rounds {
    /// `None` if they are too many.
    pub(super) fn until(horizon: Duration, actors: &[Actor]) -> Option<Self> {
        // Where nobody acts, one round lasts for ever.
        let round = actors.iter().map(|actor| actor.interval).min().unwrap_or(Duration::MAX);
        let count = horizon.div_duration_f64(round);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both are small, and an interval is no shorter than a round"
        )]
        (count < ROUNDS_MAX as f64).then(|| Self {
            round,
            count: count as usize + 1,
            every: actors
                .iter()
                .map(|actor| actor.interval.div_duration_f64(round).round() as usize)
                .collect(),
        })
    }

    /// How many runs the balanced orders make, times their turns: what a state costs, in each
    /// round.
    pub(super) fn work(&self) -> usize {
        (balanced(self.every.len()).len() * self.every.len() * self.shifts()).max(1)
    }

    /// From how many sides each order is looked at: by turns, a slow timer is due in one round or
    /// in another.
    fn shifts(&self) -> usize {
        self.every.iter().copied().max().unwrap_or(1).min(SHIFTS_MAX)
    }

    /// All orders, where that does not cost too much for so many states, or else the balanced ones:
    /// each actor is at each place equally often, and before each other equally often as after.
    fn runs(&self, states: usize) -> Vec<Run> {
        let turns = self.every.len();
        let all: usize = (1..=turns).fold(1, usize::saturating_mul);
        let is_cheap = all.saturating_mul(self.shifts() * turns * states) <= ALL_ORDERS_WORK;
        let orders = if is_cheap || turns < 2 { permutations(turns) } else { balanced(turns) };
        let count = orders.len() * self.shifts();
        let runs = orders.into_iter().enumerate().flat_map(|(number, order)| {
            (0..self.shifts()).map(move |shift| {
                // From 0 to 1, in even steps; each actor begins elsewhere.
                let place = (shift * (count / self.shifts()) + number) as f64 / count as f64;
                let golden = 0.618_033_988_749_895;
                let first = self.every.iter().zip(0..).map(|(every, actor)| {
                    let place = (place + golden * f64::from(actor)).fract();
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "rounded down, from 0 to below `every`"
                    )]
                    let first = (place * *every as f64) as usize;
                    first
                });
                Run { order: order.clone(), first: first.collect() }
            })
        });
        runs.collect()
    }

    /// Follows a chain through all runs. `turn` makes the next vector of one, given an actor;
    /// `read` takes from it the `width` numbers that the table is to hold.
    pub(super) fn follow(
        &self,
        start: &[f64],
        width: usize,
        turn: impl Fn(usize, &[f64], &mut Vec<f64>),
        read: impl Fn(&[f64], &mut [f64]),
    ) -> Table {
        let turns = self.every.len();
        let mut table = Table {
            round: self.round,
            width,
            numbers: vec![0.0; self.count * (turns + 1) * width],
            turns,
        };
        let runs = self.runs(start.len());
        let longest = self.every.iter().copied().max().unwrap_or(1);
        let (mut vector, mut next, mut before, mut reading) =
            (Vec::new(), Vec::new(), Vec::new(), vec![0.0; width]);
        // Of each round: what has settled by its beginning and adds the same to whatever comes.
        let mut settled = vec![0.0; self.count * width];
        for Run { order, first } in &runs {
            vector.clear();
            vector.extend_from_slice(start);
            before.clear();
            read(&vector, &mut reading);
            let mut slots = table.numbers.chunks_exact_mut(width);
            for (round, settled) in settled.chunks_exact_mut(width).enumerate() {
                // Whoever acts at all has acted since.
                if round % longest == 0 {
                    let is_still = |(now, before): (&f64, &f64)| (now - before).abs() < SETTLED;
                    if !before.is_empty() && vector.iter().zip(&before).all(is_still) {
                        add(settled, &reading);
                        break;
                    }
                    before.clone_from(&vector);
                }
                for actor in order.iter().map(Some).chain([None]) {
                    add(slots.next().expect("a slot for each turn"), &reading);
                    if let Some(actor) =
                        actor.filter(|actor| round % self.every[**actor] == first[**actor])
                    {
                        turn(*actor, &vector, &mut next);
                        std::mem::swap(&mut vector, &mut next);
                        read(&vector, &mut reading);
                    }
                }
            }
        }
        let mut sum = vec![0.0; width];
        for (slots, settled) in
            table.numbers.chunks_exact_mut((turns + 1) * width).zip(settled.chunks_exact(width))
        {
            add(&mut sum, settled);
            slots.chunks_exact_mut(width).for_each(|slot| add(slot, &sum));
        }
        table.numbers.iter_mut().for_each(|number| *number /= runs.len() as f64);
        table
    }
}

fn add(sums: &mut [f64], numbers: &[f64]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

impl Table {
    /// The numbers after this time, no later than the horizon.
    pub(super) fn after(&self, time: Duration) -> Vec<f64> {
        let rounds = time.div_duration_f64(self.round);
        let (round, part) = (rounds.floor(), rounds.fract());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a round up to the horizon"
        )]
        let slots = self.numbers.chunks_exact(self.width).skip(round as usize * (self.turns + 1));
        let mut numbers = vec![0.0; self.width];
        for (slot, share) in slots.zip(binomial(self.turns, part)) {
            numbers.iter_mut().zip(slot).for_each(|(sum, number)| *sum += share * number);
        }
        numbers
    }
}

/// How likely 0, 1, 2, ... of `count` are over, each with this probability.
fn binomial(count: usize, probability: f64) -> Vec<f64> {
    let mut shares = vec![1.0];
    for _ in 0..count {
        let over = shares.iter().map(|share| share * probability);
        let mut next: Vec<f64> = std::iter::once(0.0).chain(over).collect();
        next.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share * (1.0 - probability));
        shares = next;
    }
    shares
}

/// All orders.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |orders, last| {
        let insert =
            |order: &Vec<usize>, place| [&order[..place], &[last], &order[place..]].concat();
        orders.iter().flat_map(|order| (0..=last).map(move |place| insert(order, place))).collect()
    })
}

/// The turns of a circle, either way around.
pub(super) fn balanced(count: usize) -> Vec<Vec<usize>> {
    let turned =
        (0..count).map(|by| (0..count).map(|place| (place + by) % count).collect::<Vec<usize>>());
    turned.flat_map(|order| [order.iter().rev().copied().collect(), order]).collect()
}
