//! What dispatch knows, at one moment, as data: what the page, the API and the verdict are made of. Nothing here decides or
//! formats; it compares.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shared::crdt::{Entry, Fingerprint, Map, VersionVector};
use shared::fault::Pace;
use shared::id::{HeroId, Incarnation, NodeName};
use shared::replica::Replica;
use shared::time::UnixMillis;

use crate::happening::Happening;
use crate::mirror::{Mirror, Status};
use crate::trouble::FaultView;
use crate::verdict::Verdict;

/// Everything known at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// When, by dispatch's wall clock.
    pub at: UnixMillis,
    /// Dispatch's own replica.
    pub dispatch: NodeView,
    /// Whether dispatch may write.
    pub joined: bool,
    /// The cities, in the order of the rows' cells.
    pub cities: Vec<NodeView>,
    /// Every hero anybody has heard of, by name.
    pub rows: Arc<Vec<Row>>,
    /// What it amounts to.
    pub verdict: Verdict,
    /// The event log, newest last.
    pub happenings: Vec<Arc<Happening>>,
    /// The faults in force, oldest first.
    pub faults: Vec<FaultView>,
    /// The pace of gossip.
    pub pace: Pace,
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

/// One hero, as each node holds it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which hero.
    pub id: HeroId,
    /// The hero's name.
    pub name: Arc<str>,
    /// What dispatch holds.
    pub own: Option<Arc<Entry>>,
    /// What each city holds, in the order of [`View::cities`].
    pub cells: Vec<Option<Arc<Entry>>>,
    /// What it amounts to.
    pub state: RowState,
}

/// How a hero's copies compare, among the cities that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// All hold the same.
    Agreed,
    /// Nobody holds it alive, and somebody its tombstone.
    Terminated,
    /// No city has heard of the hero yet; dispatch has.
    NotHeardOf,
    /// One node alone holds the hero, and nobody holds a tombstone.
    OnlyCopy,
    /// Some hold a tombstone, and some hold it alive.
    DeathNotHeard,
    /// Some hold something else than others.
    Differs,
}

impl Row {
    /// Whether the cities do not say the same of this hero.
    #[must_use]
    pub fn differs(&self) -> bool {
        !matches!(self.state, RowState::Agreed | RowState::Terminated)
    }

    /// Whether the hero lives anywhere.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.cells.iter().chain([&self.own]).flatten().any(|entry| !entry.is_tombstone())
    }
}

/// One row a hero that any of them has heard of, sorted by name.
pub(crate) fn rows(own: &Map, cities: &[Mirror], name_of: impl Fn(HeroId) -> Arc<str>) -> Vec<Row> {
    let ids: BTreeSet<HeroId> = own.iter().map(|(id, _)| id).chain(cities.iter().flat_map(|city| city.entries.keys().copied())).collect();
    // A city that has lost its memory is known to hold nothing; one that has not been read yet is not known to.
    let speaks = |city: &Mirror| city.status == Status::Up && (city.is_read || city.recovering);
    let none_speaks = !cities.iter().any(speaks);
    let counts: Vec<bool> = cities.iter().map(|city| none_speaks || speaks(city)).collect();
    let row = |id: HeroId| {
        let own = own.get(id).cloned();
        let cells: Vec<Option<Arc<Entry>>> = cities.iter().map(|city| city.entries.get(&id).cloned()).collect();
        let counted: Vec<Option<&Entry>> =
            cells.iter().zip(&counts).filter(|(_, counts)| **counts).map(|(cell, _)| cell.as_deref()).collect();
        let state = state(&counted, own.as_deref());
        Row { id, name: name_of(id), own, cells, state }
    };
    let mut rows: Vec<Row> = ids.into_iter().map(row).collect();
    rows.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    rows
}

fn state(counted: &[Option<&Entry>], own: Option<&Entry>) -> RowState {
    let dead = counted.iter().flatten().filter(|entry| entry.is_tombstone()).count();
    let holders = counted.iter().flatten().count() + usize::from(own.is_some());
    let same = counted.windows(2).all(|pair| pair[0].map(|entry| entry.stamp) == pair[1].map(|entry| entry.stamp));
    let heard = counted.iter().any(Option::is_some);
    let known = || counted.iter().flatten().copied().chain(own);
    if known().next().is_some() && known().all(Entry::is_tombstone) {
        RowState::Terminated
    } else if same && heard {
        RowState::Agreed
    } else if dead > 0 {
        RowState::DeathNotHeard
    } else if holders == 1 {
        RowState::OnlyCopy
    } else if !heard {
        RowState::NotHeardOf
    } else {
        RowState::Differs
    }
}

impl View {
    pub(crate) fn new(
        now: shared::time::Now,
        replica: &Replica,
        cities: &[Mirror],
        rows: &Arc<Vec<Row>>,
        oldest_difference: Option<Duration>,
        lost_writes: u64,
        happenings: &VecDeque<Arc<Happening>>,
    ) -> Self {
        let dispatch = NodeView {
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
        };
        let cities: Vec<NodeView> = cities
            .iter()
            .map(|city| NodeView {
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
                frozen: false,
                is_read: city.is_read,
            })
            .collect();
        let verdict = Verdict::of(&dispatch, &cities, rows, oldest_difference, lost_writes);
        Self {
            at: now.wall,
            dispatch,
            joined: replica.joined(),
            cities,
            rows: Arc::clone(rows),
            verdict,
            happenings: happenings.iter().cloned().collect(),
            faults: Vec::new(),
            pace: Pace::FREE,
        }
    }

    /// The node of this name.
    #[must_use]
    pub fn city(&self, name: NodeName) -> Option<(usize, &NodeView)> {
        self.cities.iter().enumerate().find(|(_, city)| city.name == name)
    }

    /// The row of this hero.
    #[must_use]
    pub fn row(&self, id: HeroId) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }
}
