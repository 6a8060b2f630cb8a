//! The handles to the types, on nodes over real sockets.

#![cfg(feature = "net")]

mod nodes;

use std::time::Duration;

use gossip::PublishError;
use gossip::link::{AskError, News, NodeEnd, Subscription};
use gossip::types::counter::CounterError;
use gossip::types::names::NameError;
use gossip::types::presence::{Diff, Why};
use gossip::types::request::RequestError;
use tokio::time::timeout;

use nodes::{cluster, shown};

#[tokio::test]
async fn writes_are_read_at_their_node_at_once_and_at_others_later() {
    let [a, b] = cluster(["a", "b"]).await;
    let (here, there) = (a.cluster(), b.cluster());
    assert_eq!(here.counter("visits").add(5).await.unwrap().total, 5);
    assert_eq!((here.counter("visits").value().total, here.counter("visits").local()), (5, 5));
    assert!(here.set("tags").add("fast").await.unwrap());
    assert!(!here.set("tags").add("fast").await.unwrap());
    here.table("villains").put("joker", b"at large").await.unwrap();
    shown(there, |snapshot| snapshot.register("villains", "joker").is_some()).await;
    // The others were written before, so no replica shows the last without them.
    assert_eq!((there.counter("visits").value().total, there.counter("visits").local()), (5, 0));
    assert_eq!(there.set("tags").elements().len(), 1);
    assert!(there.set("tags").remove("fast").await.unwrap());
    there.table("villains").delete("joker").await.unwrap();
    shown(here, |snapshot| snapshot.register("villains", "joker").is_none()).await;
    assert!(here.set("tags").elements().is_empty());
    assert_eq!(a.stop().await, NodeEnd::Stopped);
    assert_eq!(b.stop().await, NodeEnd::Stopped);
}

#[tokio::test]
async fn refused_requests_name_their_reason() {
    let [a] = cluster(["a"]).await;
    let refused = a.cluster().counter("visits").add(0).await;
    assert_eq!(refused, Err(AskError::Refused(RequestError::Counter(CounterError::Zero))));
    let refused = a.cluster().name("mailer").release().await;
    assert_eq!(refused, Err(AskError::Refused(RequestError::Name(NameError::NotHeld))));
    let refused = a.cluster().room("hq").say("ada", "").await.unwrap_err();
    assert!(matches!(refused, AskError::Refused(RequestError::Room(_))), "{refused}");
    assert_eq!(a.cluster().counter("visits").value().total, 0);
}

#[tokio::test]
async fn messages_are_returned_once_and_in_order() {
    let [a, b] = cluster(["a", "b"]).await;
    let question = a.cluster().room("hq").say("ada", "anybody there?").await.unwrap();
    shown(b.cluster(), |snapshot| !snapshot.room("hq", 1).is_empty()).await;
    let mut messages = a.cluster().room("hq").messages();
    let first = messages.next().await.unwrap();
    assert_eq!(first, std::slice::from_ref(&question));
    let reply = b.cluster().room("hq").reply(question.stamp, "bob", "I am").await.unwrap();
    let next = timeout(Duration::from_secs(30), messages.next()).await.unwrap().unwrap();
    assert_eq!(next, [reply]);
    assert_eq!(b.cluster().room("hq").recent(1), next);
}

#[tokio::test]
async fn presence_of_other_nodes_joins_changes_and_leaves() {
    let [a, b] = cluster(["a", "b"]).await;
    let mut diffs = a.cluster().presence("lobby").diffs();
    let mut next = async || timeout(Duration::from_secs(30), diffs.next()).await.unwrap().unwrap();
    let bob = b.cluster().presence("lobby").track("bob", b"away").await.unwrap();
    assert_eq!(next().await, [Diff::Joined(bob.clone())]);
    b.cluster().presence("lobby").update(&bob, b"here").await.unwrap();
    let updated = next().await;
    assert!(
        matches!(&updated[..], [Diff::Updated { from, to }] if *from == bob && to.meta == b"here"),
        "{updated:?}"
    );
    b.cluster().presence("lobby").untrack(&bob).await.unwrap();
    let left = next().await;
    assert!(matches!(&left[..], [Diff::Left { why: Why::Untracked, .. }]), "{left:?}");
    // A node that ends is silent, and its users are hidden.
    b.cluster().presence("lobby").track("eve", b"").await.unwrap();
    assert!(matches!(&next().await[..], [Diff::Joined(_)]));
    b.stop().await;
    let left = next().await;
    assert!(matches!(&left[..], [Diff::Left { why: Why::Silent, .. }]), "{left:?}");
}

#[tokio::test]
async fn claim_is_lost_when_its_name_is_released_or_taken() {
    let [a, b] = cluster(["a", "b"]).await;
    let mut claim = a.cluster().name("mailer").register(b"1").await.unwrap();
    shown(b.cluster(), |snapshot| snapshot.name("mailer").is_some()).await;
    let taken = b.cluster().name("mailer").register(b"2").await.err().expect("a holds it");
    assert!(matches!(taken, AskError::Refused(RequestError::Name(NameError::Taken(_)))));
    a.cluster().name("mailer").release().await.unwrap();
    assert_eq!(timeout(Duration::from_secs(30), claim.lost()).await.unwrap(), None);
    shown(b.cluster(), |snapshot| snapshot.name("mailer").is_none()).await;
    let later = b.cluster().name("mailer").register(b"2").await.unwrap();
    assert!(later.token() > claim.token());
    shown(a.cluster(), |snapshot| snapshot.name("mailer").is_some()).await;
    assert_eq!(claim.lost().await.map(|held| held.token), Some(later.token()));
}

#[tokio::test]
async fn publications_reach_subscribers_at_all_linked_nodes() {
    let nodes = cluster(["a", "b", "c"]).await;
    let [a, b, c] = [0, 1, 2].map(|number: usize| nodes[number].cluster());
    let mut subscriptions = [a, b, c].map(|cluster| cluster.topic("news").subscribe());
    let mut other = b.topic("other").subscribe();
    assert_eq!(a.topic("news").publish(b"1").await, Ok(3));
    assert_eq!(
        c.topic("news").publish_to("a".parse().expect("a valid name"), b"2").await,
        Ok(true)
    );
    assert_eq!(
        c.topic("news").publish_to("z".parse().expect("a valid name"), b"3").await,
        Ok(false)
    );
    a.topic("other").post(b"4").expect("the queue has room");
    let body = async |subscription: &mut Subscription| match timeout(
        Duration::from_secs(30),
        subscription.next(),
    )
    .await
    .expect("a message in time")
    {
        Some(News::Message { from, body }) => (from.node.to_string(), body.to_vec()),
        other => panic!("{other:?}"),
    };
    for subscription in &mut subscriptions {
        assert_eq!(body(subscription).await, ("a".to_owned(), b"1".to_vec()));
    }
    assert_eq!(body(&mut subscriptions[0]).await, ("c".to_owned(), b"2".to_vec()));
    assert_eq!(body(&mut other).await, ("a".to_owned(), b"4".to_vec()));
    let large = a.topic("news").publish(&[0; 5_000]).await;
    assert_eq!(large, Err(PublishError::TooLarge { bytes: 5_000 }));
    let publisher = a.topic("news");
    for node in nodes {
        node.stop().await;
    }
    assert_eq!(publisher.publish(b"5").await, Err(PublishError::Stopped));
    assert_eq!(other.next().await, None);
}
