//! Certificates while nodes run: expired ones, replaced ones, and what the log says of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use cluster_tests::{
    Api, CITIES, Certificates, Cluster, DEVELOPMENT_COOKIE, Disconnect, Exposition, HANG_TIMEOUT,
    Heroes, Link, NODES, Options, Process, encrypted, ensure, hello, incarnation_now, own_address,
    run, wait_until,
};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A validity that lasts for the first connections of a test, and not much longer.
const BRIEF: Duration = Duration::from_secs(5);

fn wait_past(time: OffsetDateTime) {
    wait_until("the certificate has expired", HANG_TIMEOUT, || {
        let now = OffsetDateTime::now_utc();
        ensure(now > time + Duration::from_secs(1), || now.to_string())
    });
}

/// Requests a page on this connection, and keeps it open.
fn get(stream: &mut cluster_tests::EncryptedStream, address: SocketAddr) -> String {
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the node reads");
    let mut response = Vec::new();
    while !response.ends_with(b"alive\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the node responds");
        response.extend(byte);
    }
    String::from_utf8_lossy(&response).into_owned()
}

#[test]
fn expired_certificate_opens_no_link_on_a_resumed_session_or_an_open_connection() {
    let mut cluster = Cluster::start_encrypted(Options::default());
    cluster.kill9("metropolis");
    let gotham = cluster.address("gotham");
    let certificates = cluster.certificates();
    let until = certificates.issue("metropolis", BRIEF);
    let client = certificates.client(Some("metropolis"));
    let mut first = Link::open_as(gotham, "gotham", "/cluster", Arc::clone(&client))
        .expect("the certificate is still valid");
    // The exchange also delivers the session tickets, if there are any.
    first.send(hello("metropolis", incarnation_now()));
    first.receive().expect("a hello");
    drop(first);
    let mut open = encrypted(gotham, "gotham", Arc::clone(&client)).expect("a connection");
    assert_eq!(open.conn.handshake_kind(), Some(HandshakeKind::Full));
    assert!(get(&mut open, gotham).starts_with("HTTP/1.1 200"));
    wait_past(until);

    let late = Link::open_as(gotham, "gotham", "/cluster", client).map(drop);
    assert!(late.is_err_and(|error| error.contains("CertificateExpired")));
    // The connection was authenticated while the certificate was valid. The link is not.
    let mut link = Link::upgrade(open, gotham, "/cluster").expect("an open connection");
    match link.handshake(&hello("metropolis", incarnation_now()), DEVELOPMENT_COOKIE) {
        Err(Disconnect::Closed(4002, reason)) => assert!(reason.contains("expired"), "{reason}"),
        other => panic!("{other:?}"),
    }
    wait_until("gotham logs the refusal", HANG_TIMEOUT, || {
        let log = cluster.process("gotham").log();
        ensure(log.contains("the certificate of a client is refused"), || log)
    });
}

#[test]
fn replaced_certificates_are_used_without_a_restart() {
    let mut cluster = Cluster::start_encrypted(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(5));
    let certificates = cluster.certificates();
    let (gotham, dispatch) = (cluster.address("gotham"), cluster.address("dispatch"));

    // A file that does not fit keeps the certificate in use, and is reported once.
    let (served, _) = certificates.identity("gotham");
    for junk in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        certificates.replace("gotham.pem", junk);
        let reported = |log: &str| log.matches("certificate files are not used").count();
        let before = reported(&cluster.process("gotham").log());
        wait_until("the unusable file is reported", HANG_TIMEOUT, || {
            let log = cluster.process("gotham").log();
            ensure(reported(&log) > before, || log)
        });
        let client = certificates.client(Some("dispatch"));
        let seen = served_by(gotham, "gotham", client).expect("gotham serves");
        assert_eq!(seen, served, "the certificate in use is kept");
    }
    certificates.issue_expired("gotham");
    wait_until("the expired certificate is reported", HANG_TIMEOUT, || {
        let log = cluster.process("gotham").log();
        ensure(log.matches("certificate files are not used").count() == 3, || log)
    });

    // With another authority, every node needs its new files before links are made again.
    certificates.rotate();
    for node in NODES {
        wait_until(&format!("{node} uses its new certificate"), HANG_TIMEOUT, || {
            let client = certificates.client(Some("dispatch"));
            let seen = served_by(cluster.address(node), node, client)?;
            ensure(seen == certificates.identity(node).0, || "the old certificate".into())
        });
    }
    cluster.api = Api::encrypted(dispatch, &certificates);
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    let log = cluster.process("gotham").log();
    assert_eq!(log.matches("certificate files are not used").count(), 3, "{log}");
    assert!(log.contains("certificate files were replaced"), "{log}");
}

/// Returns the certificate that the node `name` presents.
fn served_by(
    address: SocketAddr,
    name: &str,
    client: Arc<rustls::ClientConfig>,
) -> Result<CertificateDer<'static>, String> {
    let stream = encrypted(address, name, client)?;
    let served = stream.conn.peer_certificates().and_then(<[_]>::first);
    served.map(|certificate| certificate.clone().into_owned()).ok_or_else(|| "none".to_owned())
}

/// Starts gotham alone with its certificate.
fn start(certificates: &Certificates, logs: &tempfile::TempDir, address: SocketAddr) -> Process {
    let mut arguments = vec![format!("--listen={address}")];
    arguments.extend(certificates.options("gotham"));
    Process::start("gotham", &arguments, &[], logs.path().join("gotham.log"))
}

#[test]
fn expiry_of_certificates_is_logged_at_start_and_measured() {
    for (lasts, words) in
        [(Some(30 * DAY), None), (Some(10 * DAY), Some("expires in ")), (None, Some("EXPIRED at "))]
    {
        let address = SocketAddr::from((own_address(), 4901));
        let (certificates, logs) =
            (Certificates::at(address.ip()), tempfile::tempdir().expect("a directory"));
        let until = match lasts {
            Some(lasts) => Some(certificates.issue("gotham", lasts)),
            None => {
                certificates.issue_expired("gotham");
                None
            }
        };
        let gotham = start(&certificates, &logs, address);
        wait_until("gotham has started", HANG_TIMEOUT, || {
            let log = gotham.log();
            ensure(log.contains("listens on"), || log)
        });
        let log = gotham.log();
        let file = certificates.file("gotham.pem").display().to_string();
        let warnings: Vec<&str> =
            log.lines().filter(|line| line.contains("WARN") && line.contains(&file)).collect();
        match words {
            None => assert!(warnings.is_empty(), "{log}"),
            Some(words) => assert!(warnings.len() == 1 && warnings[0].contains(words), "{log}"),
        }
        let Some(until) = until else { continue };
        let metrics = Api::encrypted(address, &certificates).get("/metrics").expect(200);
        let metrics = Exposition::parse(&metrics.body);
        let expiry =
            |of| metrics.sum("superhero_certificate_expiry_time_seconds", &[("certificate", of)]);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
        let until = until.unix_timestamp() as f64;
        assert!((expiry("node") - until).abs() < 1.5 && expiry("ca") > until, "{}", metrics.text);
    }
}

#[test]
fn health_check_and_printed_configuration_contain_no_warnings() {
    let address = SocketAddr::from((own_address(), 4901));
    let certificates = Certificates::at(address.ip());
    certificates.issue_expired("gotham");
    let options = certificates.options("gotham");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let printed = run("gotham", &[&["--print-config"], &options[..]].concat(), &[], HANG_TIMEOUT);
    assert!(printed.code == Some(0) && !printed.stdout.contains("WARN"), "{printed:?}");
}

#[test]
fn refusal_whose_text_changes_is_logged_once() {
    let address = own_address();
    let certificates = Certificates::at(address.into());
    certificates.issue_expired("dispatch");
    let listener = TcpListener::bind((address, 0)).expect("a free port");
    let dispatch = listener.local_addr().expect("it is bound");
    let mut roots = RootCertStore::empty();
    roots.add(certificates.authority()).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let (certificate, key) = certificates.identity("dispatch");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("this provider's protocol versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key");
    let config = Arc::new(config);

    let logs = tempfile::tempdir().expect("a temporary directory");
    let mut arguments =
        vec![format!("--listen={address}:0"), format!("--peer=dispatch={dispatch}")];
    arguments.extend(certificates.options("gotham"));
    let gotham = Process::start("gotham", &arguments, &[], logs.path().join("gotham.log"));
    // Gotham dials again and again. Each time it finds that the certificate has been expired for
    // longer.
    for _ in 0..10 {
        let (stream, _) = listener.accept().expect("gotham dials");
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a configuration");
        let mut stream = StreamOwned::new(connection, stream);
        let refused = stream.read(&mut [0]).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|error| error.contains("CertificateExpired")));
    }
    let log = gotham.log();
    assert_eq!(log.matches("cannot link").count(), 1, "{log}");
    assert!(log.contains("expired"), "{log}");
}

#[test]
fn peer_that_is_refused_again_and_again_is_logged_once() {
    let mut cluster = Cluster::start(Options::default());
    let gotham = cluster.address("gotham");
    let now = incarnation_now();
    for attempt in 0..20 {
        let mut link = Link::to_node(gotham);
        let refused = link.handshake(&hello("capitol", now + attempt), "wrong cookie");
        assert!(matches!(refused, Err(Disconnect::Closed(4002, _))), "{refused:?}");
        let mut link = Link::to_node(gotham);
        let welcome = link.handshake(&hello("capitol", now + attempt), DEVELOPMENT_COOKIE);
        assert!(welcome.is_ok_and(|welcome| welcome.running_elsewhere.is_some()));
    }
    cluster.wait_converged();
    let log = cluster.process("gotham").log();
    for cause in ["wrong cookie", "is already running"] {
        assert_eq!(log.matches(cause).count(), 1, "{cause}: {log}");
    }
}

#[test]
fn peer_that_refuses_with_varying_reasons_is_logged_once() {
    let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
    let dispatch = listener.local_addr().expect("it is bound");
    let logs = tempfile::tempdir().expect("a temporary directory");
    let arguments = ["--listen=127.0.0.1:0".to_owned(), format!("--peer=dispatch={dispatch}")];
    let gotham = Process::start("gotham", &arguments, &[], logs.path().join("gotham.log"));
    for letter in 'a'..='l' {
        let (stream, _) = listener.accept().expect("gotham dials");
        let mut socket = tungstenite::accept(stream).expect("a WebSocket");
        let reason = letter.to_string().repeat(10);
        let close = tungstenite::protocol::CloseFrame { code: 4002.into(), reason: reason.into() };
        socket.close(Some(close)).expect("gotham reads");
        while socket.read().is_ok() {}
    }
    let log = gotham.log();
    assert_eq!(log.matches("cannot link").count(), 1, "{log}");
}
