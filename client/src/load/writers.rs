//! The writer threads. Each takes the next write of the schedule, waits until it is due, and sends
//! it over its own connection.
//!
//! Invariant: writes are not assigned to threads in advance. A slow response delays no other write
//! while another thread is free.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use superhero::{Api, Error, Stopwatch};

use super::agreement::Newest;
use super::heroes::{Hero, Heroes, Write};
use super::interrupt::Interrupt;
use super::measured::{Moments, Tally};
use super::mix::Mix;
use super::schedule::Schedule;
use crate::progress::Progress;

/// The longest sleep of a thread, after which it checks whether the load has ended.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// The result of a load.
pub(super) struct Written {
    pub(super) tally: Tally,
    /// The writes that every city must cover.
    pub(super) newest: Newest,
    /// The actual duration.
    pub(super) lasted: Duration,
}

struct Writers<'a> {
    schedule: Schedule,
    mix: &'a Mix,
    watch: Stopwatch,
    /// The number of the next write.
    next: AtomicU64,
    stop: AtomicBool,
    heroes: Mutex<&'a mut Heroes>,
    seen: Mutex<(Tally, Newest)>,
}

/// Runs the schedule to its end, or until Ctrl-C.
pub(super) fn write(
    api: &Api,
    schedule: Schedule,
    mix: &Mix,
    connections: usize,
    heroes: &mut Heroes,
    interrupt: &Interrupt,
) -> Written {
    let writers = Writers {
        schedule,
        mix,
        watch: Stopwatch::start(),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        heroes: Mutex::new(heroes),
        seen: Mutex::new((Tally::new(), Newest::default())),
    };
    let mut progress = Progress::start("writing", schedule.total());
    let lasted = thread::scope(|scope| {
        for number in 0..connections {
            let (writers, api) = (&writers, api.kept());
            scope.spawn(move || writers.work(&api, number as u64));
        }
        while writers.watch.elapsed() < schedule.lasts && !interrupt.is_set() {
            thread::sleep(SLEEP_MAX.min(schedule.lasts.saturating_sub(writers.watch.elapsed())));
            let (tally, _) = &*writers.seen();
            progress.at(tally.all.count, || summary(tally));
        }
        writers.stop.store(true, Ordering::Relaxed);
        writers.watch.elapsed()
    });
    let (mut tally, newest) = writers.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.ended(schedule, writers.next.into_inner(), lasted);
    Written { tally, newest, lasted }
}

fn summary(tally: &Tally) -> String {
    let p99 = tally
        .all
        .from_due
        .quantiles()
        .map_or_else(String::new, |times| format!("p99 {:.1} ms", times.p99));
    if tally.refusals() > 0 { format!("{p99}, {} refused", tally.refusals()) } else { p99 }
}

impl<'a> Writers<'a> {
    fn work(&self, api: &Api, number: u64) {
        // A fixed seed: differences between two runs come from the cluster, not from the choices.
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        while !self.has_ended() {
            let Some(due) = self.schedule.due(self.next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            loop {
                let early = due.saturating_sub(self.watch.elapsed());
                if early.is_zero() {
                    break;
                }
                if self.has_ended() {
                    return;
                }
                thread::sleep(early.min(SLEEP_MAX));
            }
            let write = self.heroes().write(self.mix.choose(&mut rng), &mut rng);
            let kind = write.kind();
            let sent = self.watch.elapsed();
            let done = self.send(api, write);
            let answered = self.watch.elapsed();
            match done {
                Ok(()) => self.seen().0.done(kind, Moments { due, sent, answered }),
                Err(error) => self.seen().0.refused(error),
            }
        }
    }

    /// Sends a write. Its hero becomes available again unless it no longer exists.
    fn send(&self, api: &Api, write: Write) -> Result<(), Error> {
        match write {
            Write::Assign { hero, city } => {
                let done =
                    api.assign(&hero.id, city).map(|hero| self.seen().1.wrote(&hero.value.stamp));
                self.give_back(hero, &done);
                done
            }
            Write::Create => {
                let hero = api.create(None)?.value;
                self.seen().1.wrote(&hero.stamp);
                self.heroes().created([hero.id]);
                Ok(())
            }
            Write::Delete { hero } => {
                let done = api.terminate(&hero.id);
                if done.is_err() {
                    self.give_back(hero, &done);
                }
                done
            }
        }
    }

    // After an unknown outcome the hero may still exist, so only a definite refusal drops it.
    fn give_back(&self, hero: Hero, done: &Result<(), Error>) {
        let is_gone = done
            .as_ref()
            .err()
            .and_then(Error::refusal)
            .is_some_and(|why| ["terminated", "unknown_hero"].contains(&why));
        if !is_gone {
            self.heroes().give_back(hero);
        }
    }

    fn has_ended(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn heroes(&self) -> MutexGuard<'_, &'a mut Heroes> {
        self.heroes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, (Tally, Newest)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
