//! HTTP requests to dispatch.
//!
//! Invariant: a request ends within [`REQUEST_TIMEOUT`] (on a kept connection, each phase of it
//! does), and reads a body of bounded size, even if the server is not dispatch.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use ureq::config::ConfigBuilder;
use ureq::http::{Method, Request};
use ureq::typestate::AgentScope;

use crate::access::Access;
use crate::address::Address;
use crate::error::Error;

/// The timeout of a request. Dispatch responds within two seconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest idle time of a kept connection. It is below the ten seconds after which dispatch
/// closes one, so that no request races with the close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest response body that is read: hundreds of thousands of heroes.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// The longest part of an unexpected body that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// The fields of a problem document (RFC 9457) that the client uses.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

/// The sender of requests to one dispatch.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    agent: ureq::Agent,
    address: Address,
    access: Access,
}

impl Http {
    /// Creates a sender that opens a connection for each request, so that it never waits on a stale
    /// one.
    pub(crate) fn new(address: Address, access: Access) -> Self {
        let config = config(&access).max_idle_connections(0);
        let agent = config.timeout_global(Some(REQUEST_TIMEOUT)).build().into();
        Self { agent, address, access }
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
        Self { agent, ..self.clone() }
    }

    /// Returns the address of dispatch.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the credentials: the CA certificates to trust, and the token.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Sends a request, and returns the body of a successful response.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, Error> {
        let uri = format!("{}{path}", self.address.url());
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.access.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let unsendable = |error: ureq::http::Error| self.unexpected(error.to_string());
        let sent = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).map_err(unsendable)?)
            }
            None => self.agent.run(request.body(()).map_err(unsendable)?),
        };
        let mut response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string();
        let body = body.map_err(|error| self.failed(&error))?;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_str::<Problem>(&body) {
            Ok(Problem { kind, detail }) => {
                Err(Error::Refused { status: status.as_u16(), kind, detail })
            }
            Err(_) => Err(self.unexpected(format!("status {status} without a problem document"))),
        }
    }

    /// Returns the error for a body that is not the expected JSON.
    pub(crate) fn unexpected_body(&self, error: &serde_json::Error, body: &str) -> Error {
        let shown: String = body.chars().take(SHOWN_CHARS_MAX).collect();
        self.unexpected(format!("{error} in {shown:?}"))
    }

    fn unexpected(&self, why: String) -> Error {
        Error::NotDispatch { url: self.address.url().to_owned(), why }
    }

    fn failed(&self, error: &ureq::Error) -> Error {
        let no_answer = |why: String| Error::NoAnswer { url: self.address.url().to_owned(), why };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a non-exhaustive enum of another crate"
        )]
        match error {
            ureq::Error::Io(error) => no_answer(error.to_string()),
            ureq::Error::Timeout(_) => {
                no_answer(format!("timed out after {} s", REQUEST_TIMEOUT.as_secs()))
            }
            ureq::Error::HostNotFound => no_answer("host not found".into()),
            ureq::Error::ConnectionFailed => no_answer("connection failed".into()),
            other => self.unexpected(other.to_string()),
        }
    }
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
