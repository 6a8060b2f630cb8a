//! Tests of the whole router, on a machine that answers each request at once.

mod allowed_origins;
mod forms;
mod hosts;
mod sign_in;
mod static_files;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use gossip::link::Cluster;
use node_api::access::guard::Guard;
use node_api::access::policy::AccessPolicy;
use node_api::access::tokens::Tokens;
use node_api::types::Services;

use crate::fixtures::{THREE, name, view};
use crate::request::{Action, Command, Operation as _, ReadView, Reply, RequestError};
use crate::web::{DispatchHandle, LauncherClient, Limits, Settings, router as build};

pub(super) const ADMIN: &str = "the token of the admin";
pub(super) const VIEWER: &str = "the token of viewers";

/// A dispatch without a cluster.
pub(super) struct Site {
    router: Router,
    /// The changes that were executed.
    executed: Arc<Mutex<Vec<Action>>>,
    /// A permit per change that may be executed.
    released: Arc<Semaphore>,
}

/// A response that was read completely.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the header in lower case, with all its lines.
    pub(super) fn list(&self, name: &str) -> String {
        let lines = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        lines.collect::<Vec<_>>().join(",").to_ascii_lowercase()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the type of the problem, which must have this status.
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// The policy of a dispatch on loopback without tokens.
pub(super) fn open_policy() -> AccessPolicy {
    AccessPolicy {
        on_loopback: true,
        hosts: Vec::new(),
        origins: Vec::new(),
        tokens: Tokens::new(None, None).unwrap(),
        encrypted: false,
        hsts: None,
    }
}

/// The policy of a dispatch that requires a token to read, and the admin's to change anything.
pub(super) fn closed_policy() -> AccessPolicy {
    AccessPolicy {
        tokens: Tokens::new(Some(ADMIN.into()), Some(VIEWER.into())).unwrap(),
        ..open_policy()
    }
}

impl Site {
    /// Starts a dispatch that answers each request at once.
    pub(super) fn new(access: AccessPolicy) -> Self {
        let site = Self::held(access, |_| None);
        site.released.add_permits(Semaphore::MAX_PERMITS);
        site
    }

    /// Starts a dispatch that executes a change only when it is released, and refuses those for
    /// which `refusal` returns an error.
    pub(super) fn held(
        access: AccessPolicy,
        refusal: impl Fn(&Action) -> Option<RequestError> + Send + 'static,
    ) -> Self {
        let (handle, responder, mut requests) = DispatchHandle::new(64);
        let (cluster, _types) = Cluster::new(name("dispatch"), handle.commands());
        let settings = Settings {
            cities: THREE.map(name).to_vec(),
            guard: Guard::new(access),
            services: Services::new(&cluster),
            cluster,
            launcher: LauncherClient::of(None),
            unsafe_for: None,
            limits: Limits {
                name_chars: 100,
                browsers: 100,
                browsers_per_address: 100,
                commands: 0,
            },
            others: Vec::new(),
        };
        let router = build(handle, settings, CancellationToken::new());
        let executed = Arc::new(Mutex::new(Vec::new()));
        let released = Arc::new(Semaphore::new(0));
        let (changes, permits) = (Arc::clone(&executed), Arc::clone(&released));
        responder.show(Arc::new(view(&THREE, 100_000)));
        tokio::spawn(async move {
            while let Some(Command::Request(request)) = requests.recv().await {
                if let Action::ReadView(_) = request.action {
                    let view = Arc::new(view(&THREE, 100_000));
                    responder.reply(request.ticket, Ok(ReadView::into_reply(view)));
                    continue;
                }
                permits.acquire().await.unwrap().forget();
                let outcome =
                    refusal(&request.action).map_or_else(|| Ok(reply(&request.action)), Err);
                changes.lock().unwrap().push(request.action);
                responder.reply(request.ticket, outcome);
            }
        });
        Self { router, executed, released }
    }

    /// Lets one change be executed.
    pub(super) fn release(&self) {
        self.released.add_permits(1);
    }

    /// Returns the changes that were executed.
    pub(super) fn executed(&self) -> Vec<Action> {
        self.executed.lock().unwrap().clone()
    }

    /// Sends a request to `localhost:4900`, unless the headers name another host.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(header::HOST, "localhost:4900");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let mut router = self.router.clone();
        async move {
            let response = router.call(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let body = String::from_utf8_lossy(&body).into_owned();
            Answer { status: parts.status, headers: parts.headers, body }
        }
    }

    /// Sends a form.
    pub(super) fn form(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.request("POST", path, &[&form, headers].concat(), body)
    }
}

/// The reply to an action that succeeds.
fn reply(action: &Action) -> Reply {
    match action {
        Action::Bomb(_) => Reply::Bombed(name("gotham")),
        Action::SetPace(set) => Reply::PaceSet(set.pace),
        Action::SetQuiet(set) => Reply::QuietSet(set.quiet),
        Action::Stop(_) | Action::Kill(_) => Reply::Ended(name("gotham")),
        Action::Create(_) | Action::CreateMany(_) => Reply::Created(Vec::new()),
        Action::Heal(_) => Reply::Healed(()),
        Action::Log(_) => Reply::Logged(()),
        Action::Assign(_)
        | Action::Ask(_)
        | Action::Terminate(_)
        | Action::TerminateMany(_)
        | Action::Forget(_)
        | Action::Inject(_)
        | Action::AcceptStamps(_)
        | Action::RunExchange(_)
        | Action::Find(_)
        | Action::ReadView(_) => panic!("no test sends {action:?}"),
    }
}
