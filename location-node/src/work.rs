//! The work that cities do for any node that calls them: finding a prime, hashing a password, and
//! drawing a tile of a picture. Arguments and results are JSON.
//!
//! Invariant: the work of one call is bounded by its arguments, and ends soon after it is cancelled.

mod tile;

use std::num::NonZeroU32;

use data_encoding::HEXLOWER;
use gossip::NodeName;
use gossip::link::{Cluster, Context, Handled};
use ring::pbkdf2;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use tile::Tile;

/// The largest number above which a prime is searched: 2^53, up to which JSON numbers are exact.
const NUMBER_MAX: u64 = 1 << 53;
/// The number of divisions between two looks at whether the call was cancelled.
const DIVISIONS: usize = 1 << 16;
/// The longest password, in bytes.
const PASSWORD_BYTES_MAX: usize = 1_024;
/// The number of rounds of PBKDF2-HMAC-SHA256.
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).expect("it is not zero");

/// Registers the handlers of a city.
pub(crate) fn register(cluster: &Cluster) {
    cluster.handle_blocking("prime", |context, args| {
        let Above { above } = parsed(args)?;
        if above > NUMBER_MAX {
            return Err(format!("above must be at most {NUMBER_MAX}"));
        }
        answer(&Prime { prime: prime_above(above, || context.is_cancelled())? })
    });
    cluster.handle_blocking("hash", |_, args| answer(&hash(&parsed(args)?)?));
    let me = cluster.node();
    cluster.handle_blocking("tile", move |context, args| draw(me, context, args));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Above {
    above: u64,
}

#[derive(Serialize)]
struct Prime {
    prime: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
    /// What makes equal passwords different.
    #[serde(default)]
    salt: String,
}

#[derive(Serialize)]
struct Hash {
    algorithm: &'static str,
    rounds: u32,
    hash: String,
}

fn parsed<T: DeserializeOwned>(args: &[u8]) -> Result<T, String> {
    serde_json::from_slice(args).map_err(|error| format!("invalid arguments: {error}"))
}

fn answer(result: &impl Serialize) -> Handled {
    Ok(serde_json::to_vec(result).expect("a result is JSON"))
}

/// Returns the smallest prime above a number, by trial division.
fn prime_above(above: u64, is_cancelled: impl Fn() -> bool) -> Result<u64, String> {
    let mut divisions = 0;
    'candidates: for candidate in above + 1.. {
        let mut divisor = 2;
        while divisor * divisor <= candidate {
            if candidate % divisor == 0 {
                continue 'candidates;
            }
            divisor += if divisor == 2 { 1 } else { 2 };
            divisions += 1;
            if divisions % DIVISIONS == 0 && is_cancelled() {
                return Err("cancelled".to_owned());
            }
        }
        if candidate >= 2 {
            return Ok(candidate);
        }
    }
    unreachable!("there is a prime above every number")
}

fn hash(Password { password, salt }: &Password) -> Result<Hash, String> {
    if password.len().max(salt.len()) > PASSWORD_BYTES_MAX {
        return Err(format!("password and salt must have at most {PASSWORD_BYTES_MAX} bytes"));
    }
    let mut hash = [0; 32];
    let (salt, password) = (salt.as_bytes(), password.as_bytes());
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, password, &mut hash);
    let hash = HEXLOWER.encode(&hash);
    Ok(Hash { algorithm: "PBKDF2-HMAC-SHA256", rounds: ROUNDS.get(), hash })
}

fn draw(me: NodeName, context: &Context, args: &[u8]) -> Handled {
    let tile: Tile = parsed(args)?;
    answer(&tile.draw(me, || context.is_cancelled())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_prime_above_a_number_is_found() {
        for (above, prime) in [(0, 2), (1, 2), (2, 3), (7, 11), (89, 97), (1_000_000, 1_000_003)] {
            assert_eq!(prime_above(above, || false), Ok(prime));
        }
        let cancelled = prime_above(NUMBER_MAX, || true);
        assert_eq!(cancelled, Err("cancelled".to_owned()));
    }

    #[test]
    fn passwords_are_hashed_by_the_standard() {
        let password = |salt: &str, password: &str| {
            let password = Password { password: password.to_owned(), salt: salt.to_owned() };
            hash(&password).map(|hash| hash.hash)
        };
        // Of Python's hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 200_000).
        let expected = "ca64cfe28ca5559c62fba4afcb19f26889a67d5b135e571bffb087647e01becd";
        assert_eq!(password("salt", "password"), Ok(expected.to_owned()));
        assert_ne!(password("salt 2", "password"), Ok(expected.to_owned()));
        assert!(password("", &"x".repeat(PASSWORD_BYTES_MAX + 1)).is_err());
    }
}
