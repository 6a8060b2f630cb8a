//! The certificates of a running node: they are loaded again when their files change, and their
//! expiry is logged and measured.

use std::time::Duration;

use metrics::gauge;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use gossip::UnixMillis;
use gossip::link::{CertificateUse, Expiry, Tls, TlsReloader};

use crate::meter;

/// The interval at which the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The time before its expiry from which a certificate is reported.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 3600);
/// The interval at which the same expiry is reported again.
const REPEAT_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Reports the certificates in use.
pub(crate) struct Certificates {
    tls: Tls,
    /// The expiries reported last, with their state, and the time of the report.
    reported: Vec<(Expiry, State, Instant)>,
}

/// The state of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Valid,
    ExpiresSoon,
    Expired,
}

impl Certificates {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls, reported: Vec::new() }
    }

    /// Reports the certificates with which the node starts.
    pub(crate) fn report_start(&mut self, now: UnixMillis) {
        if let Some(refused) = self.tls.refused() {
            warn!("{refused}");
        }
        self.report(now);
    }

    /// Measures the expiries, and logs those that are near or past: when that begins, and then once
    /// a day.
    fn report(&mut self, now: UnixMillis) {
        for expiry in self.tls.expiries() {
            let of = match expiry.of {
                CertificateUse::Node => "node",
                CertificateUse::Authority => "ca",
            };
            gauge!(meter::node::CERTIFICATE_EXPIRY.name, "certificate" => of)
                .set(expiry.at.as_secs_f64());
            let (state, at) = (state(&expiry, now), Instant::now());
            let before = self.reported.iter().position(|(reported, ..)| reported.of == expiry.of);
            let is_due = before.is_none_or(|index| {
                let (reported, before, then) = &self.reported[index];
                *reported != expiry || *before != state || at - *then >= REPEAT_AFTER
            });
            if !is_due {
                continue;
            }
            if let Some(text) = text(&expiry, state, now) {
                warn!("{text}");
            }
            self.reported.retain(|(reported, ..)| reported.of != expiry.of);
            self.reported.push((expiry, state, at));
        }
    }

    /// Checks the files and the expiries until `stop` is cancelled.
    pub(crate) async fn watch(mut self, stop: CancellationToken) {
        let mut reloader = TlsReloader::new(self.tls.clone());
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = checks.tick() => {}
            }
            // Reading may block, for example on a network file system.
            let check = tokio::task::spawn_blocking(move || (reloader.check(), reloader));
            let checked = tokio::select! {
                () = stop.cancelled() => return,
                checked = check => checked,
            };
            let Ok((change, next)) = checked else { return };
            reloader = next;
            match change {
                None => {}
                Some(Ok(())) => info!("certificate files were replaced: new connections use them"),
                Some(Err(error)) => warn!(
                    "the changed certificate files are not used, those loaded before stay in use: \
                     {error:#}"
                ),
            }
            self.report(now());
        }
    }
}

/// Returns the time by which certificates are judged.
#[expect(clippy::disallowed_methods, reason = "TLS judges certificates by the real clock")]
pub(crate) fn now() -> UnixMillis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

fn left(expiry: &Expiry, now: UnixMillis) -> Option<Duration> {
    expiry.at.checked_sub(Duration::from_millis(now.0)).filter(|left| !left.is_zero())
}

fn state(expiry: &Expiry, now: UnixMillis) -> State {
    match left(expiry, now) {
        None => State::Expired,
        Some(left) if left <= NOTICE => State::ExpiresSoon,
        Some(_) => State::Valid,
    }
}

/// Returns the warning about an expiry that is near or past.
fn text(expiry: &Expiry, state: State, now: UnixMillis) -> Option<String> {
    let file = expiry.file.display();
    let time = std::time::UNIX_EPOCH.checked_add(expiry.at);
    let time = time.map_or_else(
        || "never".to_owned(),
        |time| humantime::format_rfc3339_seconds(time).to_string(),
    );
    let (what, effect) = match expiry.of {
        CertificateUse::Node => {
            ("the certificate of this node", "other nodes and browsers refuse this node")
        }
        CertificateUse::Authority => {
            ("a CA certificate", "clients may refuse every certificate that it signed")
        }
    };
    match state {
        State::Valid => None,
        State::ExpiresSoon => {
            let hours = left(expiry, now).unwrap_or_default().as_secs() / 3_600;
            let left =
                if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) };
            Some(format!(
                "{what}, {file}, expires in {left}, at {time}. From then on {effect}: replace the \
                 file; no restart is needed"
            ))
        }
        State::Expired => Some(format!(
            "{what}, {file}, EXPIRED at {time}: {effect} until the file is replaced; no restart is \
             needed"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3_600;

    #[test]
    fn expiry_is_reported_two_weeks_before_it() {
        let expiry = |of| Expiry { of, file: "a.pem".into(), at: Duration::from_secs(100 * DAY) };
        for of in [CertificateUse::Node, CertificateUse::Authority] {
            for (day, words) in [
                (0, None),
                (85, None),
                (86, Some("a.pem, expires in 14 days, at 1970-04-11T00:00:00Z")),
                (99, Some("expires in 24 hours")),
                (100, Some("a.pem, EXPIRED at 1970-04-11T00:00:00Z")),
                (20_000, Some("EXPIRED")),
            ] {
                let now = UnixMillis(day * DAY * 1_000);
                let text = text(&expiry(of), state(&expiry(of), now), now);
                let is_expected = match (&text, words) {
                    (None, None) => true,
                    (Some(text), Some(words)) => text.contains(words),
                    (Some(_), None) | (None, Some(_)) => false,
                };
                assert!(is_expected, "{of:?} on day {day}: {text:?}");
            }
        }
    }
}
