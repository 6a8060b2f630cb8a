//! Rows for people on a terminal, and for programs elsewhere.
//!
//! Invariant: what is printed is one line a row, whatever the cells hold: a control character is
//! replaced, so that no name can move the cursor.

use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: &str = "  ";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// How tables look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Cells with tabs between them.
    Tabs,
    /// Columns under headings.
    Columns {
        /// Whether headings may be bold.
        colour: bool,
    },
}

/// The lines of a table.
pub(crate) fn table(look: Look, headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let rows = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
    match look {
        Look::Tabs => rows.map(|row| row.join("\t")).collect(),
        Look::Columns { colour } => {
            let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
            let all: Vec<Vec<String>> = std::iter::once(headings).chain(rows).collect();
            let columns = all.iter().map(Vec::len).max().unwrap_or_default();
            let width = |column: usize| {
                all.iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or_default()
            };
            let widths: Vec<usize> = (0..columns).map(width).collect();
            let mut lines: Vec<String> = all.iter().map(|row| line(row, &widths)).collect();
            if let Some(heading) = lines.first_mut().filter(|_| colour) {
                *heading = format!("{BOLD}{heading}{PLAIN}");
            }
            lines
        }
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let padded = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// The text without control characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        [["Ada", "home"], ["影の英雄", "gotham"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn columns_line_up_in_any_script() {
        let lines = table(Look::Columns { colour: false }, &["NAME", "PLACE"], &rows());
        assert_eq!(lines, ["NAME      PLACE", "Ada       home", "影の英雄  gotham"]);
        assert!(table(Look::Columns { colour: true }, &["NAME", "PLACE"], &[])[0].contains(BOLD));
    }

    #[test]
    fn elsewhere_there_are_tabs_and_no_headings() {
        assert_eq!(
            table(Look::Tabs, &["NAME", "PLACE"], &rows()),
            ["Ada\thome", "影の英雄\tgotham"]
        );
    }

    #[test]
    fn no_cell_can_move_the_cursor_or_make_a_line() {
        let hostile = vec![vec!["a\tb\nc\u{1b}[2Jd\u{9b}e".to_owned()]];
        assert_eq!(
            table(Look::Tabs, &["NAME"], &hostile),
            ["a\u{fffd}b\u{fffd}c\u{fffd}[2Jd\u{fffd}e"]
        );
    }
}
