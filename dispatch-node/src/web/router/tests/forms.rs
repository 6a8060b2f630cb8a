//! The forms of the page, as sent by scripts and browsers, once and repeatedly.

use std::time::Duration;

use super::{ADMIN, Site, VIEWER, closed_policy, open_policy};
use crate::fixtures::name;
use crate::request::RequestError;

const JSON: (&str, &str) = ("accept", "application/json");

#[tokio::test]
async fn success_has_a_fixed_field_for_scripts() {
    let site = Site::new(open_policy());
    for (path, form) in [
        ("/heroes", ""),
        ("/heroes", "count=2"),
        ("/bomb", ""),
        ("/cities/gotham/bomb", ""),
        ("/gossip/pause", ""),
        ("/gossip/resume", ""),
        ("/gossip/speed", "percent=50"),
        ("/faults/heal", ""),
        ("/quiet", ""),
        ("/quiet/end", ""),
        ("/reset", ""),
        ("/faults", "kind=stop&from=gotham"),
        ("/scenarios", "name=same-millisecond"),
    ] {
        let answer = site.form(path, &[JSON], form).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}: {answer:?}");
        assert_eq!(answer.json()["done"], true, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn key_of_a_form_is_executed_once_from_header_or_field() {
    for path in [
        "/bomb",
        "/cities/gotham/bomb",
        "/gossip/pause",
        "/gossip/resume",
        "/faults/heal",
        "/quiet",
    ] {
        let site = Site::new(open_policy());
        for (header, field, executed) in [
            (Some("a"), None, 1),
            (Some("a"), None, 1),
            (None, Some("a"), 1),
            (Some("a"), Some("ignored"), 1),
            (None, Some("b"), 2),
            (None, Some("b"), 2),
            (None, None, 3),
            (None, Some(""), 4),
        ] {
            let key = header.map(|key| ("idempotency-key", key));
            let headers: Vec<_> = key.into_iter().chain([JSON]).collect();
            let form = field.map(|key| format!("key={key}")).unwrap_or_default();
            let answer = site.form(path, &headers, &form).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert_eq!(site.executed().len(), executed, "{path} {header:?} {field:?}");
        }
    }
}

#[tokio::test]
async fn invalid_key_of_a_form_is_refused() {
    let site = Site::new(open_policy());
    let long = "x".repeat(201);
    for (header, field) in [
        (Some(""), ""),
        (Some("a b"), ""),
        (Some(long.as_str()), ""),
        (None, "key=a+b"),
        (None, "key=%C3%BC"),
    ] {
        let headers: Vec<_> =
            header.map(|key| ("idempotency-key", key)).into_iter().chain([JSON]).collect();
        let answer = site.form("/bomb", &headers, field).await;
        assert_eq!(answer.problem(400), "invalid_idempotency_key", "{header:?} {field}");
    }
    assert!(site.executed().is_empty());
}

#[tokio::test]
async fn key_fits_one_form_only() {
    let site = Site::new(open_policy());
    let key = ("idempotency-key", "a");
    assert_eq!(site.form("/bomb", &[JSON, key], "").await.status, 200);
    for (path, form) in [
        ("/cities/gotham/bomb", ""),
        ("/heroes", ""),
        ("/cities/gotham/rebuild", ""),
        ("/scenarios", "name=same-millisecond"),
    ] {
        assert_eq!(
            site.form(path, &[JSON, key], form).await.problem(422),
            "idempotency_key_reused",
            "{path}"
        );
    }
    assert_eq!(
        site.request("POST", "/api/v1/bomb", &[key], "").await.status,
        202,
        "the same operation"
    );
    assert_eq!(site.executed().len(), 1);
}

#[tokio::test]
async fn repeated_scenario_is_a_success_and_not_played_again() {
    let site = Site::new(open_policy());
    let key = ("idempotency-key", "a");
    for _ in 0..2 {
        assert_eq!(
            site.form("/scenarios", &[JSON, key], "name=same-millisecond").await.status,
            200
        );
        let api = site.request("POST", "/api/v1/scenarios/same-millisecond/play", &[key], "").await;
        assert_eq!(api.status, 202, "{api:?}");
    }
    let other =
        site.form("/scenarios", &[JSON, ("idempotency-key", "b")], "name=split-brain").await;
    assert_eq!(other.problem(409), "playing");
}

#[tokio::test]
async fn repetition_waits_for_the_outcome_of_the_first_request() {
    let site = Site::held(open_policy(), |_| None);
    let key = ("idempotency-key", "a");
    let first = tokio::spawn(site.form("/bomb", &[JSON, key], ""));
    let second = tokio::spawn(site.form("/bomb", &[JSON, key], ""));
    let api = tokio::spawn(site.request("POST", "/api/v1/bomb", &[key], ""));
    tokio::task::yield_now().await;
    assert!(!first.is_finished() && !second.is_finished() && !api.is_finished());
    site.release();
    let (first, second, api) = (first.await.unwrap(), second.await.unwrap(), api.await.unwrap());
    assert_eq!(
        (first.status.as_u16(), second.status.as_u16(), api.status.as_u16()),
        (200, 200, 202)
    );
    assert_eq!(first.body, second.body);
    assert_eq!(site.executed().len(), 1);
}

#[tokio::test]
async fn repetition_gets_the_outcome_after_the_first_client_has_left() {
    let site = Site::held(open_policy(), |_| None);
    let key = ("idempotency-key", "a");
    let first = tokio::spawn(site.form("/bomb", &[JSON, key], ""));
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.is_err());
    let second = tokio::spawn(site.form("/bomb", &[JSON, key], ""));
    tokio::task::yield_now().await;
    site.release();
    assert_eq!(second.await.unwrap().status, 200);
    assert_eq!(site.executed().len(), 1);
}

#[tokio::test]
async fn refused_request_may_be_repeated_and_an_unknown_outcome_is_kept() {
    let refused = Site::held(open_policy(), |_| Some(RequestError::NoCity));
    let unknown =
        Site::held(open_policy(), |_| Some(RequestError::Unknown { city: name("gotham") }));
    for (site, code, executed) in [(refused, "no_answer", 2), (unknown, "outcome_unknown", 1)] {
        site.released.add_permits(10);
        for _ in 0..2 {
            let answer = site.form("/bomb", &[JSON, ("idempotency-key", "a")], "").await;
            assert_eq!(answer.problem(503), code);
        }
        assert_eq!(site.executed().len(), executed, "{code}");
    }
}

#[tokio::test]
async fn request_without_an_answer_is_not_executed_again() {
    let site = Site::held(open_policy(), |_| None);
    let key = ("idempotency-key", "a");
    for _ in 0..2 {
        let answer = site.form("/bomb", &[JSON, key], "").await;
        assert_eq!(answer.problem(503), "outcome_unknown");
    }
    site.released.add_permits(10);
    while site.executed().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(site.form("/bomb", &[JSON, key], "").await.problem(503), "outcome_unknown");
    assert_eq!(site.form("/bomb", &[JSON], "").await.status, 200, "the queue is empty");
    assert_eq!(site.executed().len(), 2);
}

#[tokio::test]
async fn whole_numbers_of_forms_may_have_a_zero_fraction() {
    let site = Site::new(open_policy());
    for (path, form, status) in [
        ("/heroes", "count=2.0", 200),
        ("/heroes", "count=1e3", 200),
        ("/heroes", "count=2.5", 422),
        ("/heroes", "count=-0", 422),
        ("/heroes", "count=NaN", 422),
        ("/heroes", "count=inf", 422),
        ("/heroes", "count=1e300", 422),
        ("/gossip/speed", "percent=50.0", 200),
        ("/gossip/speed", "percent=5e1", 200),
        ("/gossip/speed", "percent=50.5", 422),
        ("/gossip/speed", "percent=NaN", 422),
        ("/gossip/speed", "percent=1e300", 422),
    ] {
        assert_eq!(site.form(path, &[JSON], form).await.status, status, "{path} {form}");
    }
}

#[tokio::test]
async fn whole_numbers_of_the_api_may_have_a_zero_fraction() {
    let site = Site::new(open_policy());
    let fault = |amount: &str| format!(r#"{{"from":"gotham","to":"*",{amount}}}"#);
    for (path, body, status) in [
        ("/api/v1/heroes", r#"{"count":2.0}"#.to_owned(), 201),
        ("/api/v1/heroes", r#"{"count":2.5}"#.to_owned(), 422),
        ("/api/v1/gossip/speed", r#"{"percent":5e1}"#.to_owned(), 200),
        ("/api/v1/gossip/speed", r#"{"percent":50.5}"#.to_owned(), 422),
        ("/api/v1/faults", fault(r#""kind":"throttle","bytes_per_s":300.5"#), 422),
        ("/api/v1/faults", fault(r#""kind":"skew","skew_ms":2.5"#), 422),
    ] {
        let json = [("content-type", "application/json")];
        let answer = site.request("POST", path, &json, &body).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
    }
}

#[tokio::test]
async fn forms_of_the_types_accept_the_keys_of_this_run_only() {
    let site = Site::new(open_policy());
    let page = site.request("GET", "/", &[], "").await.body;
    let epoch = page.split("data-epoch=\"").nth(1).and_then(|rest| rest.split('"').next());
    let epoch = epoch.expect("the page has an epoch");
    for (number, (path, form)) in [
        ("/types/counters", "name=visits&amount=1"),
        ("/types/sets", "name=fruits&element=apple"),
        ("/types/tables", "name=stock&entry=night%20heron&value=1"),
        ("/types/radio", "text=hello"),
        ("/types/names", "name=leader&value="),
        ("/types/tables", "name=stock&entry=b&at="),
    ]
    .into_iter()
    .enumerate()
    {
        let (own, earlier) = (format!("{epoch}~{number:032}"), format!("00000000~{number:032}"));
        // This node has no replica, so it does not get further.
        let answer = site.form(path, &[JSON, ("idempotency-key", &own)], form).await;
        assert_eq!(answer.problem(503), "joining", "{path}");
        let other = site.form(path, &[JSON, ("idempotency-key", &earlier)], form).await;
        assert_eq!(other.problem(503), "outcome_unknown", "{path}");
    }
    for (path, form, problem) in [
        ("/types/counters", "name=visits&amount=1.5", "out_of_range"),
        ("/types/counters", "name=visits", "no_field"),
        ("/types/counters", "name=&amount=1", "no_field"),
        ("/types/counters", "name=%0a&amount=1", "invalid_name"),
        ("/types/sets", "name=fruits", "no_field"),
        ("/types/tables", "name=stock&value=1", "no_field"),
        ("/types/sets", "name=fruits&element=apple&at=smallville", "unknown_city"),
    ] {
        assert_eq!(site.form(path, &[JSON], form).await.problem(422), problem, "{path} {form}");
    }
}

#[tokio::test]
async fn viewer_chooses_a_name_and_unknown_clients_see_nothing() {
    let site = Site::new(closed_policy());
    let bearer = format!("Bearer {VIEWER}");
    let viewer = ("authorization", bearer.as_str());
    assert_eq!(site.form("/me", &[JSON], "name=Ada").await.problem(401), "sign_in");
    assert_eq!(site.form("/me", &[JSON], "name=").await.problem(401), "sign_in");
    let chosen = site.form("/me", &[viewer], "name=Ada").await;
    assert_eq!(chosen.status, 303, "{chosen:?}");
    assert!(chosen.header("set-cookie").unwrap().starts_with("superhero-name=Ada;"), "{chosen:?}");
    let refused = site.form("/me", &[viewer], "name=").await;
    assert_eq!(refused.problem(422), "invalid_name");
    assert_eq!(site.form("/types/radio", &[JSON, viewer], "text=a").await.problem(403), "viewer");
}

#[tokio::test]
async fn form_of_the_reset_says_what_was_done() {
    let site = Site::new(closed_policy());
    let token = |token: &str| format!("Bearer {token}");
    let refused = site.form("/reset", &[JSON, ("authorization", &token(VIEWER))], "").await;
    assert_eq!(refused.problem(403), "viewer");
    assert!(site.executed().is_empty());
    let answer = site.form("/reset", &[JSON, ("authorization", &token(ADMIN))], "").await;
    let notice = "the cluster was reset; there was nothing to do";
    assert_eq!(answer.json()["notice"], notice, "{answer:?}");
    // Without scripts the page follows.
    let answer = site.form("/reset", &[("authorization", &token(ADMIN))], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/")));
}
