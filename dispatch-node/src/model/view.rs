//! What dispatch knows, at one moment, as data: what the page, the API and the cluster status are made of. Nothing here decides or
//! formats; it compares.

use std::sync::Arc;

use imbl::Vector;

use shared::fault::Pace;
use shared::id::NodeName;
use shared::time::Now;

use crate::event_log::LoggedEvent;
use crate::forecast::Intervals;
use crate::model::aftermath::Aftermath;
use crate::model::city_state::CityState;
use crate::model::faults::FaultView;
use crate::model::history::History;
use crate::model::lost_writes::Lost;
use crate::model::node_state::{NodeState, NodeStatus};
use crate::model::rows::{Row, RowState, Rows};
use crate::model::status::ClusterStatus;

/// Everything known at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// When.
    pub at: Now,
    /// Dispatch's own replica.
    pub dispatch: NodeState,
    /// Whether dispatch may write.
    pub joined: bool,
    /// The cities, in the order of the rows' cells.
    pub cities: Vec<NodeState>,
    /// Whether each city counts when copies are compared.
    pub counted: Vec<bool>,
    /// Every hero anybody has heard of, by name.
    pub rows: Rows,
    /// What it amounts to.
    pub status: ClusterStatus,
    /// The event log, newest last.
    pub events: Vector<Arc<LoggedEvent>>,
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

impl View {
    /// The node of this name.
    #[must_use]
    pub fn city(&self, name: NodeName) -> Option<(usize, &NodeState)> {
        self.cities.iter().enumerate().find(|(_, city)| city.name == name)
    }

    /// What the copies of this row's hero amount to.
    #[must_use]
    pub fn state(&self, row: &Row) -> RowState {
        row.pattern.state(&self.counted)
    }
}

/// Which cities count when copies are compared: those that say what they hold; all, where none does. One that has lost its memory is
/// known to hold nothing; one that has not been read yet is not known to.
pub(crate) fn counted(cities: &[CityState]) -> Vec<bool> {
    let speaks = |city: &CityState| city.status == NodeStatus::Up && (city.is_read || city.recovering);
    let none_speaks = !cities.iter().any(speaks);
    cities.iter().map(|city| none_speaks || speaks(city)).collect()
}
