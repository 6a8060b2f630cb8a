//! The page behind proxies that break requests, in a real browser.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster_tests::{
    Browser, Cluster, HANG_TIMEOUT, Options, Proxy, Treatment, ensure, wait_row, wait_until,
};

fn is_command(head: &str) -> bool {
    head.starts_with("POST ") && !head.starts_with("POST /frames ")
}

/// Opens the page behind a proxy with this treatment, and waits until it shows this contact.
fn open(
    cluster: &Cluster,
    contact: &str,
    treatment: impl Fn(&str) -> Treatment + Send + Sync + 'static,
) -> Browser {
    let proxy = Proxy::start(cluster.address("dispatch"), treatment);
    let browser = Browser::start();
    browser.open(&format!("http://{}", proxy.address()));
    browser.wait_text("#contact", contact, |text| text == contact);
    browser
}

fn heroes(cluster: &Cluster) -> usize {
    let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
    heroes["heroes"].as_array().map_or(0, Vec::len)
}

/// Waits for the text next to a control that sent a refused command.
fn wait_refusal(browser: &Browser, wanted: &str) {
    browser.wait_text("#create .refusal", wanted, |text| text.contains(wanted));
}

#[test]
fn press_whose_answers_are_lost_is_executed_once() {
    let cluster = Cluster::start(Options::default());
    let lost = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lost);
    // The first two answers to each press are lost.
    let browser = open(&cluster, "Live", move |head| {
        if is_command(head) && count.fetch_add(1, Ordering::Relaxed) % 3 < 2 {
            Treatment::Reset
        } else {
            Treatment::Pass
        }
    });
    browser.type_into("textbox", "Hero name (optional)", "Batman");
    browser.click("button", "Create superhero");
    wait_row(&browser, "Batman", "home", |row| row.contains("Home"));
    wait_until("the form is emptied after the third attempt", HANG_TIMEOUT, || {
        let name = browser.evaluate("return document.getElementById('create-name').value");
        ensure(name == "", || format!("{name}, {} attempts", lost.load(Ordering::Relaxed)))
    });
    assert_eq!((lost.load(Ordering::Relaxed), heroes(&cluster)), (3, 1));
    let crashes = cluster.node("gotham").crashes;
    browser.click("button", "Bomb Gotham");
    wait_until("all attempts were made", HANG_TIMEOUT, || {
        ensure(lost.load(Ordering::Relaxed) == 6, || lost.load(Ordering::Relaxed).to_string())
    });
    cluster.wait_converged();
    assert_eq!(cluster.node("gotham").crashes, crashes + 1, "one press is one bomb");
}

#[test]
fn press_without_any_answer_has_an_unknown_outcome() {
    let cluster = Cluster::start(Options::default());
    let browser =
        open(
            &cluster,
            "Live",
            |head| {
                if is_command(head) { Treatment::Reset } else { Treatment::Pass }
            },
        );
    browser.type_into("textbox", "Hero name (optional)", "Batman");
    browser.click("button", "Create superhero");
    wait_refusal(&browser, "the outcome is not known");
    assert_eq!(heroes(&cluster), 1);
    wait_row(&browser, "Batman", "home, as the frames show", |row| row.contains("Home"));
}

#[test]
fn sign_in_page_of_a_proxy_is_no_success() {
    let cluster = Cluster::start(Options::default());
    for response in [
        "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<p>Sign in</p>",
    ] {
        let browser = open(&cluster, "Live", move |head| {
            if is_command(head) { Treatment::Respond(response.into()) } else { Treatment::Pass }
        });
        browser.type_into("textbox", "Hero name (optional)", "Batman");
        browser.click("button", "Create superhero");
        wait_refusal(&browser, "The answer is not from dispatch");
        let name = browser.evaluate("return document.getElementById('create-name').value");
        assert_eq!(name, "Batman", "the form keeps what was not sent");
        assert_eq!(heroes(&cluster), 0);
    }
}

#[test]
fn page_polls_while_a_proxy_passes_no_websockets() {
    let cluster = Cluster::start(Options::default());
    let browser = open(&cluster, "Polling", |head| {
        if head.starts_with("GET /live") {
            let body = "Content-Length: 0\r\nConnection: close\r\n\r\n";
            Treatment::Respond(format!("HTTP/1.1 426 Upgrade Required\r\n{body}"))
        } else {
            Treatment::Pass
        }
    });
    let reason = browser.evaluate("return document.getElementById('contact').title");
    assert!(reason.as_str().is_some_and(|reason| reason.contains("Upgrade")), "{reason}");
    browser.type_into("textbox", "Hero name (optional)", "Batman");
    browser.click("button", "Create superhero");
    wait_row(&browser, "Batman", "home", |row| row.contains("Home"));
    browser.choose("Assign Batman", "gotham");
    wait_row(&browser, "Batman", "gotham, agreed", |row| {
        row.contains("Gotham") && row.contains("Agreed")
    });
    // A search changes the view without the socket.
    let _ = cluster.api.create_named("Robin");
    wait_row(&browser, "Robin", "home", |row| row.contains("Home"));
    browser.type_into("searchbox", "Find a hero by name or id", "robin");
    browser.press("\u{e007}");
    wait_until("only Robin is listed", HANG_TIMEOUT, || {
        let rows = browser.evaluate("return document.querySelectorAll('#table-rows tr').length");
        ensure(rows == 1, || rows.to_string())
    });
}

#[test]
fn page_says_that_its_origin_is_refused() {
    let cluster = Cluster::start(Options::default());
    let browser = open(&cluster, "Polling", |head| {
        let refused = head.starts_with("GET /live") || head.starts_with("POST ");
        if refused {
            let body = r#"{"type":"foreign_origin","detail":"the origin is not allowed"}"#;
            Treatment::Respond(format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ))
        } else {
            Treatment::Pass
        }
    });
    let reason = browser.evaluate("return document.getElementById('contact').title");
    assert_eq!(reason, "Dispatch refuses the live socket: the origin is not allowed.");
}
