//! Random plans, drawn from a seed.
//!
//! Invariant: the same seed and number of nodes give the same plan. Each fault kind is absent from
//! some plans, so that the other kinds also occur without it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Action, Ask, Noise, Plan, Request, Step};

/// The generators of kinds of steps that were added later, so that the plans of earlier seeds stay
/// as they are apart from these steps.
const CLONES: u64 = 2;
const FAULTY: u64 = 3;
const TYPES: u64 = 5;
const MEMBERS: u64 = 6;

fn later_rng(seed: u64, kind: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(kind);
    rng
}

impl Plan {
    /// Returns the plan of this seed for `nodes` nodes; by default, 3 to 9 nodes are drawn. In one of
    /// three plans, further cities are founded.
    ///
    /// # Panics
    /// Panics for fewer than two or more than 128 nodes.
    #[must_use]
    pub fn draw(seed: u64, nodes: Option<usize>) -> Self {
        let mut plan = Self::draw_closed(seed, nodes);
        let nodes = plan.cities + 1;
        plan.add_cities(&mut later_rng(seed, MEMBERS), nodes);
        plan.steps.sort_by_key(|step| step.at);
        // A further city needs a proof of each member.
        plan.noise.city_gossip |= plan.founded() > 0;
        plan
    }

    /// Returns the plan of this seed without further cities.
    ///
    /// # Panics
    /// Panics for fewer than two or more than 128 nodes.
    #[must_use]
    pub fn draw_closed(seed: u64, nodes: Option<usize>) -> Self {
        // The order and number of draws define what a seed means: a change here gives every
        // recorded failing seed (`tests/seeds.rs`) another plan.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let nodes = nodes.unwrap_or_else(|| rng.random_range(3..=9));
        assert!((2..=128).contains(&nodes), "{nodes} nodes are not in 2..=128");
        let fault_phase = Duration::from_millis(rng.random_range(4_000..16_000));
        let mut plan = Self {
            seed,
            cities: nodes - 1,
            fault_phase,
            noise: draw_noise(&mut rng),
            steps: Vec::new(),
        };
        // Larger clusters get more faults.
        let scale = (nodes as f64 / 4.0).sqrt();
        let mut rate =
            |max: f64| if rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..max) * scale };
        let rates = [
            // Requests are never left out: a run without writes checks nothing.
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
                // Intervals of a Poisson process. The minimum rate stands for an absent kind: its
                // first event is after the end.
                at += -(1.0 - rng.random_range(0.0..1.0_f64)).ln() / rate.max(1e-9);
                if at >= fault_phase.as_secs_f64() {
                    break;
                }
                let action = draw_action(&mut rng, kind, nodes);
                plan.steps.push(Step { at: Duration::from_secs_f64(at), action });
            }
        }
        plan.add_clones(&mut later_rng(seed, CLONES), nodes);
        plan.add_asks(&mut later_rng(seed, TYPES), nodes);
        plan.steps.sort_by_key(|step| step.at);
        // Two processes of one name detect each other only through nodes that gossip with either of
        // them.
        plan.noise.city_gossip |= plan
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::Double { .. } | Action::Clone { .. }));
        plan
    }

    /// Returns the plan of this seed with faults of memory and one member that sends false rounds.
    #[must_use]
    pub fn draw_faulty(seed: u64, nodes: Option<usize>) -> Self {
        // Closed: invented members would hold up a further city until an operator forgets them.
        let mut plan = Self::draw_closed(seed, nodes);
        let mut rng = later_rng(seed, FAULTY);
        let nodes = plan.cities + 1;
        // Repairs begin when two replicas meet, and find that they cover the same.
        plan.noise.city_gossip = true;
        let mut at = || plan.fault_phase.mul_f64(rng.random_range(0.0..1.0));
        let times = [at(), at(), at(), at()];
        for at in times.into_iter().take(rng.random_range(0..4)) {
            let (node, keys) =
                (rng.random_range(0..nodes), rng.random::<u128>() & rng.random::<u128>());
            plan.steps.push(Step { at, action: Action::Lose { node, keys } });
        }
        if rng.random_bool(0.7) {
            let action = Action::Lie { city: rng.random_range(0..plan.cities) };
            plan.steps.push(Step { at: times[3] / 2, action });
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add_clones(&mut self, rng: &mut ChaCha8Rng, nodes: usize) {
        if rng.random_bool(0.9) {
            return;
        }
        let at = self.fault_phase.mul_f64(rng.random_range(0.0..1.0));
        let (city, side) = (rng.random_range(0..nodes - 1), rng.random());
        let lasts = Duration::from_millis(rng.random_range(50..12_000));
        self.steps.push(Step { at, action: Action::Clone { city, side, lasts } });
    }

    /// Adds requests to the library's types, to two of three plans.
    fn add_asks(&mut self, rng: &mut ChaCha8Rng, nodes: usize) {
        if rng.random_bool(1.0 / 3.0) {
            return;
        }
        for _ in 0..rng.random_range(0..100) {
            let at = self.fault_phase.mul_f64(rng.random_range(0.0..1.0));
            let node = rng.random_range(0..nodes);
            let ask = draw_ask(rng);
            self.steps.push(Step { at, action: Action::Ask { node, ask } });
        }
    }

    /// Adds cities that are founded, and actions on them, to one of three plans.
    fn add_cities(&mut self, rng: &mut ChaCha8Rng, nodes: usize) {
        if rng.random_bool(2.0 / 3.0) {
            return;
        }
        let founded = rng.random_range(1..4);
        for city in nodes..nodes + founded {
            let at = self.fault_phase.mul_f64(rng.random_range(0.0..0.8));
            let stays =
                rng.random_bool(0.3).then(|| Duration::from_millis(rng.random_range(100..12_000)));
            self.steps.push(Step { at, action: Action::Found { city, stays } });
            for _ in 0..rng.random_range(0..8) {
                let at = at + (self.fault_phase - at).mul_f64(rng.random_range(0.0..1.0));
                let action = draw_action_on_founded(rng, city, city);
                self.steps.push(Step { at, action });
            }
        }
    }

    /// Returns the number of cities that are founded.
    #[must_use]
    pub fn founded(&self) -> usize {
        let founds = |step: &&Step| matches!(step.action, Action::Found { .. });
        self.steps.iter().filter(founds).count()
    }

    /// Returns whether replicas lose entries or lie. Then only what the cluster comes to in the end
    /// is checked.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        let is_faulty =
            |step: &Step| matches!(step.action, Action::Lose { .. } | Action::Lie { .. });
        self.steps.iter().any(is_faulty)
    }

    /// Returns a plan without faults that contains only user requests.
    #[must_use]
    pub fn without_faults(seed: u64) -> Self {
        let is_request =
            |step: &Step| matches!(step.action, Action::Request(_) | Action::Ask { .. });
        let mut plan = Self::draw_closed(seed, Some(4));
        plan.steps.retain(is_request);
        Self { noise: Noise::none(), ..plan }
    }
}

fn draw_ask(rng: &mut ChaCha8Rng) -> Ask {
    let number = rng.random_range(0..4);
    match rng.random_range(0..16) {
        0..4 => Ask::Add { counter: number, amount: rng.random_range(-9..10) },
        4 | 5 => Ask::Insert { element: number },
        6 => Ask::Remove { element: number },
        7 | 8 => Ask::Put { key: number },
        9 => Ask::Delete { key: number },
        10 | 11 => Ask::Say { room: number },
        12 if rng.random_bool(0.3) => Ask::Update { place: number },
        12 => Ask::Track { key: number },
        13 => Ask::Untrack { place: number },
        14 => Ask::Register { number },
        _ => Ask::Release { number },
    }
}

/// Returns an action on a founded city, in a cluster of this many nodes before it.
fn draw_action_on_founded(rng: &mut ChaCha8Rng, city: usize, nodes: usize) -> Action {
    let mut lasts = |max_ms: u64| Duration::from_millis(rng.random_range(50..max_ms));
    let (short, long) = (lasts(6_000), lasts(12_000));
    let (b, both, silent) =
        (rng.random_range(0..nodes), rng.random_bool(0.6), rng.random_bool(0.5));
    match rng.random_range(0..12) {
        0 | 1 => Action::Bomb(city),
        2 | 3 => Action::Cut { a: city, b, both, silent, lasts: long },
        4 => Action::Freeze { node: city, lasts: short },
        5 => Action::Reset(city),
        6 | 7 => Action::Kill { node: city, down: if both { Duration::ZERO } else { short } },
        8 => Action::Forget { city, keep_running: silent, away: short + Duration::from_secs(1) },
        9 => Action::Double { city, side: rng.random(), lasts: long },
        _ => Action::Ask { node: city, ask: draw_ask(rng) },
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
    let mut lasts = |max_ms: u64| Duration::from_millis(rng.random_range(50..max_ms));
    // Drawn before the `match`, although no kind uses all of them: moving a draw would change the
    // plan of every seed.
    let (short, long) = (lasts(6_000), lasts(12_000));
    let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes - 1));
    let b = if b >= a { b + 1 } else { b };
    let side = rng.random::<u128>();
    match kind {
        0 => Action::Request(match rng.random_range(0..10) {
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
            // The machines of a cluster often take their time from one server.
            node: (side & 3 != 0).then_some(a),
            by_ms: [-3_600_000, -3_000, 1_500, 10_000, 3_600_000][rng.random_range(0..5)],
            lasts: short,
        },
        9 => Action::Forget {
            city: a % cities,
            keep_running: rng.random_bool(0.5),
            away: short + Duration::from_secs(1),
        },
        _ => Action::Double { city: a % cities, side, lasts: long },
    }
}
