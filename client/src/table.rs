//! Tables: aligned columns on a terminal, tab-separated lines otherwise.
//!
//! Invariant: each row is one line, whatever its cells contain. Control characters are replaced, so
//! no hero name can move the cursor or inject an escape sequence.

use unicode_width::UnicodeWidthStr as _;

/// The separator of two columns.
const GAP: &str = "  ";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// The style of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Tab-separated cells, without headings.
    Tabs,
    /// Aligned columns, with headings.
    Columns {
        /// The headings are bold.
        colour: bool,
    },
}

/// Returns the lines of a table.
pub(crate) fn table(style: Style, headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let rows = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
    match style {
        Style::Tabs => rows.map(|row| row.join("\t")).collect(),
        Style::Columns { colour } => {
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

// Widths are in terminal columns, not in characters: a CJK character takes two.
fn line(row: &[String], widths: &[usize]) -> String {
    let padded = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// Returns the text with each control character replaced by U+FFFD.
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
    fn columns_align_in_any_script() {
        let lines = table(Style::Columns { colour: false }, &["NAME", "PLACE"], &rows());
        assert_eq!(lines, ["NAME      PLACE", "Ada       home", "影の英雄  gotham"]);
        assert!(table(Style::Columns { colour: true }, &["NAME", "PLACE"], &[])[0].contains(BOLD));
    }

    #[test]
    fn tabs_style_has_no_headings() {
        assert_eq!(
            table(Style::Tabs, &["NAME", "PLACE"], &rows()),
            ["Ada\thome", "影の英雄\tgotham"]
        );
    }

    #[test]
    fn control_characters_in_cells_are_replaced() {
        let hostile = vec![vec!["a\tb\nc\u{1b}[2Jd\u{9b}e".to_owned()]];
        assert_eq!(
            table(Style::Tabs, &["NAME"], &hostile),
            ["a\u{fffd}b\u{fffd}c\u{fffd}[2Jd\u{fffd}e"]
        );
    }
}
