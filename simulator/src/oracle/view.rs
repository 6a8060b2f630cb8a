//! The claim on dispatch's view: once nothing changes any more, it shows the cities as they are.

use std::collections::BTreeMap;

use dispatch_node::model::status::ClusterStatus;
use dispatch_node::model::view::View;
use shared::Entry;

use crate::process::Processes;

/// Compares a view with the cities that it shows.
///
/// # Errors
/// Names the first difference.
pub(crate) fn matches_replicas(
    view: &View,
    processes: &Processes,
) -> Result<ClusterStatus, String> {
    for (index, city) in view.cities.iter().enumerate() {
        let mut members = processes.members();
        let process = members.find(|process| process.name == city.name);
        let process = process.ok_or("a city that is not")?;
        // Only the living: tombstones may still be collected at this very moment.
        let shown = view
            .rows
            .iter()
            .filter_map(|row| Some((row.id, Entry::clone(row.cells[index].as_ref()?))));
        let shown = shown.filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
        let held = process.replica().map().iter();
        let held = held.filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
        if shown != held {
            return Err(format!(
                "dispatch shows {} heroes of {}, which holds {}, or others",
                shown.len(),
                city.name,
                held.len()
            ));
        }
    }
    if view.status.converged {
        Ok(view.status.clone())
    } else {
        let differing: Vec<_> = view.rows.iter().filter(|row| view.state(row).differs()).collect();
        Err(format!("all agree, and dispatch says {:?} of {differing:?}", view.status))
    }
}
