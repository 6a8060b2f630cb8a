//! Requests of users to dispatch, and the replies.
//!
//! Invariant: a request reaches dispatch only while dispatch is awake. Each request has its own
//! ticket, and the oracle records it.

use std::sync::Arc;

use dispatch_node::model::status::ClusterStatus;
use dispatch_node::model::view::View;
use dispatch_node::request::{self, Action, Assign, Create, Outcome, ReadView, Reply, Terminate};
use shared::hero::Location;

use super::Cluster;
use crate::oracle::view;
use crate::plan::Request;

impl Cluster {
    /// Returns the action for a request. While no hero exists, every request creates one.
    pub(super) fn action(&self, request: &Request) -> Action {
        let hero =
            |number: u32| self.heroes.get(number as usize % self.heroes.len().max(1)).copied();
        let action = match *request {
            Request::Create => None,
            Request::Assign { hero: number, to } => hero(number).map(|hero| {
                let city = self.cities.get(to as usize % (self.cities.len() + 1));
                let to = city.map_or(Location::Home, |city| Location::City(*city));
                Assign { hero, to }.into()
            }),
            Request::Terminate { hero: number } => {
                hero(number).map(|hero| Terminate { hero }.into())
            }
        };
        action.unwrap_or_else(|| Create { name: Some("Granite".into()) }.into())
    }

    pub(super) fn ask(&mut self, action: impl Into<Action>) {
        let action = action.into();
        self.log(|_| format!("request: {action:?}"));
        let number = self.dispatch();
        if !self.processes[number].is_awake() {
            return;
        }
        let now = self.clock(number);
        self.tickets += 1;
        self.oracle.requested(self.now, self.tickets);
        let ticket = self.tickets;
        let request = request::Request { ticket, action, trace: None };
        self.processes[number].machine.request(now, request);
        self.take_outputs(number);
    }

    /// Keeps the parts of a reply that later requests need.
    pub(super) fn on_reply(&mut self, reply: Outcome) {
        if let Ok(Reply::Created(created)) = reply {
            self.heroes.extend(created.into_iter().map(|written| written.hero));
        } else if let Ok(Reply::View(view)) = reply {
            self.view = Some(view);
        }
    }

    /// Returns the view of dispatch; `None` if it gives none.
    pub(crate) fn read_view(&mut self) -> Option<Arc<View>> {
        self.ask(ReadView);
        self.view.take()
    }

    /// Requests the view of dispatch and compares it with the replicas of the cities.
    ///
    /// # Errors
    /// Returns the first difference.
    pub(crate) fn check_view(&mut self) -> Result<ClusterStatus, String> {
        let view = self.read_view().ok_or("dispatch returned no view")?;
        view::matches_replicas(&view, &self.processes)
    }
}
