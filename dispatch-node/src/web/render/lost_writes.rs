//! The panel of the lost writes.

use std::sync::Arc;

use askama::Template;

use shared::Entry;

use crate::model::lost_writes::Lost;
use crate::model::tables::TypeTable;
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::render::counterfactual::Minute;
use crate::web::render::phrase::CityKey;
use crate::web::render::tables;
use crate::web::render::wording::{Time, value};

/// The most lost writes that the page shows.
const SHOWN_MAX: usize = 50;

/// The name of the hero or of the row, or the key if the name is no longer known.
pub(crate) fn name(view: &View, lost: &Lost) -> String {
    if TypeTable::of(lost.key).is_some() {
        let name = tables::name(view, lost.key, [Some(&lost.entry), lost.to.as_ref()]);
        return name.unwrap_or_else(|| lost.key.to_string());
    }
    let written =
        [Some(&lost.entry), lost.to.as_ref()].into_iter().flatten().find_map(|entry| entry.live());
    let name =
        written.map(|hero| &hero.name).or_else(|| view.rows.get(lost.key).map(|row| &row.name));
    name.map_or_else(|| lost.key.to_string(), |name| name.to_string())
}

/// The lost writes.
#[derive(Debug, Template)]
#[template(path = "lost.html", whitespace = "minimize")]
pub(crate) struct LostWritesPanel {
    /// The total number.
    count: String,
    /// The newest of them, newest first.
    lines: Vec<LostWriteLine>,
    /// `and 12 earlier ones`. May be empty.
    more: String,
    /// The commands of the last minute under other rules; without any, nothing is shown.
    minute: Minute,
}

/// One lost write.
#[derive(Debug)]
struct LostWriteLine {
    /// The time at which it was acknowledged, by dispatch's clock.
    saved: Time,
    hero: String,
    /// The address of the explanation, of a write to a hero.
    explained_at: Option<String>,
    value: String,
    key: CityKey,
    writer: String,
    /// The entry that replaced it, and the writer of that entry, if there is one.
    to: String,
    to_writer: Option<(CityKey, String)>,
    why: String,
}

impl LostWritesPanel {
    /// Returns the panel for the newest lost writes of this view.
    pub(crate) fn of(view: &View) -> Self {
        let line = |lost: &Arc<Lost>| {
            let said = |entry: &Entry| match TypeTable::of(lost.key) {
                Some(table) => tables::written(table, entry),
                None => value(entry),
            };
            let writer = lost.entry.stamp.origin.node;
            let to = lost.beaten_by();
            LostWriteLine {
                saved: Time::in_millis(lost.saved, view.at.wall),
                hero: name(view, lost),
                explained_at: (lost.key.table().is_none()).then(|| format!("/?hero={}", lost.key)),
                value: said(&lost.entry),
                key: writer.to_string(),
                writer: title(writer),
                to: match (to, &lost.to) {
                    (Some(to), _) => said(to),
                    (None, Some(older)) => format!("{} (older)", said(older)),
                    (None, None) => "nothing".to_owned(),
                },
                to_writer: to
                    .map(|to| (to.stamp.origin.node.to_string(), title(to.stamp.origin.node))),
                why: lost.why(),
            }
        };
        let lines: Vec<LostWriteLine> = view.lost.iter().rev().take(SHOWN_MAX).map(line).collect();
        // The count includes the lost writes that are no longer kept.
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
            // Without a loss there is nothing to compare.
            minute: if lines.is_empty() { Minute::default() } else { Minute::of(view) },
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
            [line.hero, line.value, line.writer, line.to, by, line.why]
        };
        LostWritesPanel::of(&fixture.view).lines.into_iter().map(row).collect()
    }

    #[test]
    fn write_is_lost_to_an_unaware_writer_or_with_its_only_holder() {
        let ours = live(stamp("gotham", 9_000), 84, None);
        let theirs = live(stamp("capitol", 8_000), 72, None);
        let deletion = dead(stamp("dispatch", 20_000), None);
        let fixture = Fixture::new()
            .lost(1, &ours, Some(&theirs))
            .lost(1, &theirs, Some(&ours))
            .lost(1, &ours, Some(&deletion))
            .lost(1, &ours, None);
        let expected = [
            [
                "Silver Kestrel",
                "Gotham 84 patrolling",
                "Gotham",
                "nothing",
                "",
                "lost with its only holder",
            ],
            [
                "Silver Kestrel",
                "Gotham 84 patrolling",
                "Gotham",
                "terminated",
                "Dispatch",
                "Dispatch had not seen it",
            ],
            [
                "Silver Kestrel",
                "Capitol 72 patrolling",
                "Capitol",
                "Gotham 84 patrolling (older)",
                "",
                "lost with its only holder",
            ],
            [
                "Silver Kestrel",
                "Gotham 84 patrolling",
                "Gotham",
                "Capitol 72 patrolling",
                "Capitol",
                "Capitol had not seen it",
            ],
        ];
        assert_eq!(rows(&fixture), expected);
    }

    #[test]
    fn lost_hero_is_named_by_its_last_name_or_its_id() {
        let deletion = dead(stamp("gotham", 9_000), None);
        let ours = live(stamp("gotham", 9_000), 84, None);
        let fixture = Fixture::new()
            .hold(3, "Granite", [None, None, None, Some(&ours)])
            .lost(1, &ours, None)
            .lost(2, &deletion, None)
            .lost(3, &deletion, None);
        let names: Vec<String> =
            fixture.view.lost.iter().map(|lost| name(&fixture.view, lost)).collect();
        assert_eq!(names, ["Silver Kestrel".to_owned(), id(2).to_string(), "Granite".to_owned()]);
    }

    #[test]
    fn page_lists_the_newest_fifty_and_counts_the_others() {
        let ours = live(stamp("gotham", 9_000), 84, None);
        let mut fixture = Fixture::new();
        assert!(html(&fixture).contains("No lost writes found"), "{}", html(&fixture));
        for hero in 0..60 {
            fixture = fixture.lost(hero, &ours, None);
        }
        let html = html(&fixture);
        assert!(
            html.contains("Lost writes (60)") && html.contains("and 10 earlier ones"),
            "{html}"
        );
        assert_eq!(html.matches("<tr").count(), 51);
        assert!(html.contains(r#"href="/api/v1/lost.csv""#), "{html}");
    }

    #[test]
    fn hostile_name_is_escaped() {
        let mut hostile = (*live(stamp("gotham", 9_000), 84, None)).clone();
        if let shared::Value::Live(hero) = &mut hostile.value {
            hero.name = "<script>alert(1)</script>".into();
        }
        let html = html(&Fixture::new().lost(1, &Arc::new(hostile), None));
        assert!(!html.contains("<script") && html.contains("alert(1)"), "{html}");
    }
}
