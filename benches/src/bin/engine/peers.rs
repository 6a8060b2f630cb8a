//! Adapters for other libraries. Each holds a hero as one opaque value, encoded with postcard.

mod automerge;
mod chitchat;
mod crdts;
mod keys;
mod loro;
mod yrs;

use crate::contestant::Contestant;

/// Returns all peers.
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
