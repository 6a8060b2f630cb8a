//! A process that does nothing, as if stopped by SIGSTOP, and how it is woken before its time.
//!
//! While it is frozen, none of its connections is read, written or answered, and its machine is told nothing: from outside it cannot be
//! told from a stopped process. One thing still works, or nobody could wake it: `POST /thaw/FAULT`, with a proof that one knows the cluster's cookie.
//! Who overhears that proof can end this freeze of this node with it, and nothing else.

use std::pin::pin;

use anyhow::Context as _;
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
use crate::link::driver::Neighbourhood;
use crate::link::errand;
use crate::link::problem::{Problem, wrong_method};
use crate::link::secret::{Purpose, Secret};

/// Where a process is woken, before the freeze that is to end.
const THAW_PATH: &str = "/thaw/";
/// How the proof is shown.
const SCHEME: &str = "Superhero-Proof ";

/// Runs `future`, but not while the process is frozen.
pub(super) async fn freezable<F: Future>(mut frozen: watch::Receiver<bool>, future: F) -> F::Output {
    let mut future = pin!(future);
    // A process that has ended is frozen no more.
    while becomes(&mut frozen, false).await {
        tokio::select! {
            biased;
            lives = becomes(&mut frozen, true) => if !lives { break },
            output = &mut future => return output,
        }
    }
    future.await
}

/// Waits until the process is frozen, or is not; `false` where it has ended.
async fn becomes(frozen: &mut watch::Receiver<bool>, state: bool) -> bool {
    frozen.wait_for(|now| *now == state).await.is_ok()
}

/// What is known to who keeps watch over a frozen process.
#[derive(Clone)]
pub(super) struct Bedside {
    pub(super) me: NodeName,
    pub(super) secret: Secret,
    /// The freezes that somebody wants over.
    pub(super) thaw: mpsc::Sender<FaultId>,
}

/// Has `router` answer nothing while the process is frozen, but to who wakes it.
pub(super) fn gate(router: Router, frozen: watch::Receiver<bool>, bedside: Bedside) -> Router {
    let wait = async |State(frozen): State<watch::Receiver<bool>>, request: Request, next: Next| freezable(frozen, next.run(request)).await;
    let wake =
        Router::new().route(&format!("{THAW_PATH}{{fault}}"), post(wake)).method_not_allowed_fallback(wrong_method).with_state(bedside);
    router.layer(middleware::from_fn_with_state(frozen, wait)).merge(wake)
}

async fn wake(
    State(Bedside { me, secret, thaw }): State<Bedside>,
    fault: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let fault = fault.map(|Path(fault)| fault).unwrap_or_default();
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix(SCHEME));
    let proof = given.and_then(|given| HEXLOWER.decode(given.as_bytes()).ok()).unwrap_or_default();
    if !secret.is_proved(Purpose::Thawing, &[me.as_str().as_bytes(), fault.as_bytes()], &proof) {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "not_a_member", "this is for members of the cluster");
        return ([(header::WWW_AUTHENTICATE, SCHEME.trim_end())], problem).into_response();
    }
    let Ok(fault) = fault.parse() else {
        return Problem::not_found("unknown_fault", "this is no fault").into_response();
    };
    match thaw.try_send(fault) {
        Ok(()) => (StatusCode::ACCEPTED, "waking up\n").into_response(),
        Err(_) => Problem::overloaded().into_response(),
    }
}

/// Wakes the process of `node`, if `freeze` is what keeps it frozen.
///
/// # Errors
/// When it cannot be reached in time, or refuses.
pub async fn thaw(neighbourhood: &Neighbourhood, node: NodeName, freeze: FaultId) -> anyhow::Result<()> {
    let address = neighbourhood.addresses.get(&node).with_context(|| format!("nobody has said where {node} is"))?;
    let freeze = freeze.to_string();
    let proof = neighbourhood.secret.prove(Purpose::Thawing, &[node.as_str().as_bytes(), freeze.as_bytes()]);
    let request = hyper::Request::post(format!("{THAW_PATH}{freeze}"))
        .header(header::HOST, address)
        .header(header::AUTHORIZATION, format!("{SCHEME}{}", HEXLOWER.encode(&proof)))
        .body(String::new())?;
    errand::ask(neighbourhood, node, address, request, StatusCode::ACCEPTED).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_happens_while_frozen_and_all_of_it_afterwards() {
        let (freeze, frozen) = watch::channel(true);
        let (send, mut receive) = mpsc::channel(1);
        let task = tokio::spawn(freezable(frozen, async move { send.send("awake").await }));
        tokio::task::yield_now().await;
        assert!(receive.try_recv().is_err() && !task.is_finished());
        freeze.send_replace(false);
        assert_eq!(receive.recv().await, Some("awake"));
    }

    #[tokio::test]
    async fn a_future_that_waits_is_frozen_in_the_middle() {
        let (freeze, frozen) = watch::channel(false);
        let (send, mut steps) = mpsc::channel::<u8>(4);
        let task = tokio::spawn(freezable(frozen, async move { (steps.recv().await, steps.recv().await) }));
        send.send(1).await.expect("there is room");
        freeze.send_replace(true);
        send.send(2).await.expect("there is room");
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        drop(freeze);
        assert_eq!(task.await.expect("it does not panic"), (Some(1), Some(2)));
    }
}
