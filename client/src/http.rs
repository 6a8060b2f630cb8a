//! HTTP requests to a node.
//!
//! Invariants: a request ends within [`REQUEST_TIMEOUT`] (on a kept connection, each phase of it
//! does), and reads a body of bounded size, even if the server is not a node. A request is sent
//! again only if that has no further effect.

use std::time::Duration;
use std::{fmt, io, thread};

use rustls::CertificateError;
use serde::Deserialize;
use serde_json::Value;
use ureq::config::ConfigBuilder;
use ureq::http::{Method, Request, Response};
use ureq::typestate::AgentScope;
use ureq::{AsSendBody, Body, Timeout};
use uuid::Uuid;

use crate::access::Access;
use crate::address::Address;
use crate::clock::Stopwatch;
use crate::error::Error;

/// The timeout of a request. Dispatch responds within two seconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest timeout of a request.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The pause before a request is sent again the first time. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The problem type of an outcome that dispatch does not know.
pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// The refusals of a repetition that say nothing about the first request.
const NOT_LOOKED_AT: [&str; 4] = ["limited", "no_place", "overloaded", "under_way"];
/// The refusal of a dispatch that has just started, and does not know earlier keys.
const JOINING: &str = "joining";
/// The errors of a connection that was never made.
const NOT_CONNECTED: [io::ErrorKind; 5] = [
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::NetworkDown,
    io::ErrorKind::AddrNotAvailable,
];
/// The longest idle time of a kept connection. It is below the ten seconds after which dispatch
/// closes one, so that no request races with the close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest response body that is read. Long lists are read in pages.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// The longest part of an unexpected body that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// The fields of a problem document (RFC 9457) that the client uses.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// The stable word for the problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// A human-readable explanation.
    pub detail: String,
}

/// The result of a request.
pub(crate) struct Sent {
    /// The body of a successful response.
    pub(crate) result: Result<String, Error>,
    /// An earlier answer was lost, so the request may already have taken effect before.
    pub(crate) is_repeated: bool,
}

/// The reason why one attempt to send a request failed.
enum Attempt {
    /// The request may have been received, but there was no answer, for this reason.
    Lost(String),
    /// A proxy answered in place of dispatch.
    Proxied(String),
    /// The request was refused, or not sent, or the answer is unusable.
    Failed(Error),
}

/// The sender of requests to one node.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    agent: ureq::Agent,
    timeout: Duration,
    is_kept: bool,
    address: Address,
    access: Access,
}

impl Http {
    /// Creates a sender that opens a connection for each request, so that it never waits on a stale
    /// one.
    pub(crate) fn new(address: Address, access: Access) -> Self {
        let agent = config(&access).max_idle_connections(0).build().into();
        Self { agent, timeout: REQUEST_TIMEOUT, is_kept: false, address, access }
    }

    /// Returns a sender whose requests end within `timeout`, or within [`REQUEST_TIMEOUT`] if that
    /// is shorter.
    pub(crate) fn within(&self, timeout: Duration) -> Self {
        Self { timeout: timeout.clamp(TIMEOUT_MIN, REQUEST_TIMEOUT), ..self.clone() }
    }

    /// Returns a sender whose requests end within [`REQUEST_TIMEOUT`] and this much longer.
    pub(crate) fn patient(&self, longer: Duration) -> Self {
        Self { timeout: REQUEST_TIMEOUT.saturating_add(longer), ..self.clone() }
    }

    /// Returns a sender that keeps its connection open for the next request.
    ///
    /// The timeout applies to each phase of a request. With a timeout for the whole request, ureq
    /// would resolve the host on a new thread, which costs more than the request.
    pub(crate) fn kept(&self) -> Self {
        let limit = Some(REQUEST_TIMEOUT);
        let agent = config(&self.access)
            .max_idle_connections(1)
            .max_idle_age(IDLE_TIMEOUT)
            .timeout_connect(limit)
            .timeout_send_request(limit)
            .timeout_send_body(limit)
            .timeout_recv_response(limit)
            .timeout_recv_body(limit)
            .build()
            .into();
        Self { agent, is_kept: true, ..self.clone() }
    }

    /// Returns the address of the node.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the credentials: the CA certificates to trust, and the token.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Sends a request, and returns its result.
    ///
    /// A request whose answer is lost is sent again, within [`REQUEST_TIMEOUT`]. A change
    /// carries an idempotency key of its own, so that its repetitions have no further effect.
    pub(crate) fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Sent {
        let (result, is_repeated) = self.send_for_bytes(method, path, body);
        let text = |body| {
            String::from_utf8(body).map_err(|_| self.unexpected("a body that is no text".into()))
        };
        Sent { result: result.and_then(text), is_repeated }
    }

    /// Returns the body of a response that is not text.
    pub(crate) fn bytes(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.send_for_bytes(&Method::GET, path, None).0
    }

    /// Returns the body of a successful response, and whether an earlier answer was lost.
    fn send_for_bytes(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> (Result<Vec<u8>, Error>, bool) {
        let key = (method != Method::GET).then(|| Uuid::new_v4().to_string());
        let attempt = |left| self.attempt(method, path, body, key.as_deref(), left);
        let watch = Stopwatch::start();
        let (mut is_repeated, mut pause) = (false, FIRST_PAUSE);
        loop {
            let left = self.timeout.saturating_sub(watch.elapsed());
            let result = match attempt(left.max(TIMEOUT_MIN)) {
                Err(Attempt::Failed(error)) if is_repeated => self.repeated(method, error),
                result => result,
            };
            let lost = match result {
                Ok(body) => return (Ok(body), is_repeated),
                Err(Attempt::Failed(error)) => return (Err(error), is_repeated),
                Err(Attempt::Lost(why)) => why,
                // A proxy hides whether dispatch has restarted in the meantime, without its keys.
                Err(Attempt::Proxied(why)) if is_repeated => {
                    return (Err(self.lost(method, why)), is_repeated);
                }
                Err(Attempt::Proxied(why)) => why,
            };
            if watch.elapsed() + pause >= self.timeout {
                return (Err(self.lost(method, lost)), is_repeated);
            }
            thread::sleep(pause);
            pause *= 2;
            is_repeated = true;
        }
    }

    /// Returns the result of a request whose repetition failed, although it may have taken effect
    /// before.
    fn repeated(&self, method: &Method, error: Error) -> Result<Vec<u8>, Attempt> {
        match error {
            // The first request is still being executed, or dispatch did not look at the key.
            Error::Refused { kind, detail, .. } if NOT_LOOKED_AT.contains(&kind.as_str()) => {
                Err(Attempt::Lost(detail))
            }
            // The deletion whose answer was lost has taken effect.
            Error::Refused { status: 410, .. } if method == Method::DELETE => Ok(Vec::new()),
            Error::Refused { kind, detail, .. } if kind == JOINING && method != Method::GET => {
                Err(Attempt::Failed(self.lost(method, detail)))
            }
            // Dispatch has stopped, and with it the keys that it knew; or another server answers.
            Error::NoAnswer { why, .. }
            | Error::NotDispatch { why, .. }
            | Error::Untrusted { why, .. }
                if method != Method::GET =>
            {
                Err(Attempt::Failed(self.lost(method, why)))
            }
            error @ (Error::Address { .. }
            | Error::Access { .. }
            | Error::NoAnswer { .. }
            | Error::OutcomeUnknown { .. }
            | Error::Untrusted { .. }
            | Error::NotDispatch { .. }
            | Error::Refused { .. }) => Err(Attempt::Failed(error)),
        }
    }

    /// Sends a request once.
    fn attempt(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
        limit: Duration,
    ) -> Result<Vec<u8>, Attempt> {
        let uri = format!("{}{path}", self.address.url());
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.access.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let unsendable =
            |error: ureq::http::Error| Attempt::Failed(self.unexpected(error.to_string()));
        let sent = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.run(request.body(body.to_string()).map_err(unsendable)?, limit)
            }
            None => self.run(request.body(()).map_err(unsendable)?, limit),
        };
        let mut response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.failed(&error))?;
        if status.is_success() {
            return Ok(body);
        }
        Err(match serde_json::from_slice::<Problem>(&body) {
            // A read has no outcome.
            Ok(Problem { kind, detail }) if kind == OUTCOME_UNKNOWN && method == Method::GET => {
                Attempt::Failed(self.no_answer(detail))
            }
            Ok(Problem { kind, detail }) => {
                Attempt::Failed(Error::Refused { status: status.as_u16(), kind, detail })
            }
            Err(_) => {
                let why = format!("status {status} without a problem document");
                // Dispatch always sends one, so this is the answer of a proxy.
                if status.is_server_error() && method == Method::GET {
                    Attempt::Failed(self.no_answer(why))
                } else if status.is_server_error() {
                    Attempt::Proxied(why)
                } else {
                    Attempt::Failed(self.unexpected(why))
                }
            }
        })
    }

    fn run<B: AsSendBody>(
        &self,
        request: Request<B>,
        limit: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        if self.is_kept {
            return self.agent.run(request);
        }
        let request = self.agent.configure_request(request);
        // A lower limit for the connection shows that nothing was sent.
        let connect = limit - limit / 10;
        let limited = request.timeout_global(Some(limit)).timeout_connect(Some(connect));
        self.agent.run(limited.build())
    }

    /// Returns the error for a body that is not the expected JSON.
    pub(crate) fn unexpected_body(&self, error: &serde_json::Error, body: &str) -> Error {
        let shown: String = body.chars().take(SHOWN_CHARS_MAX).collect();
        self.unexpected(format!("{error} in {shown:?}"))
    }

    pub(crate) fn unexpected(&self, why: String) -> Error {
        Error::NotDispatch { url: self.address.url().to_owned(), why }
    }

    fn no_answer(&self, why: String) -> Error {
        Error::NoAnswer { url: self.address.url().to_owned(), why }
    }

    /// Returns the error for a request that was never answered.
    fn lost(&self, method: &Method, why: String) -> Error {
        if method == Method::GET {
            return self.no_answer(why);
        }
        Error::OutcomeUnknown { url: self.address.url().to_owned(), why }
    }

    fn failed(&self, error: &ureq::Error) -> Attempt {
        let not_sent = |why: &dyn fmt::Display| {
            Attempt::Failed(self.no_answer(format!("{why}; nothing was sent")))
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a non-exhaustive enum of another crate"
        )]
        match error {
            ureq::Error::Io(error) => match rejection(error) {
                Some(rejection) => Attempt::Failed(self.untrusted(rejection)),
                None if NOT_CONNECTED.contains(&error.kind()) => not_sent(error),
                None => Attempt::Lost(error.to_string()),
            },
            ureq::Error::Rustls(error) if is_rejection(error) => {
                Attempt::Failed(self.untrusted(error))
            }
            ureq::Error::Rustls(error) => Attempt::Lost(error.to_string()),
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                not_sent(&"connecting timed out")
            }
            ureq::Error::Timeout(_) => {
                Attempt::Lost(format!("timed out after {} s", self.timeout.as_secs_f64()))
            }
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => not_sent(error),
            other => Attempt::Failed(self.unexpected(other.to_string())),
        }
    }

    /// Returns the error for a failed connection without a request.
    pub(crate) fn connection_error(&self, error: &io::Error) -> Error {
        rejection(error)
            .map_or_else(|| self.no_answer(error.to_string()), |error| self.untrusted(error))
    }

    fn untrusted(&self, error: &rustls::Error) -> Error {
        Error::Untrusted { url: self.address.url().to_owned(), why: mistrust(error) }
    }
}

/// Returns the reason why a handshake failed, for users who know certificates but not rustls.
fn mistrust(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(invalid) = error else {
        return format!("the TLS handshake failed: {error}");
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "a non-exhaustive enum of another crate")]
    match invalid {
        // A CA of the same name with another key is reported as a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not signed by the given CA".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host name".to_owned()
        }
        other => format!("its certificate is invalid: {other}"),
    }
}

/// Returns the reason why the peer was rejected in the TLS handshake, if it was.
fn rejection(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref().filter(|error| is_rejection(error))
}

/// Returns whether this error ends a handshake, before anything is sent. The others may also end
/// an established connection.
fn is_rejection(error: &rustls::Error) -> bool {
    !matches!(error, rustls::Error::AlertReceived(_) | rustls::Error::DecryptError)
}

/// Returns the settings common to all senders.
fn config(access: &Access) -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        // The body of an error status is needed: it is the problem document.
        .http_status_as_error(false)
        // Dispatch sends no redirects. Following one could send the token to another server.
        .max_redirects(0)
        // A proxy from the environment would receive the token of a loopback request in clear text.
        .proxy(None)
        .tls_config(access.for_http())
        .user_agent(concat!("superhero/", env!("CARGO_PKG_VERSION")))
}

/// Percent-encodes one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                safe.push(char::from(byte));
            }
            // Dots are encoded too: the segments `.` and `..` would change the path.
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_cannot_change_the_path() {
        assert_eq!(segment("gotham"), "gotham");
        assert_eq!(segment("../a b?é"), "%2E%2E%2Fa%20b%3F%C3%A9");
    }
}
