//! Bulk operations over several connections: creating the heroes of a load, and deleting them.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use superhero::{Api, Error};

use crate::progress::Progress;

/// The number of heroes that one request creates. Larger batches are no faster, and block dispatch
/// for longer.
const BATCH: u64 = 1_000;
/// The number of concurrent creation requests: dispatch creates one batch while it sends the
/// response to the other.
const CREATORS: usize = 2;
/// The interval between two progress updates.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Creates this many heroes, or fewer if `stop` returns true or a request fails. Returns the IDs of
/// the created heroes, and the first error.
pub(super) fn create(
    api: &Api,
    count: u64,
    stop: &(impl Fn() -> bool + Sync),
) -> (Vec<String>, Result<(), Error>) {
    let full = count / BATCH;
    let batches =
        (0..full).map(|_| BATCH).chain((!count.is_multiple_of(BATCH)).then_some(count % BATCH));
    let ids = Mutex::new(Vec::new());
    let done = spread("creating", count, CREATORS, batches.collect(), api, stop, |api, batch| {
        let created = api.create_many(u32::try_from(batch).unwrap_or(u32::MAX))?.value.ids;
        ids.lock().unwrap_or_else(PoisonError::into_inner).extend(created);
        Ok(batch)
    });
    (ids.into_inner().unwrap_or_else(PoisonError::into_inner), done)
}

/// Deletes these heroes, or fewer if `stop` returns true or a request fails. Returns the number of
/// heroes left, and the first error.
pub(super) fn delete(
    api: &Api,
    ids: Vec<String>,
    connections: usize,
    stop: &(impl Fn() -> bool + Sync),
) -> (u64, Result<(), Error>) {
    let left = Mutex::new(ids.len() as u64);
    let done =
        spread("deleting", ids.len() as u64, connections, ids, api, stop, |api, id: String| {
            match api.terminate(&id) {
                // Already deleted: the hero fell in a fight.
                Err(error) if error.refusal() == Some("terminated") => {}
                other => other?,
            }
            *left.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            Ok(1)
        });
    (left.into_inner().unwrap_or_else(PoisonError::into_inner), done)
}

/// Runs `each` for all tasks over this many connections, until all are done, `stop` returns true,
/// or one fails. `each` returns its contribution to the progress.
fn spread<T: Send>(
    what: &'static str,
    total: u64,
    connections: usize,
    tasks: Vec<T>,
    api: &Api,
    stop: &(impl Fn() -> bool + Sync),
    each: impl Fn(&Api, T) -> Result<u64, Error> + Sync,
) -> Result<(), Error> {
    let (tasks, state) = (Mutex::new(tasks), Mutex::new((0, Ok(()))));
    let mut progress = Progress::start(what, total);
    thread::scope(|scope| {
        let work = || {
            let api = api.kept();
            loop {
                let Some(task) =
                    tasks.lock().unwrap_or_else(PoisonError::into_inner).pop().filter(|_| !stop())
                else {
                    return;
                };
                let did = each(&api, task);
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                match did {
                    Ok(more) => state.0 += more,
                    Err(error) => {
                        if state.1.is_ok() {
                            state.1 = Err(error);
                        }
                        // The other workers finish their current task and find none left.
                        tasks.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    }
                }
            }
        };
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::park_timeout(PROGRESS_INTERVAL);
            progress.at(state.lock().unwrap_or_else(PoisonError::into_inner).0, String::new);
        }
    });
    state.into_inner().unwrap_or_else(PoisonError::into_inner).1
}
