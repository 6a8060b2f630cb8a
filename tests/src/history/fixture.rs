//! A small correct history.

use std::collections::BTreeMap;

use crate::api::{CityHeroes, Event as LogEvent, Hero, NodeState, Stamp};
use crate::audit::{NodeReads, entry};
use crate::history::record::{
    Copy, End, Event, History, LostWrite, LostWrites, Observation, Operation, Outcome, Request,
    Verdict,
};
use crate::nodes::{CITIES, NODES};
use shared::Map;

const MOVED: &str = "00000000-0000-4000-8000-000000000001";
const DELETED: &str = "00000000-0000-4000-8000-000000000002";
const CREATED: &str = "00000000-0000-4000-8000-000000000003";
/// The time at which the cluster is at rest.
const REST: u64 = 1_000;

fn stamp(node: &str, wall_ms: u64) -> Stamp {
    Stamp { wall_ms, logical: 0, origin: format!("{node}/1") }
}

fn hero(id: &str, location: &str, stamp: Stamp) -> Hero {
    Hero {
        id: id.to_owned(),
        name: format!("Hero {id}"),
        location: location.to_owned(),
        is_patrolling: false,
        health: 100,
        stamp,
    }
}

/// The operations so far.
#[derive(Default)]
struct Builder {
    events: Vec<Event>,
    log: Vec<LogEvent>,
}

impl Builder {
    fn operation(&mut self, key: Option<&str>, request: Request, outcome: Outcome) {
        let number = self.events.len() as u64;
        self.events.push(Event::Operation(Operation {
            number,
            client: 0,
            key: key.map(str::to_owned),
            request,
            invoked: 10 * number + 1,
            completed: 10 * number + 5,
            outcome,
        }));
    }

    fn log(&mut self, kind: &str, hero: &str, stamp: Stamp, over: Option<Stamp>) {
        self.log.push(LogEvent {
            number: self.log.len() as u64 + 1,
            node: stamp.writer().to_owned(),
            kind: kind.to_owned(),
            text: String::new(),
            hero: Some(hero.to_owned()),
            stamp: Some(stamp),
            over,
        });
    }

    fn create(&mut self, key: &str, written: &Hero) {
        let request = Request::Create { name: written.name.clone() };
        self.operation(Some(key), request, Outcome::Written { hero: written.clone() });
        self.log("created", &written.id, written.stamp.clone(), None);
    }

    fn assign(&mut self, key: &str, written: &Hero, over: Stamp) {
        let request = Request::Assign { hero: written.id.clone(), to: written.location.clone() };
        self.operation(Some(key), request, Outcome::Written { hero: written.clone() });
        self.log("assigned", &written.id, written.stamp.clone(), Some(over));
    }

    fn read(&mut self, id: &str, held: Option<&Hero>) {
        let outcome = held.map_or_else(terminated, |held| Outcome::Shown {
            hero: held.clone(),
            cities: CITIES.map(|city| (city.to_owned(), Some(Copy::Live(held.clone())))).into(),
        });
        self.operation(None, Request::Read { hero: id.to_owned() }, outcome);
    }

    fn observe(&mut self, heroes: &[&Hero]) {
        let at = 10 * self.events.len() as u64;
        self.events.push(Event::Observation(Box::new(observation(at, heroes))));
    }
}

fn terminated() -> Outcome {
    let (problem, detail) = ("terminated".to_owned(), "it has been terminated".to_owned());
    Outcome::Refused { status: 410, problem, detail }
}

fn observation(at: u64, heroes: &[&Hero]) -> Observation {
    let mut map = Map::default();
    for hero in heroes {
        let (key, entry) = entry(hero);
        map.merge(key, &entry.as_entry_ref());
    }
    let heroes: Vec<Hero> = heroes.iter().map(|hero| (*hero).clone()).collect();
    let node = |name: &str| NodeState {
        name: name.to_owned(),
        role: if name == "dispatch" { "dispatch" } else { "city" }.to_owned(),
        status: "up".to_owned(),
        incarnation: Some(1),
        crashes: 0,
        heroes: heroes.len() as u64,
        tombstones: 0,
        fingerprint: map.fingerprint().to_string(),
        version_vector: NODES.map(|node| (format!("{node}/1"), "100+0".to_owned())).into(),
        closed_before: BTreeMap::new(),
        age_ms: None,
        clock_ahead_ms: None,
        stamps_ahead_ms: 0,
        refuses: Vec::new(),
        frozen: false,
    };
    let nodes: BTreeMap<String, NodeState> = NODES.map(|name| (name.to_owned(), node(name))).into();
    let list = CityHeroes { heroes: heroes.clone(), tombstones: 0, age_ms: None };
    let lists = NODES.map(|name| (name.to_owned(), list.clone())).into();
    let verdict = Verdict { converged: true, lost_writes: 1, sentence: String::new() };
    Observation {
        invoked: at + 1,
        completed: at + 5,
        nodes: NodeReads { before: nodes.clone(), lists, after: nodes },
        verdict,
    }
}

/// Returns a correct history: three heroes are created; one is moved to three cities, and one of
/// these writes is lost; one hero is deleted.
#[must_use]
pub fn history() -> History {
    let mut built = Builder::default();
    let moved = hero(MOVED, "home", stamp("dispatch", 10));
    built.create("moved", &moved);
    let deleted = hero(DELETED, "home", stamp("dispatch", 11));
    built.create("deleted", &deleted);
    let created = hero(CREATED, "home", stamp("dispatch", 12));
    built.create("created", &created);
    built.observe(&[&moved, &deleted, &created]);
    let first = hero(MOVED, "gotham", stamp("gotham", 20));
    built.assign("first", &first, moved.stamp.clone());
    let request = Request::Assign { hero: MOVED.to_owned(), to: "gotham".to_owned() };
    built.operation(Some("first"), request, Outcome::Written { hero: first.clone() });
    let lost = hero(MOVED, "metropolis", stamp("metropolis", 25));
    built.assign("lost", &lost, moved.stamp.clone());
    let won = hero(MOVED, "capitol", stamp("capitol", 30));
    built.assign("won", &won, first.stamp.clone());
    let again = hero(CREATED, "gotham", stamp("gotham", 31));
    built.assign("again", &again, created.stamp.clone());
    built.operation(Some("delete"), Request::Delete { hero: DELETED.into() }, Outcome::Deleted);
    built.log("terminated", DELETED, stamp("dispatch", 40), Some(deleted.stamp.clone()));
    let refused = Request::Assign { hero: CREATED.to_owned(), to: "capitol".to_owned() };
    let (problem, detail) = ("joining".to_owned(), "nothing was changed".to_owned());
    built.operation(Some("refused"), refused, Outcome::Refused { status: 503, problem, detail });
    built.observe(&[&won, &again]);
    while (built.events.len() as u64) < REST / 10 {
        built.read(MOVED, Some(&won));
    }
    built.read(MOVED, Some(&won));
    built.read(DELETED, None);
    built.read(CREATED, Some(&again));
    let Builder { events, log } = built;
    let lost = LostWrite {
        number: 1,
        hero: MOVED.to_owned(),
        stamp: lost.stamp.clone(),
        wrote: Some(Copy::Live(lost)),
        to: Some(Copy::Live(won.clone())),
    };
    let last = observation(10 * events.len() as u64, &[&won, &again]);
    let lost = LostWrites { count: 1, lost: vec![lost] };
    History { seed: 0, events, end: End { began: REST, last, lost, log } }
}
