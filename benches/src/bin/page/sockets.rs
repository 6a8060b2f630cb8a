//! A thousand pages at once, some of which read nothing: the cost for dispatch, and the delay for
//! the others. And the delay of a write where nothing else happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use benches::http::Http;
use benches::process::{Use, percent, resident_mb};
use benches::table::{Spread, in_ms, kb, line, part, promised};
use futures_util::SinkExt;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::Fixture;
use crate::load::{Heroes, Load, Where};
use crate::socket::{Socket, frame_number, next_text, open, rows_in};

/// The numbers of pages that read what they are sent, and that never do.
const READERS: usize = 900;
const DEAF: usize = 100;
/// The number of readers whose rows are recorded.
const CLOSE_READERS: usize = 20;
/// The receive buffer of a page that does not read, in bytes.
const DEAF_BUFFER: u32 = 4_096;
/// The time to settle, and the time of a measurement. Pages that do not read are closed after a
/// minute.
const SETTLE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(25);
/// The interval of the writes whose delay is measured. It is no divisor of the tick's quarter of a
/// second, so that they fall anywhere within it.
const MARK_EVERY: Duration = Duration::from_millis(467);
/// The budgets.
const CORE_MAX: f64 = 0.5;
const DELAY_MS_MAX: f64 = 250.0;
/// The same where nothing else happens: a tick, and 20 ms.
const IDLE_DELAY_MS_MAX: f64 = 270.0;
/// The number of pages where nothing else happens.
const ONLOOKERS: usize = 100;

pub(crate) fn measure_idle(fixture: &Fixture) {
    part(&format!("{ONLOOKERS} sockets, and nothing happens but the writes that are waited for"));
    let seen = fixture.runtime.block_on(look(fixture, None, ONLOOKERS, 0));
    line("dispatch", &percent(seen.dispatch));
    let what = format!("from a write's answer to its frame, {} times", seen.delays.count());
    promised(&what, &seen.delays.ms(), "p99 270 ms", seen.delays.at(0.99) <= IDLE_DELAY_MS_MAX);
}

pub(crate) fn measure(fixture: &Fixture) {
    let look = |spread, readers, deaf| {
        fixture.runtime.block_on(look(fixture, Some(spread), readers, deaf))
    };
    let before = resident_mb(fixture.dispatch);

    part("No sockets, 100 heroes moved at a time");
    let alone = look(Where::Anywhere, 0, 0);
    line("writes saved", &alone.written);
    line("dispatch", &percent(alone.dispatch));
    line("dispatch in memory", &alone.resident);
    part(&format!("{READERS} sockets, all of them read"));
    let all_read = look(Where::Anywhere, READERS, 0);
    all_read.print(&alone);
    part(&format!("{} sockets, {DEAF} of them never read", READERS + DEAF));
    let with_deaf = look(Where::Anywhere, READERS, DEAF);
    with_deaf.print(&alone);
    line(
        "p99 of a frame, with those who never read and without",
        &format!("{:.1} and {:.1} ms", with_deaf.fan_out.at(0.99), all_read.fan_out.at(0.99)),
    );
    let (with, without) = (with_deaf.delays.at(0.99), all_read.delays.at(0.99));
    line(
        "p99 of a write, with those who never read and without",
        &format!("{with:.0} and {without:.0} ms"),
    );
    part(&format!(
        "{} sockets, {DEAF} of them never read, 25 of the moved heroes on the page",
        READERS + DEAF
    ));
    let on_the_page = look(Where::OnThePage, READERS, DEAF);
    on_the_page.print(&alone);
    line(
        "dispatch in memory before and after all of them",
        &format!("{before}, {}", resident_mb(fixture.dispatch)),
    );
}

/// The result of one measurement.
struct Seen {
    /// The shares of a core that dispatch and this program took.
    dispatch: f64,
    clients: f64,
    resident: String,
    written: String,
    frames: Spread,
    frames_a_second: f64,
    /// The times from the first page that has a frame to each other.
    fan_out: Spread,
    /// The times from a write's answer to its frame.
    delays: Spread,
}

impl Seen {
    fn print(&self, alone: &Self) {
        line("writes saved", &self.written);
        promised("dispatch", &percent(self.dispatch), "50 %", self.dispatch <= CORE_MAX);
        let part = self.dispatch - alone.dispatch;
        promised("the sockets' part of it", &percent(part), "50 %", part <= CORE_MAX);
        line("this program, who is all clients", &percent(self.clients));
        line("frames to each that reads", &format!("{:.1} a second", self.frames_a_second));
        line(
            "a frame",
            &format!("p50 {}, max {}", kb(self.frames.at(0.5)), kb(self.frames.at(1.0))),
        );
        promised(
            "from the first page that has a frame to each other",
            &self.fan_out.ms(),
            "p99 250 ms",
            self.fan_out.at(0.99) <= DELAY_MS_MAX,
        );
        let what = format!("from a write's answer to its frame, {} times", self.delays.count());
        promised(&what, &self.delays.ms(), "p99 250 ms", self.delays.at(0.99) <= DELAY_MS_MAX);
        line("dispatch in memory", &self.resident);
    }
}

/// Measures while heroes are moved there, if anywhere.
async fn look(fixture: &Fixture, spread: Option<Where>, readers: usize, deaf: usize) -> Seen {
    let address = fixture.cluster.address("dispatch");
    let load = spread.map(|spread| Load::start(&fixture.runtime, address, &fixture.heroes, spread));
    let (stop, stopped) = watch::channel(());
    let began = Instant::now();
    let reader = |number: usize| {
        let stopped = stopped.clone();
        tokio::spawn(async move {
            read(open(address, "/live", None).await?, began, number < CLOSE_READERS, stopped).await
        })
    };
    let readers: Vec<JoinHandle<Result<Vec<Frame>, String>>> = (0..readers).map(reader).collect();
    sleep(SETTLE).await;
    let deaf = join_all((0..deaf).map(|_| open(address, "/live", Some(DEAF_BUFFER)))).await;
    let deaf: Vec<Socket> =
        deaf.into_iter().collect::<Result<_, _>>().expect("there is a place for every page");
    sleep(SETTLE).await;

    let from = Instant::now();
    let (dispatch, clients) = (Use::of(&fixture.dispatch.to_string()), Use::of("self"));
    let marks = if readers.is_empty() {
        sleep(LOOK).await;
        Vec::new()
    } else {
        mark(address, &fixture.heroes, began).await
    };
    let (dispatch, clients, took) = (dispatch.share(), clients.share(), from.elapsed());
    let resident = resident_mb(fixture.dispatch);
    let written = load.map_or_else(|| "none".to_owned(), Load::end);

    // What was written last is on its way.
    sleep(SETTLE / 5).await;
    stop.send_replace(());
    let mut pages = Vec::new();
    for reader in readers {
        pages.push(
            reader.await.expect("a reader does not break").expect("who reads is not sent away"),
        );
    }
    drop(deaf);
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
    Seen {
        dispatch,
        clients,
        resident,
        written,
        frames: Spread::of(frames.clone().map(|frame| frame.bytes as f64)),
        frames_a_second: frames.clone().count() as f64
            / pages.len().max(1) as f64
            / took.as_secs_f64(),
        fan_out: Spread::of(frames.map(|frame| in_ms(frame.at - first[&frame.number]))),
        delays: delays(&marks, &pages),
    }
}

/// A write, with the times of its request and its answer.
struct Mark {
    hero: String,
    asked: Duration,
    answered: Duration,
}

/// Moves one hero after the other of those that no load moves.
async fn mark(address: SocketAddr, heroes: &Heroes, began: Instant) -> Vec<Mark> {
    let mut http = Http::connect(address).await.expect("dispatch can be reached");
    let mut ticks = interval(MARK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut marks = Vec::new();
    // By the time it is a hero's turn again, all have heard of the last time.
    for hero in heroes.markers.iter().cycle() {
        ticks.tick().await;
        let asked = began.elapsed();
        http.assign(&hero.id, hero.next_place()).await.expect("a city assigns");
        marks.push(Mark { hero: hero.id.clone(), asked, answered: began.elapsed() });
        if marks.len() as u32 * MARK_EVERY >= LOOK {
            break;
        }
    }
    marks
}

/// Returns the delay of each write at each of the recorded readers. Frames after the measurement
/// are left out.
fn delays(marks: &[Mark], pages: &[Vec<Frame>]) -> Spread {
    let seen = |mark: &Mark, frames: &[Frame]| {
        let frame =
            frames.iter().find(|frame| frame.at > mark.asked && frame.rows.contains(&mark.hero))?;
        Some(in_ms(frame.at.saturating_sub(mark.answered)))
    };
    Spread::of(marks.iter().flat_map(|mark| {
        pages.iter().take(CLOSE_READERS).filter_map(move |frames| seen(mark, frames))
    }))
}

/// A frame, as a page was sent it.
struct Frame {
    number: u64,
    at: Duration,
    bytes: usize,
    /// The heroes whose rows it brings, if these are recorded.
    rows: Vec<String>,
}

/// Reads and acknowledges frames as a page does, until it is stopped.
async fn read(
    mut socket: Socket,
    began: Instant,
    closely: bool,
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
        let rows = if closely { rows_in(&text) } else { Vec::new() };
        frames.push(Frame { number, at, bytes: text.len(), rows });
        let ack = format!(r#"{{"t":"ack","s":{number}}}"#);
        socket.send(Message::text(ack)).await.map_err(|error| error.to_string())?;
    }
}
