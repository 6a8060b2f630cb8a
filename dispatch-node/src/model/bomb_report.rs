//! The heroes that the last bombs put at risk.
//!
//! Invariant: the number of bombs, and of heroes per bomb, is bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use gossip::NodeName;
use shared::hero::{HeroId, HeroName};

/// The number of heroes remembered per bomb, and the number of remembered bombs.
const AT_STAKE_MAX: usize = 200;
const BOMB_REPORTS_MAX: usize = 8;

/// The heroes that no node but the bombed city held.
#[derive(Clone, Debug)]
pub struct BombReport {
    /// The city that was bombed.
    pub city: NodeName,
    /// The number of the bomb's event in the event log.
    pub event: u64,
    /// The heroes that only the city held when it was hit; truncated if there are very many.
    pub only_there: Vec<(HeroId, HeroName)>,
    /// The number of all such heroes.
    pub count: usize,
}

/// The reports on the last bombs, newest last.
#[derive(Debug, Default)]
pub(crate) struct BombReports(VecDeque<Arc<BombReport>>);

impl BombReports {
    /// Adds the report on a bomb.
    pub(crate) fn push(
        &mut self,
        city: NodeName,
        event: u64,
        mut only_there: Vec<(HeroId, HeroName)>,
    ) {
        let count = only_there.len();
        only_there.truncate(AT_STAKE_MAX);
        self.0.push_back(Arc::new(BombReport { city, event, only_there, count }));
        if self.0.len() > BOMB_REPORTS_MAX {
            self.0.pop_front();
        }
    }

    /// Returns the reports, newest last.
    pub(crate) fn to_vec(&self) -> Vec<Arc<BombReport>> {
        self.0.iter().cloned().collect()
    }
}

/// Returns the sentence that reports a bombed city.
#[must_use]
pub fn destroyed(city: NodeName) -> String {
    format!("{city} has been destroyed")
}

/// Returns the same sentence for the event log, with the heroes that only the city held.
pub(crate) fn destroyed_with(city: NodeName, only_there: &[(HeroId, HeroName)]) -> String {
    match only_there {
        [] => destroyed(city),
        [(_, name)] => format!("{}; no other node held {name}", destroyed(city)),
        many => format!("{}; no other node held {} of its heroes", destroyed(city), many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_keeps_the_first_heroes_and_counts_all() {
        let gotham = "gotham".parse().unwrap();
        let heroes = vec![(HeroId::MIN, HeroName::from("Granite")); 300];
        assert_eq!(destroyed_with(gotham, &heroes[..0]), "gotham has been destroyed");
        assert_eq!(
            destroyed_with(gotham, &heroes[..1]),
            "gotham has been destroyed; no other node held Granite"
        );
        assert_eq!(
            destroyed_with(gotham, &heroes),
            "gotham has been destroyed; no other node held 300 of its heroes"
        );
        let mut bomb_reports = BombReports::default();
        (0..9).for_each(|event| bomb_reports.push(gotham, event, heroes.clone()));
        let kept = bomb_reports.to_vec();
        assert_eq!(
            (kept.len(), kept[0].event, kept[0].only_there.len(), kept[0].count),
            (8, 1, 200, 300)
        );
    }
}
