//! The random numbers of dispatch, all derived from one seed.
//!
//! Invariant: incarnations with the same seed generate different ids, because each uses the ChaCha
//! stream with its own number.

use fake::Fake;
use fake::faker::name::en::Name;
use rand::seq::IteratorRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use gossip::Incarnation;
use gossip::fault::FaultId;
use shared::hero::HeroId;

/// The generators of choices and of ids.
#[derive(Debug)]
pub(super) struct Random {
    choices: ChaCha8Rng,
    ids: ChaCha8Rng,
}

impl Random {
    /// Returns the generators of this incarnation.
    pub(super) fn new(seed: u64, incarnation: Incarnation) -> Self {
        let choices = ChaCha8Rng::seed_from_u64(seed);
        let mut ids = choices.clone();
        ids.set_stream(incarnation.number());
        Self { choices, ids }
    }

    /// Returns a number in `0.0..1.0`.
    pub(super) fn fraction(&mut self) -> f64 {
        self.choices.random_range(0.0..1.0)
    }

    /// Returns one of the items.
    pub(super) fn choose<T>(&mut self, items: impl Iterator<Item = T>) -> Option<T> {
        items.choose(&mut self.choices)
    }

    /// Returns a generated name.
    pub(super) fn hero_name(&mut self) -> String {
        Name().fake_with_rng(&mut self.choices)
    }

    /// Returns the id of a new hero.
    pub(super) fn hero_id(&mut self) -> HeroId {
        let mut bytes = [0; 16];
        self.ids.fill_bytes(&mut bytes);
        HeroId::from(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Returns the id of a new fault.
    pub(super) fn fault_id(&mut self) -> FaultId {
        // Not from `choices`: nodes may still report faults of an earlier incarnation with the same
        // seed, whose ids must not repeat.
        FaultId(self.ids.random())
    }
}
