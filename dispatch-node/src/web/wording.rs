//! How single things are said where a person reads them: a time of day, what a write says, several names in a row.

use shared::crdt::Entry;
use shared::hero::Location;
use shared::time::UnixMillis;

use crate::verdict::title;

/// Hours, minutes, seconds and milliseconds, UTC.
pub(crate) fn time_of_day(at: UnixMillis) -> String {
    let seconds = at.0 / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60, at.0 % 1_000)
}

/// What a write says: `Gotham 84 patrolling`, `terminated`.
pub(crate) fn says(entry: &Entry) -> String {
    let Some(hero) = entry.hero() else { return "terminated".to_owned() };
    let place = match hero.location {
        Location::Home => "Home".to_owned(),
        Location::City(name) => title(name),
    };
    format!("{place} {} {}", hero.health, if hero.is_patrolling { "patrolling" } else { "idle" })
}

/// Names in a row: `Ada, Bela and Cleo`.
pub(crate) fn listed(names: &[String], conjunction: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {conjunction} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_that_of_the_clock_to_the_millisecond() {
        assert_eq!(time_of_day(UnixMillis(1_795_217_670_917)), "23:34:30.917");
        assert_eq!(time_of_day(UnixMillis(5)), "00:00:00.005");
    }

    #[test]
    fn names_in_a_row_read_as_one_says_them() {
        let names = |count: usize| listed(&["Ada", "Bela", "Cleo"].map(str::to_owned)[..count], "and");
        assert_eq!([names(0), names(1), names(2), names(3)], ["", "Ada", "Ada and Bela", "Ada, Bela and Cleo"]);
    }
}
