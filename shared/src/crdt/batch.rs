//! Entries packed for a link: what a snapshot is kept as, what a link carries, and what is staged until a round is whole.
//! Nothing of it is unpacked on the way but to be judged.
//!
//! A batch is a row after the other. Numbers are varints: seven bits a byte, the lowest first.
//!
//! ```text
//! row      = key (16 bytes) flags stamp [stamp of birth] [seen] [hero]
//! stamp    = [origin] reading         the origin left out where it is that of the row before (SAME_ORIGIN)
//! seen     = count, so many times: 0 for the birth, or an origin's number + 1 and a reading
//! hero     = health [place] name      a name is its length in bytes and UTF-8
//! origin, place = a number; the first that is not in use yet is followed by what it means from now on: a name (length and
//!            bytes), and for an origin its incarnation
//! reading  = the wall's difference, zigzag; then the counter, or where the wall is the same its difference, zigzag
//! ```
//!
//! A row's reading is told by its difference to the row before (the first's to zero), those of birth and of what was seen by theirs to the row's own. Sorted by origin and stamp,
//! as deltas are, a stamp takes some three bytes.
//!
//! Invariants: every batch is well-formed, and every entry in it one that a node can have written. Whoever reads bytes makes a
//! batch of them or says why not.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::{Hlc, Stamp};
use crate::crdt::{Entry, EntryRef, SEEN_MAX};
use crate::hero::{HeroRef, Location};
use crate::id::{HeroId, Incarnation, NodeName, Origin};
use crate::time::UnixMillis;

const TOMBSTONE: u8 = 1;
const PATROLLING: u8 = 1 << 1;
const IN_A_CITY: u8 = 1 << 2;
const BORN_BEFORE: u8 = 1 << 3;
const HAS_SEEN: u8 = 1 << 4;
const SAME_ORIGIN: u8 = 1 << 5;
const FLAGS: u8 = TOMBSTONE | PATROLLING | IN_A_CITY | BORN_BEFORE | HAS_SEEN | SAME_ORIGIN;

/// After how many origins a batch is full.
const ORIGINS_MAX: usize = 256;

/// Packed entries. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Batch(Arc<Packed>);

#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Packed {
    bytes: Vec<u8>,
    len: usize,
    highest: Vec<Stamp>,
}

/// Why bytes are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// They end in the middle of a row, or a number in them is longer than 64 bits.
    #[error("entries that end too early, or a number that is too long")]
    Torn,
    /// A row has flags that do not exist, or do not go together.
    #[error("flags that do not exist, or do not go together")]
    Flags,
    /// A number stands for nothing.
    #[error("a number that stands for nothing")]
    Reference,
    /// A name is no name.
    #[error("a name that is none")]
    Name,
    /// An entry is one that no node can have written.
    #[error("an entry that no node can have written")]
    Impossible,
}

impl Batch {
    /// The batch in these bytes.
    ///
    /// # Errors
    /// [`BatchError`] says why they are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let mut rows = Rows::of(bytes);
        let (mut len, mut highest) = (0, Highest::default());
        while let Some((_, entry)) = rows.next()? {
            if !entry.is_possible() {
                return Err(BatchError::Impossible);
            }
            highest.note(entry.stamp);
            len += 1;
        }
        Ok(Self(Arc::new(Packed { bytes: bytes.into(), len, highest: highest.finish() })))
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.bytes.len()
    }

    /// The newest stamp in it of each origin that wrote some of it.
    #[must_use]
    pub fn highest(&self) -> &[Stamp] {
        &self.0.highest
    }

    /// Its entries, each standing by itself.
    pub fn iter(&self) -> impl Iterator<Item = (HeroId, Entry)> {
        let mut rows = self.rows();
        std::iter::from_fn(move || rows.advance().map(|(key, entry)| (key, entry.to_entry())))
    }

    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = HeroId> {
        let mut rows = self.rows();
        std::iter::from_fn(move || rows.advance().map(|(key, _)| key))
    }

    /// Its rows, to be walked without a copy of each.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::of(&self.0.bytes)
    }
}

impl FromIterator<(HeroId, Entry)> for Batch {
    fn from_iter<I: IntoIterator<Item = (HeroId, Entry)>>(entries: I) -> Self {
        let mut packer = Packer::default();
        entries.into_iter().for_each(|(key, entry)| packer.push(key, &entry.as_entry_ref()));
        packer.finish()
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.bytes)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(<&[u8]>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The newest stamp of each origin, as far as it has come.
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

    /// Each origin once.
    fn finish(mut self) -> Vec<Stamp> {
        self.0.sort_unstable_by_key(|stamp| (stamp.origin, Reverse(stamp.hlc)));
        self.0.dedup_by_key(|stamp| stamp.origin);
        self.0
    }
}

/// Makes a batch, an entry at a time.
#[derive(Debug, Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    len: usize,
    highest: Highest,
    origins: Vec<Origin>,
    places: Vec<NodeName>,
    last: Option<Stamp>,
}

impl Packer {
    /// Whether there are so many bytes, or so many origins that looking for one among them would take long.
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes.len() >= bytes_max || self.origins.len() >= ORIGINS_MAX
    }

    /// Whether there is nothing in it so far.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The batch of all that was pushed.
    pub(super) fn finish(mut self) -> Batch {
        self.bytes.shrink_to_fit();
        Batch(Arc::new(Packed { bytes: self.bytes, len: self.len, highest: self.highest.finish() }))
    }

    /// Adds an entry, one that [is possible](EntryRef::is_possible).
    pub(super) fn push(&mut self, key: HeroId, entry: &EntryRef<'_>) {
        let EntryRef { hero, stamp, born, seen } = *entry;
        let same_origin = self.last.is_some_and(|last| last.origin == stamp.origin);
        let of_hero = hero
            .map_or(TOMBSTONE, |hero| flag(PATROLLING, hero.is_patrolling) | flag(IN_A_CITY, matches!(hero.location, Location::City(_))));
        let of_stamps = flag(BORN_BEFORE, born != stamp) | flag(HAS_SEEN, !seen.is_empty()) | flag(SAME_ORIGIN, same_origin);
        self.bytes.extend_from_slice(key.0.as_bytes());
        self.bytes.push(of_hero | of_stamps);
        if !same_origin {
            self.origin(stamp.origin, 0);
        }
        self.reading(stamp.hlc, self.last.map_or(Hlc::default(), |last| last.hlc));
        if born != stamp {
            self.origin(born.origin, 0);
            self.reading(born.hlc, stamp.hlc);
        }
        if !seen.is_empty() {
            self.number(seen.len() as u64);
            for seen in seen {
                if *seen == born {
                    self.number(0);
                } else {
                    self.origin(seen.origin, 1);
                    self.reading(seen.hlc, stamp.hlc);
                }
            }
        }
        if let Some(HeroRef { name, location, is_patrolling: _, health }) = hero {
            self.bytes.push(health);
            if let Location::City(city) = location {
                self.place(city);
            }
            self.text(name);
        }
        self.highest.note(stamp);
        self.len += 1;
        self.last = Some(stamp);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn reading(&mut self, reading: Hlc, beside: Hlc) {
        let wall = reading.wall.0.wrapping_sub(beside.wall.0);
        self.number(zigzag(wall.cast_signed()));
        match wall {
            0 => self.number(zigzag(i64::from(reading.logical) - i64::from(beside.logical))),
            _ => self.number(reading.logical.into()),
        }
    }

    /// The origin's number and `plus`; and what it means, where nobody has said so yet.
    fn origin(&mut self, origin: Origin, plus: u64) {
        let (number, is_new) = number_of(&mut self.origins, origin);
        self.number(number + plus);
        if is_new {
            self.text(origin.node.as_str());
            self.number(origin.incarnation.0);
        }
    }

    fn place(&mut self, place: NodeName) {
        let (number, is_new) = number_of(&mut self.places, place);
        self.number(number);
        if is_new {
            self.text(place.as_str());
        }
    }
}

/// The number of `value` among those that are known, of which it is one from now on; and whether it was not.
fn number_of<T: Copy + PartialEq>(known: &mut Vec<T>, value: T) -> (u64, bool) {
    let found = known.iter().position(|known| *known == value);
    let number = found.unwrap_or(known.len());
    if found.is_none() {
        known.push(value);
    }
    (number as u64, found.is_none())
}

/// Reads the rows of a batch, one after the other.
#[derive(Debug)]
pub struct Rows<'a> {
    rest: &'a [u8],
    origins: Vec<Origin>,
    places: Vec<NodeName>,
    last: Option<Stamp>,
    seen: Vec<Stamp>,
}

impl<'a> Rows<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, origins: Vec::new(), places: Vec::new(), last: None, seen: Vec::new() }
    }

    /// The next row, of a batch.
    pub fn advance(&mut self) -> Option<(HeroId, EntryRef<'_>)> {
        self.next().expect("a batch is well-formed")
    }

    /// The next row, of whatever these bytes are. What its entry says is not judged.
    fn next(&mut self) -> Result<Option<(HeroId, EntryRef<'_>)>, BatchError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (key, rest) = self.rest.split_first_chunk().ok_or(BatchError::Torn)?;
        self.rest = rest;
        let flags = self.byte()?;
        let has = |flag| flags & flag != 0;
        if flags & !FLAGS != 0 || has(TOMBSTONE) && (has(PATROLLING) || has(IN_A_CITY)) {
            return Err(BatchError::Flags);
        }
        let origin = match self.last {
            Some(last) if has(SAME_ORIGIN) => last.origin,
            None if has(SAME_ORIGIN) => return Err(BatchError::Reference),
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
        let seen = if has(HAS_SEEN) { self.number()? } else { 0 };
        if seen > SEEN_MAX as u64 {
            return Err(BatchError::Impossible);
        }
        for _ in 0..seen {
            let seen = match self.rest.first() {
                Some(0) => {
                    self.byte()?;
                    born
                }
                _ => {
                    let origin = self.origin(1)?;
                    Stamp { hlc: self.reading(hlc)?, origin }
                }
            };
            self.seen.push(seen);
        }
        let hero = if has(TOMBSTONE) {
            None
        } else {
            let health = self.byte()?;
            let location = if has(IN_A_CITY) { Location::City(self.place()?) } else { Location::Home };
            Some(HeroRef { name: self.text()?, location, is_patrolling: has(PATROLLING), health })
        };
        self.last = Some(stamp);
        Ok(Some((HeroId(uuid::Uuid::from_bytes(*key)), EntryRef { hero, stamp, born, seen: &self.seen })))
    }

    fn byte(&mut self) -> Result<u8, BatchError> {
        let (byte, rest) = self.rest.split_first().ok_or(BatchError::Torn)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, BatchError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(BatchError::Torn);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(BatchError::Torn)
    }

    fn text(&mut self) -> Result<&'a str, BatchError> {
        let len = usize::try_from(self.number()?).map_err(|_| BatchError::Torn)?;
        let (text, rest) = self.rest.split_at_checked(len).ok_or(BatchError::Torn)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| BatchError::Name)
    }

    fn name(&mut self) -> Result<NodeName, BatchError> {
        self.text()?.parse().map_err(|_| BatchError::Name)
    }

    fn reading(&mut self, beside: Hlc) -> Result<Hlc, BatchError> {
        let wall = beside.wall.0.wrapping_add(unzigzag(self.number()?).cast_unsigned());
        let counter = self.number()?;
        let logical = if wall == beside.wall.0 {
            i64::from(beside.logical).checked_add(unzigzag(counter)).and_then(|logical| u32::try_from(logical).ok())
        } else {
            u32::try_from(counter).ok()
        };
        Ok(Hlc { wall: UnixMillis(wall), logical: logical.ok_or(BatchError::Impossible)? })
    }

    fn origin(&mut self, plus: u64) -> Result<Origin, BatchError> {
        let number = self.number()?.checked_sub(plus).and_then(|number| usize::try_from(number).ok()).ok_or(BatchError::Reference)?;
        if number == self.origins.len() {
            let node = self.name()?;
            let incarnation = Incarnation(self.number()?);
            self.origins.push(Origin { node, incarnation });
        }
        self.origins.get(number).copied().ok_or(BatchError::Reference)
    }

    fn place(&mut self) -> Result<NodeName, BatchError> {
        let number = usize::try_from(self.number()?).map_err(|_| BatchError::Reference)?;
        if number == self.places.len() {
            let place = self.name()?;
            self.places.push(place);
        }
        self.places.get(number).copied().ok_or(BatchError::Reference)
    }
}

fn flag(flag: u8, is_set: bool) -> u8 {
    if is_set { flag } else { 0 }
}

/// Small numbers of either sign as small numbers without.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
