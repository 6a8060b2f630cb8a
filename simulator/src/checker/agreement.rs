//! Strong eventual consistency: replicas that cover the same hold the same.

use std::collections::BTreeMap;

use gossip::{Fingerprint, VersionVector};

/// Compares each with each.
///
/// # Errors
/// Names two that cover the same and hold something else.
pub fn equal_vectors_mean_equal_maps<'a>(
    replicas: impl Iterator<Item = (&'a str, &'a VersionVector, Fingerprint)>,
) -> Result<(), String> {
    let mut seen: BTreeMap<u64, (&str, Fingerprint)> = BTreeMap::new();
    for (name, vector, fingerprint) in replicas {
        let (other, theirs) = *seen.entry(vector.hash()).or_insert((name, fingerprint));
        if theirs != fingerprint {
            return Err(format!("{name} and {other} cover the same and hold something else"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::{map_with, stamp};
    use shared::Map;

    #[test]
    fn replicas_that_cover_the_same_and_differ_are_caught() {
        let vector = VersionVector::from_iter([stamp("a", 10)]);
        let (full, empty) = (map_with(stamp("a", 10)).fingerprint(), Map::default().fingerprint());
        assert!(
            equal_vectors_mean_equal_maps([("x", &vector, full), ("y", &vector, full)].into_iter())
                .is_ok()
        );
        assert!(
            equal_vectors_mean_equal_maps(
                [("x", &vector, full), ("y", &vector, empty)].into_iter()
            )
            .is_err()
        );
    }
}
