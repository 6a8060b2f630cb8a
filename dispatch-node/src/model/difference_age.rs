//! The heroes whose entries differ between cities, and the time since which they differ.
//!
//! Invariant: `began` counts the times in `since`, so the oldest time is found without a scan.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use shared::hero::HeroId;

/// The heroes whose entries differ between cities.
#[derive(Debug, Default)]
pub(crate) struct DifferenceAges {
    since: BTreeMap<HeroId, Duration>,
    began: BTreeMap<Duration, usize>,
}

impl DifferenceAges {
    /// Notes whether the cities hold different entries of this hero.
    pub(crate) fn note(&mut self, hero: HeroId, differs: bool, now: Duration) {
        match self.since.entry(hero) {
            Entry::Vacant(vacant) if differs => {
                vacant.insert(now);
                *self.began.entry(now).or_default() += 1;
            }
            Entry::Occupied(occupied) if !differs => {
                let since = occupied.remove();
                if let Entry::Occupied(mut count) = self.began.entry(since) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
            Entry::Vacant(_) | Entry::Occupied(_) => {}
        }
    }

    /// Returns the time at which the oldest present difference began.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.began.first_key_value().map(|(since, _)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn oldest_equals_that_of_a_full_scan(
            steps in prop::collection::vec((0_u8..6, any::<bool>(), 0_u64..5), 0..60),
        ) {
            let (mut differing, mut naive) = (DifferenceAges::default(), BTreeMap::new());
            let mut now = 0;
            for (hero, differs, later) in steps {
                now += later;
                let (hero, at) = (HeroId::from_bytes([hero; 16]), Duration::from_secs(now));
                differing.note(hero, differs, at);
                if differs {
                    naive.entry(hero).or_insert(at);
                } else {
                    naive.remove(&hero);
                }
                prop_assert_eq!(differing.oldest(), naive.values().min().copied());
                prop_assert_eq!(differing.began.values().sum::<usize>(), naive.len());
            }
        }
    }
}
