//! The subscriptions of one node, and the queue of its publications.
//!
//! Invariants: a slow subscriber delays nobody and keeps a limited number of messages; it receives the
//! messages of each publisher in order, and is told where some are missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::id::{NodeName, Origin};
use crate::publication::{Publication, PublishError};

/// The number of messages that wait for one subscriber.
const WAITING_MAX: usize = 256;
/// The number of publications that wait for the node.
const PUBLICATIONS_MAX: usize = 1_024;

/// A message of a topic, or a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A message.
    Message {
        /// The publisher.
        from: Origin,
        /// The content.
        body: Arc<[u8]>,
    },
    /// Messages are missing here.
    Missed {
        /// The publisher whose messages did not arrive; `None` if this subscriber was too slow.
        from: Option<NodeName>,
        /// The number of missing messages. If they did not arrive, they may be of other topics.
        count: u64,
    },
}

/// A request to publish, for the task that owns the links.
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) body: Vec<u8>,
    /// The only receiver; `None` for all nodes.
    pub(super) to: Option<NodeName>,
    /// Receives the number of nodes to which it was sent, this one included.
    pub(super) reply: oneshot::Sender<usize>,
}

/// The topics of one node, for its callers.
#[derive(Clone)]
pub(super) struct Topics {
    publish: mpsc::Sender<Publish>,
    subscribers: Subscribers,
}

/// The topics of one node, for the task that owns the links.
pub(super) struct TopicsServer {
    /// The publications to send.
    pub(super) publications: mpsc::Receiver<Publish>,
    /// The receivers of what arrives.
    pub(super) subscribers: Subscribers,
}

/// The subscribers at one node.
#[derive(Clone, Default)]
pub(super) struct Subscribers(Arc<Mutex<BTreeMap<String, Vec<Weak<Queue>>>>>);

/// A subscription of a topic. It ends when it is dropped.
pub struct Subscription {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Default)]
struct Waiting {
    news: VecDeque<News>,
    /// The number of messages that did not fit in after the last of `news`.
    missed: u64,
    /// The node has ended.
    is_closed: bool,
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value is consistent whenever the lock is released.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns both ends.
pub(super) fn new() -> (Topics, TopicsServer) {
    let (publish, publications) = mpsc::channel(PUBLICATIONS_MAX);
    let subscribers = Subscribers::default();
    let server = TopicsServer { publications, subscribers: subscribers.clone() };
    (Topics { publish, subscribers }, server)
}

impl Topics {
    /// Publishes a message. The receiver gets the number of nodes to which it was sent, this one
    /// included.
    pub(super) fn publish(
        &self,
        topic: &str,
        body: &[u8],
        to: Option<NodeName>,
    ) -> Result<oneshot::Receiver<usize>, PublishError> {
        Publication::check(topic, body)?;
        let (reply, sent) = oneshot::channel();
        let publish = Publish { topic: topic.to_owned(), body: body.to_vec(), to, reply };
        self.publish.try_send(publish).map_err(|error| match error {
            TrySendError::Full(_) => PublishError::Busy,
            TrySendError::Closed(_) => PublishError::Stopped,
        })?;
        Ok(sent)
    }

    pub(super) fn subscribe(&self, topic: &str) -> Subscription {
        let queue = Arc::<Queue>::default();
        let mut subscribers = locked(&self.subscribers.0);
        subscribers.entry(topic.to_owned()).or_default().push(Arc::downgrade(&queue));
        // Ended subscriptions of topics without messages are removed here.
        subscribers.retain(|_, queues| {
            queues.retain(|queue| queue.strong_count() > 0);
            !queues.is_empty()
        });
        Subscription { queue }
    }
}

impl Subscribers {
    /// Delivers a message to the subscribers of its topic at this node.
    pub(super) fn deliver(&self, from: Origin, topic: &str, body: Vec<u8>) {
        let subscribers = locked(&self.0);
        let Some(queues) = subscribers.get(topic) else { return };
        let body: Arc<[u8]> = body.into();
        for queue in queues.iter().filter_map(Weak::upgrade) {
            queue.add(News::Message { from, body: Arc::clone(&body) });
        }
    }

    /// Tells all subscribers that messages of a node did not arrive.
    pub(super) fn missed(&self, from: NodeName, count: u64) {
        let subscribers = locked(&self.0);
        for queue in subscribers.values().flatten().filter_map(Weak::upgrade) {
            queue.add(News::Missed { from: Some(from), count });
        }
    }
}

impl Drop for TopicsServer {
    fn drop(&mut self) {
        let subscribers = locked(&self.subscribers.0);
        for queue in subscribers.values().flatten().filter_map(Weak::upgrade) {
            locked(&queue.waiting).is_closed = true;
            queue.added.notify_one();
        }
    }
}

impl Queue {
    fn add(&self, news: News) {
        let mut waiting = locked(&self.waiting);
        // A gap takes a place of its own before the message that follows it.
        let needed = 1 + usize::from(waiting.missed > 0);
        if waiting.news.len() + needed > WAITING_MAX {
            let count = match news {
                News::Message { .. } => 1,
                News::Missed { count, .. } => count,
            };
            waiting.missed = waiting.missed.saturating_add(count);
        } else {
            let count = std::mem::take(&mut waiting.missed);
            waiting.news.extend((count > 0).then_some(News::Missed { from: None, count }));
            waiting.news.push_back(news);
        }
        drop(waiting);
        self.added.notify_one();
    }
}

impl Subscription {
    /// Returns the next message or gap; `None` once the node has ended.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            {
                let mut waiting = locked(&self.queue.waiting);
                if let Some(news) = waiting.news.pop_front() {
                    return Some(news);
                }
                let count = std::mem::take(&mut waiting.missed);
                if count > 0 {
                    return Some(News::Missed { from: None, count });
                }
                if waiting.is_closed {
                    return None;
                }
            }
            // A notification before this is not lost.
            self.queue.added.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    fn gotham() -> Origin {
        Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(2) }
    }

    fn message(text: &str) -> News {
        News::Message { from: gotham(), body: text.as_bytes().into() }
    }

    fn missed(count: u64) -> News {
        News::Missed { from: None, count }
    }

    #[tokio::test]
    async fn subscriber_receives_its_topic_and_the_gaps() {
        let (topics, server) = new();
        let mut subscription = topics.subscribe("news");
        server.subscribers.deliver(gotham(), "other", b"0".to_vec());
        server.subscribers.deliver(gotham(), "news", b"1".to_vec());
        server.subscribers.missed(gotham().node, 3);
        server.subscribers.deliver(gotham(), "news", b"2".to_vec());
        assert_eq!(subscription.next().await, Some(message("1")));
        let gap = News::Missed { from: Some(gotham().node), count: 3 };
        assert_eq!(subscription.next().await, Some(gap));
        assert_eq!(subscription.next().await, Some(message("2")));
        drop(server);
        assert_eq!(subscription.next().await, None);
    }

    #[tokio::test]
    async fn slow_subscriber_keeps_a_limited_number_and_is_told_what_it_missed() {
        let (topics, server) = new();
        let (mut slow, mut fast) = (topics.subscribe("news"), topics.subscribe("news"));
        for number in 0..WAITING_MAX + 44 {
            server.subscribers.deliver(gotham(), "news", number.to_string().into_bytes());
            assert_eq!(fast.next().await, Some(message(&number.to_string())));
        }
        for number in 0..WAITING_MAX {
            assert_eq!(slow.next().await, Some(message(&number.to_string())));
        }
        assert_eq!(slow.next().await, Some(missed(44)));
        for number in 0..WAITING_MAX + 1 {
            server.subscribers.deliver(gotham(), "news", number.to_string().into_bytes());
        }
        assert_eq!(slow.next().await, Some(message("0")));
        assert_eq!(slow.next().await, Some(message("1")));
        // Two places are free, for the gap and for the next message.
        server.subscribers.deliver(gotham(), "news", b"last".to_vec());
        for number in 2..WAITING_MAX {
            assert_eq!(slow.next().await, Some(message(&number.to_string())));
        }
        assert_eq!(slow.next().await, Some(missed(1)));
        assert_eq!(slow.next().await, Some(message("last")));
    }

    #[tokio::test]
    async fn ended_subscriptions_are_removed() {
        let (topics, _server) = new();
        for number in 0..100 {
            drop(topics.subscribe(&number.to_string()));
        }
        let _last = topics.subscribe("last");
        assert_eq!(locked(&topics.subscribers.0).len(), 1);
    }

    #[tokio::test]
    async fn oversized_publications_are_refused() {
        let (topics, _server) = new();
        let refused = |topic, body: &[u8]| topics.publish(topic, body, None).unwrap_err();
        assert_eq!(refused("", b""), PublishError::Topic { bytes: 0 });
        assert_eq!(refused("news", &[0; 5_000]), PublishError::TooLarge { bytes: 5_000 });
    }
}
