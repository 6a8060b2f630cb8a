//! The static files of the page, embedded in the binary.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use rust_embed::RustEmbed;

use crate::web::error::{Problem, shortened};

/// The embedded files.
#[derive(RustEmbed)]
#[folder = "../static"]
struct Assets;

/// Returns one file. Browsers revalidate it each time, and receive it again only if it has changed.
pub(crate) async fn asset(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let path = match path {
        Ok(Path(path)) => path,
        Err(rejection) => {
            return Problem::malformed("invalid_path", rejection.body_text()).into_response();
        }
    };
    let Some(file) = Assets::get(&path) else {
        return Problem::not_found(
            "unknown_file",
            format!("there is no file {:?}", shortened(&path, 100)),
        )
        .into_response();
    };
    let hash: String =
        file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    // Weak, since the compressed and the plain file have the same tag.
    let tag = format!("W/\"{hash}\"");
    // `no-cache` requires revalidation; it does not forbid storing.
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known(&headers, &hash) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, content_type(&path))], file.data).into_response()
}

/// Returns whether the client has the file with this hash (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, hash: &str) -> bool {
    let Some(known) = headers.typed_get::<IfNoneMatch>() else { return false };
    // Proxies that compress add a suffix to the tag.
    ["", "-gzip", "--gzip", "-br", "-zstd", "-deflate"].iter().any(|suffix| {
        let tag: Result<ETag, _> = format!("W/\"{hash}{suffix}\"").parse();
        tag.is_ok_and(|tag| !known.precondition_passes(&tag))
    })
}

/// Returns the media type for the file's extension.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}
