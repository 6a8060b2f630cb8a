//! The reasons for which dispatch refuses a request.

use gossip::NodeName;
use gossip::fault::FaultId;
use shared::hero::HeroId;

/// The reason for which a request was refused. Nothing was changed, unless the text says that this
/// is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No node that can be asked knows the hero.
    #[error("nobody here has heard of hero {0}")]
    UnknownHero(HeroId),
    /// The hero is dead.
    #[error("hero {0} has been terminated")]
    Deleted(HeroId),
    /// The city does not know the hero, and may not be told.
    #[error("{city} has not heard of this hero")]
    UnknownAtCity {
        /// The city.
        city: NodeName,
    },
    /// The city cannot be asked.
    #[error("{city} does not answer; nothing was changed")]
    NoAnswer {
        /// The city.
        city: NodeName,
    },
    /// The city was asked and gave no answer. The command expires there, so it will not happen
    /// later.
    #[error(
        "{city} was asked and gave no answer in time; the command has expired there, but whether it was done before that is not known"
    )]
    Unknown {
        /// The city.
        city: NodeName,
    },
    /// The command reached the city after its time.
    #[error("the command reached {city} too late; nothing was changed")]
    TooLate {
        /// The city.
        city: NodeName,
    },
    /// What is known of the hero is stamped further ahead than a clock may be.
    #[error(
        "the newest write to this hero is stamped too far in the future for {node}; nothing was changed"
    )]
    TooFarAhead {
        /// Who refuses it.
        node: NodeName,
    },
    /// The city answers, so it is not to be forgotten.
    #[error("{city} is alive; only a city that is gone can be forgotten")]
    Alive {
        /// The city.
        city: NodeName,
    },
    /// No such fault was ever in force.
    #[error("there is no fault {0}")]
    UnknownFault(FaultId),
    /// The fault is over.
    #[error("fault {0} is healed already")]
    HealedAlready(FaultId),
    /// More faults than can be in force.
    #[error("{0} faults are in force already; nothing was changed")]
    TooManyFaults(usize),
    /// As many heroes live as may.
    #[error("as many heroes live as may, or would with these (--max-heroes); nothing was created")]
    TooManyHeroes,
    /// As many tombstones wait as may.
    #[error(
        "too many tombstones wait for every city to hear of them (--max-tombstones); nothing was changed"
    )]
    TooManyTombstones,
    /// An exchange is under way.
    #[error("another exchange is under way; nothing was changed")]
    ExchangeUnderWay,
    /// Nobody to exchange with.
    #[error("fewer than two nodes answer; nothing was exchanged")]
    NobodyToExchange,
    /// No city gives an answer.
    #[error("no city answers; nothing was changed")]
    NoCity,
    /// The node has just started.
    #[error("{node} has just started and has not caught up yet; nothing was changed")]
    Joining {
        /// The node.
        node: NodeName,
    },
    /// The idempotency key belongs to something else.
    #[error("this Idempotency-Key was used for a different request")]
    KeyReused,
    /// The same request is under way.
    #[error("a request with this Idempotency-Key is under way")]
    UnderWay,
}
