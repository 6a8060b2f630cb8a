//! The commands: the API calls that each makes, and the output of the responses.

use std::thread;
use std::time::Duration;

use clap::CommandFactory as _;

use api_types::{City, Event, Exchange, Fault, Gossip, Hero, Heroes, Node, Verdict};
use scenario::span;
use superhero::{Answer, Api, Pages, Stopwatch};

use crate::options::{CityCommand, Command, Options};
use crate::outage::Outage;
use crate::output::{Failure, Output, at};
use crate::printer::Printer;
use crate::{doctor, load, play, types, watch};

/// The interval between two requests for the verdict.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest timeout of a request for the verdict, even if less time is left.
const REQUEST_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// The number of characters of an ID on a terminal. Commands accept such a prefix.
const SHORT_ID: usize = 8;

/// The number of matching heroes that an error names.
const FOUND_SHOWN: usize = 3;
/// The longest name that a hero can have, in characters.
const NAME_CHARS_MAX: usize = 100;

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
            print.table(&ids, &["ID"], |ids| ids.ids.iter().map(|id| vec![id.clone()]).collect())
        }
        Command::Create { name, count: None } => {
            print.one(&api.create(name.as_deref())?, &HERO, |hero| print.hero(hero))
        }
        Command::Assign { hero, place } => {
            let id = find(&api, &hero)?;
            print.one(&api.assign(&id, &place)?, &HERO, |hero| print.hero(hero))
        }
        Command::Terminate { hero } => Ok(api.terminate(&find(&api, &hero)?)?),
        Command::Bomb { city } => print.city(&api.bomb(city.as_deref())?),
        Command::Stop { city } => print.city(&api.operate_city(&city, "stop")?),
        Command::Kill { city } => print.city(&api.operate_city(&city, "kill")?),
        Command::Rebuild { city } => print.city(&api.operate_city(&city, "rebuild")?),
        Command::Forget { city } => print.city(&api.operate_city(&city, "forget")?),
        Command::City(CityCommand::Found { name }) => print.city(&api.found_city(&name)?),
        Command::City(CityCommand::Remove { city }) => Ok(api.remove_city(&city)?),
        Command::Cluster => {
            print.table(&api.cluster()?, &NODE, |cluster| cluster.nodes.iter().map(node).collect())
        }
        Command::Verdict { wait_converged: Some(limit), .. } => verdict(&api, print, true, limit),
        Command::Verdict { wait_diverged: Some(limit), .. } => verdict(&api, print, false, limit),
        Command::Verdict { wait_converged: None, wait_diverged: None } => {
            print.verdict(&api.verdict()?)
        }
        Command::Fault(fault) => {
            let request = fault.fault().request().map_err(Failure::Unusable)?;
            print.one(&api.inject(&request)?, &FAULT, in_force)
        }
        Command::Faults => print
            .table(&api.faults()?, &FAULT, |faults| faults.faults.iter().map(in_force).collect()),
        Command::Heal { id: Some(id) } => Ok(api.heal(&id)?),
        Command::Heal { id: None } => Ok(api.heal_all()?),
        Command::Pause => print.gossip(&api.pause()?),
        Command::Resume => print.gossip(&api.resume()?),
        Command::Speed { percent } => print.gossip(&api.speed(percent)?),
        Command::AcceptStamps { ahead } => {
            print.one(&api.accept_stamps(ahead)?, &ACCEPTED, |accepted| {
                vec![at(accepted.until_ms), accepted.nodes.join(" ")]
            })
        }
        Command::Step { from, to } => {
            let exchange = api.step(from.as_deref().zip(to.as_deref()))?;
            let completed = exchange.value.completed;
            print.one(&exchange, &EXCHANGE, step)?;
            if completed {
                Ok(())
            } else {
                Err(Failure::No("the exchange was not completed".into()))
            }
        }
        Command::Events { since } => print.pages(api.events(since), &EVENT, event),
        Command::Watch => watch::watch(&api, print.out, json),
        Command::Play { scenarios, junit } => {
            play::play(&api, print.out, json, &scenarios, junit.as_deref())
        }
        Command::Scenarios => play::list(print.out, json),
        Command::Load(options) => load::load(&api, print.out, json, &options),
        Command::Doctor { config } => doctor::examine(&api, print.out, json, config.as_deref()),
        Command::Type(command) => types::run(&api, print, command),
        Command::Completions { shell } => {
            // The generator panics on a write error, such as a closed pipe, so it writes to memory.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Options::command(), "superhero", &mut script);
            print.out.bytes(&script)
        }
    }
}

const HERO: [&str; 5] = ["ID", "NAME", "LOCATION", "PATROLLING", "HEALTH"];
const NODE: [&str; 9] = [
    "NODE",
    "STATUS",
    "INCARNATION",
    "CRASHES",
    "HEROES",
    "TOMBSTONES",
    "FINGERPRINT",
    "CLOCK OFFSET",
    "AGE",
];
const EVENT: [&str; 5] = ["NUMBER", "TIME", "NODE", "KIND", "TEXT"];
const FAULT: [&str; 9] =
    ["ID", "KIND", "FROM", "TO", "BOTH WAYS", "PARAMETERS", "HEALS IN", "IN FORCE AT", "FRAMES"];
const ACCEPTED: [&str; 2] = ["UNTIL", "NODES"];
const EXCHANGE: [&str; 5] = ["FROM", "TO", "COMPLETED", "ENTRIES", "BYTES"];

impl Printer {
    fn city(self, answer: &Answer<City>) -> Result<(), Failure> {
        self.one(answer, &["CITY"], |city| vec![city.city.clone()])
    }

    fn gossip(self, answer: &Answer<Gossip>) -> Result<(), Failure> {
        self.one(answer, &["PAUSED", "PERCENT"], |gossip| {
            vec![yes(gossip.paused), gossip.percent.to_string()]
        })
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

fn yes(holds: bool) -> String {
    if holds { "yes" } else { "no" }.to_owned()
}

fn node(node: &Node) -> Vec<String> {
    let ms = |ms: Option<u64>| {
        ms.map_or_else(String::new, |ms| span::written(Duration::from_millis(ms)))
    };
    vec![
        node.name.clone(),
        if node.frozen { format!("{}, frozen", node.status) } else { node.status.clone() },
        node.incarnation.map_or_else(String::new, |incarnation| incarnation.to_string()),
        node.crashes.to_string(),
        node.heroes.to_string(),
        node.tombstones.to_string(),
        node.fingerprint.clone(),
        node.clock_ahead_ms.map_or_else(String::new, span::written_signed),
        ms(node.age_ms),
    ]
}

fn in_force(fault: &Fault) -> Vec<String> {
    // Serialized, so that the names are those of the API.
    let amounts = serde_json::to_value(fault.amount).expect("amounts are numbers");
    let amounts = amounts.as_object().into_iter().flatten();
    let amounts: Vec<String> = amounts.map(|(name, value)| format!("{name}={value}")).collect();
    let frames = &fault.frames;
    vec![
        fault.id.clone(),
        fault.kind.clone(),
        fault.from.clone(),
        fault.to.clone().unwrap_or_default(),
        fault.to.as_ref().map_or_else(String::new, |_| yes(fault.both.unwrap_or_default())),
        amounts.join(" "),
        span::written(Duration::from_millis(fault.heals_in_ms)),
        fault.in_force_at.join(" "),
        format!(
            "{} seen, {} dropped, {} delayed, {} duplicated",
            frames.seen, frames.dropped, frames.delayed, frames.duplicated
        ),
    ]
}

fn step(exchange: &Exchange) -> Vec<String> {
    let Exchange { from, to, completed, entries, records: _, bytes } = exchange;
    vec![from.clone(), to.clone(), yes(*completed), entries.to_string(), bytes.to_string()]
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

/// Returns the ID of the hero with this ID, ID prefix, or name.
fn find(api: &Api, text: &str) -> Result<String, Failure> {
    let is_id = text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if is_id {
        // A full ID is not looked up: a city may hold the hero before dispatch does.
        return Ok(text.to_ascii_lowercase());
    }
    let mut found = Found::default();
    // Names are compared exactly, since two may differ in case only.
    if is_name(text) {
        found.add(api.heroes_named(text), |_| true)?;
    }
    // IDs are lower case. A hero that was found by name is counted already.
    let prefix = text.to_ascii_lowercase();
    if is_id_prefix(&prefix) {
        let name = found.first.first().map(|hero| hero.name.clone());
        found.add(api.heroes_with_id(&prefix), |hero| Some(&hero.name) != name.as_ref())?;
    }
    match (found.count, found.first.as_slice()) {
        (1, [hero]) => Ok(hero.id.clone()),
        (0, _) => Err(Failure::No(format!("no hero has the name or ID prefix {text:?}"))),
        (count, first) => {
            let some: Vec<String> =
                first.iter().map(|hero| format!("{} ({})", hero.id, hero.name)).collect();
            let more = if count > some.len() { ", …" } else { "" };
            Err(Failure::No(format!(
                "{text:?} matches {count} heroes; use an ID: {}{more}",
                some.join(", ")
            )))
        }
    }
}

/// The heroes that match a text: their number, and the first of them.
#[derive(Default)]
struct Found {
    first: Vec<Hero>,
    count: usize,
}

impl Found {
    /// Adds those heroes that are to be counted.
    fn add(&mut self, pages: Pages<Heroes>, counts: impl Fn(&Hero) -> bool) -> Result<(), Failure> {
        for page in pages {
            for hero in page?.heroes.into_iter().filter(&counts) {
                self.count += 1;
                if self.first.len() < FOUND_SHOWN {
                    self.first.push(hero);
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a hero could have this name.
fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.trim().chars().count())
}

/// Returns whether an ID could begin with this text.
fn is_id_prefix(text: &str) -> bool {
    let is_dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let fits = |(place, c): (usize, char)| {
        if is_dash(place) { c == '-' } else { c.is_ascii_hexdigit() }
    };
    (1..=36).contains(&text.len()) && text.chars().enumerate().all(fits)
}
