//! The URL of a node: `http://HOST:PORT` or `https://HOST:PORT`.
//!
//! Invariant: a token is never sent in clear text to another machine.

use std::net::IpAddr;

use ureq::http::Uri;
use ureq::http::uri::InvalidUri;

use crate::access::Access;
use crate::error::Error;

/// The longest part of an invalid URL that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// The URL of a node.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    url: String,
    authority: String,
    is_encrypted: bool,
}

impl Address {
    /// Parses a URL to be used with these credentials.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub(crate) fn parse(url: &str, access: &Access) -> Result<Self, Error> {
        let unusable = |why: &str| Error::Address {
            url: url.chars().take(SHOWN_CHARS_MAX).collect(),
            why: why.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|error: InvalidUri| unusable(&error.to_string()))?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") if access.has_authorities() => "https",
            Some("https") => {
                return Err(unusable("https requires --ca with the CA certificates to trust"));
            }
            Some(_) | None => return Err(unusable("the scheme must be http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| unusable("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(unusable("user and password are not supported; use a token file"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback =
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if access.token.is_some() && scheme == "http" && !is_loopback {
            return Err(unusable("a token is sent only over https or to loopback"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(unusable("a path or query after the host is not allowed"));
        }
        let url = format!("{scheme}://{authority}");
        Ok(Self { url, authority: authority.to_string(), is_encrypted: scheme == "https" })
    }

    /// Returns the URL without a trailing slash.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the host, with the port if the URL has one.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns whether requests are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Returns the host. An IPv6 address keeps its brackets.
    pub(crate) fn host(&self) -> &str {
        let authority = &*self.authority;
        self.port().map_or(authority, |port| &authority[..authority.len() - port.len() - 1])
    }

    /// Returns `HOST:PORT`, with the scheme's default port if the URL has none.
    pub(crate) fn host_and_port(&self) -> String {
        let default = if self.is_encrypted { "443" } else { "80" };
        format!("{}:{}", self.host(), self.port().unwrap_or(default))
    }

    fn port(&self) -> Option<&str> {
        let (_, port) = self.authority.rsplit_once(':')?;
        // `[::1]` has a last part too, but `1]` is not a port.
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, Error> {
        Address::parse(url, &Access::default())
    }

    #[test]
    fn address_has_a_scheme_a_host_and_a_port_only() {
        for (url, host_and_port) in [
            ("http://127.0.0.1:4900", "127.0.0.1:4900"),
            ("http://127.0.0.1:4900/", "127.0.0.1:4900"),
            ("http://localhost", "localhost:80"),
            ("http://[::1]:4900", "[::1]:4900"),
        ] {
            let address = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(address.host_and_port(), host_and_port);
        }
        for (url, why) in [
            ("https://localhost:4900", "--ca"),
            ("ftp://localhost:4900", "http://"),
            ("localhost:4900", "http://"),
            ("http://localhost:4900/heroes", "path or query"),
            ("http://localhost:4900/?x", "path or query"),
            ("http://me:secret@localhost", "token"),
            ("http://local host", "uri"),
            ("", "empty"),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("http://127.0.0.1:4900"),
                "{url}: {error}"
            );
        }
    }
}
