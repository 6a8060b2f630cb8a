//! The middleware that applies the access policy to the page and the API.

pub(crate) mod command_limit;
pub(crate) mod middleware;
