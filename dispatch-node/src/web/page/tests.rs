//! What the page says of what is known, and how it takes what it is asked.

use super::*;

#[test]
fn the_time_of_day_is_that_of_the_clock() {
    assert_eq!(time_of_day(UnixMillis(1_795_217_670_917)), "23:34:30");
}
