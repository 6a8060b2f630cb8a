//! The first response: the sizes of the page and its scripts, and the time to the first byte.

use std::collections::BTreeSet;

use benches::http::Http;
use benches::table::{Spread, budgeted, in_ms, kb, line, part};

use crate::fixture::Fixture;

/// The number of requests for the page.
const REQUESTS: usize = 200;
/// Budgets, in bytes.
const HTML_BYTES_MAX: usize = 60_000;
const SCRIPT_BYTES_MAX: usize = 20_000;

pub(crate) fn measure(fixture: &Fixture) {
    part("First response, 50 rows");
    fixture.runtime.block_on(measure_responses(fixture));
}

async fn measure_responses(fixture: &Fixture) {
    let mut http =
        Http::connect(fixture.cluster.address("dispatch")).await.expect("dispatch is reachable");
    let page = http.get("/", "identity").await.expect("dispatch responds with the page");
    let small = http.get("/", "gzip").await.expect("dispatch responds with the page");
    budgeted("HTML", &kb(page.body.len() as f64), "60 kB", page.body.len() <= HTML_BYTES_MAX);
    line("HTML, gzip", &kb(small.body.len() as f64));
    let html = String::from_utf8(page.body.into()).expect("the page is UTF-8");
    let scripts: BTreeSet<&str> = html
        .split('"')
        .filter(|path| path.starts_with("/static/") && path.ends_with(".js"))
        .collect();
    assert!(scripts.len() > 1, "the page refers to its scripts");
    let mut bytes = 0;
    for script in &scripts {
        bytes +=
            http.get(script, "gzip").await.expect("dispatch responds with the script").body.len();
    }
    budgeted(
        &format!("{} scripts, gzip", scripts.len()),
        &kb(bytes as f64),
        "20 kB",
        bytes <= SCRIPT_BYTES_MAX,
    );
    let mut first_bytes = Vec::new();
    for _ in 0..REQUESTS {
        first_bytes.push(in_ms(
            http.get("/", "gzip").await.expect("dispatch responds with the page").first_byte,
        ));
    }
    line("first byte", &Spread::of(first_bytes).ms());
}
