//! The spans of commands under way. Dispatch has one from the sending of a command until its answer is heard; a city has one, the child of that,
//! from the hearing of a command until its answer is sent.
//!
//! Both ends are seen from the driver, so machines know of no spans. Invariant: bounded, in number and in time, whatever a peer does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{NodeName, Origin};
use crate::message::{Command, Frame};
use crate::spans::{Part, Span};
use crate::trace::TraceContext;

/// How many commands under way have spans; further ones go without.
const UNDER_WAY_MAX: usize = 256;
/// How long a command may be under way: longer than whoever asked for it waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// The commands under way at one node, which either asks or obeys.
#[derive(Debug)]
pub(super) struct Traced {
    me: Origin,
    /// By peer and number: the span, and until when it may last.
    under_way: BTreeMap<(NodeName, u64), (Span, Duration)>,
}

impl Traced {
    /// Nothing is under way at the beginning of the life `me`.
    pub(super) fn new(me: Origin) -> Self {
        Self { me, under_way: BTreeMap::new() }
    }

    /// `frame` is about to be sent to `to`. A command is told its span.
    pub(super) fn sends(&mut self, now: Duration, to: NodeName, frame: &mut Frame) {
        let own = self.passes(now, Part::Asks, to, frame);
        if let (Some(own), Frame::Command { trace, .. }) = (own, frame) {
            *trace = Some(own);
        }
    }

    /// The machine is about to hear `frame`.
    pub(super) fn hears(&mut self, now: Duration, from: NodeName, frame: &Frame) {
        self.passes(now, Part::Serves, from, frame);
    }

    /// A command begins a span, whose place in the trace is returned; its answer ends it, whichever way they go.
    fn passes(&mut self, now: Duration, part: Part, peer: NodeName, frame: &Frame) -> Option<TraceContext> {
        match frame {
            Frame::Command { request, command, trace: trace @ Some(_), .. } => {
                let name = match (command, part == Part::Asks) {
                    (Command::Assign { .. }, true) => "command assign",
                    (Command::Assign { .. }, false) => "obey assign",
                    (Command::Bomb, true) => "command bomb",
                    (Command::Bomb, false) => "obey bomb",
                };
                let span = self.span(name, part, peer, *trace);
                let own = span.context();
                self.begin(now, peer, *request, span);
                own
            }
            Frame::Answer { request, result } => {
                self.end(peer, *request, result);
                None
            }
            Frame::Command { trace: None, .. }
            | Frame::Round(_)
            | Frame::Observe { .. }
            | Frame::Observation(_)
            | Frame::Control(_)
            | Frame::Report(_) => None,
        }
    }

    /// Ends the spans of commands that have been under way for too long.
    pub(super) fn expire(&mut self, now: Duration) {
        for (_, (mut span, _)) in self.under_way.extract_if(.., |_, (_, until)| *until <= now) {
            span.fail(|| "no answer");
        }
    }

    fn span(&self, name: &'static str, part: Part, peer: NodeName, parent: Option<TraceContext>) -> Span {
        let mut span = Span::child(name, part, parent);
        span.set("superhero.peer", || peer.to_string());
        span.set("superhero.incarnation", || self.me.incarnation.to_string());
        span
    }

    fn begin(&mut self, now: Duration, peer: NodeName, request: u64, span: Span) {
        if span.context().is_some() && self.under_way.len() < UNDER_WAY_MAX {
            self.under_way.insert((peer, request), (span, now + PATIENCE));
        }
    }

    fn end<T, E: std::fmt::Debug>(&mut self, peer: NodeName, request: u64, result: &Result<T, E>) {
        if let Some((mut span, _)) = self.under_way.remove(&(peer, request))
            && let Err(refusal) = result
        {
            span.fail(|| format!("{refusal:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU64, NonZeroU128};

    use super::*;
    use crate::id::Incarnation;
    use crate::message::{Done, Refusal};
    use crate::time::UnixMillis;

    fn name(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    fn bomb(request: u64, trace: Option<TraceContext>) -> Frame {
        Frame::Command { request, expires: UnixMillis(5), trace, command: Command::Bomb }
    }

    /// All in one test: spans are made from the one export that a process has.
    #[test]
    fn a_command_is_told_its_span_and_no_more_than_some_are_kept_nor_for_long() {
        let (gotham, start) = (name("gotham"), Duration::ZERO);
        let mut traced = Traced::new(Origin { node: name("dispatch"), incarnation: Incarnation(2) });
        let ask = TraceContext { trace: NonZeroU128::MIN, span: NonZeroU64::MIN };
        let mut frame = bomb(1, Some(ask));
        traced.sends(start, gotham, &mut frame);
        assert_eq!((frame, traced.under_way.len()), (bomb(1, Some(ask)), 0), "without a collector here, it stays as it is for others");

        let _exporting = crate::spans::start(Some("http://127.0.0.1:1"), "dispatch").unwrap();
        let mut frame = bomb(1, None);
        traced.sends(start, gotham, &mut frame);
        assert_eq!((frame, traced.under_way.len()), (bomb(1, None), 0), "nobody keeps a trace of it");
        let mut frame = bomb(1, Some(ask));
        traced.sends(start, gotham, &mut frame);
        let Frame::Command { trace: Some(told), .. } = frame else { panic!("{frame:?}") };
        assert!(told.trace == ask.trace && told.span != ask.span, "{told:?}");
        traced.hears(start, name("capitol"), &Frame::Answer { request: 1, result: Ok(Done::Bombed) });
        assert_eq!(traced.under_way.len(), 1, "another peer's answer");
        traced.hears(start, gotham, &Frame::Answer { request: 1, result: Err(Refusal::Joining) });
        assert_eq!(traced.under_way.len(), 0);

        for request in 0..2 * UNDER_WAY_MAX as u64 {
            traced.hears(start, gotham, &bomb(request, Some(ask)));
        }
        assert_eq!(traced.under_way.len(), UNDER_WAY_MAX);
        traced.expire(PATIENCE - Duration::from_millis(1));
        assert_eq!(traced.under_way.len(), UNDER_WAY_MAX);
        traced.expire(PATIENCE);
        assert_eq!(traced.under_way.len(), 0);
    }
}
