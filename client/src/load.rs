//! `superhero load`: creates heroes up to a number, writes to them at a fixed rate, and reports the
//! write latency and the time until all cities have received the writes.
//!
//! - `schedule`, `mix`, `heroes`: the due time, kind and hero of each write. `writers`: the threads
//!   that send them.
//! - `measured`: latencies, counted from the due time. `lag`, `agreement`: convergence times.
//!   `report`: the output.
//! - `many`: the creation of heroes before the load, and their deletion after it.
//! - `interrupt`, `usage`: Ctrl-C, and the client's own CPU time.
//!
//! Invariant: heroes created by the load are deleted at the end, or the number of those left is
//! reported.

mod agreement;
mod heroes;
mod interrupt;
mod lag;
mod many;
mod measured;
mod mix;
mod options;
mod report;
mod schedule;
mod usage;
mod writers;

use std::thread;
use std::time::Duration;

use superhero::{Api, Error, Stopwatch};

use crate::outage::Outage;
use crate::output::{Failure, Output};

use crate::progress::print_line;
use agreement::{Newest, Took};
use heroes::Heroes;
use interrupt::Interrupt;
use lag::Lags;
use measured::Tally;
use report::{Filled, Measurements, Report, ms};
use schedule::Schedule;
use writers::Written;

pub(crate) use options::LoadOptions;

/// The wait before the lag metric is read. Dispatch counts arrived writes when it next updates its
/// view, so after this time all of them are counted.
const LAG_COUNT_WAIT: Duration = Duration::from_millis(1_500);

/// Runs a load test, and prints its report.
pub(crate) fn load(
    api: &Api,
    out: Output,
    json: bool,
    options: &LoadOptions,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let mut heroes = Heroes::default();
    let measured = measure(api, options, &interrupt, &mut heroes);
    let judged = measured.and_then(|(report, tally, took, outage)| {
        // Before the deletion, which may take a while.
        report.print(out, json)?;
        check(&report, &tally, took, outage.why(), &interrupt)
    });
    let cleared = if options.keep {
        Ok(())
    } else {
        clear(api, heroes.into_own(), options.connections, &interrupt)
    };
    judged.and(cleared)
}

/// Creates the heroes, runs the load, and waits until all nodes agree.
fn measure(
    api: &Api,
    options: &LoadOptions,
    interrupt: &Interrupt,
    heroes: &mut Heroes,
) -> Result<(Report, Tally, Took, Outage), Failure> {
    let filled = fill(api, options, interrupt, heroes)?;
    // Otherwise late counts of the creations would be attributed to the load.
    if !interrupt.is_set() {
        thread::sleep(LAG_COUNT_WAIT);
    }
    let before = lags(api);
    let schedule = Schedule { per_s: options.writes, lasts: Duration::from_secs(options.seconds) };
    // At most one connection per hero, since no hero has two writes in flight.
    let connections = options.connections.min(heroes.count().max(1));
    let processor = usage::processor_time();
    let Written { tally, newest, lasted } =
        writers::write(api, schedule, &options.mix, connections, heroes, interrupt);
    let processor =
        usage::processor_time().zip(processor).map(|(after, before)| after.saturating_sub(before));
    // An unusable answer must not discard the measurements, so the error becomes a timeout.
    let mut outage = Outage::default();
    let took =
        agreement::wait(api, newest, options.wait, interrupt, &mut outage).unwrap_or_default();
    if !interrupt.is_set() {
        thread::sleep(LAG_COUNT_WAIT);
    }
    // The rate is 0 while gossip is paused, and would divide by zero.
    let percent = api.gossip().map_or(100, |gossip| gossip.value.percent.max(1));
    let measurements = Measurements {
        filled,
        rate: options.writes,
        lasted,
        tally: &tally,
        took,
        lags: lags(api).since(&before),
        gossip_interval: options.gossip_interval * 100 / u32::from(percent),
        connections,
        processor,
    };
    Ok((Report::of(measurements), tally, took, outage))
}

/// Creates the missing heroes, and waits until all nodes agree.
fn fill(
    api: &Api,
    options: &LoadOptions,
    interrupt: &Interrupt,
    heroes: &mut Heroes,
) -> Result<Filled, Failure> {
    let cluster = api.cluster()?.value;
    let found =
        cluster.nodes.iter().find(|node| node.role == "dispatch").map_or(0, |node| node.heroes);
    if found > 0 {
        for page in api.heroes() {
            heroes.found(page?.heroes.into_iter().map(|hero| hero.id));
        }
    }
    let watch = Stopwatch::start();
    let (created, done) =
        many::create(api, options.heroes.saturating_sub(found), &|| interrupt.is_set());
    let (created_count, took_ms) = (created.len() as u64, ms(watch.elapsed()));
    heroes.created(created);
    done?;
    let mut outage = Outage::default();
    let agreed =
        agreement::wait(api, Newest::default(), options.wait, interrupt, &mut outage)?.agreed;
    if interrupt.is_set() {
        return Err(Failure::No("interrupted before anything was measured".into()));
    }
    if agreed.is_none() {
        print_line("warning: the nodes do not agree on the heroes yet; starting the load anyway");
    }
    Ok(Filled { found, created: created_count, took_ms, agreed_ms: agreed.map(ms) })
}

/// Reads the lag histogram of dispatch. It is empty if the metrics cannot be read, for example
/// without permission: the rest of the report does not need them.
fn lags(api: &Api) -> Lags {
    api.metrics().map(|metrics| Lags::read(&metrics)).unwrap_or_default()
}

/// Turns an interrupted, failed or diverged load into a failure.
fn check(
    report: &Report,
    tally: &Tally,
    took: Took,
    outage: Option<&Error>,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    if interrupt.is_set() {
        return Err(Failure::No("interrupted".into()));
    }
    if let Some(error) = tally.first_error.as_ref().filter(|_| tally.all.count == 0) {
        let why = Error::clone(error);
        return Err(if why.is_unreachable() {
            why.into()
        } else {
            Failure::No(format!("no write succeeded: {why}"))
        });
    }
    if took.agreed.is_none() || report.heroes.agreed_ms.is_none() {
        let why = outage.map_or_else(String::new, |error| format!(": {error}"));
        return Err(Failure::No(format!("timed out waiting for the nodes to agree{why}")));
    }
    Ok(())
}

/// Deletes the heroes that the load created. Another Ctrl-C stops the deletion.
fn clear(
    api: &Api,
    own: Vec<String>,
    connections: usize,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    if own.is_empty() {
        return Ok(());
    }
    // Only a Ctrl-C during the deletion stops it, not the one that ended the load.
    let pressed = interrupt.times();
    let (left, done) = many::delete(api, own, connections, &|| interrupt.times() > pressed);
    match done {
        Err(error) => {
            print_line(&format!("{left} heroes created by this load are left"));
            Err(error.into())
        }
        Ok(()) if left > 0 => {
            Err(Failure::No(format!("interrupted: {left} heroes created by this load are left")))
        }
        Ok(()) => Ok(()),
    }
}
