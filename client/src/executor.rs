//! The client as a scenario executor: each call is one HTTP request.

use std::thread;
use std::time::Duration;

use api_types::{Event, Exchange, FaultRequest, Gossip, Hero, HeroEverywhere, Node, Verdict};
use scenario::{CityOperation, Executor, Failure};

use crate::api::Api;
use crate::clock;
use crate::error::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { kind, detail, .. } => Self::Refused { kind, detail },
            Error::NoAnswer { .. } | Error::OutcomeUnknown { .. } => {
                Self::Unavailable(error.to_string())
            }
            Error::Address { .. }
            | Error::Access { .. }
            | Error::Untrusted { .. }
            | Error::NotDispatch { .. } => Self::Unanswered(error.to_string()),
        }
    }
}

impl Executor for Api {
    fn create(&self, name: &str) -> Result<Hero, Failure> {
        Ok(Api::create(self, Some(name))?.value)
    }

    fn create_many(&self, count: u32) -> Result<Vec<String>, Failure> {
        Ok(Api::create_many(self, count)?.value.ids)
    }

    fn assign(&self, id: &str, location: &str) -> Result<Hero, Failure> {
        Ok(Api::assign(self, id, location)?.value)
    }

    fn terminate(&self, id: &str) -> Result<(), Failure> {
        Ok(Api::terminate(self, id)?)
    }

    fn operate_city(&self, city: &str, operation: CityOperation) -> Result<(), Failure> {
        let operation = match operation {
            CityOperation::Bomb => "bomb",
            CityOperation::Stop => "stop",
            CityOperation::Kill => "kill",
            CityOperation::Rebuild => "rebuild",
        };
        Api::operate_city(self, city, operation)?;
        Ok(())
    }

    fn is_quiet(&self) -> Result<bool, Failure> {
        Ok(Api::cluster(self)?.value.quiet)
    }

    fn set_quiet(&self, quiet: bool) -> Result<(), Failure> {
        Api::quiet(self, quiet)?;
        Ok(())
    }

    fn inject(&self, fault: &FaultRequest) -> Result<String, Failure> {
        Ok(Api::inject(self, fault)?.value.id)
    }

    fn heal(&self, id: Option<&str>) -> Result<(), Failure> {
        Ok(id.map_or_else(|| self.heal_all(), |id| Api::heal(self, id))?)
    }

    fn pause(&self) -> Result<(), Failure> {
        Api::pause(self)?;
        Ok(())
    }

    fn resume(&self) -> Result<(), Failure> {
        Api::resume(self)?;
        Ok(())
    }

    fn set_speed(&self, percent: u32) -> Result<(), Failure> {
        self.speed(percent)?;
        Ok(())
    }

    fn exchange(&self, from: &str, to: &str) -> Result<Exchange, Failure> {
        Ok(self.step(Some((from, to)))?.value)
    }

    fn verdict(&self) -> Result<Verdict, Failure> {
        Ok(Api::verdict(self)?.value)
    }

    fn nodes(&self) -> Result<Vec<Node>, Failure> {
        Ok(self.cluster()?.value.nodes)
    }

    fn city_heroes(&self, city: &str) -> Result<Vec<Hero>, Failure> {
        Ok(self.listed_at(city).items()?)
    }

    fn hero(&self, id: &str) -> Result<HeroEverywhere, Failure> {
        Ok(Api::hero(self, id)?.value)
    }

    fn events(&self, since: u64) -> Result<Vec<Event>, Failure> {
        Ok(Api::events(self, since).items()?)
    }

    fn faults(&self) -> Result<usize, Failure> {
        Ok(Api::faults(self)?.value.faults.len())
    }

    fn gossip(&self) -> Result<Gossip, Failure> {
        Ok(Api::gossip(self)?.value)
    }

    fn now(&self) -> Duration {
        clock::now()
    }

    fn sleep(&self, span: Duration) {
        thread::sleep(span);
    }
}
