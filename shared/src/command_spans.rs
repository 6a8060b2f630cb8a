//! The spans of open commands. The span of dispatch lasts from sending a command until its answer
//! arrives; its child at the city lasts from receiving the command until its answer is sent.
//!
//! The driver records both, so machines contain no tracing code. Invariant: the spans are bounded
//! in number and time for any input from peers.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{NodeName, Origin, TraceContext};

use crate::app::Frame;
use crate::message::Command;
use crate::spans::{Part, Span};

/// The most open commands with spans; further ones are not recorded.
const OPEN_MAX: usize = 256;
/// The longest duration of a span: longer than the timeout of the request behind the command.
const SPAN_MAX: Duration = Duration::from_secs(2);

/// The spans of the open commands at one node, which either sends or executes commands.
#[derive(Debug)]
pub(crate) struct CommandSpans {
    me: Origin,
    /// Each span with its deadline, by peer and number of the command.
    open: BTreeMap<(NodeName, u64), (Span, Duration)>,
}

impl CommandSpans {
    /// Returns an empty set for the incarnation `me`.
    pub(crate) fn new(me: Origin) -> Self {
        Self { me, open: BTreeMap::new() }
    }

    /// Records that `frame` is about to be sent to `to`; sets the trace of a command to its span.
    pub(crate) fn sends(&mut self, now: Duration, to: NodeName, frame: &mut Frame) {
        let own = self.record(now, Part::Client, to, frame);
        if let (Some(own), Frame::Command { trace, .. }) = (own, frame) {
            *trace = Some(own);
        }
    }

    /// Records that the machine is about to receive `frame`.
    pub(crate) fn receives(&mut self, now: Duration, from: NodeName, frame: &Frame) {
        self.record(now, Part::Server, from, frame);
    }

    /// Starts the span of a command and returns its trace context; ends the span at the answer.
    /// Works for frames in both directions.
    fn record(
        &mut self,
        now: Duration,
        part: Part,
        peer: NodeName,
        frame: &Frame,
    ) -> Option<TraceContext> {
        match frame {
            Frame::Command { request, command, trace: trace @ Some(_), .. } => {
                let name = match (command, part == Part::Client) {
                    (Command::Assign { .. }, true) => "command assign",
                    (Command::Assign { .. }, false) => "execute assign",
                    (Command::Ask(_), true) => "command ask",
                    (Command::Ask(_), false) => "execute ask",
                    (Command::Bomb, true) => "command bomb",
                    (Command::Bomb, false) => "execute bomb",
                    (Command::Stop, true) => "command stop",
                    (Command::Stop, false) => "execute stop",
                    (Command::Kill, true) => "command kill",
                    (Command::Kill, false) => "execute kill",
                };
                let span = self.span(name, part, peer, *trace);
                let own = span.context();
                self.start(now, peer, *request, span);
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
            | Frame::Report(_)
            | Frame::Publication(_)
            | Frame::Call(_)
            | Frame::Return(_)
            | Frame::Cancel { .. } => None,
        }
    }

    /// Ends the spans of commands that were not answered before their deadlines.
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

    fn start(&mut self, now: Duration, peer: NodeName, request: u64, span: Span) {
        // A span that is not stored ends here. The command itself is not affected.
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

    /// One test for all claims, since a process has a single export.
    #[test]
    fn command_spans_are_sent_and_bounded_in_number_and_time() {
        let (gotham, start) = (name("gotham"), Duration::ZERO);
        let mut traced =
            CommandSpans::new(Origin { node: name("dispatch"), incarnation: Incarnation::at(2) });
        let parent = TraceContext { trace: NonZeroU128::MIN, span: NonZeroU64::MIN };
        let mut frame = bomb(1, Some(parent));
        traced.sends(start, gotham, &mut frame);
        assert_eq!(
            (frame, traced.open.len()),
            (bomb(1, Some(parent)), 0),
            "without a collector, the trace is passed on unchanged"
        );

        let _export_guard = crate::spans::start(Some("http://127.0.0.1:1"), "dispatch").unwrap();
        let mut frame = bomb(1, None);
        traced.sends(start, gotham, &mut frame);
        assert_eq!((frame, traced.open.len()), (bomb(1, None), 0), "no trace");
        let mut frame = bomb(1, Some(parent));
        traced.sends(start, gotham, &mut frame);
        let Frame::Command { trace: Some(sent), .. } = frame else { panic!("{frame:?}") };
        assert!(sent.trace == parent.trace && sent.span != parent.span, "{sent:?}");
        traced.receives(
            start,
            name("capitol"),
            &Frame::Answer { request: 1, result: Ok(Done::Bombed) },
        );
        assert_eq!(traced.open.len(), 1, "answer of another peer");
        traced.receives(
            start,
            gotham,
            &Frame::Answer { request: 1, result: Err(Refusal::Joining) },
        );
        assert_eq!(traced.open.len(), 0);

        for request in 0..2 * OPEN_MAX as u64 {
            traced.receives(start, gotham, &bomb(request, Some(parent)));
        }
        assert_eq!(traced.open.len(), OPEN_MAX);
        traced.expire(SPAN_MAX - Duration::from_millis(1));
        assert_eq!(traced.open.len(), OPEN_MAX);
        traced.expire(SPAN_MAX);
        assert_eq!(traced.open.len(), 0);
    }
}
