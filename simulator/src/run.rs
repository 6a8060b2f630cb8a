//! One seed, from beginning to end: hurt, heal, converge.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use dispatch_node::verdict::Verdict;

use crate::cluster::{Cluster, Tally};
use crate::faults::Faults;

/// How long the cluster is hurt, in virtual time.
pub const HURT: Duration = Duration::from_secs(30);
/// How long after healing what was under way may still arrive, in virtual time.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it may take to converge after healing, in virtual time.
pub const CONVERGE_MAX: Duration = Duration::from_secs(90);

/// What a seed that held came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How long after healing every replica knew all that any had known then.
    pub converged_after: Duration,
    /// A hash of everything that happened.
    pub trace: u64,
    /// What happened, in numbers.
    pub tally: Tally,
}

/// Runs a seed.
///
/// # Errors
/// Says what was violated, and when in virtual time.
pub fn run(seed: u64, log: bool) -> Result<Outcome, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let cities = rng.random_range(2..=6);
    let faults = Faults::draw(&mut rng);
    if log {
        println!("seed {seed}: {cities} cities, {faults:?}");
    }
    let (fights, city_gossip) = (faults.fights, faults.city_gossip);
    let mut cluster = Cluster::new(rng.random(), cities, faults, log);
    cluster.run(HURT, true, true)?;
    cluster.heal();
    // A bomb that was under way may still fall; what it destroys cannot be asked for afterwards.
    cluster.run(SETTLE, false, false)?;
    let (at_heal, best) = (cluster.vectors(), cluster.best());
    let mut converged_after = Duration::ZERO;
    let step = Duration::from_millis(200);
    // Where fights go on there is always something new; then what was known at healing must be known everywhere. Otherwise
    // all agree in the end, and every tombstone goes; where dispatch alone carries, each of many pairs waits for its turn to
    // prove that it may, which takes longer than a test should.
    let done = |cluster: &Cluster| fights || cluster.agrees() && (cluster.tombstones() == 0 || !city_gossip);
    while !(cluster.all_cover(&at_heal) && done(&cluster)) {
        if converged_after >= CONVERGE_MAX {
            return Err(format!("not converged {CONVERGE_MAX:?} after healing: {}", cluster.census()));
        }
        cluster.run(step, false, false)?;
        converged_after += step;
    }
    cluster.check_nothing_is_lost(&best)?;
    if !fights {
        // Long enough for the last observation.
        cluster.run(SETTLE, false, false)?;
        cluster.check_view()?;
    }
    Ok(Outcome { converged_after, trace: cluster.trace(), tally: cluster.tally })
}

/// Runs a cluster that nothing troubles, while users ask for things; returns how dispatch sees it in the end.
///
/// # Errors
/// Says what was violated.
pub fn run_untroubled(seed: u64) -> Result<Verdict, String> {
    let mut cluster = Cluster::new(seed, 3, Faults::none(), false);
    cluster.run(HURT, false, true)?;
    cluster.run(SETTLE * 3, false, false)?;
    cluster.check_view()
}
