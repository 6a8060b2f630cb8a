//! The list of all contestants.

use crate::contestant::Contestant;
use crate::ours::Ours;
#[cfg(feature = "peers")]
use crate::peers;
use crate::whole_map::{Json, Postcard, WholeMap};

/// Returns all contestants, this project first.
pub(crate) fn all() -> Vec<Contestant> {
    let first = [
        Contestant::of::<Ours>(),
        Contestant::of::<WholeMap<Postcard>>(),
        Contestant::of::<WholeMap<Json>>(),
    ];
    #[cfg(feature = "peers")]
    return first.into_iter().chain(peers::all()).collect();
    #[cfg(not(feature = "peers"))]
    first.into()
}
