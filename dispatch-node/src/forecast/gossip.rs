//! The exchanges between nodes and their intervals, as the machines make them
//! (`location_node::city`, `crate::dispatch`), in plain numbers.

use std::time::Duration;

use gossip::fault::Pace;

/// All activities that transfer writes between nodes. Nodes are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// The number of nodes that should hold each write.
    pub nodes: usize,
    /// The timers that start exchanges.
    pub actors: Vec<Actor>,
}

/// A timer that starts one exchange per interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The time between two exchanges. The phase is unknown, so every phase is equally likely.
    pub interval: Duration,
    /// The number of exchanges from which it draws one, all with the same probability.
    pub choices: usize,
    /// The exchanges among them that transfer writes. The others, for example over a cut, are drawn
    /// as well but have no effect.
    pub exchanges: Vec<Exchange>,
}

/// One round, or two if mutual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The node that sends its entries.
    pub source: usize,
    /// The node that receives them.
    pub puller: usize,
    /// True if the source also receives the puller's entries, so that both hold the same
    /// afterwards.
    pub mutual: bool,
}

/// The state of the path between two nodes. A round needs both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Rounds pass.
    Open,
    /// There is a link, so rounds are started over it, but they do not complete: a direction is
    /// cut, or an end is frozen. Rounds between the two that another node carries are stopped as
    /// well.
    Cut,
    /// There is no link, and no round is started.
    Unlinked,
}

/// The interval of each kind of gossip; `None` if it is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// A city's mutual pull from a random peer.
    pub city: Option<Duration>,
    /// The round that dispatch carries from a random city to another.
    pub carried: Option<Duration>,
    /// Dispatch's mutual pull from a random city.
    pub poll: Option<Duration>,
}

impl Gossip {
    /// Returns the gossip of `cities` cities, numbered from 0, and of dispatch, the last node.
    #[must_use]
    pub fn of_cities(
        cities: usize,
        intervals: Intervals,
        pace: Pace,
        way: impl Fn(usize, usize) -> Way,
    ) -> Self {
        let dispatch = cities;
        let is_linked = |a: usize, b: usize| a != b && way(a, b) != Way::Unlinked;
        let passes = |a: usize, b: usize| way(a, b) == Way::Open;
        let mutual = |puller: usize, sources: Vec<usize>| {
            let open = sources.iter().filter(|source| passes(puller, **source));
            (
                sources.len(),
                open.map(|source| Exchange { source: *source, puller, mutual: true }).collect(),
            )
        };
        let pulls = (0..cities).map(|city| {
            (
                intervals.city,
                mutual(city, (0..=dispatch).filter(|peer| is_linked(city, *peer)).collect()),
            )
        });

        let linked: Vec<usize> = (0..cities).filter(|city| is_linked(dispatch, *city)).collect();
        let pairs = || {
            linked
                .iter()
                .flat_map(|source| linked.iter().map(move |puller| (*source, *puller)))
                .filter(|(a, b)| a != b)
        };
        let is_carried = |(source, puller): &(usize, usize)| {
            passes(dispatch, *source)
                && passes(dispatch, *puller)
                // A missing link between the two does not matter, because dispatch carries the
                // frames.
                && way(*source, *puller) != Way::Cut
        };
        let carried = pairs()
            .filter(is_carried)
            .map(|(source, puller)| Exchange { source, puller, mutual: false })
            .collect();
        let carries = (intervals.carried, (pairs().count(), carried));
        let polls = (intervals.poll, mutual(dispatch, linked.clone()));

        let actor =
            |(interval, (choices, exchanges)): (Option<Duration>, (usize, Vec<Exchange>))| {
                let interval =
                    interval.filter(|_| pace != Pace::PAUSED)? * 100 / u32::from(pace.percent);
                Some(Actor { interval, choices, exchanges })
            };
        Self {
            nodes: cities + 1,
            actors: pulls.chain([carries, polls]).filter_map(actor).collect(),
        }
    }
}
