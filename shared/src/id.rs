//! Names: of nodes, of their lives, and of heroes. All are `Copy`, so the core never clones a string to say who.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::UnixMillis;

/// The longest node name, in bytes.
pub const NODE_NAME_BYTES_MAX: usize = 16;

/// The name of a node: 1 to 16 of `a-z`, `0-9`, `-`. At any time at most one living process carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName([u8; NODE_NAME_BYTES_MAX]);

/// Why a text is not a node name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// The text is empty or longer than [`NODE_NAME_BYTES_MAX`].
    #[error("a node name has 1 to {NODE_NAME_BYTES_MAX} characters, not {0}")]
    Length(usize),
    /// The text holds a character that node names do not have.
    #[error("a node name has only a-z, 0-9 and -, not {0:?}")]
    Character(char),
}

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(NODE_NAME_BYTES_MAX);
        std::str::from_utf8(&self.0[..end]).expect("a node name is ASCII by construction")
    }

    /// The name and zeros after it, up to the longest name.
    #[must_use]
    pub fn padded(&self) -> &[u8; NODE_NAME_BYTES_MAX] {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
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

/// One life of a node: a restart that lost memory begins a new, higher one. It is the wall time of that start
/// in milliseconds, raised where needed so that no two lives of a name share it.
///
/// Lives have even numbers. The odd ones are left to obituaries, which name the end of a member and not a life: so no process can ever
/// begin, under whatever clock, the life that an obituary has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The life that begins at this wall time, or up to a millisecond later.
    #[must_use]
    pub fn begun_at(wall: UnixMillis) -> Self {
        Self(wall.0.saturating_add(1) & !1)
    }

    /// The first life after this one, or after this obituary.
    #[must_use]
    pub fn next_life(self) -> Self {
        Self(self.0.saturating_add(2) & !1)
    }

    /// The first obituary after this life, or after this obituary.
    #[must_use]
    pub fn next_obituary(self) -> Self {
        Self(self.0.saturating_add(1) | 1)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who stamped a write: one life of one node. Without the incarnation, a bombed node's first new write would
/// claim, in every version vector, the writes that its dead self made and it has lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The node.
    pub node: NodeName,
    /// Its life.
    pub incarnation: Incarnation,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.incarnation)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The key of a hero: a UUID, made once, never used again after its hero's death.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HeroId(pub Uuid);

impl FromStr for HeroId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for HeroId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HeroId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_is_what_was_parsed_and_sorts_as_text_does() {
        let mut names: Vec<NodeName> = ["metropolis", "capitol", "gotham", "city-10", "city-1"].map(|n| n.parse().unwrap()).to_vec();
        names.sort();
        let texts: Vec<&str> = names.iter().map(NodeName::as_str).collect();
        assert_eq!(texts, ["capitol", "city-1", "city-10", "gotham", "metropolis"]);
    }

    #[test]
    fn a_text_that_is_no_node_name_is_refused_with_the_reason() {
        assert_eq!("".parse::<NodeName>(), Err(NodeNameError::Length(0)));
        assert_eq!("a-name-of-17-char".parse::<NodeName>(), Err(NodeNameError::Length(17)));
        assert_eq!("Gotham".parse::<NodeName>(), Err(NodeNameError::Character('G')));
        assert_eq!("a\0b".parse::<NodeName>(), Err(NodeNameError::Character('\0')));
    }

    #[test]
    fn lives_and_obituaries_rise_and_never_share_a_number() {
        for wall in [0, 1, 2, 1_795_217_670_917] {
            let life = Incarnation::begun_at(UnixMillis(wall));
            assert!(life.0.is_multiple_of(2) && (wall..=wall + 1).contains(&life.0), "{life}");
            let of_life = [life.next_life(), life.next_obituary()];
            assert_eq!(of_life, [Incarnation(life.0 + 2), Incarnation(life.0 + 1)]);
            let of_obituary = [of_life[1].next_life(), of_life[1].next_obituary()];
            assert_eq!(of_obituary, [Incarnation(life.0 + 2), Incarnation(life.0 + 3)]);
        }
    }
}
