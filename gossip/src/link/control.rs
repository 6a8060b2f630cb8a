//! Control requests to a process: faults, settings of the cluster, and accepted stamps.
//!
//! Invariant: this state belongs to the process, not to an incarnation, so a crash heals no fault.

use std::time::Duration;

use axum::Router;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::fault::{Control, FAULTS_MAX, FaultId, LEASE, Pace, Report, Setting};
use crate::id::NodeName;
use crate::link::clock::SystemClock;
use crate::link::faults::Faults;
use crate::link::freeze::{self, Thaw};
use crate::link::secret::Secret;
use crate::machine::Input;
use crate::message::Application;
use crate::time::Now;

/// The interval between reports to the controllers while faults are in force.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// The faults in force and the settings of a process.
pub(super) struct Controls<A: Application> {
    pub(super) faults: Faults<A>,
    pace: Leased<Pace>,
    quiet: Leased<bool>,
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
            pace: Leased(None),
            quiet: Leased(None),
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

    /// Applies a control request. Returns the setting for the machine, if it is one that applies.
    pub(super) fn apply<C>(
        &mut self,
        now: Now,
        clock: &SystemClock,
        control: Control,
    ) -> Option<Input<A, C>> {
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
            Control::Pace(set) => return self.pace.renew(now, set).then_some(Input::Pace(set)),
            Control::Quiet(set) => return self.quiet.renew(now, set).then_some(Input::Quiet(set)),
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

    /// Returns the settings with which a new incarnation starts: those whose leases have not ended.
    pub(super) fn settings<C>(&self, now: Now) -> impl Iterator<Item = Input<A, C>> + use<A, C> {
        let pace = self.pace.current(now).map(Input::Pace);
        pace.into_iter().chain(self.quiet.current(now).map(Input::Quiet))
    }
}

/// The latest setting of a controller, and the end of its lease.
struct Leased<T>(Option<(Setting<T>, Duration)>);

impl<T: Copy> Leased<T> {
    /// Renews the lease of a setting, and returns whether it applies. The lease of an earlier one may
    /// be renewed by a controller that has not heard of the later one yet.
    fn renew(&mut self, now: Now, set: Setting<T>) -> bool {
        if self.0.is_some_and(|(known, _)| known.is_later_than(&set)) {
            return false;
        }
        self.0 = Some((set, now.mono + LEASE));
        true
    }

    /// Returns the setting, if its lease has not ended.
    fn current(&self, now: Now) -> Option<Setting<T>> {
        self.0.filter(|(_, until)| *until > now.mono).map(|(set, _)| set)
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

    fn set<T>(at: u64, by: &str, value: T) -> Setting<T> {
        Setting { value, at: UnixMillis(at), by: by.parse().unwrap() }
    }

    fn applies(controls: &mut Controls<Texts>, at_ms: u64, control: Control) -> bool {
        let input = controls.apply::<()>(at(at_ms), &SystemClock::start(), control);
        matches!(input, Some(Input::Pace(_) | Input::Quiet(_)))
    }

    #[test]
    fn setting_that_was_made_later_is_not_replaced_by_a_renewal_of_an_earlier_one() {
        let mut controls = Controls::<Texts>::new("gotham".parse().unwrap(), 7);
        let pace = |at, by, percent| Control::Pace(set(at, by, Pace { percent }));
        assert!(applies(&mut controls, 0, pace(5, "dispatch", 0)));
        assert!(applies(&mut controls, 900, pace(6, "dispatch-2", 100)));
        assert!(!applies(&mut controls, 1_000, pace(5, "dispatch", 0)));
        assert!(applies(&mut controls, 1_100, pace(6, "dispatch-2", 100)), "it is renewed");
        assert!(!applies(&mut controls, 1_200, pace(6, "dispatch", 50)), "of one moment");
        // The pace and the quiet are settings of their own.
        let quiet = |at, by, value| Control::Quiet(set(at, by, value));
        assert!(applies(&mut controls, 1_300, quiet(4, "dispatch", true)));
        assert!(!applies(&mut controls, 1_400, quiet(3, "dispatch-2", false)));
    }

    #[test]
    fn new_incarnation_starts_with_the_settings_whose_leases_have_not_ended() {
        let mut controls = Controls::<Texts>::new("gotham".parse().unwrap(), 7);
        assert!(applies(&mut controls, 0, Control::Pace(set(0, "dispatch", Pace::PAUSED))));
        assert!(applies(&mut controls, 1_000, Control::Quiet(set(0, "dispatch", true))));
        let settings = |at_ms| {
            let inputs = controls.settings::<()>(at(at_ms));
            let is_set = |input: &Input<Texts, ()>| {
                matches!(input, Input::Pace(set) if set.value == Pace::PAUSED)
                    || matches!(input, Input::Quiet(set) if set.value)
            };
            inputs.filter(is_set).count()
        };
        assert_eq!([2_999, 3_000, 4_000].map(settings), [2, 1, 0]);
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
        assert!(controls.apply::<()>(at(0), &clock, inject(1)).is_none());
        assert!(controls.apply::<()>(at(10), &clock, Control::Heal(FaultId(1))).is_none());
        controls.thaw.0.try_send(FaultId(1)).unwrap();
        for id in [2, 3] {
            assert!(controls.apply::<()>(at(20), &clock, inject(id)).is_none());
        }
        for (ends, stays_frozen) in [(None, true), (Some(2), true), (Some(3), false)] {
            ends.into_iter().for_each(|id| controls.thaw.0.try_send(FaultId(id)).unwrap());
            controls.sleep(at(200)).await;
            assert_eq!(controls.is_frozen(at(200)), stays_frozen, "{ends:?}");
        }
    }
}
