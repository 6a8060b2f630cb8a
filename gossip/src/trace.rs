//! A position in a trace, as data that travels with commands. The core passes it on without reading
//! it.
//!
//! Invariant: a context names a recorded span. Work outside a recorded trace has no context, so no
//! "sampled" flag is needed.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use serde::{Deserialize, Serialize};

/// The span that a request belongs to: the parent of the spans of the work that the request causes.
///
/// The two ids are those of [W3C Trace Context](https://www.w3.org/TR/trace-context/), which
/// excludes zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceContext {
    /// The id of the trace.
    pub trace: NonZeroU128,
    /// The id of the span.
    pub span: NonZeroU64,
}

impl TraceContext {
    /// Returns the id of the trace as 32 hexadecimal digits, the usual form in tracing tools.
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
    fn trace_id_has_32_hex_digits() {
        let context = TraceContext {
            trace: NonZeroU128::new(0xab).unwrap(),
            span: NonZeroU64::new(7).unwrap(),
        };
        assert_eq!(context.trace_id().to_string(), "000000000000000000000000000000ab");
    }
}
