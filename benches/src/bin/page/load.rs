//! The load: 100 heroes are moved four times a second, through the API, at all cities.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use benches::http::Http;
use cluster_tests::{Api, CITIES};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How many heroes are moved at a time, and how often that is done.
const AT_A_TIME: usize = 100;
const EVERY: Duration = Duration::from_millis(250);
/// How many connections that is spread over.
const WRITERS: usize = 10;

/// A hero, who is always moved to the next city.
pub(crate) struct Hero {
    pub(crate) id: String,
    moves: AtomicUsize,
}

impl Hero {
    fn of(id: String) -> Self {
        Self { id, moves: AtomicUsize::new(0) }
    }

    pub(crate) fn next_place(&self) -> &'static str {
        CITIES[self.moves.fetch_add(1, Ordering::Relaxed) % CITIES.len()]
    }
}

/// All heroes there are.
pub(crate) struct Heroes {
    /// Those that no load is put on.
    pub(crate) markers: Vec<Hero>,
    /// The others on the first page.
    shown: Vec<Hero>,
    /// Those on no page that anybody looks at, and who is next of them.
    hidden: Vec<Hero>,
    next: AtomicUsize,
    /// What all of them would be as rows of JSON: id, name, and what is said of them everywhere.
    pub(crate) as_rows: String,
}

/// How many rows a page has.
const PAGE: usize = 50;

impl Heroes {
    pub(crate) fn of(api: &Api, markers: Vec<String>) -> Self {
        let all = api.get("/api/v1/heroes").expect(200).json();
        let all = all["heroes"].as_array().expect("a list of heroes");
        let row = |hero: &Value| {
            let said =
                ["location", "is_patrolling", "health", "stamp"].map(|field| hero[field].clone());
            Value::from(vec![
                hero["id"].clone(),
                hero["name"].clone(),
                said.to_vec().into(),
                Value::Null,
                Value::Null,
                Value::Null,
            ])
        };
        let as_rows = Value::from(all.iter().map(row).collect::<Vec<_>>()).to_string();
        let id = |hero: &Value| hero["id"].as_str().expect("a hero has an id").to_owned();
        let (first, rest) = all.split_at(PAGE);
        let shown = first.iter().map(id).filter(|id| !markers.contains(id)).map(Hero::of).collect();
        let hidden = rest.iter().map(id).map(Hero::of).collect();
        Self {
            markers: markers.into_iter().map(Hero::of).collect(),
            shown,
            hidden,
            next: AtomicUsize::new(0),
            as_rows,
        }
    }

    /// The hero that stands in this place of those that are moved at a time.
    fn at(&self, place: usize, spread: Where) -> &Hero {
        match spread {
            Where::OnThePage if place < self.shown.len() => &self.shown[place],
            // Each of those on the page twice would be no more for it to do.
            Where::OnThePage | Where::Anywhere => {
                &self.hidden[self.next.fetch_add(1, Ordering::Relaxed) % self.hidden.len()]
            }
        }
    }
}

/// Which heroes are moved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// One after the other of those that nobody looks at.
    Anywhere,
    /// Each time all that the first page shows (but for markers), and then others.
    OnThePage,
}

/// Writes from its beginning to its end.
pub(crate) struct Load {
    writers: Vec<JoinHandle<()>>,
    written: Arc<AtomicU64>,
    refused: Arc<Mutex<Vec<String>>>,
    began: Instant,
}

impl Load {
    pub(crate) fn start(
        runtime: &Runtime,
        address: SocketAddr,
        heroes: &Arc<Heroes>,
        spread: Where,
    ) -> Self {
        let (written, refused) = <(Arc<AtomicU64>, Arc<Mutex<Vec<String>>>)>::default();
        let writer = |writer: usize| {
            let (heroes, written, refused) =
                (Arc::clone(heroes), Arc::clone(&written), Arc::clone(&refused));
            runtime.spawn(async move {
                let mut http = Http::connect(address).await.expect("dispatch can be reached");
                let mut ticks = interval(EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                loop {
                    ticks.tick().await;
                    for place in (writer..AT_A_TIME).step_by(WRITERS) {
                        let hero = heroes.at(place, spread);
                        match http.assign(&hero.id, hero.next_place()).await {
                            Ok(()) => _ = written.fetch_add(1, Ordering::Relaxed),
                            Err(why) => {
                                refused.lock().unwrap_or_else(PoisonError::into_inner).push(why)
                            }
                        }
                    }
                }
            })
        };
        let writers = (0..WRITERS).map(writer).collect();
        Self { writers, written, refused, began: Instant::now() }
    }

    /// Ends it; what came of it, in words.
    ///
    /// # Panics
    /// When nothing was written: then nothing was measured.
    pub(crate) fn end(self) -> String {
        let (written, took) =
            (self.written.load(Ordering::Relaxed), self.began.elapsed().as_secs_f64());
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(self.writers.iter().all(|writer| !writer.is_finished()), "a writer broke");
        self.writers.iter().for_each(JoinHandle::abort);
        if let Some(why) = refused.first() {
            println!("  {} writes were refused: {why}", refused.len());
        }
        assert!(written > 0, "no write is saved");
        format!("{:.0} a second", written as f64 / took)
    }
}
