//! Doing something often, over several connections at once: creating the heroes of a load, and
//! ending them.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use superhero::{Api, Error};

use super::progress::Progress;

/// How many heroes are created by one request. More of them at once are no faster, and keep
/// dispatch from all else for as long as they take.
const BATCH: u64 = 1_000;
/// How many requests to create heroes are under way at once: dispatch creates one batch while it
/// answers with the other.
const CREATORS: usize = 2;
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// Creates so many heroes, or fewer where it is told to stop or fails. The ids of those that were
/// created, and the first error.
pub(super) fn create(
    api: &Api,
    count: u64,
    stop: &(impl Fn() -> bool + Sync),
) -> (Vec<String>, Result<(), Error>) {
    let full = count / BATCH;
    let batches =
        (0..full).map(|_| BATCH).chain((!count.is_multiple_of(BATCH)).then_some(count % BATCH));
    let ids = Mutex::new(Vec::new());
    let done = spread("filling", count, CREATORS, batches.collect(), api, stop, |api, batch| {
        let created = api.create_many(u32::try_from(batch).unwrap_or(u32::MAX))?.value.ids;
        ids.lock().unwrap_or_else(PoisonError::into_inner).extend(created);
        Ok(batch)
    });
    (ids.into_inner().unwrap_or_else(PoisonError::into_inner), done)
}

/// Ends these heroes, or fewer where it is told to stop or fails. How many are left.
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
                // It fell in a fight.
                Err(error) if error.refusal() == Some("terminated") => {}
                other => other?,
            }
            *left.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            Ok(1)
        });
    (left.into_inner().unwrap_or_else(PoisonError::into_inner), done)
}

/// Does `each` with all of these over so many connections, until it is done, told to stop, or one
/// fails. What `each` returns is how far that brought it.
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
                        tasks.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    }
                }
            }
        };
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::park_timeout(LOOK);
            progress.at(state.lock().unwrap_or_else(PoisonError::into_inner).0, String::new);
        }
    });
    state.into_inner().unwrap_or_else(PoisonError::into_inner).1
}
