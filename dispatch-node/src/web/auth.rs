//! Access: the tokens that give a role, and the middleware that asks for one.

pub(crate) mod middleware;
pub(crate) mod tokens;
