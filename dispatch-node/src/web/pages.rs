//! The handlers of the page and of its forms.

pub(crate) mod forms;
pub(crate) mod index;
pub(crate) mod sign_in;
