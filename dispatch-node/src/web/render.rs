//! Rendering of views as HTML.
//!
//! Invariant: rendering is pure. A function takes a view and returns markup; the handlers are in
//! [`pages`](crate::web::pages).

pub(crate) mod at_risk;
pub(crate) mod charts;
pub(crate) mod cluster;
pub(crate) mod counterfactual;
pub(crate) mod events;
pub(crate) mod fault_forms;
pub(crate) mod faults;
pub(crate) mod forecast;
pub(crate) mod forecast_curve;
pub(crate) mod gaps;
pub(crate) mod gossip;
pub(crate) mod heroes;
pub(crate) mod html;
pub(crate) mod inspector;
pub(crate) mod lost_writes;
pub(crate) mod page;
pub(crate) mod phrase;
pub(crate) mod status;
pub(crate) mod svg;
pub(crate) mod tables;
pub(crate) mod timeline;
pub(crate) mod topology;
pub(crate) mod wording;
