//! Causal cuts: a replica shows no reply before the message to which it replies.

use gossip::types::room;
use gossip::{Records, VersionVector};

/// Checks every reply in every room.
///
/// # Errors
/// Returns the first reply whose question is not covered.
pub fn questions_come_first(records: &Records, vector: &VersionVector) -> Result<(), String> {
    for name in room::list(records).into_keys() {
        for message in room::recent(records, &name, room::KEPT) {
            if let Some(question) = message.reply_to.filter(|question| !vector.covers(*question)) {
                return Err(format!("shows {} before {question}", message.stamp));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use gossip::replica::Config;
    use gossip::{Incarnation, Now, Origin, UnixMillis};
    use shared::Replica;

    #[test]
    fn reply_without_its_question_is_rejected() {
        let now = Now::new(Duration::from_secs(5), UnixMillis(5_000));
        let me = Origin { node: "a".parse().unwrap(), incarnation: Incarnation::at(2) };
        let config = Config { members: [me.node].into(), ..Config::default() };
        let mut replica = Replica::new(me, config, Now::new(Duration::ZERO, UnixMillis(0)));
        replica.tick(now);
        let question = room::send(&mut replica, now, "hq", "ada", "?", None).unwrap().stamp;
        room::send(&mut replica, now, "hq", "bob", "!", Some(question)).unwrap();
        let records = replica.map().records();
        assert!(questions_come_first(records, replica.vector()).is_ok());
        assert!(questions_come_first(records, &VersionVector::new()).is_err());
    }
}
