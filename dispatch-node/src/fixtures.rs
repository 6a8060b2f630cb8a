//! Test fixtures: views of clusters, and the entries that each node holds of a few heroes.

use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;

use gossip::fault::{Fault, FaultId, FaultKind, Frames, Pace};
use gossip::{
    Fingerprint, Hlc, Incarnation, NodeName, Now, Origin, Stamp, UnixMillis, VersionVector,
};
use shared::hero::{Hero, HeroId, Location};
use shared::{Entry, Value};

use crate::event_log::{EventKind, LoggedEvent};
use crate::forecast::Intervals;
use crate::model::arrival::{Arrival, Way};
use crate::model::faults::FaultView;
use crate::model::history::History;
use crate::model::lost_writes::Lost;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::{Row, Rows};
use crate::model::status::ClusterStatus;
use crate::model::tables::TableRows;
use crate::model::tape::Tape;
use crate::model::view::View;

/// The time of every fixture: 12:41:40 UTC, 100 seconds after dispatch started.
pub(crate) const NOW: Now = Now::new(Duration::from_secs(100), UnixMillis(1_789_994_500_000));
/// The incarnation of each node, unless a test sets another.
pub(crate) const INCARNATION: Incarnation = Incarnation::at(1_789_990_000_000);

/// A view that is built step by step.
pub(crate) struct Fixture {
    pub(crate) view: View,
}

pub(crate) fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

pub(crate) fn id(number: u8) -> HeroId {
    HeroId::from_bytes([number; 16])
}

/// A stamp of this node, `ago_ms` before [`NOW`], or after it if negative.
pub(crate) fn stamp(node: &str, ago_ms: i64) -> Stamp {
    let wall = UnixMillis(NOW.wall.0.saturating_add_signed(-ago_ms));
    Stamp {
        hlc: Hlc { wall, logical: 0 },
        origin: Origin { node: name(node), incarnation: INCARNATION },
    }
}

/// An entry of a hero that patrols its writer's city, or is at home if dispatch wrote it.
pub(crate) fn live(stamp: Stamp, health: u8, over: Option<&Entry>) -> Arc<Entry> {
    let location = if stamp.origin.node.as_str() == "dispatch" {
        Location::Home
    } else {
        Location::City(stamp.origin.node)
    };
    let hero = Hero {
        name: "Silver Kestrel".into(),
        location,
        is_patrolling: location != Location::Home,
        health,
    };
    Arc::new(Entry::written(Value::Live(hero), stamp, over))
}

pub(crate) fn dead(stamp: Stamp, over: Option<&Entry>) -> Arc<Entry> {
    Arc::new(Entry::written(Value::Tombstone, stamp, over))
}

pub(crate) const THREE: [&str; 3] = ["gotham", "metropolis", "capitol"];

pub(crate) fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis), UnixMillis(1_790_000_000_000 + millis))
}

/// An up-to-date node with 120 heroes.
pub(crate) fn node(text: &str) -> NodeState {
    NodeState {
        name: name(text),
        status: NodeStatus::Up,
        incarnation: Some(INCARNATION),
        crashes: 0,
        heroes: 120,
        tombstones: 0,
        fingerprint: Fingerprint::default(),
        vector: VersionVector::new(),
        age: Some(Duration::ZERO),
        recovering: false,
        clock_ahead_ms: Some(0),
        stamps_ahead_ms: 0,
        reference: NOW.wall,
        refuses: Vec::new(),
        frozen: false,
        is_read: true,
    }
}

/// A view of these cities at this time, all up and up to date.
pub(crate) fn view(cities: &[&str], millis: u64) -> View {
    let cities: Vec<NodeState> = cities.iter().map(|city| node(city)).collect();
    let counted = vec![true; cities.len()];
    let (dispatch, rows) = (node("dispatch"), Rows::default());
    View {
        dispatches: vec![dispatch.name],
        at: at(millis),
        joined: true,
        status: ClusterStatus::of(
            &dispatch,
            &cities,
            &rows,
            &counted,
            None,
            0,
            &TableRows::default(),
        ),
        tables: TableRows::default(),
        dispatch,
        counted,
        cities,
        rows,
        events: Vector::new(),
        faults: Vec::new(),
        pace: Pace::FREE,
        quiet: false,
        drift_max_ms: 2_000,
        intervals: Intervals {
            city: Some(Duration::from_secs(1)),
            carried: Some(Duration::from_secs(1)),
            poll: Some(Duration::from_secs(2)),
        },
        history: History::default(),
        tape: Tape::new(NOW),
        lost: Vector::new(),
        bomb_reports: Vec::new(),
    }
}

impl Fixture {
    /// Three empty cities that answer.
    pub(crate) fn new() -> Self {
        let mut view = view(&THREE, 0);
        view.at = NOW;
        view.cities.iter_mut().chain([&mut view.dispatch]).for_each(|node| node.heroes = 0);
        Self { view }
    }

    /// Adds a hero, with the entries that gotham, metropolis, capitol and dispatch hold, in this
    /// order.
    pub(crate) fn hold(
        mut self,
        hero: u8,
        hero_name: &str,
        held: [Option<&Arc<Entry>>; 4],
    ) -> Self {
        let [cells @ .., own] = held.map(|entry| entry.cloned());
        self.view.rows.put(id(hero), Row::of(id(hero), hero_name.into(), own, cells.to_vec()));
        self
    }

    /// Adds the first hero, with the entries that the four nodes hold.
    pub(crate) fn held(self, held: [Option<&Arc<Entry>>; 4]) -> Self {
        self.hold(1, "Silver Kestrel", held)
    }

    /// Adds the arrival of this write at this node, `ago_ms` before [`NOW`].
    pub(crate) fn step(mut self, ago_ms: u64, node: &str, entry: &Arc<Entry>, way: Way) -> Self {
        let at = NOW.mono - Duration::from_millis(ago_ms);
        self.view.history.arrived(
            NOW,
            name(node),
            Arrival { hero: id(1), entry: Arc::clone(entry), way, at },
        );
        self
    }

    pub(crate) fn received(self, ago_ms: u64, node: &str, entry: &Arc<Entry>, from: &str) -> Self {
        self.step(ago_ms, node, entry, Way::Received(name(from)))
    }

    pub(crate) fn wrote(self, ago_ms: u64, entry: &Arc<Entry>) -> Self {
        let node = entry.stamp.origin.node;
        self.step(ago_ms, node.as_str(), entry, Way::Written)
    }

    /// Adds a fault that is in force for `seconds` more.
    pub(crate) fn fault(
        mut self,
        kind: FaultKind,
        from: &str,
        to: Option<&str>,
        seconds: u64,
    ) -> Self {
        let number = u32::try_from(self.view.faults.len()).unwrap();
        let fault =
            Fault { id: FaultId(number), kind, from: name(from), to: to.map(name), both: true };
        let remaining = Duration::from_secs(seconds);
        self.view.faults.push(FaultView {
            fault,
            heal_after: remaining,
            remaining,
            at: vec![name(from)],
            frames: Frames::default(),
        });
        self
    }

    pub(crate) fn city(mut self, city: &str, change: impl FnOnce(&mut NodeState)) -> Self {
        let (index, _) = self.view.city(name(city)).unwrap();
        change(&mut self.view.cities[index]);
        let speaks =
            |city: &NodeState| city.status == NodeStatus::Up && (city.is_read || city.recovering);
        let none_speaks = !self.view.cities.iter().any(speaks);
        self.view.counted =
            self.view.cities.iter().map(|city| none_speaks || speaks(city)).collect();
        self
    }

    pub(crate) fn status(self, city: &str, status: NodeStatus) -> Self {
        self.city(city, |city| city.status = status)
    }

    /// Adds a lost write that was acknowledged ten seconds ago and overwritten by `to`.
    pub(crate) fn lost(mut self, hero: u8, entry: &Arc<Entry>, to: Option<&Arc<Entry>>) -> Self {
        self.view.status.lost_writes += 1;
        let saved = UnixMillis(NOW.wall.0 - 10_000);
        let number = self.view.status.lost_writes;
        let lost = Lost {
            number,
            key: id(hero),
            entry: Arc::clone(entry),
            saved,
            found: NOW.wall,
            to: to.cloned(),
            outcomes: Vec::new(),
        };
        self.view.lost.push_back(Arc::new(lost));
        self
    }

    /// Adds an event at this city.
    pub(crate) fn logged(mut self, city: &str, kind: EventKind) -> Self {
        let number = self.view.events.len() as u64 + 1;
        let event = LoggedEvent {
            heard_from: None,
            number,
            at: NOW.wall,
            node: name(city),
            kind,
            text: String::new(),
            write: None,
        };
        self.view.events.push_back(Arc::new(event));
        self
    }
}
