//! Signing in and out, and requests without a valid session.

use super::{ADMIN, Answer, Site, VIEWER, closed_policy};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const JSON: (&str, &str) = ("accept", "application/json");

/// Returns the cookies that the response sets, as `name=value`.
fn cookies(answer: &Answer) -> Vec<String> {
    let set = answer.headers.get_all("set-cookie").iter();
    set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sign_in_returns_to_the_page_that_was_requested() {
    let site = Site::new(closed_policy());
    for (path, location) in [
        ("/", "/sign-in"),
        (
            "/?q=owl&hero=3f2b8c1e-6a4d-4f0b-9a57-0d7c1b2e4f60",
            "/sign-in?next=%2F%3Fq%3Dowl%26hero%3D3f2b8c1e-6a4d-4f0b-9a57-0d7c1b2e4f60",
        ),
        ("/help", "/sign-in?next=%2Fhelp"),
        ("/api", "/sign-in?next=%2Fapi"),
    ] {
        let answer = site.request("GET", path, &[HTML], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(location)));
    }
    let form = site.request("GET", "/sign-in?next=%2F%3Fq%3D%22owl%22", &[HTML], "").await;
    assert!(
        form.body.contains(r#"name="next""#) && !form.body.contains(r#""owl""#),
        "{}",
        form.body
    );
    let failed = site.form("/sign-in", &[HTML], "token=a+guess&next=%2Fhelp").await;
    assert!(failed.status == 403 && failed.body.contains(r#"value="/help""#), "{failed:?}");
    let signed = site.form("/sign-in", &[HTML], &format!("token={ADMIN}&next=%2F%3Fq%3Dowl")).await;
    assert_eq!((signed.status.as_u16(), signed.header("location")), (303, Some("/?q=owl")));
}

#[tokio::test]
async fn sign_in_redirects_to_local_paths_only() {
    let site = Site::new(closed_policy());
    for next in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/%2Fevil.example",
        "/%2fevil.example",
        "/%5Cevil.example",
        "%2F%2Fevil.example",
        "/%252Fevil.example",
        "/\t/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/%0d%0aSet-Cookie:%20a=b",
        "/%00",
        " /help",
        "/ü",
        "/sign-in",
        "/sign-in?next=/help",
        "/sign-out",
        "",
    ] {
        let form = serde_urlencoded::to_string([("token", ADMIN), ("next", next)]).unwrap();
        let signed = site.form("/sign-in", &[HTML], &form).await;
        assert_eq!(
            (signed.status.as_u16(), signed.header("location")),
            (303, Some("/")),
            "{next:?}"
        );
    }
    let long = serde_urlencoded::to_string([
        ("token", ADMIN),
        ("next", &format!("/{}", "x".repeat(9_000))),
    ]);
    assert_eq!(site.form("/sign-in", &[HTML], &long.unwrap()).await.header("location"), Some("/"));
}

#[tokio::test]
async fn request_without_a_session_is_never_answered_as_a_success() {
    let site = Site::new(closed_policy());
    let forms = [
        "/heroes",
        "/heroes/3f2b8c1e-6a4d-4f0b-9a57-0d7c1b2e4f60",
        "/bomb",
        "/cities/gotham/bomb",
        "/cities/gotham/rebuild",
        "/faults",
        "/faults/heal",
        "/faults/00000000/heal",
        "/gossip/pause",
        "/gossip/resume",
        "/gossip/step",
        "/gossip/speed",
        "/scenarios",
        "/",
    ];
    let expired = ("cookie", "superhero-session=00ff");
    for path in forms {
        for headers in [&[JSON][..], &[JSON, expired], &[("accept", "*/*")], &[]] {
            let answer = site.form(path, headers, "").await;
            assert_eq!(answer.problem(401), "sign_in", "{path} {headers:?}");
        }
        let page = site
            .form(path, &[HTML, expired, ("referer", "http://localhost:4900/?q=owl")], "")
            .await;
        assert_eq!(page.status, 401, "{page:?}");
        assert!(
            page.body.contains("action=\"/sign-in\"") && page.body.contains("value=\"/?q=owl\""),
            "{page:?}"
        );
    }
    for path in ["/", "/?q=owl", "/help", "/api", "/api/v1/verdict"] {
        assert_eq!(site.request("GET", path, &[JSON], "").await.problem(401), "sign_in", "{path}");
    }
    assert!(site.executed().is_empty());
}

#[tokio::test]
async fn viewers_form_is_refused_with_the_sign_in_page() {
    let site = Site::new(closed_policy());
    let viewer =
        cookies(&site.form("/sign-in", &[HTML], &format!("token={VIEWER}")).await).remove(0);
    let cookie = ("cookie", viewer.as_str());
    assert_eq!(site.form("/bomb", &[JSON, cookie], "").await.problem(403), "viewer");
    let page = site.form("/bomb", &[HTML, cookie], "").await;
    assert!(page.status == 403 && page.body.contains("action=\"/sign-in\""), "{page:?}");
}

#[tokio::test]
async fn script_signs_in_and_out_with_json() {
    let site = Site::new(closed_policy());
    assert_eq!(site.form("/sign-in", &[JSON], "token=a+guess").await.problem(403), "unknown_token");
    let signed = site.form("/sign-in", &[JSON], &format!("token={ADMIN}")).await;
    assert_eq!((signed.status.as_u16(), &signed.json()["done"]), (200, &true.into()));
    let cookie = cookies(&signed).remove(0);
    let out = site.form("/sign-out", &[JSON, ("cookie", &cookie)], "").await;
    assert_eq!((out.status.as_u16(), &out.json()["done"]), (200, &true.into()));
}

#[tokio::test]
async fn sessions_of_two_clusters_on_one_host_do_not_collide() {
    let here = Site::new(closed_policy());
    let mut policy = closed_policy();
    policy.tokens = super::Tokens::new(Some("another admin token".into()), None).unwrap();
    let there = Site::new(policy);
    let ours = cookies(&here.form("/sign-in", &[], &format!("token={ADMIN}")).await).remove(0);
    let theirs = cookies(&there.form("/sign-in", &[], "token=another+admin+token").await).remove(0);
    let name = |cookie: &str| cookie.split('=').next().unwrap().to_owned();
    assert_ne!(name(&ours), name(&theirs));
    // A browser sends both cookies to both.
    let both = format!("{theirs}; {ours}");
    for site in [&here, &there] {
        let headers = [JSON, ("cookie", both.as_str())];
        assert_eq!(site.form("/gossip/pause", &headers, "").await.status, 200);
    }
    let out = here.form("/sign-out", &[("cookie", &both)], "").await;
    assert_eq!(cookies(&out), [format!("{}=", name(&ours))], "the other session stays");
}

#[tokio::test]
async fn second_sign_in_replaces_the_first_one() {
    let site = Site::new(closed_policy());
    let admin = cookies(&site.form("/sign-in", &[], &format!("token={ADMIN}")).await).remove(0);
    let answer = site.form("/sign-in", &[("cookie", &admin)], &format!("token={VIEWER}")).await;
    let set = cookies(&answer);
    let viewer = set.iter().find(|cookie| !cookie.ends_with('=')).unwrap();
    assert!(set.contains(&format!("{}=", admin.split('=').next().unwrap())), "{set:?}");
    assert_eq!(site.form("/bomb", &[JSON, ("cookie", viewer)], "").await.problem(403), "viewer");
}

#[tokio::test]
async fn bearer_scheme_is_case_insensitive() {
    let site = Site::new(closed_policy());
    for value in [
        format!("Bearer {ADMIN}"),
        format!("bearer {ADMIN}"),
        format!("BEARER   {ADMIN}"),
        format!("bEaReR {ADMIN} "),
    ] {
        let answer = site.form("/gossip/pause", &[JSON, ("authorization", &value)], "").await;
        assert_eq!(answer.status, 200, "{value}: {answer:?}");
    }
    for value in
        [format!("Bearer{ADMIN}"), format!("Basic {ADMIN}"), "Bearer".into(), "Bearer ".into()]
    {
        let answer = site.form("/gossip/pause", &[JSON, ("authorization", &value)], "").await;
        assert_eq!(answer.problem(401), "sign_in", "{value}");
    }
}
