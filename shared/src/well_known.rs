//! The nodes of the default cluster: three cities and dispatch.

/// The names of the cities.
pub const WELL_KNOWN_CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];
/// The program of further cities, and of their table in the configuration file.
pub const LOCATION: &str = "location";
/// The name of the node that serves the page and controls the other nodes.
pub const DISPATCH: &str = "dispatch";
/// The name of the cluster, unless it is given another.
pub const CLUSTER: &str = "superhero";
/// The domain separator of this application's secrets.
pub const SECRET_DOMAIN: &str = "superhero cluster";
