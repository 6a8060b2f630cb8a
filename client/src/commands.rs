//! The commands: the API calls that each makes, and the output of the responses.

use std::thread;
use std::time::Duration;

use api_types::{City, Event, Events, Exchange, Gossip, Hero, Verdict};
use scenario::span;
use superhero::{Answer, Api, Page as _, Stopwatch};

use crate::confirm::{at_risk, some_at_risk};
use crate::find::find;
use crate::options::{CityCommand, Command, Options};
use crate::outage::Outage;
use crate::output::{Failure, Output, at, yes};
use crate::printer::{Printer, json};
use crate::{
    cluster, complete, doctor, explain, fault, gossip, load, lost, play, record, reset, types,
    watch,
};

/// The interval between two requests for the verdict.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest timeout of a request for the verdict, even if less time is left.
const REQUEST_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// The number of characters of an ID on a terminal. Commands accept such a prefix.
const SHORT_ID: usize = 8;

/// Runs one command.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let api = options.api()?;
    let Options { json, command, .. } = options;
    let print = Printer { out: Output::standard(), json };
    match command {
        Command::Heroes { city: None } => print.pages(api.heroes(), &HERO, |hero| print.hero(hero)),
        Command::Heroes { city: Some(city) } => {
            print.pages(api.city_heroes(&city), &HERO, |hero| print.hero(hero))
        }
        Command::Create { name: _, count: Some(count) } => {
            let ids = api.create_many(count)?;
            print
                .table(&ids, &["ID"], |ids| ids.ids.iter().map(|id| vec![id.clone()]).collect())?;
            print.remark(&match count {
                1 => "1 hero was created.".to_owned(),
                _ => format!("{count} heroes were created."),
            });
            Ok(())
        }
        Command::Create { name, count: None } => {
            let hero = api.create(name.as_deref())?;
            print.one(&hero, &HERO, |hero| print.hero(hero))?;
            print.remark(&format!("{} was created.", hero.value.name));
            Ok(())
        }
        Command::Assign { hero, place } => {
            let hero = api.assign(&find(&api, &hero)?.id, &place)?;
            print.one(&hero, &HERO, |hero| print.hero(hero))?;
            let Hero { name, location, .. } = &hero.value;
            print.remark(&match location.as_str() {
                "home" => format!("{name} was sent home."),
                city => format!("{name} was assigned to {city}."),
            });
            Ok(())
        }
        Command::Terminate { hero, confirmation } => {
            confirmation.check()?;
            let hero = find(&api, &hero)?;
            confirmation
                .ask(|| Ok(format!("Terminate {hero}? A terminated hero never returns.")))?;
            api.terminate(&hero.id)?;
            print.sentence(&format!("{hero} was terminated."))
        }
        Command::Bomb { city, random: _, confirmation } => {
            confirmation.ask(|| {
                let (city, risk) = match &city {
                    Some(city) => (city.as_str(), at_risk(&api, city)?),
                    None => ("a random city", some_at_risk(api.verdict()?.value.only_copies)),
                };
                Ok(format!("Bomb {city}? It loses its memory and restarts.{risk}"))
            })?;
            print.city(&api.bomb(city.as_deref())?, "lost its memory and has restarted")
        }
        Command::Stop { city, confirmation } => {
            confirmation
                .ask(|| Ok(format!("Stop the process of {city}?{}", at_risk(&api, &city)?)))?;
            print.city(&api.operate_city(&city, "stop")?, "has stopped")
        }
        Command::Kill { city, confirmation } => {
            confirmation
                .ask(|| Ok(format!("Kill the process of {city}?{}", at_risk(&api, &city)?)))?;
            print.city(&api.operate_city(&city, "kill")?, "was killed")
        }
        Command::Rebuild { city } => {
            print.city(&api.operate_city(&city, "rebuild")?, "was started again")
        }
        Command::Forget { city, confirmation } => {
            confirmation.ask(|| {
                Ok(format!("Forget {city}? Only a node that never returns should be forgotten."))
            })?;
            print.city(&api.operate_city(&city, "forget")?, "was forgotten")
        }
        Command::City(CityCommand::Found { name }) => {
            print.city(&api.found_city(&name)?, "was founded and is joining")
        }
        Command::City(CityCommand::Remove { city, confirmation }) => {
            confirmation.ask(|| {
                let risk = at_risk(&api, &city)?;
                Ok(format!("Remove {city}? Its process stops, and it is forgotten.{risk}"))
            })?;
            api.remove_city(&city)?;
            print.sentence(&format!("{city} has stopped and was forgotten."))
        }
        Command::Cluster => cluster::show(&api, print),
        Command::Lost { since: _, rules: true } => explain::minute(&api, print),
        Command::Lost { since, rules: false } => lost::list(&api, print, since),
        Command::Record { file, last } => record::record(&api, print, file, last),
        Command::Replay { file, html } => record::replay(print, &file, html),
        Command::Explain { hero } => explain::hero(&api, print, &hero),
        Command::Verdict { wait_converged: Some(limit), .. } => verdict(&api, print, true, limit),
        Command::Verdict { wait_diverged: Some(limit), .. } => verdict(&api, print, false, limit),
        Command::Verdict { wait_converged: None, wait_diverged: None } => {
            print.verdict(&api.verdict()?)
        }
        Command::Fault(command) => {
            let request = command.fault().request().map_err(Failure::Unusable)?;
            let injected = api.inject(&request)?;
            print.one(&injected, &fault::HEADINGS, fault::row)?;
            print.remark(&format!("{}.", fault::described(&injected.value)));
            Ok(())
        }
        Command::Faults => print.list(
            &api.faults()?,
            &fault::HEADINGS,
            |faults| faults.faults.iter().map(fault::row).collect(),
            "No fault is in force.",
        ),
        Command::Heal { id } if id.as_deref().is_none_or(|id| id == "all") => {
            api.heal_all()?;
            print.sentence("All faults were healed.")
        }
        Command::Heal { id } => {
            let id = id.unwrap_or_default();
            api.heal(&id)?;
            print.sentence(&format!("Fault {id} was healed."))
        }
        Command::Pause => print.gossip(&api.pause()?),
        Command::Resume => print.gossip(&api.resume()?),
        Command::Quiet { off } => print.changed(&api.quiet(!off)?, |set| {
            if set.quiet {
                "The cities neither patrol nor fight.".to_owned()
            } else {
                "The cities patrol and fight.".to_owned()
            }
        }),
        Command::Reset { confirmation } => {
            confirmation.ask(|| {
                let heroes = api.verdict()?.value.sentence;
                Ok(format!("Heal all faults, and terminate all heroes? {heroes}"))
            })?;
            let done = api.reset()?;
            print.changed(&done, reset::sentence)?;
            reset::outcome(&done.value)
        }
        Command::Speed { percent } => print.gossip(&api.speed(percent)?),
        Command::AcceptStamps { ahead } => print.changed(&api.accept_stamps(ahead)?, |accepted| {
            format!("{} accept stamps up to {}.", accepted.nodes.join(", "), at(accepted.until_ms))
        }),
        Command::Step { from, to } => {
            let exchange = api.step(from.as_deref().zip(to.as_deref()))?;
            let completed = exchange.value.completed;
            print.one(&exchange, &EXCHANGE, step)?;
            if !completed {
                return Err(Failure::No("the exchange was not completed".into()));
            }
            let Exchange { from, to, entries, records, .. } = &exchange.value;
            print.remark(&format!(
                "{to} pulled {entries} heroes and {records} records from {from}."
            ));
            Ok(())
        }
        Command::Events { last: Some(last), .. } => last_events(&api, print, last),
        Command::Events { since, last: None } => print.pages(api.events(since), &EVENT, event),
        Command::Watch => watch::watch(&api, print.out, json),
        Command::Play { scenarios, junit, keep } => {
            play::play(&api, print.out, json, &scenarios, junit.as_deref(), keep)
        }
        Command::Scenarios => play::list(print.out, json),
        Command::Load(options) => load::load(&api, print.out, json, &options),
        Command::Doctor { config } => doctor::examine(&api, print.out, json, config.as_deref()),
        Command::Type(command) => types::run(&api, print, command),
        Command::Completions { shell } => {
            let script = complete::script(shell).map_err(|error| {
                Failure::No(format!("cannot write the script for {shell}: {error}"))
            })?;
            print.out.bytes(&script)
        }
    }
}

const HERO: [&str; 5] = ["ID", "NAME", "LOCATION", "PATROLLING", "HEALTH"];
const EVENT: [&str; 5] = ["NUMBER", "TIME", "NODE", "KIND", "TEXT"];
const EXCHANGE: [&str; 5] = ["FROM", "TO", "COMPLETED", "ENTRIES", "BYTES"];

impl Printer {
    /// Says what happened to a city.
    fn city(self, answer: &Answer<City>, happened: &str) -> Result<(), Failure> {
        self.changed(answer, |city| format!("{} {happened}.", city.city))
    }

    fn gossip(self, answer: &Answer<Gossip>) -> Result<(), Failure> {
        self.changed(answer, gossip::sentence)
    }

    fn verdict(self, answer: &Answer<Verdict>) -> Result<(), Failure> {
        if self.json {
            return self.out.json(&answer.body);
        }
        let verdict = &answer.value;
        self.out.line(&verdict.sentence)?;
        let oldest = verdict
            .oldest_difference_ms
            .map_or_else(String::new, |ms| span::written(Duration::from_millis(ms)));
        let row = [
            yes(verdict.converged),
            verdict.differences.to_string(),
            verdict.only_copies.to_string(),
            verdict.lost_writes.to_string(),
            oldest,
        ];
        self.out.table(
            &["CONVERGED", "DIFFERENCES", "ONLY COPIES", "LOST WRITES", "OLDEST DIFFERENCE"],
            &[row.to_vec()],
        )
    }

    fn hero(self, hero: &Hero) -> Vec<String> {
        let id = if self.out.is_terminal() {
            hero.id.chars().take(SHORT_ID).collect()
        } else {
            hero.id.clone()
        };
        vec![
            id,
            hero.name.clone(),
            hero.location.clone(),
            yes(hero.is_patrolling),
            hero.health.to_string(),
        ]
    }
}

fn step(exchange: &Exchange) -> Vec<String> {
    let Exchange { from, to, completed, entries, records: _, bytes } = exchange;
    vec![from.clone(), to.clone(), yes(*completed), entries.to_string(), bytes.to_string()]
}

/// Prints the last events.
fn last_events(api: &Api, print: Printer, count: usize) -> Result<(), Failure> {
    let mut events = Vec::new();
    for page in api.events(0) {
        events.extend(page?.take_items());
    }
    let first = events.len().saturating_sub(count);
    let kept = Events { events: events.split_off(first) };
    if print.json {
        return print.out.json(&json(&kept));
    }
    print.out.table(&EVENT, &kept.events.iter().map(event).collect::<Vec<_>>())
}

fn event(event: &Event) -> Vec<String> {
    vec![
        event.number.to_string(),
        at(event.at_ms),
        event.node.clone(),
        event.kind.clone(),
        event.text.clone(),
    ]
}

/// Waits until the verdict is `converged` or not, as given, and prints the last verdict.
///
/// # Errors
/// The limit has passed, or a request failed for a reason that does not pass.
fn verdict(api: &Api, print: Printer, converged: bool, limit: Duration) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let (mut seen, mut outage) = (None, Outage::default());
    loop {
        let left = limit.saturating_sub(watch.elapsed());
        match outage.check(api.within(left.max(REQUEST_TIMEOUT_MIN)).verdict())? {
            Some(verdict) if verdict.value.converged == converged => {
                return print.verdict(&verdict);
            }
            verdict => seen = verdict.or(seen),
        }
        // Checked after the request, so that a timeout of 0 still makes one.
        if watch.elapsed() >= limit {
            break;
        }
        thread::sleep(POLL_INTERVAL);
    }
    if let Some(seen) = &seen {
        print.verdict(seen)?;
    }
    let why = outage.why().map_or_else(
        || if converged { "the nodes do not all agree" } else { "the nodes all agree" }.to_owned(),
        |error| error.to_string(),
    );
    Err(Failure::No(format!("timed out after {}: {why}", span::written(limit))))
}
