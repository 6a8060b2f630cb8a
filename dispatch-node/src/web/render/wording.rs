//! Wording shared by several panels: times, writes, clocks, and lists of names.

use std::fmt;
use std::time::Duration;

use gossip::{NodeName, UnixMillis};
use shared::Entry;
use shared::hero::Location;

use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::text::title;
use crate::web::render::phrase::{Phrase, Tone};

/// The least clock error that is reported, in milliseconds. The estimate of a smaller one varies
/// with latency.
pub(crate) const CLOCK_ERROR_MIN_MS: u64 = 500;

/// Describes the clock error of a city that is up, if it reaches [`CLOCK_ERROR_MIN_MS`].
pub(crate) fn clock(city: &NodeState) -> Option<String> {
    let ahead_ms = city.clock_ahead_ms.filter(|ahead_ms| {
        city.status == NodeStatus::Up && ahead_ms.unsigned_abs() >= CLOCK_ERROR_MIN_MS
    })?;
    let tenths = ahead_ms.unsigned_abs().div_ceil(100);
    Some(format!(
        "clock {}.{} s {}",
        tenths / 10,
        tenths % 10,
        if ahead_ms > 0 { "ahead" } else { "behind" }
    ))
}

/// Describes the stamps of a city that is up, if they are ahead of its clock beyond the accepted
/// drift.
pub(crate) fn early_stamps(city: &NodeState, drift_max_ms: u64) -> Option<String> {
    let ahead_ms = city.stamps_ahead_ms;
    (city.status == NodeStatus::Up && ahead_ms > drift_max_ms + CLOCK_ERROR_MIN_MS)
        .then(|| format!("stamps {} s ahead of its clock", ahead_ms.div_ceil(1_000)))
}

/// The age up to which an observation counts as current.
const PRESENT: Duration = Duration::from_millis(1_500);

/// Describes the age of the last observation of a city.
pub(crate) fn age(city: &NodeState) -> String {
    match city.age {
        None => "never read".into(),
        Some(age) if age < PRESENT => "as of now".into(),
        Some(age) => format!("as of {} s ago", age.as_secs()),
    }
}

/// Capitalises the first letter.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// Hours, minutes and seconds, UTC.
pub(crate) fn time_of_day(at: UnixMillis) -> String {
    let seconds = at.0 / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Returns a time for the name of a file, UTC: `2026-11-30-124107`.
pub(crate) fn file_time(at: UnixMillis) -> String {
    format!("{}-{}", date(at), time_of_day(at)).replace(':', "")
}

/// A time of day to the millisecond.
pub(crate) fn moment(at: UnixMillis) -> String {
    format!("{}.{:03}", time_of_day(at), at.0 % 1_000)
}

/// A time of the page, in UTC: its text for people, and the exact time for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time {
    exact: String,
    text: String,
}

impl Time {
    /// Returns a time in seconds, with its date unless that is the date of `now`.
    pub(crate) fn in_seconds(at: UnixMillis, now: UnixMillis) -> Self {
        Self::of(at, now, time_of_day(at))
    }

    /// Returns a time in milliseconds, with its date unless that is the date of `now`.
    pub(crate) fn in_millis(at: UnixMillis, now: UnixMillis) -> Self {
        Self::of(at, now, moment(at))
    }

    fn of(at: UnixMillis, now: UnixMillis, time_of_day: String) -> Self {
        let exact = format!("{}T{}Z", date(at), moment(at));
        let text =
            if date(at) == date(now) { time_of_day } else { format!("{} {time_of_day}", date(at)) };
        Self { exact, text }
    }

    /// Returns the element. Both texts are digits and punctuation, so nothing is to be escaped.
    pub(crate) fn html(&self) -> String {
        format!("<time datetime=\"{}\">{}</time>", self.exact, self.text)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Year, month and day, UTC. A time that no calendar contains has none.
fn date(at: UnixMillis) -> String {
    let seconds = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX);
    time::OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| "9999-12-31".to_owned(),
        |at| format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day()),
    )
}

/// The wall clock of dispatch when its monotonic clock read `at`.
pub(crate) fn wall(view: &View, at: Duration) -> UnixMillis {
    let ago = u64::try_from(view.at.mono.saturating_sub(at).as_millis()).unwrap_or(u64::MAX);
    UnixMillis(view.at.wall.0.saturating_sub(ago))
}

/// Formats milliseconds as seconds with one decimal: `1.9 s`.
pub(crate) fn tenths(millis: u64) -> String {
    let tenths = millis.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// Describes the value of an entry: `Gotham 84 patrolling`, `terminated`.
pub(crate) fn value(entry: &Entry) -> String {
    let Some(hero) = entry.live() else { return "terminated".to_owned() };
    let place = match hero.location {
        Location::Home => "Home".to_owned(),
        Location::City(name) => title(name),
    };
    format!("{place} {} {}", hero.health, if hero.is_patrolling { "patrolling" } else { "idle" })
}

/// Joins names: `Ada, Bela and Cleo`.
pub(crate) fn listed(names: &[String], conjunction: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {conjunction} {last}", most.join(", ")),
    }
}

/// Joins the names of nodes: `Gotham or Capitol`.
pub(crate) fn nodes(nodes: &[NodeName], conjunction: &str) -> String {
    listed(&nodes.iter().map(|node| title(*node)).collect::<Vec<_>>(), conjunction)
}

/// A plain piece of a sentence.
pub(crate) fn plain(text: impl Into<String>) -> Phrase {
    Phrase { text: text.into(), tone: Tone::Plain }
}

/// The name of a node as a piece of a sentence, in its hue where it is a city.
pub(crate) fn node(view: &View, name: NodeName) -> Phrase {
    let tone = if view.city(name).is_some() { Tone::City(name.to_string()) } else { Tone::Plain };
    Phrase { text: title(name), tone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_day_is_formatted_to_the_millisecond() {
        assert_eq!(moment(UnixMillis(1_795_217_670_917)), "23:34:30.917");
        assert_eq!(
            (moment(UnixMillis(5)), time_of_day(UnixMillis(5_000))),
            ("00:00:00.005".into(), "00:00:05".into())
        );
    }

    #[test]
    fn time_of_another_day_has_its_date() {
        let now = UnixMillis(1_795_217_670_917);
        assert_eq!(
            Time::in_seconds(now, now).html(),
            "<time datetime=\"2026-11-20T23:34:30.917Z\">23:34:30</time>"
        );
        let next_day = UnixMillis(now.0 + 3_600_000);
        assert_eq!(Time::in_millis(now, next_day).to_string(), "2026-11-20 23:34:30.917");
        assert_eq!(Time::in_seconds(UnixMillis(0), now).to_string(), "1970-01-01 00:00:00");
        assert!(Time::in_seconds(UnixMillis(u64::MAX), now).to_string().starts_with("9999"));
    }

    #[test]
    fn names_are_joined_with_commas_and_a_conjunction() {
        let names =
            |count: usize| listed(&["Ada", "Bela", "Cleo"].map(str::to_owned)[..count], "and");
        assert_eq!(
            [names(0), names(1), names(2), names(3)],
            ["", "Ada", "Ada and Bela", "Ada, Bela and Cleo"]
        );
    }

    #[test]
    fn milliseconds_are_rounded_to_tenths_of_a_second() {
        assert_eq!(
            [0, 49, 50, 1_949, 1_950, 12_000].map(tenths),
            ["0.0 s", "0.0 s", "0.1 s", "1.9 s", "2.0 s", "12.0 s"]
        );
    }
}
