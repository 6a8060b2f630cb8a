//! Libraries that could stand in the core's place. Each holds a hero as one value: the bytes of
//! postcard.

mod automerge;
mod chitchat;
mod crdts;
mod keys;
mod loro;
mod yrs;

use crate::contestant::Contestant;

/// Returns all of them.
pub(crate) fn all() -> Vec<Contestant> {
    vec![
        Contestant::of::<crdts::Crdts>(),
        Contestant::of::<loro::Loro>(),
        Contestant::of::<yrs::Yrs<yrs::V1>>(),
        Contestant::of::<yrs::Yrs<yrs::V2>>(),
        Contestant::of::<automerge::Automerge>(),
        Contestant::of::<chitchat::Chitchat>(),
    ]
}
