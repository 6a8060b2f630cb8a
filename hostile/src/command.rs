//! A numbering of the commands of dispatch, so that bytes can select them.
//!
//! Invariant: every pair of numbers is a command.

use std::time::Duration;

use dispatch_node::dispatch::Dispatch;
use dispatch_node::request::{
    Action, Assign, Bomb, Command, Create, Forget, Heal, Inject, ReadView, Request, RunExchange,
    SetPace, Terminate,
};
use gossip::fault::{FaultKind, Pace};
use gossip::types::desk::Asked;
use gossip::types::registers::Batch;
use gossip::types::request::Request as TypeRequest;
use shared::hero::{HeroId, Location};

use crate::harness::named;

/// Returns the command with these numbers. Heroes are chosen from those that dispatch stores.
#[must_use]
pub fn numbered(dispatch: &Dispatch, verb: u8, subject: u8) -> Command {
    let number = usize::from(subject);
    let nth = dispatch.replica().map().iter().nth(number / 4);
    let hero = nth.map_or(HeroId::MIN, |(hero, _)| hero);
    let city = named(number % 3);
    let pace = if number.is_multiple_of(2) { Pace::PAUSED } else { Pace::FREE };
    let heal_after = Duration::from_secs(1);
    let ticket = u64::from(verb) << 8 | u64::from(subject);
    let action: Action = match verb % 12 {
        0 => Create { name: None }.into(),
        1 => Assign { hero, to: Location::City(city) }.into(),
        2 => Assign { hero, to: Location::Home }.into(),
        3 => Terminate { hero }.into(),
        4 => Bomb { city: Some(city) }.into(),
        5 => Forget { city }.into(),
        6 => Inject { kind: FaultKind::Cut, from: city, to: None, both: true, heal_after }.into(),
        7 => Heal { fault: None }.into(),
        8 => SetPace { pace }.into(),
        9 => RunExchange { source: None, puller: Some(city) }.into(),
        10 => ReadView.into(),
        _ => return Asked { ticket, request: type_request(subject) }.into(),
    };
    Request { ticket, action, trace: None }.into()
}

/// Returns the request to one of the library's types with this number.
fn type_request(number: u8) -> TypeRequest {
    let name = || (number / 8).to_string();
    match number % 8 {
        0 => TypeRequest::Add { counter: name(), amount: i64::MAX - i64::from(number) },
        1 => TypeRequest::Insert { set: name(), element: name() },
        2 => TypeRequest::Remove { set: name(), element: name() },
        3 => {
            let batch =
                Batch { put: [(name(), vec![number])].into(), delete: [number.to_string()].into() };
            TypeRequest::Write { table: name(), batch }
        }
        4 => {
            let (sender, text) = (name(), name());
            TypeRequest::Send { room: name(), sender, text, reply_to: None }
        }
        5 => TypeRequest::Track { topic: name(), key: name(), meta: vec![number] },
        6 => TypeRequest::Register { name: name(), value: vec![number] },
        _ => TypeRequest::Release { name: name() },
    }
}
