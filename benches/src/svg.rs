//! The frame of every figure: an SVG document with a card, a style sheet and a description.
//!
//! Invariant: a figure is readable in light and dark mode and without seeing it, because its
//! description contains every number.

use std::fmt::{Arguments, Write as _};

/// A figure without its frame.
#[derive(Debug)]
pub struct Document<'a> {
    /// The width, in pixels.
    pub width: f64,
    /// The height, in pixels.
    pub height: f64,
    /// The title, for screen readers.
    pub title: &'a str,
    /// The description, with every number, for screen readers.
    pub description: &'a str,
    /// The colours of this figure in light mode, as CSS properties.
    pub light: &'a str,
    /// The same colours in dark mode.
    pub dark: &'a str,
    /// Additional CSS rules of this figure.
    pub rules: &'a str,
    /// The SVG elements of the figure.
    pub body: &'a str,
}

impl Document<'_> {
    /// Returns the whole document.
    #[must_use]
    pub fn svg(&self) -> String {
        let Self { width, height, title, description, light, dark, rules, body } = self;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{description}</desc>
<style>
text {{ font: 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--mute) }}
  svg {{ --card: #fffefb; --ink: #15171c; --mute: #5b606a; --line: #e4e1d8; {light} }}
  @media (prefers-color-scheme: dark) {{
    svg {{ --card: #151a21; --ink: #eceff3; --mute: #98a2b0; --line: #262d38; {dark} }}
  }}
  .card {{ fill: var(--card) }}
  .head {{ font-size: 18px; font-weight: 600; fill: var(--ink) }}
  .grid {{ stroke: var(--line) }}
  .tick {{ text-anchor: middle; font-variant-numeric: tabular-nums }}
  .tick.y {{ text-anchor: end }}
{rules}
</style>
<rect class="card" width="{width}" height="{height}" rx="10"/>
{body}</svg>
"#
        )
    }
}

/// Appends a line to `into`.
///
/// # Panics
/// Never panics: writing to a string cannot fail.
pub fn push(into: &mut String, line: Arguments<'_>) {
    writeln!(into, "{line}").expect("writing to a string cannot fail");
}
