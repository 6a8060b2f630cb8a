//! Commands of dispatch by number, so that bytes can name them.
//!
//! Invariant: every pair of numbers names a command.

use std::time::Duration;

use dispatch_node::dispatch::Dispatch;
use dispatch_node::request::{Action, Request};
use shared::fault::{Pace, Trouble};
use shared::hero::Location;
use shared::id::HeroId;

use crate::harness::named;

/// Returns the command of these numbers. A hero is chosen among those that dispatch holds.
#[must_use]
pub fn numbered(dispatch: &Dispatch, verb: u8, subject: u8) -> Request {
    let number = usize::from(subject);
    let nth = dispatch.replica().map().iter().nth(number / 4);
    let hero = nth.map_or(HeroId(uuid::Uuid::nil()), |(hero, _)| hero);
    let city = named(number % 3);
    let pace = if number.is_multiple_of(2) { Pace::PAUSED } else { Pace::FREE };
    let heal_after = Duration::from_secs(1);
    let action = match verb % 11 {
        0 => Action::Create { name: None },
        1 => Action::Assign { hero, to: Location::City(city) },
        2 => Action::Assign { hero, to: Location::Home },
        3 => Action::Terminate { hero },
        4 => Action::Bomb { city: Some(city) },
        5 => Action::Forget { city },
        6 => Action::Inject { trouble: Trouble::Cut, from: city, to: None, both: true, heal_after },
        7 => Action::Heal { fault: None },
        8 => Action::Gossip { pace },
        9 => Action::Exchange { source: None, puller: Some(city) },
        _ => Action::View,
    };
    let key = (verb >= 128).then(|| subject.to_string());
    Request { ticket: u64::from(verb) << 8 | u64::from(subject), key, action, trace: None }
}
