//! The workloads of all contestants with few heroes; times are not checked. The measurements assert
//! that each exchange has an effect.

use std::time::Duration;

use clap::ValueEnum as _;

use crate::measured::Measured;
use crate::memory::Memory;
use crate::once::Once;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::plot::{Curve, Figure, Panel};
use crate::scaling::{Round, measure_members};
use crate::whole_map::{Json, Postcard, WholeMap};
use crate::workload::{Costs, Workload, measure};
use crate::{contestants, table, targets};

const HEROES: u32 = 100;
/// Long enough for more than one run of each workload.
const DURATION: Duration = Duration::from_millis(10);

/// Runs all workloads of one contestant and checks that the sizes of the messages match the
/// workloads.
fn exchanges<P: Peer>() -> Costs {
    let costs = measure::<P>(HEROES, DURATION);
    assert_eq!(costs.keys().copied().collect::<Vec<_>>(), Workload::ALL);
    let bytes = |workload| costs[&workload].bytes.total();
    assert!(bytes(Workload::Whole) > 2_000, "{}: a hundred keys and names are sent", P::NAME);
    assert!(
        bytes(Workload::Both) > bytes(Workload::Changed(100)),
        "{}: each side sends its changes",
        P::NAME
    );
    costs
}

#[test]
fn this_project_sends_only_changes() {
    let costs = exchanges::<Ours>();
    let bytes = |workload| costs[&workload].bytes.total();
    assert!(
        bytes(Workload::Nothing) < bytes(Workload::Changed(1))
            && 5 * bytes(Workload::Changed(1)) < bytes(Workload::Changed(100))
    );
    let Round { idle, one } = measure_members::<Ours>(5, DURATION);
    assert!(idle.bytes.total() < one.bytes.total());
    Memory::measure(HEROES);
}

#[test]
fn whole_map_sends_everything_each_time() {
    for costs in [exchanges::<WholeMap<Postcard>>(), exchanges::<WholeMap<Json>>()] {
        assert!(
            costs[&Workload::Nothing].bytes.total().abs_diff(costs[&Workload::Whole].bytes.total())
                < 1_000
        );
    }
}

#[cfg(feature = "peers")]
#[test]
fn peers_complete_every_workload() {
    for contestant in crate::peers::all() {
        let costs = (contestant.measure)(HEROES, DURATION);
        assert!(
            costs[&Workload::Whole].bytes.total() > 2_000,
            "{}: a hundred keys and names are sent",
            contestant.name
        );
        (contestant.members)(5, DURATION);
    }
}

#[test]
fn counted_workloads_complete() {
    Once::value_variants().iter().for_each(|once| once.run());
}

#[test]
fn tables_and_targets_print_for_any_sizes() {
    for sizes in [&[HEROES, 10][..], &[1], &[]] {
        let measure = |contestant| Measured::new(contestant, sizes, DURATION);
        let all: Vec<Measured> = contestants::all().into_iter().take(2).map(measure).collect();
        table::print(&all, sizes);
        targets::print(&all[0], sizes);
    }
}

#[test]
fn figure_has_finite_coordinates() {
    let curve = |name, points: &[(f64, f64)]| Curve { name, points: points.to_vec() };
    for curves in [
        vec![
            curve("ours", &[(1.0, 0.01), (10.0, 0.0), (100.0, 5e6)]),
            curve("theirs", &[(1.0, 3.0)]),
            curve("no points", &[]),
        ],
        vec![curve("one point", &[(3.0, 1.0)])],
        vec![curve("no point", &[])],
        vec![curve("nothing", &[(3.0, 0.0), (4.0, 0.0)])],
    ] {
        let panel = Panel { title: "cost".into(), x: "heroes", y: "ms", curves };
        let svg =
            Figure { title: "A figure".into(), about: "Of a test", panels: vec![panel] }.svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
