//! The last minutes as a recording, a file that opens without a cluster.

use std::panic::resume_unwind;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::model::recorded;
use crate::web::api::refusals::Recording;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::parameters::Last;
use crate::web::render::wording::file_time;

/// The last minutes as a recording
///
/// What each node held, its pulls, the faults and the events of the last ten minutes, or of the last
/// `last` seconds. `superhero replay` and the page `/replay` show the file.
#[utoipa::path(
    get, path = "/recording", tag = "cluster", params(Last),
    responses(
        (
            status = 200,
            description = "gzip-compressed JSON",
            body = Vec<u8>,
            content_type = "application/gzip",
        ),
        Recording,
    ),
)]
pub(crate) async fn recording(
    State(dispatch): State<DispatchHandle>,
    Last(last): Last,
) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    let name = format!("superhero-{}.{}", file_time(view.at.wall), recording::EXTENSION);
    let file = tokio::task::spawn_blocking(move || {
        recorded::recording(&view, last, view.dispatch.name.to_string()).write()
    });
    // Not cancelled: nobody aborts it. A panic ends this request, like any other.
    let file = file.await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
    let headers = [
        (header::CONTENT_TYPE, recording::MEDIA_TYPE.to_owned()),
        // The file itself is compressed, and stays so when it is saved.
        (header::CONTENT_ENCODING, "identity".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, file).into_response())
}
