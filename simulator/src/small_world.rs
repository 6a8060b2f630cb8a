//! Small worlds, explored to the end: a few real replicas, a few actions, in every order there is.
//!
//! A world is three replicas, the parts of rounds that are under way, and a budget of actions.
//! Every state that can be reached within the budget is reached, and in each the claims of all
//! version vectors are checked. Where the budget is spent, the world is healed and must converge to
//! what its survivors held.
//!
//! Invariant: a part that is never delivered is a lost one, and parts are delivered in any order,
//! so loss, delay and reordering need no actions of their own. Time advances only when a life
//! begins.

mod action;
mod claims;
mod rounds;
mod transition;
mod world;

use gossip::replica::Rules;

pub use action::{Action, Budget};
use world::World;

/// The result of an exploration without a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// The number of different states.
    pub states: usize,
    /// The number of states in which the world was healed and had to converge.
    pub healed: usize,
}

/// A violation that an exploration found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The violation.
    pub violation: String,
    /// A way there.
    pub actions: Vec<Action>,
    /// The number of states seen before.
    pub states: usize,
}

#[expect(clippy::disallowed_types, reason = "only asked for membership; its order is never seen")]
type Seen = std::collections::HashSet<u64>;

/// Explores all states within the budget, or `states_max` of them.
///
/// # Errors
/// Returns the first violation, and a way there.
pub fn explore(budget: Budget, rules: &Rules, states_max: usize) -> Result<Explored, Found> {
    let (mut seen, mut healed) = (Seen::default(), Seen::default());
    // Depth first: the unexplored states take no more room than the path is long.
    let mut stack: Vec<(World, Vec<Action>)> = Vec::new();
    let mut path: Vec<Action> = Vec::new();
    let mut next = Some(World::warm(budget, rules));
    loop {
        if let Some(world) = next.take() {
            let actions = world.actions();
            let spent = actions.iter().all(|action| matches!(action, Action::Deliver(_)));
            let violation = world.violation().or_else(|| world.check().err()).or_else(|| {
                // What is under way is lost when a world is healed, so it makes no difference.
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
