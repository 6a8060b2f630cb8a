//! The words of which the API takes one: cities, nodes, and kinds of fault.

/// The cities of every cluster.
pub const CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];
/// The nodes of every cluster.
pub const NODES: [&str; 4] = ["gotham", "metropolis", "capitol", "dispatch"];
/// The kinds of fault.
pub const FAULT_KINDS: [&str; 8] =
    ["cut", "delay", "loss", "duplicate", "reorder", "throttle", "freeze", "skew"];
/// Every other node, as the far end of a fault.
pub const ALL: &str = "*";
