//! The encoding of packed entries: varints, length-prefixed text, and dictionaries.
//!
//! Invariant: a reader trusts no length. It returns an error instead of allocating for, or reading,
//! missing bytes.

use crate::id::NodeName;

/// The reason why bytes cannot be decoded as a batch. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a row, or a number is longer than 64 bits.
    #[error("truncated entry or oversized number")]
    Truncated,
    /// A row has unknown flags, or contradictory ones.
    #[error("unknown or contradictory flags")]
    Flags,
    /// A number refers to a dictionary value that was not introduced by an earlier row.
    #[error("dangling dictionary reference")]
    Reference,
    /// A text is not valid UTF-8, or a node name is invalid.
    #[error("invalid text or node name")]
    Text,
    /// An entry violates a rule of this protocol version.
    #[error("invalid entry")]
    Invalid,
}

/// An encoder of one batch.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Returns a writer that can take this number of bytes before it grows.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends one byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Appends a varint: seven bits a byte, the lowest first.
    #[inline]
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Appends these bytes without their length.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends the length of these bytes, then the bytes.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Appends the length of a text in bytes, then the text.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Returns the number of bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether nothing has been written so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Borrows the written bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the written bytes.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        // Batches stay in memory as snapshots, so the growth reserve is returned.
        self.0.shrink_to_fit();
        self.0
    }
}

/// A decoder of one batch.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns whether all bytes have been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads all remaining bytes.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Returns the next byte without consuming it.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Reads a varint.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end, or for a number of more than 64 bits.
    #[inline]
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for a single bit; any more would be lost silently.
            if bits << shift >> shift != bits {
                return Err(DecodeError::Truncated);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError::Truncated)
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(array)
    }

    /// Reads a length, then that many bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::Text`].
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Text)
    }

    /// Reads a node name.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::Text`].
    #[inline]
    pub fn name(&mut self) -> Result<NodeName, DecodeError> {
        self.text()?.parse().map_err(|_| DecodeError::Text)
    }
}

/// The values that the rows of one batch refer to by number.
///
/// The first use of a number is followed by the value itself. Writer and reader assign numbers in
/// the same order.
#[derive(Clone, Debug)]
pub struct Dictionary<T>(Vec<T>);

impl<T> Default for Dictionary<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Dictionary<T> {
    /// Returns the number of `value`, and whether this is its first use in the batch.
    #[inline]
    pub fn number_of(&mut self, value: T) -> (u64, bool) {
        // A linear scan: a batch refers to few distinct values (at most 256 origins).
        let found = self.0.iter().position(|known| *known == value);
        let number = found.unwrap_or(self.0.len());
        if found.is_none() {
            self.0.push(value);
        }
        (number as u64, found.is_none())
    }

    /// Returns the value with this number. At its first use, `read` decodes it.
    ///
    /// # Errors
    /// [`DecodeError::Reference`] for a number above the next free one, or the error of `read`.
    #[inline]
    pub fn value(
        &mut self,
        number: u64,
        read: impl FnOnce() -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let number = usize::try_from(number).map_err(|_| DecodeError::Reference)?;
        if let Some(value) = self.0.get(number) {
            return Ok(*value);
        }
        if number != self.0.len() {
            return Err(DecodeError::Reference);
        }
        let value = read()?;
        self.0.push(value);
        Ok(value)
    }

    /// Returns the values so far.
    pub(crate) fn into_values(self) -> Vec<T> {
        self.0
    }

    /// Returns the number of values so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no values so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
