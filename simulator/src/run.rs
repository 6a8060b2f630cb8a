//! The execution of a plan: fault phase, healing, convergence within a bound.
//!
//! Invariant: the bound depends only on the number of nodes and on which of them gossip, never on
//! the seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dispatch_node::model::status::ClusterStatus;
use gossip::replica::Rules;

use crate::cluster::Cluster;
use crate::oracle::convergence::{all_at_rest, all_cover, common_fingerprint};
use crate::plan::Plan;
use crate::tally::Tally;
use crate::violation::Violation;

/// The time after healing for pending effects: bombs in flight, process starts, silence timeouts.
const SETTLE: Duration = Duration::from_secs(4);
/// The number of times that a converged cluster is run until its replicas stay equal.
const SETTLINGS_MAX: usize = 10;
/// The interval between two checks for convergence.
const STEP: Duration = Duration::from_millis(200);

/// The result of a run without a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The time after healing until every replica covered everything that any survivor covered then
    /// and, without fights, all replicas were equal.
    pub converged_after: Duration,
    /// The limit of `converged_after`.
    pub bound: Duration,
    /// A hash of all frames sent.
    pub trace: u64,
    /// The counters of the run.
    pub tally: Tally,
}

/// Returns the longest time that `nodes` nodes may need to come to rest.
///
/// With gossip between cities, the slowest part is that every node proves to every other, over
/// their common link, what it covers: each pair must have met. A pair meets at a rate of at least
/// 1.5 / (n - 1) per second (dispatch pulls every two seconds), so after (n - 1) / 1.5 · (ln n² +
/// 14) seconds the probability that one of the n² / 2 pairs has not met is one in a million. If
/// only dispatch relays, one random ordered pair per second, every pair must have had several
/// turns. The constant covers stalled rounds and the wait of a new incarnation.
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

/// Runs a plan. A panic in a machine is reported as a violation.
///
/// # Errors
/// Returns the first violation.
pub fn run(plan: &Plan, rules: &Rules, log: bool) -> Result<Outcome, Violation> {
    run_in(&mut Cluster::new(plan, rules.clone(), log), plan)
}

/// Runs a plan in a cluster that was just started for it.
pub(crate) fn run_in(cluster: &mut Cluster, plan: &Plan) -> Result<Outcome, Violation> {
    // Unwind safe: after a panic only the recorded past of the cluster is read.
    let run = catch_unwind(AssertUnwindSafe(|| run_whole(cluster, plan)));
    run.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation { at: Duration::ZERO, claim: "no panic", text: text.unwrap_or_default() })
    })
}

fn run_whole(cluster: &mut Cluster, plan: &Plan) -> Result<Outcome, Violation> {
    cluster.run(plan.fault_phase)?;
    cluster.heal();
    // A bomb request in flight may still destroy a city; the writes lost with it must not count as
    // held by a survivor.
    cluster.run(plan.fault_phase + SETTLE)?;
    cluster.accept_latest();
    let (fights, city_gossip) = (plan.noise.fights, plan.noise.city_gossip);
    let bound = bound(plan.cities + 1 + plan.founded(), city_gossip);
    let converged_after = converge(cluster, plan, bound)?;
    if plan.is_faulty() {
        return Ok(Outcome {
            converged_after,
            bound,
            trace: cluster.trace(),
            tally: cluster.tally,
        });
    }
    cluster.oracle.check_claims(cluster.now, &cluster.processes)?;
    if !fights {
        if city_gossip {
            let nodes = cluster.names();
            cluster.oracle.check_at_rest(cluster.now, &cluster.processes, nodes)?;
        }
        settle(cluster, plan, bound)?;
        check_view(cluster)?;
    }
    Ok(Outcome { converged_after, bound, trace: cluster.trace(), tally: cluster.tally })
}

/// Runs a healed cluster until it has converged and returns the time that took.
///
/// With fights there are always new writes: then everything covered at healing must be covered
/// everywhere. Otherwise all replicas must be equal, and every tombstone and closed incarnation
/// must be collected. This last requirement is dropped if only dispatch relays: each of many pairs
/// then waits for its turn to exchange proofs, which takes longer than a run should.
fn converge(cluster: &mut Cluster, plan: &Plan, bound: Duration) -> Result<Duration, Violation> {
    let (survivors, vectors) = cluster.oracle.survivors(&cluster.processes);
    // What a member invents within the limits stays in the vectors.
    let (fights, tidy) = (plan.noise.fights, plan.noise.city_gossip && !plan.is_faulty());
    let mut after = Duration::ZERO;
    loop {
        let (at, processes) = (cluster.now, &cluster.processes);
        let covered = all_cover(processes, &vectors);
        let survived = || cluster.oracle.all_survive(at, processes, &survivors);
        let at_rest = || fights || all_at_rest(processes, cluster.nodes(), cluster.names(), tidy);
        let joined = processes.members().all(|process| !process.replica().is_candidate());
        if covered && joined && at_rest() && survived().is_ok() {
            return Ok(after);
        }
        if after >= bound {
            // Before every vector is covered, a missing write may still arrive and is not lost.
            if covered {
                survived()?;
            }
            let text = format!("not converged {bound:?} after healing: {}", cluster.census());
            return Err(Violation { at, claim: "convergence", text });
        }
        after += STEP;
        cluster.run(plan.fault_phase + SETTLE + after)?;
    }
}

/// Runs a converged cluster until the last observations have reached dispatch. What is collected
/// meanwhile makes the replicas differ for a while again.
fn settle(cluster: &mut Cluster, plan: &Plan, bound: Duration) -> Result<(), Violation> {
    for _ in 0..SETTLINGS_MAX {
        let before = common_fingerprint(&cluster.processes, cluster.nodes());
        cluster.run(cluster.now + SETTLE)?;
        if before.is_some() && before == common_fingerprint(&cluster.processes, cluster.nodes()) {
            return Ok(());
        }
        converge(cluster, plan, bound)?;
    }
    let text = format!("replicas differ again each {SETTLE:?}, {SETTLINGS_MAX} times in a row");
    Err(Violation { at: cluster.now, claim: "convergence", text })
}

fn check_view(cluster: &mut Cluster) -> Result<ClusterStatus, Violation> {
    let status = cluster.check_view();
    status.map_err(|text| Violation { at: cluster.now, claim: "view", text })
}

/// Runs a cluster without faults under user requests and returns the final status of dispatch.
///
/// # Errors
/// Returns the first violation.
pub fn run_without_faults(seed: u64) -> Result<ClusterStatus, Violation> {
    let plan = Plan::without_faults(seed);
    let mut cluster = Cluster::new(&plan, Rules::default(), false);
    cluster.run(plan.fault_phase + SETTLE * 3)?;
    cluster.oracle.check_claims(cluster.now, &cluster.processes)?;
    check_view(&mut cluster)
}
