//! Dispatch as the executor of its own scenarios: each call is a request to the machine, without
//! HTTP.
//!
//! Invariant: once dispatch stops, every call fails at once. So the player ends with the process,
//! and no call waits for a runtime that has shut down.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use api_types::{Event, Exchange, FaultRequest, Gossip, Hero, HeroEverywhere, Node, Verdict};
use scenario::{CityOperation, Executor, Failure};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use gossip::NodeName;
use gossip::fault::{FaultId, Pace};
use shared::hero::HeroId;

use crate::model::view::View;
use crate::request::{
    Assign, Bomb, Create, CreateMany, Find, Heal, Kill, Operation, RequestError, RunExchange,
    SetPace, SetQuiet, Stop, Terminate, Written,
};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, dispatch_unresponsive, out_of_range};
use crate::web::extract::domain::Domain;
use crate::web::extract::fault;
use crate::web::launcher::{self, LauncherClient};
use crate::web::representation;

/// This dispatch, operated and observed by a player on a thread of its own.
pub(crate) struct OwnCluster {
    dispatch: DispatchHandle,
    domain: Domain,
    launcher: LauncherClient,
    stop: CancellationToken,
    runtime: Handle,
    /// The zero of the player's clock.
    start: Instant,
    /// The number of steps that may start; `None` if all may.
    allowed: Option<Arc<AtomicUsize>>,
}

impl OwnCluster {
    /// Returns the executor, which works until `stop`. Must be called on the runtime that serves
    /// the requests.
    pub(crate) fn new(
        dispatch: DispatchHandle,
        domain: Domain,
        launcher: LauncherClient,
        stop: CancellationToken,
        allowed: Option<Arc<AtomicUsize>>,
    ) -> Self {
        let (runtime, start) = (Handle::current(), Instant::now());
        Self { dispatch, domain, launcher, stop, runtime, start, allowed }
    }

    /// Waits for the reply to a request, unless dispatch stops.
    fn wait<T>(&self, reply: impl Future<Output = Result<T, Problem>>) -> Result<T, Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                // The stop is checked first, so that no request is sent to a machine that is
                // shutting down.
                biased;
                () = self.stop.cancelled() => {
                    Err(Failure::Unanswered("dispatch is stopping".into()))
                }
                reply = reply => reply.map_err(failure),
            }
        })
    }

    fn ask<O: Operation>(&self, operation: O) -> Result<O::Reply, Failure> {
        self.wait(self.dispatch.ask(operation, None))
    }

    /// Returns the current view, including everything answered so far.
    fn view(&self) -> Result<Arc<View>, Failure> {
        self.wait(self.dispatch.now())
    }

    fn city(&self, name: &str) -> Result<NodeName, Failure> {
        self.domain.city(name).ok_or_else(|| Failure::Refused {
            kind: "unknown_city".into(),
            detail: format!("there is no city {name:?}: {}", self.domain.known_cities()),
        })
    }

    fn set_pace(&self, pace: Pace) -> Result<(), Failure> {
        self.ask(SetPace { pace }).map(drop)
    }
}

/// Converts a problem into the failure that a client would derive from its document.
fn failure(problem: Problem) -> Failure {
    Failure::Refused { kind: problem.code.to_owned(), detail: problem.detail }
}

/// Returns the failure of a request whose reply lacks the expected value.
fn no_reply() -> Failure {
    failure(dispatch_unresponsive())
}

/// Parses the id of a hero or a fault. The player has it from an earlier reply, so it is valid.
fn parsed<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::Unanswered(format!("{text:?} is not an id")))
}

impl Executor for OwnCluster {
    fn create(&self, name: &str) -> Result<Hero, Failure> {
        let name = Some(self.domain.hero_name(name).map_err(failure)?);
        let created = self.ask(Create { name })?;
        let created =
            created.first().and_then(|Written { hero, entry }| representation::hero(*hero, entry));
        created.ok_or_else(no_reply)
    }

    fn create_many(&self, count: u32) -> Result<Vec<String>, Failure> {
        let created = self.ask(CreateMany { count })?;
        Ok(created.iter().map(|written| written.hero.to_string()).collect())
    }

    fn assign(&self, id: &str, location: &str) -> Result<Hero, Failure> {
        let hero: HeroId = parsed(id)?;
        let to = self.domain.location(location).map_err(failure)?;
        let Written { hero, entry } = self.ask(Assign { hero, to })?;
        representation::hero(hero, &entry).ok_or_else(no_reply)
    }

    fn terminate(&self, id: &str) -> Result<(), Failure> {
        self.ask(Terminate { hero: parsed(id)? }).map(drop)
    }

    fn operate_city(&self, city: &str, operation: CityOperation) -> Result<(), Failure> {
        let city = self.city(city)?;
        match operation {
            CityOperation::Bomb => self.ask(Bomb { city: Some(city) }).map(drop),
            CityOperation::Stop => self.ask(Stop { city }).map(drop),
            CityOperation::Kill => self.ask(Kill { city }).map(drop),
            CityOperation::Rebuild => {
                self.wait(launcher::rebuild(&self.dispatch, &self.launcher, city, None))
            }
        }
    }

    fn inject(&self, request: &FaultRequest) -> Result<String, Failure> {
        let fault = self.ask(fault::parse(request, &self.domain).map_err(failure)?)?;
        Ok(fault.fault.id.to_string())
    }

    fn heal(&self, id: Option<&str>) -> Result<(), Failure> {
        let fault: Option<FaultId> = id.map(parsed).transpose()?;
        self.ask(Heal { fault })
    }

    fn pause(&self) -> Result<(), Failure> {
        self.set_pace(Pace::PAUSED)
    }

    fn resume(&self) -> Result<(), Failure> {
        self.set_pace(Pace::FREE)
    }

    fn set_speed(&self, percent: u32) -> Result<(), Failure> {
        let percent = u16::try_from(percent).unwrap_or(u16::MAX);
        if !Pace::RANGE.contains(&percent) {
            return Err(failure(out_of_range("percent", "10 to 1000", percent.into())));
        }
        self.set_pace(Pace { percent })
    }

    fn is_quiet(&self) -> Result<bool, Failure> {
        Ok(self.view()?.quiet)
    }

    fn set_quiet(&self, quiet: bool) -> Result<(), Failure> {
        self.ask(SetQuiet { quiet }).map(drop)
    }

    fn steps_allowed(&self) -> Option<usize> {
        self.allowed.as_ref().map(|allowed| allowed.load(Ordering::Relaxed))
    }

    fn exchange(&self, from: &str, to: &str) -> Result<Exchange, Failure> {
        let source = Some(self.domain.node("from", from).map_err(failure)?);
        let puller = Some(self.domain.node("to", to).map_err(failure)?);
        self.ask(RunExchange { source, puller }).map(representation::exchange)
    }

    fn verdict(&self) -> Result<Verdict, Failure> {
        Ok(representation::verdict(&self.view()?.status))
    }

    fn nodes(&self) -> Result<Vec<Node>, Failure> {
        // Steps name nodes, so the addresses are not needed.
        Ok(representation::cluster(&*self.view()?, &BTreeMap::new()).nodes)
    }

    fn city_heroes(&self, city: &str) -> Result<Vec<Hero>, Failure> {
        let held = representation::city_heroes(&*self.view()?, self.city(city)?);
        Ok(held.ok_or_else(no_reply)?.heroes)
    }

    fn hero(&self, id: &str) -> Result<HeroEverywhere, Failure> {
        let hero: HeroId = parsed(id)?;
        let Written { hero, entry } = self.ask(Find { hero })?;
        let deleted = || failure(RequestError::Deleted(hero).into());
        representation::hero_everywhere(&*self.view()?, hero, &entry).ok_or_else(deleted)
    }

    fn events(&self, since: u64) -> Result<Vec<Event>, Failure> {
        Ok(representation::events(&*self.view()?, since, usize::MAX))
    }

    fn faults(&self) -> Result<usize, Failure> {
        Ok(self.view()?.faults.len())
    }

    fn gossip(&self) -> Result<Gossip, Failure> {
        Ok(representation::gossip(self.view()?.pace))
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, span: Duration) {
        thread::sleep(span);
    }
}
