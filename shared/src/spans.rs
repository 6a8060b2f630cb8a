//! Spans: what a trace is made of. One is opened where work begins and ends when it is dropped;
//! `export` takes it to a collector.
//!
//! Invariants: without a collector no span is made, and what it would say is not put together; a
//! span that begins a trace is opened for a request from outside only, and every other has a
//! parent.

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

pub use export::{Exporting, start};

/// Makes the spans of this process; none before a collector is known.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What part a piece of work has in a conversation between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It asks another process, and waits.
    Asks,
    /// It does what another process asked for.
    Serves,
    /// Neither.
    Own,
}

/// A piece of work that is under way, if a trace of it is kept. It ends when it is dropped.
#[derive(Debug, Default)]
#[must_use = "a span that is dropped at once has no length"]
pub struct Span(Option<Box<opentelemetry_sdk::trace::Span>>);

/// Whether there is a collector, and so a reason to open spans.
#[must_use]
pub fn are_kept() -> bool {
    TRACER.get().is_some()
}

impl Span {
    /// The span of a request from outside. It begins a trace, or goes on with the one that the
    /// request's `traceparent` names; where that one is not kept, neither is this.
    pub fn of_request(name: impl Into<Cow<'static, str>>, headers: &HeaderMap) -> Self {
        let parent = || {
            TraceContextPropagator::new()
                .extract_with_context(&Context::new(), &HeaderExtractor(headers))
        };
        Self::open(name, Part::Serves, parent)
    }

    /// The span of a part of what `parent` stands for; none where there is no parent.
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
            part == Part::Serves,
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
            Part::Asks => SpanKind::Client,
            Part::Serves => SpanKind::Server,
            Part::Own => SpanKind::Internal,
        };
        let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, &parent());
        Self(span.is_recording().then(|| Box::new(span)))
    }

    /// Says something about it.
    pub fn set<V: Into<Value>>(&mut self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value()));
        }
    }

    /// Says that it came to nothing, and why.
    pub fn fail<T: Into<Cow<'static, str>>>(&mut self, why: impl FnOnce() -> T) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(why()));
        }
    }

    /// What its children are told; none where it is not kept.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        let context = self.0.as_ref()?.span_context();
        let trace = NonZeroU128::new(u128::from_be_bytes(context.trace_id().to_bytes()))?;
        let span = NonZeroU64::new(u64::from_be_bytes(context.span_id().to_bytes()))?;
        Some(TraceContext { trace, span })
    }
}
