//! Waiting for conditions, never for fixed times.

use std::thread;
use std::time::Duration;

use superhero::Stopwatch;

/// The limit of each wait that ends late only if something hangs. It is more than ten times the
/// slowest wait on a busy machine, so it checks no speed; a promised time is a separate limit, in
/// the test that claims it.
pub const HANG_TIMEOUT: Duration = Duration::from_secs(120);

/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(20);

/// Repeats `check` until it succeeds, and returns its value. Its error describes the state seen.
///
/// # Panics
/// After `limit`, with the awaited condition and the state seen last.
#[track_caller]
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> Result<T, String>,
) -> T {
    let watch = Stopwatch::start();
    loop {
        match check() {
            Ok(found) => return found,
            Err(seen) => assert!(
                watch.elapsed() < limit,
                "condition not reached within {limit:?}: {what}\nlast seen: {seen}"
            ),
        }
        thread::sleep(PAUSE);
    }
}

/// Turns a condition into the result that [`wait_until`] takes.
///
/// # Errors
/// The state seen, if the condition does not hold.
pub fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}
