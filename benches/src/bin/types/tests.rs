//! The workloads of all contestants with small sizes; times are not checked. Each run asserts the
//! content of all three replicas at its end.

use std::time::Duration;

use crate::contestant::{Measured, Workload};
use crate::sizes::Sizes;
use crate::table;

/// Small, but each replica sends more messages than it keeps between two rounds.
const SIZES: Sizes = Sizes { increments: 500, elements: 100, messages: 1_000, every: 400 };
const DURATION: Duration = Duration::from_millis(1);

fn measured(workload: Workload, sizes: &Sizes) -> Vec<Measured> {
    let contestants = workload.contestants().into_iter();
    contestants.map(|contestant| contestant.measure(sizes, DURATION)).collect()
}

#[test]
fn every_contestant_completes_every_workload() {
    for workload in Workload::ALL {
        let measured = measured(workload, &SIZES);
        assert_eq!(measured.len() > 1, cfg!(feature = "peers"));
        for Measured { name, cost } in &measured {
            assert!(cost.sent > 0 && cost.held > 0 && cost.peak >= cost.held, "{name}: {cost:?}");
        }
        table::print(workload, &SIZES, &measured);
    }
}

#[test]
fn workloads_without_operations_complete() {
    let sizes = Sizes { increments: 0, elements: 0, messages: 0, every: 1 };
    for workload in Workload::ALL {
        table::print(workload, &sizes, &measured(workload, &sizes));
    }
}
