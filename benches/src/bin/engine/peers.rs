//! Libraries that could stand in the core's place. Each holds a hero as one value: postcard's bytes.

mod automerge;
mod chitchat;
mod crdts;
mod loro;
mod yrs;

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::Contestant;

/// The map or document in which each of them keeps the heroes.
const HEROES: &str = "heroes";

/// All of them.
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

/// A key for those whose keys are text, as short as it can be said: 22 characters.
fn text_key(key: Uuid) -> String {
    BASE64URL_NOPAD.encode(key.as_bytes())
}

/// The key that was said so.
fn key_of_text(text: &str) -> Uuid {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("a key as it was said");
    Uuid::from_slice(&bytes).expect("a key has 16 bytes")
}
