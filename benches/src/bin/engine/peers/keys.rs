//! The keys under which peers hold heroes.

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

/// The map or document in which each of them keeps the heroes.
pub(super) const HEROES: &str = "heroes";

/// Returns a key for peers whose keys are text, in 22 characters.
pub(super) fn text_key(key: Uuid) -> String {
    BASE64URL_NOPAD.encode(key.as_bytes())
}

/// Returns the key of such a text.
pub(super) fn key_of_text(text: &str) -> Uuid {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("a key as it was written");
    Uuid::from_slice(&bytes).expect("a key has 16 bytes")
}
