//! The first answer: how large the page and its scripts are, and how soon it begins.

use std::collections::BTreeSet;

use benches::http::Http;
use benches::table::{Spread, in_ms, kb, line, part, promised};

use crate::fixture::Fixture;

/// The number of requests for the page.
const REQUESTS: usize = 200;
/// The budgets.
const HTML_BYTES_MAX: usize = 60_000;
const SCRIPT_BYTES_MAX: usize = 20_000;

pub(crate) fn measure(fixture: &Fixture) {
    part("The page when it is opened, 50 rows");
    fixture.runtime.block_on(ask(fixture));
}

async fn ask(fixture: &Fixture) {
    let mut http =
        Http::connect(fixture.cluster.address("dispatch")).await.expect("dispatch can be reached");
    let page = http.get("/", "identity").await.expect("the page is answered");
    let small = http.get("/", "gzip").await.expect("the page is answered");
    promised("HTML", &kb(page.body.len() as f64), "60 kB", page.body.len() <= HTML_BYTES_MAX);
    line("HTML, gzip", &kb(small.body.len() as f64));
    let html = String::from_utf8(page.body.into()).expect("a page is text");
    let scripts: BTreeSet<&str> = html
        .split('"')
        .filter(|path| path.starts_with("/static/") && path.ends_with(".js"))
        .collect();
    assert!(scripts.len() > 1, "the page names its scripts");
    let mut bytes = 0;
    for script in &scripts {
        bytes += http.get(script, "gzip").await.expect("a script is answered").body.len();
    }
    promised(
        &format!("{} scripts, gzip", scripts.len()),
        &kb(bytes as f64),
        "20 kB",
        bytes <= SCRIPT_BYTES_MAX,
    );
    let mut first_bytes = Vec::new();
    for _ in 0..REQUESTS {
        first_bytes
            .push(in_ms(http.get("/", "gzip").await.expect("the page is answered").first_byte));
    }
    line("first byte", &Spread::of(first_bytes).ms());
}
