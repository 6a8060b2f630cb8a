//! The tables of the library's own types, and their keys.
//!
//! A key is a UUID. A UUID of version 8, which RFC 9562 leaves to applications, is the key of a
//! [record](crate::Value::Record) in a table; every other key belongs to a value of the application.
//!
//! ```text
//! key of a record = table (8 bits) group (52 bits) member (62 bits), around version and variant
//! table           = kind (2 bits) number (6 bits)
//! record          = group [name] content      texts with their lengths; the name in registers only
//! ```
//!
//! The kind is part of the key, so a node that does not know a table still merges its records
//! correctly, and passes them on. Group and member are hashes of what the record contains and of its
//! writer, so a record cannot be stored under the key of another one.

use std::ops::{Range, RangeInclusive};

use uuid::Builder;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::clock::Stamp;
use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{Key, Origin};
use crate::shard::{Folded, Shard};

/// The size limit of a record's content, in bytes.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024;
/// The size limit of the name of a group or of a register, in bytes: 100 characters.
pub const NAME_BYTES_MAX: usize = 400;
/// The number of places that one owner has in one group.
pub const PLACES: usize = 1 << PLACE_BITS;

/// The numbers of the lasting tables that fold: an entry may contain the sum of the entries of its
/// group that earlier, closed incarnations of its node have written. The content of each record is a
/// [`Shard`].
pub(crate) const FOLDING: Range<u8> = 16..32;
/// The numbers of the lasting tables that are rings: of the entries of closed incarnations, each
/// group keeps only the newest [`RING_KEPT`].
pub(crate) const RING: Range<u8> = 32..64;
/// The number of entries of closed incarnations that each group of a ring keeps.
pub(crate) const RING_KEPT: usize = 100;

const PLACE_BITS: u32 = 16;
const MEMBER_BITS: u32 = 62;
const GROUP_BITS: u32 = 52;

/// The rule by which the entries of a key are merged, and by which they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A deletion wins over all writes, and the key is never used again.
    Once,
    /// The later write wins, deletions included. A deleted key may be written again.
    Register,
    /// The key belongs to one incarnation, which alone writes it. Entries are not deleted.
    Lasting,
    /// The key belongs to one incarnation. Its entries are removed when a later incarnation of the
    /// node is known, or when the node is forgotten.
    Ephemeral,
}

impl Kind {
    /// Returns whether the keys belong to the incarnation that writes them.
    #[must_use]
    pub fn is_owned(self) -> bool {
        matches!(self, Self::Lasting | Self::Ephemeral)
    }
}

/// A table of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(u8);

impl Table {
    /// Returns the table of this kind and number.
    ///
    /// # Panics
    /// If the number is not below 64.
    #[must_use]
    pub const fn new(kind: Kind, number: u8) -> Self {
        assert!(number < 64, "a kind has 64 tables");
        Self((kind as u8) << 6 | number)
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self.0 >> 6 {
            0 => Kind::Once,
            1 => Kind::Register,
            2 => Kind::Lasting,
            _ => Kind::Ephemeral,
        }
    }

    /// Returns whether the table is a ring: of the entries of closed incarnations, each group keeps
    /// only the newest.
    #[must_use]
    pub fn is_ring(self) -> bool {
        self.kind() == Kind::Lasting && RING.contains(&(self.0 & 63))
    }

    /// Returns whether the table folds: an entry may contain the sum of those of earlier, closed
    /// incarnations of its node.
    #[must_use]
    pub fn folds(self) -> bool {
        self.kind() == Kind::Lasting && FOLDING.contains(&(self.0 & 63))
    }

    /// Returns the range of all keys of the table.
    #[must_use]
    pub fn keys(self) -> RangeInclusive<Key> {
        key(self, 0, 0)..=key(self, u64::MAX, u64::MAX)
    }

    /// Returns the range of the keys of one group.
    #[must_use]
    pub fn group(self, group: &str) -> RangeInclusive<Key> {
        let group = hash_of_group(group);
        key(self, group, 0)..=key(self, group, u64::MAX)
    }

    /// Returns the range of the keys of the group of this key.
    #[must_use]
    pub fn group_of(self, key: Key) -> RangeInclusive<Key> {
        self::key(self, key.group(), 0)..=self::key(self, key.group(), u64::MAX)
    }

    /// Returns the key of one of the entries of an element of a group, with this random number. For
    /// tables of kind [`Once`](Kind::Once).
    #[must_use]
    pub fn unique(self, group: &str, element: &str, random: u32) -> Key {
        let element = hash_of_name(element) >> (u32::BITS) << (u32::BITS);
        key(self, hash_of_group(group), element | u64::from(random))
    }

    /// Returns the range of the keys of one element of a group.
    #[must_use]
    pub fn element(self, group: &str, element: &str) -> RangeInclusive<Key> {
        self.unique(group, element, 0)..=self.unique(group, element, u32::MAX)
    }

    /// Returns the range of the keys of one owner in a group.
    #[must_use]
    pub fn of_owner(self, group: &str, owner: Origin) -> RangeInclusive<Key> {
        self.owned(group, owner, 0)..=self.owned(group, owner, u16::MAX)
    }

    /// Returns the key of a register. For tables of kind [`Register`](Kind::Register).
    #[must_use]
    pub fn register(self, group: &str, name: &str) -> Key {
        key(self, hash_of_group(group), hash_of_name(name))
    }

    /// Returns the key of one place of an owner in a group. For owned tables.
    #[must_use]
    pub fn owned(self, group: &str, owner: Origin, place: u16) -> Key {
        key(self, hash_of_group(group), hash_of_owner(owner) << PLACE_BITS | u64::from(place))
    }
}

impl Key {
    /// Returns the table; `None` for a key of the application.
    #[must_use]
    pub fn table(self) -> Option<Table> {
        let bytes = self.as_bytes();
        (bytes[6] >> 4 == 8 && bytes[8] >> 6 == 0b10).then_some(Table(bytes[0]))
    }

    /// Returns the kind of the key's table. The application's table is of kind
    /// [`Once`](Kind::Once).
    #[must_use]
    pub fn kind(self) -> Kind {
        self.table().map_or(Kind::Once, Table::kind)
    }

    /// Returns the place of an owner's key.
    #[must_use]
    pub fn place(self) -> u16 {
        (self.member() & (PLACES as u64 - 1)) as u16
    }

    pub(crate) fn group(self) -> u64 {
        let bits = u128::from_be_bytes(*self.as_bytes());
        // The 48 bits between the table and the version, less the table's 8, and the 12 bits
        // between the version and the variant.
        ((bits >> 80) as u64 & ((1 << 40) - 1)) << 12 | (bits >> 64) as u64 & ((1 << 12) - 1)
    }

    fn member(self) -> u64 {
        u128::from_be_bytes(*self.as_bytes()) as u64 & ((1 << MEMBER_BITS) - 1)
    }
}

/// Returns the key with the lowest bits of these numbers.
fn key(Table(table): Table, group: u64, member: u64) -> Key {
    let group = group & ((1 << GROUP_BITS) - 1);
    let member = member & ((1 << MEMBER_BITS) - 1);
    let bits = u128::from(table) << 120
        | u128::from(group >> 12) << 80
        | u128::from(group & ((1 << 12) - 1)) << 64
        | u128::from(member);
    // Sets the bits of the version and of the variant.
    Key::from(Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid())
}

fn hash_of_group(group: &str) -> u64 {
    xxh3_64(group.as_bytes()) >> (64 - GROUP_BITS)
}

fn hash_of_name(name: &str) -> u64 {
    // Another seed than for groups, so that the two hashes of one text are independent.
    xxh3_64_with_seed(name.as_bytes(), 1) >> (64 - MEMBER_BITS)
}

fn hash_of_owner(owner: Origin) -> u64 {
    let seed = xxh3_64(owner.node.as_str().as_bytes());
    xxh3_64_with_seed(&owner.incarnation.to_bytes(), seed) >> (64 - MEMBER_BITS + PLACE_BITS)
}

/// The parts of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The name of the group, for example of a counter or of a table.
    pub group: &'a str,
    /// The name of the register in its group; empty in tables of other kinds.
    pub name: &'a str,
    /// The content, which only the type of the table interprets.
    pub content: &'a [u8],
}

impl<'a> Record<'a> {
    /// Returns the bytes of a record in a table of this kind.
    #[must_use]
    pub fn encode(&self, kind: Kind) -> Box<[u8]> {
        // Exact for short names, so that the bytes are not copied again.
        let lengths = if kind == Kind::Register { 2 } else { 1 };
        let size = lengths + self.group.len() + self.name.len() + self.content.len();
        let mut out = Writer::with_capacity(size);
        out.text(self.group);
        if kind == Kind::Register {
            out.text(self.name);
        }
        out.raw(self.content);
        out.into_bytes().into()
    }

    /// Returns the parts of a record from a table of this kind.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not a record, or if a part exceeds its size limit.
    pub fn decode(bytes: &'a [u8], kind: Kind) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let group = input.text()?;
        let name = if kind == Kind::Register { input.text()? } else { "" };
        let content = input.rest();
        let is_valid =
            group.len().max(name.len()) <= NAME_BYTES_MAX && content.len() <= CONTENT_BYTES_MAX;
        if is_valid { Ok(Self { group, name, content }) } else { Err(DecodeError::Invalid) }
    }
}

/// Returns whether a node of this version could have written this record to `key` with this stamp.
pub(crate) fn is_valid(key: Key, bytes: &[u8], stamp: Stamp, born: Stamp) -> bool {
    let kind = key.kind();
    let Ok(Record { group, name, content }) = Record::decode(bytes, kind) else { return false };
    let folds_earlier = || {
        let fits = |folded: Folded| folded.before <= stamp.origin.incarnation;
        Shard::decode(content).is_ok_and(|shard| shard.folded.is_none_or(fits))
    };
    let belongs = match kind {
        Kind::Once => true,
        Kind::Register => key.member() == hash_of_name(name),
        Kind::Lasting | Kind::Ephemeral => {
            is_owner(key, stamp.origin) && born.origin == stamp.origin
        }
    };
    let is_record = key.table().is_some_and(|table| !table.folds() || folds_earlier());
    is_record && key.group() == hash_of_group(group) && belongs
}

/// Returns whether the key is one of this owner's.
pub(crate) fn is_owner(key: Key, owner: Origin) -> bool {
    key.member() >> PLACE_BITS == hash_of_owner(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hlc;
    use crate::id::Incarnation;

    const KINDS: [Kind; 4] = [Kind::Once, Kind::Register, Kind::Lasting, Kind::Ephemeral];

    fn origin(node: &str, incarnation: u64) -> Origin {
        Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(incarnation) }
    }

    fn stamp(node: &str) -> Stamp {
        Stamp { hlc: Hlc::default(), origin: origin(node, 2) }
    }

    #[test]
    fn keys_keep_their_table_and_lie_in_its_ranges() {
        for kind in KINDS {
            for number in [0, 1, 63] {
                let table = Table::new(kind, number);
                for key in [
                    table.unique("visits", "today", u32::MAX),
                    table.register("visits", "today"),
                    table.owned("visits", origin("a", 7), u16::MAX),
                ] {
                    assert_eq!((key.table(), key.kind()), (Some(table), kind));
                    assert!(table.keys().contains(&key) && table.group("visits").contains(&key));
                    assert!(!table.group("visitors").contains(&key));
                }
                let other = Table::new(kind, (number + 1) % 64);
                assert!(!other.keys().contains(&table.unique("visits", "today", 0)));
            }
        }
    }

    #[test]
    fn keys_of_applications_belong_to_no_table() {
        let random = Builder::from_random_bytes([0x8f; 16]).into_uuid();
        for key in [Key::from_u128(1), Key::from(random), Key::from_bytes([u8::MAX; 16])] {
            assert_eq!((key.table(), key.kind()), (None, Kind::Once));
        }
    }

    #[test]
    fn different_owners_groups_names_and_places_have_different_keys() {
        let table = Table::new(Kind::Lasting, 3);
        let key = table.owned("visits", origin("a", 7), 5);
        assert_eq!(key.place(), 5);
        for other in [
            table.owned("visits", origin("a", 8), 5),
            table.owned("visits", origin("b", 7), 5),
            table.owned("visits", origin("a", 7), 6),
            table.owned("visitors", origin("a", 7), 5),
            Table::new(Kind::Ephemeral, 3).owned("visits", origin("a", 7), 5),
        ] {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn record_is_valid_only_under_its_own_key() {
        for kind in KINDS {
            let table = Table::new(kind, 0);
            let record = Record { group: "villains", name: "joker", content: b"laughs" };
            let bytes = record.encode(kind);
            let key_of = |group: &str, name: &str, owner| match kind {
                Kind::Once => table.unique(group, name, 5),
                Kind::Register => table.register(group, name),
                Kind::Lasting | Kind::Ephemeral => table.owned(group, owner, 9),
            };
            let stamp = stamp("a");
            let key = key_of("villains", "joker", stamp.origin);
            assert!(is_valid(key, &bytes, stamp, stamp), "{kind:?}");
            assert!(!is_valid(key_of("heroes", "joker", stamp.origin), &bytes, stamp, stamp));
            assert!(!is_valid(Key::from_u128(1), &bytes, stamp, stamp));
            let other = key_of("villains", "riddler", origin("b", 2));
            assert_eq!(is_valid(other, &bytes, stamp, stamp), kind == Kind::Once, "{kind:?}");
            let other = self::stamp("b");
            assert_eq!(is_valid(key, &bytes, other, other), !kind.is_owned(), "{kind:?}");
            assert_eq!(is_valid(key, &bytes, stamp, other), !kind.is_owned(), "{kind:?}");
        }
    }

    #[test]
    fn record_folds_only_earlier_incarnations() {
        let table = Table::new(Kind::Lasting, FOLDING.start);
        let (owner, next) = (origin("a", 2), Incarnation::at(3));
        let is_valid = |content: &[u8]| {
            let record = Record { group: "visits", name: "", content };
            let stamp = stamp("a");
            is_valid(table.owned("visits", owner, 0), &record.encode(Kind::Lasting), stamp, stamp)
        };
        let folding = |before| {
            let folded = Some(Folded { before, value: 1 });
            Shard { up: 1, down: 0, folded }.encode()
        };
        assert!(is_valid(folding(owner.incarnation).as_bytes()));
        assert!(!is_valid(folding(next).as_bytes()));
        assert!(is_valid(Shard::default().encode().as_bytes()) && !is_valid(b"5"));
    }

    #[test]
    fn oversized_and_truncated_records_are_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        let large = vec![0; CONTENT_BYTES_MAX + 1];
        for kind in KINDS {
            let good = Record { group: "a", name: "", content: &large[1..] };
            assert_eq!(Record::decode(&good.encode(kind), kind), Ok(good));
            let long_group = Record { group: &long, ..good };
            assert!(Record::decode(&long_group.encode(kind), kind).is_err());
            let large = Record { content: &large, ..good };
            assert!(Record::decode(&large.encode(kind), kind).is_err());
            assert!(Record::decode(&[], kind).is_err());
            assert!(Record::decode(&[3, b'a'], kind).is_err());
        }
        let long_name = Record { group: "a", name: &long, content: b"" };
        assert!(Record::decode(&long_name.encode(Kind::Register), Kind::Register).is_err());
    }
}
