//! Access control: the tokens that grant a role, the policy that requires one, and the middleware
//! that applies it.

pub mod cors;
pub mod guard;
pub mod options;
pub mod origin;
pub mod policy;
pub mod refusal_log;
pub mod tokens;
