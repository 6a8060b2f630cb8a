//! Collection is safe: what was collected was covered, and by every other member that the collector
//! knew.

use gossip::{Origin, Stamp, VersionVector};

/// Checks that what was collected was covered.
///
/// # Errors
/// Names both vectors.
pub fn horizon_is_covered(horizon: &VersionVector, vector: &VersionVector) -> Result<(), String> {
    if vector.covers_all(horizon) {
        Ok(())
    } else {
        Err(format!("has collected {horizon:?} and covers only {vector:?}"))
    }
}

/// Checks, just after a collection, that each life that the collector knows of covers what is gone.
/// (A life that it does not know of began empty and learns of it by the horizon.) `members` are the
/// others that count, each in its present life with its vector.
///
/// # Errors
/// Names the member that does not cover it.
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
                "collected {unreplicated}, which {incarnation} has not heard of; it covers {vector:?}"
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
    fn a_horizon_beyond_the_vector_is_caught() {
        let (less, more) = (
            VersionVector::from_iter([stamp("a", 10)]),
            VersionVector::from_iter([stamp("a", 11)]),
        );
        assert!(horizon_is_covered(&more, &less).is_err());
        assert!(horizon_is_covered(&less, &more).is_ok());
    }

    #[test]
    fn a_member_who_has_not_heard_is_caught_and_a_life_unknown_to_the_collector_is_not() {
        let collected = [stamp("a", 10)];
        let heard = VersionVector::from_iter(collected);
        let collector = VersionVector::from_iter([stamp("a", 10), stamp("b", 1)]);
        let (b, unreplicated) = (stamp("b", 1).origin, VersionVector::new());
        assert!(all_have_seen(&collected, &collector, [(b, &unreplicated)].into_iter()).is_err());
        assert!(all_have_seen(&collected, &collector, [(b, &heard)].into_iter()).is_ok());
        let newborn = Origin { incarnation: Incarnation(2), ..b };
        assert!(
            all_have_seen(&collected, &collector, [(newborn, &unreplicated)].into_iter()).is_ok()
        );
    }
}
