//! What can be asked of dispatch, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use shared::crdt::Entry;
use shared::fault::{FaultId, Pace, Trouble};
use shared::hero::Location;
use shared::id::{HeroId, NodeName};
use shared::trace::TraceContext;

use crate::event_log::EventKind;
use crate::model::exchange::Exchange;
use crate::model::faults::FaultView;
use crate::model::view::View;

/// The most heroes created by one request.
pub const CREATE_MAX: u32 = 10_000;

/// Something asked of dispatch; its answer carries the same ticket.
#[derive(Clone, Debug)]
pub struct Request {
    /// Chosen by the asker, unique among open ones.
    pub ticket: u64,
    /// The asker's idempotency key: asked again with the same one, it is not done again.
    pub key: Option<String>,
    /// What.
    pub action: Action,
    /// The span of the asking, if a trace of it is kept: a command to a city is sent in its course.
    pub trace: Option<TraceContext>,
}

/// What can be asked of dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create one hero with this name, or with an invented one.
    Create {
        /// Already checked.
        name: Option<String>,
    },
    /// Create this many heroes with invented names, at most [`CREATE_MAX`].
    CreateMany {
        /// How many.
        count: u32,
    },
    /// Move a hero.
    Assign {
        /// Which.
        hero: HeroId,
        /// Where to.
        to: Location,
    },
    /// End a hero.
    Terminate {
        /// Which.
        hero: HeroId,
    },
    /// Crash a city's replica; a random one where none is named.
    Bomb {
        /// Which.
        city: Option<NodeName>,
    },
    /// Stop waiting for a city that is gone: it no longer keeps tombstones in place.
    Forget {
        /// Which.
        city: NodeName,
    },
    /// Cause trouble.
    Inject {
        /// What; already checked.
        trouble: Trouble,
        /// See [`Fault::from`](shared::fault::Fault::from).
        from: NodeName,
        /// See [`Fault::to`](shared::fault::Fault::to).
        to: Option<NodeName>,
        /// See [`Fault::both`](shared::fault::Fault::both).
        both: bool,
        /// For how long.
        heal_after: Duration,
    },
    /// Heal a fault; all of them where none is named.
    Heal {
        /// Which.
        fault: Option<FaultId>,
    },
    /// Let gossip go at this pace.
    Gossip {
        /// How fast.
        pace: Pace,
    },
    /// Have one node pull from another, once; both at random where they are not named.
    Exchange {
        /// From whom.
        source: Option<NodeName>,
        /// Who pulls.
        puller: Option<NodeName>,
    },
    /// End a city's process, as if it were asked to.
    Stop {
        /// Which.
        city: NodeName,
    },
    /// End a city's process at once.
    Kill {
        /// Which.
        city: NodeName,
    },
    /// Write this into the event log: it was done beside the machine.
    Log {
        /// Which node it is about.
        node: NodeName,
        /// What kind of thing it is.
        kind: EventKind,
        /// For people.
        text: String,
    },
    /// A living copy of a hero.
    Find {
        /// Which.
        hero: HeroId,
    },
    /// What is known at this moment.
    View,
}

/// What became of an [`Request`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// The heroes were created.
    Created(Vec<(HeroId, Arc<Entry>)>),
    /// The hero was moved by this write.
    Assigned(HeroId, Arc<Entry>),
    /// The hero is dead, by this write.
    Terminated(HeroId, Arc<Entry>),
    /// The city is about to crash.
    Bombed(NodeName),
    /// The city is forgotten.
    Forgotten(NodeName),
    /// The fault is in force.
    Injected(FaultView),
    /// What was to be healed is.
    Healed,
    /// Gossip goes at this pace.
    Gossip(Pace),
    /// The exchange, as far as it came.
    Exchanged(Exchange),
    /// The city's process was told to end.
    Ended(NodeName),
    /// It is in the log.
    Logged,
    /// The hero lives, as this.
    Found(HeroId, Arc<Entry>),
    /// What is known.
    View(Arc<View>),
    /// It was not done.
    Refused(RequestError),
}

/// Why something asked was not done. Nothing was changed, except perhaps where it says that this is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No node that can be asked knows the hero.
    #[error("nobody here has heard of hero {0}")]
    NeverHeardOf(HeroId),
    /// The hero is dead.
    #[error("hero {0} has been terminated")]
    Deleted(HeroId),
    /// The city does not know the hero, and may not be told.
    #[error("{city} has not heard of this hero")]
    CityHasNotHeard {
        /// The city.
        city: NodeName,
    },
    /// The city cannot be asked.
    #[error("{city} does not answer; nothing was changed")]
    NoAnswer {
        /// The city.
        city: NodeName,
    },
    /// The city was asked and gave no answer. The command expires there, so it will not happen later.
    #[error("{city} was asked and gave no answer in time; the command has expired there, but whether it was done before that is not known")]
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
    #[error("the newest write to this hero is stamped too far in the future for {node}; nothing was changed")]
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
    #[error("too many tombstones wait for every city to hear of them (--max-tombstones); nothing was changed")]
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
