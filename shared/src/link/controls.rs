//! What dispatch has asked of a process: the faults in force there, and the pace of its gossip. They belong to the process and not to one
//! of its lives, so a bomb heals nothing.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::Router;
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::fault::{Control, FAULTS_MAX, FaultId, Pace, Report};
use crate::id::NodeName;
use crate::link::driver::SystemClock;
use crate::link::faults::Faults;
use crate::link::freeze::{self, Bedside};
use crate::link::secret::Secret;
use crate::time::Now;

/// How often dispatch is told what faults do, while there are any.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// How a process ends when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As if it had been asked by a signal.
    Stop,
    /// At once.
    Kill,
}

/// What is in force at this process.
pub(super) struct Controls {
    pub(super) faults: Faults,
    /// What dispatch last said, and until when it holds if it is not repeated.
    pace: Option<(Pace, Duration)>,
    frozen: watch::Sender<bool>,
    /// The freezes that somebody wants over.
    thaw: (mpsc::Sender<FaultId>, mpsc::Receiver<FaultId>),
    report_at: Duration,
}

impl Controls {
    pub(super) fn new(me: NodeName, seed: u64) -> Self {
        Self {
            faults: Faults::new(me, seed),
            pace: None,
            frozen: watch::Sender::new(false),
            thaw: mpsc::channel(FAULTS_MAX),
            report_at: Duration::ZERO,
        }
    }

    /// Whether the process is frozen, for those who must do nothing then.
    pub(super) fn frozen(&self) -> watch::Receiver<bool> {
        self.frozen.subscribe()
    }

    /// Has `router` answer nothing while the process is frozen, but to who wakes it.
    pub(super) fn gate(&self, router: Router, me: NodeName, secret: Secret) -> Router {
        let thaw = self.thaw.0.clone();
        freeze::gate(router, self.frozen(), Bedside { me, secret, thaw })
    }

    /// Whether the process is to do nothing.
    pub(super) fn is_frozen(&self, now: Now) -> bool {
        self.faults.is_frozen(now.mono)
    }

    /// Waits until somebody ends a freeze, or until a fault ends by itself.
    pub(super) async fn sleep(&mut self, now: Now) {
        let at_most = self.faults.ends_at().unwrap_or(now.mono).saturating_sub(now.mono);
        if let Ok(Some(fault)) = tokio::time::timeout(at_most, self.thaw.1.recv()).await {
            info!(%fault, "trouble is healed");
            // Only that one: it may have come too late for one that is over, and another may be in force.
            self.faults.heal(fault);
        }
        self.report_soon();
    }

    /// Does what dispatch asks. Returns the pace to go at from now on, if that is what it asked.
    pub(super) fn obey(&mut self, now: Now, control: Control) -> ControlFlow<End, Option<Pace>> {
        match control {
            Control::Inject { fault, heal_after } => {
                info!(fault = %fault.id, kind = fault.trouble.as_str(), from = %fault.from, to = ?fault.to, ?heal_after, "trouble begins");
                self.faults.inject(now.mono, fault, heal_after);
                self.report_soon();
            }
            Control::Heal(fault) => {
                info!(%fault, "trouble is healed");
                self.faults.heal(fault);
                self.report_soon();
            }
            Control::Pace(pace) => {
                self.pace = Some((pace, now.mono + Pace::LEASE));
                return ControlFlow::Continue(Some(pace));
            }
            Control::Stop => return ControlFlow::Break(End::Stop),
            Control::Kill => return ControlFlow::Break(End::Kill),
        }
        ControlFlow::Continue(None)
    }

    /// Ends what is over, and makes the clock and the connections what the faults say.
    pub(super) fn update(&mut self, now: Now, clock: &SystemClock) {
        if self.faults.expire(now.mono) {
            info!("trouble has healed by itself");
            self.report_soon();
        }
        clock.skew(self.faults.skew_ms());
        let frozen = self.is_frozen(now);
        // Only where it changed: whoever waits for it is woken by every write.
        self.frozen.send_if_modified(|before| std::mem::replace(before, frozen) != frozen);
    }

    /// Has dispatch told at once.
    pub(super) fn report_soon(&mut self) {
        self.report_at = Duration::ZERO;
    }

    /// What dispatch is to be told now, if anything.
    pub(super) fn report(&mut self, now: Now) -> Option<Report> {
        if self.report_at > now.mono {
            return None;
        }
        self.report_at = if self.faults.any() { now.mono + REPORT_INTERVAL } else { Duration::MAX };
        Some(Report { faults: self.faults.list(now.mono), wall: now.wall })
    }

    /// When there is something to do.
    pub(super) fn deadline(&self, now: Now) -> Option<Duration> {
        self.faults.deadline(now.mono).into_iter().chain([self.report_at]).min()
    }

    /// The pace that a life begins with, if it is not the usual one.
    pub(super) fn pace(&self, now: Now) -> Option<Pace> {
        self.pace.filter(|(_, until)| *until > now.mono).map(|(pace, _)| pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Trouble};
    use crate::time::UnixMillis;

    fn at(ms: u64) -> Now {
        Now { mono: Duration::from_millis(ms), wall: UnixMillis(ms) }
    }

    #[tokio::test]
    async fn only_who_ends_the_freeze_in_force_wakes_the_process() {
        let me: NodeName = "gotham".parse().unwrap();
        let mut controls = Controls::new(me, 7);
        let freeze = |id| Fault { id: FaultId(id), trouble: Trouble::Freeze, from: me, to: None, both: false };
        let inject = |id| Control::Inject { fault: freeze(id), heal_after: Duration::from_secs(30) };
        // The first is over before it took hold, and what should wake the process comes late.
        assert!(controls.obey(at(0), inject(1)).is_continue());
        assert!(controls.obey(at(10), Control::Heal(FaultId(1))).is_continue());
        controls.thaw.0.try_send(FaultId(1)).unwrap();
        assert!(controls.obey(at(20), inject(2)).is_continue() && controls.obey(at(20), inject(3)).is_continue());
        for (ends, stays_frozen) in [(None, true), (Some(2), true), (Some(3), false)] {
            ends.into_iter().for_each(|id| controls.thaw.0.try_send(FaultId(id)).unwrap());
            controls.sleep(at(200)).await;
            assert_eq!(controls.is_frozen(at(200)), stays_frozen, "{ends:?}");
        }
    }
}
