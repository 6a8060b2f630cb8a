//! Preparation before the first step, and cleanup after the last one.

use std::time::Duration;

use api_types::CITIES;

use crate::executor::{CityOperation, Failure};
use crate::report::Progress;
use crate::scenario::Scenario;
use crate::wording::counted;

use super::state::{POLL_INTERVAL, Player, StepError};

/// The timeout for all cities to receive the heroes.
const SPREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The offset of an incarnation's first stamp from its start. With it no incarnation stamps below
/// an earlier one.
const DRIFT_MS: u64 = 2_000;
/// The refusals of a termination, besides those that are always temporary, whose reason may pass: for
/// example a write that a clock set ahead has stamped.
const LATER: [&str; 3] = ["limited", "too_far_ahead", "too_many_tombstones"];
/// The time for which the termination of heroes is attempted while dispatch cannot do it.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait for a wall clock to reach the stamps that are ahead of it.
const WALL_WAIT_MS_MAX: u64 = 15_000;

impl Player<'_> {
    /// Prepares the cluster for the first step.
    pub(super) fn prepare(
        &mut self,
        scenario: &Scenario,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), StepError> {
        // First, since a fault or a pause would keep the heroes from spreading.
        self.restore(on_progress)?;
        // Patrols and fights are writes, too: they could decide which of the scenario's wins.
        if !self.executor.is_quiet()? {
            self.executor.set_quiet(true)?;
            self.has_quieted = true;
        }
        for name in &scenario.names {
            let hero = self.executor.create(name)?;
            self.add_hero(name.clone(), hero.id);
        }
        if scenario.invented > 0 {
            let ids = self.executor.create_many(scenario.invented)?;
            for (id, number) in ids.into_iter().zip(1_u32..) {
                self.add_hero(format!("#{number}"), id);
            }
        }
        if !self.order.is_empty() {
            let heroes = counted(self.order.len() as u64, "hero", "heroes");
            on_progress(Progress::Note(&format!("created {heroes}")));
            self.wait_until_spread()?;
            self.wait_for_wall_clocks()?;
        }
        // Last, so that losses and events of the preparation are not attributed to the scenario.
        self.lost_before = self.executor.verdict()?.lost_writes;
        self.event_before = self.last_event()?.map_or(0, |(number, _)| number);
        Ok(())
    }

    /// Undoes the scenario's changes, except its heroes. Continues after a failure, and returns the
    /// first one.
    pub(super) fn clean_up(&self, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), String> {
        let mut outcome = self.restore(on_progress).map_err(|failure| failure.to_string());
        if self.has_quieted {
            let ended = self.executor.set_quiet(false);
            outcome = outcome.and(ended.map_err(|failure| format!("cannot end quiet: {failure}")));
        }
        for city in &self.ended {
            match self.executor.operate_city(city, CityOperation::Rebuild) {
                Ok(()) => on_progress(Progress::Note(&format!("restarted {city}"))),
                Err(failure) => {
                    outcome = outcome.and(Err(format!("cannot restart {city}: {failure}")));
                }
            }
        }
        outcome
    }

    /// Terminates the scenario's heroes, as far as they live. While dispatch cannot terminate one,
    /// the attempt is repeated.
    pub(super) fn terminate_heroes(
        &self,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), String> {
        let start = self.executor.now();
        let mut terminated = 0;
        for (index, label) in self.order.iter().enumerate() {
            let Some(id) = self.heroes.get(label) else { continue };
            loop {
                let failure = match self.executor.terminate(id) {
                    Ok(()) => {
                        terminated += 1;
                        break;
                    }
                    Err(failure) => failure,
                };
                match failure.refusal() {
                    // The scenario has terminated it, or it was lost with the only city that held it.
                    Some("terminated" | "unknown_hero") => break,
                    // Not checked for a stop: the cleanup goes on.
                    Some(kind)
                        if (failure.is_temporary() || LATER.contains(&kind))
                            && self.executor.now().saturating_sub(start) < TERMINATION_TIMEOUT =>
                    {
                        self.executor.sleep(POLL_INTERVAL);
                    }
                    Some(_) | None => {
                        let left = counted((self.order.len() - index) as u64, "hero", "heroes");
                        return Err(format!("cannot terminate {left}: {failure}"));
                    }
                }
            }
        }
        if terminated > 0 {
            let heroes = counted(terminated, "hero", "heroes");
            on_progress(Progress::Note(&format!("terminated {heroes}")));
        }
        Ok(())
    }

    /// Heals all faults, and resets gossip to its configured rate.
    fn restore(&self, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Failure> {
        let faults = self.executor.faults()?;
        if faults > 0 {
            self.executor.heal(None)?;
            let faults = counted(faults as u64, "fault", "faults");
            on_progress(Progress::Note(&format!("healed {faults}")));
        }
        let gossip = self.executor.gossip()?;
        if gossip.paused {
            // Resuming also resets the rate.
            self.executor.resume()?;
            on_progress(Progress::Note("resumed gossip"));
        } else if gossip.percent != 100 {
            self.executor.set_speed(100)?;
            let percent = gossip.percent;
            on_progress(Progress::Note(&format!(
                "reset the gossip rate from {percent} % to 100 %"
            )));
        }
        Ok(())
    }

    fn wait_until_spread(&self) -> Result<(), StepError> {
        let start = self.executor.now();
        loop {
            let lacking = match self.lacking() {
                Ok(None) => return Ok(()),
                Ok(Some(lacking)) => lacking,
                Err(failure) if failure.is_temporary() => failure.to_string(),
                Err(failure) => return Err(failure.into()),
            };
            if self.executor.now().saturating_sub(start) >= SPREAD_TIMEOUT {
                let seconds = SPREAD_TIMEOUT.as_secs();
                return Err(StepError::Broken(format!("{lacking} after {seconds} s")));
            }
            self.wait(POLL_INTERVAL)?;
        }
    }

    /// Returns a text about a city that does not hold all heroes of the scenario; `None` if each
    /// holds them.
    fn lacking(&self) -> Result<Option<String>, Failure> {
        let mut lacking = None;
        for city in CITIES {
            let held = self.executor.city_heroes(city)?;
            let is_missing = |id: &&String| !held.iter().any(|hero| hero.id == **id);
            let missing = self.heroes.values().filter(is_missing).count();
            if missing > 0 {
                lacking = Some(format!("{city} is missing {missing} of the scenario's heroes"));
            }
        }
        Ok(lacking)
    }

    /// Waits until no node stamps ahead of its wall clock, because of a new incarnation or of a
    /// received stamp. Otherwise activity from before the scenario could decide which of the
    /// scenario's writes wins.
    fn wait_for_wall_clocks(&self) -> Result<(), StepError> {
        // The API has no wall clock. The time of the newest event is at or before it, so the wait
        // is never too short.
        let Some((_, wall)) = self.last_event()? else { return Ok(()) };
        let nodes = self.executor.nodes()?;
        // An incarnation number is the wall clock at its start.
        let newest = nodes.into_iter().filter_map(|node| node.incarnation).max();
        let first_stamp = newest.map(|start| start.saturating_add(DRIFT_MS));
        // Dispatch stamped the heroes, and all cities hold them. So these stamps stand for all that
        // dispatch had received before.
        let ids: Vec<&String> = self.heroes.values().collect();
        let held = self.executor.city_heroes(CITIES[0])?;
        let ours = held.into_iter().filter(|hero| ids.contains(&&hero.id));
        let stamped = ours.map(|hero| hero.stamp.wall_ms).max();
        let latest = first_stamp.into_iter().chain(stamped).max().unwrap_or(0);
        let ahead_ms = latest.saturating_sub(wall).min(WALL_WAIT_MS_MAX);
        self.wait(Duration::from_millis(ahead_ms))
    }

    /// Returns the number and the time of the newest event, by dispatch's wall clock.
    fn last_event(&self) -> Result<Option<(u64, u64)>, StepError> {
        let events = self.executor.events(0)?;
        Ok(events.last().map(|event| (event.number, event.at_ms)))
    }
}
