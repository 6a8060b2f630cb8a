//! The workloads of all contestants, with few heroes and without times. The measurements themselves
//! assert that each exchange did its work.

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
/// Long enough for everything to be done more than once.
const TIMEOUT: Duration = Duration::from_millis(10);

/// All workloads of one of them. What is sent in each is what it is about.
fn exchanges<P: Peer>() -> Costs {
    let costs = measure::<P>(HEROES, TIMEOUT);
    assert_eq!(costs.keys().copied().collect::<Vec<_>>(), Workload::ALL);
    let bytes = |workload| costs[&workload].bytes.total();
    assert!(bytes(Workload::Whole) > 2_000, "{}: a hundred keys and names were sent", P::NAME);
    assert!(
        bytes(Workload::Both) > bytes(Workload::Changed(100)),
        "{}: each sent what it had changed",
        P::NAME
    );
    costs
}

#[test]
fn this_project_sends_what_has_changed_and_no_more() {
    let costs = exchanges::<Ours>();
    let bytes = |workload| costs[&workload].bytes.total();
    assert!(
        bytes(Workload::Nothing) < bytes(Workload::Changed(1))
            && 10 * bytes(Workload::Changed(1)) < bytes(Workload::Changed(100))
    );
    let Round { idle, one } = measure_members::<Ours>(5, TIMEOUT);
    assert!(idle.bytes.total() < one.bytes.total());
    Memory::measure(HEROES);
}

#[test]
fn the_whole_map_sends_all_of_it_each_time() {
    for costs in [exchanges::<WholeMap<Postcard>>(), exchanges::<WholeMap<Json>>()] {
        assert!(
            costs[&Workload::Nothing].bytes.total().abs_diff(costs[&Workload::Whole].bytes.total())
                < 1_000
        );
    }
}

#[cfg(feature = "peers")]
#[test]
fn each_peer_exchanges_what_it_should() {
    for contestant in crate::peers::all() {
        let costs = (contestant.measure)(HEROES, TIMEOUT);
        assert!(
            costs[&Workload::Whole].bytes.total() > 2_000,
            "{}: a hundred keys and names were sent",
            contestant.name
        );
        (contestant.members)(5, TIMEOUT);
    }
}

#[test]
fn each_workload_whose_instructions_are_counted_does_its_work() {
    Once::value_variants().iter().for_each(|once| once.run());
}

#[test]
fn tables_and_targets_are_told_whatever_was_measured() {
    for sizes in [&[HEROES, 10][..], &[1], &[]] {
        let measure = |contestant| Measured::new(contestant, sizes, TIMEOUT);
        let all: Vec<Measured> = contestants::all().into_iter().take(2).map(measure).collect();
        table::print(&all, sizes);
        targets::print(&all[0], sizes);
    }
}

#[test]
fn a_figure_has_a_place_for_every_point() {
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
