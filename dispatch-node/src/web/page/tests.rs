//! What the page says of what is known, and how it takes what it is asked.

use super::*;

#[test]
fn what_makes_no_sense_in_an_address_is_left_out() {
    let wish = Wish::parse("q=%20Kestrel%20&show=differing&page=3&junk=1&destroyed=gotham");
    assert_eq!(wish, Wish { query: "Kestrel".into(), show: Show::Differing, page: 2, destroyed: Some("gotham".into()) });
    for nonsense in ["page=-1", "page=0", "page=x", "show=everything", "%zz", "q=", ""] {
        assert_eq!(Wish::parse(nonsense), Wish::default(), "{nonsense}");
    }
    assert_eq!(Wish::parse(&format!("q={}", "x".repeat(500))).query.len(), QUERY_CHARS_MAX);
}

#[test]
fn an_address_says_what_is_not_usual_and_survives_being_parsed() {
    assert_eq!(Wish::default().href(), "/");
    let wish = Wish { query: "a&b=c é".into(), show: Show::OnlyCopy, page: 4, destroyed: None };
    let href = wish.href();
    assert_eq!(Wish::parse(href.strip_prefix("/?").unwrap()), wish);
}

#[test]
fn lives_are_counted_as_people_do() {
    assert_eq!(
        [1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(ordinal),
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th"]
    );
}

#[test]
fn the_time_of_day_is_that_of_the_clock() {
    assert_eq!(time_of_day(UnixMillis(1_795_217_670_917)), "23:34:30");
}
