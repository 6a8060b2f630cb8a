//! The player of recordings, which begins with the last minutes of this cluster.

use axum::response::Html;

/// The address of the recording.
const SOURCE: &str = "/api/v1/recording";

/// `GET /replay`
pub(crate) async fn page() -> Html<String> {
    Html(recording::linked(SOURCE, "This cluster"))
}
