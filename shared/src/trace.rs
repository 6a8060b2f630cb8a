//! Where a piece of work stands in a trace, as data that can be sent along: the core carries it and never looks at it.
//!
//! Invariant: it names a span that is recorded. Work of which no trace is kept carries none, so there is no flag to say so.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use serde::{Deserialize, Serialize};

/// The span in whose course something is asked for. Spans of what is done about it are its children.
///
/// The two ids are those of [W3C Trace Context](https://www.w3.org/TR/trace-context/), which does not allow either to be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceContext {
    /// The trace as a whole.
    pub trace: NonZeroU128,
    /// The span within it.
    pub span: NonZeroU64,
}

impl TraceContext {
    /// The id of the trace as tools show it: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> impl fmt::Display {
        let trace = self.trace;
        fmt::from_fn(move |out| write!(out, "{trace:032x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_as_tools_name_it() {
        let context = TraceContext { trace: NonZeroU128::new(0xab).unwrap(), span: NonZeroU64::new(7).unwrap() };
        assert_eq!(context.trace_id().to_string(), "000000000000000000000000000000ab");
    }
}
