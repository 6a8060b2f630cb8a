//! The request, the output and the exit code of each command, against a stub of dispatch.

mod stub;

use std::process::{Command, Stdio};

use stub::{Stub, problem, superhero, text};

const CITY: &str = r#"{"city":"gotham"}"#;
const GOSSIP: &str = r#"{"paused":true,"percent":0}"#;
const FAULT: &str = r#"{"id":"00c0ffee","kind":"delay","from":"gotham","to":"*","both":true,"delay_ms":300,"jitter_ms":50,"heal_after_s":20.0,"heals_in_ms":19500,"in_force_at":["gotham","capitol"],"frames":{"seen":7,"dropped":0,"delayed":7,"duplicated":0}}"#;

#[test]
fn commands_send_one_request_and_print_the_response() {
    let exchange = r#"{"from":"gotham","to":"capitol","completed":true,"entries":3,"bytes":412}"#;
    let fault_row = "00c0ffee\tdelay\tgotham\t*\tyes\tdelay_ms=300 jitter_ms=50\t19s 500ms\tgotham capitol\t7 seen, 0 dropped, 7 delayed, 0 duplicated\n";
    let faults = format!(r#"{{"faults":[{FAULT}]}}"#);
    let remark = "Fault 00c0ffee: delay gotham <-> all, heals in 19s 500ms.\n";
    let pulled = "capitol pulled 3 heroes and 0 records from gotham.\n";
    for (arguments, line, sent, status, answer, printed, noted) in [
        (
            "stop Gotham -y",
            "POST /cities/gotham/stop",
            "{}",
            202,
            CITY,
            "gotham has stopped.\n",
            "",
        ),
        (
            "kill gotham --yes",
            "POST /cities/gotham/kill",
            "{}",
            202,
            CITY,
            "gotham was killed.\n",
            "",
        ),
        (
            "rebuild GOTHAM",
            "POST /cities/gotham/rebuild",
            "{}",
            202,
            CITY,
            "gotham was started again.\n",
            "",
        ),
        (
            "forget gotham --yes",
            "POST /cities/gotham/forget",
            "{}",
            202,
            CITY,
            "gotham was forgotten.\n",
            "",
        ),
        (
            "bomb --random --yes",
            "POST /bomb",
            "{}",
            202,
            CITY,
            "gotham lost its memory and has restarted.\n",
            "",
        ),
        (
            "bomb Gotham --yes",
            "POST /cities/gotham/bomb",
            "{}",
            202,
            CITY,
            "gotham lost its memory and has restarted.\n",
            "",
        ),
        (
            "city found Star-City",
            "POST /cities",
            r#"{"name":"star-city"}"#,
            201,
            r#"{"city":"star-city"}"#,
            "star-city was founded and is joining.\n",
            "",
        ),
        (
            "city remove Star-City --yes",
            "DELETE /cities/star-city",
            "",
            204,
            "",
            "star-city has stopped and was forgotten.\n",
            "",
        ),
        ("pause", "POST /gossip/pause", "{}", 200, GOSSIP, "Gossip is paused.\n", ""),
        (
            "resume",
            "POST /gossip/resume",
            "{}",
            200,
            r#"{"paused":false,"percent":100}"#,
            "Gossip runs at 100 % of its configured rate.\n",
            "",
        ),
        (
            "speed 300%",
            "POST /gossip/speed",
            r#"{"percent":300}"#,
            200,
            GOSSIP,
            "Gossip is paused.\n",
            "",
        ),
        (
            "accept-stamps 1h",
            "POST /stamps/accept",
            r#"{"ahead_ms":3600000}"#,
            200,
            r#"{"until_ms":1790000000000,"nodes":["gotham","dispatch"]}"#,
            "gotham, dispatch accept stamps up to 2026-09-21T14:13:20.000Z.\n",
            "",
        ),
        (
            "step gotham Capitol",
            "POST /gossip/step",
            r#"{"from":"gotham","to":"capitol"}"#,
            200,
            exchange,
            "gotham\tcapitol\tyes\t3\t412\n",
            pulled,
        ),
        (
            "step",
            "POST /gossip/step",
            "{}",
            200,
            exchange,
            "gotham\tcapitol\tyes\t3\t412\n",
            pulled,
        ),
        ("faults", "GET /faults", "", 200, &faults, fault_row, ""),
        ("faults", "GET /faults", "", 200, r#"{"faults":[]}"#, "", "No fault is in force.\n"),
        ("heal", "DELETE /faults", "", 204, "", "All faults were healed.\n", ""),
        ("heal all", "DELETE /faults", "", 204, "", "All faults were healed.\n", ""),
        (
            "heal 00c0ffee",
            "DELETE /faults/00c0ffee",
            "",
            204,
            "",
            "Fault 00c0ffee was healed.\n",
            "",
        ),
        (
            "fault delay Gotham ALL --by 300ms --jitter 50ms --for 20s",
            "POST /faults",
            r#"{"both":true,"delay_ms":300,"from":"gotham","heal_after_s":20,"jitter_ms":50,"kind":"delay","to":"*"}"#,
            201,
            FAULT,
            fault_row,
            remark,
        ),
        (
            "fault skew gotham --by -3s",
            "POST /faults",
            r#"{"from":"gotham","kind":"skew","skew_ms":-3000}"#,
            201,
            FAULT,
            fault_row,
            remark,
        ),
        (
            "fault loss gotham all --percent 20%",
            "POST /faults",
            r#"{"both":true,"from":"gotham","kind":"loss","percent":20.0,"to":"*"}"#,
            201,
            FAULT,
            fault_row,
            remark,
        ),
    ] {
        let reply = answer.to_owned();
        let stub = Stub::start(move |_| (status, reply.clone()));
        let words: Vec<&str> = arguments.split(' ').collect();
        let done = superhero(&stub.url, &words);
        assert_eq!(
            (done.status.code(), text(&done.stderr).as_str()),
            (Some(0), noted),
            "{arguments}"
        );
        assert_eq!(text(&done.stdout), printed, "{arguments}");
        assert_eq!(
            (stub.seen(), stub.bodies(line)),
            (vec![line.to_owned()], vec![sent.to_owned()]),
            "{arguments}"
        );
        let json = superhero(&stub.url, &[&words[..], &["--json"]].concat());
        assert_eq!(text(&json.stdout).trim_end(), answer, "{arguments} --json");
        assert_eq!(text(&json.stderr), "", "{arguments} --json");
    }
}

#[test]
fn lost_writes_are_listed_by_number() {
    let stamp =
        |origin: &str| format!(r#"{{"wall_ms":1790000000000,"logical":0,"origin":"{origin}/1"}}"#);
    let hero = format!(
        r#"{{"id":"1","name":"Ada","location":"gotham","is_patrolling":true,"health":70,"stamp":{}}}"#,
        stamp("gotham")
    );
    let times = r#""saved_at_ms":1790000000000,"found_at_ms":1790000001000"#;
    let answer = format!(
        r#"{{"count":3,"lost":[{{"number":1,"hero":"1","name":"Ada","wrote":{hero},"stamp":{0},{times},"to":"tombstone"}},{{"number":3,"hero":"2","name":"Bela","wrote":"tombstone","stamp":{0},{times},"to":null}}],"records":[{{"number":2,"table":"tables","name":"mottos gotham","wrote":"x","stamp":{1},{times},"to":null}}]}}"#,
        stamp("gotham"),
        stamp("dispatch")
    );
    let reply = answer.clone();
    let stub = Stub::start(move |_| (200, reply.clone()));
    let done = superhero(&stub.url, &["lost"]);
    let (at, seen) = ("2026-09-21T14:13:20.000Z", "2026-09-21T14:13:21.000Z");
    assert_eq!(
        text(&done.stdout),
        format!(
            "1\t{at}\tgotham\tAda\tgotham, health 70, patrolling\tterminated\t{seen}\n\
             2\t{at}\tdispatch\ttables mottos gotham\tx\tnothing\t{seen}\n\
             3\t{at}\tgotham\tBela\tterminated\tnothing\t{seen}\n"
        )
    );
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    assert_eq!(text(&superhero(&stub.url, &["lost", "--json"]).stdout), answer + "\n");
    assert_eq!(stub.seen()[0], "GET /lost?since=0");

    let stub = Stub::start(|_| (200, r#"{"count":0,"lost":[],"records":[]}"#.into()));
    let done = superhero(&stub.url, &["lost", "--since", "7"]);
    assert_eq!(
        (text(&done.stdout).as_str(), text(&done.stderr).as_str()),
        ("", "No write was lost since dispatch started.\n")
    );
    assert_eq!(stub.seen(), ["GET /lost?since=7"]);
}

#[test]
fn cluster_shows_the_nodes_and_the_faults() {
    let faults = format!(r#"{{"faults":[{FAULT}]}}"#);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /cluster" => {
            let node = |name: &str, vector: &str, refuses: &str| {
                format!(
                    r#"{{"name":"{name}","role":"city","status":"up","incarnation":1,"crashes":0,"heroes":3,"tombstones":0,"fingerprint":"f","age_ms":1,"clock_ahead_ms":null,"ahead":0,"behind":1,"version_vector":{{{vector}}},"refuses":[{refuses}],"newer":7}}"#
                )
            };
            let nodes = [
                node("gotham", r#""gotham/1":"9+0""#, ""),
                node("capitol", r#""gotham/1":"8+0""#, r#""gotham""#),
            ];
            (200, format!(r#"{{"version":"1","nodes":[{}]}}"#, nodes.join(",")))
        }
        _ => (200, faults.clone()),
    });
    let done = superhero(&stub.url, &["cluster"]);
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    assert_eq!(
        text(&done.stdout),
        "gotham\tup\t1\t0\t3\t0\tf\t\t1ms\t0\t1\t\n\
         capitol\tup\t1\t0\t3\t0\tf\t\t1ms\t0\t1\tgotham (refused)\n\
         Fault 00c0ffee: delay gotham <-> all, heals in 19s 500ms\n"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&superhero(&stub.url, &["cluster", "--json"]).stdout).expect("JSON");
    assert_eq!(
        (&json["nodes"][1]["newer"], &json["faults"][0]["id"]),
        (&7.into(), &"00c0ffee".into())
    );
}

/// Returns the help of each command, with its words.
fn helps(words: &[String]) -> Vec<(Vec<String>, String)> {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = text(&superhero("http://127.0.0.1:9", &arguments).stdout);
    let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let commands = commands.lines().take_while(|line| !line.is_empty());
    // The text of a command that takes several lines is indented further.
    let names = commands
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' ') && !line.starts_with("help "));
    let mut all: Vec<_> = names
        .filter_map(|line| line.split_whitespace().next())
        .flat_map(|name| helps(&[words, &[name.to_owned()]].concat()))
        .collect();
    all.push((words.to_vec(), help));
    all
}

#[test]
fn options_of_a_command_come_before_the_global_ones() {
    let helps = helps(&[]);
    assert!(helps.len() > 60, "{}", helps.len());
    for (command, help) in helps {
        let place =
            |heading: &str| help.find(heading).unwrap_or_else(|| panic!("{command:?}: {help}"));
        assert!(place("\nUsage: ") < place("\nOptions:\n"), "{command:?}");
        assert!(place("\nOptions:\n") < place("\nGlobal options:\n"), "{command:?}: {help}");
    }
}

#[test]
fn bomb_requires_a_city_or_random() {
    let stub = Stub::start(|_| problem(500, "asked"));
    for arguments in [&["bomb"][..], &["bomb", "--yes"], &["bomb", "gotham", "--random"]] {
        let done = superhero(&stub.url, arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        let errors = text(&done.stderr);
        assert!(errors.contains("CITY") && errors.contains("--random"), "{arguments:?}: {errors}");
    }
    assert_eq!(stub.seen(), [""; 0]);
}

const DESTRUCTIVE: [&str; 7] = [
    "bomb gotham",
    "bomb --random",
    "stop gotham",
    "kill gotham",
    "terminate Ada",
    "forget gotham",
    "city remove gotham",
];

#[test]
fn destructive_commands_without_a_terminal_require_yes_and_send_nothing() {
    let stub = Stub::start(|_| problem(500, "asked"));
    for command in DESTRUCTIVE {
        let done = superhero(&stub.url, &command.split(' ').collect::<Vec<_>>());
        let errors = text(&done.stderr);
        assert_eq!((done.status.code(), text(&done.stdout).as_str()), (Some(2), ""), "{command}");
        assert!(errors.contains("--yes") && errors.contains("nothing was changed"), "{errors}");
    }
    assert_eq!(stub.seen(), [""; 0]);
}

#[test]
fn refusal_exits_with_1_and_its_detail() {
    let stub = Stub::start(|_| problem(410, "healed"));
    let done = superhero(&stub.url, &["heal", "1"]);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(text(&done.stderr), "error: the detail of healed (healed)\n");
    assert_eq!(text(&done.stdout), "");
}

#[test]
fn incomplete_exchange_exits_with_1() {
    let stub =
        Stub::start(|_| (200, r#"{"from":"gotham","to":"capitol","completed":false}"#.into()));
    let done = superhero(&stub.url, &["step"]);
    assert_eq!(
        (done.status.code(), text(&done.stdout).as_str()),
        (Some(1), "gotham\tcapitol\tno\t0\t0\n")
    );
}

#[test]
fn invalid_response_exits_with_3() {
    let huge = "x".repeat(65 << 20);
    for answer in ["", "<html>", "[]", "{\"faults\":7}", "\u{1b}[2J", huge.as_str()] {
        let reply = answer.to_owned();
        let stub = Stub::start(move |_| (200, reply.clone()));
        let done = superhero(&stub.url, &["faults"]);
        let errors = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{errors}");
        assert!(
            errors.contains(&stub.url) && errors.lines().count() == 1 && !errors.contains('\u{1b}'),
            "{errors}"
        );
    }
    let stub = Stub::start(|_| (302, String::new()));
    assert_eq!(superhero(&stub.url, &["faults"]).status.code(), Some(3));
}

#[test]
fn missing_response_exits_with_3_after_the_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    for command in ["verdict", "watch"] {
        let watch = superhero::Stopwatch::start();
        let done = superhero(&url, &[command]);
        assert_eq!(done.status.code(), Some(3), "{command}");
        assert!(text(&done.stderr).contains(&url), "{command}: {}", text(&done.stderr));
        assert!(watch.elapsed().as_secs() < 15, "{command} took {:?}", watch.elapsed());
    }
}

#[test]
fn hero_is_found_by_id_unique_prefix_or_unique_name_in_any_case() {
    let hero = |id: &str, name: &str| {
        format!(
            r#"{{"id":"{id}","name":"{name}","location":"home","is_patrolling":false,"health":100,"stamp":{{"wall_ms":1,"logical":0,"origin":"dispatch/1"}}}}"#
        )
    };
    let (ada, bob, twin, eve, other_eve) = (
        "aaaaaaaa-0000-4000-8000-000000000001",
        "bbbbbbbb-0000-4000-8000-000000000002",
        "bbcccccc-0000-4000-8000-000000000003",
        "eeeeeeee-0000-4000-8000-000000000004",
        "eeffffff-0000-4000-8000-000000000005",
    );
    let stub = Stub::start(move |request| match request.line.split_once(' ') {
        Some(("GET", path)) => {
            let (_, query) = path.split_once('?').expect("heroes are looked up by a query");
            let field = |name| query.split('&').find_map(|field| field.strip_prefix(name));
            let fits = |(id, name): &(&str, &str)| {
                field("name=").is_none_or(|wanted| wanted == *name)
                    && field("id=").is_none_or(|prefix| id.starts_with(prefix))
            };
            let heroes =
                [(ada, "Ada"), (bob, "Twin"), (twin, "Twin"), (eve, "Eve"), (other_eve, "eve")];
            let heroes = heroes.into_iter().filter(fits);
            let heroes: Vec<String> = heroes.map(|(id, name)| hero(id, name)).collect();
            (200, format!(r#"{{"heroes":[{}],"tombstones":0}}"#, heroes.join(",")))
        }
        _ => (204, String::new()),
    });
    for (argument, found) in [
        (ada, ada),
        (&ada.to_uppercase(), ada),
        ("aaaa", ada),
        ("AAAA", ada),
        ("Ada", ada),
        ("ada", ada),
        ("ADA", ada),
        ("eve", other_eve),
        ("Eve", eve),
        ("bbb", bob),
        ("bbc", twin),
    ] {
        let done = superhero(&stub.url, &["terminate", "--yes", argument]);
        assert_eq!(done.status.code(), Some(0), "{argument}: {}", text(&done.stderr));
        assert_eq!(stub.seen().last(), Some(&format!("DELETE /heroes/{found}")), "{argument}");
    }
    for (argument, message) in [
        ("Twin", "2 heroes"),
        ("bb", "2 heroes"),
        ("twin", "2 heroes"),
        ("EVE", "2 heroes"),
        ("adam", "no hero has"),
        ("", "no hero has"),
        ("../faults", "no hero has"),
    ] {
        let done = superhero(&stub.url, &["terminate", "--yes", argument]);
        assert_eq!(done.status.code(), Some(1), "{argument}");
        assert!(text(&done.stderr).contains(message), "{argument}: {}", text(&done.stderr));
    }
    assert_eq!(
        stub.seen().iter().filter(|line| line.starts_with("DELETE")).count(),
        11,
        "an ambiguous or unknown hero is not deleted"
    );
}

/// Returns a page of the list of heroes: those with these numbers, and the query of the next page.
fn heroes_page(numbers: std::ops::Range<u32>, next: &str) -> String {
    let hero = |number| {
        format!(
            r#"{{"id":"{number:08}-0000-4000-8000-000000000001","name":"N {number}","location":"home","is_patrolling":false,"health":100,"stamp":{{"wall_ms":1,"logical":0,"origin":"dispatch/1"}}}}"#
        )
    };
    let heroes: Vec<String> = numbers.map(hero).collect();
    let next = if next.is_empty() { String::new() } else { format!(r#","next":"{next}""#) };
    format!(r#"{{"heroes":[{}],"tombstones":7{next}}}"#, heroes.join(","))
}

#[test]
fn long_lists_are_printed_from_their_pages() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "GET /heroes?limit=5000" => (200, heroes_page(0..2, "id:a b&c")),
        "GET /heroes?limit=5000&after=id%3Aa%20b%26c" => (200, heroes_page(2..2, "empty")),
        "GET /heroes?limit=5000&after=empty" => (200, heroes_page(2..4, "")),
        other => problem(404, other),
    });
    let done = superhero(&stub.url, &["heroes"]);
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    let names: Vec<String> = text(&done.stdout)
        .lines()
        .map(|line| line.split('\t').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["N 0", "N 1", "N 2", "N 3"]);
    let json = superhero(&stub.url, &["heroes", "--json"]);
    assert_eq!(text(&json.stdout), heroes_page(0..4, "") + "\n");
}

#[test]
fn list_larger_than_the_largest_response_is_printed() {
    const PAGES: u32 = 20;
    let stub = Stub::start(|request| {
        let (_, page) = request.line.rsplit_once("after=").unwrap_or_default();
        let page: u32 = page.parse().unwrap_or(0);
        let next = if page + 1 < PAGES { (page + 1).to_string() } else { String::new() };
        (200, heroes_page(page * 20_000..(page + 1) * 20_000, &next))
    });
    let done = superhero(&stub.url, &["heroes"]);
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    assert_eq!(text(&done.stdout).lines().count(), PAGES as usize * 20_000);
}

#[test]
fn page_that_follows_itself_ends_the_list() {
    let stub = Stub::start(|_| (200, heroes_page(0..1, "same")));
    let done = superhero(&stub.url, &["heroes"]);
    assert_eq!((done.status.code(), stub.seen().len()), (Some(3), 2));
}

#[test]
fn closed_pipe_exits_with_0_and_no_error() {
    let stub = Stub::start(|_| {
        (200, r#"{"events":[]}"#.replace("[]", &format!("[{}]", vec![EVENT; 10_000].join(","))))
    });
    const EVENT: &str = r#"{"number":1,"at_ms":1,"node":"gotham","kind":"lost","text":"a line that is long enough to fill a pipe"}"#;
    for arguments in [&["events"][..], &["events", "--json"], &["completions", "bash"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
        command
            .args(["--url", &stub.url])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("the process exits");
        assert_eq!(
            (done.status.code(), text(&done.stderr).as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn invalid_scenarios_exit_with_2_before_any_request() {
    let stub = Stub::start(|_| problem(500, "asked"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("mine.toml");
    std::fs::write(&file, "title = \"T\"\n[[step]]\nbomb = \"riverdale\"\n")
        .expect("the file can be written");
    let path = file.to_str().expect("a path in UTF-8");
    let fits = directory.path().join("fits.toml");
    std::fs::write(&fits, "title = \"T\"\n[[step]]\npause = true\n")
        .expect("the file can be written");
    let fits = fits.to_str().expect("a path in UTF-8");
    for (arguments, message) in [
        (vec!["play", path], format!("{path}:3:8: unknown city \"riverdale\"")),
        (vec!["play", fits, path], format!("{path}:3:8")),
        (vec!["play", "nonsense"], "split-brain, fast-clock".to_owned()),
        (vec!["play", fits, "--junit", "/no/such/place.xml"], "/no/such/place.xml".to_owned()),
        (vec!["play"], "NAME|FILE".to_owned()),
    ] {
        let done = superhero(&stub.url, &arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", text(&done.stderr));
        assert!(text(&done.stderr).contains(&message), "{arguments:?}: {}", text(&done.stderr));
    }
    assert_eq!(stub.seen(), [""; 0]);
}

#[test]
fn shipped_scenarios_are_listed_without_a_request() {
    let listed = superhero("http://127.0.0.1:9", &["scenarios"]);
    let lines = text(&listed.stdout);
    assert_eq!((listed.status.code(), lines.lines().count()), (Some(0), 6));
    assert!(lines.starts_with("split-brain\t"), "{lines}");
    let json: serde_json::Value =
        serde_json::from_slice(&superhero("http://127.0.0.1:9", &["scenarios", "--json"]).stdout)
            .expect("JSON");
    assert_eq!(json["scenarios"].as_array().map(Vec::len), Some(6));
}

/// Runs a command in this time zone.
fn superhero_in(zone: &str, url: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
    command.env("TZ", zone).args(["--url", url]).args(arguments).stdin(Stdio::null());
    text(&command.output().expect("the binary runs").stdout)
}

#[test]
fn times_have_the_date_and_offset_of_the_local_time_zone() {
    let stub = Stub::start(|_| {
        let event = r#"{"number":1,"at_ms":1790000000123,"node":"n","kind":"k","text":"t"}"#;
        (200, format!(r#"{{"events":[{event}]}}"#))
    });
    for (zone, time) in [
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-09-21T16:13:20.123+02:00"),
        ("<-0330>3:30", "2026-09-21T10:43:20.123-03:30"),
        ("UTC", "2026-09-21T14:13:20.123Z"),
        // Without a known zone, times are in UTC.
        ("Gotham/Narrows", "2026-09-21T14:13:20.123Z"),
    ] {
        let printed = superhero_in(zone, &stub.url, &["events"]);
        assert_eq!(printed, format!("1\t{time}\tn\tk\tt\n"), "{zone}");
    }
}

#[test]
fn names_cannot_forge_or_reorder_lines() {
    let name = "Ada\u{202e}\\u001b[2J\u{2066}\\nEve\\tx\u{9b}\u{2028}";
    let hero = format!(
        r#"{{"id":"aaaaaaaa-0000-4000-8000-000000000001","name":"{name}","location":"home","is_patrolling":false,"health":1,"stamp":{{"wall_ms":1,"logical":0,"origin":"d/1"}}}}"#
    );
    let problem = format!(r#"{{"type":"terminated","title":"T","status":410,"detail":"{name}"}}"#);
    let is_hostile = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let list = format!(r#"{{"heroes":[{hero}],"tombstones":0}}"#);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /heroes?limit=5000" => (200, list.clone()),
        // No hero has the plain name.
        get if get.starts_with("GET ") => (200, r#"{"heroes":[],"tombstones":0}"#.into()),
        "POST /heroes" => (201, hero.clone()),
        _ => (410, problem.clone()),
    });
    for (arguments, lines) in [
        (&["heroes"][..], 1),
        (&["heroes", "--json"], 1),
        (&["create"], 2),
        (&["heal", "1"], 1),
        (&["terminate", "--yes", "Ada"], 1),
    ] {
        let done = superhero(&stub.url, arguments);
        let printed = text(&done.stdout) + &text(&done.stderr);
        assert!(!printed.contains(is_hostile), "{arguments:?}: {printed:?}");
        assert_eq!(printed.lines().count(), lines, "{arguments:?}: {printed:?}");
        if arguments.contains(&"--json") {
            let json: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
            assert!(
                json["heroes"][0]["name"].as_str().is_some_and(|name| name.contains('\u{202e}'))
            );
        }
    }
}
