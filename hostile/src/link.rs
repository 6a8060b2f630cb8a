//! What a peer says on a link, byte by byte.
//!
//! Claims: what was read is written as something that reads the same; reading takes at most [`PER_BYTE`] bytes of memory for each byte
//! read, and [`BESIDES`] whatever is in them: a length in the input is not believed.

use shared::wire::{self, Hello};

use crate::conversation::Conversation;
use crate::memory;

/// The most memory for each byte of a frame. The dearest byte begins a version vector of one slot: a tree's first leaf has room for eleven.
pub const PER_BYTE: usize = 128;
/// The most memory whatever the input: serde sets aside up to a mebibyte for a list before it has seen its first element.
pub const BESIDES: usize = 2 * 1024 * 1024;

/// A first message.
///
/// # Panics
/// When a claim does not hold.
pub fn hello(bytes: &[u8]) {
    let read = within_bounds(bytes, Hello::decode);
    if let Ok(hello) = read {
        assert!(Hello::decode(&hello.encode()) == Ok(hello), "a hello that is written is not read as what it was");
    }
}

/// A later message.
///
/// # Panics
/// When a claim does not hold.
pub fn frame(bytes: &[u8]) {
    let read = within_bounds(bytes, wire::decode);
    if let Ok(frame) = read {
        let written = wire::encode(&frame);
        assert_eq!(wire::decode(&written), Ok(frame), "a frame that is written is not read as what it was");
    }
}

fn within_bounds<T>(bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    let (read, peak) = memory::peak_of(|| decode(bytes));
    let most = BESIDES + PER_BYTE * bytes.len();
    assert!(peak <= most, "{} bytes took {peak} bytes of memory, more than {most}", bytes.len());
    read
}

/// Hellos of a version that is spoken and of one that is not.
#[must_use]
pub fn hellos() -> Vec<Vec<u8>> {
    let hello = Conversation::hello().encode();
    let mut other = hello.clone();
    other[4] ^= 0x80;
    vec![hello, other]
}

/// Frames of a real conversation, of each kind some, and one that lies about its length.
#[must_use]
pub fn frames() -> Vec<Vec<u8>> {
    let lie = vec![4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    Conversation::between_three().frames().into_iter().chain([lie]).collect()
}
