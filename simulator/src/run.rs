//! One plan, from beginning to end: hurt, heal, converge within a bound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dispatch_node::model::status::ClusterStatus;
use shared::replica::Rules;

use crate::cluster::{Cluster, Violation};
use crate::plan::Plan;
use crate::tally::Tally;

/// How long after healing what was under way may still arrive: bombs that fall, processes that start, silence that is noticed.
const SETTLE: Duration = Duration::from_secs(4);
/// How often convergence is looked for.
const STEP: Duration = Duration::from_millis(200);

/// What a run that held came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How long after healing every replica knew all that any survivor had known then, and where nothing goes on, held the same.
    pub converged_after: Duration,
    /// How long it might have taken.
    pub bound: Duration,
    /// A hash of everything that happened.
    pub trace: u64,
    /// What happened, in numbers.
    pub tally: Tally,
}

/// How long `nodes` nodes may take to come to rest.
///
/// With gossip among the cities, what takes longest is that everybody proves to everybody, in person, what it covers: of n nodes each pair
/// must have met. A pair meets at 1.5 / (n - 1) a second or more (dispatch pulls every two seconds), so one of n² / 2 pairs has not
/// met after (n - 1) / 1.5 · (ln n² + 14) seconds once in a million runs. Where dispatch alone carries, one random ordered pair a second, every such pair's
/// turn must have come several times over. To that come rounds that stand still, and a new life's patience.
#[must_use]
pub fn bound(nodes: usize, city_gossip: bool) -> Duration {
    let n = nodes as f64;
    let rounds = if city_gossip { (n - 1.0) / 1.5 * (2.0 * n.ln() + 14.0) } else { 40.0 + 10.0 * n * n.ln() };
    Duration::from_secs_f64(rounds) + Duration::from_secs(12)
}

/// Runs a plan. A panic in a machine is a violation too.
///
/// # Errors
/// What was violated.
pub fn run(plan: &Plan, rules: &Rules, log: bool) -> Result<Outcome, Violation> {
    let run = catch_unwind(AssertUnwindSafe(|| run_whole(plan, rules, log)));
    run.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation { at: Duration::ZERO, claim: "no panic", text: text.unwrap_or_default() })
    })
}

fn run_whole(plan: &Plan, rules: &Rules, log: bool) -> Result<Outcome, Violation> {
    let mut cluster = Cluster::new(plan, rules.clone(), log);
    cluster.run(plan.hurt)?;
    cluster.heal();
    // A bomb that was under way may still fall; what it destroys cannot be asked for afterwards.
    cluster.run(plan.hurt + SETTLE)?;
    let (survivors, vectors) = cluster.survivors();
    let (fights, city_gossip) = (plan.noise.fights, plan.noise.city_gossip);
    let bound = bound(plan.cities + 1, city_gossip);
    let mut converged_after = Duration::ZERO;
    // Where fights go on there is always something new; then what was known at healing must be known everywhere. Otherwise all agree in
    // the end, and every tombstone and closed life goes; where dispatch alone carries, each of many pairs waits for its turn to
    // prove that it may, which takes longer than a run should.
    while !(cluster.all_cover(&vectors) && (fights || cluster.is_at_rest(city_gossip)) && cluster.all_survive(&survivors).is_ok()) {
        if converged_after >= bound {
            // Until all have heard everything, what is missing is not known to be lost.
            if cluster.all_cover(&vectors) {
                cluster.all_survive(&survivors)?;
            }
            return Err(cluster.not_true("convergence", format!("not converged {bound:?} after healing: {}", cluster.census())));
        }
        converged_after += STEP;
        cluster.run(plan.hurt + SETTLE + converged_after)?;
    }
    cluster.check_claims()?;
    if !fights {
        if city_gossip {
            cluster.check_at_rest()?;
        }
        // Long enough for the last observation.
        cluster.run(cluster.now + SETTLE)?;
        cluster.check_view().map_err(|text| cluster.not_true("view", text))?;
    }
    Ok(Outcome { converged_after, bound, trace: cluster.trace(), tally: cluster.tally })
}

/// Runs a cluster that nothing troubles, while users ask for things; returns how dispatch sees it in the end.
///
/// # Errors
/// What was violated.
pub fn run_untroubled(seed: u64) -> Result<ClusterStatus, Violation> {
    let plan = Plan::untroubled(seed);
    let mut cluster = Cluster::new(&plan, Rules::default(), false);
    cluster.run(plan.hurt + SETTLE * 3)?;
    cluster.check_claims()?;
    cluster.check_view().map_err(|text| cluster.not_true("view", text))
}
