//! The media types that a client accepts (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// Returns whether the client names this media type as acceptable. A wildcard does not name it.
pub(crate) fn names(headers: &HeaderMap, media_type: &str) -> bool {
    let lists = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        let is_refused =
            parts.filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
                name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0)
            });
        is_named && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn named_type_is_found_in_any_list_unless_refused() {
        for (accept, is_named) in [
            ("application/json", true),
            ("text/html, Application/JSON;q=0.5", true),
            ("application/json; charset=utf-8", true),
            ("application/json;q=0", false),
            ("application/json; Q=0.000", false),
            ("application/jsonp", false),
            ("*/*", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(accept);
            let headers = HeaderMap::from_iter([(header::ACCEPT, value)]);
            assert_eq!(names(&headers, "application/json"), is_named, "{accept}");
        }
    }
}
