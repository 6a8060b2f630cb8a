//! The middleware that applies the access policy to the page and the API.

pub(crate) mod middleware;
