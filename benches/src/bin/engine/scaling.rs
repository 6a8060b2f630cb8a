//! Costs as a function of the number of changes and of the number of nodes.

use std::time::Duration;

use crate::cost::{self, CHANGES_MAX, Cost, RUNS_MAX};
use crate::hero::writes;
use crate::peer::Peer;
use crate::workload::Pair;

/// The number of heroes, some of which change.
pub(crate) const HEROES: u32 = 100_000;
const CHANGES: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// Costs, each with the number of changes that it belongs to.
pub(crate) type Points = Vec<(f64, Cost)>;

/// The cost of a round in a cluster in which every member has written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// A round without changes.
    pub(crate) idle: Cost,
    /// A round with one changed hero.
    pub(crate) one: Cost,
}

/// Measures how the cost of catching up grows with the number of changes.
pub(crate) fn measure_changes<P: Peer>(duration: Duration) -> Points {
    let mut pair = Pair::<P>::new(HEROES);
    let points = CHANGES.map(|changed| {
        (f64::from(changed), cost::median(CHANGES_MAX, duration, || pair.change(changed)))
    });
    pair.assert_equal();
    points.into()
}

/// Measures a round in a cluster of this many members, each of which has created a hero.
pub(crate) fn measure_members<P: Peer>(members: u8, duration: Duration) -> Round {
    let with_hero_of = |node| {
        let mut member = P::empty(node);
        member.write(&writes(u32::from(node)..u32::from(node) + 1, node, 0));
        member
    };
    let (mut source, mut puller) = (with_hero_of(0), with_hero_of(1));
    source.catch_up(&mut puller);
    for node in 2..members {
        source.catch_up(&mut with_hero_of(node));
    }
    puller.catch_up(&mut source);
    let mut pair = Pair::of(source, puller, members.into());
    let idle = cost::median(RUNS_MAX, duration, || pair.exchange());
    let one = cost::median(CHANGES_MAX, duration, || pair.change(1));
    pair.assert_equal();
    Round { idle, one }
}
