//! Time: the order of the actors' turns, and the probabilities after any time.
//!
//! A **round** is the shortest interval. In each round, every actor with that interval has one
//! turn, always in the same order because timers keep their phase; the order itself is unknown. An
//! actor with an interval of `every` rounds has one turn in that many rounds. Within the order, the
//! times of the turns are uniform and independent: after a fraction `f` of a round with `m` turns,
//! the first `j` are over, with `j` drawn from Binomial(m, f).

use std::time::Duration;

use super::gossip::Actor;

/// The maximum number of rounds up to the horizon.
const ROUNDS_MAX: usize = 1_000;
/// The largest change of a probability at which a run counts as settled.
const SETTLED: f64 = 1e-6;
/// The maximum of states times turns in all orders for which every order is computed.
const ALL_ORDERS_WORK: usize = 20_000;
/// The maximum number of rounds in which the first turn of a slow timer is tried, for each order.
const SHIFTS_MAX: usize = 4;

/// The rounds until the horizon.
#[derive(Debug)]
pub(super) struct Rounds {
    round: Duration,
    count: usize,
    /// The number of rounds between the turns of each actor.
    every: Vec<usize>,
}

/// One possible arrangement of the turns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    /// The actors in the order of their turns.
    order: Vec<usize>,
    /// The round of each actor's first turn.
    first: Vec<usize>,
}

/// Vectors of numbers after each turn of each round, averaged over all runs.
#[derive(Debug)]
pub(super) struct Table {
    round: Duration,
    /// The length of each vector.
    width: usize,
    /// The vectors by round, and within a round from before the first turn to after the last.
    numbers: Vec<f64>,
    turns: usize,
}

impl Rounds {
    /// Returns `None` if there are too many rounds.
    pub(super) fn until(horizon: Duration, actors: &[Actor]) -> Option<Self> {
        // Without actors nothing changes, so one round covers any time.
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

    /// Returns the cost per state and round: the number of runs over the balanced orders times
    /// their turns.
    pub(super) fn work(&self) -> usize {
        (balanced(self.every.len()).len() * self.every.len() * self.shifts()).max(1)
    }

    /// Returns the number of runs per order. In each, slow timers have their first turn in another
    /// round.
    fn shifts(&self) -> usize {
        self.every.iter().copied().max().unwrap_or(1).min(SHIFTS_MAX)
    }

    /// Returns all orders if that is cheap enough for so many states, or else the balanced ones: in
    /// those, each actor is at each position equally often, and before each other actor as often as
    /// after it.
    fn runs(&self, states: usize) -> Vec<Run> {
        let turns = self.every.len();
        let all: usize = (1..=turns).fold(1, usize::saturating_mul);
        let is_cheap = all.saturating_mul(self.shifts() * turns * states) <= ALL_ORDERS_WORK;
        let orders = if is_cheap || turns < 2 { permutations(turns) } else { balanced(turns) };
        let count = orders.len() * self.shifts();
        let runs = orders.into_iter().enumerate().flat_map(|(number, order)| {
            (0..self.shifts()).map(move |shift| {
                // Spread the first rounds evenly; the golden ratio keeps the actors apart.
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

    /// Computes a chain through all runs. `turn` computes the next state vector after an actor's
    /// turn; `read` extracts the `width` numbers stored in the table.
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
        // For each round, the sum over the runs that have settled by its start: their numbers no
        // longer change, so they are added to every later slot.
        let mut settled = vec![0.0; self.count * width];
        for Run { order, first } in &runs {
            vector.clear();
            vector.extend_from_slice(start);
            before.clear();
            read(&vector, &mut reading);
            let mut slots = table.numbers.chunks_exact_mut(width);
            for (round, settled) in settled.chunks_exact_mut(width).enumerate() {
                // After the longest interval, every actor has had a turn.
                if round % longest == 0 {
                    let is_still = |(now, before): (&f64, &f64)| (now - before).abs() < SETTLED;
                    if !before.is_empty() && vector.iter().zip(&before).all(is_still) {
                        add(settled, &reading);
                        break;
                    }
                    before.clone_from(&vector);
                }
                for actor in order.iter().map(Some).chain([None]) {
                    add(slots.next().expect("the table has a slot for each turn"), &reading);
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
    /// Returns the numbers after this time, which must not exceed the horizon.
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

/// Returns the probabilities that 0, 1, 2, ... of `count` events have occurred, given that of each.
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

/// Returns all orders of `count` actors.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |orders, last| {
        let insert =
            |order: &Vec<usize>, place| [&order[..place], &[last], &order[place..]].concat();
        orders.iter().flat_map(|order| (0..=last).map(move |place| insert(order, place))).collect()
    })
}

/// Returns the rotations of one order and of its reverse.
pub(super) fn balanced(count: usize) -> Vec<Vec<usize>> {
    let turned =
        (0..count).map(|by| (0..count).map(|place| (place + by) % count).collect::<Vec<usize>>());
    turned.flat_map(|order| [order.iter().rev().copied().collect(), order]).collect()
}
