//! The actions in a small world, and the budget that bounds them.

/// The number of actions of each kind that may still happen. One unit of anything more multiplies
/// the states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Heroes: the first is written by a and known to all before anything happens; the second is
    /// written by b.
    pub keys: u8,
    /// Writes over what is held, or of the second hero.
    pub writes: u8,
    /// Deaths.
    pub deaths: u8,
    /// Rounds that run to their end at once.
    pub rounds: u8,
    /// Rounds whose parts are under way, to be delivered in any order, or never.
    pub slow_rounds: u8,
    /// Replicas that lose all their memory.
    pub bombs: u8,
    /// Replicas of which a second process is started while the first lives on.
    pub doubles: u8,
    /// Members that are forgotten.
    pub forgets: u8,
}

/// An action. Replicas, heroes and parts under way go by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A replica writes a hero.
    Write(usize, u8),
    /// A replica ends a hero.
    Kill(usize, u8),
    /// The first pulls from the second, to the end.
    Round(usize, usize),
    /// The first pulls from the second, whose answers are then under way.
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
