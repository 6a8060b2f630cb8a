//! The claims in a small world: those of every state, and those after healing.

use std::collections::BTreeSet;

use gossip::replica::Rules;
use shared::Replica;

use super::world::{NAMES, World};
use crate::checker::rank::rank;
use crate::checker::{agreement, claims, survival};

impl World {
    /// Reports whether a later life of that name is there, or known to another.
    pub(super) fn is_superseded(&self, replica: &Replica) -> bool {
        let later =
            |other: &Replica| other.me().node == replica.me().node && other.me() > replica.me();
        self.alive().any(|(_, other)| later(other) || other.has_fenced(replica.me()))
    }

    /// Checks what must hold in every state.
    pub(super) fn check(&self) -> Result<(), String> {
        // What an outlived or forgotten life writes is not taken in. Where two processes of one
        // name have lived, an orphan may stand at its holder until that learns of the closing.
        // Elsewhere a mark covers nothing that stands and is missing here.
        let standing = self.alive().filter(|(_, replica)| !self.is_superseded(replica));
        let mut held: BTreeSet<_> = standing
            .flat_map(|(_, replica)| replica.map().iter().map(|(_, entry)| entry.stamp))
            .collect();
        if self.nodes.len() > NAMES.len() {
            held.clear();
        }
        for (_, replica) in self.alive() {
            let claims = claims::no_overclaim(&self.writes, replica.map(), replica.vector(), &held);
            claims
                .and(claims::no_underclaim(replica.map(), replica.vector()))
                .map_err(|wrong| format!("{}: {wrong}", replica.me()))?;
        }
        let replicas =
            self.alive().map(|(_, replica)| (replica.me().node, replica)).collect::<Vec<_>>();
        let replicas = replicas
            .iter()
            .map(|(name, replica)| (name.as_str(), replica.vector(), replica.map().fingerprint()));
        agreement::equal_vectors_mean_equal_maps(replicas)
    }

    /// Loses what is under way and lets all pull from all until nothing changes. Then all must hold
    /// the same, and nothing that a survivor held may be lost.
    pub(super) fn heal(&self, rules: &Rules) -> Result<(), String> {
        let mut world = self.clone();
        world.under_way.clear();
        let mut survivors = survival::Survivors::default();
        self.alive()
            .filter(|(_, replica)| !self.is_superseded(replica))
            .for_each(|(_, replica)| survivors.note_all(replica.map()));
        let mut before = None;
        for _ in 0..12 {
            let now: Vec<_> = world
                .alive()
                .map(|(_, replica)| {
                    (replica.summary(), replica.map().tombstones(), replica.horizon().hash())
                })
                .collect();
            if before.as_ref() == Some(&now) {
                break;
            }
            before = Some(now);
            world.all_pull(rules);
            if let Some(violation) = world.violation.clone() {
                return Err(format!("while healing: {violation}"));
            }
        }
        world.check().map_err(|wrong| format!("after healing: {wrong}"))?;
        let first = world.alive().next().map(|(_, replica)| replica.map().fingerprint());
        for (_, replica) in world.alive() {
            if Some(replica.map().fingerprint()) != first {
                return Err(format!("after healing: {} holds something else", replica.me()));
            }
            let held = |key| replica.map().get(key).map(|entry| rank(&entry));
            let stand =
                survivors.all_stand(held, |key| world.writes.dead_by(key, replica.vector()));
            stand.map_err(|wrong| format!("after healing: {}: {wrong}", replica.me()))?;
            if world.alive().count() == NAMES.len()
                && replica.joined()
                && replica.map().tombstones() > 0
            {
                return Err(format!(
                    "after healing: {} keeps a tombstone that all have heard of",
                    replica.me()
                ));
            }
        }
        Ok(())
    }
}
