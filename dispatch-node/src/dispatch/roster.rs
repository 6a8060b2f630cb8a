//! The cities that dispatch observes: those of its configuration, and the further members of the
//! cluster.
//!
//! Invariant: the columns of the rows are those of the observed cities.

use gossip::{NodeName, Now, replica};
use shared::options::is_dispatch;

use super::Dispatch;
use crate::event_log::EventKind;

/// The maximum number of cities that dispatch observes, and that a page shows.
pub const CITIES_MAX: usize = 32;

impl Dispatch {
    /// Observes the members that there are now, up to the limit.
    pub(super) fn observe_members(&mut self, now: Now) {
        let members = self.replica.members();
        let further = members.into_iter().filter(|member| !is_dispatch(*member));
        let further: Vec<NodeName> =
            further.filter(|member| !self.configured.contains(member)).collect();
        let names = self.configured.iter().copied().chain(further);
        let names: Vec<NodeName> = names.take(CITIES_MAX).collect();
        let before: Vec<NodeName> = self.observer.cities().iter().map(|city| city.name).collect();
        let Some(columns) = self.observer.arrange(&names) else { return };
        let removed =
            before.iter().enumerate().filter(|(column, _)| !columns.contains(&Some(*column)));
        for (column, city) in removed {
            self.record.tape.removed(now, *city, column, self.comparison.rows());
        }
        self.refresh.add(self.comparison.arrange(&columns));
        for (name, _) in names.iter().zip(&columns).filter(|(_, column)| column.is_none()) {
            if let Some(linked) = self.observer.linked(*name)
                && let Some(city) = self.observer.city_mut(*name)
            {
                city.link_up(linked.incarnation, now.mono);
                self.ask_city(now, *name);
            }
        }
        self.holdings_changed(now);
        // At once: the names of cities in requests are those of the published view.
        self.push_view(now);
    }

    /// Returns the dispatches that are members, this one included.
    pub(super) fn dispatches(&self) -> Vec<NodeName> {
        let mut dispatches = self.replica.members();
        dispatches.insert(self.me());
        dispatches.retain(|member| is_dispatch(*member));
        dispatches.into_iter().collect()
    }

    /// Observes the members anew if this event of the replica adds or removes one, and logs it.
    pub(super) fn note_roster_change(&mut self, now: Now, event: &replica::Event) {
        let (member, kind, text) = if let replica::Event::Listed { member } = event {
            (*member, EventKind::Founded, format!("{member} is a member now"))
        } else if let replica::Event::Forgotten { member } = event {
            let text =
                format!("{member} was forgotten: tombstone collection no longer waits for it");
            (*member, EventKind::Forgotten, text)
        } else {
            return;
        };
        self.observe_members(now);
        self.log(now, member, kind, text);
    }
}
