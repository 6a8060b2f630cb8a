//! The panel of the writes lost for good.

use std::sync::Arc;

use askama::Template;

use shared::Entry;

use crate::model::lost_writes::Lost;
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{moment, says};

/// The most lost writes that the page shows.
const SHOWN_MAX: usize = 50;

/// The name of the hero, or its id where the name is no longer known.
pub(crate) fn name(view: &View, lost: &Lost) -> String {
    let written =
        [Some(&lost.entry), lost.to.as_ref()].into_iter().flatten().find_map(|entry| entry.live());
    let name =
        written.map(|hero| &hero.name).or_else(|| view.rows.get(lost.hero).map(|row| &row.name));
    name.map_or_else(|| lost.hero.to_string(), |name| name.to_string())
}

/// Returns the entry that beat the lost one; none where an older entry merely remains.
fn beaten_by(lost: &Lost) -> Option<&Entry> {
    lost.to.as_deref().filter(|to| to.beats(&lost.entry))
}

/// The reason why the write is lost.
pub(crate) fn why(lost: &Lost) -> String {
    match beaten_by(lost) {
        Some(to) => format!("{} had not heard of it", title(to.stamp.origin.node)),
        None => "went with its only holder".to_owned(),
    }
}

/// The writes lost for good.
#[derive(Debug, Template)]
#[template(path = "lost.html", whitespace = "minimize")]
pub(crate) struct LostWritesPanel {
    /// The total number.
    count: String,
    /// The newest of them, newest first.
    lines: Vec<LostWriteLine>,
    /// `and 12 earlier ones`. May be empty.
    more: String,
}

/// One lost write.
#[derive(Debug)]
struct LostWriteLine {
    /// The time when it was confirmed, by dispatch's clock.
    saved: String,
    hero: String,
    says: String,
    key: CityKey,
    writer: String,
    /// The entry that replaced it, and the writer of that one, if there is one.
    to: String,
    to_writer: Option<(CityKey, String)>,
    why: String,
}

impl LostWritesPanel {
    /// Returns the panel for the newest lost writes of this view.
    pub(crate) fn of(view: &View) -> Self {
        let line = |lost: &Arc<Lost>| {
            let writer = lost.entry.stamp.origin.node;
            let to = beaten_by(lost);
            LostWriteLine {
                saved: moment(lost.saved),
                hero: name(view, lost),
                says: says(&lost.entry),
                key: writer.to_string(),
                writer: title(writer),
                to: match (to, &lost.to) {
                    (Some(to), _) => says(to),
                    (None, Some(older)) => format!("{}, as before", says(older)),
                    (None, None) => "nothing".to_owned(),
                },
                to_writer: to
                    .map(|to| (to.stamp.origin.node.to_string(), title(to.stamp.origin.node))),
                why: why(lost),
            }
        };
        let lines: Vec<LostWriteLine> = view.lost.iter().rev().take(SHOWN_MAX).map(line).collect();
        let more = usize::try_from(view.status.lost_writes)
            .unwrap_or(usize::MAX)
            .saturating_sub(lines.len());
        Self {
            count: grouped(view.status.lost_writes),
            more: if more == 0 {
                String::new()
            } else {
                format!("and {}", counted(more, "earlier one", "earlier ones"))
            },
            lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, dead, id, live, stamp};

    fn html(fixture: &Fixture) -> String {
        LostWritesPanel::of(&fixture.view).render().expect("rendering into a string")
    }

    /// The text of the rows, without markup.
    fn rows(fixture: &Fixture) -> Vec<[String; 6]> {
        let row = |line: LostWriteLine| {
            let by = line.to_writer.map_or_else(String::new, |(_, writer)| writer);
            [line.hero, line.says, line.writer, line.to, by, line.why]
        };
        LostWritesPanel::of(&fixture.view).lines.into_iter().map(row).collect()
    }

    #[test]
    fn a_write_is_lost_to_one_who_had_not_heard_of_it_or_with_its_only_holder() {
        let ours = live(stamp("gotham", 9_000), 84, None);
        let theirs = live(stamp("capitol", 8_000), 72, None);
        let death = dead(stamp("dispatch", 20_000), None);
        let fixture = Fixture::new()
            .lost(1, &ours, Some(&theirs))
            .lost(1, &theirs, Some(&ours))
            .lost(1, &ours, Some(&death))
            .lost(1, &ours, None);
        let expected = [
            [
                "Silver Kestrel",
                "Gotham 84 patrolling",
                "Gotham",
                "nothing",
                "",
                "went with its only holder",
            ],
            [
                "Silver Kestrel",
                "Gotham 84 patrolling",
                "Gotham",
                "terminated",
                "Dispatch",
                "Dispatch had not heard of it",
            ],
            [
                "Silver Kestrel",
                "Capitol 72 patrolling",
                "Capitol",
                "Gotham 84 patrolling, as before",
                "",
                "went with its only holder",
            ],
            [
                "Silver Kestrel",
                "Gotham 84 patrolling",
                "Gotham",
                "Capitol 72 patrolling",
                "Capitol",
                "Capitol had not heard of it",
            ],
        ];
        assert_eq!(rows(&fixture), expected);
    }

    #[test]
    fn a_hero_of_whom_nobody_knows_any_more_is_called_by_name_or_by_id() {
        let death = dead(stamp("gotham", 9_000), None);
        let ours = live(stamp("gotham", 9_000), 84, None);
        let fixture = Fixture::new()
            .hold(3, "Granite", [None, None, None, Some(&ours)])
            .lost(1, &ours, None)
            .lost(2, &death, None)
            .lost(3, &death, None);
        let names: Vec<String> =
            fixture.view.lost.iter().map(|lost| name(&fixture.view, lost)).collect();
        assert_eq!(names, ["Silver Kestrel".to_owned(), id(2).to_string(), "Granite".to_owned()]);
    }

    #[test]
    fn the_page_shows_the_newest_fifty_and_says_how_many_more_there_are() {
        let ours = live(stamp("gotham", 9_000), 84, None);
        let mut fixture = Fixture::new();
        assert!(
            html(&fixture).contains("No write that was lost has been found"),
            "{}",
            html(&fixture)
        );
        for hero in 0..60 {
            fixture = fixture.lost(hero, &ours, None);
        }
        let html = html(&fixture);
        assert!(
            html.contains("Writes lost for good (60)") && html.contains("and 10 earlier ones"),
            "{html}"
        );
        assert_eq!(html.matches("<tr").count(), 51);
        assert!(html.contains(r#"href="/api/v1/lost.csv""#), "{html}");
    }

    #[test]
    fn a_name_is_text_on_the_page_whatever_it_says() {
        let mut hostile = (*live(stamp("gotham", 9_000), 84, None)).clone();
        if let shared::Value::Live(hero) = &mut hostile.value {
            hero.name = "<script>alert(1)</script>".into();
        }
        let html = html(&Fixture::new().lost(1, &Arc::new(hostile), None));
        assert!(!html.contains("<script") && html.contains("alert(1)"), "{html}");
    }
}
