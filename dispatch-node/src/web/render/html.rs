//! Templates to text.

use askama::Template;

/// Renders a template.
pub(crate) fn html(template: &impl Template) -> String {
    template.render().expect("templates write to memory only")
}
