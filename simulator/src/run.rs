//! A plan, carried out from beginning to end: hurt, heal, converge within a bound.
//!
//! Invariant: the bound depends on the number of nodes and on who gossips, never on the seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dispatch_node::model::status::ClusterStatus;
use gossip::replica::Rules;

use crate::cluster::Cluster;
use crate::oracle::convergence::{all_at_rest, all_cover};
use crate::plan::Plan;
use crate::tally::Tally;
use crate::violation::Violation;

/// The time after healing in which what was under way may still arrive: bombs, starts, and silence
/// that is noticed.
const SETTLE: Duration = Duration::from_secs(4);
/// The interval between two checks for convergence.
const STEP: Duration = Duration::from_millis(200);

/// The result of a run that held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The time after healing until every replica knew all that any survivor had known then, and,
    /// where nothing goes on, held the same.
    pub converged_after: Duration,
    /// The longest time that this may take.
    pub bound: Duration,
    /// A hash of everything that was sent.
    pub trace: u64,
    /// The counts of what happened.
    pub tally: Tally,
}

/// Returns the longest time that `nodes` nodes may take to come to rest.
///
/// With gossip among the cities, the slowest part is that every node proves to every other, over
/// a link between the two, what it covers: of n nodes each pair must have met. A pair meets at
/// 1.5 / (n - 1) a second or more (dispatch pulls every two seconds), so one of n² / 2 pairs has
/// not met after (n - 1) / 1.5 · (ln n² + 14) seconds once in a million runs. Where dispatch alone
/// carries, one random ordered pair a second, every such pair's turn must have come several times
/// over. To that come rounds that stand still, and the wait of a new life.
#[must_use]
pub fn bound(nodes: usize, city_gossip: bool) -> Duration {
    let n = nodes as f64;
    let rounds = if city_gossip {
        (n - 1.0) / 1.5 * (2.0 * n.ln() + 14.0)
    } else {
        40.0 + 10.0 * n * n.ln()
    };
    Duration::from_secs_f64(rounds) + Duration::from_secs(12)
}

/// Runs a plan. A panic in a machine is a violation too.
///
/// # Errors
/// Returns the first violation.
pub fn run(plan: &Plan, rules: &Rules, log: bool) -> Result<Outcome, Violation> {
    let run = catch_unwind(AssertUnwindSafe(|| run_whole(plan, rules, log)));
    run.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation { at: Duration::ZERO, claim: "no panic", text: text.unwrap_or_default() })
    })
}

fn run_whole(plan: &Plan, rules: &Rules, log: bool) -> Result<Outcome, Violation> {
    let mut cluster = Cluster::new(plan, rules.clone(), log);
    cluster.run(plan.hurt)?;
    cluster.heal();
    // A bomb that was under way may still fall; what it destroys cannot be asked for afterwards.
    cluster.run(plan.hurt + SETTLE)?;
    let (fights, city_gossip) = (plan.noise.fights, plan.noise.city_gossip);
    let bound = bound(plan.cities + 1, city_gossip);
    let converged_after = converge(&mut cluster, plan, bound)?;
    cluster.oracle.check_claims(cluster.now, &cluster.processes)?;
    if !fights {
        if city_gossip {
            let nodes = cluster.nodes();
            cluster.oracle.check_at_rest(cluster.now, &cluster.processes, nodes)?;
        }
        // Long enough for the last observation.
        cluster.run(cluster.now + SETTLE)?;
        check_view(&mut cluster)?;
    }
    Ok(Outcome { converged_after, bound, trace: cluster.trace(), tally: cluster.tally })
}

/// Runs a healed cluster until it has converged; returns how long that took.
///
/// Where fights go on there is always something new: then all that was known at healing must be
/// known everywhere. Otherwise all agree in the end, and every tombstone and closed life goes.
/// Where dispatch alone carries, each of many pairs waits for its turn to prove that it may, which
/// takes longer than a run should.
fn converge(cluster: &mut Cluster, plan: &Plan, bound: Duration) -> Result<Duration, Violation> {
    let (survivors, vectors) = cluster.oracle.survivors(&cluster.processes);
    let (fights, tidy) = (plan.noise.fights, plan.noise.city_gossip);
    let mut after = Duration::ZERO;
    loop {
        let (at, processes) = (cluster.now, &cluster.processes);
        let covered = all_cover(processes, &vectors);
        let survived = || cluster.oracle.all_survive(at, processes, &survivors);
        let at_rest = || fights || all_at_rest(processes, cluster.nodes(), tidy);
        if covered && at_rest() && survived().is_ok() {
            return Ok(after);
        }
        if after >= bound {
            // Until all have received everything, what is missing is not known to be lost.
            if covered {
                survived()?;
            }
            let text = format!("not converged {bound:?} after healing: {}", cluster.census());
            return Err(Violation { at, claim: "convergence", text });
        }
        after += STEP;
        cluster.run(plan.hurt + SETTLE + after)?;
    }
}

fn check_view(cluster: &mut Cluster) -> Result<ClusterStatus, Violation> {
    let status = cluster.check_view();
    status.map_err(|text| Violation { at: cluster.now, claim: "view", text })
}

/// Runs a cluster without faults, while users send requests; returns dispatch's status at the end.
///
/// # Errors
/// Returns the first violation.
pub fn run_without_faults(seed: u64) -> Result<ClusterStatus, Violation> {
    let plan = Plan::without_faults(seed);
    let mut cluster = Cluster::new(&plan, Rules::default(), false);
    cluster.run(plan.hurt + SETTLE * 3)?;
    cluster.oracle.check_claims(cluster.now, &cluster.processes)?;
    check_view(&mut cluster)
}
