//! The broadcaster, which renders each view once for all pages. One task renders each view into
//! fragments, and keeps a subscription for each distinct page query (a search, a page of heroes, an
//! inspected hero).
//!
//! Invariant: frame numbers increase, and a higher number belongs to a later view.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::RngExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tracing::error;

use crate::event_log::EventKind;
use crate::model::bomb_report;
use crate::model::view::View;
use crate::web::error::{Problem, dispatch_unresponsive};
use crate::web::fragments::{Fragments, Number};
use crate::web::launcher::LauncherClient;
use crate::web::live::snapshot::{Announcement, Snapshot};
use crate::web::page_query::PageQuery;
use crate::web::render::forecast::Predictor;
use crate::web::render::heroes::RowCache;
use crate::web::render::page;
use crate::web::render::timeline::seconds::{SecondCache, seconds};
use crate::web::render::timeline::table::table_rows;
use crate::web::scenario_runner::Playing;
use crate::web::spans::writes::WriteSpans;

/// The most queued subscription requests.
const REQUESTS_MAX: usize = 2_048;
/// The most subscriptions without a receiver, and the time for which each is kept. They are kept
/// because a page that lost its connection reconnects.
const IDLE_MAX: usize = 200;
const SUBSCRIPTION_TIMEOUT: Duration = Duration::from_secs(30);
/// The delay after a panic, so that a view that causes it repeatedly does not flood the log.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// The most announcements kept for pages that reconnect.
const ANNOUNCEMENTS_MAX: usize = 16;

/// The handle of the broadcaster for sockets and handlers. A clone shares the task.
#[derive(Clone)]
pub(crate) struct Broadcaster {
    requests: mpsc::Sender<Request>,
    epoch: Arc<str>,
}

/// The inputs of rendering.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The views as they are published, `None` before the first.
    pub(crate) views: watch::Receiver<Option<Arc<View>>>,
    /// The running or last scenario.
    pub(crate) playing: watch::Receiver<Option<Playing>>,
    /// The client of the launcher, for the instructions to start a city again.
    pub(crate) launcher: LauncherClient,
    /// The spans of writes, which end when a page is sent the write.
    pub(crate) write_spans: WriteSpans,
}

/// A request to subscribe.
struct Request {
    query: PageQuery,
    /// The oldest view that the snapshot may contain.
    view: Option<Arc<View>>,
    reply: oneshot::Sender<watch::Receiver<Arc<Snapshot>>>,
}

impl Broadcaster {
    /// Starts the task that renders views from these sources.
    pub(crate) fn new(sources: Sources) -> Self {
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let epoch = format!("{:08x}", rand::rng().random::<u32>());
        tokio::spawn(run_until_dropped(sources, queue));
        Self { requests, epoch: epoch.into() }
    }

    /// The id of this run of dispatch. Frame numbers of another run are invalid here.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Subscribes to the snapshots for a query. The first one contains `view` or a later one, if it
    /// is given.
    pub(crate) async fn subscribe(
        &self,
        query: PageQuery,
        view: Option<Arc<View>>,
    ) -> Result<watch::Receiver<Arc<Snapshot>>, Problem> {
        let (reply, replied) = oneshot::channel();
        // Not a waiting send: beyond the bound, a client is refused instead of queued.
        self.requests
            .try_send(Request { query, view, reply })
            .map_err(|_| Problem::overloaded())?;
        replied.await.map_err(|_| dispatch_unresponsive())
    }
}

/// The state of the task.
struct Renderer<'a> {
    sources: &'a Sources,
    /// The number of the newest frame. It outlives a panic, because pages must not see it decrease.
    number: &'a mut Number,
    view: Option<Arc<View>>,
    shared: Fragments,
    history: Fragments,
    subscriptions: BTreeMap<PageQuery, Subscription>,
    announcements: Vec<Announcement>,
    seconds: SecondCache,
    predictor: Predictor,
}

/// The snapshots for one query.
struct Subscription {
    fragments: Fragments,
    cache: RowCache,
    shown: watch::Sender<Arc<Snapshot>>,
    /// The time since which there is no receiver.
    idle: Option<Instant>,
}

/// Renders until all senders are dropped. A panic is logged and rendering restarts: pages
/// reconnect, and replication is not affected.
async fn run_until_dropped(sources: Sources, mut requests: mpsc::Receiver<Request>) {
    let mut number = 0;
    while let Err(panic) =
        AssertUnwindSafe(run(&sources, &mut requests, &mut number)).catch_unwind().await
    {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        error!("rendering panicked and restarts: {}", text.unwrap_or_default());
        sleep(RESTART_DELAY).await;
    }
}

/// Renders each view and each step of a scenario, and serves subscription requests.
async fn run(sources: &Sources, requests: &mut mpsc::Receiver<Request>, number: &mut Number) {
    let (mut views, mut playing) = (sources.views.clone(), sources.playing.clone());
    let mut renderer = Renderer::new(sources, number);
    let mut waiting = Vec::new();
    // After a panic, the current view is rendered at once.
    views.mark_changed();
    loop {
        tokio::select! {
            changed = views.changed() => {
                let Ok(()) = changed else { return };
                let view = views.borrow_and_update().clone();
                renderer.show(view, playing.borrow().as_ref());
            }
            changed = playing.changed() => {
                let Ok(()) = changed else { return };
                let view = renderer.view.clone();
                renderer.show(view, playing.borrow_and_update().as_ref());
            }
            // Requests that arrive together share one view.
            count = requests.recv_many(&mut waiting, REQUESTS_MAX) => {
                if count == 0 {
                    return;
                }
                let views = waiting.iter().filter_map(|request: &Request| request.view.clone());
                let newest = views.max_by_key(|view| view.at.mono);
                renderer.show(newest, playing.borrow().as_ref());
            }
        }
        if let Some(view) = renderer.view.clone() {
            waiting.drain(..).for_each(|request| renderer.answer(&view, request));
        }
    }
}

impl<'a> Renderer<'a> {
    fn new(sources: &'a Sources, number: &'a mut Number) -> Self {
        Self {
            sources,
            number,
            view: None,
            shared: Fragments::default(),
            history: Fragments::default(),
            subscriptions: BTreeMap::new(),
            announcements: Vec::new(),
            seconds: SecondCache::default(),
            predictor: Predictor::default(),
        }
    }

    /// Renders a view, unless a later one has been rendered.
    fn show(&mut self, view: Option<Arc<View>>, playing: Option<&Playing>) {
        let Some(view) = view
            .filter(|view| self.view.as_ref().is_none_or(|shown| shown.at.mono <= view.at.mono))
        else {
            return;
        };
        *self.number += 1;
        self.announce(&view);
        let predicted = self.predictor.predict(&view);
        page::shared(
            &mut self.shared,
            *self.number,
            &view,
            &self.sources.launcher,
            playing,
            predicted.as_ref(),
        );
        self.history.list(*self.number, "timeline-seconds", seconds(&view, &mut self.seconds));
        self.history.list(*self.number, "timeline-rows", table_rows(&view));
        self.view = Some(Arc::clone(&view));
        self.sources.write_spans.show(&view, *self.number);
        let now = Instant::now();
        self.subscriptions.retain(|_, subscription| {
            let idle = (subscription.shown.receiver_count() == 0)
                .then(|| subscription.idle.unwrap_or(now));
            subscription.idle = idle;
            idle.is_none_or(|since| now.duration_since(since) < SUBSCRIPTION_TIMEOUT)
        });
        // Taken out of `self`, because rendering a subscription borrows it.
        for (query, mut subscription) in std::mem::take(&mut self.subscriptions) {
            // A subscription without a receiver is rendered when the next one subscribes.
            if subscription.idle.is_none() {
                self.render(&view, &query, &mut subscription);
            }
            self.subscriptions.insert(query, subscription);
        }
    }

    fn snapshot(&self, view: &Arc<View>, window: &Fragments) -> Snapshot {
        let (shared, history) = (self.shared.clone(), self.history.clone());
        Snapshot::new(
            *self.number,
            Arc::clone(view),
            shared,
            history,
            window.clone(),
            self.announcements.clone(),
        )
    }

    /// Renders the fragments of one subscription, and publishes its snapshot.
    fn render(&self, view: &Arc<View>, query: &PageQuery, subscription: &mut Subscription) {
        page::window(
            &mut subscription.fragments,
            *self.number,
            view,
            query,
            &mut subscription.cache,
        );
        subscription.shown.send_replace(Arc::new(self.snapshot(view, &subscription.fragments)));
    }

    /// Adds an announcement for each city destroyed since the previous view.
    fn announce(&mut self, view: &View) {
        let Some(before) = &self.view else { return };
        let last = before.events.last().map_or(0, |event| event.number);
        let destroyed = view.events.iter().rev().take_while(|event| event.number > last);
        let destroyed = destroyed.filter(|event| event.kind == EventKind::Destroyed);
        // The text equals that of the response to the command, so that a page shows the two once.
        let mut announcements: Vec<Announcement> = destroyed
            .map(|event| Announcement {
                n: event.number,
                text: bomb_report::destroyed(event.node),
                since: *self.number,
            })
            .collect();
        announcements.reverse();
        self.announcements.extend(announcements);
        self.announcements.drain(..self.announcements.len().saturating_sub(ANNOUNCEMENTS_MAX));
    }

    /// Drops the subscriptions that have had no receiver for longest, if there are too many.
    fn drop_idle(&mut self) {
        if self.subscriptions.len() < IDLE_MAX {
            return;
        }
        let now = Instant::now();
        let idle = self
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.shown.receiver_count() == 0);
        let mut idle: Vec<(Instant, PageQuery)> = idle
            .map(|(query, subscription)| (subscription.idle.unwrap_or(now), query.clone()))
            .collect();
        idle.sort();
        for (_, query) in idle.iter().take((idle.len() + 1).saturating_sub(IDLE_MAX)) {
            self.subscriptions.remove(query);
        }
    }

    /// Replies to a subscription request with an up-to-date snapshot.
    fn answer(&mut self, view: &Arc<View>, Request { query, reply, .. }: Request) {
        let subscription = if let Some(mut subscription) = self.subscriptions.remove(&query) {
            if subscription.shown.borrow().number < *self.number {
                self.render(view, &query, &mut subscription);
            }
            subscription
        } else {
            self.drop_idle();
            let (mut fragments, mut cache) = (Fragments::default(), RowCache::default());
            page::window(&mut fragments, *self.number, view, &query, &mut cache);
            let shown = watch::Sender::new(Arc::new(self.snapshot(view, &fragments)));
            Subscription { fragments, cache, shown, idle: None }
        };
        // The page may have disconnected; the subscription is kept, since it may reconnect.
        let _ = reply.send(subscription.shown.subscribe());
        self.subscriptions.insert(query, subscription);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::fixtures::{Fixture, live, stamp};
    use crate::web::live::snapshot::Position;

    fn sources() -> Sources {
        let (views, playing) =
            (watch::Sender::new(None).subscribe(), watch::Sender::new(None).subscribe());
        Sources {
            views,
            playing,
            launcher: LauncherClient::of(None),
            write_spans: WriteSpans::default(),
        }
    }

    #[test]
    fn idle_subscription_is_rendered_again_for_its_next_receiver() {
        let (sources, mut number) = (sources(), 0);
        let mut renderer = Renderer::new(&sources, &mut number);
        let subscribe = |renderer: &mut Renderer<'_>| {
            let (reply, mut replied) = oneshot::channel();
            let view = renderer.view.clone().unwrap();
            renderer.answer(&view, Request { query: PageQuery::default(), view: None, reply });
            replied.try_recv().unwrap()
        };
        renderer.show(Some(Arc::new(Fixture::new().view)), None);
        let before = subscribe(&mut renderer).borrow().number;
        let entry = live(stamp("gotham", 9_000), 84, None);
        renderer
            .show(Some(Arc::new(Fixture::new().hold(1, "Granite", [Some(&entry); 4]).view)), None);
        assert_eq!(
            renderer.subscriptions[&PageQuery::default()].shown.borrow().number,
            before,
            "there is no receiver"
        );
        let subscription = subscribe(&mut renderer);
        assert!(subscription.borrow().number > before);
        assert!(subscription.borrow().since(Position::all(before)).unwrap().contains("Granite"));
        renderer.show(Some(Arc::new(Fixture::new().view)), None);
        assert!(
            subscription.borrow().since(Position::all(before)).unwrap().contains("table-empty"),
            "there is a receiver"
        );
    }

    #[test]
    fn announcement_of_a_bomb_equals_the_response_to_it() {
        let (sources, mut number) = (sources(), 0);
        let mut renderer = Renderer::new(&sources, &mut number);
        renderer.show(Some(Arc::new(Fixture::new().view)), None);
        let mut fixture = Fixture::new().logged("gotham", EventKind::Destroyed);
        let event = Arc::make_mut(&mut fixture.view.events[0]);
        event.text = "gotham has been destroyed, and only it held Granite".to_owned();
        renderer.show(Some(Arc::new(fixture.view)), None);
        let texts: Vec<&str> =
            renderer.announcements.iter().map(|announcement| announcement.text.as_str()).collect();
        assert_eq!(texts, ["gotham has been destroyed"]);
    }
}
