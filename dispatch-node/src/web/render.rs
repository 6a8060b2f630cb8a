//! Views as HTML. There are no handlers here: a function takes what dispatch knows and returns
//! markup.

pub(crate) mod at_risk;
pub(crate) mod cluster;
pub(crate) mod events;
pub(crate) mod fault_forms;
pub(crate) mod faults;
pub(crate) mod forecast;
pub(crate) mod forecast_curve;
pub(crate) mod gossip;
pub(crate) mod heroes;
pub(crate) mod html;
pub(crate) mod inspector;
pub(crate) mod lost_writes;
pub(crate) mod page;
pub(crate) mod phrase;
pub(crate) mod status;
pub(crate) mod svg;
pub(crate) mod timeline;
pub(crate) mod topology;
pub(crate) mod wording;
