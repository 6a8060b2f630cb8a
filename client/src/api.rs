//! The calls of dispatch's HTTP API, and of every node's [replicated types](types).

pub(crate) mod services;
pub(crate) mod types;

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::Method;

use api_types::{
    AcceptRequest, Accepted, AssignRequest, City, CityHeroes, Cluster, CreateRequest, Events,
    Exchange, ExchangeRequest, Explanation, Fault, FaultRequest, Faults, Gossip, Hero,
    HeroEverywhere, Heroes, Ids, LostWrites, OtherRules, Quiet, ResetDone, SpeedRequest, Verdict,
};

use crate::access::Access;
use crate::address::Address;
use crate::connection::{self, Opened};
use crate::error::Error;
use crate::http::{Http, Sent, segment};
use crate::pages::Pages;

/// A response, parsed and as received.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The parsed value.
    pub value: T,
    /// The JSON as received.
    pub body: String,
}

/// A client for the node at one URL: dispatch, or for the replicated types any other.
///
/// Each call opens its own connection, unless the client is [`kept`](Self::kept). Every call
/// returns an [`Error`] if there is no usable response or the request is refused. A call whose
/// answer is lost is sent again, without further effect; [`Error::OutcomeUnknown`] if all answers
/// are lost.
#[derive(Clone, Debug)]
pub struct Api {
    http: Http,
}

#[expect(clippy::missing_errors_doc, reason = "all calls fail in the same ways")]
impl Api {
    /// Creates a client for `http://HOST:PORT`. Sends nothing.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with(url, Access::default())
    }

    /// Creates a client for `http://HOST:PORT` or `https://HOST:PORT` with these credentials. Sends
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn with(url: &str, access: Access) -> Result<Self, Error> {
        Ok(Self { http: Http::new(Address::parse(url, &access)?, access) })
    }

    /// Returns a client for the node at this URL, with the credentials of this one.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn at(&self, url: &str) -> Result<Self, Error> {
        Self::with(url, self.http.access().clone())
    }

    /// Returns a client for the node at `HOST:PORT`, with the scheme and the credentials of this
    /// one.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn at_address(&self, address: &str) -> Result<Self, Error> {
        let scheme = if self.http.address().is_encrypted() { "https" } else { "http" };
        self.at(&format!("{scheme}://{address}"))
    }

    /// Returns a client that keeps its connection open for the next call.
    ///
    /// Use it from one thread: of two concurrent calls, one opens a second connection.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self { http: self.http.kept() }
    }

    /// Returns a client whose requests end within `timeout`, if that is shorter than
    /// [`REQUEST_TIMEOUT`](crate::REQUEST_TIMEOUT).
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self { http: self.http.within(timeout) }
    }

    /// Returns a client whose requests may take this much longer, for calls with time limits of their
    /// own.
    #[must_use]
    pub fn patient(&self, longer: Duration) -> Self {
        Self { http: self.http.patient(longer) }
    }

    /// Opens a connection for a WebSocket.
    ///
    /// # Errors
    /// [`Error::NoAnswer`]
    pub fn connect(&self) -> Result<Opened, Error> {
        connection::open(self.http.address(), self.http.access())
    }

    /// Returns the reason why a connection failed.
    #[must_use]
    pub fn connection_error(&self, error: &io::Error) -> Error {
        self.http.connection_error(error)
    }

    /// Returns the URL of the node, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.http.address().url()
    }

    /// Returns `HOST:PORT`, with the scheme's default port if the URL has none.
    #[must_use]
    pub fn address(&self) -> String {
        self.http.address().host_and_port()
    }

    /// Returns the host, with the port if the URL has one.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.http.address().authority()
    }

    /// Returns the heroes that dispatch holds, ordered by name.
    #[must_use]
    pub fn heroes(&self) -> Pages<Heroes> {
        Pages::new(self, "/heroes?", String::new())
    }

    /// Returns the first heroes by name that dispatch holds, at most this many (1 to 10000).
    pub fn first_heroes(&self, count: usize) -> Result<Answer<Heroes>, Error> {
        self.get(&format!("/heroes?limit={count}"))
    }

    /// Returns the heroes with exactly this name that dispatch holds.
    #[must_use]
    pub fn heroes_named(&self, name: &str) -> Pages<Heroes> {
        Pages::new(self, &format!("/heroes?name={}&", segment(name)), String::new())
    }

    /// Returns the heroes whose ID begins with this text that dispatch holds.
    #[must_use]
    pub fn heroes_with_id(&self, prefix: &str) -> Pages<Heroes> {
        Pages::new(self, &format!("/heroes?id={}&", segment(prefix)), String::new())
    }

    /// Returns the heroes that a city holds, ordered by name.
    #[must_use]
    pub fn city_heroes(&self, city: &str) -> Pages<CityHeroes> {
        Pages::new(self, &format!("/cities/{}/heroes?", segment(city)), String::new())
    }

    /// Returns a hero as each city holds it.
    pub fn hero(&self, id: &str) -> Result<Answer<HeroEverywhere>, Error> {
        self.get(&format!("/heroes/{}", segment(id)))
    }

    /// Creates a hero with this name, or with a generated one.
    pub fn create(&self, name: Option<&str>) -> Result<Answer<Hero>, Error> {
        let name = name.map(str::to_owned);
        self.post("/heroes", &CreateRequest { name, count: None })
    }

    /// Creates heroes with generated names, and returns their IDs.
    pub fn create_many(&self, count: u32) -> Result<Answer<Ids>, Error> {
        self.post("/heroes", &CreateRequest { name: None, count: Some(count) })
    }

    /// Assigns a hero to a city, or sends it home.
    pub fn assign(&self, id: &str, location: &str) -> Result<Answer<Hero>, Error> {
        let path = format!("/heroes/{}/location", segment(id));
        let location = location.to_owned();
        self.call(Method::PUT, &path, Some(&body(&AssignRequest { location })))
    }

    /// Terminates a hero.
    pub fn terminate(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/heroes/{}", segment(id)))
    }

    /// Starts a further city.
    pub fn found_city(&self, name: &str) -> Result<Answer<City>, Error> {
        self.post("/cities", &json!({ "name": name }))
    }

    /// Stops a city and forgets it.
    pub fn remove_city(&self, city: &str) -> Result<(), Error> {
        self.delete(&format!("/cities/{}", segment(city)))
    }

    /// Crashes a city, or a random one.
    pub fn bomb(&self, city: Option<&str>) -> Result<Answer<City>, Error> {
        match city {
            Some(city) => self.operate_city(city, "bomb"),
            None => self.post("/bomb", &json!({})),
        }
    }

    /// Runs an operation on a city: `bomb`, `stop`, `kill`, `rebuild` or `forget`.
    pub fn operate_city(&self, city: &str, operation: &str) -> Result<Answer<City>, Error> {
        let path = format!("/api/v1/cities/{}/{operation}", segment(city));
        let Sent { result, is_repeated } = self.http.send(&Method::POST, &path, Some(&json!({})));
        match result {
            // The rebuild whose answer was lost has taken effect.
            Err(error)
                if is_repeated && operation == "rebuild" && error.refusal() == Some("alive") =>
            {
                let value = City { city: city.to_owned() };
                let body = body(&value).to_string();
                Ok(Answer { value, body })
            }
            result => self.parse(result),
        }
    }

    /// Returns the state of every node.
    pub fn cluster(&self) -> Result<Answer<Cluster>, Error> {
        self.get("/cluster")
    }

    /// Returns once the node answers that it has joined.
    pub fn ready(&self) -> Result<(), Error> {
        self.http.send(&Method::GET, "/readyz", None).result.map(drop)
    }

    /// Returns dispatch's metrics in the Prometheus text format.
    pub fn metrics(&self) -> Result<String, Error> {
        self.http.send(&Method::GET, "/metrics", None).result
    }

    /// Returns the verdict: whether the cities agree.
    pub fn verdict(&self) -> Result<Answer<Verdict>, Error> {
        self.get("/verdict")
    }

    /// Returns the heroes that a city holds, without the city's state.
    pub(crate) fn listed_at(&self, city: &str) -> Pages<Heroes> {
        Pages::new(self, &format!("/cities/{}/heroes?", segment(city)), String::new())
    }

    /// Returns the events after number `since`, newest last.
    #[must_use]
    pub fn events(&self, since: u64) -> Pages<Events> {
        Pages::new(self, "/events?", format!("since={since}"))
    }

    /// Returns the lost writes after number `since`, newest last.
    pub fn lost_writes(&self, since: u64) -> Result<Answer<LostWrites>, Error> {
        self.get(&format!("/lost?since={since}"))
    }

    /// Returns which write to a hero wins, and what would have saved the lost ones.
    pub fn explanation(&self, hero: &str) -> Result<Answer<Explanation>, Error> {
        self.get(&format!("/heroes/{}/explanation", segment(hero)))
    }

    /// Returns what would have become of the commands of the last minute under other rules.
    pub fn other_rules(&self) -> Result<Answer<OtherRules>, Error> {
        self.get("/lost/rules")
    }

    /// Returns the last minutes as the content of a file: of at most `last`, or of all that is kept.
    pub fn recording(&self, last: Option<Duration>) -> Result<Vec<u8>, Error> {
        let query =
            last.map_or_else(String::new, |last| format!("?last={}", last.as_secs().max(1)));
        self.http.bytes(&format!("/api/v1/recording{query}"))
    }

    /// Injects a fault. Returns once the fault is in force at the affected nodes.
    pub fn inject(&self, fault: &FaultRequest) -> Result<Answer<Fault>, Error> {
        self.post("/faults", fault)
    }

    /// Returns the faults in force.
    pub fn faults(&self) -> Result<Answer<Faults>, Error> {
        self.get("/faults")
    }

    /// Heals a fault.
    pub fn heal(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/faults/{}", segment(id)))
    }

    /// Heals all faults.
    pub fn heal_all(&self) -> Result<(), Error> {
        self.delete("/faults")
    }

    /// Returns whether gossip is paused, and its rate.
    pub fn gossip(&self) -> Result<Answer<Gossip>, Error> {
        self.get("/gossip")
    }

    /// Pauses gossip.
    pub fn pause(&self) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/pause", &json!({}))
    }

    /// Resumes gossip.
    pub fn resume(&self) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/resume", &json!({}))
    }

    /// Stops the patrols and fights of the cities, or lets them go on.
    pub fn quiet(&self, quiet: bool) -> Result<Answer<Quiet>, Error> {
        self.post(if quiet { "/quiet" } else { "/quiet/end" }, &json!({}))
    }

    /// Returns to a cluster without faults and heroes.
    pub fn reset(&self) -> Result<Answer<ResetDone>, Error> {
        self.post("/reset", &json!({}))
    }

    /// Sets the gossip rate, in percent of the configured one.
    pub fn speed(&self, percent: u32) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/speed", &SpeedRequest { percent: percent.into() })
    }

    /// Makes every node accept stamps up to this time ahead of dispatch's clock.
    pub fn accept_stamps(&self, ahead: Duration) -> Result<Answer<Accepted>, Error> {
        self.post("/stamps/accept", &AcceptRequest { ahead_ms: ahead.as_secs_f64() * 1_000.0 })
    }

    /// Runs one exchange, in which the second node of the pair pulls from the first; for a random
    /// pair if none is given.
    pub fn step(&self, pair: Option<(&str, &str)>) -> Result<Answer<Exchange>, Error> {
        let (from, to) = pair.map(|(from, to)| (from.to_owned(), to.to_owned())).unzip();
        self.post("/gossip/step", &ExchangeRequest { from, to })
    }

    /// Returns the error for a response that dispatch does not send.
    pub(crate) fn unexpected(&self, why: &str) -> Error {
        self.http.unexpected(why.to_owned())
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        self.call(Method::GET, path, None)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        self.call(Method::POST, path, Some(&body(request)))
    }

    /// Sends a request whose response has no body.
    pub(crate) fn send(&self, path: &str, request: &impl Serialize) -> Result<(), Error> {
        let path = format!("/api/v1{path}");
        self.http.send(&Method::POST, &path, Some(&body(request))).result.map(drop)
    }

    fn delete(&self, path: &str) -> Result<(), Error> {
        self.http.send(&Method::DELETE, &format!("/api/v1{path}"), None).result.map(drop)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer<T>, Error> {
        self.parse(self.http.send(&method, &format!("/api/v1{path}"), body).result)
    }

    fn parse<T: DeserializeOwned>(
        &self,
        result: Result<String, Error>,
    ) -> Result<Answer<T>, Error> {
        let body = result?;
        match serde_json::from_str(&body) {
            Ok(value) => Ok(Answer { value, body }),
            Err(error) => Err(self.http.unexpected_body(&error, &body)),
        }
    }
}

fn body(request: &impl Serialize) -> Value {
    serde_json::to_value(request).expect("requests contain only strings and numbers")
}
