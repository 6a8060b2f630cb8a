//! A user like any other, who asks again and again while somebody floods the cluster: how long they
//! wait is what the flood costs others.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use superhero::Stopwatch;

use crate::api::Api;

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(5);

/// A user who looks at the verdict, on a new connection each time.
#[derive(Debug)]
pub struct Onlooker {
    api: Api,
}

/// How long somebody waited for each of their answers, shortest first.
#[derive(Debug, Default)]
pub struct Waits(Vec<Duration>);

impl Onlooker {
    /// At this address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { api: Api::new(address) }
    }

    /// Looks for as long as `trouble` lasts, and says how long they waited.
    ///
    /// # Panics
    /// When they are not answered, or with anything but the verdict.
    pub fn during<T>(&self, trouble: impl FnOnce() -> T) -> (T, Waits) {
        let done = AtomicBool::new(false);
        let waits = |done: &AtomicBool| {
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let watch = Stopwatch::start();
                let answer = self.api.get("/api/v1/verdict").expect(200).json();
                waits.push(watch.elapsed());
                assert!(answer["sentence"].is_string(), "{answer}");
                thread::sleep(PAUSE);
            }
            waits.sort();
            Waits(waits)
        };
        thread::scope(|scope| {
            let onlooker = scope.spawn(|| waits(&done));
            let _ends = Ends(&done);
            let result = trouble();
            done.store(true, Ordering::Relaxed);
            (result, onlooker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

/// Ends the looking also where the trouble panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Waits {
    /// How many answers there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// So many of a hundred answers took no longer than this.
    ///
    /// # Panics
    /// When there were no answers.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        assert!(!self.0.is_empty(), "nobody was answered");
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}
