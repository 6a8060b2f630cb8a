//! The record of past events: the event log, the history and the tape of the last minutes, and the
//! reports on the last bombs.
//!
//! Invariant: each logged event is also a mark in the history.

use std::sync::Arc;
use std::time::Duration;

use gossip::{NodeName, Now};
use shared::hero::{HeroId, HeroName};

use crate::event_log::{EventKind, EventLog, LoggedEvent, NewEvent};
use crate::model::bomb_report::{BombReports, destroyed_with};
use crate::model::history::History;
use crate::model::rows::Row;
use crate::model::tape::Tape;

/// The time within which the rows of a city that has lost its memory are refreshed.
const EMPTIED_LATELY: Duration = Duration::from_secs(5);

/// The event log, the history, the tape and the bomb reports.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) log: EventLog,
    pub(super) history: History,
    pub(super) tape: Tape,
    pub(super) bomb_reports: BombReports,
}

impl Record {
    /// Returns an empty record.
    pub(super) fn new(events_max: usize, now: Now) -> Self {
        Self {
            log: EventLog::new(events_max),
            history: History::default(),
            tape: Tape::new(now),
            bomb_reports: BombReports::default(),
        }
    }

    /// Adds the differences between two rows of one hero to the tape. `emptied_at`: the time at which a
    /// node lost its memory last.
    pub(super) fn changed(
        &mut self,
        now: Now,
        hero: HeroId,
        nodes: impl Iterator<Item = NodeName>,
        rows: [Option<&Row>; 2],
        emptied_at: impl Fn(NodeName) -> Option<Duration>,
    ) {
        let Self { history, tape, .. } = self;
        tape.note(now, hero, nodes, rows, |node, entry| match entry {
            Some(entry) => history.arrived_at(hero, node, entry.stamp),
            // Else a tombstone was collected.
            None => emptied_at(node).filter(|at| now.mono.saturating_sub(*at) < EMPTIED_LATELY),
        });
    }

    /// Logs an event.
    pub(super) fn log(&mut self, now: Now, event: NewEvent) -> Arc<LoggedEvent> {
        let event = self.log.append(now.wall, event);
        self.history.marked(now, event.node, event.kind);
        event
    }

    /// Returns whether an agreement in these words is worth an event: the last one had other words, or
    /// something has disturbed the cluster since. Otherwise the fights of the heroes would fill the
    /// log.
    pub(super) fn is_news(&self, agreement: &str) -> bool {
        let mut since = self.log.events().iter().rev();
        let is_routine = |event: &&Arc<LoggedEvent>| match event.kind {
            EventKind::Created | EventKind::Assigned | EventKind::Terminated => true,
            EventKind::Destroyed
            | EventKind::Answers
            | EventKind::Lost
            | EventKind::Recovered
            | EventKind::Founded
            | EventKind::Forgotten
            | EventKind::Injected
            | EventKind::Healed
            | EventKind::Accepted
            | EventKind::Paused
            | EventKind::Resumed
            | EventKind::Quiet
            | EventKind::Stepped
            | EventKind::Stopped
            | EventKind::Killed
            | EventKind::Rebuilt
            | EventKind::Played
            | EventKind::LostWrite
            | EventKind::Reset
            | EventKind::Agreed
            | EventKind::Alarm => false,
        };
        let last = since.find(|event| !is_routine(event));
        last.is_none_or(|last| last.kind != EventKind::Agreed || last.text != agreement)
    }

    /// Logs that a city was bombed, with the heroes that no other node held.
    pub(super) fn log_bomb(
        &mut self,
        now: Now,
        city: NodeName,
        only_there: Vec<(HeroId, HeroName)>,
    ) -> Arc<LoggedEvent> {
        let text = destroyed_with(city, &only_there);
        let event = self.log(
            now,
            NewEvent {
                node: city,
                kind: EventKind::Destroyed,
                text,
                write: None,
                heard_from: None,
            },
        );
        self.bomb_reports.push(city, event.number, only_there);
        event
    }
}
