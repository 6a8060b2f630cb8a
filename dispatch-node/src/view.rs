//! What dispatch knows, at one moment, as data: what the page, the API and the verdict are made of. Nothing here decides or
//! formats; it compares.

use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;

use shared::crdt::{Fingerprint, VersionVector};
use shared::fault::Pace;
use shared::hero::HeroName;
use shared::id::{HeroId, Incarnation, NodeName};
use shared::replica::Replica;
use shared::time::Now;

use crate::forecast::Intervals;
use crate::happening::Happening;
use crate::history::History;
use crate::ledger::Lost;
use crate::mirror::{Mirror, Status};
use crate::rows::{Row, RowState, Rows};
use crate::trouble::FaultView;
use crate::verdict::Verdict;

/// Everything known at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// When.
    pub at: Now,
    /// Dispatch's own replica.
    pub dispatch: NodeView,
    /// Whether dispatch may write.
    pub joined: bool,
    /// The cities, in the order of the rows' cells.
    pub cities: Vec<NodeView>,
    /// Whether each city counts when copies are compared.
    pub counted: Vec<bool>,
    /// Every hero anybody has heard of, by name.
    pub rows: Rows,
    /// What it amounts to.
    pub verdict: Verdict,
    /// The event log, newest last.
    pub happenings: Vector<Arc<Happening>>,
    /// The faults in force, oldest first.
    pub faults: Vec<FaultView>,
    /// The pace of gossip.
    pub pace: Pace,
    /// How often there is gossip, at its usual pace.
    pub intervals: Intervals,
    /// How far ahead a stamp may be, in milliseconds.
    pub drift_max_ms: u64,
    /// What happened lately.
    pub history: History,
    /// The writes that were lost, newest last.
    pub lost: Vector<Arc<Lost>>,
    /// What the last bombs put at stake.
    pub aftermaths: Vec<Arc<Aftermath>>,
}

/// What a bomb put at stake: the heroes that nobody else held.
#[derive(Clone, Debug)]
pub struct Aftermath {
    /// The city that was bombed.
    pub city: NodeName,
    /// The number of its line in the event log.
    pub happening: u64,
    /// The heroes that the city alone held when it was hit; of very many, the first.
    pub only_there: Vec<(HeroId, HeroName)>,
    /// How many those were.
    pub count: usize,
}

/// One node as last read.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// Whether it answers.
    pub status: Status,
    /// Its life, if it has ever been heard.
    pub incarnation: Option<Incarnation>,
    /// How often it has crashed since its process started.
    pub crashes: u32,
    /// Heroes that live there.
    pub heroes: u64,
    /// Tombstones that stand there.
    pub tombstones: u64,
    /// Hash of all it holds.
    pub fingerprint: Fingerprint,
    /// What it covers.
    pub vector: VersionVector,
    /// How long ago that was so; `None` if it has never been heard.
    pub age: Option<Duration>,
    /// Whether it lost its memory and has not got it back yet.
    pub recovering: bool,
    /// How far its wall clock is ahead of dispatch's, in milliseconds, if it has ever been heard.
    pub clock_ahead_ms: Option<i64>,
    /// Whether it was frozen from here, and is still.
    pub frozen: bool,
    /// Whether it has been read in its present life. One that has not says nothing yet.
    pub is_read: bool,
}

impl View {
    /// The node of this name.
    #[must_use]
    pub fn city(&self, name: NodeName) -> Option<(usize, &NodeView)> {
        self.cities.iter().enumerate().find(|(_, city)| city.name == name)
    }

    /// What the copies of this row's hero amount to.
    #[must_use]
    pub fn state(&self, row: &Row) -> RowState {
        row.pattern.state(&self.counted)
    }
}

impl NodeView {
    pub(crate) fn of_dispatch(replica: &Replica) -> Self {
        Self {
            name: replica.me().node,
            status: Status::Up,
            incarnation: Some(replica.me().incarnation),
            crashes: 0,
            heroes: replica.map().live() as u64,
            tombstones: replica.map().tombstones() as u64,
            fingerprint: replica.map().fingerprint(),
            vector: replica.vector().clone(),
            age: Some(Duration::ZERO),
            recovering: false,
            clock_ahead_ms: Some(0),
            frozen: false,
            is_read: true,
        }
    }

    pub(crate) fn of_city(city: &Mirror, frozen: bool, now: Now) -> Self {
        Self {
            name: city.name,
            status: city.status,
            incarnation: city.incarnation,
            crashes: city.crashes,
            heroes: city.heroes,
            tombstones: city.tombstones,
            fingerprint: city.fingerprint,
            vector: city.vector.clone(),
            age: city.heard_at.map(|at| now.mono.saturating_sub(at)),
            recovering: city.recovering,
            clock_ahead_ms: city.clock_ahead_ms(now),
            frozen,
            is_read: city.is_read,
        }
    }
}

/// Which cities count when copies are compared: those that say what they hold; all, where none does. One that has lost its memory is
/// known to hold nothing; one that has not been read yet is not known to.
pub(crate) fn counted(cities: &[Mirror]) -> Vec<bool> {
    let speaks = |city: &Mirror| city.status == Status::Up && (city.is_read || city.recovering);
    let none_speaks = !cities.iter().any(speaks);
    cities.iter().map(|city| none_speaks || speaks(city)).collect()
}
