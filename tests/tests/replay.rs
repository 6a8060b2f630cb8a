//! Recordings: what the player shows of a moment, with and without a cluster, and what it refuses.

use std::fs;
use std::path::{Path, PathBuf};

use cluster_tests::{
    Browser, Cluster, HANG_TIMEOUT, Heroes, Options, assert_no_problems, command, ensure,
    open_page, wait_until,
};
use recording::{Change, Recording};
use serde_json::{Value, json};

/// A cluster in which Gotham has missed a write for a while: cut off, and healed again.
fn start() -> (Cluster, String) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    let id = cluster.api.create_named("Granite").id;
    heroes.created([id.clone()]);
    cluster.wait_until_held(&heroes, &cluster_tests::CITIES);
    cluster.api.inject(&json!({"kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 300}));
    heroes.assigned(&id, "capitol");
    let _ = cluster.api.assign(&id, "capitol").expect(200);
    cluster.wait_until_held(&heroes, &["metropolis", "capitol"]);
    cluster.api.heal_all();
    cluster.wait_until_held(&heroes, &cluster_tests::CITIES);
    (cluster, id)
}

/// Writes the recording of this cluster with `superhero record`.
fn record(cluster: &Cluster, directory: &Path) -> (Recording, PathBuf) {
    let file = directory.join("cut.replay.gz");
    let output = superhero(cluster, &["record", file.to_str().expect("a path of ASCII")]);
    assert!(output.contains("21 heroes"), "{output}");
    let content = fs::read(&file).expect("it was just written");
    (Recording::read(&content).expect("a recording"), file)
}

fn superhero(cluster: &Cluster, arguments: &[&str]) -> String {
    let mut command = command("superhero");
    let output = command
        .args(["--url", &cluster.api.url()])
        .args(arguments)
        .output()
        .expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out
}

/// The moment at which the write to Granite had reached two cities, and Gotham was cut off.
fn missed(recording: &Recording) -> u32 {
    let ended = recording.faults[0].ended.expect("the cut was healed");
    ended - 1
}

/// Moves the slider to a moment.
fn seek(browser: &Browser, moment: u32) {
    let _ = browser.evaluate(&format!(
        "const slider = document.getElementById('time'); slider.value = {moment}; \
         slider.dispatchEvent(new Event('input', {{bubbles: true}}));"
    ));
}

/// The cells of this hero: the texts, and whether each is marked.
fn cells(browser: &Browser, hero: &str) -> Value {
    browser.evaluate(&format!(
        "const row = [...document.querySelectorAll('#held tbody tr')] \
           .find((row) => !row.hidden && row.cells[0].textContent === '{hero}'); \
         return row && [...row.cells].slice(1) \
           .map((cell) => [cell.textContent.trim(), cell.classList.contains('differs')]);"
    ))
}

/// Checks what the player shows of the cut, and of the end.
fn check_moments(browser: &Browser, recording: &Recording) {
    wait_until("the recording is open", HANG_TIMEOUT, || {
        let open = browser.evaluate("return 'open' in document.body.dataset");
        ensure(open == true, || browser.text("main"))
    });
    seek(browser, missed(recording));
    assert_eq!(browser.text("#sentence"), "1 hero differs");
    assert_eq!(
        browser.text("#in-force"),
        "In force: Gotham is cut from every other node, both ways"
    );
    let seen = cells(browser, "Granite");
    let column = |name: &str| {
        let observed = || recording.nodes.iter().filter(|node| node.observed);
        observed().position(|node| node.name == name).expect("a column")
    };
    assert_eq!(seen[column("gotham")], json!(["Home 100", true]), "{seen}");
    for city in ["metropolis", "capitol"] {
        let cell = &seen[column(city)];
        assert!(
            cell[0].as_str().expect("text").starts_with("Capitol ") && cell[1] == true,
            "{seen}"
        );
    }
    seek(browser, 0);
    let first = cells(browser, "Granite");
    seek(browser, missed(recording));
    assert_eq!(cells(browser, "Granite"), seen, "the way back undoes what the way there did");
    assert_ne!(first, seen);
    // The rest of the way by a key: an event after the other, to the end.
    let _ = browser.evaluate("document.activeElement.blur()");
    wait_until("the end of the recording", HANG_TIMEOUT, || {
        browser.press("]");
        let at = browser.evaluate("return Number(document.getElementById('time').value)");
        ensure(at.as_f64() >= Some(recording.length.into()), || format!("at {at}"))
    });
    assert_eq!(browser.text("#in-force"), "No faults in force");
}

#[test]
fn replay_shows_each_moment_of_this_cluster() {
    let (cluster, _) = start();
    let directory = tempfile::tempdir().unwrap();
    let browser = open_page(&cluster);
    browser.click("link", "Replay slowly");
    wait_until("a tenth of the speed", HANG_TIMEOUT, || {
        let shown = browser.evaluate(
            "return [document.getElementById('play').textContent, \
                     document.querySelector('[name=speed]:checked').value]",
        );
        ensure(shown == json!(["Pause", "0.1"]), || shown.to_string())
    });
    browser.click("button", "Pause");
    let (recording, _) = record(&cluster, directory.path());
    browser.open(&format!("{}replay", cluster.api.url()));
    check_moments(&browser, &recording);
    assert_no_problems(&browser, &[]);
}

#[test]
fn recording_opens_without_a_cluster_and_a_damaged_one_is_refused_by_name() {
    let (cluster, _) = start();
    let directory = tempfile::tempdir().unwrap();
    let (recording, file) = record(&cluster, directory.path());
    let page = directory.path().join("cut.html");
    superhero(&cluster, &["replay", file.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    let mut damaged = fs::read(&file).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    drop(cluster);
    let browser = Browser::start();
    browser.open(&format!("file://{}", page.display()));
    check_moments(&browser, &recording);
    let held = cells(&browser, "Granite");
    let sum: Vec<String> = damaged.iter().map(u8::to_string).collect();
    let _ = browser.evaluate(&format!(
        "const files = new DataTransfer(); \
         files.items.add(new File([Uint8Array.of({})], 'cut.replay.gz')); \
         const input = document.getElementById('file'); \
         input.files = files.files; \
         input.dispatchEvent(new Event('change'));",
        sum.join(",")
    ));
    browser.wait_text("#refused", "the refusal", |text| {
        text.starts_with("cut.replay.gz was not opened: the file is damaged")
    });
    assert_eq!(cells(&browser, "Granite"), held, "the recording that is open stays");
    assert_no_problems(&browser, &[]);
    fs::write(&file, damaged).unwrap();
    let mut replay = command("superhero");
    replay.args(["replay", "cut.replay.gz"]).current_dir(directory.path());
    let refused = replay.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("cut.replay.gz: the file is damaged"), "{said}");
}

#[test]
fn bombed_city_is_recorded_as_empty_and_its_recovery_is_timed() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, &cluster_tests::CITIES);
    cluster.bomb("gotham");
    let event = wait_until("the recovery is an event", HANG_TIMEOUT, || {
        let events = cluster.api.events(0);
        let recovered = events.iter().find(|event| event.kind == "recovered").cloned();
        recovered.ok_or_else(|| format!("{events:?}"))
    });
    let said = event.text.split_once("gotham has recovered, ");
    let (_, took) = said.unwrap_or_else(|| panic!("{}", event.text));
    assert!(took.ends_with("s after it lost its memory"), "{took}");

    let api = superhero::Api::new(&cluster.api.url()).expect("a URL");
    let recording = Recording::read(&api.recording(None).unwrap()).unwrap();
    let gotham = recording.nodes.iter().position(|node| node.name == "gotham").unwrap();
    let at_gotham = recording.changes.iter().filter(|change| change.node as usize == gotham);
    let (lost, held): (Vec<&Change>, Vec<&Change>) =
        at_gotham.partition(|change| change.write.is_none());
    assert_eq!((lost.len(), held.len()), (20, 40), "created, lost, and pulled again");
    let (emptied, refilled) = (lost[0].at, held[20].at);
    assert!(lost.iter().all(|change| change.at == emptied), "all at once");
    assert!(emptied < refilled && held[19].at <= emptied, "{emptied} {refilled}");
    assert_eq!(recording.members.len(), 3, "{:?}", recording.members);
}

#[test]
fn recording_that_is_dropped_on_the_live_page_opens_in_the_player() {
    let (cluster, _) = start();
    let directory = tempfile::tempdir().unwrap();
    let (recording, file) = record(&cluster, directory.path());
    let bytes: Vec<String> = fs::read(&file).unwrap().iter().map(u8::to_string).collect();
    let browser = open_page(&cluster);
    let _ = browser.evaluate(&format!(
        "const dropped = new DataTransfer(); \
         dropped.items.add(new File([Uint8Array.of({})], 'mine.replay.gz')); \
         document.body.dispatchEvent(new DragEvent('drop', \
           {{ dataTransfer: dropped, bubbles: true, cancelable: true }}));",
        bytes.join(",")
    ));
    browser.wait_text("#about", "the dropped file", |text| text.starts_with("mine.replay.gz: "));
    check_moments(&browser, &recording);
    assert_no_problems(&browser, &[]);
}
