//! The host that a request names (RFC 9112, section 3.2).
//!
//! Invariant: a request that reaches a router names at most one host. Otherwise this node and a
//! proxy in front of it could take it for requests to different hosts.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, Version, header};

use crate::link::problem::{Problem, shortened};

/// The maximum number of characters of a host that an error repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// Returns the problem of a request that does not name one valid host.
pub(super) fn problem<B>(request: &hyper::Request<B>) -> Option<Problem> {
    check(request.method(), request.uri(), request.version(), request.headers())
        .err()
        .map(|rule| Problem::malformed("invalid_host", format!("{rule}; nothing was changed")))
}

fn check(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), String> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = match (values.next(), values.next()) {
        (Some(host), None) => Some(host),
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => return Err("the header Host is missing".to_owned()),
        (Some(_), Some(_)) => return Err("there is more than one header Host".to_owned()),
    };
    let refused = |host: &[u8], rule: &str| {
        let shown = shortened(&String::from_utf8_lossy(host), SHOWN_CHARS_MAX);
        Err(format!("{rule}, not {shown:?}"))
    };
    // An empty value is valid in a request for no host.
    let named = match host.map(|host| (host.as_bytes(), parse(host.as_bytes()))) {
        None | Some((b"", _)) => None,
        Some((_, Some(named))) => Some(named),
        Some((host, None)) => {
            return refused(host, "the header Host must be one HOST or HOST:PORT");
        }
    };
    // The target of CONNECT is always a host. No route supports that method.
    let Some(target) = uri.authority().filter(|_| *method != Method::CONNECT) else {
        return Ok(());
    };
    let default_port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => {
            let scheme = uri.scheme_str().unwrap_or_default().as_bytes();
            return refused(scheme, "the scheme of the request target must be http or https");
        }
    };
    let with_port = |(host, port): (String, Option<u16>)| (host, port.unwrap_or(default_port));
    let Some(wanted) = parse(target.as_str().as_bytes()) else {
        return refused(
            target.as_str().as_bytes(),
            "the request target must name HOST or HOST:PORT",
        );
    };
    if host.is_some() && named.map(with_port) != Some(with_port(wanted)) {
        let rule = "the host of the request target must be that of the header Host";
        return refused(target.as_str().as_bytes(), rule);
    }
    Ok(())
}

/// Parses a host in lower case, and the port if there is one.
fn parse(text: &[u8]) -> Option<(String, Option<u16>)> {
    let authority = Authority::try_from(text).ok()?;
    let rest = authority.as_str().strip_prefix(authority.host())?;
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        None | Some(_) => return None,
    };
    (!authority.host().is_empty()).then(|| (authority.host().to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(target: &str, version: Version, hosts: &[&[u8]]) -> Result<(), String> {
        let mut request = hyper::Request::get(target).version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let request = request.body(()).expect("a request");
        problem(&request).map_or(Ok(()), |problem| Err(problem.detail))
    }

    #[test]
    fn request_names_at_most_one_valid_host() {
        for host in [
            "localhost",
            "LOCALHOST:4900",
            "127.0.0.1:80",
            "[::1]:4900",
            "[::1]",
            "xn--bcher-kva.example.",
            "a_b.example",
            "localhost:",
            "",
        ] {
            assert_eq!(judged("/", Version::HTTP_11, &[host.as_bytes()]), Ok(()), "{host}");
        }
        for host in [
            "localhost/path",
            "localhost/",
            "user@localhost",
            "user:password@localhost",
            "@localhost",
            "local host",
            "localhost, localhost",
            "http://localhost",
            "localhost?a",
            "localhost#a",
            "localhost\\a",
            "localhost:port",
            "localhost:-1",
            "localhost:99999",
            "localhost:80:80",
            "[::1",
            "::1]",
            "[::1]a",
            "[::1]:a",
            ":80",
            "b\u{fc}cher.example",
            "local%68ost",
            "<localhost>",
        ] {
            let refused = judged("/", Version::HTTP_11, &[host.as_bytes()]);
            assert!(refused.is_err_and(|rule| rule.contains("header Host")), "{host}");
        }
        assert!(judged("/", Version::HTTP_11, &[]).is_err());
        assert_eq!(judged("/", Version::HTTP_10, &[]), Ok(()));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(judged("/", version, &[b"localhost", b"localhost"]).is_err());
            assert!(judged("/", version, &[b"localhost", b"evil.example"]).is_err());
            assert!(judged("/", version, &[b"", b"localhost"]).is_err());
        }
    }

    #[test]
    fn host_of_an_absolute_target_is_that_of_the_header() {
        for (target, host) in [
            ("http://localhost:4900/a", "localhost:4900"),
            ("http://LOCALHOST/", "localhost:80"),
            ("https://localhost:443/", "localhost"),
            ("http://[::1]:1/", "[::1]:1"),
        ] {
            assert_eq!(judged(target, Version::HTTP_11, &[host.as_bytes()]), Ok(()), "{target}");
        }
        for (target, host) in [
            ("http://evil.example/", "localhost"),
            ("http://localhost/", "evil.example"),
            ("http://localhost:4901/", "localhost:4900"),
            ("http://localhost/", "localhost:4900"),
            ("http://user@localhost/", "localhost"),
            ("http://localhost/", ""),
            ("ftp://localhost/", "localhost"),
        ] {
            let refused = judged(target, Version::HTTP_11, &[host.as_bytes()]);
            assert!(refused.is_err_and(|rule| rule.contains("target")), "{target} {host}");
        }
        assert_eq!(judged("http://localhost/", Version::HTTP_10, &[]), Ok(()));
    }
}
