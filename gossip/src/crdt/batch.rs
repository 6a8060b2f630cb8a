//! Packed entries: the form of entries in a message, in a snapshot being served, and in a staged
//! round. Entries are unpacked only for validation and for the merge.
//!
//! A batch is a sequence of rows. Numbers are varints: seven bits per byte, the lowest bits first.
//!
//! ```text
//! row      = key (16 bytes) flags stamp [stamp of birth] [seen] [value]
//! stamp    = [origin] reading         without origin, that of the previous row (SAME_ORIGIN)
//! seen     = count, then that many: 0 for the birth, or an origin's number + 1 and a reading
//! value    = encoded by the payload, which also owns two of the row's flags; or, for a record of a
//!            table, its length and bytes (RECORD)
//! origin   = a number; at its first use, the node's name (length, bytes) and incarnation follow
//! reading  = the difference of the walls, zigzag; then the counter, or for equal walls the
//!            difference of the counters, zigzag
//! ```
//!
//! The reading of a row is encoded relative to the previous row (the first one to zero). The
//! readings of birth and seen writes are relative to the row's own. Deltas are sorted by origin and
//! stamp, so a stamp takes about three bytes.
//!
//! Invariants: every batch is well-formed, and all its entries are valid. [`Batch::parse`] checks
//! both.

use std::cmp::Reverse;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::{Hlc, Stamp};
use crate::codec::{DecodeError, Dictionary, Reader, Writer};
use crate::crdt::entry::{Entry, EntryRef, SEEN_MAX, ValueRef};
use crate::id::{Incarnation, Key, Origin};
use crate::payload::Payload;
use crate::time::UnixMillis;

const TOMBSTONE: u8 = 1;
/// The two flags that the payload owns.
const VALUE: u8 = 0b11 << VALUE_SHIFT;
const VALUE_SHIFT: u32 = 1;
const BORN_BEFORE: u8 = 1 << 3;
const HAS_SEEN: u8 = 1 << 4;
const SAME_ORIGIN: u8 = 1 << 5;
/// A record of a table; with [`TOMBSTONE`], an unset register.
const RECORD: u8 = 1 << 6;
const FLAGS: u8 = TOMBSTONE | VALUE | BORN_BEFORE | HAS_SEEN | SAME_ORIGIN | RECORD;

/// The number of origins at which a batch is full. Lookups are linear scans, so without a limit the
/// time to decode a batch would be quadratic in its origins.
const ORIGINS_MAX: usize = 256;

/// A packed sequence of entries. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch<V>(Arc<Packed>, PhantomData<fn() -> V>);

impl<V> Default for Batch<V> {
    fn default() -> Self {
        Self(Arc::default(), PhantomData)
    }
}

#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Packed {
    bytes: Vec<u8>,
    len: usize,
    highest: Vec<Stamp>,
    origins: Vec<Origin>,
}

impl<V: Payload> Batch<V> {
    /// Parses and validates a batch.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are malformed or contain an invalid entry.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rows = Rows::<V>::of(bytes);
        let (mut len, mut highest) = (0, Highest::default());
        // The only validation of received entries. Later reads rely on it.
        while let Some((key, entry)) = rows.next()? {
            if !entry.is_valid(key) {
                return Err(DecodeError::Invalid);
            }
            highest.note(entry.stamp);
            len += 1;
        }
        let origins = rows.origins.into_values();
        let packed = Packed { bytes: bytes.into(), len, highest: highest.finish(), origins };
        Ok(Self(Arc::new(packed), PhantomData))
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.bytes.len()
    }

    /// Returns the newest stamp of each origin among the writers of the entries.
    #[must_use]
    pub fn highest(&self) -> &[Stamp] {
        &self.0.highest
    }

    /// Returns all origins that the entries refer to: of writers, births and seen writes.
    #[must_use]
    pub fn origins(&self) -> &[Origin] {
        &self.0.origins
    }

    /// Iterates over owned entries.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Entry<V>)> {
        let mut rows = self.rows();
        std::iter::from_fn(move || rows.advance().map(|(key, entry)| (key, entry.to_entry())))
    }

    /// Iterates over the keys.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let mut rows = self.rows();
        std::iter::from_fn(move || rows.advance().map(|(key, _)| key))
    }

    /// Returns a cursor over borrowed entries.
    #[must_use]
    pub fn rows(&self) -> Rows<'_, V> {
        Rows::of(&self.0.bytes)
    }
}

impl<V: Payload> FromIterator<(Key, Entry<V>)> for Batch<V> {
    fn from_iter<I: IntoIterator<Item = (Key, Entry<V>)>>(entries: I) -> Self {
        let mut packer = Packer::default();
        entries.into_iter().for_each(|(key, entry)| packer.push(key, &entry.as_entry_ref()));
        packer.finish()
    }
}

impl<V: Payload> Serialize for Batch<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.bytes)
    }
}

impl<'de, V: Payload> Deserialize<'de> for Batch<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(<&[u8]>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The newest stamp of each origin so far. An origin may occur more than once until
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
struct Highest(Vec<Stamp>);

impl Highest {
    fn note(&mut self, stamp: Stamp) {
        // Rows of one origin mostly follow each other.
        match self.0.last_mut() {
            Some(last) if last.origin == stamp.origin => last.hlc = last.hlc.max(stamp.hlc),
            Some(_) | None => self.0.push(stamp),
        }
    }

    /// Returns the stamps, sorted, with one for each origin.
    fn finish(mut self) -> Vec<Stamp> {
        self.0.sort_unstable_by_key(|stamp| (stamp.origin, Reverse(stamp.hlc)));
        self.0.dedup_by_key(|stamp| stamp.origin);
        self.0
    }
}

/// A builder of a batch.
#[derive(Debug)]
pub(super) struct Packer<V: Payload> {
    bytes: Writer,
    len: usize,
    highest: Highest,
    origins: Dictionary<Origin>,
    values: V::Dictionary,
    last: Option<Stamp>,
}

impl<V: Payload> Default for Packer<V> {
    fn default() -> Self {
        Self {
            bytes: Writer::default(),
            len: 0,
            highest: Highest::default(),
            origins: Dictionary::default(),
            values: V::Dictionary::default(),
            last: None,
        }
    }
}

impl<V: Payload> Packer<V> {
    /// Returns whether the batch has reached `bytes_max` or [`ORIGINS_MAX`].
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes.len() >= bytes_max || self.origins.len() >= ORIGINS_MAX
    }

    /// Returns whether no entry has been pushed.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the batch of the pushed entries.
    pub(super) fn finish(self) -> Batch<V> {
        let Self { bytes, len, highest, origins, .. } = self;
        let (bytes, origins) = (bytes.into_bytes(), origins.into_values());
        let packed = Packed { bytes, len, highest: highest.finish(), origins };
        Batch(Arc::new(packed), PhantomData)
    }

    /// Adds a [valid](EntryRef::is_valid) entry.
    pub(super) fn push(&mut self, key: Key, entry: &EntryRef<'_, '_, V>) {
        let EntryRef { value, stamp, born, seen } = *entry;
        let same_origin = self.last.is_some_and(|last| last.origin == stamp.origin);
        let of_value = match value {
            ValueRef::Live(value) => V::flags(value) << VALUE_SHIFT,
            ValueRef::Tombstone => TOMBSTONE,
            ValueRef::Record(_) => RECORD,
            ValueRef::Unset => TOMBSTONE | RECORD,
        };
        let of_stamps = flag(BORN_BEFORE, born != stamp)
            | flag(HAS_SEEN, !seen.is_empty())
            | flag(SAME_ORIGIN, same_origin);
        self.bytes.raw(key.as_bytes());
        self.bytes.byte(of_value | of_stamps);
        if !same_origin {
            self.origin(stamp.origin, 0);
        }
        self.reading(stamp.hlc, self.last.map_or(Hlc::default(), |last| last.hlc));
        if born != stamp {
            self.origin(born.origin, 0);
            self.reading(born.hlc, stamp.hlc);
        }
        if !seen.is_empty() {
            self.bytes.number(seen.len() as u64);
            for seen in seen {
                if *seen == born {
                    self.bytes.number(0);
                } else {
                    self.origin(seen.origin, 1);
                    self.reading(seen.hlc, stamp.hlc);
                }
            }
        }
        match value {
            ValueRef::Live(value) => V::encode(value, &mut self.bytes, &mut self.values),
            ValueRef::Record(bytes) => self.bytes.bytes(bytes),
            ValueRef::Tombstone | ValueRef::Unset => {}
        }
        self.highest.note(stamp);
        self.len += 1;
        self.last = Some(stamp);
    }

    fn reading(&mut self, reading: Hlc, base: Hlc) {
        // Wrapping, so that any two walls have a difference that decodes to the same wall.
        let wall = reading.wall.0.wrapping_sub(base.wall.0);
        self.bytes.number(zigzag(wall.cast_signed()));
        match wall {
            0 => {
                let counter = i64::from(reading.logical) - i64::from(base.logical);
                self.bytes.number(zigzag(counter));
            }
            _ => self.bytes.number(reading.logical.into()),
        }
    }

    /// Writes the number of `origin` plus `offset`. At its first use, the origin itself follows.
    fn origin(&mut self, origin: Origin, offset: u64) {
        let (number, is_new) = self.origins.number_of(origin);
        self.bytes.number(number + offset);
        if is_new {
            self.bytes.text(origin.node.as_str());
            self.bytes.raw(&origin.incarnation.to_bytes());
        }
    }
}

/// A cursor over the entries of a batch.
#[derive(Debug)]
pub struct Rows<'a, V: Payload> {
    input: Reader<'a>,
    origins: Dictionary<Origin>,
    values: V::Dictionary,
    last: Option<Stamp>,
    seen: Vec<Stamp>,
}

impl<'a, V: Payload> Rows<'a, V> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            input: Reader::new(bytes),
            origins: Dictionary::default(),
            values: V::Dictionary::default(),
            last: None,
            seen: Vec::new(),
        }
    }

    /// Returns the next entry, or `None` at the end.
    pub fn advance(&mut self) -> Option<(Key, EntryRef<'a, '_, V>)> {
        self.next().expect("a batch is well-formed")
    }

    /// Decodes the next row of unchecked bytes. The entry is not validated.
    fn next(&mut self) -> Result<Option<(Key, EntryRef<'a, '_, V>)>, DecodeError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let key = Key::from_bytes(*self.input.array()?);
        let flags = self.input.byte()?;
        let has = |flag| flags & flag != 0;
        if flags & !FLAGS != 0 || has(TOMBSTONE | RECORD) && has(VALUE) {
            return Err(DecodeError::Flags);
        }
        let origin = match self.last {
            Some(last) if has(SAME_ORIGIN) => last.origin,
            None if has(SAME_ORIGIN) => return Err(DecodeError::Reference),
            Some(_) | None => self.origin(0)?,
        };
        let hlc = self.reading(self.last.map_or(Hlc::default(), |last| last.hlc))?;
        let stamp = Stamp { hlc, origin };
        let born = if has(BORN_BEFORE) {
            let origin = self.origin(0)?;
            Stamp { hlc: self.reading(hlc)?, origin }
        } else {
            stamp
        };
        self.seen.clear();
        let seen = if has(HAS_SEEN) { self.input.number()? } else { 0 };
        // Checked before the loop, which would otherwise run for as long as the peer's count.
        if seen > SEEN_MAX as u64 {
            return Err(DecodeError::Invalid);
        }
        for _ in 0..seen {
            let seen = if self.input.peek() == Some(0) {
                self.input.byte()?;
                born
            } else {
                let origin = self.origin(1)?;
                Stamp { hlc: self.reading(hlc)?, origin }
            };
            self.seen.push(seen);
        }
        let value = match (has(TOMBSTONE), has(RECORD)) {
            (true, false) => ValueRef::Tombstone,
            (true, true) => ValueRef::Unset,
            (false, true) => ValueRef::Record(self.input.bytes()?),
            (false, false) => {
                let flags = (flags & VALUE) >> VALUE_SHIFT;
                ValueRef::Live(V::decode(flags, &mut self.input, &mut self.values)?)
            }
        };
        self.last = Some(stamp);
        Ok(Some((key, EntryRef { value, stamp, born, seen: &self.seen })))
    }

    fn reading(&mut self, base: Hlc) -> Result<Hlc, DecodeError> {
        let difference = unzigzag(self.input.number()?).cast_unsigned();
        let wall = base.wall.0.wrapping_add(difference);
        let counter = self.input.number()?;
        let logical = if wall == base.wall.0 {
            let logical = i64::from(base.logical).checked_add(unzigzag(counter));
            logical.and_then(|logical| u32::try_from(logical).ok())
        } else {
            u32::try_from(counter).ok()
        };
        Ok(Hlc { wall: UnixMillis(wall), logical: logical.ok_or(DecodeError::Invalid)? })
    }

    fn origin(&mut self, offset: u64) -> Result<Origin, DecodeError> {
        let number = self.input.number()?.checked_sub(offset).ok_or(DecodeError::Reference)?;
        let Self { input, origins, .. } = self;
        origins.value(number, || {
            let node = input.name()?;
            Ok(Origin { node, incarnation: Incarnation::from_bytes(*input.array()?) })
        })
    }
}

fn flag(flag: u8, is_set: bool) -> u8 {
    if is_set { flag } else { 0 }
}

/// Maps signed numbers near zero to small unsigned ones.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
