//! Dispatch's HTTP API: what can be asked, and the answers as types.
//!
//! Invariant: every call ends within [`PATIENCE`], and takes no more than a bounded body from whoever answers.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::config::ConfigBuilder;
use ureq::http::{Method, Request, Uri};
use ureq::typestate::AgentScope;

use crate::access::{Access, Connection, Opened};
use crate::error::Error;
use crate::fault::Fault;

/// How long an answer is waited for. Dispatch promises less than two seconds.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a connection that is kept may be idle: dispatch closes one that is for ten seconds.
pub const IDLE_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is taken: hundreds of thousands of heroes.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// How much of an odd answer is repeated.
const ODD_CHARS_MAX: usize = 200;

/// An answer: what it says, and as it came.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// What it says.
    pub value: T,
    /// The JSON as it came; empty where there is nothing to say (204).
    pub body: String,
}

/// The stamp of a write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch, as far as the writer could know.
    pub wall_ms: u64,
    /// Counts what shares `wall_ms`.
    pub logical: u32,
    /// The writer: `gotham/1790000000000`, its name and its life.
    pub origin: String,
}

impl Stamp {
    /// What decides between two writes: the greater wins.
    #[must_use]
    pub fn order(&self) -> (u64, u32, &str, u64) {
        let (node, life) = self.origin.split_once('/').unwrap_or((&self.origin, "0"));
        (self.wall_ms, self.logical, node, life.parse().unwrap_or(0))
    }
}

/// A living hero, as some node holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hero {
    /// A UUID.
    pub id: String,
    /// What people call the hero.
    pub name: String,
    /// A city's name, or `home`.
    pub location: String,
    /// Whether the hero looks for villains there.
    pub is_patrolling: bool,
    /// 1 to 100.
    pub health: u8,
    /// The write that made it so.
    pub stamp: Stamp,
}

/// The living heroes of a node.
#[derive(Clone, Debug, Deserialize)]
pub struct Heroes {
    /// The heroes, by name.
    pub heroes: Vec<Hero>,
    /// How many of the dead are still remembered.
    pub tombstones: u64,
}

/// What a city holds of a hero.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// Alive, like this.
    Alive(Hero),
    /// The word `tombstone`: dead.
    Tombstone(String),
}

/// A hero everywhere.
#[derive(Clone, Debug, Deserialize)]
pub struct HeroEverywhere {
    /// The newest copy that dispatch knows.
    pub hero: Option<Hero>,
    /// What each city holds; `None` where it has not heard of the hero.
    pub cities: BTreeMap<String, Option<Held>>,
}

/// Who was created by a count.
#[derive(Clone, Debug, Deserialize)]
pub struct Ids {
    /// UUIDs.
    pub ids: Vec<String>,
}

/// A city that something was done to.
#[derive(Clone, Debug, Deserialize)]
pub struct City {
    /// Its name.
    pub city: String,
}

/// A node, as dispatch last saw it.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `city` or `dispatch`.
    pub role: String,
    /// `up`, `unreachable` or `down`.
    pub status: String,
    /// Its life: when that began, in milliseconds since the Unix epoch; `None` if it was never heard.
    pub incarnation: Option<u64>,
    /// How often it has crashed.
    pub crashes: u32,
    /// Heroes that live there.
    pub heroes: u64,
    /// The dead that it remembers.
    pub tombstones: u64,
    /// Hash of all it holds.
    pub fingerprint: String,
    /// What it covers of each life that is open, `gotham/1790000000000`: the highest stamp, as milliseconds and counter, `1790000012345+0`.
    #[serde(default)]
    pub version_vector: BTreeMap<String, String>,
    /// The first life of each node that is not closed: of all earlier ones it covers everything.
    #[serde(default)]
    pub closed_before: BTreeMap<String, u64>,
    /// How old this is, in milliseconds; `None` if it was never heard.
    pub age_ms: Option<u64>,
    /// How far its wall clock is ahead of dispatch's, in milliseconds.
    #[serde(default)]
    pub clock_ahead_ms: Option<i64>,
    /// Whether it is kept from replicating.
    #[serde(default)]
    pub frozen: bool,
}

/// Every node.
#[derive(Clone, Debug, Deserialize)]
pub struct Cluster {
    /// The version of dispatch; `None` if it is too old to say.
    #[serde(default)]
    pub version: Option<String>,
    /// The cities, then dispatch.
    pub nodes: Vec<Node>,
}

/// What the cluster's state amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Verdict {
    /// Every city answers, and all nodes hold the same.
    pub converged: bool,
    /// The same in words.
    pub sentence: String,
    /// Heroes of which the answering cities do not say the same.
    pub differences: u64,
    /// Heroes that one node alone holds.
    pub only_copies: u64,
    /// Writes answered as saved and gone since.
    pub lost_writes: u64,
    /// Since when there is a difference, in milliseconds.
    pub oldest_difference_ms: Option<u64>,
}

/// A line of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Counts from 1.
    pub number: u64,
    /// By dispatch's wall clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whom it is about.
    pub node: String,
    /// What kind of thing happened: a stable word.
    pub kind: String,
    /// What happened, for people.
    pub text: String,
}

/// A part of the event log.
#[derive(Clone, Debug, Deserialize)]
pub struct Events {
    /// Newest last.
    pub events: Vec<Event>,
}

/// What a fault did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Frames {
    /// How many frames came by.
    pub seen: u64,
    /// How many of them it let nobody have.
    pub dropped: u64,
    /// How many it held back.
    pub delayed: u64,
    /// How many it sent twice.
    pub duplicated: u64,
}

/// A fault that is in force.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FaultInForce {
    /// What to heal it by.
    pub id: String,
    /// The API's word.
    pub kind: String,
    /// The node, or the one end.
    pub from: String,
    /// The other end.
    #[serde(default)]
    pub to: Option<String>,
    /// Whether the way back is disturbed too.
    #[serde(default)]
    pub both: bool,
    /// When it heals by itself.
    #[serde(default)]
    pub heals_in_ms: Option<u64>,
    /// Who acts on it.
    #[serde(default)]
    pub in_force_at: Vec<String>,
    /// What it did.
    #[serde(default)]
    pub frames: Frames,
    /// Its amounts, by the API's names.
    #[serde(flatten)]
    pub amounts: BTreeMap<String, Value>,
}

/// The faults in force.
#[derive(Clone, Debug, Deserialize)]
pub struct Faults {
    /// Oldest first.
    pub faults: Vec<FaultInForce>,
}

/// Whether nodes gossip by themselves, and how fast.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Gossip {
    /// They do not.
    pub paused: bool,
    /// Of the configured rate.
    pub percent: u32,
}

/// One round that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Exchange {
    /// Who was asked.
    pub from: String,
    /// Who asked.
    pub to: String,
    /// Whether it came to its end.
    pub completed: bool,
    /// How many entries it brought.
    #[serde(default)]
    pub entries: u64,
    /// How many bytes it took.
    #[serde(default)]
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

/// Dispatch, at an address. Every call has a connection of its own: a client must not hold on to one that is dead. One that asks thousands of
/// times a second is [`kept`](Self::kept).
#[derive(Clone, Debug)]
pub struct Api {
    agent: ureq::Agent,
    url: String,
    authority: String,
    access: Access,
}

impl Api {
    /// The dispatch at this address: `http://HOST:PORT`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with(url, Access::default())
    }

    /// The dispatch at this address, `http://HOST:PORT` or `https://HOST:PORT`, which lets in who has this access. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn with(url: &str, access: Access) -> Result<Self, Error> {
        let odd = |why: &str| Error::Address { url: url.chars().take(ODD_CHARS_MAX).collect(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|error: ureq::http::uri::InvalidUri| odd(&error.to_string()))?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") if access.believes_somebody() => "https",
            Some("https") => return Err(odd("--ca FILE must say whose certificates are believed")),
            Some(_) | None => return Err(odd("it does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| odd("there is no host"))?;
        if authority.as_str().contains('@') {
            return Err(odd("a token is what lets in, no user and no password"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if access.token.is_some() && scheme == "http" && !is_here {
            return Err(odd("a token is not sent in clear: https keeps it"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(odd("there is something behind the host"));
        }
        let authority = authority.to_string();
        let config = config(&access).max_idle_connections(0).timeout_global(Some(PATIENCE));
        Ok(Self { agent: config.build().into(), url: format!("{scheme}://{authority}"), authority, access })
    }

    /// The same dispatch, over one connection that is kept for the next call, if that comes within [`IDLE_MAX`]. For one thread: of two calls at
    /// once, one has a connection of its own. A call over a connection that dispatch is just closing ends as [`Error::NoAnswer`].
    ///
    /// Each step of a call may take [`PATIENCE`], and not all of them together: for that, each call would look up the host on a thread of its own, which
    /// costs more than the call.
    #[must_use]
    pub fn kept(&self) -> Self {
        let limit = Some(PATIENCE);
        let config = config(&self.access).max_idle_connections(1).max_idle_age(IDLE_MAX);
        let config = config.timeout_connect(limit).timeout_send_request(limit).timeout_send_body(limit);
        let config = config.timeout_recv_response(limit).timeout_recv_body(limit);
        Self { agent: config.build().into(), ..self.clone() }
    }

    /// Opens a connection of its own to dispatch, for a socket.
    ///
    /// # Errors
    /// [`Error::NoAnswer`]
    pub fn connect(&self) -> Result<Opened, Error> {
        let no_answer = |why: String| Error::NoAnswer { url: self.url.clone(), why };
        let encrypted = self.url.starts_with("https:");
        let address = self.address();
        let stream = connect(&address).map_err(|error| no_answer(error.to_string()))?;
        let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
        let connection: Box<dyn Connection> =
            if encrypted { self.access.encrypt(host, stream).map_err(no_answer)? } else { Box::new(stream) };
        let headers = self.access.token.iter().map(|token| ("authorization", format!("Bearer {token}"))).collect();
        Ok(Opened { connection, headers })
    }

    /// The address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// HOST:PORT, with the usual port where none was given.
    #[must_use]
    pub fn address(&self) -> String {
        let authority = &self.authority;
        let has_port =
            authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        let usual = if self.url.starts_with("https:") { 443 } else { 80 };
        if has_port { authority.clone() } else { format!("{authority}:{usual}") }
    }

    /// The host, and the port if one was given.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Dispatch's own view of all living heroes.
    ///
    /// # Errors
    /// See [`Error`], here and below: nobody answered, or the request was refused.
    pub fn heroes(&self) -> Result<Answer<Heroes>, Error> {
        self.get("/heroes")
    }

    /// What a city says of all living heroes.
    ///
    /// # Errors
    /// As above.
    pub fn city_heroes(&self, city: &str) -> Result<Answer<Heroes>, Error> {
        self.get(&format!("/cities/{}/heroes", segment(city)))
    }

    /// A hero everywhere.
    ///
    /// # Errors
    /// As above.
    pub fn hero(&self, id: &str) -> Result<Answer<HeroEverywhere>, Error> {
        self.get(&format!("/heroes/{}", segment(id)))
    }

    /// Creates a hero with this name, or with an invented one.
    ///
    /// # Errors
    /// As above.
    pub fn create(&self, name: Option<&str>) -> Result<Answer<Hero>, Error> {
        self.post("/heroes", &name.map_or_else(|| json!({}), |name| json!({ "name": name })))
    }

    /// Creates heroes with invented names.
    ///
    /// # Errors
    /// As above.
    pub fn create_many(&self, count: u32) -> Result<Answer<Ids>, Error> {
        self.post("/heroes", &json!({ "count": count }))
    }

    /// Moves a hero.
    ///
    /// # Errors
    /// As above.
    pub fn assign(&self, id: &str, place: &str) -> Result<Answer<Hero>, Error> {
        self.json(Method::PUT, &format!("/heroes/{}/location", segment(id)), Some(&json!({ "location": place })))
    }

    /// Ends a hero.
    ///
    /// # Errors
    /// As above.
    pub fn terminate(&self, id: &str) -> Result<(), Error> {
        self.nothing(&format!("/heroes/{}", segment(id)))
    }

    /// Crashes a city, or a random one.
    ///
    /// # Errors
    /// As above.
    pub fn bomb(&self, city: Option<&str>) -> Result<Answer<City>, Error> {
        match city {
            Some(city) => self.to_city(city, "bomb"),
            None => self.post("/bomb", &json!({})),
        }
    }

    /// Does this to a city: `bomb`, `stop`, `kill`, `rebuild`, `forget`.
    ///
    /// # Errors
    /// As above.
    pub fn to_city(&self, city: &str, what: &str) -> Result<Answer<City>, Error> {
        self.post(&format!("/cities/{}/{what}", segment(city)), &json!({}))
    }

    /// Every node.
    ///
    /// # Errors
    /// As above.
    pub fn cluster(&self) -> Result<Answer<Cluster>, Error> {
        self.get("/cluster")
    }

    /// What dispatch counts, as Prometheus reads it.
    ///
    /// # Errors
    /// As above.
    pub fn metrics(&self) -> Result<String, Error> {
        self.send(Method::GET, "/metrics", None)
    }

    /// What the cluster's state amounts to.
    ///
    /// # Errors
    /// As above.
    pub fn verdict(&self) -> Result<Answer<Verdict>, Error> {
        self.get("/verdict")
    }

    /// The events after this one.
    ///
    /// # Errors
    /// As above.
    pub fn events(&self, since: u64) -> Result<Answer<Events>, Error> {
        self.get(&format!("/events?since={since}"))
    }

    /// Disturbs the cluster. Answered once the nodes concerned act on it.
    ///
    /// # Errors
    /// As above; a fault that cannot be is refused as `out_of_range` before it is sent.
    pub fn inject(&self, fault: &Fault) -> Result<Answer<FaultInForce>, Error> {
        let body = fault.body().map_err(|detail| Error::Refused { status: 422, kind: "out_of_range".into(), detail })?;
        self.post("/faults", &body)
    }

    /// The faults in force.
    ///
    /// # Errors
    /// As above.
    pub fn faults(&self) -> Result<Answer<Faults>, Error> {
        self.get("/faults")
    }

    /// Heals a fault.
    ///
    /// # Errors
    /// As above.
    pub fn heal(&self, id: &str) -> Result<(), Error> {
        self.nothing(&format!("/faults/{}", segment(id)))
    }

    /// Heals all faults.
    ///
    /// # Errors
    /// As above.
    pub fn heal_all(&self) -> Result<(), Error> {
        self.nothing("/faults")
    }

    /// Whether and how fast nodes gossip.
    ///
    /// # Errors
    /// As above.
    pub fn gossip(&self) -> Result<Answer<Gossip>, Error> {
        self.get("/gossip")
    }

    /// Nodes gossip no more by themselves.
    ///
    /// # Errors
    /// As above.
    pub fn pause(&self) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/pause", &json!({}))
    }

    /// Nodes gossip by themselves again.
    ///
    /// # Errors
    /// As above.
    pub fn resume(&self) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/resume", &json!({}))
    }

    /// How fast nodes gossip, in percent of the configured rate.
    ///
    /// # Errors
    /// As above.
    pub fn speed(&self, percent: u32) -> Result<Answer<Gossip>, Error> {
        self.post("/gossip/speed", &json!({ "percent": percent }))
    }

    /// One round: the second node pulls from the first; a random pair where none is named.
    ///
    /// # Errors
    /// As above.
    pub fn step(&self, pair: Option<(&str, &str)>) -> Result<Answer<Exchange>, Error> {
        self.post("/gossip/step", &pair.map_or_else(|| json!({}), |(from, to)| json!({ "from": from, "to": to })))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        self.json(Method::GET, path, None)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<Answer<T>, Error> {
        self.json(Method::POST, path, Some(body))
    }

    fn nothing(&self, path: &str) -> Result<(), Error> {
        self.send(Method::DELETE, &format!("/api/v1{path}"), None).map(drop)
    }

    fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer<T>, Error> {
        let body = self.send(method, &format!("/api/v1{path}"), body)?;
        let value = serde_json::from_str(&body).map_err(|error| self.odd(format!("{error} in {}", shortened(&body))))?;
        Ok(Answer { value, body })
    }

    /// The body of a successful answer.
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.access.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let unasked = |error: ureq::http::Error| self.odd(error.to_string());
        let sent = match body {
            Some(body) => self.agent.run(request.header("content-type", "application/json").body(body.to_string()).map_err(unasked)?),
            None => self.agent.run(request.body(()).map_err(unasked)?),
        };
        let mut response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string().map_err(|error| self.failed(&error))?;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_str::<Problem>(&body) {
            Ok(Problem { kind, detail }) => Err(Error::Refused { status: status.as_u16(), kind, detail }),
            Err(_) => Err(self.odd(format!("{status}, without saying why"))),
        }
    }

    fn odd(&self, why: String) -> Error {
        Error::NotDispatch { url: self.url.clone(), why }
    }

    fn failed(&self, error: &ureq::Error) -> Error {
        let url = self.url.clone();
        #[expect(clippy::wildcard_enum_match_arm, reason = "a non-exhaustive enum of another crate")]
        match error {
            ureq::Error::Io(error) => Error::NoAnswer { url, why: error.to_string() },
            ureq::Error::Timeout(_) => Error::NoAnswer { url, why: format!("nothing within {} s", PATIENCE.as_secs()) },
            ureq::Error::HostNotFound => Error::NoAnswer { url, why: "there is no such host".into() },
            ureq::Error::ConnectionFailed => Error::NoAnswer { url, why: "no connection".into() },
            other => self.odd(other.to_string()),
        }
    }
}

/// How every call is made.
fn config(access: &Access) -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .tls_config(access.for_http())
        .user_agent(concat!("superhero/", env!("CARGO_PKG_VERSION")))
}

/// Connects to the first of the host's addresses that answers.
fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the host has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                // Dispatch says something every second.
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// A part of a path, whatever is in it.
fn segment(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => safe.push(char::from(byte)),
            // A path of dots would be another path.
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

fn shortened(text: &str) -> String {
    format!("{:?}", text.chars().take(ODD_CHARS_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_a_host_and_a_port() {
        for url in ["http://127.0.0.1:4900", "http://127.0.0.1:4900/", "http://localhost", "http://[::1]:4900"] {
            assert!(Api::new(url).is_ok(), "{url}");
        }
        for (url, why) in [
            ("https://localhost:4900", "--ca"),
            ("ftp://localhost:4900", "http://"),
            ("localhost:4900", "http://"),
            ("http://localhost:4900/heroes", "behind"),
            ("http://localhost:4900/?x", "behind"),
            ("http://me:secret@localhost", "token"),
            ("http://local host", "uri"),
            ("", "empty"),
        ] {
            let error = Api::new(url).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("http://127.0.0.1:4900"), "{url}: {error}");
        }
    }

    #[test]
    fn a_segment_stays_in_its_place() {
        assert_eq!(segment("gotham"), "gotham");
        assert_eq!(segment("../a b?é"), "%2E%2E%2Fa%20b%3F%C3%A9");
    }

    #[test]
    fn stamps_are_ordered_as_the_cluster_orders_them() {
        let stamp = |wall_ms, logical, origin: &str| Stamp { wall_ms, logical, origin: origin.into() };
        let rising = [stamp(1, 9, "z/9"), stamp(2, 0, "z/9"), stamp(2, 1, "a/10"), stamp(2, 1, "b/9"), stamp(2, 1, "b/10")];
        assert!(rising.windows(2).all(|pair| pair[0].order() < pair[1].order()));
    }
}
