//! Hosts and origins, as requests and options name them. Parsing brings every spelling of one host
//! into one form: lower case, IDN as ASCII, IPv6 shortened, without a trailing dot.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use url::{Host, Url};

/// The maximum length of a label and of a name in the DNS.
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;

/// A host, and a port if one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: Host,
    port: Option<u16>,
}

/// The scheme of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// The origin of a page (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(crate) scheme: Scheme,
    host: Host,
    port: u16,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Authority {
    /// Returns the authority that a request names in its `Host` header; `None` without a valid one.
    #[must_use]
    pub fn requested(headers: &HeaderMap) -> Option<Self> {
        only(headers, &header::HOST)?.parse().ok()
    }

    /// Returns whether a request for `requested` is for this host. Without a port every port is
    /// meant, and a request without a port uses a default one.
    #[must_use]
    pub fn includes(&self, requested: &Self) -> bool {
        let is_default =
            |port| [Scheme::Http, Scheme::Https].map(Scheme::default_port).contains(&port);
        self.host == requested.host
            && self
                .port
                .is_none_or(|port| requested.port.map_or(is_default(port), |other| other == port))
    }

    /// Returns whether the host is `localhost`.
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.host == Host::Domain("localhost".to_owned())
    }

    /// Returns the address, unless the host is a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// Returns the host without the port.
    #[must_use]
    pub fn host(&self) -> impl fmt::Display {
        &self.host
    }
}

impl FromStr for Authority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self { host: normal(Host::Ipv6(address))?, port: None });
        }
        check_characters(text)?;
        let parsed = |scheme: Scheme| {
            Url::parse(&format!("{}://{text}/", scheme.name()))
                .map_err(|error| format!("not a host: {error}"))
        };
        let (plain, encrypted) = (parsed(Scheme::Http)?, parsed(Scheme::Https)?);
        let host = plain.host().ok_or("expected a host")?.to_owned();
        // A URL omits the default port of its scheme, and no port is the default of both.
        Ok(Self { host: normal(host)?, port: plain.port().or(encrypted.port()) })
    }
}

/// Refuses texts that a URL parser would accept although they are more, or other, than a host.
fn check_characters(text: &str) -> Result<(), String> {
    let refused = |rule: &str| Err(rule.to_owned());
    if text.is_empty() {
        return refused("expected a host, as in heroes.example");
    }
    if text.contains("://") {
        return refused("expected the host only, without a scheme, as in heroes.example");
    }
    for found in text.chars() {
        match found {
            '/' | '\\' | '?' | '#' => {
                return refused("expected the host only, without a path or a trailing slash");
            }
            '@' => return refused("expected the host only, without a user"),
            '*' => return refused("wildcards are not supported: give each host"),
            '%' => return refused("a host must not contain percent-encoding"),
            _ if found.is_whitespace() || found.is_control() => {
                return refused("a host must not contain blanks or control characters");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the one form of a host.
fn normal(host: Host) -> Result<Host, String> {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
            let is_label = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len());
            if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
                return Err(format!(
                    "a host name must have at most {NAME_BYTES_MAX} bytes, and 1 to \
                     {LABEL_BYTES_MAX} between two dots"
                ));
            }
            Ok(Host::Domain(name))
        }
        Host::Ipv6(address) => Ok(address.to_ipv4_mapped().map_or(Host::Ipv6(address), Host::Ipv4)),
        address @ Host::Ipv4(_) => Ok(address),
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

impl Origin {
    /// Returns the origin of this URL, if a page can have it.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let scheme = Scheme::parse(url.scheme())?;
        let host = normal(url.host()?.to_owned()).ok()?;
        Some(Self { scheme, host, port: url.port().unwrap_or(scheme.default_port()) })
    }

    /// Returns whether a page of this origin was served by `requested`.
    #[must_use]
    pub fn is_of(&self, requested: &Authority) -> bool {
        self.host == requested.host
            && self.port == requested.port.unwrap_or(self.scheme.default_port())
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |rule: String| format!("expected https://HOST or https://HOST:PORT: {rule}");
        let scheme =
            text.split_once("://").and_then(|(scheme, rest)| Some((Scheme::parse(scheme)?, rest)));
        let (scheme, rest) =
            scheme.ok_or_else(|| refused("it must start with https:// or http://".into()))?;
        let Authority { host, port } = rest.parse().map_err(refused)?;
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.default_port()) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Returns the text of a header that must occur once.
#[must_use]
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Authority {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn spellings_of_one_host_are_equal() {
        for (one, other) in [
            ("heroes.example", "Heroes.EXAMPLE."),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "XN--BCHER-KVA.example"),
            ("[2001:db8::1]", "[2001:0DB8:0:0:0:0:0:1]"),
            ("::1", "[::1]"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("heroes.example:0080", "heroes.example:80"),
        ] {
            assert_eq!(authority(one), authority(other), "{one} {other}");
        }
    }

    #[test]
    fn port_of_an_allowed_host_restricts_it() {
        for (allowed, requested, is_included) in [
            ("heroes.example", "heroes.example:8443", true),
            ("heroes.example:443", "heroes.example", true),
            ("heroes.example:80", "heroes.example", true),
            ("heroes.example:8443", "heroes.example:8443", true),
            ("heroes.example:8443", "heroes.example", false),
            ("heroes.example:443", "heroes.example:8443", false),
        ] {
            let actual = authority(allowed).includes(&authority(requested));
            assert_eq!(actual, is_included, "{allowed} {requested}");
        }
    }

    #[test]
    fn texts_that_are_no_host_are_refused_with_the_rule() {
        for (text, rule) in [
            ("", "expected a host"),
            ("https://heroes.example/", "without a scheme"),
            ("heroes.example/", "trailing slash"),
            ("heroes.example\\", "trailing slash"),
            ("heroes.example?a", "without a path"),
            ("heroes.example#a", "without a path"),
            ("user@heroes.example", "without a user"),
            ("*.example", "wildcards"),
            ("*", "wildcards"),
            ("heroes%2eexample", "percent-encoding"),
            (" heroes.example", "blanks"),
            ("heroes\t.example", "blanks or control"),
            ("heroes.example:http", "not a host"),
            ("heroes.example:99999", "not a host"),
            (":4900", "not a host"),
            ("[::1", "not a host"),
            ("10.0.0.256", "not a host"),
            (".", "between two dots"),
            ("a..b", "between two dots"),
        ] {
            let error = text.parse::<Authority>().expect_err(text);
            assert!(error.contains(rule), "{text:?}: {error}");
        }
        let long = "x".repeat(64);
        assert!(long.parse::<Authority>().is_err());
    }

    #[test]
    fn spellings_of_one_origin_are_equal_and_paths_are_refused() {
        let origin = |text: &str| text.parse::<Origin>();
        for (one, other) in [
            ("https://heroes.example", "HTTPS://Heroes.example.:443"),
            ("http://bücher.example:80", "http://xn--bcher-kva.example"),
        ] {
            assert_eq!(origin(one).unwrap(), origin(other).unwrap(), "{one} {other}");
        }
        for text in [
            "null",
            "heroes.example",
            "https:heroes.example",
            "https:///heroes.example",
            "https://heroes.example/",
            "ftp://heroes.example",
            "https://",
            "https://*.example",
            "https://a@heroes.example",
            "https://@heroes.example",
            "file:///etc",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
        assert_eq!(origin("HTTP://[0::1]:8080").unwrap().to_string(), "http://[::1]:8080");
    }
}
