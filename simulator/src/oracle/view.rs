//! The check of the view of dispatch: at rest, it shows the state of every city.

use std::collections::BTreeMap;

use dispatch_node::model::status::ClusterStatus;
use dispatch_node::model::view::View;
use shared::Entry;

use crate::process::Processes;

/// Compares a view with the replicas of the cities.
///
/// # Errors
/// Returns the first difference.
pub(crate) fn matches_replicas(
    view: &View,
    processes: &Processes,
) -> Result<ClusterStatus, String> {
    for (index, city) in view.cities.iter().enumerate() {
        let mut members = processes.members();
        let process = members.find(|process| process.name == city.name);
        let process = process.ok_or("a city in the view has no process")?;
        // Only live entries: a tombstone may be collected between the observation and this check.
        let shown = view
            .rows
            .iter()
            .filter_map(|row| Some((row.id, Entry::clone(row.cells[index].as_ref()?))));
        let shown = shown.filter(|(_, entry)| !entry.is_tombstone()).collect::<BTreeMap<_, _>>();
        let held = process.replica().map().iter();
        let held = held.filter(|(key, entry)| key.table().is_none() && !entry.is_tombstone());
        let held = held.collect::<BTreeMap<_, _>>();
        if shown != held {
            return Err(format!(
                "dispatch shows {} heroes of {}, which holds {}, or the entries differ",
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
        Err(format!(
            "all replicas agree, but dispatch reports {:?}, differing rows {differing:?}",
            view.status
        ))
    }
}
