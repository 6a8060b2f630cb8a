//! What a seed does to a cluster, written down before it happens: how bad the network is, and a list of steps.
//!
//! A plan is data. The same plan is the same run, so a failing one can be made smaller step by step (`shrink`) and read by a person.
//! Every kind of trouble is left out of some plans, so that the others are seen alone too.

use std::fmt;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A run before it is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the network and the machines draw their chances from.
    pub seed: u64,
    /// How many cities there are, beside dispatch, which is the last node.
    pub cities: usize,
    /// How long the cluster is hurt, in virtual time.
    pub hurt: Duration,
    /// What is bad all the time.
    pub noise: Noise,
    /// What happens when, in order.
    pub steps: Vec<Step>,
}

/// What is bad as long as a cluster is hurt.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// How long a frame takes, at least and at most.
    pub delay: (Duration, Duration),
    /// The share of frames that vanish, 0 to 1.
    pub loss: f64,
    /// The share of frames that arrive twice, 0 to 1.
    pub duplication: f64,
    /// Whether frames may overtake each other, and outlive the connection they were sent on.
    pub reorder: bool,
    /// Every third link carries no more than this many bytes a second.
    pub slow: Option<u64>,
    /// How far a node's wall clock is off, at most, in milliseconds either way.
    pub skew_ms: i64,
    /// How much faster or slower a node's wall clock goes, at most, in millionths.
    pub drift_ppm: i64,
    /// Patrols and fights go on, also after healing.
    pub fights: bool,
    /// Cities gossip among themselves; if not, only dispatch carries.
    pub city_gossip: bool,
}

impl Noise {
    /// A good day.
    #[must_use]
    pub fn none() -> Self {
        Self {
            delay: (Duration::from_millis(1), Duration::from_millis(5)),
            loss: 0.0,
            duplication: 0.0,
            reorder: false,
            slow: None,
            skew_ms: 0,
            drift_ppm: 0,
            fights: false,
            city_gossip: true,
        }
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Step {
    /// When, in virtual time.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// What can happen. Nodes go by number: the cities, then dispatch.
#[derive(Clone, Debug)]
pub enum Act {
    /// A user asks for something.
    Ask(Wish),
    /// A user bombs a city.
    Bomb(usize),
    /// Nothing passes from `a` to `b`; nor back, if `both`. If `silent`, nobody is told.
    Cut {
        /// From here.
        a: usize,
        /// To there.
        b: usize,
        /// Whether also the other way.
        both: bool,
        /// Whether it must be found out by silence.
        silent: bool,
        /// For how long.
        lasts: Duration,
    },
    /// The nodes whose bit is set are cut off from the others.
    Split {
        /// A bit a node.
        side: u128,
        /// For how long.
        lasts: Duration,
    },
    /// A link breaks again and again.
    Flap {
        /// One end.
        a: usize,
        /// The other.
        b: usize,
        /// Between two breaks.
        period: Duration,
        /// How often.
        times: u32,
    },
    /// A process stands still, its memory intact.
    Freeze {
        /// Which.
        node: usize,
        /// For how long.
        lasts: Duration,
    },
    /// All links of a process break; its memory stays.
    Reset(usize),
    /// A process is killed, and started again without memory, on a clock that may have been set meanwhile.
    Kill {
        /// Which.
        node: usize,
        /// How long it is down.
        down: Duration,
    },
    /// A node's wall clock is wrong by this much for a while.
    Jump {
        /// Whose.
        node: usize,
        /// By how much, in milliseconds.
        by_ms: i64,
        /// For how long.
        lasts: Duration,
    },
    /// A city leaves (its process is killed, or only cut off if `alive`), is forgotten, and comes back.
    Forget {
        /// Which.
        city: usize,
        /// Whether it lives on meanwhile.
        alive: bool,
        /// How long it is away.
        away: Duration,
    },
    /// A second process of a city's name is started; of the other nodes, those whose bit is set see only this one, the others only the
    /// first.
    Double {
        /// Which city.
        city: usize,
        /// A bit a node.
        side: u128,
        /// How long the two do not share a neighbour.
        lasts: Duration,
    },
}

/// What a user asks for. Heroes and places go by any number, taken modulo how many there are by then.
#[derive(Clone, Debug)]
pub enum Wish {
    /// A new hero.
    Create,
    /// A hero somewhere else.
    Assign {
        /// Which hero.
        hero: u32,
        /// Where to; one more than the cities is home.
        to: u32,
    },
    /// The end of a hero.
    Terminate {
        /// Which.
        hero: u32,
    },
}

impl Plan {
    /// The plan of this seed, for `nodes` nodes, or for 3 to 9.
    ///
    /// # Panics
    /// For fewer than two nodes or more than 128.
    #[must_use]
    pub fn draw(seed: u64, nodes: Option<usize>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let nodes = nodes.unwrap_or_else(|| rng.random_range(3..=9));
        assert!((2..=128).contains(&nodes), "a cluster of {nodes} nodes");
        let hurt = Duration::from_millis(rng.random_range(4_000..16_000));
        let mut plan = Self { seed, cities: nodes - 1, hurt, noise: draw_noise(&mut rng), steps: Vec::new() };
        // More nodes have more to suffer.
        let scale = (nodes as f64 / 4.0).sqrt();
        let mut rate = |max: f64| if rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..max) * scale };
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
                let act = draw_act(&mut rng, kind, nodes);
                plan.steps.push(Step { at: Duration::from_secs_f64(at), act });
            }
        }
        plan.steps.sort_by_key(|step| step.at);
        // Two processes of one name hear of each other through those who gossip with either.
        plan.noise.city_gossip |= plan.steps.iter().any(|step| matches!(step.act, Act::Double { .. }));
        plan
    }

    /// A good day on which users ask for things.
    #[must_use]
    pub fn untroubled(seed: u64) -> Self {
        let asks = |step: &Step| matches!(step.act, Act::Ask(_));
        let mut plan = Self::draw(seed, Some(4));
        plan.steps.retain(asks);
        Self { noise: Noise::none(), ..plan }
    }
}

fn draw_noise(rng: &mut ChaCha8Rng) -> Noise {
    let mut rate = |max: f64| if rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..max) };
    let (loss, duplication) = (rate(0.3), rate(0.3));
    Noise {
        delay: (Duration::from_millis(1), Duration::from_millis([5, 200, 2_000][rng.random_range(0..3)])),
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

fn draw_act(rng: &mut ChaCha8Rng, kind: usize, nodes: usize) -> Act {
    let cities = nodes - 1;
    let mut lasts = |most_ms: u64| Duration::from_millis(rng.random_range(50..most_ms));
    let (short, long) = (lasts(6_000), lasts(12_000));
    let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes - 1));
    let b = if b >= a { b + 1 } else { b };
    let side = rng.random::<u128>();
    match kind {
        0 => Act::Ask(match rng.random_range(0..10) {
            0..4 => Wish::Create,
            4..8 => Wish::Assign { hero: rng.random(), to: rng.random() },
            _ => Wish::Terminate { hero: rng.random() },
        }),
        1 => Act::Bomb(a % cities),
        2 => Act::Cut { a, b, both: rng.random_bool(0.6), silent: rng.random_bool(0.5), lasts: long },
        3 => Act::Split { side, lasts: long },
        4 => Act::Flap { a, b, period: short / 10 + Duration::from_millis(20), times: rng.random_range(2..20) },
        5 => Act::Freeze { node: a, lasts: short },
        6 => Act::Reset(a),
        7 => Act::Kill { node: a, down: if rng.random_bool(0.5) { Duration::ZERO } else { short } },
        8 => Act::Jump { node: a, by_ms: [-3_600_000, -3_000, 1_500, 10_000, 3_600_000][rng.random_range(0..5)], lasts: short },
        9 => Act::Forget { city: a % cities, alive: rng.random_bool(0.5), away: short + Duration::from_secs(1) },
        _ => Act::Double { city: a % cities, side, lasts: long },
    }
}

impl Act {
    /// The kinds of trouble, as they are counted. Asking is none.
    pub const TROUBLES: [&'static str; 10] = ["bomb", "cut", "split", "flap", "freeze", "reset", "kill", "jump", "forget", "double"];

    /// Which of [`TROUBLES`](Self::TROUBLES) it is.
    #[must_use]
    pub fn trouble(&self) -> Option<usize> {
        match self {
            Self::Ask(_) => None,
            Self::Bomb(_) => Some(0),
            Self::Cut { .. } => Some(1),
            Self::Split { .. } => Some(2),
            Self::Flap { .. } => Some(3),
            Self::Freeze { .. } => Some(4),
            Self::Reset(_) => Some(5),
            Self::Kill { .. } => Some(6),
            Self::Jump { .. } => Some(7),
            Self::Forget { .. } => Some(8),
            Self::Double { .. } => Some(9),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3}s  {}", self.at.as_secs_f64(), self.act)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(Wish::Create) => f.write_str("a hero is created"),
            Self::Ask(Wish::Assign { hero, to }) => write!(f, "hero #{hero} is assigned to place #{to}"),
            Self::Ask(Wish::Terminate { hero }) => write!(f, "hero #{hero} is terminated"),
            Self::Bomb(city) => write!(f, "node {city} is bombed"),
            Self::Cut { a, b, both, silent, lasts } => {
                let (arrow, how) = (if *both { "and" } else { "to" }, if *silent { "silently" } else { "loudly" });
                write!(f, "the link from {a} {arrow} {b} is {how} cut for {lasts:?}")
            }
            Self::Split { side, lasts } => write!(f, "the nodes of {side:#x} are split from the others for {lasts:?}"),
            Self::Flap { a, b, period, times } => write!(f, "the link between {a} and {b} breaks {times} times, every {period:?}"),
            Self::Freeze { node, lasts } => write!(f, "node {node} stands still for {lasts:?}"),
            Self::Reset(node) => write!(f, "all links of node {node} break"),
            Self::Kill { node, down } => write!(f, "node {node} is killed, and started again after {down:?}"),
            Self::Jump { node, by_ms, lasts } => write!(f, "the clock of node {node} is off by {by_ms} ms for {lasts:?}"),
            Self::Forget { city, alive: true, away } => write!(f, "node {city} is cut off for {away:?}, and forgotten meanwhile"),
            Self::Forget { city, alive: false, away } => write!(f, "node {city} is down for {away:?}, and forgotten meanwhile"),
            Self::Double { city, side, lasts } => {
                write!(f, "a second process of node {city}'s name is all that the nodes of {side:#x} see of it for {lasts:?}")
            }
        }
    }
}
