//! The Markov chain over the holders of writes: its states, and the transitions of each actor.
//!
//! A state is up to eight sets of nodes, one byte per set and one bit per node: the holders of each
//! write. Exchanges only add holders, and one exchange changes all sets at once.

use std::collections::BTreeMap;

use super::gossip::{Actor, Exchange};

/// The lowest bit of each set.
const SETS: u64 = 0x0101_0101_0101_0101;

/// Up to eight sets of holders.
pub(super) type State = u64;

/// Returns these sets, at most eight, as a state.
pub(super) fn state(sets: impl IntoIterator<Item = u8>) -> State {
    sets.into_iter()
        .zip(0..8)
        .fold(0, |state, (set, place)| state | State::from(set) << (8 * place))
}

/// Returns one set of a state.
pub(super) fn set(state: State, place: usize) -> u8 {
    state.to_le_bytes()[place]
}

/// Returns the state after an exchange.
pub(super) fn after(state: State, exchange: Exchange) -> State {
    let Exchange { source, puller, mutual } = exchange;
    let has = |node: usize| state >> node & SETS;
    let held = has(source) | if mutual { has(puller) } else { 0 };
    state | held << puller | if mutual { held << source } else { 0 }
}

/// The probability below which a state is ignored.
const NEGLIGIBLE: f64 = 1e-9;

/// All reachable states, numbered: those with fewer holders first.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) states: Vec<State>,
    /// The transitions of each actor, ordered by state.
    moves: Vec<Vec<Move>>,
}

/// A transition with its probability. The remaining probability stays in `from`.
#[derive(Debug)]
struct Move {
    from: u32,
    to: u32,
    probability: f64,
}

impl Chain {
    /// Returns all states reachable from `starts`. `None` if there are more than `states_max`.
    pub(super) fn explore(
        starts: impl IntoIterator<Item = State>,
        actors: &[Actor],
        states_max: usize,
    ) -> Option<Self> {
        let mut states = Vec::new();
        let mut numbers = BTreeMap::new();
        let mut number = |states: &mut Vec<State>, state: State| -> u32 {
            *numbers.entry(state).or_insert_with(|| {
                states.push(state);
                u32::try_from(states.len() - 1).expect("fewer than 2^32 states")
            })
        };
        for start in starts {
            number(&mut states, start);
        }
        let mut moves: Vec<Vec<Move>> = actors.iter().map(|_| Vec::new()).collect();
        let mut from = 0_u32;
        while let Some(state) = states.get(from as usize).copied() {
            for (actor, moves) in actors.iter().zip(&mut moves) {
                let share = 1.0 / actor.choices as f64;
                let first = moves.len();
                for next in actor
                    .exchanges
                    .iter()
                    .map(|exchange| after(state, *exchange))
                    .filter(|next| *next != state)
                {
                    let to = number(&mut states, next);
                    match moves[first..].iter_mut().find(|other| other.to == to) {
                        Some(other) => other.probability += share,
                        None => moves.push(Move { from, to, probability: share }),
                    }
                }
            }
            if states.len() > states_max {
                return None;
            }
            from += 1;
        }
        let mut by_holders: Vec<u32> = (0..from).collect();
        by_holders.sort_by_key(|number| states[*number as usize].count_ones());
        let mut place = vec![0; states.len()];
        for (now, before) in (0..).zip(&by_holders) {
            place[*before as usize] = now;
        }
        for moves in &mut moves {
            moves.iter_mut().for_each(|Move { from, to, .. }| {
                (*from, *to) = (place[*from as usize], place[*to as usize])
            });
            moves.sort_by_key(|step| step.from);
        }
        Some(Self {
            states: by_holders.into_iter().map(|number| states[number as usize]).collect(),
            moves,
        })
    }

    /// Returns the number of a reachable state.
    pub(super) fn number(&self, state: State) -> usize {
        self.states.iter().position(|other| *other == state).expect("the state was explored")
    }

    /// Computes the probabilities of the states after this actor's turn from those before it.
    pub(super) fn forward(&self, actor: usize, before: &[f64], after: &mut Vec<f64>) {
        after.clear();
        after.extend_from_slice(before);
        // Holders are only added, so states below the first reached one keep their probability.
        let reached = before.iter().position(|share| *share > NEGLIGIBLE).unwrap_or(before.len());
        let moves = &self.moves[actor];
        for Move { from, to, probability } in
            &moves[moves.partition_point(|step| (step.from as usize) < reached)..]
        {
            let moved = before[*from as usize] * probability;
            after[*from as usize] -= moved;
            after[*to as usize] += moved;
        }
    }

    /// Computes the probability of an event from each state before this actor's turn from the
    /// probabilities after it.
    pub(super) fn backward(&self, actor: usize, after: &[f64], before: &mut Vec<f64>) {
        before.clear();
        before.extend_from_slice(after);
        for Move { from, to, probability } in &self.moves[actor] {
            before[*from as usize] += probability * (after[*to as usize] - after[*from as usize]);
        }
    }
}
