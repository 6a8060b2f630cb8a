//! The state of the cluster at one moment, as data. The page and the API are generated from it.
//!
//! Invariant: nothing here decides or formats.

use std::sync::Arc;

use imbl::Vector;

use gossip::fault::Pace;
use gossip::{NodeName, Now};

use crate::event_log::LoggedEvent;
use crate::forecast::Intervals;
use crate::model::bomb_report::BombReport;
use crate::model::city_state::CityState;
use crate::model::faults::FaultView;
use crate::model::history::History;
use crate::model::lost_writes::Lost;
use crate::model::node_state::{NodeState, NodeStatus};
use crate::model::rows::{Row, RowState, Rows};
use crate::model::status::ClusterStatus;
use crate::model::tables::TableRows;
use crate::model::tape::Tape;

/// The state of the cluster at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The time of the view.
    pub at: Now,
    /// Dispatch's own replica.
    pub dispatch: NodeState,
    /// True if dispatch may write.
    pub joined: bool,
    /// The cities, in the order of the rows' cells.
    pub cities: Vec<NodeState>,
    /// The dispatches, this one included.
    pub dispatches: Vec<NodeName>,
    /// The cities whose copies are compared, in the order of `cities`.
    pub counted: Vec<bool>,
    /// The heroes that any node holds, ordered by name.
    pub rows: Rows,
    /// The records of the library's types that any node holds.
    pub tables: TableRows,
    /// The summary.
    pub status: ClusterStatus,
    /// The event log, newest last.
    pub events: Vector<Arc<LoggedEvent>>,
    /// The faults in force, oldest first.
    pub faults: Vec<FaultView>,
    /// The pace of gossip.
    pub pace: Pace,
    /// True if the cities neither patrol nor fight.
    pub quiet: bool,
    /// The intervals of gossip at its default pace.
    pub intervals: Intervals,
    /// The largest accepted difference between a stamp and a clock, in milliseconds.
    pub drift_max_ms: u64,
    /// The history of the last minutes.
    pub history: History,
    /// The changes of what each node held.
    pub tape: Tape,
    /// The lost writes, newest last.
    pub lost: Vector<Arc<Lost>>,
    /// The reports on the last bombs, newest last.
    pub bomb_reports: Vec<Arc<BombReport>>,
}

impl View {
    /// Returns the city with this name, and its column.
    #[must_use]
    pub fn city(&self, name: NodeName) -> Option<(usize, &NodeState)> {
        self.cities.iter().enumerate().find(|(_, city)| city.name == name)
    }

    /// Returns the state of this row's copies among the counted cities.
    #[must_use]
    pub fn state(&self, row: &Row) -> RowState {
        row.pattern.state(&self.counted)
    }
}

/// Returns, for each city, whether its copies are compared: yes if its content is known, or if no
/// city's is. A city that has lost its memory is known to be empty.
pub(crate) fn counted(cities: &[CityState]) -> Vec<bool> {
    let is_known =
        |city: &CityState| city.status == NodeStatus::Up && (city.is_read || city.recovering);
    let none_is_known = !cities.iter().any(is_known);
    cities.iter().map(|city| none_is_known || is_known(city)).collect()
}
