//! Admission to the cluster and authorization at dispatch: tests of the real processes from
//! outside.

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use cluster_tests::{
    Api, CITIES, Certificates, Cluster, DEVELOPMENT_COOKIE, Disconnect, HANG_TIMEOUT, Link,
    Options, Process, Reply, ensure, hello, incarnation_now, own_address, raw, run, wait_until,
};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::json;
use tungstenite::handshake::server::{Request, Response};

const HOST: &str = "the-token-of-the-host";
const VIEWER: &str = "the-token-of-viewers";

// Admission.

#[test]
fn tls_cluster_converges_survives_a_bomb_and_plays_scenarios() {
    let cluster = Cluster::start_encrypted(Options::default());
    let mut heroes = cluster_tests::Heroes::default();
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    // The signal that ends a freeze also works over TLS.
    cluster.api.inject(&json!({ "kind": "freeze", "from": "capitol", "heal_after_s": 300 }));
    cluster.api.heal_all();
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.api.post("/api/v1/scenarios/same-millisecond/play", &json!({})).expect(202);
    wait_until("the scenario passes", HANG_TIMEOUT, || {
        let playing = cluster.api.get("/api/v1/scenarios").expect(200).json()["playing"].clone();
        ensure(playing["outcome"] == "passed", || playing.to_string())
    });
    let page = cluster.api.get("/").expect(200);
    assert!(!page.headers.contains_key("strict-transport-security"), "{:?}", page.headers);
}

#[test]
fn hsts_is_sent_only_on_request_and_with_tls() {
    let options = || Options { dispatch: vec!["--hsts=1h".to_owned()], ..Options::default() };
    let header = |cluster: &Cluster| {
        let page = cluster.api.get("/").expect(200);
        page.headers.get("strict-transport-security").cloned()
    };
    let encrypted = Cluster::start_encrypted(options());
    assert_eq!(header(&encrypted).as_deref(), Some("max-age=3600"));
    let mut plain = Cluster::start(options());
    assert_eq!(header(&plain), None);
    let log = plain.process("dispatch").log();
    assert!(log.contains("--hsts has no effect without --tls-cert"), "{log}");
}

#[test]
fn client_accepts_only_certificates_of_the_given_authority() {
    let cluster = Cluster::start_encrypted(Options::default());
    let url = cluster.api.url();
    let url = url.trim_end_matches('/');
    let ca = cluster.certificates().file("ca.pem");
    let other = Certificates::at(own_address().into());
    let superhero = |ca: &std::path::Path, command: &str| {
        run(
            "superhero",
            &["--url", url, "--ca", ca.to_str().expect("a path that is text"), command],
            &[],
            HANG_TIMEOUT,
        )
    };
    assert_eq!(superhero(&ca, "verdict").code, Some(0));
    assert_eq!(
        superhero(&other.file("ca.pem"), "verdict").code,
        Some(3),
        "a certificate of another authority must be refused"
    );
    let without_ca = run("superhero", &["--url", url, "verdict"], &[], HANG_TIMEOUT);
    assert!(without_ca.code == Some(2) && without_ca.stderr.contains("--ca"), "{without_ca:?}");
}

#[test]
fn tls_port_answers_plain_http_with_a_hint() {
    let cluster = Cluster::start_encrypted(Options::default());
    for node in ["gotham", "dispatch"] {
        let address = cluster.address(node);
        let response =
            raw::exchange(address, &raw::request(address, "GET", b"/healthz", &[], b""), false);
        assert!(
            response.status() == Some(400) && response.body().contains("https") && response.closed,
            "{response:?}"
        );
        let silent = raw::exchange(address, b"", true);
        assert!(silent.closed, "{silent:?}");
    }
    assert_eq!(cluster.api.get("/healthz").status, 200);
}

#[test]
fn link_needs_a_certificate_for_the_name_in_its_hello() {
    let mut cluster = Cluster::start_encrypted(Options::default());
    cluster.kill9("metropolis");
    let gotham = cluster.address("gotham");
    let certificates = cluster.certificates();
    let open = |me| Link::open_encrypted(gotham, "gotham", "/cluster", &certificates, me);
    assert_eq!(
        open(None).err().as_deref(),
        Some("403"),
        "a connection without a certificate must be refused"
    );
    // TLS itself refuses a certificate of another authority, before HTTP.
    let other = Certificates::at(gotham.ip());
    std::fs::copy(certificates.file("ca.pem"), other.file("ca.pem")).expect("a temporary file");
    assert!(
        Link::open_encrypted(gotham, "gotham", "/cluster", &other, Some("metropolis"))
            .is_err_and(|why| why != "403")
    );
    // The certificate of one node is invalid for the name of another.
    let mut impersonating = open(Some("capitol")).expect("a member's certificate is accepted");
    match impersonating.handshake(&hello("metropolis", incarnation_now()), DEVELOPMENT_COOKIE) {
        Err(Disconnect::Closed(4002, reason)) => {
            assert!(reason.contains("certificate"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    // The own certificate is valid, together with the cookie.
    let handshake_with = |cookie: &str| {
        let mut link = open(Some("metropolis")).expect("a member's certificate is accepted");
        link.handshake(&hello("metropolis", incarnation_now()), cookie)
    };
    assert!(matches!(handshake_with("wrong cookie"), Err(Disconnect::Closed(4002, _))));
    wait_until("metropolis is accepted", HANG_TIMEOUT, || {
        match handshake_with(DEVELOPMENT_COOKIE) {
            Ok(welcome) if welcome.running_elsewhere.is_none() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // A node with another name cannot impersonate metropolis.
    assert!(
        Link::open_encrypted(gotham, "metropolis", "/cluster", &certificates, Some("capitol"))
            .is_err()
    );
}

#[test]
fn unusable_certificates_are_reported_at_start() {
    let (mine, others) =
        (Certificates::at(own_address().into()), Certificates::at(own_address().into()));
    let file =
        |certificates: &Certificates, name: &str| certificates.file(name).display().to_string();
    let empty = file(&mine, "empty.pem");
    std::fs::write(&empty, "").expect("a temporary file");
    let (cert, key, ca) =
        (file(&mine, "gotham.pem"), file(&mine, "gotham-key.pem"), file(&mine, "ca.pem"));
    for (cert, key, ca, named) in [
        (&file(&mine, "capitol.pem"), &file(&mine, "capitol-key.pem"), &ca, "does not name gotham"),
        (&cert, &file(&others, "gotham-key.pem"), &ca, "does not match the certificate in"),
        (&cert, &cert, &ca, "reading the key"),
        (&empty, &key, &ca, "holds no certificate"),
        (&cert, &key, &empty, "holds no certificate"),
        (&"/no/such/file".to_owned(), &key, &ca, "/no/such/file"),
        (&cert, &"/no/such/file".to_owned(), &ca, "/no/such/file"),
        (&cert, &key, &"/no/such/file".to_owned(), "/no/such/file"),
    ] {
        let finished = run(
            "gotham",
            &["--listen=127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca],
            &[],
            HANG_TIMEOUT,
        );
        assert!(
            finished.code == Some(2) && finished.stderr.contains(named),
            "{named}: {finished:?}"
        );
    }
    let cert_only =
        run("gotham", &["--listen=127.0.0.1:0", "--tls-cert", &cert], &[], HANG_TIMEOUT);
    assert!(cert_only.code == Some(2) && cert_only.stderr.contains("--tls-key"), "{cert_only:?}");
}

/// Writes a CA, and a certificate for gotham with these usages, to a directory. Returns the options
/// with which gotham uses them.
fn issued(directory: &Path, usages: &[ExtendedKeyUsagePurpose], around: &str) -> [String; 3] {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(authority, key).expect("a CA");
    let mut params = CertificateParams::new(["gotham".to_owned()]).expect("a name");
    params.extended_key_usages = usages.to_vec();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    [("cert", certificate.pem()), ("key", key.serialize_pem()), ("ca", issuer.pem())].map(
        |(option, pem)| {
            let path = directory.join(option);
            std::fs::write(&path, format!("{around}{pem}")).expect("a temporary file");
            format!("--tls-{option}={}", path.display())
        },
    )
}

#[test]
fn certificate_without_a_usage_is_refused_at_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("cert").display().to_string();
    let print = |options: &[String; 3]| {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        run("gotham", &[&["--print-config"], &options[..]].concat(), &[], HANG_TIMEOUT)
    };
    for usages in [&[][..], &[ServerAuth, ClientAuth]] {
        let accepted = print(&issued(directory.path(), usages, ""));
        assert_eq!(accepted.code, Some(0), "{usages:?}: {accepted:?}");
    }
    for (usage, missing) in [(ServerAuth, "clientAuth"), (ClientAuth, "serverAuth")] {
        let refused = print(&issued(directory.path(), &[usage], ""));
        let text = format!("the certificate in {file} lacks the extended key usage {missing}: ");
        assert!(refused.code == Some(2) && refused.stderr.contains(&text), "{refused:?}");
    }
    let mut options = issued(directory.path(), &[], "");
    options[0] = options[2].replace("--tls-ca", "--tls-cert");
    let refused = print(&options);
    let text = "holds the certificate of a CA, not of a node";
    assert!(refused.code == Some(2) && refused.stderr.contains(text), "{refused:?}");
}

#[test]
fn pem_files_may_have_byte_order_marks_and_text_before_them() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for around in ["\u{feff}", "\u{feff}\r\n\r\n", "Subject: gotham\n\n\u{feff}"] {
        let options = issued(directory.path(), &[], around);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let accepted =
            run("gotham", &[&["--print-config"], &options[..]].concat(), &[], HANG_TIMEOUT);
        assert_eq!((accepted.code, accepted.stderr.as_str()), (Some(0), ""), "{around:?}");
        let ca = directory.path().join("ca").display().to_string();
        let token = directory.path().join("token").display().to_string();
        std::fs::write(&token, "\u{feff}a-token\r\n").expect("a temporary file");
        let listed = run(
            "superhero",
            &["--ca", &ca, "--token-file", &token, "scenarios"],
            &[],
            HANG_TIMEOUT,
        );
        assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{around:?}");
    }
}

#[test]
fn cookie_is_never_sent() {
    let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let logs = tempfile::tempdir().expect("a temporary directory");
    let arguments = ["--listen=127.0.0.1:0".to_owned(), format!("--peer=dispatch={address}")];
    let cookie = "a cookie that is looked for";
    let _gotham = Process::start(
        "gotham",
        &arguments,
        &[("SUPERHERO_COOKIE", cookie)],
        logs.path().join("gotham.log"),
    );
    // A listener that responds like a node, but cannot prove the cookie.
    let received = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("gotham dials");
        let mut request = String::new();
        #[expect(clippy::result_large_err, reason = "a callback of another crate's type")]
        let record = |seen: &Request, response: Response| {
            request = format!("{seen:?}");
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, record).expect("a WebSocket");
        let mut received = Vec::new();
        for response in [hello("dispatch", incarnation_now()), vec![0; 33]] {
            received.push(socket.read().expect("gotham sends its handshake").into_data().to_vec());
            socket.send(response.into()).expect("gotham reads");
        }
        while let Ok(message) = socket.read() {
            received.push(message.into_data().to_vec());
        }
        (request, received)
    });
    let (request, received) = received.join().expect("the listener thread does not panic");
    let [_hello, proof, refusal] = received.as_slice() else {
        panic!("expected a hello, a proof and a refusal: {received:?}")
    };
    assert_eq!(proof.len(), 32);
    assert!(
        String::from_utf8_lossy(refusal).contains("wrong cookie"),
        "expected a refusal: {refusal:?}"
    );
    for bytes in received.iter().map(Vec::as_slice).chain([request.as_bytes()]) {
        assert!(
            !bytes.windows(cookie.len()).any(|window| window == cookie.as_bytes()),
            "{bytes:?}"
        );
    }
}

// Authorization.

fn start_with_tokens(with_viewer_token: bool) -> (Cluster, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let token = |name: &str, token: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, format!("{token}\n")).expect("a temporary file");
        format!("--{name}-token-file={}", file.display())
    };
    let mut dispatch = vec![token("host", HOST)];
    if with_viewer_token {
        dispatch.push(token("viewer", VIEWER));
    }
    (Cluster::start(Options { dispatch, ..Options::default() }), directory)
}

fn request(api: &Api, method: &str, path: &str, token: Option<&str>) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
    api.request(method, path, &headers, b"{}")
}

#[test]
fn viewer_reads_everything_and_changes_nothing() {
    let (cluster, _tokens) = start_with_tokens(false);
    let api = &cluster.api;
    for path in
        ["/", "/help", "/api/v1/lost", "/api/v1/heroes", "/api/v1/cluster", "/api/v1/events"]
    {
        request(api, "GET", path, None).expect(200);
    }
    assert!(
        Link::open(cluster.address("dispatch"), "/live", &[]).is_ok(),
        "viewers may open the live socket"
    );
    for (method, path) in [
        ("POST", "/api/v1/heroes"),
        ("POST", "/api/v1/bomb"),
        ("POST", "/api/v1/cities/gotham/kill"),
        ("DELETE", "/api/v1/faults"),
        ("POST", "/api/v1/gossip/pause"),
        ("POST", "/heroes"),
        ("POST", "/bomb"),
        ("POST", "/api/v1/scenarios/same-millisecond/play"),
    ] {
        request(api, method, path, None).problem(403, "viewer");
        request(api, method, path, Some("a guess that is long enough")).problem(403, "viewer");
    }
    assert_eq!(
        request(api, "GET", "/api/v1/heroes", None).json()["heroes"],
        json!([]),
        "the refused requests must have no effect"
    );
    request(api, "POST", "/api/v1/heroes", Some(HOST)).expect(201);
    // A scenario that an admin started continues with the admin's rights.
    request(api, "POST", "/api/v1/scenarios/same-millisecond/play", Some(HOST)).expect(202);
    wait_until("the scenario passes", HANG_TIMEOUT, || {
        let playing = api.get("/api/v1/scenarios").expect(200).json()["playing"].clone();
        ensure(playing["outcome"] == "passed", || playing.to_string())
    });
}

#[test]
fn reading_without_a_token_is_refused_if_viewers_need_one() {
    let (cluster, _tokens) = start_with_tokens(true);
    let api = &cluster.api;
    let redirect = api.get("/").expect(303);
    assert!(
        redirect.headers.get("location").map(String::as_str) == Some("/sign-in"),
        "{redirect:?}"
    );
    for path in ["/api/v1/heroes", "/api/v1/lost.csv", "/help", "/nothing/here"] {
        request(api, "GET", path, None).problem(401, "sign_in");
        request(api, "GET", path, Some("a guess that is long enough")).problem(401, "sign_in");
    }
    assert_eq!(Link::open(cluster.address("dispatch"), "/live", &[]).err(), Some(401));
    request(api, "GET", "/api/v1/heroes", Some(VIEWER)).expect(200);
    request(api, "POST", "/api/v1/heroes", Some(VIEWER)).problem(403, "viewer");
    request(api, "POST", "/api/v1/heroes", Some(HOST)).expect(201);
    for open in ["/sign-in", "/static/style.css", "/healthz", "/readyz"] {
        request(api, "GET", open, None).expect(200);
    }
}

#[test]
fn browser_signs_in_and_out() {
    let (cluster, _tokens) = start_with_tokens(true);
    let api = &cluster.api;
    let form = |path: &str, body: String, cookie: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie)];
        api.request("POST", path, &headers, body.as_bytes())
    };
    let failed = form("/sign-in", "token=a+guess+that+is+long+enough".into(), "").expect(403);
    assert!(
        failed.body.contains("Unknown token.") && !failed.headers.contains_key("set-cookie"),
        "{failed:?}"
    );
    let cookie_of = |reply: &Reply| {
        reply
            .headers
            .get("set-cookie")
            .expect("a cookie is set")
            .split(';')
            .next()
            .expect("a pair")
            .to_owned()
    };
    let viewer = cookie_of(&form("/sign-in", format!("token={VIEWER}"), "").expect(303));
    let host = cookie_of(&form("/sign-in", format!("token={HOST}"), "").expect(303));
    assert!(
        !viewer.contains(VIEWER) && !host.contains(HOST) && viewer != host,
        "a cookie must not contain the token"
    );
    let page = |cookie: &str| api.request("GET", "/", &[("cookie", cookie)], b"").expect(200).body;
    assert!(
        page(&viewer).contains(r#"data-role="viewer""#) && page(&viewer).contains("Read-only.")
    );
    assert!(!page(&host).contains(r#"data-role="viewer""#) && page(&host).contains("Sign out"));
    form("/heroes", String::new(), &viewer).problem(403, "viewer");
    form("/heroes", String::new(), &host).expect(303);
    let out = cookie_of(&form("/sign-out", String::new(), &host).expect(303));
    assert!(out.starts_with("superhero-session-") && out.ends_with('='), "{out}");
    assert_eq!(api.request("GET", "/", &[("cookie", &out)], b"").status, 303);
}

#[test]
fn ineffective_tokens_are_refused_at_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a temporary file");
        path.display().to_string()
    };
    let (host, same, short) = (file("host", HOST), file("same", HOST), file("short", "secret"));
    for (arguments, named) in [
        (vec!["--host-token-file", &short], "16 to 256 bytes"),
        (vec!["--host-token-file", "/no/such/file"], "/no/such/file"),
        (
            vec!["--host-token-file", &host, "--viewer-token-file", &same],
            "every viewer could make changes",
        ),
        (vec!["--viewer-token-file", &host], "--host-token-file"),
        (vec!["--allow-origin", "evil.example"], "--allow-origin"),
        (vec!["--allow-origin", "https://evil.example/path"], "without a path"),
        (vec!["--allow-host", "https://heroes.example/"], "without a scheme"),
        (vec!["--allow-host", "heroes.example,*.example"], "wildcards"),
    ] {
        let arguments: Vec<&str> = ["--listen=127.0.0.1:0"].into_iter().chain(arguments).collect();
        let finished = run("dispatch", &arguments, &[], HANG_TIMEOUT);
        assert!(
            finished.code == Some(2) && finished.stderr.contains(named),
            "{arguments:?}: {finished:?}"
        );
    }
}

#[test]
fn hosts_and_origins_outside_the_allowed_are_refused() {
    let dispatch = vec![
        "--allow-host=heroes.example".to_owned(),
        "--allow-origin=https://class.example".to_owned(),
    ];
    let mut cluster = Cluster::start(Options { dispatch, ..Options::default() });
    let address = cluster.address("dispatch");
    let api = &cluster.api;
    let as_host = |host: &str| {
        let request =
            format!("GET /api/v1/verdict HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        raw::exchange(address, request.as_bytes(), false).status()
    };
    assert_eq!(
        (as_host("heroes.example"), as_host("heroes.example:4900"), as_host("localhost")),
        (Some(200), Some(200), Some(200))
    );
    assert_eq!(
        (as_host("evil.example"), as_host("xheroes.example"), as_host("10.1.2.3")),
        (Some(421), Some(421), Some(421))
    );
    let from = |origin: &str| {
        api.request(
            "POST",
            "/api/v1/heroes",
            &[("content-type", "application/json"), ("origin", origin)],
            b"{}",
        )
        .status
    };
    assert_eq!(
        (from("https://class.example"), from("http://class.example"), from("https://evil.example")),
        (201, 403, 403)
    );
    let live = |origin: &str| Link::open(address, "/live", &[("origin", origin)]).map(drop);
    assert_eq!(
        (live("https://class.example"), live("https://evil.example"), live("null")),
        (Ok(()), Err(403), Err(403))
    );
    let log = cluster.process("dispatch").log();
    let logged = |option: &str| log.lines().filter(|line| line.contains(option)).count();
    assert_eq!(
        (logged("--allow-origin https://evil.example"), logged("--allow-host evil.example")),
        (1, 1),
        "each cause is logged once a minute: {log}"
    );
}
