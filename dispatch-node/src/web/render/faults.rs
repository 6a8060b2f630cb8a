//! The part of the page that causes trouble, shows what is in force, and heals it: a panel that lives, and forms that do not change.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use shared::fault::Pace;
use shared::id::NodeName;
use shared::membership::DISPATCH;
use superhero::scenario::shipped;

use crate::model::exchange::Exchange;
use crate::model::faults::{FaultView, describe};
use crate::model::view::View;
use crate::request::{Action, Reply};
use crate::text::{counted, title};
use crate::web::dispatch_handle::Desk;
use crate::web::error::{Problem, shortened};
use crate::web::extract::body::{self, FormBody};
use crate::web::extract::fault::FaultWish;
use crate::web::extract::parameters::FaultPath;
use crate::web::pages::forms;
use crate::web::render::wording::capitalised;
use crate::web::scenario_runner::{Playing, StepLine};
use crate::web::state::Site;

/// What is in force, how gossip goes, and the scenario that is played.
#[derive(Debug, Template)]
#[template(path = "trouble.html", whitespace = "minimize")]
pub(crate) struct TroublePanel {
    faults: Vec<FaultLine>,
    playing: Option<PlayingPanel>,
}

/// How gossip goes, and what sets it.
#[derive(Debug, Template)]
#[template(path = "gossip.html")]
pub(crate) struct GossipPanel {
    paused: bool,
    /// The paces that can be chosen: label, percent, whether it is chosen.
    paces: [(&'static str, u16, bool); 3],
    /// How gossip goes, in words; empty where it goes as usual.
    text: String,
}

impl GossipPanel {
    pub(crate) fn of(view: &View) -> Self {
        let text = match view.pace.percent {
            0 => "Gossip is paused: nobody hears of anything, until it goes on or one exchange is run.".to_owned(),
            100 => String::new(),
            percent => format!("Gossip goes at {percent} % of its pace."),
        };
        let pace = |label, percent| (label, percent, view.pace.percent == percent);
        Self { paused: view.pace == Pace::PAUSED, paces: [pace("1×", 100), pace("½×", 50), pace("⅒×", 10)], text }
    }
}

#[derive(Debug)]
struct FaultLine {
    id: String,
    /// `Gotham is cut from every other node, both ways`.
    text: String,
    /// `12 frames lost`. May be empty.
    did: String,
    /// `heals in 12 s`.
    left: String,
}

#[derive(Debug)]
struct PlayingPanel {
    title: String,
    /// `is being played`, or how it ended.
    outcome: String,
    steps: Vec<StepLine>,
}

impl TroublePanel {
    pub(crate) fn of(view: &View, playing: Option<&Playing>) -> Self {
        let playing = playing.map(|playing| PlayingPanel {
            title: playing.title.clone(),
            outcome: match playing.outcome {
                None => "is being played".to_owned(),
                Some("passed") => "passed: everything came about as it says".to_owned(),
                Some(_) if playing.failure.is_empty() => "failed".to_owned(),
                Some(_) => format!("failed: {}", playing.failure),
            },
            steps: playing.steps.clone(),
        });
        Self { faults: view.faults.iter().map(FaultLine::of).collect(), playing }
    }
}

impl FaultLine {
    fn of(view: &FaultView) -> Self {
        let frames = view.frames;
        let did = [(frames.dropped, "lost"), (frames.delayed, "late"), (frames.duplicated, "repeated")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", counted(usize::try_from(count).unwrap_or(usize::MAX), "frame", "frames")));
        Self {
            id: view.fault.id.to_string(),
            text: capitalised(&describe(&view.fault)),
            did: did.collect::<Vec<_>>().join(", "),
            left: format!("heals in {} s", view.remaining.as_secs_f64().ceil()),
        }
    }
}

/// The forms that cause trouble and play scenarios.
#[derive(Debug, Template)]
#[template(path = "cause.html", whitespace = "minimize")]
pub(crate) struct CauseForms {
    kinds: Vec<Kind>,
    /// Key and name.
    nodes: Vec<(String, String)>,
    /// Name and title.
    scenarios: Vec<(String, String)>,
}

#[derive(Debug)]
struct Kind {
    value: &'static str,
    label: &'static str,
}

impl CauseForms {
    pub(crate) fn of(cities: &[NodeName]) -> Self {
        let kinds = [
            ("cut", "Cut"),
            ("delay", "Delay"),
            ("loss", "Loss"),
            ("duplicate", "Repetition"),
            ("reorder", "Overtaking"),
            ("throttle", "Throttle"),
            ("freeze", "Freeze (from)"),
            ("skew", "Wrong clock (from)"),
            ("stop", "Stop the process (from)"),
            ("kill", "Kill the process (from)"),
        ];
        let node = |name: &NodeName| (name.to_string(), title(*name));
        Self {
            kinds: kinds.map(|(value, label)| Kind { value, label }).into(),
            nodes: cities.iter().map(node).chain([(DISPATCH.to_owned(), "Dispatch".to_owned())]).collect(),
            scenarios: shipped().into_iter().map(|scenario| (scenario.name, scenario.title)).collect(),
        }
    }
}

/// `POST /faults`
pub(crate) async fn cause(State(site): State<Site>, headers: HeaderMap, form: Result<FormBody, Problem>) -> Response {
    let action = form.and_then(|form| match form.get("kind") {
        Some("stop") => city(&site.desk, &form).map(|city| Action::Stop { city }),
        Some("kill") => city(&site.desk, &form).map(|city| Action::Kill { city }),
        Some(_) | None => wish(&form).and_then(|wish| wish.parse(&site.desk)),
    });
    forms::act(&site, &headers, None, action).await
}

/// The city whose process is to end.
fn city(desk: &Desk, form: &FormBody) -> Result<NodeName, Problem> {
    let from = form.get("from").unwrap_or_default();
    body::city(desk, from)
        .ok_or_else(|| Problem::not_allowed("unknown_node", "only a city's process is ended from here; nothing was changed"))
}

/// What the form's fields ask for. Its one size means what the kind of trouble makes of it.
fn wish(form: &FormBody) -> Result<FaultWish, Problem> {
    let number = |field: &str, otherwise: f64| match form.get(field) {
        None => Ok(otherwise),
        Some(text) => text.trim().replace('−', "-").parse::<f64>().map_err(|_| {
            let shown = shortened(text, 20);
            Problem::not_allowed("out_of_range", format!("{shown:?} is not a number; nothing was changed"))
        }),
    };
    let field = |name| form.get(name).unwrap_or_default().to_owned();
    let kind = field("kind");
    let mut wish = FaultWish {
        from: field("from"),
        to: form.get("to").map(str::to_owned),
        both: form.get("both").map(|both| both == "true"),
        heal_after_s: Some(number("heal_after_s", 30.0)?),
        ..FaultWish::default()
    };
    match kind.as_str() {
        "delay" => wish.delay_ms = Some(number("size", 300.0)?),
        "loss" | "duplicate" | "reorder" => wish.percent = Some(number("size", 20.0)?),
        "throttle" => wish.bytes_per_s = Some(number("size", 2_000.0)?),
        "skew" => wish.skew_ms = Some(number("size", 3_000.0)?),
        _ => {}
    }
    Ok(FaultWish { kind, ..wish })
}

/// `POST /faults/{id}/heal`
pub(crate) async fn heal(State(site): State<Site>, fault: Result<FaultPath, Problem>, headers: HeaderMap) -> Response {
    forms::act(&site, &headers, None, fault.map(|FaultPath(fault)| Action::Heal { fault: Some(fault) })).await
}

/// `POST /faults/heal`
pub(crate) async fn heal_all(State(site): State<Site>, headers: HeaderMap) -> Response {
    forms::act(&site, &headers, None, Ok(Action::Heal { fault: None })).await
}

/// `POST /gossip/pause`
pub(crate) async fn pause(State(site): State<Site>, headers: HeaderMap) -> Response {
    forms::act(&site, &headers, None, Ok(Action::Gossip { pace: Pace::PAUSED })).await
}

/// `POST /gossip/resume`
pub(crate) async fn resume(State(site): State<Site>, headers: HeaderMap) -> Response {
    forms::act(&site, &headers, None, Ok(Action::Gossip { pace: Pace::FREE })).await
}

/// `POST /gossip/speed`
pub(crate) async fn speed(State(site): State<Site>, headers: HeaderMap, form: Result<FormBody, Problem>) -> Response {
    let action = form.and_then(|form| {
        let percent = form.get("percent").and_then(|percent| percent.parse().ok()).filter(|percent| Pace::RANGE.contains(percent));
        let refused = || Problem::not_allowed("out_of_range", "the speed is 10 to 1000 percent; nothing was changed");
        percent.map(|percent| Action::Gossip { pace: Pace { percent } }).ok_or_else(refused)
    });
    forms::act(&site, &headers, None, action).await
}

/// `POST /gossip/step`
pub(crate) async fn step(State(site): State<Site>, headers: HeaderMap) -> Response {
    forms::act(&site, &headers, None, Ok(Action::Exchange { source: None, puller: None })).await
}

/// `POST /scenarios`
pub(crate) async fn play(State(site): State<Site>, headers: HeaderMap, form: Result<FormBody, Problem>) -> Response {
    let begun = form.and_then(|form| site.desk.stage().play(form.get("name").unwrap_or_default()));
    forms::answer(&site, &headers, None, begun.map(|()| forms::News::default())).await
}

/// What came of a command, where the page would not show it otherwise.
pub(crate) fn notice(answer: &Reply) -> Option<String> {
    match answer {
        Reply::Exchanged(Exchange { source, puller, completed: true, entries, bytes }) => {
            let entries = counted(*entries, "entry", "entries");
            Some(format!("{} pulled {entries} from {} ({bytes} bytes)", title(*puller), title(*source)))
        }
        Reply::Exchanged(Exchange { source, puller, completed: false, .. }) => {
            Some(format!("{} was to pull from {}, and no end of it was seen in time", title(*puller), title(*source)))
        }
        Reply::Created(_)
        | Reply::Assigned(..)
        | Reply::Terminated(..)
        | Reply::Bombed(_)
        | Reply::Forgotten(_)
        | Reply::Injected(_)
        | Reply::Healed
        | Reply::Gossip(_)
        | Reply::Ended(_)
        | Reply::Logged
        | Reply::Found(..)
        | Reply::View(_)
        | Reply::Refused(_) => None,
    }
}
