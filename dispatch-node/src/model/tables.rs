//! The records of the library's types at all nodes, as rows of their tables.
//!
//! Invariant: the row of a key matches the entries from which it was last built.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip::types::{counter, names, presence, registers, room, set};
use gossip::{Key, Stamp, Table};
use shared::{Entry, Value};

use crate::model::rows::{Pattern, RowState, Rows};

/// A table that is shown. Each is a type of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TypeTable {
    /// Counters.
    Counters,
    /// Add-wins sets.
    Sets,
    /// Last-writer-wins tables.
    Tables,
    /// Chat rooms.
    Radio,
    /// Presence.
    Presence,
    /// Global names.
    Names,
}

/// The name of a row: that of its counter, set, table, room or topic, and that of its element or
/// key. Empty where a type has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Title {
    /// The name of the counter, set, table, room or topic.
    pub group: Arc<str>,
    /// The element, the key, or the global name.
    pub member: Arc<str>,
}

impl TypeTable {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 6] =
        [Self::Counters, Self::Sets, Self::Tables, Self::Radio, Self::Presence, Self::Names];

    fn table(self) -> Table {
        match self {
            Self::Counters => counter::TABLE,
            Self::Sets => set::TABLE,
            Self::Tables => registers::TABLE,
            Self::Radio => room::TABLE,
            Self::Presence => presence::TABLE,
            Self::Names => names::TABLE,
        }
    }

    /// Returns the table of a key; `None` for a hero, and for a table that is not shown.
    #[must_use]
    pub fn of(key: Key) -> Option<Self> {
        let table = key.table()?;
        Self::ALL.into_iter().find(|each| each.table() == table)
    }

    /// Returns its word in addresses and in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Sets => "sets",
            Self::Tables => "tables",
            Self::Radio => "radio",
            Self::Presence => "presence",
            Self::Names => "names",
        }
    }

    /// Returns its label on the page.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Counters => "Counters",
            Self::Sets => "Sets",
            Self::Tables => "Tables",
            Self::Radio => "Radio",
            Self::Presence => "Presence",
            Self::Names => "Names",
        }
    }

    /// Returns a short description of how its entries are merged, for the page.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Counters => {
                "A total is the sum of what each node has added. What one other node has received \
                 counts for ever; what a bomb has cost a counter is counted in “lost: NAME”."
            }
            Self::Sets => "An addition wins over a concurrent removal.",
            Self::Tables => "Of two writes to a key, the later one wins.",
            Self::Radio => {
                "The newest 100 messages of a room stay. No reply appears before its question."
            }
            Self::Presence => {
                "A page or client is present while its socket is open and its node is reachable."
            }
            Self::Names => {
                "A name has one holder. If both sides of a cut register it, the later one keeps it."
            }
        }
    }

    /// Returns whether its entries count for the verdict. Presence does not: opening a page would
    /// change the verdict that it shows.
    #[must_use]
    pub fn counts(self) -> bool {
        self != Self::Presence
    }

    /// Returns whether the loss of an acknowledged write is looked for. Counters count their own
    /// losses, and presence ends with its incarnation.
    #[must_use]
    pub fn can_lose_writes(self) -> bool {
        match self {
            Self::Sets | Self::Tables | Self::Radio | Self::Names => true,
            Self::Counters | Self::Presence => false,
        }
    }

    /// Returns the title of a record; `None` if it has none, like an empty place of presence.
    #[must_use]
    pub fn title(self, bytes: &[u8], stamp: Stamp) -> Option<Title> {
        let of = |group: &str, member: &str| Title { group: group.into(), member: member.into() };
        Some(match self {
            Self::Counters => of(counter::decode(bytes)?.0, ""),
            Self::Sets => {
                let (set, element) = set::decode(bytes)?;
                of(set, element)
            }
            Self::Tables => {
                let (table, key, _) = registers::decode(bytes)?;
                of(table, key)
            }
            Self::Radio => of(room::decode(bytes, stamp)?.0, ""),
            Self::Presence => {
                let (topic, content) = presence::decode(bytes)?;
                of(topic, &content?.0)
            }
            Self::Names => of("", names::decode(bytes, stamp)?.0),
        })
    }
}

/// The row of one key.
pub type Row = crate::model::rows::Row<Title>;

/// The rows of all tables. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct TableRows(BTreeMap<TypeTable, Rows<Title>>);

impl TableRows {
    /// Replaces the row of a key by these entries: that of dispatch, and those of the cities. Keys
    /// of tables that are not shown are ignored.
    pub fn put(&mut self, key: Key, own: Option<Arc<Entry>>, cells: Vec<Option<Arc<Entry>>>) {
        let Some(table) = TypeTable::of(key) else { return };
        let rows = self.0.entry(table).or_default();
        let mut held: Vec<&Arc<Entry>> = own.iter().chain(cells.iter().flatten()).collect();
        held.sort_by_key(|entry| std::cmp::Reverse(entry.rank()));
        let mut titles = held.into_iter().filter_map(|entry| match &entry.value {
            Value::Record(bytes) => table.title(bytes, entry.stamp),
            Value::Live(_) | Value::Tombstone | Value::Unset => None,
        });
        // A deleted entry has no title, so the row keeps that of before. Without one, the key keeps
        // it apart from other rows.
        let title = titles.next().or_else(|| rows.get(key).map(|row| row.name.clone()));
        let title =
            title.unwrap_or_else(|| Title { group: "".into(), member: key.to_string().into() });
        rows.put(key, Row::of(key, title, own, cells));
    }

    /// Rearranges the columns of the cities, as [`Rows::arrange`] does.
    pub fn arrange(&mut self, columns: &[Option<usize>]) {
        self.0.values_mut().for_each(|rows| rows.arrange(columns));
    }

    /// Returns the entry of dispatch in the row of a key.
    #[must_use]
    pub fn own(&self, key: Key) -> Option<&Arc<Entry>> {
        self.get(key)?.own.as_ref()
    }

    /// Returns the row of a key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Arc<Row>> {
        self.0.get(&TypeTable::of(key)?)?.get(key)
    }

    /// Returns the keys that have a row.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.0.values().flat_map(Rows::ids)
    }

    /// Returns the rows of a table, ordered by title.
    pub fn rows(&self, table: TypeTable) -> impl Iterator<Item = &Arc<Row>> {
        self.0.get(&table).into_iter().flat_map(Rows::iter)
    }

    /// Returns each pattern of a table with the number of its rows.
    pub fn patterns(&self, table: TypeTable) -> impl Iterator<Item = (&Pattern, usize)> {
        self.0.get(&table).into_iter().flat_map(Rows::patterns)
    }

    /// Returns the number of changes so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.values().map(Rows::changes).sum()
    }

    /// Returns the number of entries of a table that differ between the `counted` cities.
    #[must_use]
    pub fn differing(&self, table: TypeTable, counted: &[bool]) -> usize {
        let differs = |pattern: &Pattern| pattern.state(counted).differs();
        self.0.get(&table).map_or(0, |rows| rows.count(differs))
    }
}

/// Returns the state of two rows as one: the worse of them.
#[must_use]
pub fn worst(a: RowState, b: RowState) -> RowState {
    let severity = |state: &RowState| match state {
        RowState::Terminated => 0,
        RowState::Agreed => 1,
        RowState::Differs => 2,
        RowState::DeletePending => 3,
        RowState::OnlyCopy => 4,
    };
    std::cmp::max_by_key(a, b, severity)
}
