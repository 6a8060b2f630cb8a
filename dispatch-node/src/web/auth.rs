//! Access control: the tokens that grant a role, the policy that requires one, and the middleware
//! that applies it.

pub(crate) mod middleware;
pub(crate) mod policy;
pub(crate) mod tokens;
