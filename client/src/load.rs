//! `superhero load`: brings the cluster to so many heroes, writes to it so many times a second, and
//! says how long that took and how soon all cities had heard of it.
//!
//! - `schedule`, `mix`, `heroes`: when which write to whom is due. `writers`: those who send it.
//! - `measured`: how long it took, counted from when it was due. `lag`, `agreement`: how soon all
//!   cities had heard. `report`: both in words.
//! - `many`: what comes before and after; `progress`, `interrupt`, `usage`: around it.
//!
//! Invariant: whatever happens, heroes that were created are deleted again at the end, or it is
//! said how many are left.

mod agreement;
mod heroes;
mod interrupt;
mod lag;
mod many;
mod measured;
mod mix;
mod options;
mod progress;
mod report;
mod schedule;
mod usage;
mod writers;

use std::thread;
use std::time::Duration;

use superhero::{Api, Error, Stopwatch};

use crate::output::{Failure, Output};

use agreement::{Newest, Took};
use heroes::Heroes;
use interrupt::Interrupt;
use lag::Lags;
use measured::Tally;
use progress::say;
use report::{Filled, Report, Seen, ms};
use schedule::Schedule;
use writers::Written;

pub(crate) use options::LoadOptions;

/// Dispatch counts what has arrived with the next view that it shows: this long after, all of it is
/// counted.
const COUNTED_AFTER: Duration = Duration::from_millis(1_500);

/// Puts a load on the cluster, and reports.
pub(crate) fn load(
    api: &Api,
    out: Output,
    json: bool,
    options: &LoadOptions,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let mut heroes = Heroes::default();
    let measured = measure(api, options, &interrupt, &mut heroes);
    let judged = measured.and_then(|(report, tally, took)| {
        // Before heroes are deleted: that may take a while.
        report.print(out, json)?;
        judge(&report, &tally, took, &interrupt)
    });
    let cleared = if options.keep {
        Ok(())
    } else {
        clear(api, heroes.into_own(), options.connections, &interrupt)
    };
    judged.and(cleared)
}

/// Fills the cluster, writes, and waits until all agree.
fn measure(
    api: &Api,
    options: &LoadOptions,
    interrupt: &Interrupt,
    heroes: &mut Heroes,
) -> Result<(Report, Tally, Took), Failure> {
    let filled = fill(api, options, interrupt, heroes)?;
    // Else those of the filling would be taken for those of the load.
    if !interrupt.is_set() {
        thread::sleep(COUNTED_AFTER);
    }
    let before = lags(api);
    let schedule = Schedule { per_s: options.writes, lasts: Duration::from_secs(options.seconds) };
    // No more than there are heroes: each write needs one of its own.
    let connections = options.connections.min(heroes.count().max(1));
    let processor = usage::processor_time();
    let Written { tally, newest, lasted } =
        writers::write(api, schedule, &options.mix, connections, heroes, interrupt);
    let processor =
        usage::processor_time().zip(processor).map(|(after, before)| after.saturating_sub(before));
    // What was measured is told even where dispatch has gone meanwhile.
    let took = agreement::wait(api, newest, options.wait, interrupt).unwrap_or_default();
    if !interrupt.is_set() {
        thread::sleep(COUNTED_AFTER);
    }
    let percent = api.gossip().map_or(100, |gossip| gossip.value.percent.max(1));
    let seen = Seen {
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
    Ok((Report::of(seen), tally, took))
}

/// Creates what is missing, and waits until all agree on it.
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
        heroes.found(api.heroes()?.value.heroes.into_iter().map(|hero| hero.id));
    }
    let watch = Stopwatch::start();
    let (created, done) =
        many::create(api, options.heroes.saturating_sub(found), &|| interrupt.is_set());
    let (created_count, took_ms) = (created.len() as u64, ms(watch.elapsed()));
    heroes.created(created);
    done?;
    let agreed = agreement::wait(api, Newest::default(), options.wait, interrupt)?.agreed;
    if interrupt.is_set() {
        return Err(Failure::No("interrupted before anything was measured".into()));
    }
    if agreed.is_none() {
        say("The cities do not agree on the heroes yet; the load begins all the same.");
    }
    Ok(Filled { found, created: created_count, took_ms, agreed_ms: agreed.map(ms) })
}

/// How long writes took to arrive, as far as dispatch tells: who may not read its metrics is told
/// all else.
fn lags(api: &Api) -> Lags {
    api.metrics().map(|metrics| Lags::read(&metrics)).unwrap_or_default()
}

/// Whether it went as it should.
fn judge(report: &Report, tally: &Tally, took: Took, interrupt: &Interrupt) -> Result<(), Failure> {
    if interrupt.is_set() {
        return Err(Failure::No("interrupted".into()));
    }
    if let Some(error) = tally.first_error.as_ref().filter(|_| tally.all.count == 0) {
        let why = Error::clone(error);
        return Err(if why.is_silence() {
            why.into()
        } else {
            Failure::No(format!("no write was done: {why}"))
        });
    }
    if took.agreed.is_none() || report.heroes.agreed_ms.is_none() {
        return Err(Failure::No("the cities did not agree in time".into()));
    }
    Ok(())
}

/// Deletes the heroes that this load has created.
fn clear(
    api: &Api,
    own: Vec<String>,
    connections: usize,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    if own.is_empty() {
        return Ok(());
    }
    let pressed = interrupt.times();
    let (left, done) = many::delete(api, own, connections, &|| interrupt.times() > pressed);
    match done {
        Err(error) => {
            say(&format!("{left} heroes that this load has created are left"));
            Err(error.into())
        }
        Ok(()) if left > 0 => Err(Failure::No(format!(
            "interrupted: {left} heroes that this load has created are left"
        ))),
        Ok(()) => Ok(()),
    }
}
