//! A thousand new visitors open the page at the same moment.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use benches::http::Http;
use benches::process::resident_mb;
use benches::table::{Spread, in_ms, kb, line, part};
use flate2::read::GzDecoder;
use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::fixture::Fixture;
use crate::load::{Load, Where};
use crate::socket::{frame_number, next_text, open};

const CLIENTS: usize = 1_000;
/// The time for the measurement before, or the load, to settle.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) fn measure(fixture: &Fixture) {
    for (is_loaded, title) in [(false, "nobody writes"), (true, "100 heroes are moved at a time")] {
        part(&format!("{CLIENTS} open the page at the same moment, {title}"));
        let load = is_loaded.then(|| {
            Load::start(
                &fixture.runtime,
                fixture.cluster.address("dispatch"),
                &fixture.heroes,
                Where::Anywhere,
            )
        });
        sleep(SETTLE);
        fixture.runtime.block_on(storm(fixture));
        if let Some(load) = load {
            line("writes saved", &load.end());
        }
    }
    let (rows, mb) =
        (fixture.heroes.as_rows.len() as f64, |bytes: f64| format!("{:.1} MB", bytes / 1e6));
    line(
        "beside it: every hero as a row of JSON, for one and for all",
        &format!("{} and {}", mb(rows), mb(rows * CLIENTS as f64)),
    );
}

async fn storm(fixture: &Fixture) {
    let (address, gate) = (fixture.cluster.address("dispatch"), Arc::new(Barrier::new(CLIENTS)));
    let before = resident_mb(fixture.dispatch);
    let visitors: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(visit(address, Arc::clone(&gate)))).collect();
    let (mut pages, mut wholes, mut html, mut frames, mut errors) =
        (Vec::new(), Vec::new(), 0.0, 0.0, Vec::new());
    for visitor in visitors {
        match visitor.await.expect("a visitor does not break") {
            Ok(visit) => {
                pages.push(visit.page_ms);
                wholes.push(visit.whole_ms);
                html += visit.html_bytes as f64 / CLIENTS as f64;
                frames += visit.frame_bytes as f64 / CLIENTS as f64;
            }
            Err(error) => errors.push(error),
        }
    }
    assert!(!wholes.is_empty(), "no visitor sees the page: {:?}", errors.first());
    line("until each has the page", &Spread::of(pages).ms());
    line("until each has its first whole frame too", &Spread::of(wholes).ms());
    line("to each: page, gzip, and frame", &format!("{} and {}", kb(html), kb(frames)));
    let why = errors.first().map_or(String::new(), |error| format!(", {error}"));
    line("who did not get there", &format!("{}{why}", errors.len()));
    line(
        "dispatch in memory before and after",
        &format!("{before}, {}", resident_mb(fixture.dispatch)),
    );
}

/// The times and bytes until a visitor sees all.
struct Visit {
    page_ms: f64,
    whole_ms: f64,
    html_bytes: usize,
    frame_bytes: usize,
}

/// Opens the page and its socket, as a browser does.
async fn visit(address: SocketAddr, gate: Arc<Barrier>) -> Result<Visit, String> {
    gate.wait().await;
    let began = Instant::now();
    let page = Http::connect(address).await?.get("/", "gzip").await?;
    if !page.status.is_success() {
        return Err(page.status.to_string());
    }
    let page_ms = in_ms(began.elapsed());
    let mut html = String::new();
    GzDecoder::new(&page.body[..]).read_to_string(&mut html).map_err(|error| error.to_string())?;
    let said = |name: &str| html.split_once(name)?.1.split('"').next();
    let (epoch, frame) = said(r#"data-epoch=""#)
        .zip(said(r#"data-frame=""#))
        .ok_or("the page does not say which frame it shows")?;
    let mut socket =
        open(address, &format!("/live?epoch={epoch}&since={frame}&bare="), None).await?;
    loop {
        let text = next_text(&mut socket).await?;
        if frame_number(&text).is_some() {
            let whole_ms = in_ms(began.elapsed());
            return Ok(Visit {
                page_ms,
                whole_ms,
                html_bytes: page.body.len(),
                frame_bytes: text.len(),
            });
        }
    }
}
