//! Publish and subscribe: messages reach the subscribers at all nodes, in the order of their publisher.
//! A subscriber that is too slow delays no other, and is told how many messages it has missed.
//!
//! ```text
//! cargo run -p gossip --features net --example pubsub
//! ```

use gossip::link::{News, local_cluster};

const MESSAGES: usize = 300;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [a, b] = local_cluster(["ada".parse()?, "bob".parse()?]).await?;
    let topic = a.cluster().topic("room:lobby");
    let mut reader = b.cluster().topic("room:lobby").subscribe();
    let mut sleeper = b.cluster().topic("room:lobby").subscribe();

    for number in 1..=MESSAGES {
        let nodes = topic.publish(number.to_string().as_bytes()).await?;
        assert_eq!(nodes, 2);
        // The reader keeps up.
        match reader.next().await {
            Some(News::Message { from, body }) if number % 100 == 0 => {
                println!("{} says {}", from.node, String::from_utf8_lossy(&body));
            }
            Some(News::Message { .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    // The sleeper begins to read after all were published.
    let (mut received, mut missed) = (0, 0);
    while received + missed < MESSAGES as u64 {
        match sleeper.next().await {
            Some(News::Message { .. }) => received += 1,
            Some(News::Missed { count, .. }) => missed += count,
            None => panic!("the node has ended"),
        }
    }
    println!("the sleeper received {received} messages, and missed {missed}");
    assert!(missed > 0);
    Ok(())
}
