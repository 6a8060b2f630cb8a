//! The actions of a small world, and the budget that limits them.

use gossip::Kind;

/// The remaining number of actions of each kind. Each additional unit multiplies the number of
/// states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Keys. Replica `a` writes the first one, which all replicas hold from the start; replica `b`
    /// may write the second. Each replica has its own owned keys.
    pub keys: u8,
    /// The kind of the first key's table, and that of the second one's. A lasting key is the shard of
    /// a counter.
    pub kinds: [Kind; 2],
    /// Restarts of replica `a` before the start. All replicas have closed its earlier incarnations.
    pub restarts: u8,
    /// Writes of a held hero, of the second hero, of a register, or of an owned key.
    pub writes: u8,
    /// Deletions.
    pub deletions: u8,
    /// Rounds that complete at once.
    pub rounds: u8,
    /// Rounds whose messages stay in flight, to be delivered in any order or never.
    pub slow_rounds: u8,
    /// Bombs: a replica loses all its memory.
    pub bombs: u8,
    /// Second processes of a name, started while the first keeps running.
    pub doubles: u8,
    /// Members forgotten.
    pub forgets: u8,
    /// What replica `c` is at the start.
    pub third: Third,
}

/// What replica `c` is at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Third {
    /// A member like the others.
    Configured,
    /// A further member, which has joined.
    Further,
    /// A candidate that no other replica knows.
    Candidate,
}

impl Budget {
    /// One hero that all replicas hold, and no actions.
    pub const NOTHING: Self = Self {
        keys: 1,
        kinds: [Kind::Once; 2],
        restarts: 0,
        writes: 0,
        deletions: 0,
        rounds: 0,
        slow_rounds: 0,
        bombs: 0,
        doubles: 0,
        forgets: 0,
        third: Third::Configured,
    };
}

/// An action. Replicas, heroes and messages in flight are identified by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A replica writes a hero.
    Write(usize, u8),
    /// A replica deletes a hero.
    Delete(usize, u8),
    /// The first replica pulls from the second, to the end of the round.
    Round(usize, usize),
    /// The first replica pulls from the second, whose answers stay in flight.
    SlowRound(usize, usize),
    /// A message in flight arrives.
    Deliver(usize),
    /// A replica loses its memory.
    Bomb(usize),
    /// A second process of a replica's name is started.
    Double(usize),
    /// The first replica forgets the second.
    Forget(usize, usize),
}
