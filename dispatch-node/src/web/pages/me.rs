//! The name that the user of a browser has chosen, for the radio and for presence. It proves nothing:
//! any user may choose any name.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use node_api::name;

use crate::web::pages::forms::{FormRequest, here};
use crate::web::state::AppState;

const COOKIE: &str = "superhero-name";
/// The lifetime of the cookie, in seconds.
const LASTS_S: u32 = 365 * 24 * 60 * 60;

/// `POST /me`
pub(crate) async fn choose(State(state): State<AppState>, form: FormRequest) -> Response {
    let name = form
        .fields()
        .and_then(|fields| name::parse("user", fields.get("name").unwrap_or_default().trim()));
    let headers = form.headers();
    match name {
        Ok(name) => {
            let cookie = cookie(&name, state.guard.access.encrypted);
            let back = Redirect::to(&here(&state, headers).href());
            ([(header::SET_COOKIE, cookie)], back).into_response()
        }
        // Not the page with the reason, as for other forms: that is rendered for the host.
        Err(problem) => problem.into_response(),
    }
}

fn cookie(name: &str, encrypted: bool) -> HeaderValue {
    let (name, secure) =
        (utf8_percent_encode(name, NON_ALPHANUMERIC), if encrypted { "; Secure" } else { "" });
    let cookie =
        format!("{COOKIE}={name}; Path=/; Max-Age={LASTS_S}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).expect("the cookie is visible ASCII")
}

/// Returns the name that the sender of a request has chosen; `None` without a valid one.
pub(crate) fn of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let name = percent_decode_str(value).decode_utf8().ok()?;
    name::parse("user", &name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_name_is_read_from_its_cookie() {
        let read = |cookies: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(cookies).unwrap());
            of(&headers)
        };
        let set = cookie("Zoë; Max-Age=0", false);
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        assert_eq!(read(pair).as_deref(), Some("Zoë; Max-Age=0"));
        assert_eq!(read(&format!("theme=dark; {pair}")).as_deref(), Some("Zoë; Max-Age=0"));
        for invalid in ["superhero-name=", "superhero-name=%ff", "superhero-name=%0a", "other=x"] {
            assert_eq!(read(invalid), None, "{invalid}");
        }
        assert_eq!(read(&format!("superhero-name={}", "x".repeat(101))), None);
    }
}
