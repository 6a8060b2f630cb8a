//! Control requests to a process: faults, the pace of gossip, and accepted stamps.
//!
//! Invariant: this state belongs to the process, not to an incarnation, so a crash heals no fault.

use std::time::Duration;

use axum::Router;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::fault::{Control, FAULTS_MAX, FaultId, Pace, PaceSetting, Report};
use crate::id::NodeName;
use crate::link::clock::SystemClock;
use crate::link::faults::Faults;
use crate::link::freeze::{self, Thaw};
use crate::link::secret::Secret;
use crate::message::Application;
use crate::time::Now;

/// The interval between reports to the controllers while faults are in force.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// The faults in force and the pace of a process.
pub(super) struct Controls<A: Application> {
    pub(super) faults: Faults<A>,
    /// The latest pace set by a controller, and the end of its lease.
    pace: Option<(PaceSetting, Duration)>,
    frozen: watch::Sender<bool>,
    /// The requests to end a freeze.
    thaw: (mpsc::Sender<FaultId>, mpsc::Receiver<FaultId>),
    report_at: Duration,
    /// By how many milliseconds the wall clock was set since the last report.
    clock_step_ms: i64,
}

impl<A: Application> Controls<A> {
    pub(super) fn new(me: NodeName, seed: u64) -> Self {
        Self {
            faults: Faults::new(me, seed),
            pace: None,
            frozen: watch::Sender::new(false),
            thaw: mpsc::channel(FAULTS_MAX),
            report_at: Duration::ZERO,
            clock_step_ms: 0,
        }
    }

    /// Returns a receiver of the frozen state, for tasks that must pause.
    pub(super) fn frozen(&self) -> watch::Receiver<bool> {
        self.frozen.subscribe()
    }

    /// Returns `router` so that it does not respond while the process is frozen, together with the
    /// route that ends a freeze.
    pub(super) fn gate(&self, router: Router, me: NodeName, secret: Secret) -> Router {
        let thaw = self.thaw.0.clone();
        freeze::gate(router, self.frozen(), Thaw { me, secret, thaw })
    }

    /// Returns whether the process is frozen.
    pub(super) fn is_frozen(&self, now: Now) -> bool {
        self.faults.is_frozen(now.mono)
    }

    /// Waits, in a frozen process, until a freeze is healed or a fault expires.
    pub(super) async fn sleep(&mut self, now: Now) {
        let at_most = self.faults.ends_at().unwrap_or(now.mono).saturating_sub(now.mono);
        if let Ok(Some(fault)) = tokio::time::timeout(at_most, self.thaw.1.recv()).await {
            info!(%fault, "fault healed");
            // Only this fault: the request may be late, and another freeze may be in force.
            self.faults.heal(fault);
        }
        self.report_soon();
    }

    /// Applies a control request. Returns the new pace, if it set one.
    pub(super) fn apply(
        &mut self,
        now: Now,
        clock: &SystemClock,
        control: Control,
    ) -> Option<PaceSetting> {
        match control {
            Control::Inject { fault, heal_after } => {
                info!(
                    fault = %fault.id,
                    kind = fault.kind.as_str(),
                    from = %fault.from,
                    to = ?fault.to,
                    ?heal_after,
                    "fault in force"
                );
                self.faults.inject(now.mono, fault, heal_after);
                self.report_soon();
            }
            Control::Heal(fault) => {
                info!(%fault, "fault healed");
                self.faults.heal(fault);
                self.report_soon();
            }
            Control::Pace(set) => {
                // The lease of an earlier one may be renewed by a controller that has not heard of the
                // later one yet.
                if self.pace.is_some_and(|(known, _)| known.is_later_than(&set)) {
                    return None;
                }
                self.pace = Some((set, now.mono + Pace::LEASE));
                return Some(set);
            }
            Control::Accept(time) => {
                info!(until_ms = time.0, "stamps accepted up to this time");
                clock.accept(time);
            }
        }
        None
    }

    /// Removes expired faults, and applies the others to the clock and the connections.
    pub(super) fn update(&mut self, now: Now, clock: &SystemClock) {
        if self.faults.expire(now.mono) {
            info!("fault expired");
            self.report_soon();
        }
        clock.skew(self.faults.skew_ms());
        if let Some(step_ms) = clock.take_step_ms() {
            log_step(step_ms);
            self.clock_step_ms = self.clock_step_ms.saturating_add(step_ms);
            self.report_soon();
        }
        let frozen = self.is_frozen(now);
        // Only on a change, because each write wakes all receivers.
        self.frozen.send_if_modified(|before| std::mem::replace(before, frozen) != frozen);
    }

    /// Makes the next report due at once.
    pub(super) fn report_soon(&mut self) {
        self.report_at = Duration::ZERO;
    }

    /// Returns the report that is due, if any.
    pub(super) fn report(&mut self, now: Now) -> Option<Report> {
        if self.report_at > now.mono {
            return None;
        }
        self.report_at = if self.faults.any() { now.mono + REPORT_INTERVAL } else { Duration::MAX };
        let clock_step_ms = std::mem::take(&mut self.clock_step_ms);
        let (faults, healed) = (self.faults.list(now.mono), self.faults.healed());
        Some(Report { faults, healed, wall: now.wall, clock_step_ms })
    }

    /// Returns the time of the next scheduled work.
    pub(super) fn deadline(&self, now: Now) -> Option<Duration> {
        self.faults.deadline(now.mono).into_iter().chain([self.report_at]).min()
    }

    /// Returns the pace with which a new incarnation starts, if its lease has not ended.
    pub(super) fn pace(&self, now: Now) -> Option<PaceSetting> {
        self.pace.filter(|(_, until)| *until > now.mono).map(|(set, _)| set)
    }
}

fn log_step(step_ms: i64) {
    let by = Duration::from_millis(step_ms.unsigned_abs());
    if step_ms < 0 {
        warn!(step_ms, "the clock was set back by {by:?}: earlier stamps stay accepted");
    } else {
        warn!(step_ms, "the clock was set ahead by {by:?}, or the machine was suspended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, FaultKind};
    use crate::testing::Texts;
    use crate::time::UnixMillis;

    fn at(ms: u64) -> Now {
        Now::new(Duration::from_millis(ms), UnixMillis(ms))
    }

    #[test]
    fn pace_that_was_set_later_is_not_replaced_by_a_renewal_of_an_earlier_one() {
        let clock = SystemClock::start();
        let mut controls = Controls::<Texts>::new("gotham".parse().unwrap(), 7);
        let set = |at, by: &str, percent| PaceSetting {
            pace: Pace { percent },
            at: UnixMillis(at),
            by: by.parse().unwrap(),
        };
        let (earlier, later) = (set(5, "dispatch", 0), set(6, "dispatch-2", 100));
        let mut apply = |at_ms, set| controls.apply(at(at_ms), &clock, Control::Pace(set));
        assert_eq!(apply(0, earlier), Some(earlier));
        assert_eq!(apply(900, later), Some(later));
        assert_eq!(apply(1_000, earlier), None);
        assert_eq!(apply(1_100, later), Some(later), "it is renewed");
        assert_eq!(apply(1_200, set(6, "dispatch", 50)), None, "of one moment");
    }

    #[tokio::test]
    async fn only_thaw_of_freeze_in_force_wakes_process() {
        let me: NodeName = "gotham".parse().unwrap();
        let clock = SystemClock::start();
        let mut controls = Controls::<Texts>::new(me, 7);
        let freeze = |id| Fault {
            id: FaultId(id),
            kind: FaultKind::Freeze,
            from: me,
            to: None,
            both: false,
        };
        let inject =
            |id| Control::Inject { fault: freeze(id), heal_after: Duration::from_secs(30) };
        // The first freeze is healed before it takes effect, and its thaw request arrives late.
        assert_eq!(controls.apply(at(0), &clock, inject(1)), None);
        assert_eq!(controls.apply(at(10), &clock, Control::Heal(FaultId(1))), None);
        controls.thaw.0.try_send(FaultId(1)).unwrap();
        for id in [2, 3] {
            assert_eq!(controls.apply(at(20), &clock, inject(id)), None);
        }
        for (ends, stays_frozen) in [(None, true), (Some(2), true), (Some(3), false)] {
            ends.into_iter().for_each(|id| controls.thaw.0.try_send(FaultId(id)).unwrap());
            controls.sleep(at(200)).await;
            assert_eq!(controls.is_frozen(at(200)), stays_frozen, "{ends:?}");
        }
    }
}
