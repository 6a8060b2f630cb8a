//! Costs by what they depend on: the number of changes, and the number of nodes.

use std::time::Duration;

use crate::cost::{self, CHANGES_MAX, Cost, RUNS_MAX};
use crate::hero::writes;
use crate::peer::Peer;
use crate::workload::Pair;

/// The number of heroes of which some change.
pub(crate) const HEROES: u32 = 100_000;
const CHANGES: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// Costs, each with the number that it depends on.
pub(crate) type Points = Vec<(f64, Cost)>;

/// The cost of catching up where every member has written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// With nothing.
    pub(crate) idle: Cost,
    /// With one changed hero.
    pub(crate) one: Cost,
}

/// Measures catching up with more and more changes.
pub(crate) fn measure_changes<P: Peer>(timeout: Duration) -> Points {
    let mut pair = Pair::<P>::new(HEROES);
    let points = CHANGES.map(|changed| {
        (f64::from(changed), cost::median(CHANGES_MAX, timeout, || pair.change(changed)))
    });
    pair.assert_equal();
    points.into()
}

/// Measures a round in a cluster of this many members, each of which has made a hero.
pub(crate) fn measure_members<P: Peer>(members: u8, timeout: Duration) -> Round {
    let made_by = |node| {
        let mut member = P::empty(node);
        member.write(&writes(u32::from(node)..u32::from(node) + 1, node, 0));
        member
    };
    let (mut source, mut puller) = (made_by(0), made_by(1));
    source.catch_up(&mut puller);
    for node in 2..members {
        source.catch_up(&mut made_by(node));
    }
    puller.catch_up(&mut source);
    let mut pair = Pair::of(source, puller, members.into());
    let idle = cost::median(RUNS_MAX, timeout, || pair.exchange());
    let one = cost::median(CHANGES_MAX, timeout, || pair.change(1));
    pair.assert_equal();
    Round { idle, one }
}
