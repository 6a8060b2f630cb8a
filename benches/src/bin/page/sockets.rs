//! A thousand open pages, some of which never read: the cost for dispatch, and the latency for the
//! others. Also the latency of a write on an idle cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use benches::http::Http;
use benches::process::{Use, percent, resident_mb};
use benches::table::{Spread, budgeted, in_ms, kb, line, part};
use futures_util::SinkExt;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::Fixture;
use crate::load::{Heroes, Load, Where};
use crate::socket::{Socket, frame_number, next_text, open, rows_in};

/// The number of pages that read their frames, and of pages that never read.
const READERS: usize = 900;
const NON_READERS: usize = 100;
/// The number of readers that record the heroes in each frame.
const RECORDING_READERS: usize = 20;
/// The receive buffer of a page that does not read, in bytes; small, so that it fills soon.
const NON_READER_BUFFER: u32 = 4_096;
/// The settling time, and the duration of a measurement. The sum is below one minute, after which
/// dispatch closes pages that do not read.
const SETTLE: Duration = Duration::from_secs(5);
const MEASUREMENT: Duration = Duration::from_secs(25);
/// The interval of the writes whose latency is measured. It does not divide the view interval of
/// 250 ms, so that the writes are spread over it.
const WRITE_INTERVAL: Duration = Duration::from_millis(467);
/// Budgets: the share of a core, and the 99th percentile of a latency.
const CORE_MAX: f64 = 0.5;
const DELAY_MS_MAX: f64 = 250.0;
/// The latency budget on an idle cluster: one view interval and 20 ms.
const IDLE_DELAY_MS_MAX: f64 = 270.0;
/// The number of pages on an idle cluster.
const IDLE_READERS: usize = 100;

pub(crate) fn measure_idle(fixture: &Fixture) {
    part(&format!("{IDLE_READERS} sockets, no load except the measured writes"));
    let measured = fixture.runtime.block_on(run(fixture, None, IDLE_READERS, 0));
    line("dispatch", &percent(measured.dispatch));
    let what =
        format!("from the response to a write to its frame, {} samples", measured.delays.count());
    budgeted(
        &what,
        &measured.delays.ms(),
        "p99 270 ms",
        measured.delays.at(0.99) <= IDLE_DELAY_MS_MAX,
    );
}

pub(crate) fn measure(fixture: &Fixture) {
    let run = |spread, readers, non_readers| {
        fixture.runtime.block_on(run(fixture, Some(spread), readers, non_readers))
    };
    let before = resident_mb(fixture.dispatch);

    part("No sockets, 100 heroes reassigned at a time");
    let alone = run(Where::Anywhere, 0, 0);
    line("writes saved", &alone.written);
    line("dispatch", &percent(alone.dispatch));
    line("dispatch, memory", &alone.resident);
    part(&format!("{READERS} sockets, all of them reading"));
    let all_read = run(Where::Anywhere, READERS, 0);
    all_read.print(&alone);
    part(&format!("{} sockets, {NON_READERS} of which never read", READERS + NON_READERS));
    let with_non_readers = run(Where::Anywhere, READERS, NON_READERS);
    with_non_readers.print(&alone);
    line(
        "p99 of a frame, with and without non-readers",
        &format!(
            "{:.1} and {:.1} ms",
            with_non_readers.fan_out.at(0.99),
            all_read.fan_out.at(0.99)
        ),
    );
    let (with, without) = (with_non_readers.delays.at(0.99), all_read.delays.at(0.99));
    line("p99 of a write, with and without non-readers", &format!("{with:.0} and {without:.0} ms"));
    part(&format!(
        "{} sockets, {NON_READERS} of which never read, 25 reassigned heroes on the page",
        READERS + NON_READERS
    ));
    let on_the_page = run(Where::OnThePage, READERS, NON_READERS);
    on_the_page.print(&alone);
    line(
        "dispatch, memory before and after all sockets",
        &format!("{before}, {}", resident_mb(fixture.dispatch)),
    );
}

/// The result of one measurement.
struct Measured {
    /// The shares of a core used by dispatch and by this program.
    dispatch: f64,
    clients: f64,
    resident: String,
    written: String,
    frames: Spread,
    frames_a_second: f64,
    /// The times from the first page that receives a frame to each other page.
    fan_out: Spread,
    /// The times from the response to a write to its frame.
    delays: Spread,
}

impl Measured {
    fn print(&self, alone: &Self) {
        line("writes saved", &self.written);
        budgeted("dispatch", &percent(self.dispatch), "50 %", self.dispatch <= CORE_MAX);
        let part = self.dispatch - alone.dispatch;
        budgeted("of which for the sockets", &percent(part), "50 %", part <= CORE_MAX);
        line("all clients (this program)", &percent(self.clients));
        line("frames per reader", &format!("{:.1} per second", self.frames_a_second));
        line(
            "frame size",
            &format!("p50 {}, max {}", kb(self.frames.at(0.5)), kb(self.frames.at(1.0))),
        );
        budgeted(
            "from the first page with a frame to each other page",
            &self.fan_out.ms(),
            "p99 250 ms",
            self.fan_out.at(0.99) <= DELAY_MS_MAX,
        );
        let what =
            format!("from the response to a write to its frame, {} samples", self.delays.count());
        budgeted(&what, &self.delays.ms(), "p99 250 ms", self.delays.at(0.99) <= DELAY_MS_MAX);
        line("dispatch, memory", &self.resident);
    }
}

/// Measures with the given readers and non-readers, under load unless `spread` is `None`.
async fn run(
    fixture: &Fixture,
    spread: Option<Where>,
    readers: usize,
    non_readers: usize,
) -> Measured {
    let address = fixture.cluster.address("dispatch");
    let load = spread.map(|spread| Load::start(&fixture.runtime, address, &fixture.heroes, spread));
    let (stop, stopped) = watch::channel(());
    let began = Instant::now();
    let reader = |number: usize| {
        let stopped = stopped.clone();
        tokio::spawn(async move {
            read(open(address, "/live", None).await?, began, number < RECORDING_READERS, stopped)
                .await
        })
    };
    let readers: Vec<JoinHandle<Result<Vec<Frame>, String>>> = (0..readers).map(reader).collect();
    sleep(SETTLE).await;
    let non_readers =
        join_all((0..non_readers).map(|_| open(address, "/live", Some(NON_READER_BUFFER)))).await;
    let non_readers: Vec<Socket> =
        non_readers.into_iter().collect::<Result<_, _>>().expect("dispatch accepts every page");
    sleep(SETTLE).await;

    let from = Instant::now();
    let (dispatch, clients) = (Use::of(&fixture.dispatch.to_string()), Use::of("self"));
    let writes = if readers.is_empty() {
        sleep(MEASUREMENT).await;
        Vec::new()
    } else {
        write_markers(address, &fixture.heroes, began).await
    };
    let (dispatch, clients, took) = (dispatch.share(), clients.share(), from.elapsed());
    let resident = resident_mb(fixture.dispatch);
    let written = load.map_or_else(|| "none".to_owned(), Load::end);

    // Frames of the last writes are still in flight.
    sleep(SETTLE / 5).await;
    stop.send_replace(());
    let mut pages = Vec::new();
    for reader in readers {
        pages.push(
            reader
                .await
                .expect("a reader task does not panic")
                .expect("dispatch keeps pages that read"),
        );
    }
    drop(non_readers);
    let (from, until) = (from - began, from + took - began);
    pages.iter_mut().for_each(|frames| frames.retain(|frame| (from..until).contains(&frame.at)));

    let mut first: BTreeMap<u64, Duration> = BTreeMap::new();
    for frame in pages.iter().flatten() {
        first
            .entry(frame.number)
            .and_modify(|first| *first = frame.at.min(*first))
            .or_insert(frame.at);
    }
    let frames = pages.iter().flatten();
    Measured {
        dispatch,
        clients,
        resident,
        written,
        frames: Spread::of(frames.clone().map(|frame| frame.bytes as f64)),
        frames_a_second: frames.clone().count() as f64
            / pages.len().max(1) as f64
            / took.as_secs_f64(),
        fan_out: Spread::of(frames.map(|frame| in_ms(frame.at - first[&frame.number]))),
        delays: delays(&writes, &pages),
    }
}

/// A write, with the times of its request and response.
struct TimedWrite {
    hero: String,
    sent: Duration,
    answered: Duration,
}

/// Reassigns the marker heroes in turn; no load writes them.
async fn write_markers(address: SocketAddr, heroes: &Heroes, began: Instant) -> Vec<TimedWrite> {
    let mut http = Http::connect(address).await.expect("dispatch is reachable");
    let mut ticks = interval(WRITE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut writes = Vec::new();
    // There are enough markers that every page has received the previous frame of a hero before its
    // next turn.
    for hero in heroes.markers.iter().cycle() {
        ticks.tick().await;
        let sent = began.elapsed();
        http.assign(&hero.id, hero.next_place()).await.expect("the city assigns the hero");
        writes.push(TimedWrite { hero: hero.id.clone(), sent, answered: began.elapsed() });
        if writes.len() as u32 * WRITE_INTERVAL >= MEASUREMENT {
            break;
        }
    }
    writes
}

/// Returns the latency of each write at each recording reader. Frames after the measurement are
/// left out.
fn delays(writes: &[TimedWrite], pages: &[Vec<Frame>]) -> Spread {
    let measured = |write: &TimedWrite, frames: &[Frame]| {
        let frame = frames
            .iter()
            .find(|frame| frame.at > write.sent && frame.rows.contains(&write.hero))?;
        Some(in_ms(frame.at.saturating_sub(write.answered)))
    };
    Spread::of(writes.iter().flat_map(|write| {
        pages.iter().take(RECORDING_READERS).filter_map(move |frames| measured(write, frames))
    }))
}

/// A received frame.
struct Frame {
    number: u64,
    at: Duration,
    bytes: usize,
    /// The heroes whose rows the frame contains, if recorded.
    rows: Vec<String>,
}

/// Reads and acknowledges frames like a page, until it is stopped.
async fn read(
    mut socket: Socket,
    began: Instant,
    records_rows: bool,
    mut stopped: watch::Receiver<()>,
) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    loop {
        let text = tokio::select! {
            text = next_text(&mut socket) => text?,
            _ = stopped.changed() => return Ok(frames),
        };
        let at = began.elapsed();
        let Some(number) = frame_number(&text) else { continue };
        let rows = if records_rows { rows_in(&text) } else { Vec::new() };
        frames.push(Frame { number, at, bytes: text.len(), rows });
        let ack = format!(r#"{{"t":"ack","s":{number}}}"#);
        socket.send(Message::text(ack)).await.map_err(|error| error.to_string())?;
    }
}
