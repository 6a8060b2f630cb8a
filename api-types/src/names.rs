//! The enumerated words of the API: cities, nodes and kinds of fault.

/// The cities of every cluster.
pub const CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];
/// The nodes of every cluster.
pub const NODES: [&str; 4] = ["gotham", "metropolis", "capitol", "dispatch"];
/// The kinds of fault.
pub const FAULT_KINDS: [&str; 8] =
    ["cut", "delay", "loss", "duplicate", "reorder", "throttle", "freeze", "skew"];
/// The target of a fault that affects the links to every other node.
pub const ALL: &str = "*";
