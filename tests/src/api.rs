//! A client for dispatch's HTTP API.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::certificates::Certificates;
use crate::wait::HANG_TIMEOUT;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

impl Reply {
    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        self.parse()
    }

    /// Returns the body as JSON of this type.
    ///
    /// # Panics
    /// If it is not JSON of this type.
    #[track_caller]
    #[must_use]
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| {
            panic!("{error} in the response {} {:?}", self.status, self.body)
        })
    }

    /// Asserts this status.
    ///
    /// # Panics
    /// If it is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Asserts a problem document (RFC 9457) with this status and type, and returns its detail.
    ///
    /// # Panics
    /// If it is anything else, or has no detail.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> String {
        let seen = format!("{} {:?} {}", self.status, self.headers.get("content-type"), self.body);
        assert_eq!(self.status, status, "{seen}");
        assert_eq!(
            self.headers.get("content-type").map(String::as_str),
            Some("application/problem+json"),
            "{seen}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{seen}");
        assert_eq!(problem["type"], code, "{seen}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{seen}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "{seen}");
        detail.to_owned()
    }
}

/// A live hero, as a node holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct Hero {
    pub id: String,
    pub name: String,
    pub location: String,
    pub is_patrolling: bool,
    pub health: u8,
    pub stamp: Stamp,
}

/// A node as dispatch last observed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct NodeState {
    pub name: String,
    pub role: String,
    pub status: String,
    pub incarnation: Option<u64>,
    pub crashes: u32,
    pub heroes: u64,
    pub tombstones: u64,
    pub fingerprint: String,
    pub version_vector: BTreeMap<String, String>,
    pub closed_before: BTreeMap<String, u64>,
    pub age_ms: Option<u64>,
    pub clock_ahead_ms: Option<i64>,
    pub stamps_ahead_ms: u64,
    pub refuses: Vec<String>,
    pub frozen: bool,
}

/// A fault in force.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct Fault {
    pub id: String,
    pub kind: String,
    pub from: String,
    pub to: Option<String>,
    pub both: Option<bool>,
    pub heals_in_ms: u64,
    pub in_force_at: Vec<String>,
    pub frames: Frames,
}

/// The counts of frames that a fault affected.
#[derive(Clone, Copy, Debug, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct Frames {
    pub seen: u64,
    pub dropped: u64,
    pub delayed: u64,
    pub duplicated: u64,
}

/// The time and author of a write, ordered like the core's stamps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct Stamp {
    pub wall_ms: u64,
    pub logical: u32,
    pub origin: String,
}

impl Stamp {
    /// Returns the name of the node that wrote, without its incarnation.
    #[must_use]
    pub fn writer(&self) -> &str {
        self.origin.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{} {}", self.wall_ms, self.logical, self.origin)
    }
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct Event {
    pub number: u64,
    pub node: String,
    pub kind: String,
    pub text: String,
    pub hero: Option<String>,
    pub stamp: Option<Stamp>,
    pub over: Option<Stamp>,
}

/// The heroes and tombstones of one city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct CityHeroes {
    pub heroes: Vec<Hero>,
    pub tombstones: u64,
    pub age_ms: Option<u64>,
}

/// An HTTP client for one node. Each request uses a connection of its own, so that a client of a
/// restarted node does not reuse a closed connection.
#[derive(Clone, Debug)]
pub struct Api {
    agent: ureq::Agent,
    base: String,
}

impl Api {
    /// Creates a client for the node at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { agent: agent(TlsConfig::default(), HANG_TIMEOUT), base: format!("http://{address}") }
    }

    /// Creates a client for the node with TLS at `address`, whose certificate must be signed by the
    /// authority of `certificates`.
    #[must_use]
    pub fn encrypted(address: SocketAddr, certificates: &Certificates) -> Self {
        let authority = Certificate::from_der(&certificates.authority()).to_owned();
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&[authority]))
            .build();
        Self { agent: agent(tls, HANG_TIMEOUT), base: format!("https://{address}") }
    }

    /// Creates a client for the node at `address` that stops waiting for a response after `limit`.
    /// The node may still execute the request.
    #[must_use]
    pub fn impatient(address: SocketAddr, limit: Duration) -> Self {
        Self { agent: agent(TlsConfig::default(), limit), base: format!("http://{address}") }
    }

    /// Returns the URL of the page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/", self.base)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The reason why there was no response.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, String> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let has_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = if has_body {
            self.agent.run(request.body(body).map_err(|error| error.to_string())?)
        } else {
            self.agent.run(request.body(()).map_err(|error| error.to_string())?)
        };
        let mut response = sent.map_err(|error| error.to_string())?;
        let headers = response.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Ok(Reply {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response
                .body_mut()
                .with_config()
                .limit(64 << 20)
                .read_to_string()
                .map_err(|error| error.to_string())?,
        })
    }

    /// Sends a request.
    ///
    /// # Panics
    /// If there is no response.
    #[track_caller]
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        self.try_request(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a `GET` request.
    #[track_caller]
    #[must_use]
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], &[])
    }

    /// Sends a `POST` request with JSON.
    #[track_caller]
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(
            "POST",
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Sends a `PUT` request with JSON.
    #[track_caller]
    #[must_use]
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.request(
            "PUT",
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Sends a `DELETE` request.
    #[track_caller]
    #[must_use]
    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, &[], &[])
    }

    /// Creates heroes with generated names, and returns their ids.
    #[track_caller]
    #[must_use]
    pub fn create(&self, count: u32) -> Vec<String> {
        let created = self.post("/api/v1/heroes", &json!({ "count": count })).expect(201).json();
        let ids: Vec<String> =
            serde_json::from_value(created["ids"].clone()).expect("a list of ids");
        assert_eq!(ids.len(), count as usize, "one id for each hero");
        ids
    }

    /// Creates a hero with this name.
    #[track_caller]
    #[must_use]
    pub fn create_named(&self, name: &str) -> Hero {
        let hero: Hero = self.post("/api/v1/heroes", &json!({ "name": name })).expect(201).parse();
        assert_eq!(
            (hero.name.as_str(), hero.location.as_str(), hero.is_patrolling, hero.health),
            (name, "home", false, 100)
        );
        hero
    }

    /// Requests a move of a hero.
    #[track_caller]
    #[must_use]
    pub fn assign(&self, id: &str, place: &str) -> Reply {
        self.put(&format!("/api/v1/heroes/{id}/location"), &json!({ "location": place }))
    }

    /// Requests the deletion of a hero.
    #[track_caller]
    #[must_use]
    pub fn terminate(&self, id: &str) -> Reply {
        self.delete(&format!("/api/v1/heroes/{id}"))
    }

    /// Requests a bomb on a city.
    #[track_caller]
    #[must_use]
    pub fn bomb(&self, city: &str) -> Reply {
        self.post(&format!("/api/v1/cities/{city}/bomb"), &json!({}))
    }

    /// Requests one hero in all cities: `hero` and `cities`.
    #[track_caller]
    #[must_use]
    pub fn hero(&self, id: &str) -> Reply {
        self.get(&format!("/api/v1/heroes/{id}"))
    }

    /// Returns the heroes of a city.
    #[track_caller]
    #[must_use]
    pub fn city(&self, city: &str) -> CityHeroes {
        self.get(&format!("/api/v1/cities/{city}/heroes")).expect(200).parse()
    }

    /// Injects a fault, which must be accepted.
    #[track_caller]
    pub fn inject(&self, fault: &Value) -> Fault {
        self.post("/api/v1/faults", fault).expect(201).parse()
    }

    /// Returns the faults in force.
    #[track_caller]
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        #[derive(Deserialize)]
        struct Faults {
            faults: Vec<Fault>,
        }
        let Faults { faults } = self.get("/api/v1/faults").expect(200).parse();
        faults
    }

    /// Heals all faults.
    #[track_caller]
    pub fn heal_all(&self) {
        self.delete("/api/v1/faults").expect(204);
    }

    /// Returns the events after the one with this number.
    #[track_caller]
    #[must_use]
    pub fn events(&self, since: u64) -> Vec<Event> {
        #[derive(Deserialize)]
        struct Events {
            events: Vec<Event>,
        }
        let Events { events } =
            self.get(&format!("/api/v1/events?since={since}")).expect(200).parse();
        events
    }

    /// Returns every node by name.
    #[track_caller]
    #[must_use]
    pub fn nodes(&self) -> BTreeMap<String, NodeState> {
        self.try_nodes().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns every node by name.
    ///
    /// # Errors
    /// The reason why there was no response, or an unexpected one.
    pub fn try_nodes(&self) -> Result<BTreeMap<String, NodeState>, String> {
        #[derive(Deserialize)]
        struct Nodes {
            nodes: Vec<NodeState>,
        }
        let reply = self.try_request("GET", "/api/v1/cluster", &[], &[])?;
        if reply.status != 200 {
            return Err(format!("/api/v1/cluster: {reply:?}"));
        }
        let Nodes { nodes } = reply.parse();
        Ok(nodes.into_iter().map(|node| (node.name.clone(), node)).collect())
    }
}

fn agent(tls: TlsConfig, limit: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // The tests check redirects themselves.
        .max_redirects(0)
        .max_idle_connections(0)
        // A proxy of the test's environment does not reach loopback addresses of this machine.
        .proxy(None)
        .tls_config(tls)
        .timeout_global(Some(limit));
    config.build().into()
}
