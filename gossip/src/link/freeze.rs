//! The freeze fault: a frozen process makes no progress, as if stopped by SIGSTOP, until the freeze
//! expires or is healed.
//!
//! While the process is frozen, its connections are not read, written or answered, and its machine
//! gets no input. From outside it looks like a stopped process. One request still works: `POST
//! /thaw/FAULT`, with a proof of the cluster's cookie. An eavesdropper can reuse this proof only to
//! end the same freeze of the same node.

use std::pin::pin;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::HEXLOWER;
use tokio::sync::{mpsc, watch};

use crate::fault::FaultId;
use crate::id::NodeName;
use crate::link::config::ClusterConfig;
use crate::link::http_request;
use crate::link::problem::{Problem, wrong_method};
use crate::link::secret::{Purpose, Secret};

/// The path of the request, before the id of the freeze.
const THAW_PATH: &str = "/thaw/";
/// The authorization scheme of the proof.
const SCHEME: &str = "Cluster-Proof ";

/// Runs `future`, except while the process is frozen.
pub(super) async fn freezable<F: Future>(
    mut frozen: watch::Receiver<bool>,
    future: F,
) -> F::Output {
    let mut future = pin!(future);
    // An error means that the sender was dropped, which happens when the process ends. The future
    // then runs unconditionally.
    while becomes(&mut frozen, false).await {
        tokio::select! {
            // The frozen state is checked first, so that a frozen future is not polled.
            biased;
            running = becomes(&mut frozen, true) => if !running { break },
            output = &mut future => return output,
        }
    }
    future.await
}

/// Waits until the frozen state is `state`. Returns `false` if the process has ended.
async fn becomes(frozen: &mut watch::Receiver<bool>, state: bool) -> bool {
    frozen.wait_for(|now| *now == state).await.is_ok()
}

/// The state of the thaw route.
#[derive(Clone)]
pub(super) struct Thaw {
    pub(super) me: NodeName,
    pub(super) secret: Secret,
    /// The requests to end a freeze.
    pub(super) thaw: mpsc::Sender<FaultId>,
}

/// Returns `router` so that it does not respond while the process is frozen, together with the
/// route that ends a freeze.
pub(super) fn gate(router: Router, frozen: watch::Receiver<bool>, thaw: Thaw) -> Router {
    let wait = async |State(frozen): State<watch::Receiver<bool>>, request: Request, next: Next| {
        freezable(frozen, next.run(request)).await
    };
    let wake = Router::new()
        .route(&format!("{THAW_PATH}{{fault}}"), post(wake))
        .method_not_allowed_fallback(wrong_method)
        .with_state(thaw);
    // Merged after the layer, so that the thaw route works while the process is frozen.
    router.layer(middleware::from_fn_with_state(frozen, wait)).merge(wake)
}

async fn wake(
    State(Thaw { me, secret, thaw }): State<Thaw>,
    fault: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let fault = fault.map(|Path(fault)| fault).unwrap_or_default();
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix(SCHEME));
    let proof = given.and_then(|given| HEXLOWER.decode(given.as_bytes()).ok()).unwrap_or_default();
    // Before the id is parsed, so that unauthenticated clients get one response to all requests.
    if !secret.is_proved(Purpose::THAWING, &[me.as_str().as_bytes(), fault.as_bytes()], &proof) {
        let problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "not_a_member",
            "a proof of cluster membership is required",
        );
        return ([(header::WWW_AUTHENTICATE, SCHEME.trim_end())], problem).into_response();
    }
    let Ok(fault) = fault.parse() else {
        return Problem::not_found("unknown_fault", "not a fault id").into_response();
    };
    match thaw.try_send(fault) {
        Ok(()) => (StatusCode::ACCEPTED, "waking up\n").into_response(),
        Err(_) => Problem::overloaded().into_response(),
    }
}

/// Ends the freeze `freeze` of the process of `node`, which listens at this address, HOST:PORT.
///
/// # Errors
/// If the process is unreachable, does not respond in time, or refuses.
pub async fn thaw(
    cluster: &ClusterConfig,
    node: NodeName,
    address: &str,
    freeze: FaultId,
) -> anyhow::Result<()> {
    let freeze = freeze.to_string();
    let proof =
        cluster.secret.prove(Purpose::THAWING, &[node.as_str().as_bytes(), freeze.as_bytes()]);
    // A proof instead of a link: a frozen process answers no WebSocket handshake.
    let request = hyper::Request::post(format!("{THAW_PATH}{freeze}"))
        .header(header::HOST, address)
        .header(header::AUTHORIZATION, format!("{SCHEME}{}", HEXLOWER.encode(&proof)))
        .body(String::new())?;
    http_request::send(cluster, node, address, request, StatusCode::ACCEPTED).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frozen_future_makes_no_progress_until_thawed() {
        let (freeze, frozen) = watch::channel(true);
        let (send, mut receive) = mpsc::channel(1);
        let task = tokio::spawn(freezable(frozen, async move { send.send("awake").await }));
        tokio::task::yield_now().await;
        assert!(receive.try_recv().is_err() && !task.is_finished());
        freeze.send_replace(false);
        assert_eq!(receive.recv().await, Some("awake"));
    }

    #[tokio::test]
    async fn waiting_future_is_frozen_midway() {
        let (freeze, frozen) = watch::channel(false);
        let (send, mut steps) = mpsc::channel::<u8>(4);
        let task =
            tokio::spawn(freezable(
                frozen,
                async move { (steps.recv().await, steps.recv().await) },
            ));
        send.send(1).await.expect("there is room");
        freeze.send_replace(true);
        send.send(2).await.expect("there is room");
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        drop(freeze);
        assert_eq!(task.await.expect("the future does not panic"), (Some(1), Some(2)));
    }
}
