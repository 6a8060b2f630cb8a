//! Identifiers of nodes, incarnations and entries. All are `Copy`, so the core clones no strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::UnixMillis;

/// The length of the longest node name, in bytes.
pub const NODE_NAME_BYTES_MAX: usize = 16;

/// The name of a node: 1 to 16 of `a-z`, `0-9`, `-`. At most one running process has a given name
/// at any time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName([u8; NODE_NAME_BYTES_MAX]);

/// The reason why a text is not a node name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// The text is empty or longer than [`NODE_NAME_BYTES_MAX`].
    #[error("node name must have 1 to {NODE_NAME_BYTES_MAX} characters, not {0}")]
    Length(usize),
    /// The text has a character outside `a-z`, `0-9` and `-`.
    #[error("node name may contain only a-z, 0-9 and -, not {0:?}")]
    Character(char),
}

impl NodeName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(NODE_NAME_BYTES_MAX);
        std::str::from_utf8(&self.0[..end]).expect("a node name is ASCII by construction")
    }

    /// Returns whether this is the name of a family, or that of a further node of it: `dispatch` and
    /// `dispatch-2` are of the family `dispatch`.
    #[must_use]
    pub fn is_of(&self, family: Self) -> bool {
        let rest = self.as_str().strip_prefix(family.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Returns the name, padded with zeros to the longest name.
    #[must_use]
    pub fn padded(&self) -> &[u8; NODE_NAME_BYTES_MAX] {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The limit counts bytes; the error reports characters, as typed.
        if text.is_empty() || text.len() > NODE_NAME_BYTES_MAX {
            return Err(NodeNameError::Length(text.chars().count()));
        }
        if let Some(c) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(NodeNameError::Character(c));
        }
        let mut name = [0; NODE_NAME_BYTES_MAX];
        name[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(name))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for NodeName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An incarnation of a node: one run between two losses of memory. Its number is the wall time of
/// its start in milliseconds, raised where needed so that each restart has a higher number than the
/// run before it. 80 random bits follow, so that two processes of one name that start in the same
/// millisecond are two incarnations.
///
/// Incarnations of processes have even numbers. The odd ones are for obituaries, which mark the end
/// of a forgotten member. So no process can start with the incarnation of an obituary, whatever its
/// clock reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u128);

impl Incarnation {
    /// The number of random bits.
    const RANDOM_BITS: u32 = 80;
    /// The highest number (the year 10889).
    const NUMBER_MAX: u64 = (1 << 48) - 1;

    /// Returns the lowest incarnation with this number. Its random bits are zero.
    #[must_use]
    pub const fn at(number: u64) -> Self {
        let number = if number > Self::NUMBER_MAX { Self::NUMBER_MAX } else { number };
        Self((number as u128) << Self::RANDOM_BITS)
    }

    /// Returns the incarnation of a process started at this wall time, later than `above`: the
    /// time, rounded up to an even number of milliseconds, and the lowest 80 bits of `random`.
    #[must_use]
    pub fn begun_at(wall: UnixMillis, above: Option<Self>, random: u128) -> Self {
        let even = wall.0.saturating_add(1) & !1;
        let later = above.map_or(0, |above| above.number().saturating_add(2) & !1);
        Self::at(even.max(later)).with_random(random)
    }

    /// Returns an incarnation with the same number, and the lowest 80 bits of `random`.
    #[must_use]
    pub const fn with_random(self, random: u128) -> Self {
        let mask = (1 << Self::RANDOM_BITS) - 1;
        Self(self.0 & !mask | random & mask)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.0 >> Self::RANDOM_BITS) as u64
    }

    /// Returns the number and the random bits, big-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Returns the incarnation with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Returns the lowest obituary that is later than this incarnation: the next odd number.
    #[must_use]
    pub fn next_obituary(self) -> Self {
        Self::at(self.number().saturating_add(1) | 1)
    }
}

/// Displays the number.
impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// Displays the number, and the random bits if there are any.
impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let random = self.0 & ((1 << Self::RANDOM_BITS) - 1);
        self.number().fmt(f)?;
        if random == 0 { Ok(()) } else { write!(f, "-{random:020x}") }
    }
}

impl Serialize for Incarnation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <[u8; 16]>::deserialize(deserializer).map(Self::from_bytes)
    }
}

/// The writer of a stamp: one incarnation of one node.
///
/// With the node alone, the first write after a restart would make every version vector cover the
/// writes that the node lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The node.
    pub node: NodeName,
    /// Its incarnation.
    pub incarnation: Incarnation,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.incarnation)
    }
}

/// Displays the random bits of the incarnation as well.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:?}", self.node, self.incarnation)
    }
}

/// The key of an entry: a UUID, usually a random one. UUIDs of version 8 are the keys of records in
/// [tables](crate::Table); applications must use others for their own values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(Uuid);

impl Key {
    /// The lowest key: 16 zeros.
    pub const MIN: Self = Self(Uuid::nil());

    /// Returns the key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the key with the big-endian bytes of `number`.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns the key as a UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for Key {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

/// Parses a UUID in any of its usual forms.
impl FromStr for Key {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_round_trip_and_sort_as_text() {
        let mut names: Vec<NodeName> = ["metropolis", "capitol", "gotham", "city-10", "city-1"]
            .map(|n| n.parse().unwrap())
            .to_vec();
        names.sort();
        let texts: Vec<&str> = names.iter().map(NodeName::as_str).collect();
        assert_eq!(texts, ["capitol", "city-1", "city-10", "gotham", "metropolis"]);
    }

    #[test]
    fn invalid_node_name_is_refused_with_reason() {
        assert_eq!("".parse::<NodeName>(), Err(NodeNameError::Length(0)));
        assert_eq!("a-name-of-17-char".parse::<NodeName>(), Err(NodeNameError::Length(17)));
        assert_eq!("Gotham".parse::<NodeName>(), Err(NodeNameError::Character('G')));
        assert_eq!("a\0b".parse::<NodeName>(), Err(NodeNameError::Character('\0')));
    }

    #[test]
    fn incarnations_and_obituaries_increase_and_stay_distinct() {
        for wall in [0, 1, 2, 1_795_217_670_917] {
            let incarnation = Incarnation::begun_at(UnixMillis(wall), None, u128::MAX);
            let number = incarnation.number();
            assert!(
                number.is_multiple_of(2) && (wall..=wall + 1).contains(&number),
                "{incarnation}"
            );
            let next = |above| Incarnation::begun_at(UnixMillis(wall), Some(above), 0);
            let obituary = incarnation.next_obituary();
            assert_eq!(
                [next(incarnation), obituary, next(obituary), obituary.next_obituary()],
                [2, 1, 2, 3].map(|more| Incarnation::at(number + more))
            );
        }
    }

    #[test]
    fn incarnations_of_one_millisecond_differ_in_their_random_bits() {
        let wall = UnixMillis(1_795_217_670_918);
        let [low, high] = [1, 2].map(|random| Incarnation::begun_at(wall, None, random));
        assert!(low < high && low.number() == high.number() && high < low.next_obituary());
        assert_eq!(Incarnation::from_bytes(high.to_bytes()), high);
        assert_eq!(
            [format!("{high}"), format!("{high:?}")],
            ["1795217670918", "1795217670918-00000000000000000002"]
        );
    }

    #[test]
    fn incarnation_number_is_at_most_its_limit() {
        let last = Incarnation::at(u64::MAX);
        assert_eq!(last.number(), (1 << 48) - 1);
        assert!(last.next_obituary() >= last);
        assert!(Incarnation::begun_at(UnixMillis(u64::MAX), Some(last), 7).number() < 1 << 48);
    }
}
