//! An ordinary client that sends requests throughout a flood: its response times are the cost of
//! the flood to others.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use superhero::Stopwatch;

use crate::api::Api;

/// The pause between a response and the next request.
const PAUSE: Duration = Duration::from_millis(5);

/// A client that requests the verdict, on a new connection each time.
#[derive(Debug)]
pub struct Prober {
    api: Api,
}

/// The response times, shortest first.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Prober {
    /// Creates a prober of the dispatch at this address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { api: Api::new(address) }
    }

    /// Sends requests while `flood` runs, and returns the response times.
    ///
    /// # Panics
    /// If a request fails, or the response is not the verdict.
    pub fn during<T>(&self, flood: impl FnOnce() -> T) -> (T, Latencies) {
        let done = AtomicBool::new(false);
        let latencies = |done: &AtomicBool| {
            let mut latencies = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let watch = Stopwatch::start();
                let verdict = self.api.get("/api/v1/verdict").expect(200).json();
                latencies.push(watch.elapsed());
                assert!(verdict["sentence"].is_string(), "{verdict}");
                thread::sleep(PAUSE);
            }
            latencies.sort();
            Latencies(latencies)
        };
        thread::scope(|scope| {
            let prober = scope.spawn(|| latencies(&done));
            let _stop = StopOnDrop(&done);
            let result = flood();
            done.store(true, Ordering::Relaxed);
            (result, prober.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

/// Stops the requests also when the flood panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Latencies {
    /// Returns the number of responses.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the response time that `percent` of the responses did not exceed.
    ///
    /// # Panics
    /// If there were no responses.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        assert!(!self.0.is_empty(), "no response was received");
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}
