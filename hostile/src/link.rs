//! The decoders of link messages.
//!
//! Claims: a decoded message, encoded again, decodes to the same message; decoding allocates at
//! most [`FIXED_BYTES`] plus [`PER_BYTE`] for each byte of input, so a length in the input is not
//! trusted.

use gossip::wire;
use gossip::wire::Hello;

use crate::exchange::{self, Exchange};
use crate::memory;

/// The memory allowed for each byte of a frame. The most expensive byte starts a version vector of
/// one slot: the first leaf of its B-tree has room for eleven.
pub const PER_BYTE: usize = 128;
/// The memory allowed for every input: serde reserves up to a mebibyte for a list before it has
/// read the first element.
pub const FIXED_BYTES: usize = 2 * 1024 * 1024;

/// Decodes a hello, the first message of a link.
///
/// # Panics
/// When a claim does not hold.
pub fn hello(bytes: &[u8]) {
    let read = within_bounds(bytes, Hello::decode);
    if let Ok(hello) = read {
        let again = Hello::decode(&hello.encode());
        assert!(again == Ok(hello), "an encoded hello does not decode to itself");
    }
}

/// Decodes a frame.
///
/// # Panics
/// When a claim does not hold.
pub fn frame(bytes: &[u8]) {
    let read = within_bounds(bytes, wire::decode::<shared::Superheroes>);
    if let Ok(frame) = read {
        let again = wire::decode(&wire::encode(&frame));
        assert_eq!(again, Ok(frame), "an encoded frame does not decode to itself");
    }
}

fn within_bounds<T>(bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    let (read, peak) = memory::peak_of(|| decode(bytes));
    let limit = FIXED_BYTES + PER_BYTE * bytes.len();
    assert!(peak <= limit, "{} bytes took {peak} bytes of memory, limit {limit}", bytes.len());
    read
}

/// Returns hellos of a supported and of an unsupported version.
#[must_use]
pub fn hello_seeds() -> Vec<Vec<u8>> {
    let hello = exchange::hello().encode();
    let mut other = hello.clone();
    other[4] ^= 0x80;
    vec![hello, other]
}

/// Returns frames of a real exchange, some of each kind, and one with a false length field.
#[must_use]
pub fn frame_seeds() -> Vec<Vec<u8>> {
    let false_length = vec![4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    Exchange::record().frames().into_iter().chain([false_length]).collect()
}
