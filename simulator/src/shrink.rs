//! Shrinking of a failing plan: removes steps and noise as long as the same claim is violated.
//!
//! Steps are removed in halves, then quarters, and so on down to single steps (Zeller, "Yesterday,
//! my program worked", 1999). Then each kind of noise is removed if the failure does not need it.

use std::time::Duration;

use gossip::replica::Rules;

use crate::plan::{Noise, Plan};
use crate::run;
use crate::violation::Violation;

/// The maximum number of runs for shrinking one plan.
const RUNS_MAX: usize = 2_000;

/// Returns the smallest plan found that violates the same claim, with its violation.
#[must_use]
pub fn shrink(plan: &Plan, violation: Violation, rules: &Rules) -> (Plan, Violation) {
    let mut smallest = (plan.clone(), violation);
    let mut runs = 0;
    let mut attempt = |smallest: &mut (Plan, Violation), candidate: Plan| {
        runs += 1;
        if runs > RUNS_MAX {
            return false;
        }
        match run::run(&candidate, rules, false) {
            // The same claim, so that shrinking does not continue with a different defect.
            Err(violation) if violation.claim == smallest.1.claim => {
                *smallest = (candidate, violation);
                true
            }
            Ok(_) | Err(_) => false,
        }
    };
    loop {
        let before = smallest.0.steps.len();
        let mut size = before.div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < smallest.0.steps.len() {
                let mut candidate = smallest.0.clone();
                candidate.steps.drain(from..(from + size).min(candidate.steps.len()));
                if !attempt(&mut smallest, candidate) {
                    from += size;
                }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
        for quieter in quieter(&smallest.0.noise) {
            let candidate = Plan { noise: quieter, ..smallest.0.clone() };
            attempt(&mut smallest, candidate);
        }
        let last = smallest.0.steps.last().map_or(Duration::ZERO, |step| step.at);
        for fault_phase in [
            last + Duration::from_millis(100),
            smallest.0.fault_phase / 2,
            smallest.0.fault_phase * 3 / 4,
        ] {
            if fault_phase > last && fault_phase < smallest.0.fault_phase {
                let candidate = Plan { fault_phase, ..smallest.0.clone() };
                attempt(&mut smallest, candidate);
            }
        }
        if smallest.0.steps.len() == before {
            return smallest;
        }
    }
}

/// Returns a copy of the noise for each kind that it contains, without that kind.
fn quieter(noise: &Noise) -> Vec<Noise> {
    let none = Noise::none();
    let candidates = [
        Noise { loss: 0.0, ..noise.clone() },
        Noise { duplication: 0.0, ..noise.clone() },
        Noise { reorder: false, ..noise.clone() },
        Noise { slow: None, ..noise.clone() },
        Noise { skew_ms: 0, ..noise.clone() },
        Noise { drift_ppm: 0, ..noise.clone() },
        Noise { fights: false, ..noise.clone() },
        Noise { city_gossip: true, ..noise.clone() },
        Noise { delay: none.delay, ..noise.clone() },
    ];
    candidates.into_iter().filter(|candidate| candidate != noise).collect()
}
