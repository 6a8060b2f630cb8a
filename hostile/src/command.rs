//! A numbering of the commands of dispatch, so that bytes can select them.
//!
//! Invariant: every pair of numbers is a command.

use std::time::Duration;

use dispatch_node::dispatch::Dispatch;
use dispatch_node::request::{
    Action, Assign, Bomb, Create, Forget, Heal, Inject, ReadView, Request, RunExchange, SetPace,
    Terminate,
};
use gossip::fault::{FaultKind, Pace};
use shared::hero::{HeroId, Location};

use crate::harness::named;

/// Returns the command with these numbers. Heroes are chosen from those that dispatch stores.
#[must_use]
pub fn numbered(dispatch: &Dispatch, verb: u8, subject: u8) -> Request {
    let number = usize::from(subject);
    let nth = dispatch.replica().map().iter().nth(number / 4);
    let hero = nth.map_or(HeroId::MIN, |(hero, _)| hero);
    let city = named(number % 3);
    let pace = if number.is_multiple_of(2) { Pace::PAUSED } else { Pace::FREE };
    let heal_after = Duration::from_secs(1);
    let action: Action = match verb % 11 {
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
        _ => ReadView.into(),
    };
    Request { ticket: u64::from(verb) << 8 | u64::from(subject), action, trace: None }
}
