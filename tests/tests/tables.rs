//! The tables of the types on the page, in a real browser: a cell for each city, differences, forms,
//! and the presence of the page itself.

use cluster_tests::{
    Api, Browser, Cluster, HANG_TIMEOUT, Options, assert_no_problems, axe, ensure, open_page,
    wait_until,
};
use serde_json::json;

const TABLES: [&str; 6] = ["Counters", "Sets", "Tables", "Radio", "Presence", "Names"];

/// Returns the text of the row whose header starts with `heading`, on one line.
fn row(browser: &Browser, heading: &str) -> Result<String, String> {
    let rows = browser.evaluate(
        "return [...document.querySelectorAll('#table-rows tr')].map((row) => row.innerText)",
    );
    let rows: Vec<String> = serde_json::from_value(rows).expect("rows are text");
    let plain = |row: &String| row.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = rows.iter().map(plain).find(|row| row.starts_with(heading));
    found.ok_or_else(|| format!("no row {heading:?} in {rows:?}"))
}

#[track_caller]
fn wait_row(browser: &Browser, heading: &str, what: &str) {
    wait_until(&format!("{heading}: {what}"), HANG_TIMEOUT, || {
        let row = row(browser, heading)?;
        ensure(row.contains(what), || row.clone())
    });
}

#[track_caller]
fn open_table(browser: &Browser, table: &str) {
    browser.click("link", table);
    browser.wait_text("#table-title", table, |text| text.starts_with(table));
    browser.wait_text("#contact", "Live", |text| text == "Live");
    // The table is named as its link.
    let _ = browser.find("table", table);
}

#[test]
fn each_table_shows_what_each_city_holds() {
    let cluster = Cluster::start(Options::default());
    let gotham = Api::new(cluster.address("gotham"));
    gotham.post("/api/v1/counters/visits", &json!({ "add": 5 })).expect(200);
    gotham.put("/api/v1/sets/fruits/apple", &json!(null)).expect(201);
    gotham.put("/api/v1/tables/weather/now", &json!({ "value": { "c": 21 } })).expect(201);
    gotham.post("/api/v1/rooms/radio", &json!({ "sender": "Ada", "text": "Hello" })).expect(201);
    gotham.put("/api/v1/names/leader", &json!({ "value": "10.0.0.1" })).expect(201);
    let browser = open_page(&cluster);
    for (table, heading, what) in [
        ("Counters", "visits", "All three: 5"),
        ("Sets", "apple", "in fruits All three: present"),
        ("Tables", "now", r#"All three: {"c":21}"#),
        ("Radio", "Ada: Hello", "All three: received"),
        ("Presence", "guest", "at Dispatch, in pages All three: present"),
        ("Names", "leader", r#"All three: Gotham: "10.0.0.1""#),
    ] {
        open_table(&browser, table);
        wait_row(&browser, heading, what);
        let violations = axe::violations(&browser);
        assert!(violations.is_empty(), "{table}: {violations:?}");
    }
    assert_no_problems(&browser, &[]);
}

#[test]
fn paused_gossip_leaves_a_difference_that_the_row_and_the_verdict_explain() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    open_table(&browser, "Counters");
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    let gotham = Api::new(cluster.address("gotham"));
    gotham.post("/api/v1/counters/visits", &json!({ "add": 5 })).expect(200);
    wait_row(&browser, "visits", "Only copy");
    wait_row(&browser, "visits", "Metropolis and Capitol have not received Gotham’s +5 of");
    browser.wait_text("h1", "the difference", |text| text.contains("Counters differ."));
    let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
    assert_eq!((&verdict["converged"], &verdict["tables"]["counters"]), (&json!(false), &json!(1)));
    let marks = browser.evaluate("return document.querySelectorAll('#table-rows mark').length");
    assert_eq!(marks, json!(1), "the cell of Gotham is marked");
    browser.click("link", "Differing 1");
    wait_row(&browser, "visits", "Only copy");
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    browser.wait_text("#table-rows", "agreement", |text| text.contains("All cities agree."));
    assert_no_problems(&browser, &[]);
}

#[test]
fn forms_write_at_dispatch_and_refusals_are_shown() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    open_table(&browser, "Counters");
    browser.type_into("textbox", "Counter", "clicks");
    browser.click("button", "Add to counter");
    wait_row(&browser, "clicks", "Dispatch 1 All three: 1");
    browser.type_into("textbox", "Amount", "x");
    browser.click("button", "Add to counter");
    browser.wait_text("#change", "the refusal", |text| text.contains("must be a whole number"));
    open_table(&browser, "Radio");
    browser.type_into("textbox", "Your name", "Zoë");
    browser.click("button", "Use name");
    browser.type_into("textbox", "Message from Zoë", "over <b>&amp;</b>");
    browser.click("button", "Say");
    wait_row(&browser, "Zoë: over <b>&amp;</b>", "All three: received");
    open_table(&browser, "Presence");
    wait_row(&browser, "Zoë", "at Dispatch, in pages");
    open_table(&browser, "Names");
    browser.type_into("textbox", "Name", "leader");
    browser.type_into("textbox", "Value (JSON or text)", "me");
    browser.click("button", "Register name");
    wait_row(&browser, "leader", r#"Dispatch: "me""#);
    browser.click("button", "Release name");
    wait_until("the name is free", HANG_TIMEOUT, || {
        let row = row(&browser, "leader");
        ensure(row.is_err(), || format!("{row:?}"))
    });
    assert_no_problems(&browser, &["422"]);
}

#[test]
fn tables_work_without_javascript() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::without_javascript();
    browser.open(&format!("{}?still=1", cluster.api.url()));
    for table in TABLES {
        browser.click("link", table);
        browser.wait_text("#table-title", table, |text| text.starts_with(table));
    }
    browser.open(&format!("{}?table=sets&still=1", cluster.api.url()));
    browser.type_into("textbox", "Set", "fruits");
    browser.type_into("textbox", "Element", "apple");
    browser.click("button", "Add element");
    browser.wait_text("#table-rows", "the element", |text| text.contains("apple"));
    browser.type_into("textbox", "Set", "fruits");
    browser.type_into("textbox", "Element", "pear");
    browser.click("button", "Remove element");
    browser.wait_text("#table-title", "the table", |text| text.starts_with("Sets"));
}

#[test]
fn page_is_present_at_every_node_while_it_is_open() {
    let cluster = Cluster::start(Options::default());
    let present = |node: &str| {
        let api = Api::new(cluster.address(node));
        api.get("/api/v1/presence/pages").expect(200).json()["present"].clone()
    };
    let browser = open_page(&cluster);
    wait_until("the page is present in capitol", HANG_TIMEOUT, || {
        let present = present("capitol");
        ensure(present[0]["key"] == "guest" && present[0]["node"] == "dispatch", || {
            present.to_string()
        })
    });
    browser.open("about:blank");
    wait_until("the page is gone from capitol", HANG_TIMEOUT, || {
        let present = present("capitol");
        ensure(present == json!([]), || present.to_string())
    });
}

/// Two cities that are cut off from each other set the same key; the later write wins, and the other
/// one is told as lost. A message that only a bombed city had is lost too.
#[test]
fn writes_at_two_cities_differ_and_the_lost_one_is_told() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    for (city, motto) in [("Gotham", "Never sleeps"), ("Metropolis", "Looks up")] {
        // With empty fields.
        browser.open(&format!("{}?table=tables", cluster.api.url()));
        browser.wait_text("#contact", "Live", |text| text == "Live");
        browser.type_into("textbox", "Table", "slogans");
        browser.type_into("textbox", "Key", "ours");
        browser.type_into("textbox", "Value (JSON or text)", motto);
        browser.choose("At", city);
        browser.click("button", "Set key");
        wait_row(&browser, "ours", &format!("\"{motto}\""));
    }
    wait_row(&browser, "ours", "Gotham has Gotham’s \"Never sleeps\" of");
    wait_row(&browser, "ours", "which will be lost: Metropolis’s write of");
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    wait_row(&browser, "ours", "All three: \"Looks up\"");
    wait_row(&browser, "ours", "Lost: Gotham’s \"Never sleeps\" of");
    wait_row(&browser, "ours", "Metropolis had not seen it");
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    open_table(&browser, "Radio");
    browser.type_into("textbox", "Message", "Last words");
    browser.choose("At", "Gotham");
    browser.click("button", "Say");
    wait_row(&browser, "guest: Last words", "Only copy");
    cluster.api.bomb("gotham").expect(202);
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    let mut lost = json!(null);
    wait_until("both writes are told as lost", HANG_TIMEOUT, || {
        lost = cluster.api.get("/api/v1/lost").expect(200).json();
        ensure(lost["count"] == 2, || lost.to_string())
    });
    assert_eq!(lost["lost"], json!([]));
    let told = |number: usize, part: &str| lost["records"][number][part].clone();
    assert_eq!(told(0, "table"), "tables");
    assert_eq!(told(0, "name"), "Tables: slogans: ours");
    assert_eq!(
        (told(0, "wrote"), told(0, "to")),
        (json!("\"Never sleeps\""), json!("\"Looks up\""))
    );
    assert_eq!((told(1, "table"), told(1, "wrote")), (json!("radio"), json!("Last words")));
    assert_eq!(told(1, "to"), json!(null));
    browser.wait_text("#lost-writes summary", "both", |text| text == "Lost writes (2)");
    let script = "document.getElementById('lost-writes-list').open = true";
    let _ = browser.evaluate(script);
    browser.wait_text("#lost-writes", "the message", |text| {
        text.contains("Last words") && text.contains("lost with its only holder")
    });
    assert_no_problems(&browser, &[]);
}
