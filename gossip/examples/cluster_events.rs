//! Members that come and go: each node is told who is up, suspect and down, and why.
//!
//! ```text
//! cargo run -p gossip --features net --example cluster_events
//! ```

use gossip::NodeName;
use gossip::link::{MemberState, Membership, local_cluster};

/// Prints the changes until a member is in this state.
async fn print_until(changes: &mut Membership, name: NodeName, state: MemberState) {
    loop {
        let changed = changes.next().await.expect("the node is running");
        for member in &changed {
            let why = member.cause.map_or_else(String::new, |cause| format!(" ({cause:?})"));
            println!("  {} is {:?}{why}", member.name, member.state);
        }
        if changed.iter().any(|member| member.name == name && member.state == state) {
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ada, bob, eve) = ("ada".parse()?, "bob".parse()?, "eve".parse()?);
    let [a, b, e] = local_cluster([ada, bob, eve]).await?;

    println!("ada sees:");
    let mut changes = a.cluster().membership();
    print_until(&mut changes, eve, MemberState::Up).await;

    println!("bob stops:");
    b.stop().await;
    print_until(&mut changes, bob, MemberState::Down).await;

    let up = a.cluster().members();
    let up = up.iter().filter(|member| member.state == MemberState::Up).count();
    println!("{up} of 3 members are up");
    assert_eq!(up, 2);
    e.stop().await;
    a.stop().await;
    Ok(())
}
