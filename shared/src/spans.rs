//! Trace spans. A span starts when it is opened and ends when it is dropped; `export` sends it to a
//! collector.
//!
//! Invariants: without a collector no span is created and no attribute is computed; only a request
//! from outside opens a root span, every other span has a parent.

mod export;

use std::borrow::Cow;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::OnceLock;

use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use gossip::TraceContext;

pub use export::{ExportGuard, start};

/// The tracer of this process; not set without a collector.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The role of a span in an exchange between processes (the span kind of OpenTelemetry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sends a request to another process and waits for the response.
    Client,
    /// Executes a request of another process.
    Server,
    /// Runs within this process.
    Internal,
}

/// A span, or nothing if the trace is not recorded. It ends when it is dropped.
#[derive(Debug, Default)]
#[must_use = "a span that is dropped immediately has no duration"]
// Boxed, since most spans are empty and spans are moved around with requests.
pub struct Span(Option<Box<opentelemetry_sdk::trace::Span>>);

/// Returns whether spans are recorded, which is the case if there is a collector.
#[must_use]
pub fn are_recorded() -> bool {
    TRACER.get().is_some()
}

impl Span {
    /// Opens the span of a request from outside. It continues the trace in the request's
    /// `traceparent` header, or starts a new one. If the parent is not sampled, the span is not
    /// recorded.
    pub fn of_request(name: impl Into<Cow<'static, str>>, headers: &HeaderMap) -> Self {
        let parent = || {
            TraceContextPropagator::new()
                .extract_with_context(&Context::new(), &HeaderExtractor(headers))
        };
        Self::open(name, Part::Server, parent)
    }

    /// Opens a child span of `parent`; nothing is recorded without a parent.
    pub fn child(
        name: impl Into<Cow<'static, str>>,
        part: Part,
        parent: Option<TraceContext>,
    ) -> Self {
        let Some(parent) = parent else { return Self::default() };
        let (trace, span) = (TraceId::from(parent.trace.get()), SpanId::from(parent.span.get()));
        let parent = SpanContext::new(
            trace,
            span,
            TraceFlags::SAMPLED,
            part == Part::Server,
            TraceState::NONE,
        );
        Self::open(name, part, || Context::new().with_remote_span_context(parent))
    }

    fn open(
        name: impl Into<Cow<'static, str>>,
        part: Part,
        parent: impl FnOnce() -> Context,
    ) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::default() };
        let kind = match part {
            Part::Client => SpanKind::Client,
            Part::Server => SpanKind::Server,
            Part::Internal => SpanKind::Internal,
        };
        let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, &parent());
        Self(span.is_recording().then(|| Box::new(span)))
    }

    /// Sets an attribute. `value` is called only if the span is recorded.
    pub fn set<V: Into<Value>>(&mut self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value()));
        }
    }

    /// Sets the status to an error with this description.
    pub fn fail<T: Into<Cow<'static, str>>>(&mut self, reason: impl FnOnce() -> T) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(reason()));
        }
    }

    /// Returns the context for child spans; `None` if the span is not recorded.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        let context = self.0.as_ref()?.span_context();
        let trace = NonZeroU128::new(u128::from_be_bytes(context.trace_id().to_bytes()))?;
        let span = NonZeroU64::new(u64::from_be_bytes(context.span_id().to_bytes()))?;
        Some(TraceContext { trace, span })
    }
}
