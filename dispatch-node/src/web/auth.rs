//! Access control: the tokens that grant a role, the policy that requires one, and the middleware
//! that applies it.

pub(crate) mod cors;
pub(crate) mod middleware;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod refusal_log;
pub(crate) mod tokens;
