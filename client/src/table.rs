//! Tables: aligned columns on a terminal, tab-separated lines otherwise.
//!
//! Invariant: each row is one line, whatever its cells contain. Control characters and direction
//! overrides are replaced, so no hero name can move the cursor, inject an escape sequence, or
//! reorder the row.

use unicode_bidi::{BidiClass, bidi_class};
use unicode_width::UnicodeWidthStr as _;

/// The separator of two columns.
const GAP: &str = "  ";
/// The start and end of isolated text: FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE.
const ISOLATE: char = '\u{2068}';
const POP: char = '\u{2069}';
/// Invisible marks of a direction, and the line ends that are no control characters.
const MARKS: [char; 5] = ['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}'];
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
    let shown = match style {
        Style::Tabs => clean,
        Style::Columns { .. } => isolated,
    };
    let rows = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect::<Vec<_>>());
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

/// Returns a row that is not part of a table.
pub(crate) fn row(style: Style, cells: &[String]) -> String {
    let (shown, gap): (fn(&str) -> String, _) = match style {
        Style::Tabs => (clean, "\t"),
        Style::Columns { .. } => (isolated, GAP),
    };
    cells.iter().map(|cell| shown(cell)).collect::<Vec<_>>().join(gap)
}

// Widths are in terminal columns, not in characters: a CJK character takes two.
fn line(row: &[String], widths: &[usize]) -> String {
    let padded = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// Returns the text with each control character and each direction mark replaced by U+FFFD.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns whether the character controls a terminal, ends a line, or changes the direction of
/// text.
pub(crate) fn is_hostile(character: char) -> bool {
    use BidiClass::{FSI, LRE, LRI, LRO, PDF, PDI, RLE, RLI, RLO};
    let is_direction =
        matches!(bidi_class(character), FSI | LRE | LRI | LRO | PDF | PDI | RLE | RLI | RLO);
    is_direction || character.is_control() || MARKS.contains(&character)
}

/// Returns the [`clean`] text. Right-to-left text is isolated, so that it does not reorder the text
/// around it.
pub(crate) fn isolated(text: &str) -> String {
    let text = clean(text);
    let is_right_to_left =
        text.chars().any(|c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL | BidiClass::AN));
    if is_right_to_left { format!("{ISOLATE}{text}{POP}") } else { text }
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
        for hostile in
            ['\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}']
                .into_iter()
                .chain('\u{202a}'..='\u{202e}')
                .chain('\u{2066}'..='\u{2069}')
                .chain(['\u{200e}', '\u{200f}', '\u{61c}'])
        {
            let rows = vec![vec![format!("a{hostile}b"), "c".to_owned()]];
            assert_eq!(table(Style::Tabs, &["A", "B"], &rows), ["a\u{fffd}b\tc"], "{hostile:?}");
            let lines = table(Style::Columns { colour: false }, &["A", "B"], &rows);
            assert_eq!(lines[1], "a\u{fffd}b  c", "{hostile:?}");
        }
    }

    #[test]
    fn right_to_left_cell_does_not_reorder_its_row() {
        let rows = vec![vec!["\u{5d0}\u{5d1} 1".to_owned(), "2".to_owned()]];
        assert_eq!(
            table(Style::Columns { colour: false }, &["NAME", "X"], &rows),
            ["NAME  X", "\u{2068}\u{5d0}\u{5d1} 1\u{2069}  2"]
        );
        assert_eq!(table(Style::Tabs, &["NAME", "X"], &rows), ["\u{5d0}\u{5d1} 1\t2"]);
    }
}
