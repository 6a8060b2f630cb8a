//! A mistake in a file, with its byte range.

use std::ops::Range;

use toml::Spanned;

/// A mistake, and the byte range of the value at fault.
pub(super) struct Mistake {
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

/// Creates a mistake at this value.
pub(super) fn mistake<T>(at: &Spanned<T>, what: impl Into<String>) -> Mistake {
    Mistake { span: at.span(), what: what.into() }
}
