//! A common interface for the machines of both node kinds.
//!
//! Invariant: the production machines run unchanged. This module only converts their outputs to one
//! type; outputs without a use in the simulation are listed by name, so that a new one does not
//! compile until it is handled.

use std::convert::Infallible;
use std::time::Duration;

use dispatch_node::dispatch::{self, Dispatch};
use dispatch_node::request::{Outcome, Request};
use gossip::types::desk::{Answered, Asked};
use gossip::{Machine as _, NodeName, Now, replica};
use location_node::city::{self, City};
use shared::hero::HeroId;
use shared::{Frame, Input, Replica};

/// The machine of a city or of dispatch.
pub(crate) enum Machine {
    City(Box<City>),
    Dispatch(Box<Dispatch>),
}

/// An output of either kind of machine.
pub(crate) enum Output {
    Send {
        to: NodeName,
        frame: Frame,
    },
    Bombed,
    Replica(replica::Event),
    Reply {
        ticket: u64,
        reply: Outcome,
    },
    Answered(Answered),
    /// A hero of the city fought.
    Fought,
    Unused,
}

impl Machine {
    pub(crate) fn replica(&self) -> &Replica {
        match self {
            Self::City(city) => city.replica(),
            Self::Dispatch(dispatch) => dispatch.replica(),
        }
    }

    /// Removes the entries of the keys for which `is_lost` holds.
    pub(crate) fn lose_entries(&mut self, is_lost: impl Fn(HeroId) -> bool) {
        match self {
            Self::City(city) => city.lose_entries(is_lost),
            Self::Dispatch(dispatch) => dispatch.lose_entries(is_lost),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::City(city) => city.deadline(),
            Self::Dispatch(dispatch) => dispatch.deadline(),
        }
    }

    pub(crate) fn tick(&mut self, now: Now) {
        match self {
            Self::City(city) => city.tick(now),
            Self::Dispatch(dispatch) => dispatch.tick(now),
        }
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input<Infallible>) {
        match self {
            Self::City(city) => city.handle(now, converted(input)),
            Self::Dispatch(dispatch) => dispatch.handle(now, converted(input)),
        }
    }

    /// Passes a request to one of the library's types.
    pub(crate) fn ask(&mut self, now: Now, asked: Asked) {
        match self {
            Self::City(city) => city.handle(now, Input::Command(asked)),
            Self::Dispatch(dispatch) => dispatch.handle(now, Input::Command(asked.into())),
        }
    }

    /// Passes a user request to dispatch. Cities do not receive user requests.
    pub(crate) fn request(&mut self, now: Now, request: Request) {
        if let Self::Dispatch(dispatch) = self {
            dispatch.handle(now, Input::Command(request.into()));
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        match self {
            Self::City(city) => city.poll().map(city_output),
            Self::Dispatch(dispatch) => dispatch.poll().map(dispatch_output),
        }
    }
}

fn city_output(output: shared::Output<city::Event>) -> Output {
    use city::Event;
    match output {
        shared::Output::Send { to, frame } => Output::Send { to, frame },
        shared::Output::Event(Event::Bombed) => Output::Bombed,
        shared::Output::Event(Event::Replica(event)) => Output::Replica(event),
        shared::Output::Event(Event::Answered(answered)) => Output::Answered(answered),
        shared::Output::Event(Event::Fought { .. }) => Output::Fought,
        // No client of the simulation ends a process.
        shared::Output::Event(
            Event::Ended { .. }
            | Event::Assigned { .. }
            | Event::Patrols { .. }
            | Event::VillainArrived { .. },
        ) => Output::Unused,
    }
}

fn dispatch_output(output: shared::Output<dispatch::Event>) -> Output {
    use dispatch::Event;
    match output {
        shared::Output::Send { to, frame } => Output::Send { to, frame },
        shared::Output::Event(Event::Reply { ticket, reply }) => Output::Reply { ticket, reply },
        shared::Output::Event(Event::Replica(event)) => Output::Replica(event),
        shared::Output::Event(Event::Answered(answered)) => Output::Answered(answered),
        shared::Output::Event(
            Event::View(_) | Event::Logged(_) | Event::Arrived(_) | Event::Thaw(..),
        ) => Output::Unused,
    }
}

/// Converts an input to the command type of a machine. Only `Command` differs between the machines.
fn converted<C>(input: Input<Infallible>) -> Input<C> {
    match input {
        Input::LinkUp { peer, incarnation } => Input::LinkUp { peer, incarnation },
        Input::LinkDown { peer, cause } => Input::LinkDown { peer, cause },
        Input::Refused { peer, running } => Input::Refused { peer, running },
        Input::Frame { from, frame } => Input::Frame { from, frame },
        Input::Pace(set) => Input::Pace(set),
        Input::Quiet(set) => Input::Quiet(set),
        Input::Command(never) => match never {},
    }
}
