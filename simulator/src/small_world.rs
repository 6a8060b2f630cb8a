//! Exhaustive exploration of small worlds: a few real replicas and a few actions, in every possible
//! order.
//!
//! A world is three replicas, the messages in flight, and a budget of actions. The exploration
//! reaches every state within the budget and checks the invariants of all version vectors in each.
//! When the budget is spent, it heals the world, which must converge to the writes of its
//! survivors.
//!
//! Invariant: messages are delivered in any order, and one that is never delivered is lost, so
//! loss, delay and reordering need no actions of their own. Time advances only when an incarnation
//! starts.

mod action;
mod claims;
mod rounds;
mod transition;
mod world;

use gossip::replica::Rules;

pub use action::{Action, Budget, Third};
use world::World;

/// The result of an exploration without a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// The number of distinct states.
    pub states: usize,
    /// The number of states that were healed and had to converge.
    pub healed: usize,
}

/// A violation that an exploration found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The violation.
    pub violation: String,
    /// The actions that lead to it.
    pub actions: Vec<Action>,
    /// The number of states seen before it.
    pub states: usize,
}

#[expect(clippy::disallowed_types, reason = "a membership test only; it is never iterated")]
type Seen = std::collections::HashSet<u64>;

/// Explores all states within the budget, at most `states_max`.
///
/// # Errors
/// Returns the first violation, with the actions that lead to it.
pub fn explore(budget: Budget, rules: &Rules, states_max: usize) -> Result<Explored, Found> {
    let (mut seen, mut healed) = (Seen::default(), Seen::default());
    // Depth first, so that the stack of unexplored states is only as deep as the path.
    let mut stack: Vec<(World, Vec<Action>)> = Vec::new();
    let mut path: Vec<Action> = Vec::new();
    let mut next = Some(World::warm(budget, rules));
    loop {
        if let Some(world) = next.take() {
            let actions = world.actions();
            let spent = actions.iter().all(|action| matches!(action, Action::Deliver(_)));
            let violation = world.violation().or_else(|| world.check().err()).or_else(|| {
                // Healing drops the messages in flight, so states that differ only in them heal
                // alike.
                let is_new = spent && healed.insert(world.digest_of_replicas());
                if is_new { world.heal(rules).err() } else { None }
            });
            if let Some(violation) = violation {
                return Err(Found { violation, actions: path, states: seen.len() });
            }
            stack.push((world, actions));
        }
        let Some((world, actions)) = stack.last_mut() else {
            return Ok(Explored { states: seen.len(), healed: healed.len() });
        };
        if let Some(action) = actions.pop() {
            let after = world.after(action, rules);
            if seen.len() < states_max && seen.insert(after.digest()) {
                path.push(action);
                next = Some(after);
            }
        } else {
            stack.pop();
            path.pop();
        }
    }
}
