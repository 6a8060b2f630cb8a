//! Parameters in the path and in the query: their parsing, and their OpenAPI descriptions.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, RawQuery};
use axum::http::request::Parts;
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::{Problem, shortened};

/// Returns the only parameter in the path, shortened to this number of characters.
///
/// # Errors
/// `invalid_path`
pub async fn segment<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    chars_max: usize,
) -> Result<String, Problem> {
    let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(invalid)?;
    Ok(shortened(&text, chars_max))
}

pub(crate) fn invalid(rejection: PathRejection) -> Problem {
    Problem::malformed("invalid_path", rejection.body_text())
}

/// The parameters in the query, by name.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Returns the value of a parameter, unless it is absent.
    ///
    /// # Errors
    /// `invalid_query`, if it is given twice.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let value = values.next();
        if values.next().is_some() {
            let detail = format!("{name} is given twice; nothing was changed");
            return Err(Problem::malformed("invalid_query", detail));
        }
        Ok(value.map(|(_, value)| value.as_str()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) =
            RawQuery::from_request_parts(parts, state).await.unwrap_or_else(|never| match never {});
        let fields = serde_urlencoded::from_str(&query.unwrap_or_default());
        let invalid = || {
            let detail = "the query is not of the form name=value&name=value; nothing was changed";
            Problem::malformed("invalid_query", detail)
        };
        fields.map(Self).map_err(|_| invalid())
    }
}

/// Returns the description of one parameter.
///
/// # Panics
/// If the schema is not a valid one.
#[must_use]
pub fn described(
    name: &str,
    place: ParameterIn,
    description: &str,
    schema: Value,
) -> Vec<Parameter> {
    let required = place == ParameterIn::Path;
    let parameter = json!({
        "name": name,
        "in": place,
        "required": required,
        "description": description,
        "schema": schema,
    });
    vec![serde_json::from_value(parameter).expect("a valid OpenAPI parameter")]
}

/// Implements the description of parameters: location, name, meaning and schema.
#[macro_export]
macro_rules! described {
    ($($parameter:ty: $place:ident $name:literal, $description:expr, $schema:tt;)*) => {$(
        impl ::utoipa::IntoParams for $parameter {
            fn into_params(
                _place: impl Fn() -> Option<::utoipa::openapi::path::ParameterIn>,
            ) -> Vec<::utoipa::openapi::path::Parameter> {
                let place = ::utoipa::openapi::path::ParameterIn::$place;
                $crate::parameters::described(
                    $name, place, $description, ::serde_json::json!($schema),
                )
            }
        }
    )*};
}
