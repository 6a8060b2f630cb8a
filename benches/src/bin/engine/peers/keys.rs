//! The keys of heroes in the maps of peers.

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

/// The name of the map that contains the heroes.
pub(super) const HEROES: &str = "heroes";

/// Encodes a key for peers with text keys, in 22 characters.
pub(super) fn text_key(key: Uuid) -> String {
    BASE64URL_NOPAD.encode(key.as_bytes())
}

/// Decodes such a text key.
pub(super) fn key_of_text(text: &str) -> Uuid {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("a text key is valid base64url");
    Uuid::from_slice(&bytes).expect("a key has 16 bytes")
}
