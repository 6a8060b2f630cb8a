//! Pages of origins that `--allow-origin` names, and of all others.

use super::{AccessPolicy, Site, closed_policy, open_policy};

const OURS: &str = "https://class.example";

fn allowing(policy: AccessPolicy) -> AccessPolicy {
    AccessPolicy { origins: vec![OURS.parse().unwrap()], ..policy }
}

const PREFLIGHT: (&str, &str) = ("access-control-request-method", "POST");

#[tokio::test]
async fn allowed_origin_gets_its_preflight_and_reads_every_response() {
    let site = Site::new(allowing(open_policy()));
    for path in ["/api/v1/bomb", "/bomb", "/no/such/path", "/"] {
        let asked =
            ("access-control-request-headers", "authorization,content-type,idempotency-key");
        let answer = site.request("OPTIONS", path, &[("origin", OURS), PREFLIGHT, asked], "").await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(OURS), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        for (name, word) in [
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-methods", "DELETE"),
            ("access-control-allow-headers", "authorization"),
            ("access-control-allow-headers", "idempotency-key"),
            ("access-control-allow-headers", "if-none-match"),
            ("access-control-max-age", "600"),
            ("vary", "origin"),
        ] {
            let value = answer.list(name);
            assert!(value.contains(&word.to_ascii_lowercase()), "{name} {word}: {answer:?}");
        }
    }
    assert!(site.executed().is_empty(), "a preflight must not change anything");
    for (method, path, status) in [
        ("POST", "/bomb", 303),
        ("POST", "/api/v1/bomb", 202),
        ("GET", "/api/v1/verdict", 200),
        ("GET", "/nothing/here", 404),
        ("PATCH", "/api/v1/bomb", 405),
        ("POST", "/api/v1/cities/nowhere/bomb", 404),
        ("GET", "/static/style.css", 200),
    ] {
        let answer = site.request(method, path, &[("origin", OURS)], "").await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(OURS), "{path}: {answer:?}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        for name in ["etag", "location", "retry-after", "content-disposition"] {
            assert!(exposed.contains(name), "{path}, {name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn problems_of_a_closed_dispatch_are_readable_by_an_allowed_origin() {
    let site = Site::new(allowing(closed_policy()));
    let preflight =
        site.request("OPTIONS", "/api/v1/bomb", &[("origin", OURS), PREFLIGHT], "").await;
    assert!(preflight.status.is_success(), "a preflight carries no token: {preflight:?}");
    for (host, status, code) in
        [("localhost:4900", 401, "sign_in"), ("evil.example", 421, "foreign_host")]
    {
        let answer =
            site.request("POST", "/api/v1/bomb", &[("origin", OURS), ("host", host)], "").await;
        assert_eq!(answer.problem(status), code);
        assert_eq!(answer.header("access-control-allow-origin"), Some(OURS), "{answer:?}");
    }
    assert!(site.executed().is_empty());
}

#[tokio::test]
async fn other_origins_get_no_cors_headers_and_change_nothing() {
    let site = Site::new(allowing(open_policy()));
    for origin in [
        "https://evil.example",
        "http://class.example",
        "null",
        "https://class.example.evil.example",
    ] {
        let headers = [("origin", origin), PREFLIGHT];
        for (method, path) in [
            ("OPTIONS", "/api/v1/bomb"),
            ("POST", "/api/v1/bomb"),
            ("POST", "/bomb"),
            ("GET", "/api/v1/verdict"),
        ] {
            let answer = site.request(method, path, &headers, "").await;
            let cors: Vec<_> = answer
                .headers
                .keys()
                .filter(|name| name.as_str().starts_with("access-control-"))
                .collect();
            assert!(cors.is_empty(), "{origin} {method} {path}: {answer:?}");
            assert!(answer.list("vary").contains("origin"), "{origin} {method} {path}: {answer:?}");
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
            assert_eq!(answer.status == 405, method == "OPTIONS", "{answer:?}");
        }
    }
    assert!(site.executed().is_empty());
}
