//! What one city has, and what it lacks, in comparison with the other nodes.

use crate::model::node_state::NodeStatus;
use crate::model::rows::Pattern;
use crate::model::tables::TypeTable;
use crate::model::view::View;

/// The newest writes that a city has and another node lacks, and those that it lacks itself, heroes
/// and records of the tables together. The newest write to a key wins when all nodes have exchanged
/// theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// The newest writes that it holds, and another node does not.
    pub ahead: usize,
    /// The newest writes that another node holds, and it does not.
    pub behind: usize,
}

impl Gap {
    /// Returns the gap of the city in this column; `None` while its content is not known.
    #[must_use]
    pub fn of(view: &View, city: usize) -> Option<Self> {
        let is_up = view.cities.get(city)?.status == NodeStatus::Up;
        if !is_up || !*view.counted.get(city)? {
            return None;
        }
        let counting = TypeTable::ALL.into_iter().filter(|table| table.counts());
        let records = counting.flat_map(|table| view.tables.patterns(table));
        let mut gap = Self::default();
        for (pattern, rows) in view.rows.patterns().chain(records) {
            match newest(pattern, city, &view.counted) {
                Newest::Everywhere => {}
                Newest::Here => gap.ahead += rows,
                Newest::Elsewhere => gap.behind += rows,
            }
        }
        Some(gap)
    }

    /// Returns the city that has and lacks the most, and its gap; `None` if no city has or lacks any.
    #[must_use]
    pub fn widest(view: &View) -> Option<(usize, Self)> {
        let gaps = (0..view.cities.len()).filter_map(|city| Some((city, Self::of(view, city)?)));
        // Of equal ones the first.
        gaps.filter(|(_, gap)| *gap != Self::default())
            .rev()
            .max_by_key(|(_, gap)| (gap.behind, gap.ahead))
    }
}

/// Where the newest entry of a key is, seen from one city.
enum Newest {
    Everywhere,
    /// Here, and not at every other node.
    Here,
    Elsewhere,
}

fn newest(pattern: &Pattern, city: usize, counted: &[bool]) -> Newest {
    if !pattern.state(counted).differs() {
        return Newest::Everywhere;
    }
    // Dispatch comes first.
    if pattern.newest_at(counted).nth(city + 1).unwrap_or_default() {
        Newest::Here
    } else {
        Newest::Elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, live, stamp};

    #[test]
    fn newest_write_is_ahead_where_it_is_and_behind_where_it_is_not() {
        let older = live(stamp("gotham", 5_000), 84, None);
        let newer = live(stamp("gotham", 4_000), 70, Some(&older));
        let fixture = Fixture::new()
            .hold(1, "Ada", [Some(&older); 4])
            .hold(2, "Bela", [Some(&newer), Some(&older), Some(&older), Some(&older)])
            .hold(3, "Cleo", [None, Some(&newer), Some(&newer), Some(&newer)]);
        let gaps: Vec<_> = (0..3).map(|city| Gap::of(&fixture.view, city)).collect();
        let gap = |ahead, behind| Some(Gap { ahead, behind });
        assert_eq!(gaps, [gap(1, 1), gap(1, 1), gap(1, 1)]);
        assert_eq!(Gap::widest(&fixture.view), Some((0, Gap { ahead: 1, behind: 1 })));
        assert_eq!(Gap::of(&fixture.view, 3), None);
        let silent = fixture.status("gotham", NodeStatus::Unreachable);
        assert_eq!(Gap::of(&silent.view, 0), None, "its content is not known");
    }

    #[test]
    fn without_differences_no_gap_is_the_widest() {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let fixture = Fixture::new().hold(1, "Ada", [Some(&entry); 4]);
        assert_eq!(Gap::widest(&fixture.view), None);
    }
}
