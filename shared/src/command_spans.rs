//! The spans of open commands. Dispatch has one from sending a command until its answer arrives; a
//! city has a child of it, from receiving the command until its answer is sent.
//!
//! Both ends are seen from the driver, so machines know nothing of spans. Invariant: the spans are
//! bounded in number and time, whatever a peer sends.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{NodeName, Origin, TraceContext};

use crate::app::Frame;
use crate::message::Command;
use crate::spans::{Part, Span};

/// The most open commands with spans; further ones have none.
const OPEN_MAX: usize = 256;
/// The longest time of a span: longer than the timeout of whatever asked for the command.
const SPAN_MAX: Duration = Duration::from_secs(2);

/// The open commands at one node, which either sends or carries out commands.
#[derive(Debug)]
pub(crate) struct CommandSpans {
    me: Origin,
    /// The span and its deadline, by peer and number of the command.
    open: BTreeMap<(NodeName, u64), (Span, Duration)>,
}

impl CommandSpans {
    /// Returns an empty set for the incarnation `me`.
    pub(crate) fn new(me: Origin) -> Self {
        Self { me, open: BTreeMap::new() }
    }

    /// Notes that `frame` is about to be sent to `to`, and sets the trace of a command to its span.
    pub(crate) fn sends(&mut self, now: Duration, to: NodeName, frame: &mut Frame) {
        let own = self.passes(now, Part::Asks, to, frame);
        if let (Some(own), Frame::Command { trace, .. }) = (own, frame) {
            *trace = Some(own);
        }
    }

    /// Notes that the machine is about to get `frame`.
    pub(crate) fn receives(&mut self, now: Duration, from: NodeName, frame: &Frame) {
        self.passes(now, Part::Serves, from, frame);
    }

    /// Begins the span of a command, and returns its trace context; ends it at the answer. The
    /// direction does not matter.
    fn passes(
        &mut self,
        now: Duration,
        part: Part,
        peer: NodeName,
        frame: &Frame,
    ) -> Option<TraceContext> {
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

    /// Ends the spans of commands without an answer in time.
    pub(crate) fn expire(&mut self, now: Duration) {
        for (_, (mut span, _)) in self.open.extract_if(.., |_, (_, until)| *until <= now) {
            span.fail(|| "no answer");
        }
    }

    fn span(
        &self,
        name: &'static str,
        part: Part,
        peer: NodeName,
        parent: Option<TraceContext>,
    ) -> Span {
        let mut span = Span::child(name, part, parent);
        span.set("superhero.peer", || peer.to_string());
        span.set("superhero.incarnation", || self.me.incarnation.to_string());
        span
    }

    fn begin(&mut self, now: Duration, peer: NodeName, request: u64, span: Span) {
        if span.context().is_some() && self.open.len() < OPEN_MAX {
            self.open.insert((peer, request), (span, now + SPAN_MAX));
        }
    }

    fn end<T, E: std::fmt::Debug>(&mut self, peer: NodeName, request: u64, result: &Result<T, E>) {
        if let Some((mut span, _)) = self.open.remove(&(peer, request))
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
    use crate::message::{Done, Refusal};
    use gossip::{Incarnation, UnixMillis};

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
        let mut traced =
            CommandSpans::new(Origin { node: name("dispatch"), incarnation: Incarnation(2) });
        let ask = TraceContext { trace: NonZeroU128::MIN, span: NonZeroU64::MIN };
        let mut frame = bomb(1, Some(ask));
        traced.sends(start, gotham, &mut frame);
        assert_eq!(
            (frame, traced.open.len()),
            (bomb(1, Some(ask)), 0),
            "without a collector here, it stays as it is for others"
        );

        let _exporting = crate::spans::start(Some("http://127.0.0.1:1"), "dispatch").unwrap();
        let mut frame = bomb(1, None);
        traced.sends(start, gotham, &mut frame);
        assert_eq!((frame, traced.open.len()), (bomb(1, None), 0), "nobody keeps a trace of it");
        let mut frame = bomb(1, Some(ask));
        traced.sends(start, gotham, &mut frame);
        let Frame::Command { trace: Some(told), .. } = frame else { panic!("{frame:?}") };
        assert!(told.trace == ask.trace && told.span != ask.span, "{told:?}");
        traced.receives(
            start,
            name("capitol"),
            &Frame::Answer { request: 1, result: Ok(Done::Bombed) },
        );
        assert_eq!(traced.open.len(), 1, "another peer's answer");
        traced.receives(
            start,
            gotham,
            &Frame::Answer { request: 1, result: Err(Refusal::Joining) },
        );
        assert_eq!(traced.open.len(), 0);

        for request in 0..2 * OPEN_MAX as u64 {
            traced.receives(start, gotham, &bomb(request, Some(ask)));
        }
        assert_eq!(traced.open.len(), OPEN_MAX);
        traced.expire(SPAN_MAX - Duration::from_millis(1));
        assert_eq!(traced.open.len(), OPEN_MAX);
        traced.expire(SPAN_MAX);
        assert_eq!(traced.open.len(), 0);
    }
}
