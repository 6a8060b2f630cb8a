//! The calls of dispatch's HTTP API.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::Method;

use api_types::{
    AssignRequest, City, Cluster, CreateRequest, Events, Exchange, ExchangeRequest, Fault,
    FaultRequest, Faults, Gossip, Hero, HeroEverywhere, Heroes, Ids, SpeedRequest, Verdict,
};

use crate::access::Access;
use crate::address::Address;
use crate::connection::{self, Opened};
use crate::error::Error;
use crate::http::{Http, segment};

/// An answer, as a value and as it came.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The JSON as it came.
    pub body: String,
}

/// Dispatch at an address. Each call has a connection of its own, unless the connection is
/// [`kept`](Self::kept).
///
/// Each call fails as [`Error`] says: there was no answer, or the request was refused.
#[derive(Clone, Debug)]
pub struct Api {
    http: Http,
}

#[expect(clippy::missing_errors_doc, reason = "all calls fail in the same ways")]
impl Api {
    /// Returns the dispatch at `http://HOST:PORT`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with(url, Access::default())
    }

    /// Returns the dispatch at `http://HOST:PORT` or `https://HOST:PORT`, used with this access.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn with(url: &str, access: Access) -> Result<Self, Error> {
        Ok(Self { http: Http::new(Address::parse(url, &access)?, access) })
    }

    /// Returns the same dispatch over one connection that is kept for the next call.
    ///
    /// It is for one thread: of two calls at once, one has a connection of its own. A call over a
    /// connection that dispatch is closing at that moment ends as [`Error::NoAnswer`].
    #[must_use]
    pub fn kept(&self) -> Self {
        Self { http: self.http.kept() }
    }

    /// Opens a connection to dispatch for a socket.
    ///
    /// # Errors
    /// [`Error::NoAnswer`]
    pub fn connect(&self) -> Result<Opened, Error> {
        connection::open(self.http.address(), self.http.access())
    }

    /// Returns the address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.http.address().url()
    }

    /// Returns HOST:PORT, with the default port if the address has none.
    #[must_use]
    pub fn address(&self) -> String {
        self.http.address().host_and_port()
    }

    /// Returns the host, and the port if the address has one.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.http.address().authority()
    }

    /// Returns the living heroes that dispatch holds.
    pub fn heroes(&self) -> Result<Answer<Heroes>, Error> {
        self.get("/heroes")
    }

    /// Returns the living heroes that a city holds.
    pub fn city_heroes(&self, city: &str) -> Result<Answer<Heroes>, Error> {
        self.get(&format!("/cities/{}/heroes", segment(city)))
    }

    /// Returns a hero as each city holds it.
    pub fn hero(&self, id: &str) -> Result<Answer<HeroEverywhere>, Error> {
        self.get(&format!("/heroes/{}", segment(id)))
    }

    /// Creates a hero with this name, or with an invented one.
    pub fn create(&self, name: Option<&str>) -> Result<Answer<Hero>, Error> {
        let name = name.map(str::to_owned);
        self.post("/heroes", &CreateRequest { name, count: None })
    }

    /// Creates heroes with invented names.
    pub fn create_many(&self, count: u32) -> Result<Answer<Ids>, Error> {
        self.post("/heroes", &CreateRequest { name: None, count: Some(count) })
    }

    /// Moves a hero.
    pub fn assign(&self, id: &str, location: &str) -> Result<Answer<Hero>, Error> {
        let path = format!("/heroes/{}/location", segment(id));
        let location = location.to_owned();
        self.call(Method::PUT, &path, Some(&body(&AssignRequest { location })))
    }

    /// Ends a hero.
    pub fn terminate(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/heroes/{}", segment(id)))
    }

    /// Crashes a city, or a random one.
    pub fn bomb(&self, city: Option<&str>) -> Result<Answer<City>, Error> {
        match city {
            Some(city) => self.operate_city(city, "bomb"),
            None => self.post("/bomb", &json!({})),
        }
    }

    /// Carries out an operation on a city: `bomb`, `stop`, `kill`, `rebuild` or `forget`.
    pub fn operate_city(&self, city: &str, operation: &str) -> Result<Answer<City>, Error> {
        self.post(&format!("/cities/{}/{operation}", segment(city)), &json!({}))
    }

    /// Returns every node.
    pub fn cluster(&self) -> Result<Answer<Cluster>, Error> {
        self.get("/cluster")
    }

    /// Returns dispatch's metrics in the text format of Prometheus.
    pub fn metrics(&self) -> Result<String, Error> {
        self.http.send(Method::GET, "/metrics", None)
    }

    /// Returns the verdict on the whole cluster.
    pub fn verdict(&self) -> Result<Answer<Verdict>, Error> {
        self.get("/verdict")
    }

    /// Returns the events after the one of this number.
    pub fn events(&self, since: u64) -> Result<Answer<Events>, Error> {
        self.get(&format!("/events?since={since}"))
    }

    /// Injects a fault. The answer comes once the nodes concerned act on it.
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

    /// Returns the pace of gossip.
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

    /// Sets the rate of gossip, in percent of the configured one.
    pub fn speed(&self, percent: u32) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/speed", &SpeedRequest { percent: percent.into() })
    }

    /// Lets the second node pull from the first, once; a random pair where none is given.
    pub fn step(&self, pair: Option<(&str, &str)>) -> Result<Answer<Exchange>, Error> {
        let (from, to) = pair.map(|(from, to)| (from.to_owned(), to.to_owned())).unzip();
        self.post("/gossip/step", &ExchangeRequest { from, to })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        self.call(Method::GET, path, None)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        self.call(Method::POST, path, Some(&body(request)))
    }

    fn delete(&self, path: &str) -> Result<(), Error> {
        self.http.send(Method::DELETE, &format!("/api/v1{path}"), None).map(drop)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer<T>, Error> {
        let body = self.http.send(method, &format!("/api/v1{path}"), body)?;
        match serde_json::from_str(&body) {
            Ok(value) => Ok(Answer { value, body }),
            Err(error) => Err(self.http.unexpected_body(&error, &body)),
        }
    }
}

fn body(request: &impl Serialize) -> Value {
    serde_json::to_value(request).expect("a request is made of strings and numbers")
}
