//! The errors with which dispatch refuses a request.

use gossip::NodeName;
use gossip::fault::FaultId;
use gossip::types;
use shared::hero::HeroId;

/// The reason why a request was refused. Nothing was changed, except possibly for
/// [`RequestError::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Neither dispatch nor any observed city holds or has seen the hero.
    #[error("hero {0} is unknown")]
    UnknownHero(HeroId),
    /// The hero was terminated.
    #[error("hero {0} has been terminated")]
    Deleted(HeroId),
    /// The city does not hold the hero, and a cut prevents sending it a copy.
    #[error("{city} does not hold this hero")]
    UnknownAtCity {
        /// The city.
        city: NodeName,
    },
    /// There is no usable link to the city.
    #[error("{city} does not answer; nothing was changed")]
    NoAnswer {
        /// The city.
        city: NodeName,
    },
    /// The city did not answer the command in time. The command has expired there, so it will not
    /// be executed later.
    #[error(
        "{city} did not answer in time; whether it executed the command is not known, and it will \
         not do so later"
    )]
    Unknown {
        /// The city.
        city: NodeName,
    },
    /// The command reached the city after its deadline.
    #[error("the command reached {city} too late; nothing was changed")]
    TooLate {
        /// The city.
        city: NodeName,
    },
    /// The newest known write to the hero has a stamp further ahead than clocks may drift.
    #[error(
        "the newest write to this hero is stamped too far in the future for {node}; \
         nothing was changed"
    )]
    TooFarAhead {
        /// The node that refuses the write.
        node: NodeName,
    },
    /// The city is linked, so it must not be forgotten.
    #[error("{city} is up; only a city that is stopped or unreachable can be forgotten")]
    StillUp {
        /// The city.
        city: NodeName,
    },
    /// No node confirmed the fault in time, so it was withdrawn.
    #[error(
        "{} did not confirm the fault in time; it was withdrawn, and ends at once where it should \
         still begin",
        named(nodes)
    )]
    NotInForce {
        /// The nodes that it concerns.
        nodes: Vec<NodeName>,
    },
    /// The faults were ended, but these nodes have not confirmed it in time.
    #[error(
        "{} did not confirm the end of the fault in time; it ends there when the node answers, or \
         when it expires",
        named(nodes)
    )]
    StillInForce {
        /// The nodes.
        nodes: Vec<NodeName>,
    },
    /// No fault with this id was ever in force.
    #[error("there is no fault {0}")]
    UnknownFault(FaultId),
    /// The fault has already ended.
    #[error("fault {0} is already healed")]
    HealedAlready(FaultId),
    /// The maximum number of faults is in force.
    #[error("fault limit reached ({0}); nothing was changed")]
    TooManyFaults(usize),
    /// The request would exceed the maximum number of live heroes.
    #[error("hero limit reached (--max-heroes); nothing was created")]
    TooManyHeroes,
    /// The maximum number of uncollected tombstones is reached.
    #[error(
        "tombstone limit reached (--max-tombstones): \
         some city has not received them yet; nothing was changed"
    )]
    TooManyTombstones,
    /// An exchange is under way.
    #[error("another exchange is under way; nothing was changed")]
    ExchangeUnderWay,
    /// Fewer than two linked nodes fit the request.
    #[error("fewer than two nodes answer; nothing was exchanged")]
    TooFewNodes,
    /// No city is linked.
    #[error("no city answers; nothing was changed")]
    NoCity,
    /// A type refused the change.
    #[error("{0}; nothing was changed")]
    Type(types::request::RequestError),
    /// The node has just started and has not joined yet.
    #[error("{node} has just started and has not caught up yet; nothing was changed")]
    Joining {
        /// The node.
        node: NodeName,
    },
}

fn named(nodes: &[NodeName]) -> String {
    nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}
