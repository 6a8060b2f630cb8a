//! The handlers of the page and of its forms.

pub(crate) mod charts;
pub(crate) mod faults;
pub(crate) mod forms;
pub(crate) mod gossip;
pub(crate) mod index;
pub(crate) mod live;
pub(crate) mod me;
pub(crate) mod replay;
pub(crate) mod scenarios;
pub(crate) mod sign_in;
pub(crate) mod stamps;
pub(crate) mod types;
pub(crate) mod work;
