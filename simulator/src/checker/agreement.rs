//! Strong eventual consistency: replicas with equal version vectors hold equal maps.

use std::collections::BTreeMap;

use gossip::{Fingerprint, VersionVector};

/// Compares the fingerprints of all replicas with equal vectors.
///
/// # Errors
/// Returns the names of two replicas that cover the same writes and hold different entries.
pub fn equal_vectors_mean_equal_maps<'a>(
    replicas: impl Iterator<Item = (&'a str, &'a VersionVector, Fingerprint)>,
) -> Result<(), String> {
    let mut seen: BTreeMap<u64, (&str, Fingerprint)> = BTreeMap::new();
    for (name, vector, fingerprint) in replicas {
        let (other, expected) = *seen.entry(vector.hash()).or_insert((name, fingerprint));
        if expected != fingerprint {
            return Err(format!(
                "{name} and {other} cover the same writes but hold different entries"
            ));
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
    fn equal_vectors_with_different_maps_are_rejected() {
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
