//! The access policy as middleware: it refuses requests, and sets the security headers on every
//! response.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::policy::AccessPolicy;
use crate::access::refusal_log::RefusalLog;
use crate::access::tokens::Role;
use crate::error::Problem;

/// The content security policy of a node without pages.
const NO_PAGES: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The access control of one node. Clones share it.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The access policy.
    pub access: Arc<AccessPolicy>,
    /// The log of refusals that point to a wrong configuration.
    pub refusals: RefusalLog,
}

impl Guard {
    /// Returns the access control by this policy.
    #[must_use]
    pub fn new(access: AccessPolicy) -> Self {
        Self { access: Arc::new(access), refusals: RefusalLog::default() }
    }

    /// Returns the role of a request.
    ///
    /// # Errors
    /// Those of [`AccessPolicy::admit`]. Nothing was changed.
    pub fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Role, Problem> {
        let admitted = self.access.admit(method, path, headers);
        if let Err(problem) = &admitted
            && self.is_misconfigured(problem, headers)
        {
            self.refusals.warn(problem);
        }
        admitted
    }

    /// Returns whether a refusal may be due to the configuration, and not only to its client.
    fn is_misconfigured(&self, problem: &Problem, headers: &HeaderMap) -> bool {
        match problem.status {
            StatusCode::UNAUTHORIZED => self.access.tokens.is_invalid(headers),
            _ => problem.code != "viewer" || self.access.tokens.is_invalid(headers),
        }
    }

    /// Sets the security headers of a response. A response with a content policy of its own keeps
    /// it.
    ///
    /// # Panics
    /// Never: the headers are ASCII.
    pub fn protect(&self, headers: &mut HeaderMap, content_policy: &HeaderValue) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| content_policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
        // Assets set their own policy; everything else shows the present state.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Some(age) = self.access.hsts.filter(|_| self.access.encrypted) {
            let value = HeaderValue::try_from(format!("max-age={}", age.as_secs()));
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value.expect("the value is ASCII"));
        }
    }
}

/// Returns the response to a refused request.
#[must_use]
pub fn refused(problem: Problem) -> Response {
    let challenge = (problem.status == StatusCode::UNAUTHORIZED)
        .then_some([(header::WWW_AUTHENTICATE, "Bearer realm=\"superhero cluster\"")]);
    (challenge, problem).into_response()
}

/// Applies the access policy of a node without pages.
pub(crate) async fn apply(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = guard.admit(request.method(), request.uri().path(), request.headers());
    let mut response = match admitted {
        Ok(role) => {
            request.extensions_mut().insert(role);
            next.run(request).await
        }
        Err(problem) => refused(problem),
    };
    guard.protect(response.headers_mut(), &HeaderValue::from_static(NO_PAGES));
    response
}
