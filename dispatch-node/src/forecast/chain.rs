//! The Markov chain of who holds the news: its states, and what each actor makes of them.
//!
//! A state is up to eight sets of nodes, a byte each, a bit for each node: the holders of so many
//! pieces of news. Exchanges only ever add holders, and one exchange moves all the sets at once.

use std::collections::BTreeMap;

use super::gossip::{Actor, Exchange};

/// The lowest bit of each set.
const SETS: u64 = 0x0101_0101_0101_0101;

/// Sets of holders.
pub(super) type State = u64;

/// These sets as a state; no more than eight.
pub(super) fn state(sets: impl IntoIterator<Item = u8>) -> State {
    sets.into_iter()
        .zip(0..8)
        .fold(0, |state, (set, place)| state | State::from(set) << (8 * place))
}

/// One set of a state.
pub(super) fn set(state: State, place: usize) -> u8 {
    state.to_le_bytes()[place]
}

/// What an exchange makes of a state.
pub(super) fn after(state: State, exchange: Exchange) -> State {
    let Exchange { source, puller, mutual } = exchange;
    let has = |node: usize| state >> node & SETS;
    let told = has(source) | if mutual { has(puller) } else { 0 };
    state | told << puller | if mutual { told << source } else { 0 }
}

/// What is less likely than this is left where it is.
const NEGLIGIBLE: f64 = 1e-9;

/// All states that can come about, by number: those with fewer holders first.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) states: Vec<State>,
    /// Of each actor: what it may change, in the order of the states.
    moves: Vec<Vec<Move>>,
}

/// From one state to another, with this probability. What remains of it stays.
#[derive(Debug)]
struct Move {
    from: u32,
    to: u32,
    probability: f64,
}

impl Chain {
    /// All that can come of these states. `None` if that is more than `states_max`.
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
                u32::try_from(states.len() - 1).expect("far fewer")
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

    /// The number of a state that can come about.
    pub(super) fn number(&self, state: State) -> usize {
        self.states.iter().position(|other| *other == state).expect("it was explored")
    }

    /// How likely each state is after this actor's turn, given how likely each was before.
    pub(super) fn forward(&self, actor: usize, before: &[f64], after: &mut Vec<f64>) {
        after.clear();
        after.extend_from_slice(before);
        // Holders only become more: what has been left behind need not be looked at again.
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

    /// How likely something is from each state before this actor's turn, given how likely it is
    /// from each after.
    pub(super) fn backward(&self, actor: usize, after: &[f64], before: &mut Vec<f64>) {
        before.clear();
        before.extend_from_slice(after);
        for Move { from, to, probability } in &self.moves[actor] {
            before[*from as usize] += probability * (after[*to as usize] - after[*from as usize]);
        }
    }
}
