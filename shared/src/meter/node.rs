//! What every node counts. `docs/metrics.md` is held to this table by a test.

use metrics::Unit::{Bytes, Count, Seconds};

use super::Kind::{Counter, Gauge, Histogram};
use super::Metric;

/// Bounds for what takes milliseconds, or seconds where it goes badly.
const SHORT: &[f64] = &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// The two directions of a link.
const DIRECTIONS: &[&str] = &["in", "out"];

pub(crate) const BUILD: Metric = Metric::new(
    "superhero_build_info",
    Gauge,
    Count,
    "Always 1; the label says which version runs.",
)
.by(&[("version", &[])]);

pub(crate) const STARTED: Metric = Metric::new(
    "superhero_gossip_rounds_started_total",
    Counter,
    Count,
    "Questions to a peer what this node lacks; one that is asked again counts again.",
);
pub(crate) const ENDED: Metric = Metric::new(
    "superhero_gossip_rounds_ended_total",
    Counter,
    Count,
    "What came of questions: both had the same, a round was merged, no answer came, or what came was not taken. A link that broke ends a round without a count.",
)
.by(&[("outcome", &["same", "merged", "unanswered", "refused"])]);
pub(crate) const GIVEN_UP: Metric = Metric::new(
    "superhero_gossip_rounds_given_up_total",
    Counter,
    Count,
    "Rounds given up: they stood still for too long, brought more than is taken, or were overtaken by another.",
);
pub(crate) const REFUSED: Metric = Metric::new(
    "superhero_gossip_rounds_refused_total",
    Counter,
    Count,
    "Rounds refused whole: from a life that is over, stamped too far in the future, or claiming writes that this node never made.",
)
.by(&[("reason", &["fenced", "too_far_ahead", "origin_stolen"])]);
pub(crate) const ROUND_DURATION: Metric = Metric::new(
    "superhero_gossip_round_duration_seconds",
    Histogram(SHORT),
    Seconds,
    "From a question to its answer, or to the end of the round that it led to.",
);
pub(crate) const BROUGHT: Metric = Metric::new(
    "superhero_gossip_entries_merged_total",
    Counter,
    Count,
    "Entries that rounds brought, news or not.",
);
pub(crate) const DIVERGED: Metric = Metric::new(
    "superhero_gossip_divergences_total",
    Counter,
    Count,
    "Times that a peer covered the same writes and held something else. It should never rise.",
);
pub(crate) const HEROES: Metric =
    Metric::new("superhero_heroes", Gauge, Count, "Heroes that live in this node's copy.");
pub(crate) const TOMBSTONES: Metric =
    Metric::new("superhero_tombstones", Gauge, Count, "Tombstones in this node's copy.");
pub(crate) const JOINED: Metric = Metric::new(
    "superhero_joined",
    Gauge,
    Count,
    "1 where this life has joined the cluster, 0 before.",
);

pub(crate) const INCARNATION_START: Metric = Metric::new(
    "superhero_life_start_time_seconds",
    Gauge,
    Seconds,
    "When the present life began, in seconds since 1970; its incarnation, that is.",
);
pub(crate) const RESTARTS: Metric = Metric::new(
    "superhero_restarts_total",
    Counter,
    Count,
    "Lives begun after the first of this process, whatever ended the one before.",
);
pub(crate) const CRASHES: Metric = Metric::new(
    "superhero_crashes_total",
    Counter,
    Count,
    "Lives that crashed: by a bomb, or by a panic, which is a bug.",
)
.by(&[("cause", &["bomb", "panic"])]);

pub(crate) const LINK_STATE: Metric = Metric::new(
    "superhero_link_state",
    Gauge,
    Count,
    "1 for the state that the link to a peer is in, 0 for the others.",
)
.by(&[("peer", &[]), ("state", &["linked", "unreachable", "down"])]);
pub(crate) const OVERFLOWS: Metric = Metric::new(
    "superhero_link_overflows_total",
    Counter,
    Count,
    "Links dropped, since the peer was too slow for what it was sent.",
);
pub(crate) const FRAMES: Metric = Metric::new(
    "superhero_link_frames_total",
    Counter,
    Count,
    "Frames over links, by what they are.",
)
.by(&[("direction", DIRECTIONS), ("kind", &[])]);
pub(crate) const BYTES: Metric = Metric::new(
    "superhero_link_bytes_total",
    Counter,
    Bytes,
    "Bytes of frames over links, by what they are.",
)
.by(&[("direction", DIRECTIONS), ("kind", &[])]);
pub(crate) const ENTRIES: Metric = Metric::new(
    "superhero_link_entries_total",
    Counter,
    Count,
    "Entries in frames over links, by what the frames are.",
)
.by(&[("direction", DIRECTIONS), ("kind", &[])]);
pub(crate) const PEERS_REFUSED: Metric = Metric::new(
    "superhero_strangers_refused_total",
    Counter,
    Count,
    "Connections to the door for nodes that were not let in, by why.",
)
.by(&[(
    "reason",
    &[
        "no_hello",
        "not_a_hello",
        "version",
        "malformed",
        "cookie",
        "certificate",
        "own_name",
        "not_a_member",
        "alive_elsewhere",
        "too_many",
    ],
)]);

pub(crate) const REQUESTS: Metric = Metric::new(
    "superhero_http_requests_total",
    Counter,
    Count,
    "HTTP requests answered, by the pattern of their route, which is \"none\" where nothing is at their path.",
)
.by(&[("method", &[]), ("route", &[]), ("status", &[])]);
pub(crate) const REQUEST_DURATION: Metric = Metric::new(
    "superhero_http_request_duration_seconds",
    Histogram(SHORT),
    Seconds,
    "From the headers of an HTTP request to those of its answer.",
)
.by(&[("route", &[])]);

pub(crate) const RESIDENT: Metric = Metric::new(
    "process_resident_memory_bytes",
    Gauge,
    Bytes,
    "Memory that the process takes now.",
);
pub(crate) const VIRTUAL: Metric = Metric::new(
    "process_virtual_memory_bytes",
    Gauge,
    Bytes,
    "Memory that the process has asked for.",
);
pub(crate) const OPEN_FDS: Metric =
    Metric::new("process_open_fds", Gauge, Count, "File descriptors that are open.");
pub(crate) const MAX_FDS: Metric =
    Metric::new("process_max_fds", Gauge, Count, "File descriptors that may be open.");
pub(crate) const THREADS: Metric =
    Metric::new("process_threads", Gauge, Count, "Threads of the process.");
pub(crate) const CPU: Metric = Metric::new(
    "process_cpu_seconds_total",
    Counter,
    Seconds,
    "Processor time taken, in whole seconds.",
);
pub(crate) const PROCESS_START: Metric = Metric::new(
    "process_start_time_seconds",
    Gauge,
    Seconds,
    "When the process began, in seconds since 1970.",
);

/// All of them. What `/proc` does not tell stays 0.
pub const ALL: &[Metric] = &[
    BUILD,
    STARTED,
    ENDED,
    GIVEN_UP,
    REFUSED,
    ROUND_DURATION,
    BROUGHT,
    DIVERGED,
    HEROES,
    TOMBSTONES,
    JOINED,
    INCARNATION_START,
    RESTARTS,
    CRASHES,
    LINK_STATE,
    OVERFLOWS,
    FRAMES,
    BYTES,
    ENTRIES,
    PEERS_REFUSED,
    REQUESTS,
    REQUEST_DURATION,
    RESIDENT,
    VIRTUAL,
    OPEN_FDS,
    MAX_FDS,
    THREADS,
    CPU,
    PROCESS_START,
];
