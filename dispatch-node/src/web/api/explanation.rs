//! Why a write to a hero wins, and what other rules would have done.

use axum::Json;
use axum::extract::State;

use api_types::{Explanation, OtherRules};

use crate::web::api::refusals::{Explaining, Reading};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::parameters::HeroPath;
use crate::web::render::counterfactual::Minute;
use crate::web::render::inspector::InspectorPanel;

/// Explain a hero
///
/// Which write wins and why, what became of the others, and what would have saved the lost ones. A
/// deleted hero is explained as long as its writes are recorded, about ten minutes.
#[utoipa::path(get, path = "/heroes/{id}/explanation", tag = "heroes", params(HeroPath), responses(
    (status = 200, description = "the explanation", body = Explanation),
    Explaining,
))]
pub(crate) async fn explanation(
    State(dispatch): State<DispatchHandle>,
    HeroPath(hero): HeroPath,
) -> Result<Json<Explanation>, Problem> {
    let view = dispatch.now().await?;
    let explanation = InspectorPanel::of_hero(&view, Some(hero)).explanation(hero);
    explanation.map(Json).ok_or_else(|| {
        Problem::not_found("unknown_hero", format!("no write to hero {hero} is recorded"))
    })
}

/// Other rules
///
/// What would have become of the commands of the last minute under other rules, side by side.
#[utoipa::path(get, path = "/lost/rules", tag = "cluster", responses(
    (status = 200, description = "the fates under each rule", body = OtherRules),
    Reading,
))]
pub(crate) async fn other_rules(
    State(dispatch): State<DispatchHandle>,
) -> Result<Json<OtherRules>, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(Minute::of(&view).other_rules()))
}
