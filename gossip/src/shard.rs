//! The content of a record in a table that folds: what one incarnation has counted, and what earlier
//! incarnations of its node have.
//!
//! Invariant: sums of shards do not overflow, whatever a peer sends.

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::Incarnation;

/// The limit of a folded sum. Four billion of them are within 128 bits.
pub(crate) const FOLDED_MAX: u128 = 1 << 95;

/// What one incarnation has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// The sum of the positive amounts.
    pub up: u64,
    /// The sum of the negative amounts, as a positive number.
    pub down: u64,
    /// What earlier incarnations of the node have counted, if it was folded.
    pub folded: Option<Folded>,
}

/// The sum of what all incarnations of a node before a certain one have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The first incarnation that is not contained.
    pub before: Incarnation,
    /// The sum.
    pub value: i128,
}

impl Shard {
    /// Returns what the incarnation itself has counted.
    #[must_use]
    pub fn value(self) -> i128 {
        i128::from(self.up) - i128::from(self.down)
    }

    /// Returns the content of the shard's record.
    ///
    /// ```text
    /// content = (0 | 1 incarnation value) up down     of a fold: 16 bytes each, the value little-endian
    /// ```
    pub(crate) fn encode(self) -> Writer {
        let mut out = Writer::with_capacity(2 * size_of::<Self>());
        out.byte(self.folded.is_some().into());
        if let Some(Folded { before, value }) = self.folded {
            out.raw(&before.to_bytes());
            out.raw(&value.to_le_bytes());
        }
        out.number(self.up);
        out.number(self.down);
        out
    }

    pub(crate) fn decode(content: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(content);
        let folded = match input.byte()? {
            0 => None,
            1 => {
                let before = Incarnation::from_bytes(*input.array()?);
                Some(Folded { before, value: i128::from_le_bytes(*input.array()?) })
            }
            _ => return Err(DecodeError::Invalid),
        };
        let shard = Self { up: input.number()?, down: input.number()?, folded };
        let is_bounded = |folded: &Folded| folded.value.unsigned_abs() <= FOLDED_MAX;
        let is_valid = input.is_empty() && folded.as_ref().is_none_or(is_bounded);
        if is_valid { Ok(shard) } else { Err(DecodeError::Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_is_decoded_as_it_was_encoded() {
        let before = Incarnation::at(9).with_random(7);
        for folded in [None, Some(Folded { before, value: -5 })] {
            let shard = Shard { up: u64::MAX, down: 300, folded };
            assert_eq!(Shard::decode(shard.encode().as_bytes()), Ok(shard));
        }
    }

    #[test]
    fn malformed_and_excessive_shards_are_refused() {
        let before = Incarnation::at(9);
        let of = |value| Shard { up: 1, down: 0, folded: Some(Folded { before, value }) }.encode();
        let max = i128::try_from(FOLDED_MAX).unwrap();
        for value in [max, -max] {
            assert!(Shard::decode(of(value).as_bytes()).is_ok());
        }
        for value in [max + 1, -max - 1, i128::MAX, i128::MIN] {
            assert!(Shard::decode(of(value).as_bytes()).is_err());
        }
        let good = Shard { up: 1, down: 2, folded: None }.encode();
        let more = [good.as_bytes(), &[0]].concat();
        for bytes in [&[][..], &[2, 0, 0], &[1, 0, 0], &more, &good.as_bytes()[..2]] {
            assert!(Shard::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
