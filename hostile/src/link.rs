//! The messages of a link, byte by byte.
//!
//! Claims: a decoded message, encoded again, decodes to the same; decoding allocates at most
//! [`PER_BYTE`] bytes for each byte of input and [`BESIDES`] in all else: a length in the input is
//! not trusted.

use gossip::wire;
use gossip::wire::Hello;

use crate::exchange::{self, Exchange};
use crate::memory;

/// The most memory for each byte of a frame. The most expensive byte begins a version vector of one
/// slot: the first leaf of its tree has room for eleven.
pub const PER_BYTE: usize = 128;
/// The most memory whatever the input: serde reserves up to a mebibyte for a list before it has
/// read its first element.
pub const BESIDES: usize = 2 * 1024 * 1024;

/// Decodes a first message.
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

/// Decodes a later message.
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
    let most = BESIDES + PER_BYTE * bytes.len();
    assert!(peak <= most, "{} bytes took {peak} bytes of memory, limit {most}", bytes.len());
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

/// Returns frames of a real exchange, some of each kind, and one whose length field lies.
#[must_use]
pub fn frame_seeds() -> Vec<Vec<u8>> {
    let lie = vec![4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    Exchange::record().frames().into_iter().chain([lie]).collect()
}
