//! The actions of a small world, and the budget that limits them.

/// The remaining number of actions of each kind. Each additional unit multiplies the number of
/// states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Heroes. Replica `a` writes the first one, which all replicas hold from the start; replica
    /// `b` may write the second.
    pub keys: u8,
    /// Writes of a held hero, or of the second hero.
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
