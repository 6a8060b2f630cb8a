//! The names of the processes, and the development cookie.

/// The cities, in the order of the page.
pub const CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];
/// Every process.
pub const NODES: [&str; 4] = ["gotham", "metropolis", "capitol", "dispatch"];
/// The cookie of nodes that are not given another.
pub const DEVELOPMENT_COOKIE: &str = "superhero-cluster-development";
