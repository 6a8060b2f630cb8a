//! The charts of the last ten minutes.

use axum::extract::State;
use axum::response::Html;

use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::render::charts::ChartsPage;
use crate::web::render::html::html;

/// `GET /charts`
pub(crate) async fn page(State(dispatch): State<DispatchHandle>) -> Result<Html<String>, Problem> {
    Ok(Html(html(&ChartsPage::of(&*dispatch.now().await?))))
}
