//! The hosts and the origin of requests, behind proxies and elsewhere.

use super::{AccessPolicy, Site, open_policy};

#[tokio::test]
async fn one_origin_has_many_spellings() {
    let hosts = ["heroes.example", "b\u{fc}cher.example", "[2001:db8::1]"];
    let hosts = hosts.map(|host| host.parse().unwrap()).to_vec();
    let site = Site::new(AccessPolicy { hosts, ..open_policy() });
    for (host, origin) in [
        ("heroes.example:443", "https://heroes.example"),
        ("heroes.example", "https://heroes.example:443"),
        ("heroes.example:80", "http://heroes.example"),
        ("Heroes.Example", "https://heroes.example"),
        ("heroes.example", "HTTPS://HEROES.EXAMPLE"),
        ("heroes.example.", "https://heroes.example"),
        ("heroes.example", "https://heroes.example."),
        ("heroes.example:8443", "https://heroes.example:8443"),
        ("[2001:db8:0:0::1]", "http://[2001:db8::1]"),
        ("[::1]:4900", "http://[0:0:0:0:0:0:0:1]:4900"),
        ("XN--bcher-kva.example", "https://xn--bcher-kva.example"),
    ] {
        let answer = site
            .form(
                "/gossip/pause",
                &[("host", host), ("origin", origin), ("accept", "application/json")],
                "",
            )
            .await;
        assert_eq!(answer.status, 200, "{host} {origin}: {answer:?}");
    }
    let accepted = site.executed().len();
    for (host, origin) in [
        ("heroes.example:443", "http://heroes.example"),
        ("heroes.example:80", "https://heroes.example"),
        ("heroes.example", "https://heroes.example:8443"),
        ("heroes.example", "https://heroes.example.evil.example"),
        ("heroes.example", "https://heroes.example@evil.example"),
        ("heroes.example", "https://evil.example/@heroes.example"),
        ("heroes.example", "https://heroes.example/"),
        ("heroes.example", "ftp://heroes.example"),
        ("heroes.example", "heroes.example"),
        ("heroes.example", "null"),
        ("heroes.example", ""),
        ("heroes.example", "https://"),
    ] {
        let answer = site.form("/gossip/pause", &[("host", host), ("origin", origin)], "").await;
        assert_eq!(answer.problem(403), "foreign_origin", "{host} {origin}");
    }
    for host in [
        "user@heroes.example",
        "heroes.example/path",
        "heroes.example:x",
        "heroes.example:99999",
        "heroes.example, localhost",
        "heroes%2eexample",
        "*.example",
        "",
        ".",
        "heroes.example..",
    ] {
        let answer = site.form("/gossip/pause", &[("host", host)], "").await;
        assert_eq!(answer.problem(421), "foreign_host", "{host}");
    }
    assert_eq!(site.executed().len(), accepted);
}

#[tokio::test]
async fn form_returns_to_its_own_page_only() {
    let site =
        Site::new(AccessPolicy { hosts: vec!["heroes.example".parse().unwrap()], ..open_policy() });
    for (host, referer, back) in [
        ("heroes.example:443", "https://heroes.example/?q=owl", "/?q=owl"),
        ("Heroes.example", "https://heroes.example:443/?q=owl", "/?q=owl"),
        ("heroes.example", "https://evil.example/?q=owl", "/"),
        ("heroes.example", "https://heroes.example@evil.example/?q=owl", "/"),
        ("heroes.example", "https://heroes.example/help?q=owl", "/"),
    ] {
        let answer = site.form("/gossip/pause", &[("host", host), ("referer", referer)], "").await;
        assert_eq!(answer.header("location"), Some(back), "{host} {referer}: {answer:?}");
    }
}

#[tokio::test]
async fn refusals_name_the_option_or_header_to_set() {
    let site = Site::new(open_policy());
    let detail = |answer: super::Answer| answer.json()["detail"].as_str().unwrap().to_owned();
    let host = detail(site.request("GET", "/", &[("host", "heroes.example:8080")], "").await);
    assert!(host.contains("--allow-host heroes.example"), "{host}");
    let headers = [("origin", "https://heroes.example"), ("host", "127.0.0.1:4900")];
    let origin = detail(site.form("/bomb", &headers, "").await);
    assert!(
        origin.contains("--allow-origin https://heroes.example")
            && origin.contains("127.0.0.1:4900")
            && origin.contains("Host"),
        "{origin}"
    );
    let long = "x".repeat(10_000);
    let hostile =
        detail(site.request("GET", "/", &[("host", &format!("\u{9b}31m{long}"))], "").await);
    assert!(hostile.len() < 500 && !hostile.contains('\u{9b}'), "{hostile}");
}
