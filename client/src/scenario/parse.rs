//! Scenario files: TOML, parsed and checked. Whatever is wrong is found here, with its place, before anything is done.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Action, Condition, Deed, Expectation, Scenario, Step, What, Whom};
use crate::fault::{Disturbance, EVERYBODY, Fault};
use crate::span::{duration, signed_ms, written};
use crate::{CITIES, NODES};

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
const STEPS_MAX: usize = 500;
const TOGETHER_MAX: usize = 16;
const HEROES_MAX: u32 = 1_000;
const TEXT_CHARS_MAX: usize = 1_000;
/// The API's limit.
const NAME_CHARS_MAX: usize = 100;
const AT_MAX: Duration = Duration::from_secs(3_600);
const WITHIN_MAX: Duration = Duration::from_secs(600);
/// Gossip takes a second a round, dispatch looks every two.
const WITHIN: Duration = Duration::from_secs(10);
/// A fault outlasts its scenario, and does not outlast a player that died by much.
const FAULT_LASTS: Duration = Duration::from_secs(120);

/// Why a scenario cannot be played, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Which file.
    pub file: String,
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was found, and what is allowed.
    pub what: String,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what } = self;
        if *line == 0 { write!(f, "{file}: {what}") } else { write!(f, "{file}:{line}:{column}: {what}") }
    }
}

impl Scenario {
    /// Reads a scenario file. Its name is that of the file, without `.toml`.
    ///
    /// # Errors
    /// When it cannot be read, or as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, Invalid> {
        let file = path.display().to_string();
        let whole = |what: String| Invalid { file: file.clone(), line: 0, column: 0, what };
        let mut bytes = Vec::new();
        let limit = FILE_BYTES_MAX as u64 + 1;
        let opened = std::fs::File::open(path).map_err(|error| whole(error.to_string()))?;
        opened.take(limit).read_to_end(&mut bytes).map_err(|error| whole(error.to_string()))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(whole(too_large()));
        }
        let text = str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            Invalid { line, column: 1, ..whole("this is not UTF-8".into()) }
        })?;
        let name = path.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
        Self::parse(&name, &file, text)
    }

    /// Parses a scenario. `file` is what mistakes are said to be in.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, Invalid> {
        if text.len() > FILE_BYTES_MAX {
            return Err(Invalid { file: file.to_owned(), line: 0, column: 0, what: too_large() });
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let placed = |Mistake { span, what }: Mistake| {
            let before = text.get(..span.start).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let line = 1 + before.matches('\n').count();
            Invalid { file: file.to_owned(), line, column: 1 + before[line_start..].chars().count(), what }
        };
        let parsed: File = toml::from_str(text).map_err(|error| {
            let what = error.message().lines().collect::<Vec<_>>().join(" ");
            placed(Mistake { span: error.span().unwrap_or(0..0), what })
        })?;
        parsed.scenario(name).map_err(placed)
    }
}

fn too_large() -> String {
    format!("a scenario has at most {FILE_BYTES_MAX} bytes")
}

/// What is wrong, and where, in bytes.
struct Mistake {
    span: Range<usize>,
    what: String,
}

fn mistake<T>(at: &Spanned<T>, what: impl Into<String>) -> Mistake {
    Mistake { span: at.span(), what: what.into() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Spanned<String>,
    about: Option<Spanned<String>>,
    takes: Option<Spanned<String>>,
    #[serde(default)]
    setup: Setup,
    #[serde(default)]
    step: Vec<Spanned<StepTable>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    heroes: Option<Spanned<i64>>,
    #[serde(default)]
    names: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepTable {
    at: Option<Spanned<String>>,
    refused: Option<Spanned<String>>,
    create: Option<Spanned<String>>,
    assign: Option<AssignTable>,
    terminate: Option<Spanned<String>>,
    bomb: Option<Spanned<String>>,
    stop: Option<Spanned<String>>,
    kill: Option<Spanned<String>>,
    rebuild: Option<Spanned<String>>,
    fault: Option<Spanned<FaultTable>>,
    heal: Option<Spanned<Heal>>,
    pause: Option<Spanned<bool>>,
    resume: Option<Spanned<bool>>,
    speed: Option<Spanned<i64>>,
    exchange: Option<ExchangeTable>,
    together: Option<Spanned<Vec<Spanned<StepTable>>>>,
    expect: Option<Spanned<ExpectTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignTable {
    hero: Spanned<String>,
    to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultTable {
    kind: Spanned<String>,
    from: Spanned<String>,
    to: Option<Spanned<String>>,
    #[serde(default)]
    one_way: bool,
    by: Option<Spanned<String>>,
    jitter: Option<Spanned<String>>,
    percent: Option<f64>,
    bytes_per_s: Option<u64>,
    #[serde(rename = "for")]
    lasts: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true (all faults) or the name of a fault")]
enum Heal {
    All(bool),
    One(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeTable {
    from: Spanned<String>,
    to: Spanned<String>,
    completed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectTable {
    within: Option<Spanned<String>>,
    holds_for: Option<Spanned<String>>,
    converged: Option<bool>,
    lost_writes: Option<u64>,
    only_copies: Option<u64>,
    city: Option<Spanned<OneOrMany>>,
    holds: Option<Spanned<String>>,
    location: Option<Spanned<String>>,
    lacks: Option<Spanned<String>>,
    dead: Option<Spanned<String>>,
    is: Option<Spanned<String>>,
    agree: Option<Spanned<Vec<String>>>,
    apart: Option<Spanned<Vec<String>>>,
    event: Option<String>,
    text: Option<String>,
    one_winner: Option<Spanned<bool>>,
    same_millisecond: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a city, a list of cities, or \"*\" for all")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What can be named so far.
#[derive(Default)]
struct Known {
    heroes: BTreeSet<String>,
    faults: BTreeSet<String>,
}

impl File {
    fn scenario(self, name: &str) -> Result<Scenario, Mistake> {
        let Self { title, about, takes, setup, step } = self;
        let mut known = Known::default();
        let mut names = Vec::new();
        for hero in &setup.names {
            known.meet(hero)?;
            names.push(hero.get_ref().clone());
        }
        let invented = match &setup.heroes {
            None => 0,
            Some(heroes) => u32::try_from(*heroes.get_ref())
                .ok()
                .filter(|heroes| (1..=HEROES_MAX).contains(heroes))
                .ok_or_else(|| mistake(heroes, format!("heroes are 1 to {HEROES_MAX}, not {}", heroes.get_ref())))?,
        };
        known.heroes.extend((1..=invented).map(|number| format!("#{number}")));
        if step.len() > STEPS_MAX {
            return Err(mistake(&title, format!("a scenario has at most {STEPS_MAX} steps, not {}", step.len())));
        }
        if step.is_empty() {
            return Err(mistake(&title, "a scenario has at least one [[step]]"));
        }
        let mut steps = Vec::new();
        let mut earliest = Duration::ZERO;
        for table in step {
            let at = table.get_ref().at.as_ref().map(|at| span_within(at, AT_MAX)).transpose()?;
            if let (Some(at), Some(given)) = (at, &table.get_ref().at) {
                if at < earliest {
                    return Err(mistake(given, format!("a step before this one is at {}; steps stand in their order", written(earliest))));
                }
                earliest = at;
            }
            steps.push(Step { at, what: table.what(&mut known)?, is_inverted: false });
        }
        Ok(Scenario {
            name: name.to_owned(),
            title: short_text(&title)?,
            about: about.as_ref().map(short_text).transpose()?.unwrap_or_default(),
            takes: takes.as_ref().map(|takes| span_within(takes, AT_MAX)).transpose()?,
            names,
            invented,
            steps,
        })
    }
}

impl Known {
    fn meet(&mut self, name: &Spanned<String>) -> Result<(), Mistake> {
        let text = name.get_ref();
        if text.trim() != text || text.is_empty() || text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
            return Err(mistake(
                name,
                format!("a hero's name has 1 to {NAME_CHARS_MAX} characters, and neither blanks around it nor control characters"),
            ));
        }
        if text == EVERYBODY || text.starts_with('#') {
            return Err(mistake(name, format!("{text:?} stands for heroes with invented names; choose another name")));
        }
        if !self.heroes.insert(text.clone()) {
            return Err(mistake(name, format!("there is a hero {text:?} already; in a scenario each has a name of its own")));
        }
        Ok(())
    }

    fn hero(&self, name: &Spanned<String>) -> Result<String, Mistake> {
        let text = name.get_ref();
        if self.heroes.contains(text) {
            return Ok(text.clone());
        }
        let some: Vec<&str> = self.heroes.iter().take(10).map(String::as_str).collect();
        let known = if some.is_empty() { "none is made before this".to_owned() } else { format!("known are {}", some.join(", ")) };
        Err(mistake(name, format!("there is no hero {text:?}: {known}")))
    }

    fn whom(&self, name: &Spanned<String>) -> Result<Whom, Mistake> {
        if name.get_ref() == EVERYBODY {
            if self.heroes.is_empty() {
                return Err(mistake(name, "there is no hero: none is made before this"));
            }
            return Ok(Whom::Each);
        }
        self.hero(name).map(Whom::One)
    }
}

/// What a step table can say, beside when and what becomes of it.
const STEPS: &str = "create, assign, terminate, bomb, stop, kill, rebuild, fault, heal, pause, resume, speed, exchange, together, expect";

trait Table {
    fn what(self, known: &mut Known) -> Result<What, Mistake>;
}

impl Table for Spanned<StepTable> {
    fn what(self, known: &mut Known) -> Result<What, Mistake> {
        let span = self.span();
        let here = |what: String| Mistake { span: span.clone(), what };
        let StepTable { at: _, refused, .. } = self.get_ref();
        if let (Some(refused), Some(_)) = (refused, &self.get_ref().expect) {
            return Err(mistake(refused, "an expectation cannot be refused; `refused` stands beside what is done"));
        }
        if let (Some(refused), Some(_)) = (refused, &self.get_ref().together) {
            return Err(mistake(refused, "`refused` stands beside each thing that is done together"));
        }
        let table = self.into_inner();
        let refused = table.refused.as_ref().map(word).transpose()?;
        let mut found: Vec<What> = Vec::new();
        let mut deed = |action: Action| found.push(What::Do(Deed { action, refused: refused.clone() }));
        if let Some(name) = &table.create {
            known.meet(name)?;
            deed(Action::Create { name: name.get_ref().clone() });
        }
        if let Some(AssignTable { hero, to }) = &table.assign {
            deed(Action::Assign { hero: known.whom(hero)?, to: one_of(to, "place", &[&CITIES[..], &["home"]].concat())? });
        }
        if let Some(hero) = &table.terminate {
            deed(Action::Terminate { hero: known.whom(hero)? });
        }
        if let Some(at) = &table.bomb {
            deed(Action::Bomb { city: city(at)? });
        }
        if let Some(at) = &table.stop {
            deed(Action::Stop { city: city(at)? });
        }
        if let Some(at) = &table.kill {
            deed(Action::Kill { city: city(at)? });
        }
        if let Some(at) = &table.rebuild {
            deed(Action::Rebuild { city: city(at)? });
        }
        if let Some(fault) = &table.fault {
            deed(inject(fault, known)?);
        }
        if let Some(heal) = &table.heal {
            deed(match heal.get_ref() {
                Heal::All(true) => Action::Heal { name: None },
                Heal::All(false) => return Err(mistake(heal, "heal is true (all faults) or the name of a fault")),
                Heal::One(name) if known.faults.contains(name) => Action::Heal { name: Some(name.clone()) },
                Heal::One(name) => return Err(mistake(heal, format!("no fault before this has the name {name:?}; true heals all"))),
            });
        }
        if let Some(pause) = &table.pause {
            deed(only_true(pause, "pause", Action::Pause)?);
        }
        if let Some(resume) = &table.resume {
            deed(only_true(resume, "resume", Action::Resume)?);
        }
        if let Some(speed) = &table.speed {
            let percent = u32::try_from(*speed.get_ref()).ok().filter(|percent| (10..=1_000).contains(percent));
            let percent = percent.ok_or_else(|| mistake(speed, format!("speed is 10 to 1000 (percent), not {}", speed.get_ref())))?;
            deed(Action::Speed { percent });
        }
        if let Some(ExchangeTable { from, to, completed }) = &table.exchange {
            let (source, puller) = (node(from)?, node(to)?);
            if source == puller {
                return Err(mistake(to, format!("{puller} cannot pull from itself")));
            }
            deed(Action::Exchange { from: source, to: puller, completed: *completed });
        }
        if let Some(together) = table.together {
            found.push(What::Together(deeds(together, known)?));
        }
        if let Some(expect) = &table.expect {
            found.push(What::Expect(expectation(expect, known)?));
        }
        let count = found.len();
        match (found.pop(), count) {
            (Some(what), 1) => Ok(what),
            (None, _) => Err(here(format!("this step does nothing; it has one of {STEPS}"))),
            (Some(_), _) => Err(here(format!("this step has {count} of {STEPS}; it may have one, or several inside `together`"))),
        }
    }
}

fn deeds(together: Spanned<Vec<Spanned<StepTable>>>, known: &mut Known) -> Result<Vec<Deed>, Mistake> {
    let count = together.get_ref().len();
    if !(2..=TOGETHER_MAX).contains(&count) {
        return Err(mistake(&together, format!("2 to {TOGETHER_MAX} things are done together, not {count}")));
    }
    let mut deeds = Vec::new();
    for table in together.into_inner() {
        let span = table.span();
        if let Some(at) = &table.get_ref().at {
            return Err(mistake(at, "what is done together begins together; `at` stands beside `together`"));
        }
        match table.what(known)? {
            What::Do(deed) => deeds.push(deed),
            What::Together(_) | What::Expect(_) => {
                return Err(Mistake { span, what: "only things that are done can be done together: neither together nor expect".into() });
            }
        }
    }
    Ok(deeds)
}

fn inject(table: &Spanned<FaultTable>, known: &mut Known) -> Result<Action, Mistake> {
    let FaultTable { kind, from, to, one_way, by, jitter, percent, bytes_per_s, lasts, name } = table.get_ref();
    let surplus = |given: &[(&str, bool)]| match given.iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(mistake(table, format!("a fault of kind {} has no {field}", kind.get_ref()))),
        None => Ok(()),
    };
    let has = (by.is_some(), jitter.is_some(), percent.is_some(), bytes_per_s.is_some());
    let missing = |field: &str| mistake(table, format!("a fault of kind {} needs {field}", kind.get_ref()));
    let percentage = || {
        surplus(&[("by", has.0), ("jitter", has.1), ("bytes_per_s", has.3)])?;
        percent.ok_or_else(|| missing("percent"))
    };
    let none = || surplus(&[("by", has.0), ("jitter", has.1), ("percent", has.2), ("bytes_per_s", has.3)]);
    let what = match kind.get_ref().as_str() {
        "cut" => {
            none()?;
            Disturbance::Cut
        }
        "delay" => {
            surplus(&[("percent", has.2), ("bytes_per_s", has.3)])?;
            let span = |text: &Spanned<String>| span_within(text, AT_MAX);
            let jitter = jitter.as_ref().map(span).transpose()?.unwrap_or_default();
            Disturbance::Delay { by: span(by.as_ref().ok_or_else(|| missing("by"))?)?, jitter }
        }
        "loss" => Disturbance::Loss { percent: percentage()? },
        "duplicate" => Disturbance::Duplicate { percent: percentage()? },
        "reorder" => Disturbance::Reorder { percent: percentage()? },
        "throttle" => {
            surplus(&[("by", has.0), ("jitter", has.1), ("percent", has.2)])?;
            Disturbance::Throttle { bytes_per_s: bytes_per_s.ok_or_else(|| missing("bytes_per_s"))? }
        }
        "freeze" => {
            none()?;
            city(from)?;
            Disturbance::Freeze
        }
        "skew" => {
            surplus(&[("jitter", has.1), ("percent", has.2), ("bytes_per_s", has.3)])?;
            let by = by.as_ref().ok_or_else(|| missing("by"))?;
            Disturbance::Skew { by_ms: signed_ms(by.get_ref()).map_err(|error| mistake(by, error))? }
        }
        unknown => {
            let known = "cut, delay, loss, duplicate, reorder, throttle, freeze, skew";
            return Err(mistake(kind, format!("there is no kind of fault {unknown:?}: it is one of {known}")));
        }
    };
    let to = match to {
        None if what.is_of_links() => return Err(missing("to, a node or \"*\"")),
        None => None,
        Some(to) if !what.is_of_links() => return Err(mistake(to, format!("a fault of kind {} has no other end", kind.get_ref()))),
        Some(to) if to.get_ref() == EVERYBODY => Some(EVERYBODY.to_owned()),
        Some(to) => Some(node(to)?),
    };
    let lasts = lasts.as_ref().map(|lasts| span_within(lasts, AT_MAX)).transpose()?.unwrap_or(FAULT_LASTS);
    let fault = Fault { what, from: node(from)?, to, one_way: *one_way, lasts: Some(lasts) };
    fault.body().map_err(|error| mistake(table, error))?;
    if let Some(name) = name
        && !known.faults.insert(name.get_ref().clone())
    {
        return Err(mistake(name, format!("there is a fault {:?} already; each has a name of its own", name.get_ref())));
    }
    Ok(Action::Inject { fault, name: name.as_ref().map(short_text).transpose()? })
}

/// What an expectation can be of.
const CONDITIONS: &str =
    "converged, lost_writes, only_copies, city (with holds, lacks, dead or is), agree, apart, event or text, one_winner, same_millisecond";

fn expectation(table: &Spanned<ExpectTable>, known: &Known) -> Result<Expectation, Mistake> {
    let expect = table.get_ref();
    let mut found = Vec::new();
    found.extend(expect.converged.map(Condition::Converged));
    found.extend(expect.lost_writes.map(Condition::LostWrites));
    found.extend(expect.only_copies.map(Condition::OnlyCopies));
    found.extend(of_cities(table, known)?);
    if let Some(agree) = &expect.agree {
        found.push(Condition::Agree(nodes(agree)?));
    }
    if let Some(apart) = &expect.apart {
        found.push(Condition::Apart(nodes(apart)?));
    }
    if expect.event.is_some() || expect.text.is_some() {
        found.push(Condition::Event { kind: expect.event.clone(), text: expect.text.clone() });
    }
    if let Some(winner) = &expect.one_winner {
        found.push(only_true(winner, "one_winner", Condition::OneWinner)?);
    }
    if let Some(count) = &expect.same_millisecond {
        if *count.get_ref() == 0 {
            return Err(mistake(count, "same_millisecond is at least 1"));
        }
        found.push(Condition::SameMillisecond(*count.get_ref()));
    }
    let count = found.len();
    let condition = match (found.pop(), count) {
        (Some(condition), 1) => condition,
        (None, _) => return Err(mistake(table, format!("this expects nothing; it has one of {CONDITIONS}"))),
        (Some(_), _) => return Err(mistake(table, format!("this expects {count} things at once; make a step of each"))),
    };
    let span = |text: &Option<Spanned<String>>| text.as_ref().map(|text| span_within(text, WITHIN_MAX)).transpose();
    let holds_for = span(&expect.holds_for)?.unwrap_or_default();
    Ok(Expectation { condition, within: span(&expect.within)?.unwrap_or(WITHIN), holds_for })
}

/// The conditions of cities, of which there may be one.
fn of_cities(table: &Spanned<ExpectTable>, known: &Known) -> Result<Vec<Condition>, Mistake> {
    let ExpectTable { city: which, holds, location, lacks, dead, is, .. } = table.get_ref();
    if let (Some(location), None) = (location, holds) {
        return Err(mistake(location, "`location` stands beside `holds`"));
    }
    let given = [holds, lacks, dead, is].into_iter().flatten().next();
    let cities = match (which, given) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(given)) => return Err(mistake(given, "this is expected of a city; say which: city = \"gotham\", or \"*\" for all")),
        (Some(which), None) => return Err(mistake(which, "say what is expected of the city: holds, lacks, dead, or is")),
        (Some(which), Some(_)) => cities(which)?,
    };
    let mut found = Vec::new();
    if let Some(hero) = holds {
        let places = [&CITIES[..], &["home"]].concat();
        let location = location.as_ref().map(|location| one_of(location, "place", &places)).transpose()?;
        found.push(Condition::Holds { cities: cities.clone(), hero: known.hero(hero)?, location });
    }
    if let Some(hero) = lacks {
        found.push(Condition::Lacks { cities: cities.clone(), hero: known.hero(hero)? });
    }
    if let Some(hero) = dead {
        found.push(Condition::Dead { cities: cities.clone(), hero: known.hero(hero)? });
    }
    if let Some(is) = is {
        found.push(Condition::Is { cities, status: one_of(is, "status", &["up", "unreachable", "down"])? });
    }
    Ok(found)
}

fn cities(which: &Spanned<OneOrMany>) -> Result<Vec<String>, Mistake> {
    let named = match which.get_ref() {
        OneOrMany::One(all) if all == EVERYBODY => return Ok(CITIES.map(str::to_owned).to_vec()),
        OneOrMany::One(one) => std::slice::from_ref(one),
        OneOrMany::Many(many) => many,
    };
    if let Some(unknown) = named.iter().find(|name| !CITIES.contains(&name.as_str())) {
        return Err(mistake(which, format!("there is no city {unknown:?}: it is one of {}, or \"*\" for all", CITIES.join(", "))));
    }
    if named.is_empty() {
        return Err(mistake(which, "at least one city is named"));
    }
    Ok(named.to_vec())
}

fn nodes(named: &Spanned<Vec<String>>) -> Result<Vec<String>, Mistake> {
    if let Some(unknown) = named.get_ref().iter().find(|name| !NODES.contains(&name.as_str())) {
        return Err(mistake(named, format!("there is no node {unknown:?}: it is one of {}", NODES.join(", "))));
    }
    let different: BTreeSet<&String> = named.get_ref().iter().collect();
    if different.len() < 2 || different.len() != named.get_ref().len() {
        return Err(mistake(named, "at least two nodes are compared, each named once"));
    }
    Ok(named.get_ref().clone())
}

fn city(named: &Spanned<String>) -> Result<String, Mistake> {
    one_of(named, "city", &CITIES)
}

fn node(named: &Spanned<String>) -> Result<String, Mistake> {
    one_of(named, "node", &NODES)
}

fn one_of(named: &Spanned<String>, what: &str, known: &[&str]) -> Result<String, Mistake> {
    let text = named.get_ref();
    if known.contains(&text.as_str()) {
        return Ok(text.clone());
    }
    Err(mistake(named, format!("there is no {what} {text:?}: it is one of {}", known.join(", "))))
}

fn only_true<T>(given: &Spanned<bool>, name: &str, meaning: T) -> Result<T, Mistake> {
    if *given.get_ref() { Ok(meaning) } else { Err(mistake(given, format!("{name} = true is all that can be said"))) }
}

/// The `type` of a problem.
fn word(given: &Spanned<String>) -> Result<String, Mistake> {
    let text = given.get_ref();
    if !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Ok(text.clone());
    }
    Err(mistake(given, format!("{text:?} is no type of a problem, such as \"not_heard_of\"")))
}

fn short_text(given: &Spanned<String>) -> Result<String, Mistake> {
    let text = given.get_ref().trim();
    if (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err(mistake(given, format!("a text has 1 to {TEXT_CHARS_MAX} characters")))
}

fn span_within(text: &Spanned<String>, limit: Duration) -> Result<Duration, Mistake> {
    let span = duration(text.get_ref()).map_err(|error| mistake(text, error))?;
    if span > limit { Err(mistake(text, format!("at most {}", written(limit)))) } else { Ok(span) }
}

#[cfg(test)]
mod tests;
