//! What happened, as a space-time diagram: a lane a node, time from left to right; gossip as arrows, writes as shapes, trouble as bands,
//! below it how many heroes differed, and right of now what is predicted.
//!
//! It is cheap to keep live, for nothing in it is drawn twice. Each second of the history is a fragment of its own, whose markup does not
//! depend on now: only the last few change. All that moves is one transform, which [`moving_transform`] gives for now and a script carries
//! on. What reaches past now (a band, the last step of the line) is drawn too far and clipped there.
//!
//! A second stands at [`SECOND_WIDTH`] times its number since the beginning of the hour of dispatch's process in which now lies: so
//! coordinates stay below a hundred thousand, where the single precision of renderers is far finer than a pixel, and once an hour all
//! fragments are made anew.
//!
//! Invariant: bounded. What is too much for a second to be told one by one is drawn as one path and counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;

use shared::fault::Trouble;
use shared::id::{HeroId, NodeName};
use shared::message::PullOutcome;
use shared::time::UnixMillis;

use crate::event_log::EventKind;
use crate::model::faults::describe;
use crate::model::history::{Pull, Second, Span, Write};
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::render::svg::{Px, Xy, shape};
use crate::web::render::wording::time_of_day;

/// How wide a second is, in pixels.
pub(crate) const SECOND_WIDTH: f64 = 24.0;
/// How many seconds the picture shows: so many that were, and so many that may be.
const PAST_S: u64 = 50;
const FUTURE_S: u64 = 10;
const NOW_X: f64 = PAST_S as f64 * SECOND_WIDTH;
const WIDTH: f64 = (PAST_S + FUTURE_S) as f64 * SECOND_WIDTH;
/// After so many seconds coordinates begin anew.
const HOUR_S: u64 = 3_600;

/// Where the words of bands stand, how high a line of them is, and how many lines there are.
const WORDS_Y: f64 = 13.0;
const WORDS_HEIGHT: f64 = 14.0;
const WORDS_LINES: usize = 2;
/// Where the first lane is, and how far the next one is from it.
const LANE_Y: f64 = 54.0;
const LANE_HEIGHT: f64 = 34.0;
/// How high the curve of differences can get.
const CURVE_HEIGHT: f64 = 46.0;
/// How many characters of a sentence fit beside each other right of now.
const LINE_CHARS_MAX: usize = 36;
/// How many pulls, and how many writes, of a second are told one by one.
const TOLD_MAX: usize = 8;
/// How many lines the table has.
const ROWS_MAX: usize = 40;
/// How many bands are drawn: each trouble is one, at every lane that it concerns.
const BANDS_MAX: usize = 64;
/// A step of the curve is at least so long.
const STEP: Duration = Duration::from_millis(100);

/// What is predicted, from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Predicted {
    /// In the order of time.
    pub(crate) points: Vec<PredictedPoint>,
    /// The same in words: `Agreed in 2 to 5 s, nine runs in ten`.
    pub(crate) sentence: String,
}

/// How many heroes are predicted to differ at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PredictedPoint {
    /// How long from now, in seconds.
    pub(crate) after_s: f64,
    /// In the mean.
    pub(crate) mean: f64,
    /// At least, in most cases.
    pub(crate) low: f64,
    /// At most, in most cases.
    pub(crate) high: f64,
}

#[derive(Template)]
#[template(path = "timeline.html", whitespace = "minimize")]
struct Skeleton<'a> {
    width: f64,
    height: f64,
    now_x: f64,
    second_width: f64,
    lanes: Vec<Lane>,
    first_lane_y: f64,
    more_y: f64,
    curve_y: f64,
    axis_y: f64,
    /// Where a line goes up, and what stands below it.
    ticks: Vec<(f64, String)>,
    moving: String,
    pieces: &'a Pieces<'a>,
}

struct Lane {
    key: String,
    name: String,
    y: f64,
    shape: String,
}

#[derive(Template)]
#[template(path = "timeline_second.html")]
struct SecondPicture {
    number: u64,
    x: f64,
    strokes: Vec<Stroke>,
    words: Vec<Words>,
}

/// A path, with what it means.
struct Stroke {
    class: String,
    d: String,
    title: String,
}

struct Words {
    class: &'static str,
    x: f64,
    y: f64,
    text: String,
    title: String,
}

#[derive(Template)]
#[template(path = "timeline_spans.html")]
struct Bands {
    bands: Vec<Band>,
}

struct Band {
    class: &'static str,
    title: String,
    x: f64,
    width: f64,
    lanes: Vec<f64>,
    /// From the words down to the lanes.
    post: String,
    /// Where the words are, if there was room for them.
    words: Option<(f64, f64, String)>,
}

#[derive(Template)]
#[template(path = "timeline_forecast.html")]
struct Outlook {
    band: String,
    mean: String,
    /// The lines of the sentence, and where each begins.
    lines: Vec<(f64, f64, String)>,
    top: f64,
    width: f64,
    /// How many heroes the top of the curve stands for. Empty where none differs.
    scale: String,
}

#[derive(Template)]
#[template(path = "timeline_row.html")]
struct TableRow<'a> {
    key: &'a str,
    at: String,
    what: String,
    from: String,
    to: String,
    entries: String,
    bytes: String,
    outcome: String,
}

fn html(rendered: askama::Result<String>) -> String {
    rendered.expect("templates write to memory only")
}

/// Where things are: times across, nodes down.
struct Stage<'a> {
    view: &'a View,
    /// The second at which coordinates begin.
    origin: u64,
}

impl<'a> Stage<'a> {
    fn of(view: &'a View) -> Self {
        Self { view, origin: view.at.mono.as_secs() / HOUR_S * HOUR_S }
    }

    /// Across, within the moving group.
    fn x(&self, at: Duration) -> f64 {
        (at.as_secs_f64() - self.origin as f64) * SECOND_WIDTH
    }

    fn second_x(&self, number: u64) -> f64 {
        self.x(Duration::from_secs(number))
    }

    /// The lane of this node, from the top; dispatch has the last one.
    fn lane(&self, node: NodeName) -> usize {
        self.view.city(node).map_or(self.view.cities.len(), |(lane, _)| lane)
    }

    fn y(&self, node: NodeName) -> f64 {
        lane_y(self.lane(node))
    }

    fn more_y(&self) -> f64 {
        lane_y(self.view.cities.len()) + 30.0
    }

    /// The line of no differences.
    fn curve_y(&self) -> f64 {
        self.more_y() + 26.0 + CURVE_HEIGHT
    }

    /// The second in which the picture begins.
    fn first(&self) -> u64 {
        self.view.at.mono.as_secs().saturating_sub(PAST_S)
    }

    /// Places safely left of all that is shown, just inside of it, and right of now. They move on every ten seconds, so that what reaches
    /// there need not be drawn anew with each frame. What is too far is clipped.
    fn edges(&self) -> (f64, f64, f64) {
        let inside = (self.first() / 10 + 1) * 10;
        (self.second_x(inside.saturating_sub(20)), self.second_x(inside), self.second_x(inside + PAST_S + FUTURE_S))
    }

    fn seconds(&self) -> impl DoubleEndedIterator<Item = &'a Arc<Second>> {
        let first = self.first();
        self.view.history.seconds().filter(move |second| second.number >= first)
    }

    /// The most differences that the curve has to show.
    fn most(&self, predicted: Option<&Predicted>) -> f64 {
        let measured =
            self.seconds().flat_map(|second| second.differences.iter().map(|(_, count)| *count).chain([second.differences_before]));
        let measured = measured.chain([self.view.history.differences()]).max().unwrap_or(0) as f64;
        let predicted = predicted.into_iter().flat_map(|predicted| &predicted.points).map(|point| point.high.max(point.mean));
        predicted.fold(measured, f64::max)
    }

    /// How high the curve stands above its line.
    fn up(count: f64, most: f64) -> f64 {
        if most > 0.0 { CURVE_HEIGHT * count / most } else { 0.0 }
    }

    fn hero(&self, hero: HeroId) -> String {
        self.view
            .rows
            .get(hero)
            .map_or_else(|| format!("Hero {}", hero.to_string().chars().take(8).collect::<String>()), |row| row.name.to_string())
    }
}

fn lane_y(lane: usize) -> f64 {
    LANE_Y + LANE_HEIGHT * lane as f64
}

/// What of the picture changes, rendered.
pub(crate) struct Pieces<'a> {
    pub(crate) summary: &'a str,
    pub(crate) spans: &'a str,
    pub(crate) differences: &'a str,
    pub(crate) forecast: &'a str,
    pub(crate) seconds: &'a str,
    pub(crate) rows: &'a str,
}

/// The picture with these pieces in their places: a section `timeline`.
pub(crate) fn skeleton(view: &View, pieces: &Pieces) -> String {
    let stage = Stage::of(view);
    let nodes: Vec<NodeName> = view.cities.iter().map(|city| city.name).chain([view.dispatch.name]).collect();
    let lane = |node: &NodeName| Lane {
        key: node.to_string(),
        name: title(*node),
        y: stage.y(*node),
        shape: shape(*node, 8.0, stage.y(*node), 5.0),
    };
    let ticks = (0..=PAST_S + FUTURE_S).step_by(5).filter(|second| *second != PAST_S).map(|second| {
        let words = if second < PAST_S { format!("−{} s", PAST_S - second) } else { format!("+{} s", second - PAST_S) };
        (second as f64 * SECOND_WIDTH, words)
    });
    html(
        Skeleton {
            width: WIDTH,
            height: stage.curve_y() + 28.0,
            now_x: NOW_X,
            second_width: SECOND_WIDTH,
            lanes: nodes.iter().map(lane).collect(),
            first_lane_y: lane_y(0),
            more_y: stage.more_y(),
            curve_y: stage.curve_y(),
            axis_y: stage.curve_y() + 18.0,
            // What would hang over the edge is left out.
            ticks: ticks.filter(|(x, _)| *x > 0.0 && *x < WIDTH).collect(),
            moving: moving_transform(view),
            pieces,
        }
        .render(),
    )
}

/// The transform of `timeline-moving` that puts now where it belongs.
pub(crate) fn moving_transform(view: &View) -> String {
    let x = NOW_X - Stage::of(view).x(view.at.mono);
    format!("translate({x:.2},0)")
}

/// What the picture amounts to: a paragraph `timeline-summary`.
pub(crate) fn summary(view: &View) -> String {
    let stage = Stage::of(view);
    let pulls = || stage.seconds().flat_map(|second| &second.pulls);
    let failed = pulls().filter(|pull| matches!(pull.outcome, PullOutcome::Unanswered | PullOutcome::Refused)).count();
    let brought = pulls().filter(|pull| brings(pull).is_some()).count();
    let writes: usize = stage.seconds().map(|second| second.writes.len() + second.more_writes).sum();
    let mut text = format!("Last {PAST_S} s: {}, {} with news", counted(pulls().count(), "pull", "pulls"), grouped(brought as u64));
    if failed > 0 {
        let _ = write!(text, ", {} in vain", grouped(failed as u64));
    }
    let _ = write!(text, "; {}.", counted(writes, "write", "writes"));
    match view.history.differences() {
        0 => text.push_str(" No hero differs now."),
        1 => text.push_str(" One hero differs now."),
        many => {
            let _ = write!(text, " {} heroes differ now.", grouped(many as u64));
        }
    }
    format!("<p class=\"sub\" id=\"timeline-summary\">{text}</p>")
}

/// The seconds that were drawn last. One in which nothing has been added since is not drawn again.
#[derive(Debug, Default)]
pub(crate) struct SecondCache {
    /// In which hour they stand.
    hour: u64,
    seconds: BTreeMap<u64, (Arc<Second>, Arc<str>)>,
}

/// Each second that the picture shows: the id of its group, and the group.
pub(crate) fn seconds(view: &View, cache: &mut SecondCache) -> Vec<(Arc<str>, Arc<str>)> {
    let stage = Stage::of(view);
    let hour = view.at.mono.as_secs() / HOUR_S;
    let mut before = std::mem::take(&mut cache.seconds);
    if std::mem::replace(&mut cache.hour, hour) != hour {
        before.clear();
    }
    let mut items = Vec::new();
    for second in stage.seconds() {
        let known = before.remove(&second.number).filter(|(same, _)| Arc::ptr_eq(same, second));
        let (second, html) = known.unwrap_or_else(|| (Arc::clone(second), html(stage.second(second).render()).into()));
        items.push((format!("second-{}", second.number).into(), Arc::clone(&html)));
        cache.seconds.insert(second.number, (second, html));
    }
    items
}

impl Stage<'_> {
    fn second(&self, second: &Second) -> SecondPicture {
        let x = self.second_x(second.number);
        let mut strokes = Vec::new();
        self.pulls(second, x, &mut strokes);
        self.writes(second, x, &mut strokes);
        SecondPicture { number: second.number, x, strokes, words: self.words(second, x) }
    }

    fn pulls(&self, second: &Second, x: f64, strokes: &mut Vec<Stroke>) {
        let across = |at: Duration| self.x(at) - x;
        let mut same = String::new();
        let mut sames = 0;
        let mut news: Vec<(&Pull, String)> = Vec::new();
        let mut vain: Vec<(&Pull, String)> = Vec::new();
        for pull in &second.pulls {
            let (from, to) = ((across(pull.asked), self.y(pull.source)), (across(pull.ended), self.y(pull.puller)));
            match (&pull.outcome, brings(pull)) {
                (PullOutcome::Unanswered | PullOutcome::Refused, _) => {
                    vain.push((pull, stub((across(pull.asked), to.1), from.1, pull.outcome == PullOutcome::Refused)));
                }
                (PullOutcome::Same | PullOutcome::Merged { .. }, Some(_)) => news.push((pull, arrow(from, to))),
                (PullOutcome::Same | PullOutcome::Merged { .. }, None) => {
                    let _ = write!(same, "M{}{}", Xy(from.0, from.1), line((to.0 - from.0, to.1 - from.1)));
                    sames += 1;
                }
            }
        }
        if sames > 0 {
            strokes.push(Stroke { class: "same".into(), d: same, title: format!("{} brought nothing", counted(sames, "pull", "pulls")) });
        }
        let brought = |pull: &Pull| (format!("brought {}", pull.source), format!("More news from {}", title(pull.source)));
        bundle(news, brought, told, strokes);
        let failed = |pull: &Pull| {
            let refused = pull.outcome == PullOutcome::Refused;
            let what = if refused { "More rounds were refused" } else { "More questions got no answer" };
            (if refused { "vain refused" } else { "vain" }.to_owned(), what.to_owned())
        };
        bundle(vain, failed, told, strokes);
    }

    fn writes(&self, second: &Second, x: f64, strokes: &mut Vec<Stroke>) {
        let drawn = second.writes.iter().map(|write| {
            let (at, y) = (self.x(write.at) - x, self.y(write.node));
            let mut d = shape(write.node, at, y, 6.0);
            if write.entry.is_tombstone() {
                let _ = write!(d, "M{}l5 5m0-5l-5 5", Xy(at - 2.5, y - if write.node.as_str() == "gotham" { 1.5 } else { 2.5 }));
            }
            (write, d)
        });
        let class = |write: &Write| {
            let kind = if write.entry.is_tombstone() { "grave" } else { "write" };
            (format!("{kind} {}", write.node), format!("More writes at {}", title(write.node)))
        };
        bundle(drawn.collect(), class, |write| format!("{} at {}", self.written(write), title(write.node)), strokes);
    }

    /// A write in words.
    fn written(&self, write: &Write) -> String {
        let name = self.hero(write.hero);
        match write.entry.hero() {
            None => format!("{name}: terminated"),
            Some(hero) => {
                let created = if write.entry.born == write.entry.stamp { "created, " } else { "" };
                let patrols = if hero.is_patrolling { ", patrolling" } else { "" };
                let mut place = hero.location.to_string();
                if let Some(first) = place.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                format!("{name}: {created}{place}, health {}{patrols}", hero.health)
            }
        }
    }

    fn words(&self, second: &Second, x: f64) -> Vec<Words> {
        // By lane: where, what, and whether something is lost.
        let mut marks: BTreeMap<usize, (f64, Vec<&str>, bool)> = BTreeMap::new();
        for mark in &second.marks {
            if let Some((word, is_bad)) = word(mark.kind) {
                let (_, words, bad) = marks.entry(self.lane(mark.node)).or_insert((self.x(mark.at) - x, Vec::new(), false));
                if !words.contains(&word) {
                    words.push(word);
                }
                *bad |= is_bad;
            }
        }
        let words = |(lane, (x, words, is_bad)): (usize, (f64, Vec<&str>, bool))| Words {
            class: if is_bad { "mark bad" } else { "mark" },
            x: x - 4.0,
            // Those of one second stand above the lane, those of the next one below.
            y: lane_y(lane) + if second.number.is_multiple_of(2) { -7.0 } else { 15.0 },
            text: words.join(", "),
            title: String::new(),
        };
        let mut words: Vec<Words> = marks.into_iter().map(words).collect();
        if second.more_writes > 0 {
            words.push(Words {
                class: "more",
                x: SECOND_WIDTH / 2.0,
                // Those of two seconds in a row do not fit beside each other.
                y: self.more_y() + if second.number.is_multiple_of(2) { 0.0 } else { 12.0 },
                text: format!("+{}", shortened(second.more_writes)),
                title: format!("{} more in this second", counted(second.more_writes, "write", "writes")),
            });
        }
        words
    }
}

/// A number in at most four characters and a bit.
fn shortened(number: usize) -> String {
    if number < 10_000 { number.to_string() } else { format!("{}k", number / 1_000) }
}

/// How many entries the pull brought, if any.
fn brings(pull: &Pull) -> Option<(usize, usize)> {
    match pull.outcome {
        PullOutcome::Merged { entries, bytes, .. } if entries > 0 => Some((entries, bytes)),
        PullOutcome::Merged { .. } | PullOutcome::Same | PullOutcome::Unanswered | PullOutcome::Refused => None,
    }
}

/// A pull in a sentence.
fn told(pull: &Pull) -> String {
    let (puller, source) = (title(pull.puller), title(pull.source));
    match (&pull.outcome, brings(pull)) {
        (_, Some((entries, bytes))) => {
            let entries = counted(entries, "entry", "entries");
            format!("{puller} pulled {entries} (about {} bytes) from {source} in {}", grouped(bytes as u64), took(pull))
        }
        (PullOutcome::Unanswered, None) => format!("{puller} asked {source} and got no answer"),
        (PullOutcome::Refused, None) => format!("{puller} refused what {source} sent"),
        (PullOutcome::Same | PullOutcome::Merged { .. }, None) => format!("{puller} asked {source}, which had no news"),
    }
}

fn took(pull: &Pull) -> String {
    format!("{} ms", grouped(pull.ended.saturating_sub(pull.asked).as_millis().try_into().unwrap_or(u64::MAX)))
}

/// Draws the first few each by itself, with what it means, and the rest as one path a class.
fn bundle<T>(drawn: Vec<(&T, String)>, class: impl Fn(&T) -> (String, String), told: impl Fn(&T) -> String, strokes: &mut Vec<Stroke>) {
    let mut rest: BTreeMap<(String, String), (usize, String)> = BTreeMap::new();
    for (index, (what, d)) in drawn.into_iter().enumerate() {
        let (class, more) = class(what);
        if index < TOLD_MAX {
            strokes.push(Stroke { class, d, title: told(what) });
        } else {
            let (count, path) = rest.entry((class, more)).or_default();
            *count += 1;
            // What happened at the same moment is seen once.
            if !path.ends_with(&d) {
                path.push_str(&d);
            }
        }
    }
    strokes.extend(rest.into_iter().map(|((class, more), (count, d))| Stroke { class, d, title: format!("{more}: {count}") }));
}

/// From where the pen is, as a path.
fn line((dx, dy): (f64, f64)) -> String {
    if Px(dx).to_string() == "0" { format!("v{}", Px(dy)) } else { format!("l{}", Xy(dx, dy)) }
}

/// The way of news from one lane to another, with a head.
fn arrow(from: (f64, f64), to: (f64, f64)) -> String {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(0.1);
    let (ux, uy) = (dx / length, dy / length);
    let wing = |side: f64| (-5.5 * ux + side * 3.0 * uy, -5.5 * uy - side * 3.0 * ux);
    let (left, right) = (wing(1.0), wing(-1.0));
    let shaft = line((dx, dy));
    let across = (right.0 - left.0, right.1 - left.1);
    format!("M{}{shaft}l{}m{}L{}", Xy(from.0, from.1), Xy(left.0, left.1), Xy(across.0, across.1), Xy(to.0, to.1))
}

/// A question that came to nothing: from the lane of who asked, a bit of the way to who was asked.
fn stub(from: (f64, f64), towards_y: f64, is_refused: bool) -> String {
    let down = if towards_y > from.1 { 1.0 } else { -1.0 };
    let mut d = format!("M{}l{}", Xy(from.0, from.1), Xy(3.0, 15.0 * down));
    if is_refused {
        let _ = write!(d, "M{}l6 6m0-6l-6 6", Xy(from.0, from.1 + 15.0 * down - 3.0));
    }
    d
}

/// What is written at a lane when such a thing happened there, and whether something is lost by it. What else is drawn has no word.
fn word(kind: EventKind) -> Option<(&'static str, bool)> {
    match kind {
        EventKind::Destroyed => Some(("bombed", true)),
        EventKind::Lost => Some(("fell silent", true)),
        EventKind::Killed => Some(("killed", true)),
        EventKind::Stopped => Some(("told to stop", false)),
        EventKind::Answers => Some(("answers", false)),
        EventKind::Rebuilt => Some(("started", false)),
        EventKind::Forgotten => Some(("forgotten", false)),
        EventKind::Paused => Some(("gossip paused", false)),
        EventKind::Resumed => Some(("gossip goes on", false)),
        EventKind::Agreed => Some(("all agree", false)),
        EventKind::Alarm => Some(("alarm", false)),
        EventKind::Created
        | EventKind::Assigned
        | EventKind::Terminated
        | EventKind::Injected
        | EventKind::Healed
        | EventKind::Stepped
        | EventKind::Played => None,
    }
}

/// The troubles that were or are in force: a group `timeline-spans`.
pub(crate) fn spans(view: &View) -> String {
    let stage = Stage::of(view);
    let first = Duration::from_secs(stage.first());
    let shown: Vec<&Span> = view.history.spans().filter(|span| span.ended.is_none_or(|ended| ended >= first)).collect();
    let shown = shown.iter().rev().take(BANDS_MAX).rev();
    // Where the words of each line end so far.
    let mut ends = [f64::NEG_INFINITY; WORDS_LINES];
    let bands = shown.map(|span| stage.band(span, &mut ends)).collect();
    html(Bands { bands }.render())
}

impl Stage<'_> {
    fn band(&self, span: &Span, ends: &mut [f64]) -> Band {
        let (beyond_left, inside, beyond_right) = self.edges();
        let is_older = span.began.as_secs() < self.first();
        let x = self.x(span.began).max(beyond_left);
        let words_x = if is_older { inside } else { x };
        let until = span.ended.map_or(beyond_right, |ended| self.x(ended));
        let fault = &span.fault;
        let mut lanes = vec![self.y(fault.from)];
        if let Some(to) = fault.to.filter(|_| fault.trouble.is_between_nodes()) {
            lanes.push(self.y(to));
        }
        let text = brief(span);
        let width = 6.6 * text.chars().count() as f64 + 16.0;
        let free = ends.iter().position(|end| *end <= words_x);
        let words = free.map(|line| {
            ends[line] = words_x + width;
            (words_x + 4.0, WORDS_Y + WORDS_HEIGHT * line as f64, text)
        });
        let top = words.as_ref().map_or(lanes[0], |(_, y, _)| y - 9.0);
        let bottom = lanes.iter().copied().fold(0.0, f64::max) + 11.0;
        Band {
            class: if fault.trouble == Trouble::Cut { "bad" } else { "odd" },
            title: describe(fault),
            x,
            width: (until - x).max(1.0),
            lanes: lanes.iter().map(|y| y - 11.0).collect(),
            post: if is_older { String::new() } else { format!("M{}V{}", Xy(x, top), Px(bottom)) },
            words,
        }
    }
}

/// A trouble in as few words as make sense beside its lanes.
fn brief(span: &Span) -> String {
    let fault = &span.fault;
    let from = title(fault.from);
    let ends = match (fault.to.map(title), fault.both) {
        (None, true) => from.clone(),
        (None, false) => format!("from {from}"),
        (Some(to), true) => format!("{from} – {to}"),
        (Some(to), false) => format!("{from} to {to}"),
    };
    match fault.trouble {
        Trouble::Cut if fault.to.is_none() && fault.both => format!("{from} cut off"),
        Trouble::Cut => format!("{ends} cut"),
        Trouble::Delay { by, .. } => format!("{ends} slow, {} ms", by.as_millis()),
        Trouble::Loss(chance) => format!("{ends} loses {} %", chance.percent()),
        Trouble::Duplicate(chance) => format!("{ends} repeats {} %", chance.percent()),
        Trouble::Reorder(chance) => format!("{ends} overtakes {} %", chance.percent()),
        Trouble::Throttle(_) => format!("{ends} throttled"),
        Trouble::Freeze => format!("{from} frozen"),
        Trouble::Skew(ms) => format!("{from} clock {} {}", seconds_of(ms.unsigned_abs()), if ms > 0 { "ahead" } else { "behind" }),
    }
}

fn seconds_of(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms / 100 % 10)
}

/// How many heroes differed: a group `timeline-differences` within the moving one. It is drawn to the scale that `predicted` needs too.
pub(crate) fn differences(view: &View, predicted: Option<&Predicted>) -> String {
    let stage = Stage::of(view);
    let most = stage.most(predicted);
    let y = |count: usize| stage.curve_y() - Stage::up(count as f64, most);
    let (start, _, end) = stage.edges();
    let now = view.history.differences();
    let before = stage.seconds().next().map_or(now, |second| second.differences_before);
    let mut path = format!("M{}", Xy(start, y(before)));
    let mut steps: Vec<(Duration, usize)> = Vec::new();
    for (at, count) in stage.seconds().flat_map(|second| &second.differences) {
        match steps.last_mut() {
            Some((last, standing)) if at.saturating_sub(*last) < STEP => *standing = *count,
            Some(_) | None => steps.push((*at, *count)),
        }
    }
    for (at, count) in steps {
        let _ = write!(path, "H{}V{}", Px(stage.x(at)), Px(y(count)));
    }
    let _ = write!(path, "H{}", Px(end));
    let (start, base) = (Px(start), Px(stage.curve_y()));
    format!(r#"<g id="timeline-differences"><path class="area" d="{path}V{base}H{start}z"/><path class="curve" d="{path}"/></g>"#)
}

/// What is predicted, and the scale: a group `timeline-forecast` beside the moving one.
pub(crate) fn forecast(view: &View, predicted: Option<&Predicted>) -> String {
    let stage = Stage::of(view);
    let most = stage.most(predicted);
    let at = |after_s: f64, count: f64| Xy(NOW_X + after_s * SECOND_WIDTH, stage.curve_y() - Stage::up(count, most)).to_string();
    let points: Vec<PredictedPoint> = predicted
        .into_iter()
        .flat_map(|predicted| predicted.points.iter().copied())
        .filter(|point| (0.0..=FUTURE_S as f64).contains(&point.after_s))
        .collect();
    let lines = predicted.map(|predicted| wrapped(&predicted.sentence)).unwrap_or_default();
    let top = stage.curve_y() - CURVE_HEIGHT;
    let first = top - 10.0 - WORDS_HEIGHT * (lines.len() as f64 - 1.0);
    let high = points.iter().map(|point| at(point.after_s, point.high));
    let low = points.iter().rev().map(|point| at(point.after_s, point.low));
    let path = |points: Vec<String>| if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) };
    let outlook = Outlook {
        band: path(high.chain(low).collect()),
        mean: path(points.iter().map(|point| at(point.after_s, point.mean)).collect()),
        lines: lines.into_iter().enumerate().map(|(line, text)| (NOW_X + 10.0, first + WORDS_HEIGHT * line as f64, text)).collect(),
        top,
        width: WIDTH,
        scale: if most > 0.0 { grouped(most.ceil() as u64) } else { String::new() },
    };
    html(outlook.render())
}

/// A sentence in lines that fit right of now.
fn wrapped(sentence: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The last pulls and writes as lines of a table, newest first: the id of each, and its `tr`.
pub(crate) fn table_rows(view: &View) -> Vec<(Arc<str>, Arc<str>)> {
    let stage = Stage::of(view);
    let mut rows: Vec<(Duration, String, String)> = Vec::new();
    for second in view.history.seconds().rev() {
        rows.extend(second.pulls.iter().map(|pull| stage.pull_row(pull)));
        rows.extend(second.writes.iter().map(|write| stage.write_row(write)));
        if rows.len() >= ROWS_MAX {
            break;
        }
    }
    rows.sort_by(|a, b| b.cmp(a));
    rows.truncate(ROWS_MAX);
    rows.into_iter().map(|(_, key, html)| (key.into(), html.into())).collect()
}

impl Stage<'_> {
    /// When this was, by dispatch's wall clock.
    fn wall(&self, at: Duration) -> String {
        let ago = self.view.at.mono.saturating_sub(at);
        time_of_day(UnixMillis(self.view.at.wall.0.saturating_sub(ago.as_millis().try_into().unwrap_or(u64::MAX))))
    }

    fn pull_row(&self, pull: &Pull) -> (Duration, String, String) {
        let key = format!("pull-{}-{}-{}", pull.puller, pull.source, pull.asked.as_micros());
        let outcome = match (&pull.outcome, brings(pull)) {
            (_, Some(_)) => "news",
            (PullOutcome::Unanswered, None) => "no answer",
            (PullOutcome::Refused, None) => "refused",
            (PullOutcome::Same | PullOutcome::Merged { .. }, None) => "nothing new",
        };
        let (entries, bytes) = brings(pull).map(|(entries, bytes)| (grouped(entries as u64), grouped(bytes as u64))).unwrap_or_default();
        let row = TableRow {
            key: &key,
            at: self.wall(pull.ended),
            what: format!("pull, {}", took(pull)),
            from: title(pull.source),
            to: title(pull.puller),
            entries,
            bytes,
            outcome: outcome.to_owned(),
        };
        let html = html(row.render());
        (pull.ended, key, html)
    }

    fn write_row(&self, write: &Write) -> (Duration, String, String) {
        let stamp = write.entry.stamp;
        let key = format!("write-{}-{}-{}-{}", write.node, write.hero, stamp.hlc.wall.0, stamp.hlc.logical);
        let row = TableRow {
            key: &key,
            at: self.wall(write.at),
            what: "write".to_owned(),
            from: String::new(),
            to: title(write.node),
            entries: String::new(),
            bytes: String::new(),
            outcome: self.written(write),
        };
        let html = html(row.render());
        (write.at, key, html)
    }
}

#[cfg(test)]
mod tests;
