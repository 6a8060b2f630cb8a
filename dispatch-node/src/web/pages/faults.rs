//! The forms that inject and heal faults, and stop or kill the process of a city.

use axum::extract::State;
use axum::response::Response;

use api_types::FaultRequest;
use gossip::NodeName;
use node_api::body::FormBody;

use crate::request::{Heal, Kill, Stop};
use crate::web::error::{Problem, shortened};
use crate::web::extract::domain::Domain;
use crate::web::extract::fault;
use crate::web::extract::parameters::FaultPath;
use crate::web::pages::forms::{self, FormRequest};
use crate::web::state::AppState;

/// `POST /faults`
pub(crate) async fn inject(State(state): State<AppState>, form: FormRequest) -> Response {
    let action = form.fields().and_then(|form| match form.get("kind") {
        Some("stop") => city(&state.domain, form).map(|city| Stop { city }.into()),
        Some("kill") => city(&state.domain, form).map(|city| Kill { city }.into()),
        Some(_) | None => fault_request(form)
            .and_then(|request| fault::parse(&request, &state.domain))
            .map_err(in_words)
            .map(Into::into),
    });
    forms::act(&state, &form, None, action).await
}

/// The fields of the API, as the form names them.
const FIELDS: [(&str, &str); 6] = [
    ("delay_ms", "the delay in ms"),
    ("skew_ms", "the time ahead in ms"),
    ("bytes_per_s", "the rate in bytes/s"),
    ("percent", "the share in %"),
    ("heal_after_s", "the seconds until it heals"),
    ("from and to are both", "a link has two ends, and both are"),
];

/// Returns a problem with the names of the form instead of those of the API.
fn in_words(mut problem: Problem) -> Problem {
    for (field, words) in FIELDS {
        problem.detail = problem.detail.replace(field, words);
    }
    problem
}

/// Returns the city whose process is to be stopped or killed.
fn city(domain: &Domain, form: &FormBody) -> Result<NodeName, Problem> {
    let from = form.get("from").unwrap_or_default();
    domain.city(from).ok_or_else(|| {
        Problem::not_allowed(
            "unknown_node",
            "only the process of a city can be stopped or killed here; nothing was changed",
        )
    })
}

/// Returns the fault of the form. The field `size` is the amount that the kind of fault takes.
fn fault_request(form: &FormBody) -> Result<FaultRequest, Problem> {
    let number = |field: &str, default: f64| match form.get(field) {
        None => Ok(default),
        // The page itself shows a true minus sign, U+2212.
        Some(text) => text.trim().replace('−', "-").parse::<f64>().map_err(|_| {
            let shown = shortened(text, 20);
            Problem::not_allowed(
                "out_of_range",
                format!("{shown:?} is not a number; nothing was changed"),
            )
        }),
    };
    let field = |name| form.get(name).unwrap_or_default().to_owned();
    let kind = field("kind");
    let mut request = FaultRequest {
        from: field("from"),
        to: form.get("to").map(str::to_owned),
        both: form.get("both").map(|both| both == "true"),
        heal_after_s: Some(number("heal_after_s", 30.0)?),
        ..FaultRequest::default()
    };
    match kind.as_str() {
        "delay" => request.delay_ms = Some(number("size", 300.0)?),
        "loss" | "duplicate" | "reorder" => request.percent = Some(number("size", 20.0)?),
        "throttle" => request.bytes_per_s = Some(number("size", 2_000.0)?),
        "skew" => request.skew_ms = Some(number("size", 3_000.0)?),
        _ => {}
    }
    Ok(FaultRequest { kind, ..request })
}

/// `POST /faults/{id}/heal`
pub(crate) async fn heal(
    State(state): State<AppState>,
    fault: Result<FaultPath, Problem>,
    form: FormRequest,
) -> Response {
    forms::act(
        &state,
        &form,
        None,
        fault.map(|FaultPath(fault)| Heal { fault: Some(fault) }.into()),
    )
    .await
}

/// `POST /faults/heal`
pub(crate) async fn heal_all(State(state): State<AppState>, form: FormRequest) -> Response {
    forms::act(&state, &form, None, Ok(Heal { fault: None }.into())).await
}
