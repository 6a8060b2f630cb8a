//! Mutation of seeds, as a fuzzer does it but without coverage feedback, and reproducible.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// The longest generated input, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// Byte sequences that often break decoders: limits of ranges, lengths beyond the input, and
/// special characters of text formats.
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

/// Returns a random seed with one to eight random changes.
///
/// # Panics
/// When `seeds` is empty.
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
                // A part of a seed, possibly of the same one.
                let other = seeds.choose(rng).expect("there are seeds");
                let from = rng.random_range(0..=other.len());
                let to = rng.random_range(from..=other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            6 => bytes.truncate(at),
            _ => drop(bytes.splice(
                at..end,
                POISON.choose(rng).expect("the list is not empty").iter().copied(),
            )),
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}
