//! `superhero doctor`, against a stub of dispatch: its findings about certificates, alarms and nodes
//! that do not run.

mod stub;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use stub::{Stub, problem, superhero, text};

/// Returns a CA of this name with a new key.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// Starts a TLS server with a certificate of this CA for a host, and returns its URL at localhost.
fn tls_server(issuer: &CertifiedIssuer<'static, KeyPair>, host: &str) -> String {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([host.to_owned()]).expect("a valid name");
    let certificate = params.signed_by(&key, issuer).expect("a certificate").der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider's versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let port = listener.local_addr().expect("a bound address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a valid setup");
            let mut stream = StreamOwned::new(connection, stream);
            // Every handshake fails: the client distrusts the certificate, or speaks no TLS.
            let _ = stream.read(&mut [0; 1_024]).and_then(|_| stream.flush());
        }
    });
    format!("https://localhost:{port}")
}

/// Returns the findings about a check, as `state: found: remedy`.
fn findings(printed: &str, check: &str) -> Vec<String> {
    let rows = printed.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row.len() == 4 && row[1] == check)
        .map(|row| format!("{}: {}: {}", row[0], row[2], row[3]))
        .collect()
}

#[test]
fn certificate_that_is_not_trusted_is_not_blamed_on_plain_http() {
    let (ours, renewed, other) = (authority("ours"), authority("ours"), authority("other"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (server, trusted, reason) in [
        (tls_server(&ours, "localhost"), &other, "not signed by the given CA"),
        // As after a second `make certs`: the name of the CA is the same, its key is another.
        (tls_server(&ours, "localhost"), &renewed, "not signed by the given CA"),
        (tls_server(&ours, "gotham"), &ours, "for another host name"),
    ] {
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, trusted.pem()).expect("a file in a temporary directory");
        let ca = ca.to_str().expect("a path that is text");
        let report = superhero(&server, &["--ca", ca, "doctor"]);
        let found = findings(&text(&report.stdout), "dispatch");
        assert_eq!((report.status.code(), found.len()), (Some(1), 1), "{found:?}");
        assert!(found[0].starts_with("FAIL: ") && found[0].contains(reason), "{found:?}");
        assert!(found[0].contains("--ca") && !found[0].contains("plain HTTP"), "{found:?}");
        // The other commands give the same reason.
        let verdict = superhero(&server, &["--ca", ca, "verdict"]);
        assert_eq!(verdict.status.code(), Some(3));
        assert!(text(&verdict.stderr).contains(reason), "{}", text(&verdict.stderr));
    }
}

/// A cluster with an alarm about the clock of gotham, whose clock is this much ahead now.
fn cluster(ahead_ms: i64, converged: bool) -> Stub {
    Stub::start(move |request| {
        let node = |name: &str, role: &str, status: &str, ahead_ms: i64| {
            format!(
                r#"{{"name":"{name}","role":"{role}","status":"{status}","incarnation":1,"crashes":0,"heroes":3,"tombstones":0,"fingerprint":"0","age_ms":1,"clock_ahead_ms":{ahead_ms}}}"#
            )
        };
        let answer = match request.line.as_str() {
            "GET /cluster" => {
                let nodes = [
                    node("gotham", "city", "up", ahead_ms),
                    node("capitol", "city", "down", 0),
                    node("star-city", "city", "down", 0),
                    node("metropolis", "city", "down", 0)
                        .replace('}', r#","address":"127.0.0.1:9"}"#),
                    node("dispatch", "dispatch", "up", 0),
                ];
                // The word by which a probe of the address recognizes a node.
                let probed = r#""type":"not_a_websocket""#;
                format!(r#"{{"version":"0.1.0",{probed},"nodes":[{}]}}"#, nodes.join(","))
            }
            "GET /faults" => r#"{"faults":[]}"#.to_owned(),
            "GET /gossip" => r#"{"paused":false,"percent":100}"#.to_owned(),
            "GET /verdict" => format!(
                r#"{{"converged":{converged},"sentence":"S.","differences":0,"only_copies":0,"lost_writes":0,"oldest_difference_ms":null}}"#
            ),
            line if line.starts_with("GET /events") => {
                r#"{"events":[{"number":1,"at_ms":1790000000000,"node":"gotham","kind":"alarm","text":"the clock of gotham is 60 s ahead"}]}"#.to_owned()
            }
            _ => return problem(404, "unknown_path"),
        };
        (200, answer)
    })
}

#[test]
fn alarm_whose_cause_has_ended_is_not_current() {
    for (ahead_ms, converged, state) in [
        (60_000, false, "warn: the clock of gotham"),
        (60_000, true, "warn: the clock of gotham"),
        (
            0,
            true,
            "ok: none now; the last one was at 2026-09-21T14:13:20.000Z: the clock of gotham",
        ),
        (0, false, "ok: none now"),
    ] {
        let report = superhero(&cluster(ahead_ms, converged).url, &["doctor"]);
        let found = findings(&text(&report.stdout), "alarms");
        assert!(
            found.len() == 1 && found[0].starts_with(state),
            "{ahead_ms} {converged}: {found:?}"
        );
    }
}

#[test]
fn remedy_for_a_stopped_node_works_without_a_launcher() {
    let report = text(&superhero(&cluster(0, true).url, &["doctor"]).stdout);
    for (node, remedy) in [
        ("capitol", "run make capitol, or "),
        ("star-city", "run make city NAME=star-city, or "),
        // `make metropolis` would start it at another port.
        ("metropolis", "start its process, or "),
    ] {
        let found = findings(&report, node);
        assert!(found.len() == 1 && found[0].contains(remedy), "{found:?}");
        assert!(found[0].ends_with("if make run started the cluster"), "{found:?}");
    }
}
