//! Waiting: for a condition, never for a time.

use std::thread;
use std::time::Duration;

use superhero::Stopwatch;

/// The limit of every wait that only has to end when something hangs. It is more than ten times
/// what the slowest wait takes on a busy machine, so it says nothing about speed; a promised time
/// is a limit of its own, at the test that claims it.
pub const HANG_TIMEOUT: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until what it looks for is there, and returns it. `look` says what it sees instead.
///
/// # Panics
/// After `limit`, saying what was waited for and what was seen last.
#[track_caller]
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let watch = Stopwatch::start();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(
                watch.elapsed() < limit,
                "waited {limit:?} for this: {what}\nseen instead: {seen}"
            ),
        }
        thread::sleep(PAUSE);
    }
}

/// A condition in the form that [`wait_until`] takes.
///
/// # Errors
/// What is seen instead, where the condition does not hold.
pub fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}
