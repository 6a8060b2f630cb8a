//! The options of `superhero fault`.

use std::time::Duration;

use clap::{Args, Subcommand};

use api_types::ALL;
use scenario::{Fault, FaultKind, span};

use super::value;
use crate::complete;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FaultCommand {
    /// Drop all gossip between two nodes; commands and observation still pass
    Cut {
        #[command(flatten)]
        link: Link,
    },
    /// Delay all gossip between two nodes
    Delay {
        /// Delay, for example 300ms
        #[arg(long, value_name = "DURATION", value_parser = span::duration)]
        by: Duration,
        /// Maximum deviation from the delay, in either direction
        #[arg(long, value_name = "DURATION", default_value = "0", value_parser = span::duration)]
        jitter: Duration,
        #[command(flatten)]
        link: Link,
    },
    /// Drop a percentage of the gossip frames between two nodes
    Loss(Part),
    /// Duplicate a percentage of the gossip frames between two nodes
    Duplicate(Part),
    /// Reorder a percentage of the gossip frames between two nodes
    Reorder(Part),
    /// Limit the bandwidth of gossip between two nodes
    Throttle {
        /// Maximum bandwidth, in bytes per second
        #[arg(long, value_name = "N")]
        bytes_per_s: u64,
        #[command(flatten)]
        link: Link,
    },
    /// Freeze a city's process
    Freeze {
        /// Name of the city
        #[arg(value_parser = value::node, add = complete::cities())]
        city: String,
        #[command(flatten)]
        lasts: Lasts,
    },
    /// Skew a node's clock
    Skew {
        /// Name of the node
        #[arg(value_parser = value::node, add = complete::nodes())]
        node: String,
        /// Offset of the clock: ahead (3s) or behind (-3s)
        #[arg(
            long,
            value_name = "DURATION",
            value_parser = span::signed_ms,
            allow_hyphen_values = true
        )]
        by: i64,
        #[command(flatten)]
        lasts: Lasts,
    },
}

/// The arguments of a fault that affects a percentage of the frames.
#[derive(Args, Clone, Debug)]
pub(crate) struct Part {
    /// Percentage of the frames, such as 5, 5% or 0.5
    #[arg(long, value_name = "N", value_parser = value::percent)]
    percent: f64,
    #[command(flatten)]
    link: Link,
}

/// The arguments of a fault between nodes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Link {
    /// Node at one end
    #[arg(value_parser = value::node, add = complete::nodes())]
    from: String,
    /// Node at the other end, or `all` for every other node
    #[arg(value_parser = value::node, add = complete::ends())]
    to: String,
    /// Affect only frames from FROM to TO
    #[arg(long)]
    one_way: bool,
    #[command(flatten)]
    lasts: Lasts,
}

/// The arguments of every fault.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Lasts {
    // Without a value the field is not sent, so the default is dispatch's and clap cannot print it.
    /// Heal the fault automatically after this duration [default: 30s]
    #[arg(long = "for", value_name = "DURATION", value_parser = span::duration)]
    lasts: Option<Duration>,
}

impl FaultCommand {
    /// Returns the fault to inject. Its parameters are not checked yet.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Cut { link } => link.fault(FaultKind::Cut),
            Self::Delay { link, by, jitter } => link.fault(FaultKind::Delay { by, jitter }),
            Self::Loss(Part { link, percent }) => link.fault(FaultKind::Loss { percent }),
            Self::Duplicate(Part { link, percent }) => link.fault(FaultKind::Duplicate { percent }),
            Self::Reorder(Part { link, percent }) => link.fault(FaultKind::Reorder { percent }),
            Self::Throttle { link, bytes_per_s } => link.fault(FaultKind::Throttle { bytes_per_s }),
            Self::Freeze { city, lasts } => at_node(FaultKind::Freeze, city, lasts),
            Self::Skew { node, by, lasts } => at_node(FaultKind::Skew { by_ms: by }, node, lasts),
        }
    }
}

impl Link {
    fn fault(self, kind: FaultKind) -> Fault {
        let to = if self.to == "all" { ALL.to_owned() } else { self.to };
        Fault {
            kind,
            from: self.from,
            to: Some(to),
            one_way: self.one_way,
            lasts: self.lasts.lasts,
        }
    }
}

fn at_node(kind: FaultKind, node: String, Lasts { lasts }: Lasts) -> Fault {
    Fault { kind, from: node, to: None, one_way: false, lasts }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::options::{Command, Options};

    fn fault(line: &str) -> Fault {
        let words = ["superhero", "fault"].into_iter().chain(line.split(' '));
        let Command::Fault(command) = Options::try_parse_from(words)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .command
        else {
            panic!("{line} is a fault")
        };
        command.fault()
    }

    #[test]
    fn fault_arguments_become_a_fault() {
        let cut = fault("cut gotham all --one-way --for 20s");
        assert_eq!(
            (cut.to.as_deref(), cut.one_way, cut.lasts),
            (Some("*"), true, Some(Duration::from_secs(20)))
        );
        let delay = fault("delay gotham capitol --by 300ms --jitter 50ms");
        assert_eq!(
            delay.kind,
            FaultKind::Delay { by: Duration::from_millis(300), jitter: Duration::from_millis(50) }
        );
        assert_eq!(fault("loss gotham * --percent 0.5").kind, FaultKind::Loss { percent: 0.5 });
        assert_eq!(
            fault("duplicate gotham * --percent 5").kind,
            FaultKind::Duplicate { percent: 5.0 }
        );
        assert_eq!(fault("reorder gotham * --percent 5").kind, FaultKind::Reorder { percent: 5.0 });
        assert_eq!(
            fault("throttle gotham * --bytes-per-s 8192").kind,
            FaultKind::Throttle { bytes_per_s: 8_192 }
        );
        assert_eq!(
            fault("freeze gotham"),
            at_node(FaultKind::Freeze, "gotham".into(), Lasts { lasts: None })
        );
        assert_eq!(fault("skew dispatch --by -3s").kind, FaultKind::Skew { by_ms: -3_000 });
        assert_eq!(fault("skew dispatch --by=+3s").kind, FaultKind::Skew { by_ms: 3_000 });
    }
}
