//! Safe tombstone collection: a collected tombstone was covered by the collector and by every other
//! member that the collector has seen.

use gossip::{Horizon, Origin, Stamp, VersionVector};

/// Checks that the vector covers the horizon, that is, every collected tombstone.
///
/// # Errors
/// Returns both vectors.
pub fn horizon_is_covered(horizon: &Horizon, vector: &VersionVector) -> Result<(), String> {
    if horizon.is_covered_by(vector) {
        Ok(())
    } else {
        Err(format!("collected {horizon:?} but covers only {vector:?}"))
    }
}

/// Checks, right after a collection, that every incarnation that the collector has seen covers the
/// collected tombstones. An incarnation that the collector has not seen started empty and receives
/// the horizon. `members` contains the current incarnation and vector of each other member that
/// counts.
///
/// # Errors
/// Returns the member that does not cover a collected tombstone.
pub fn all_have_seen<'a>(
    collected: &[Stamp],
    collector: &VersionVector,
    members: impl Iterator<Item = (Origin, &'a VersionVector)>,
) -> Result<(), String> {
    for (incarnation, vector) in members {
        if collector.slot(incarnation).is_some()
            && let Some(unreplicated) = collected.iter().find(|stamp| !vector.covers(**stamp))
        {
            return Err(format!(
                "collected {unreplicated}, which {incarnation} has not seen; it covers {vector:?}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::stamp;
    use gossip::Incarnation;

    #[test]
    fn horizon_beyond_vector_is_rejected() {
        let (less, more) = (
            VersionVector::from_iter([stamp("a", 10)]),
            VersionVector::from_iter([stamp("a", 11)]),
        );
        let collected = |collected: &VersionVector| Horizon {
            collected: collected.clone(),
            closed: VersionVector::new(),
        };
        assert!(horizon_is_covered(&collected(&more), &less).is_err());
        assert!(horizon_is_covered(&collected(&less), &more).is_ok());
    }

    #[test]
    fn only_incarnations_seen_by_collector_must_cover() {
        let collected = [stamp("a", 10)];
        let covering = VersionVector::from_iter(collected);
        let collector = VersionVector::from_iter([stamp("a", 10), stamp("b", 1)]);
        let (b, unreplicated) = (stamp("b", 1).origin, VersionVector::new());
        assert!(all_have_seen(&collected, &collector, [(b, &unreplicated)].into_iter()).is_err());
        assert!(all_have_seen(&collected, &collector, [(b, &covering)].into_iter()).is_ok());
        let unseen = Origin { incarnation: Incarnation::at(2), ..b };
        assert!(
            all_have_seen(&collected, &collector, [(unseen, &unreplicated)].into_iter()).is_ok()
        );
    }
}
