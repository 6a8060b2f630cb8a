//! Who exchanges with whom, and how often, as the machines do it (`location_node::city`,
//! `crate::dispatch`): in plain numbers.

use std::time::Duration;

use gossip::fault::Pace;

/// All that can carry news from node to node. Nodes go by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// How many nodes are to hold the news.
    pub nodes: usize,
    /// Who begins exchanges.
    pub actors: Vec<Actor>,
}

/// Somebody who begins one exchange in each of its intervals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Between two exchanges. When in it nobody knows, so any moment of it is equally likely to
    /// come next.
    pub interval: Duration,
    /// Of how many exchanges it draws one, each with the same chance.
    pub choices: usize,
    /// Those of them that bring something. Nothing comes of the others, over a cut, say; they are
    /// drawn all the same.
    pub exchanges: Vec<Exchange>,
}

/// One round, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Who tells.
    pub source: usize,
    /// Who hears.
    pub puller: usize,
    /// Whether the source hears too, so that both hold the same afterwards.
    pub mutual: bool,
}

/// What the way between two nodes does to rounds. A round needs both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They pass.
    Open,
    /// There is a link, so rounds are begun over it, but they do not come through: a direction of
    /// it is cut, or an end stands still. Rounds between the two that somebody else carries are
    /// stopped as well.
    Cut,
    /// There is no link. Nobody begins anything over it.
    Unlinked,
}

/// How long each kind of gossip waits between two exchanges; `None` never begins one.
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
    /// The gossip of so many cities, numbered from 0, and dispatch, which is the last node.
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
