//! Plans drawn from a seed.
//!
//! Invariant: the same seed and number of nodes give the same plan. Every kind of fault is left out
//! of some plans, so that the others are seen alone too.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Action, Noise, Plan, Request, Step};

impl Plan {
    /// Returns the plan of this seed, for `nodes` nodes, or for 3 to 9.
    ///
    /// # Panics
    /// For fewer than two nodes or more than 128.
    #[must_use]
    pub fn draw(seed: u64, nodes: Option<usize>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let nodes = nodes.unwrap_or_else(|| rng.random_range(3..=9));
        assert!((2..=128).contains(&nodes), "a cluster of {nodes} nodes");
        let hurt = Duration::from_millis(rng.random_range(4_000..16_000));
        let mut plan =
            Self { seed, cities: nodes - 1, hurt, noise: draw_noise(&mut rng), steps: Vec::new() };
        // More nodes have more faults.
        let scale = (nodes as f64 / 4.0).sqrt();
        let mut rate =
            |max: f64| if rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..max) * scale };
        let rates = [
            12.0_f64.min(rate(12.0) + 1.0),
            rate(0.4),
            rate(0.5),
            rate(0.15),
            rate(0.1),
            rate(0.15),
            rate(0.1),
            rate(0.2),
            rate(0.1),
            rate(0.08),
            rate(0.05),
        ];
        for (kind, rate) in rates.into_iter().enumerate() {
            let mut at = 0.0;
            loop {
                at += -(1.0 - rng.random_range(0.0..1.0_f64)).ln() / rate.max(1e-9);
                if at >= hurt.as_secs_f64() {
                    break;
                }
                let action = draw_action(&mut rng, kind, nodes);
                plan.steps.push(Step { at: Duration::from_secs_f64(at), action });
            }
        }
        plan.steps.sort_by_key(|step| step.at);
        // Two processes of one name learn of each other through nodes that gossip with either.
        plan.noise.city_gossip |=
            plan.steps.iter().any(|step| matches!(step.action, Action::Double { .. }));
        plan
    }

    /// Returns a plan without faults, in which users send requests.
    #[must_use]
    pub fn without_faults(seed: u64) -> Self {
        let asks = |step: &Step| matches!(step.action, Action::Ask(_));
        let mut plan = Self::draw(seed, Some(4));
        plan.steps.retain(asks);
        Self { noise: Noise::none(), ..plan }
    }
}

fn draw_noise(rng: &mut ChaCha8Rng) -> Noise {
    let mut rate = |max: f64| if rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..max) };
    let (loss, duplication) = (rate(0.3), rate(0.3));
    Noise {
        delay: (
            Duration::from_millis(1),
            Duration::from_millis([5, 200, 2_000][rng.random_range(0..3)]),
        ),
        loss,
        duplication,
        reorder: rng.random_bool(0.5),
        slow: rng.random_bool(0.2).then(|| rng.random_range(500..20_000)),
        skew_ms: [0, 10, 900][rng.random_range(0..3)],
        drift_ppm: [0, 200, 50_000][rng.random_range(0..3)],
        fights: rng.random_bool(0.4),
        city_gossip: rng.random_bool(0.85),
    }
}

fn draw_action(rng: &mut ChaCha8Rng, kind: usize, nodes: usize) -> Action {
    let cities = nodes - 1;
    let mut lasts = |most_ms: u64| Duration::from_millis(rng.random_range(50..most_ms));
    let (short, long) = (lasts(6_000), lasts(12_000));
    let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes - 1));
    let b = if b >= a { b + 1 } else { b };
    let side = rng.random::<u128>();
    match kind {
        0 => Action::Ask(match rng.random_range(0..10) {
            0..4 => Request::Create,
            4..8 => Request::Assign { hero: rng.random(), to: rng.random() },
            _ => Request::Terminate { hero: rng.random() },
        }),
        1 => Action::Bomb(a % cities),
        2 => Action::Cut {
            a,
            b,
            both: rng.random_bool(0.6),
            silent: rng.random_bool(0.5),
            lasts: long,
        },
        3 => Action::Split { side, lasts: long },
        4 => Action::Flap {
            a,
            b,
            period: short / 10 + Duration::from_millis(20),
            times: rng.random_range(2..20),
        },
        5 => Action::Freeze { node: a, lasts: short },
        6 => Action::Reset(a),
        7 => Action::Kill {
            node: a,
            down: if rng.random_bool(0.5) { Duration::ZERO } else { short },
        },
        8 => Action::Jump {
            node: a,
            by_ms: [-3_600_000, -3_000, 1_500, 10_000, 3_600_000][rng.random_range(0..5)],
            lasts: short,
        },
        9 => Action::Forget {
            city: a % cities,
            alive: rng.random_bool(0.5),
            away: short + Duration::from_secs(1),
        },
        _ => Action::Double { city: a % cities, side, lasts: long },
    }
}
