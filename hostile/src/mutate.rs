//! Inputs made up from seeds: what a fuzzer does, without its knowledge of where an input leads,
//! and the same in every run.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// The longest input made, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// What decoders trip over: ends of ranges, a length far beyond the input, bytes that mean
/// something in a text.
const POISON: [&[u8]; 12] = [
    &[0],
    &[0x7f],
    &[0xff],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xed, 0xa0, 0x80],
    b"-1",
    b"99999999999999999999",
    b"%00",
    b"\r\n",
    b"\"",
    b"\\u0000",
];

/// An input made from one of `seeds` by a few changes.
///
/// # Panics
/// When there are no seeds.
pub fn mutated(seeds: &[Vec<u8>], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = seeds.choose(rng).expect("there are seeds").clone();
    for _ in 0..1_u32 << rng.random_range(0..4) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 32));
        match rng.random_range(0..8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            2 if at < bytes.len() => bytes[at] = rng.random(),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                // A piece of another seed, or of the same one.
                let other = seeds.choose(rng).expect("there are seeds");
                let from = rng.random_range(0..=other.len());
                let to = rng.random_range(from..=other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            6 => bytes.truncate(at),
            _ => drop(
                bytes.splice(at..end, POISON.choose(rng).expect("there is some").iter().copied()),
            ),
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}
