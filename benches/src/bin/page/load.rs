//! The load: 100 heroes are reassigned four times a second through the API, across all cities.

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

/// The number of heroes reassigned per batch, and the interval of the batches.
const BATCH: usize = 100;
const INTERVAL: Duration = Duration::from_millis(250);
/// The number of connections that share the load.
const WRITERS: usize = 10;

/// A hero that is reassigned to each city in turn.
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

/// All heroes of the cluster.
pub(crate) struct Heroes {
    /// The heroes reserved for the latency measurement.
    pub(crate) markers: Vec<Hero>,
    /// The other heroes on the first page.
    shown: Vec<Hero>,
    /// The heroes on other pages, which no client shows, and the index of the next one to reassign.
    hidden: Vec<Hero>,
    next: AtomicUsize,
    /// All heroes as JSON rows: id, name, and the fields that every city holds. For a comparison of
    /// sizes.
    pub(crate) as_rows: String,
}

/// The number of rows on a page.
const PAGE: usize = 50;

impl Heroes {
    pub(crate) fn of(api: &Api, markers: Vec<String>) -> Self {
        let all = api.get("/api/v1/heroes").expect(200).json();
        let all = all["heroes"].as_array().expect("a list of heroes");
        let row = |hero: &Value| {
            let fields =
                ["location", "is_patrolling", "health", "stamp"].map(|field| hero[field].clone());
            Value::from(vec![
                hero["id"].clone(),
                hero["name"].clone(),
                fields.to_vec().into(),
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

    /// Returns the hero at this position of a batch.
    fn at(&self, position: usize, spread: Where) -> &Hero {
        match spread {
            Where::OnThePage if position < self.shown.len() => &self.shown[position],
            // Only one reassignment per batch for each hero on the page: further ones would not
            // change more rows.
            Where::OnThePage | Where::Anywhere => {
                &self.hidden[self.next.fetch_add(1, Ordering::Relaxed) % self.hidden.len()]
            }
        }
    }
}

/// The selection of the heroes to reassign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Heroes in turn that no client shows.
    Anywhere,
    /// Every hero on the first page except markers, then heroes that no client shows.
    OnThePage,
}

/// A running load.
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
                let mut http = Http::connect(address).await.expect("dispatch is reachable");
                let mut ticks = interval(INTERVAL);
                // A late batch is skipped: catching up in a burst would exceed the nominal load.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                loop {
                    ticks.tick().await;
                    for position in (writer..BATCH).step_by(WRITERS) {
                        let hero = heroes.at(position, spread);
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

    /// Stops the load and returns its rate as text.
    ///
    /// # Panics
    /// Panics if no write was acknowledged: then there was no load.
    pub(crate) fn end(self) -> String {
        let (written, took) =
            (self.written.load(Ordering::Relaxed), self.began.elapsed().as_secs_f64());
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A writer runs until it is aborted; one that has finished has panicked.
        assert!(self.writers.iter().all(|writer| !writer.is_finished()), "a writer stopped early");
        self.writers.iter().for_each(JoinHandle::abort);
        if let Some(why) = refused.first() {
            println!("  {} writes refused: {why}", refused.len());
        }
        assert!(written > 0, "no write was acknowledged");
        format!("{:.0} per second", written as f64 / took)
    }
}
