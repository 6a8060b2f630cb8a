//! What a seed does to the cluster. Every kind of trouble is off in some seeds, so that the others are seen alone too.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The troubles of one seed, and how bad they are. Rates are per second of virtual time unless said otherwise.
#[derive(Clone, Debug)]
pub struct Faults {
    /// How long a frame takes, at least and at most.
    pub delay: (Duration, Duration),
    /// The share of frames that vanish, 0 to 1.
    pub loss: f64,
    /// The share of frames that arrive twice, 0 to 1.
    pub duplication: f64,
    /// Whether frames may overtake each other, and outlive the connection they were sent on.
    pub reorder: bool,
    /// Links cut.
    pub cuts: f64,
    /// How long a cut lasts at most.
    pub cut_max: Duration,
    /// Cities bombed through dispatch.
    pub bombs: f64,
    /// Processes killed and started again, dispatch among them.
    pub kills: f64,
    /// How far a node's wall clock is off, at most, in milliseconds either way.
    pub skew_ms: i64,
    /// Patrols and fights go on, also after healing.
    pub fights: bool,
    /// Cities gossip among themselves; if not, only dispatch carries.
    pub city_gossip: bool,
    /// What users ask for.
    pub asks: f64,
}

impl Faults {
    /// No trouble at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            delay: (Duration::from_millis(1), Duration::from_millis(5)),
            loss: 0.0,
            duplication: 0.0,
            reorder: false,
            cuts: 0.0,
            cut_max: Duration::from_secs(5),
            bombs: 0.0,
            kills: 0.0,
            skew_ms: 0,
            fights: false,
            city_gossip: true,
            asks: 4.0,
        }
    }

    /// The troubles that this generator draws.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut rate = |max: f64| if rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..max) };
        let (loss, duplication, cuts, bombs, kills) = (rate(0.3), rate(0.3), rate(0.5), rate(0.3), rate(0.15));
        let delay_max = [5, 200, 2_000][rng.random_range(0..3)];
        Self {
            delay: (Duration::from_millis(1), Duration::from_millis(delay_max)),
            loss,
            duplication,
            reorder: rng.random_bool(0.5),
            cuts,
            cut_max: Duration::from_millis(rng.random_range(100..15_000)),
            bombs,
            kills,
            skew_ms: [0, 10, 900][rng.random_range(0..3)],
            fights: rng.random_bool(0.5),
            city_gossip: rng.random_bool(0.8),
            asks: rng.random_range(1.0..20.0),
        }
    }
}
