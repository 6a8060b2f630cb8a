//! The interface of every measured implementation.

/// The number of replicas.
pub(crate) const REPLICAS: usize = 3;

/// The time of the first operation, in milliseconds since the start of the replicas. It is longer
/// than the accepted drift of this project's replicas, which their first stamp must exceed.
pub(crate) const FIRST_MS: u64 = 10_000;

/// A replica of one of the compared types.
pub(crate) trait Peer: Sized {
    /// The name in the tables.
    const NAME: &'static str;

    /// Returns three empty replicas that know each other. Where the containers are created by an
    /// operation, all three hold the same ones.
    fn three() -> [Self; REPLICAS];

    /// Lets both replicas catch up with each other, and returns the number of bytes sent by both.
    /// All messages are encoded and decoded as on a link.
    fn sync(&mut self, other: &mut Self) -> usize;
}
