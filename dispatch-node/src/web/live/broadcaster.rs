//! The board: what all pages show, rendered once for everybody. One task owns it; it turns each view into fragments, and keeps a *window*
//! for each different thing that pages were asked to show (a search, a page of heroes, a hero looked at closely).
//!
//! Frames are numbered. A page says which it has, and is told what is newer, whether that is one frame or a minute's worth; those in step with each
//! other get the very same bytes. Invariant: numbers rise, and a later number is of a later view.

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
use crate::model::view::View;
use crate::web::error::{Problem, dispatch_silent};
use crate::web::fragments::{Fragments, Number};
use crate::web::launcher::Rebuilder;
use crate::web::live::snapshot::{News, Snapshot};
use crate::web::page_query::Wish;
use crate::web::render::events::destroyed as destroyed_text;
use crate::web::render::forecast::Predictor;
use crate::web::render::heroes::RowCache;
use crate::web::render::page;
use crate::web::render::timeline::seconds::{SecondCache, seconds};
use crate::web::render::timeline::table::table_rows;
use crate::web::scenario_runner::Playing;
use crate::web::spans::writes::Followed;

/// How many pages may wait to be shown something.
const REQUESTS_MAX: usize = 2_048;
/// How many windows are kept that nobody looks at, and for how long: a page that lost its connection will be back.
const IDLE_MAX: usize = 200;
const WINDOW_PATIENCE: Duration = Duration::from_secs(30);
/// How long a board that broke takes breath: should the next view break it again, the log is not flooded.
const AFTER_BREAKING: Duration = Duration::from_secs(1);
/// How many pieces of news are kept for those who were away.
const NEWS_MAX: usize = 16;

/// The web's side of the board.
#[derive(Clone)]
pub(crate) struct Board {
    requests: mpsc::Sender<Request>,
    epoch: Arc<str>,
}

/// What the frames are made of.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The views as they come, `None` before the first.
    pub(crate) views: watch::Receiver<Option<Arc<View>>>,
    /// The scenario that is played, or was last.
    pub(crate) playing: watch::Receiver<Option<Playing>>,
    /// How a city that has ended is started again.
    pub(crate) launcher: Rebuilder,
    /// The writes whose traces end where a page shows them.
    pub(crate) write_spans: Followed,
}

struct Request {
    wish: Wish,
    /// A view that is to be shown at least.
    view: Option<Arc<View>>,
    reply: oneshot::Sender<watch::Receiver<Arc<Snapshot>>>,
}

impl Board {
    /// A board of what these sources tell.
    pub(crate) fn new(sources: Sources) -> Self {
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let epoch = format!("{:08x}", rand::rng().random::<u32>());
        tokio::spawn(keep(sources, queue));
        Self { requests, epoch: epoch.into() }
    }

    /// Names this run of dispatch: numbers of another mean nothing here.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// What a page that was asked to show this shows from now on; at least `view`, if one is given.
    pub(crate) async fn follow(&self, wish: Wish, view: Option<Arc<View>>) -> Result<watch::Receiver<Arc<Snapshot>>, Problem> {
        let (reply, answered) = oneshot::channel();
        self.requests.try_send(Request { wish, view, reply }).map_err(|_| Problem::overloaded())?;
        answered.await.map_err(|_| dispatch_silent())
    }
}

/// The board itself.
struct Keeper<'a> {
    sources: &'a Sources,
    /// Of the newest frame. It goes on rising whatever becomes of this board.
    number: &'a mut Number,
    view: Option<Arc<View>>,
    shared: Fragments,
    history: Fragments,
    windows: BTreeMap<Wish, Window>,
    news: Vec<News>,
    seconds: SecondCache,
    predictor: Predictor,
}

struct Window {
    fragments: Fragments,
    cache: RowCache,
    shown: watch::Sender<Arc<Snapshot>>,
    /// Since when nobody has looked.
    idle: Option<Instant>,
}

/// Keeps the board until nobody is left to look. Should rendering fail, it is told and begun anew: pages connect again, replication does not notice.
async fn keep(sources: Sources, mut requests: mpsc::Receiver<Request>) {
    let mut number = 0;
    while let Err(panic) = AssertUnwindSafe(run(&sources, &mut requests, &mut number)).catch_unwind().await {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        error!("the board broke, and begins anew: {}", text.unwrap_or_default());
        sleep(AFTER_BREAKING).await;
    }
}

async fn run(sources: &Sources, requests: &mut mpsc::Receiver<Request>, number: &mut Number) {
    let (mut views, mut playing) = (sources.views.clone(), sources.playing.clone());
    let mut keeper = Keeper::new(sources, number);
    let mut waiting = Vec::new();
    views.mark_changed();
    loop {
        tokio::select! {
            changed = views.changed() => {
                let Ok(()) = changed else { return };
                let view = views.borrow_and_update().clone();
                keeper.show(view, playing.borrow().as_ref());
            }
            changed = playing.changed() => {
                let Ok(()) = changed else { return };
                let view = keeper.view.clone();
                keeper.show(view, playing.borrow_and_update().as_ref());
            }
            // Many pages that open at once are shown one and the same.
            count = requests.recv_many(&mut waiting, REQUESTS_MAX) => {
                if count == 0 {
                    return;
                }
                let newest = waiting.iter().filter_map(|request: &Request| request.view.clone()).max_by_key(|view| view.at.mono);
                keeper.show(newest, playing.borrow().as_ref());
            }
        }
        if let Some(view) = keeper.view.clone() {
            waiting.drain(..).for_each(|request| keeper.answer(&view, request));
        }
    }
}

impl<'a> Keeper<'a> {
    fn new(sources: &'a Sources, number: &'a mut Number) -> Self {
        Self {
            sources,
            number,
            view: None,
            shared: Fragments::default(),
            history: Fragments::default(),
            windows: BTreeMap::new(),
            news: Vec::new(),
            seconds: SecondCache::default(),
            predictor: Predictor::default(),
        }
    }

    fn show(&mut self, view: Option<Arc<View>>, playing: Option<&Playing>) {
        let Some(view) = view.filter(|view| self.view.as_ref().is_none_or(|shown| shown.at.mono <= view.at.mono)) else { return };
        *self.number += 1;
        self.note_news(&view);
        let predicted = self.predictor.predict(&view);
        page::shared(&mut self.shared, *self.number, &view, &self.sources.launcher, playing, predicted.as_ref());
        self.history.list(*self.number, "timeline-seconds", seconds(&view, &mut self.seconds));
        self.history.list(*self.number, "timeline-rows", table_rows(&view));
        self.view = Some(Arc::clone(&view));
        self.sources.write_spans.show(&view, *self.number);
        let now = Instant::now();
        self.windows.retain(|_, window| {
            let idle = (window.shown.receiver_count() == 0).then(|| window.idle.unwrap_or(now));
            window.idle = idle;
            idle.is_none_or(|since| now.duration_since(since) < WINDOW_PATIENCE)
        });
        for (wish, mut window) in std::mem::take(&mut self.windows) {
            // One that nobody looks at is brought up to date when somebody does.
            if window.idle.is_none() {
                self.render(&view, &wish, &mut window);
            }
            self.windows.insert(wish, window);
        }
    }

    fn snapshot(&self, view: &Arc<View>, window: &Fragments) -> Snapshot {
        let (shared, history) = (self.shared.clone(), self.history.clone());
        Snapshot::new(*self.number, Arc::clone(view), shared, history, window.clone(), self.news.clone())
    }

    fn render(&self, view: &Arc<View>, wish: &Wish, window: &mut Window) {
        page::window(&mut window.fragments, *self.number, view, wish, &mut window.cache);
        window.shown.send_replace(Arc::new(self.snapshot(view, &window.fragments)));
    }

    /// What was destroyed since the view before.
    fn note_news(&mut self, view: &View) {
        let Some(before) = &self.view else { return };
        let last = before.events.last().map_or(0, |happening| happening.number);
        let destroyed = view.events.iter().rev().take_while(|happening| happening.number > last);
        let destroyed = destroyed.filter(|happening| happening.kind == EventKind::Destroyed);
        // In the words in which who did it is answered: a page shows the two as one.
        let mut news: Vec<News> =
            destroyed.map(|happening| News { n: happening.number, text: destroyed_text(happening.node), since: *self.number }).collect();
        news.reverse();
        self.news.extend(news);
        self.news.drain(..self.news.len().saturating_sub(NEWS_MAX));
    }

    /// Drops the windows that nobody has looked at for longest, where there are too many.
    fn drop_idle(&mut self) {
        if self.windows.len() < IDLE_MAX {
            return;
        }
        let now = Instant::now();
        let idle = self.windows.iter().filter(|(_, window)| window.shown.receiver_count() == 0);
        let mut idle: Vec<(Instant, Wish)> = idle.map(|(wish, window)| (window.idle.unwrap_or(now), wish.clone())).collect();
        idle.sort();
        for (_, wish) in idle.iter().take((idle.len() + 1).saturating_sub(IDLE_MAX)) {
            self.windows.remove(wish);
        }
    }

    fn answer(&mut self, view: &Arc<View>, Request { wish, reply, .. }: Request) {
        let window = if let Some(mut window) = self.windows.remove(&wish) {
            if window.shown.borrow().number < *self.number {
                self.render(view, &wish, &mut window);
            }
            window
        } else {
            self.drop_idle();
            let (mut fragments, mut cache) = (Fragments::default(), RowCache::default());
            page::window(&mut fragments, *self.number, view, &wish, &mut cache);
            let shown = watch::Sender::new(Arc::new(self.snapshot(view, &fragments)));
            Window { fragments, cache, shown, idle: None }
        };
        // Whoever has gone meanwhile needs no answer.
        let _ = reply.send(window.shown.subscribe());
        self.windows.insert(wish, window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::fixtures::{Scene, live, stamp};
    use crate::web::live::snapshot::Has;

    fn sources() -> Sources {
        let (views, playing) = (watch::Sender::new(None).subscribe(), watch::Sender::new(None).subscribe());
        Sources { views, playing, launcher: Rebuilder::of(None), write_spans: Followed::default() }
    }

    #[test]
    fn a_window_that_nobody_looks_at_is_brought_up_to_date_when_somebody_does() {
        let (sources, mut number) = (sources(), 0);
        let mut keeper = Keeper::new(&sources, &mut number);
        let follow = |keeper: &mut Keeper<'_>| {
            let (reply, mut answered) = oneshot::channel();
            let view = keeper.view.clone().unwrap();
            keeper.answer(&view, Request { wish: Wish::default(), view: None, reply });
            answered.try_recv().unwrap()
        };
        keeper.show(Some(Arc::new(Scene::new().view)), None);
        let before = follow(&mut keeper).borrow().number;
        let entry = live(stamp("gotham", 9_000), 84, None);
        keeper.show(Some(Arc::new(Scene::new().hold(1, "Granite", [Some(&entry); 4]).view)), None);
        assert_eq!(keeper.windows[&Wish::default()].shown.borrow().number, before, "nobody looks");
        let window = follow(&mut keeper);
        assert!(window.borrow().number > before);
        assert!(window.borrow().since(Has::all(before)).unwrap().contains("Granite"));
        keeper.show(Some(Arc::new(Scene::new().view)), None);
        assert!(window.borrow().since(Has::all(before)).unwrap().contains("heroes-empty"), "somebody looks");
    }

    #[test]
    fn a_destroyed_city_is_news_in_the_words_of_the_answer_to_who_destroyed_it() {
        let (sources, mut number) = (sources(), 0);
        let mut keeper = Keeper::new(&sources, &mut number);
        keeper.show(Some(Arc::new(Scene::new().view)), None);
        let mut scene = Scene::new().happened("gotham", EventKind::Destroyed);
        let told = Arc::make_mut(&mut scene.view.events[0]);
        told.text = "gotham has been destroyed, and it alone had heard of Granite".to_owned();
        keeper.show(Some(Arc::new(scene.view)), None);
        let news: Vec<&str> = keeper.news.iter().map(|news| news.text.as_str()).collect();
        assert_eq!(news, ["gotham has been destroyed"]);
    }
}
