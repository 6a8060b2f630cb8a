//! The metrics of every node. A test compares `docs/metrics.md` with this table.

use metrics::Unit::{Bytes, Count, Seconds};

use super::Kind::{Counter, Gauge, Histogram};
use super::Metric;

/// The bucket bounds for durations of usually milliseconds, at worst seconds.
const SHORT: &[f64] = &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// The two directions of a link.
const DIRECTIONS: &[&str] = &["in", "out"];

pub(crate) const BUILD: Metric = Metric::new(
    "superhero_build_info",
    Gauge,
    Count,
    "Always 1; the label contains the running version.",
)
.by(&[("version", &[])]);

pub(crate) const LOG_LINES_DROPPED: Metric = Metric::new(
    "superhero_log_lines_dropped_total",
    Counter,
    Count,
    "Log lines dropped because the reader of standard output did not read them.",
);

pub(crate) const CERTIFICATE_EXPIRY: Metric = Metric::new(
    "superhero_certificate_expiry_time_seconds",
    Gauge,
    Seconds,
    "Expiry of the certificate of the node, and of the first CA certificate to expire, in seconds \
     since 1970. 0 without TLS.",
)
.by(&[("certificate", &["node", "ca"])]);

pub(crate) const STARTED: Metric = Metric::new(
    "superhero_gossip_rounds_started_total",
    Counter,
    Count,
    "Pull requests sent, retries included.",
);
pub(crate) const ENDED: Metric = Metric::new(
    "superhero_gossip_rounds_ended_total",
    Counter,
    Count,
    "Pull rounds ended, by outcome: same (no difference), merged, unanswered or refused. Rounds ended \
     by a lost link are not counted.",
)
.by(&[("outcome", &["same", "merged", "unanswered", "refused"])]);
pub(crate) const GIVEN_UP: Metric = Metric::new(
    "superhero_gossip_rounds_given_up_total",
    Counter,
    Count,
    "Rounds given up: no progress in time, too many entries, or superseded by another round.",
);
pub(crate) const REFUSED: Metric = Metric::new(
    "superhero_gossip_rounds_refused_total",
    Counter,
    Count,
    "Rounds refused as a whole: from an earlier incarnation, dated too far in the future, with writes \
     of a node that is not a member, or with too many incarnations of one node.",
)
.by(&[("reason", &["fenced", "too_far_ahead", "not_a_member", "too_many_incarnations"])]);
pub(crate) const STOLEN: Metric = Metric::new(
    "superhero_gossip_origin_stolen_total",
    Counter,
    Count,
    "Rounds with writes of this incarnation that it never made. Should stay 0.",
);
pub(crate) const REPAIRED: Metric = Metric::new(
    "superhero_gossip_entries_repaired_total",
    Counter,
    Count,
    "Entries taken from a peer that covered the same writes but held more. Should stay 0.",
);
pub(crate) const ROUND_DURATION: Metric = Metric::new(
    "superhero_gossip_round_duration_seconds",
    Histogram(SHORT),
    Seconds,
    "Time from a pull request to its answer, or to the end of the resulting round.",
);
pub(crate) const BROUGHT: Metric = Metric::new(
    "superhero_gossip_entries_merged_total",
    Counter,
    Count,
    "Entries received in rounds, those already held included.",
);
pub(crate) const DIVERGED: Metric = Metric::new(
    "superhero_gossip_divergences_total",
    Counter,
    Count,
    "Comparisons with a peer that covered the same writes but held different entries. Should stay 0.",
);
pub(crate) const HEROES: Metric = Metric::new(
    "superhero_heroes",
    Gauge,
    Count,
    "Heroes in this node's replica, without tombstones.",
);
pub(crate) const TOMBSTONES: Metric =
    Metric::new("superhero_tombstones", Gauge, Count, "Tombstones in this node's replica.");
pub(crate) const JOINED: Metric = Metric::new(
    "superhero_joined",
    Gauge,
    Count,
    "1 if the current incarnation has joined the cluster, otherwise 0.",
);

pub(crate) const INCARNATION_START: Metric = Metric::new(
    "superhero_incarnation_start_time_seconds",
    Gauge,
    Seconds,
    "Start of the current incarnation, in seconds since 1970. Its number is this time in \
     milliseconds.",
);
/// The names under which the start of the incarnation is served.
pub(crate) const INCARNATION_START_NAMES: [Metric; 2] = [
    INCARNATION_START,
    INCARNATION_START.deprecated(
        "superhero_life_start_time_seconds",
        "Deprecated: use superhero_incarnation_start_time_seconds.",
    ),
];
pub(crate) const RESTARTS: Metric = Metric::new(
    "superhero_restarts_total",
    Counter,
    Count,
    "Incarnations started after the first one of this process.",
);
pub(crate) const CRASHES: Metric = Metric::new(
    "superhero_crashes_total",
    Counter,
    Count,
    "Incarnations that crashed, by a bomb or by a panic (a bug).",
)
.by(&[("cause", &["bomb", "panic"])]);

pub(crate) const LINK_STATE: Metric = Metric::new(
    "superhero_link_state",
    Gauge,
    Count,
    "1 for the current state of the link to a peer, 0 for the other states.",
)
.by(&[("peer", &[]), ("state", &["linked", "unreachable", "down"])]);
pub(crate) const TOO_LARGE: Metric = Metric::new(
    "superhero_link_frames_too_large_total",
    Counter,
    Count,
    "Links closed because a frame to send exceeded --max-frame-bytes. Should stay 0.",
);
pub(crate) const OVERFLOWS: Metric = Metric::new(
    "superhero_link_overflows_total",
    Counter,
    Count,
    "Links closed because the peer read too slowly.",
);
pub(crate) const FRAMES: Metric = Metric::new(
    "superhero_link_frames_total",
    Counter,
    Count,
    "Frames sent and received over links, by kind.",
)
.by(&[("direction", DIRECTIONS), ("kind", &[])]);
pub(crate) const BYTES: Metric = Metric::new(
    "superhero_link_bytes_total",
    Counter,
    Bytes,
    "Bytes of frames sent and received over links, by kind of frame.",
)
.by(&[("direction", DIRECTIONS), ("kind", &[])]);
pub(crate) const ENTRIES: Metric = Metric::new(
    "superhero_link_entries_total",
    Counter,
    Count,
    "Entries in frames sent and received over links, by kind of frame.",
)
.by(&[("direction", DIRECTIONS), ("kind", &[])]);
pub(crate) const PEERS_REFUSED: Metric = Metric::new(
    "superhero_peers_refused_total",
    Counter,
    Count,
    "Connections refused at the cluster endpoint, by reason.",
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
        "another_cluster",
        "too_many",
    ],
)]);
/// The names under which refused peers are counted.
pub(crate) const PEERS_REFUSED_NAMES: [Metric; 2] = [
    PEERS_REFUSED,
    PEERS_REFUSED.deprecated(
        "superhero_strangers_refused_total",
        "Deprecated: use superhero_peers_refused_total.",
    ),
];

pub(crate) const REQUESTS: Metric = Metric::new(
    "superhero_http_requests_total",
    Counter,
    Count,
    "HTTP requests answered, by method, route pattern (\"none\" if no route matches) and status.",
)
.by(&[("method", &[]), ("route", &[]), ("status", &[])]);
pub(crate) const REQUEST_DURATION: Metric = Metric::new(
    "superhero_http_request_duration_seconds",
    Histogram(SHORT),
    Seconds,
    "Time from the headers of an HTTP request to the headers of its response.",
)
.by(&[("route", &[])]);

pub(crate) const RESIDENT: Metric =
    Metric::new("process_resident_memory_bytes", Gauge, Bytes, "Resident memory of the process.");
pub(crate) const VIRTUAL: Metric =
    Metric::new("process_virtual_memory_bytes", Gauge, Bytes, "Virtual memory of the process.");
pub(crate) const OPEN_FDS: Metric =
    Metric::new("process_open_fds", Gauge, Count, "Open file descriptors.");
pub(crate) const MAX_FDS: Metric =
    Metric::new("process_max_fds", Gauge, Count, "Limit on open file descriptors.");
pub(crate) const THREADS: Metric =
    Metric::new("process_threads", Gauge, Count, "Threads of the process.");
pub(crate) const CPU: Metric = Metric::new(
    "process_cpu_seconds_total",
    Counter,
    Seconds,
    "User and system CPU time, in whole seconds.",
);
pub(crate) const PROCESS_START: Metric = Metric::new(
    "process_start_time_seconds",
    Gauge,
    Seconds,
    "Start of the process, in seconds since 1970.",
);

/// All metrics of every node. Values that `/proc` does not provide stay 0.
pub const ALL: &[Metric] = &[
    BUILD,
    LOG_LINES_DROPPED,
    CERTIFICATE_EXPIRY,
    STARTED,
    ENDED,
    GIVEN_UP,
    REFUSED,
    ROUND_DURATION,
    BROUGHT,
    DIVERGED,
    REPAIRED,
    STOLEN,
    HEROES,
    TOMBSTONES,
    JOINED,
    INCARNATION_START,
    INCARNATION_START_NAMES[1],
    RESTARTS,
    CRASHES,
    LINK_STATE,
    OVERFLOWS,
    TOO_LARGE,
    FRAMES,
    BYTES,
    ENTRIES,
    PEERS_REFUSED,
    PEERS_REFUSED_NAMES[1],
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
