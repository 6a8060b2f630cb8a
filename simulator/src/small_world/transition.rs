//! The actions that are possible in a state, and the resulting states.
//!
//! Invariant: an action never modifies the state to which it is applied.

use std::sync::Arc;

use gossip::Kind;
use gossip::replica::Rules;
use shared::{Envelope, Replica};

use super::action::{Action, Budget};
use super::world::World;

impl World {
    /// Returns all possible actions.
    pub(super) fn actions(&self) -> Vec<Action> {
        if self.violation.is_some() {
            return Vec::new();
        }
        let Budget {
            keys, writes, deletions, rounds, slow_rounds, bombs, doubles, forgets, ..
        } = self.budget;
        let mut actions: Vec<Action> = (0..self.under_way.len()).map(Action::Deliver).collect();
        for (node, replica) in self.running() {
            for number in 0..keys {
                let key = self.key(node, number);
                let held = replica.map().get(key);
                let is_live = held.as_ref().is_some_and(|held| !held.is_tombstone());
                // Only replica `b` creates the second hero, and only once.
                let second = number == 1
                    && node == 1
                    && held.is_none()
                    && self.writes.len() < 64
                    && !self.writes.contains(key);
                let can_write = is_live || second || key.kind() != Kind::Once;
                if writes > 0 && replica.joined() && can_write {
                    actions.push(Action::Write(node, number));
                }
                if deletions > 0 && replica.joined() && is_live && !key.kind().is_owned() {
                    actions.push(Action::Delete(node, number));
                }
            }
            for (other, peer) in self
                .running()
                .filter(|(other, peer)| *other != node && peer.me().node != replica.me().node)
            {
                actions.extend((rounds > 0).then_some(Action::Round(node, other)));
                actions.extend((slow_rounds > 0).then_some(Action::SlowRound(node, other)));
                let is_known = replica.members().contains(&peer.me().node);
                let can_forget = forgets > 0 && replica.joined() && is_known;
                actions.extend(can_forget.then_some(Action::Forget(node, other)));
            }
            actions.extend((bombs > 0).then_some(Action::Bomb(node)));
            actions.extend((doubles > 0).then_some(Action::Double(node)));
        }
        actions
    }

    /// Returns the state after an action.
    pub(super) fn after(&self, action: Action, rules: &Rules) -> Self {
        let mut world = self.clone();
        match action {
            Action::Write(node, number) => {
                world.budget.writes -= 1;
                world.set(node, number);
            }
            Action::Delete(node, number) => {
                world.budget.deletions -= 1;
                world.delete(node, number);
            }
            Action::Round(puller, source) => {
                world.budget.rounds -= 1;
                world.round(puller, source, rules);
            }
            Action::SlowRound(puller, source) => {
                world.budget.slow_rounds -= 1;
                let parts = world.open(puller, source, rules);
                world.under_way.extend(parts.into_iter().map(Arc::new));
            }
            Action::Deliver(number) => {
                let part = Envelope::clone(&world.under_way.remove(number));
                // Delivered to the addressed incarnation, or else to any process of its name:
                // dispatch may have relayed the message.
                let has_name =
                    |(_, replica): &(usize, &Arc<Replica>)| replica.me().node == part.to.node;
                let recipient = world
                    .running()
                    .find(|(_, replica)| replica.me() == part.to)
                    .or_else(|| world.running().find(has_name));
                if let Some((node, _)) = recipient {
                    world.handle(node, part, rules);
                }
            }
            Action::Bomb(node) => {
                world.budget.bombs -= 1;
                let name = world.node(node).me().node;
                world.nodes[node] = Some(world.next_incarnation(name, rules));
            }
            Action::Double(node) => {
                world.budget.doubles -= 1;
                let name = world.node(node).me().node;
                let double = world.next_incarnation(name, rules);
                world.nodes.push(Some(double));
            }
            Action::Forget(node, other) => {
                world.budget.forgets -= 1;
                let (now, name) = (world.now(), world.node(other).me().node);
                world.change(node, |replica| {
                    replica.forget(now, name).expect("a joined replica may forget a member")
                });
            }
        }
        world
    }
}
