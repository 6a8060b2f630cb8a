//! A thousand clients open the page at the same moment.

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
/// The settling time after the previous measurement, or for the load.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) fn measure(fixture: &Fixture) {
    for (is_loaded, title) in [(false, "no load"), (true, "100 heroes reassigned at a time")] {
        part(&format!("{CLIENTS} clients open the page at the same moment, {title}"));
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
        "for comparison: all heroes as JSON rows, one client and all",
        &format!("{} and {}", mb(rows), mb(rows * CLIENTS as f64)),
    );
}

async fn storm(fixture: &Fixture) {
    let (address, gate) = (fixture.cluster.address("dispatch"), Arc::new(Barrier::new(CLIENTS)));
    let before = resident_mb(fixture.dispatch);
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(visit(address, Arc::clone(&gate)))).collect();
    let (mut pages, mut wholes, mut html, mut frames, mut errors) =
        (Vec::new(), Vec::new(), 0.0, 0.0, Vec::new());
    for client in clients {
        match client.await.expect("a client task does not panic") {
            Ok(visit) => {
                pages.push(visit.page_ms);
                wholes.push(visit.whole_ms);
                html += visit.html_bytes as f64 / CLIENTS as f64;
                frames += visit.frame_bytes as f64 / CLIENTS as f64;
            }
            Err(error) => errors.push(error),
        }
    }
    assert!(!wholes.is_empty(), "no client received the page: {:?}", errors.first());
    line("until each client has the page", &Spread::of(pages).ms());
    line("until each client has its first full frame", &Spread::of(wholes).ms());
    line("bytes per client: page, gzip, and frame", &format!("{} and {}", kb(html), kb(frames)));
    let why = errors.first().map_or(String::new(), |error| format!(", {error}"));
    line("failed clients", &format!("{}{why}", errors.len()));
    line(
        "dispatch, memory before and after",
        &format!("{before}, {}", resident_mb(fixture.dispatch)),
    );
}

/// The times and bytes until a client has the page and its first full frame.
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
    let attribute = |name: &str| html.split_once(name)?.1.split('"').next();
    let (epoch, frame) = attribute(r#"data-epoch=""#)
        .zip(attribute(r#"data-frame=""#))
        .ok_or("the page does not contain its frame number")?;
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
