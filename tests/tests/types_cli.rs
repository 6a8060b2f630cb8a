//! The commands of the replicated types against real processes.

use cluster_tests::{
    Cluster, Finished, HANG_TIMEOUT, NODES, Options, Process, Signal, ensure, run, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn url(cluster: &Cluster, node: &str) -> String {
    format!("http://{}", cluster.address(node))
}

/// Runs a client command against this cluster.
#[track_caller]
fn superhero(cluster: &Cluster, arguments: &[&str]) -> Finished {
    let environment = [("SUPERHERO_URL", &*url(cluster, "dispatch")), ("TZ", "UTC")];
    run("superhero", arguments, &environment, HANG_TIMEOUT)
}

/// Runs a command that must succeed, and returns its output. Next to a table, a sentence on standard
/// error says what was changed.
#[track_caller]
fn succeed(cluster: &Cluster, arguments: &[&str]) -> String {
    let done = superhero(cluster, arguments);
    let remarks = done.stderr.lines();
    assert!(done.code == Some(0) && remarks.clone().count() <= 1, "{arguments:?}: {done:?}");
    assert!(remarks.clone().all(|remark| remark.ends_with('.')), "{arguments:?}: {done:?}");
    done.stdout
}

#[track_caller]
fn json_of(cluster: &Cluster, arguments: &[&str]) -> Value {
    let printed = succeed(cluster, &[arguments, &["--json"]].concat());
    serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {printed}"))
}

/// Waits until a command succeeds with this output.
#[track_caller]
fn wait_printed(cluster: &Cluster, arguments: &[&str], output: &str) {
    wait_until(&format!("{arguments:?} prints {output:?}"), HANG_TIMEOUT, || {
        let done = superhero(cluster, arguments);
        ensure(done.code == Some(0) && done.stdout == output, || format!("{done:?}"))
    });
}

/// Runs a command that must be refused with this problem type, and returns its error.
#[track_caller]
fn refused(cluster: &Cluster, arguments: &[&str], kind: &str) -> String {
    let done = superhero(cluster, arguments);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{arguments:?}: {done:?}");
    assert!(done.stderr.ends_with(&format!(" ({kind})\n")), "{arguments:?}: {done:?}");
    done.stderr
}

/// A command that runs until it is interrupted.
struct Running {
    process: Process,
    _directory: TempDir,
}

impl Running {
    fn start(cluster: &Cluster, arguments: &[&str]) -> Self {
        Self::at(&url(cluster, "dispatch"), arguments)
    }

    fn at(url: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let arguments: Vec<String> =
            ["--url", url].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let log = directory.path().join("output");
        let process = Process::start("superhero", &arguments, &[("TZ", "UTC")], log);
        Self { process, _directory: directory }
    }

    /// Waits until the output has a line that ends with `end`.
    #[track_caller]
    fn wait_line(&self, end: &str) {
        wait_until(&format!("a line ends with {end:?}"), HANG_TIMEOUT, || {
            let log = self.process.log();
            ensure(log.lines().any(|line| line.ends_with(end)), || log)
        });
    }

    /// Interrupts the command, and returns its output.
    #[track_caller]
    fn interrupt(mut self) -> String {
        self.process.signal(Signal::SIGINT);
        assert_eq!(self.process.exit_code(HANG_TIMEOUT), None, "{}", self.process.log());
        self.process.log()
    }
}

#[test]
fn writes_at_one_node_are_read_at_another() {
    let cluster = Cluster::start(Options::default());
    let added = succeed(&cluster, &["counter", "add", "visits", "5", "--at", "gotham"]);
    // The last column is what no other node is known to have yet.
    assert!(added.starts_with("visits\t5\t5\tgotham=5\t"), "{added}");
    wait_printed(
        &cluster,
        &["counter", "show", "visits", "--at", "metropolis"],
        "visits\t0\t5\tgotham=5\t0\n",
    );
    succeed(&cluster, &["counter", "add", "visits", "-2", "--at", "metropolis"]);
    succeed(&cluster, &["counter", "add", "visits"]);
    for node in NODES {
        let shown = &["counter", "show", "visits", "--at", node][..];
        wait_until(&format!("{node} has all shares"), HANG_TIMEOUT, || {
            let counter = json_of(&cluster, shown);
            ensure(counter["total"] == 4, || counter.to_string())
        });
    }
    let villains = ["set", "add", "vil/lains", "Joker", "The Penguin", "--at", "gotham"];
    assert_eq!(succeed(&cluster, &villains), "vil/lains\tJoker\nvil/lains\tThe Penguin\n");
    let set = ["set", "show", "vil/lains", "--at", "capitol"];
    wait_printed(&cluster, &set, "Joker\nThe Penguin\n");
    succeed(&cluster, &["set", "remove", "vil/lains", "Joker", "--at", "capitol"]);
    refused(
        &cluster,
        &["set", "remove", "vil/lains", "Joker", "--at", "capitol"],
        "unknown_element",
    );
    let set = ["set", "list", "--at", "gotham"];
    wait_printed(&cluster, &set, "vil/lains\t1\n");
}

#[test]
fn table_is_written_in_one_batch() {
    let cluster = Cluster::start(Options::default());
    let put = ["table", "put", "weather", "gotham", r#"{"c":21}"#, "--at", "gotham"];
    let entry = json_of(&cluster, &put);
    assert_eq!(entry["value"], json!({ "c": 21 }));
    let put = ["table", "put", "weather", "capitol", "rain", "metropolis", "-5", "--at", "gotham"];
    assert_eq!(succeed(&cluster, &put), "2\t0\n");
    let values = |at: &str| {
        let table = json_of(&cluster, &["table", "show", "weather", "--at", at]);
        let entries = table["entries"].as_array().expect("a list").iter();
        entries.map(|entry| json!([entry["key"], entry["value"]])).collect::<Value>()
    };
    let all = json!([["capitol", "rain"], ["gotham", { "c": 21 }], ["metropolis", -5]]);
    assert_eq!(values("gotham"), all);
    wait_until("capitol has the table", HANG_TIMEOUT, || {
        let values = values("capitol");
        ensure(values == all, || values.to_string())
    });
    let got = json_of(&cluster, &["table", "get", "weather", "gotham", "--at", "capitol"]);
    assert_eq!(got, entry);
    let delete = ["table", "delete", "weather", "gotham", "capitol", "absent", "--at", "capitol"];
    assert_eq!(succeed(&cluster, &delete), "0\t3\n");
    refused(&cluster, &["table", "delete", "weather", "absent", "--at", "capitol"], "unknown_key");
    wait_printed(&cluster, &["table", "list"], "mottos\t3\nweather\t1\n");
    refused(&cluster, &["table", "put", "weather", "\n", "1"], "invalid_name");
}

#[test]
fn message_is_watched_at_another_node() {
    let cluster = Cluster::start(Options::default());
    let say = |node: &str, text: &str| {
        succeed(&cluster, &["room", "say", "hq", text, "--as", "Ada", "--at", node])
    };
    say("gotham", "one");
    let watching = Running::start(&cluster, &["room", "watch", "hq", "--at", "capitol"]);
    watching.wait_line("\tgotham\tAda\t\tone");
    let two = say("gotham", "two");
    watching.wait_line("\tgotham\tAda\t\ttwo");
    let id = two.split('\t').next().expect("an ID");
    let reply = ["room", "say", "hq", "three", "--as", "Bob", "--reply-to", id];
    succeed(&cluster, &[&reply[..], &["--at", "gotham"]].concat());
    watching.wait_line(&format!("\tgotham\tBob\t{id}\tthree"));
    let shown = succeed(&cluster, &["room", "show", "hq", "--at", "capitol"]);
    assert_eq!(watching.interrupt(), shown, "each message was printed once");
    assert_eq!(shown.lines().count(), 3);
    let one = succeed(&cluster, &["room", "show", "hq", "--limit", "1", "--at", "capitol"]);
    assert!(one.ends_with("\tthree\n") && one.lines().count() == 1, "{one}");
    refused(&cluster, &["room", "show", "hq", "--limit", "101"], "invalid_query");
    refused(&cluster, &["room", "say", "hq", ""], "invalid_text");
}

#[test]
fn name_that_is_taken_exits_with_1_and_its_owner() {
    let cluster = Cluster::start(Options::default());
    let held = json_of(&cluster, &["name", "register", "leader", "10", "--at", "gotham"]);
    assert_eq!((&held["owner"], &held["value"]), (&json!("gotham"), &json!(10)));
    wait_until("capitol has the name", HANG_TIMEOUT, || {
        let done = superhero(&cluster, &["name", "show", "leader", "--at", "capitol"]);
        ensure(done.code == Some(0) && done.stdout.starts_with("leader\tgotham\t10\t"), || {
            format!("{done:?}")
        })
    });
    let error = refused(&cluster, &["name", "register", "leader", "--at", "capitol"], "taken");
    assert!(error.contains("the name is held by gotham/"), "{error}");
    refused(&cluster, &["name", "release", "leader", "--at", "capitol"], "not_held");
    assert_eq!(
        succeed(&cluster, &["name", "release", "leader", "--at", "gotham"]),
        "leader was released.\n"
    );
    assert_eq!(succeed(&cluster, &["name", "list", "--at", "gotham"]), "");
}

#[test]
fn tracked_key_is_shown_at_another_node_until_the_command_ends() {
    let cluster = Cluster::start(Options::default());
    let watching = Running::start(&cluster, &["presence", "watch", "h q", "--at", "metropolis"]);
    let ada = ["presence", "track", "h q", "ada", "--meta", r#"{"mood":1}"#, "--at", "gotham"];
    let ada = Running::start(&cluster, &ada);
    ada.wait_line("present\tada\tgotham\t{\"mood\":1}");
    wait_until("capitol shows ada", HANG_TIMEOUT, || {
        let topic = json_of(&cluster, &["presence", "show", "h q", "--at", "capitol"]);
        let ada = &topic["present"][0];
        ensure(ada["key"] == "ada" && ada["meta"] == json!({ "mood": 1 }), || topic.to_string())
    });
    let bob = Running::start(&cluster, &["presence", "track", "h q", "bob", "--at", "capitol"]);
    bob.wait_line("present\tada\tgotham\t{\"mood\":1}");
    ada.wait_line("joined\tbob\tcapitol\tnull");
    watching.wait_line("joined\tbob\tcapitol\tnull");
    bob.interrupt();
    ada.wait_line("left\tbob\tcapitol\tnull\tuntracked");
    watching.wait_line("left\tbob\tcapitol\tnull");
    watching.wait_line("ada\tgotham\t{\"mood\":1}");
    ada.interrupt();
    wait_printed(&cluster, &["presence", "show", "h q", "--at", "capitol"], "");
    watching.wait_line("left\tada\tgotham\t{\"mood\":1}");
    watching.interrupt();
}

#[test]
fn node_is_named_or_given_by_its_url() {
    let mut cluster = Cluster::start(Options::default());
    let nodes = json_of(&cluster, &["cluster"])["nodes"].clone();
    let addresses: Vec<Value> =
        nodes.as_array().expect("a list").iter().map(|node| node["address"].clone()).collect();
    let expected = ["gotham", "metropolis", "capitol"]
        .map(|city| json!(cluster.address(city).to_string()))
        .into_iter()
        .chain([Value::Null]);
    assert_eq!(addresses, expected.collect::<Vec<_>>());
    let unknown = superhero(&cluster, &["counter", "list", "--at", "riverdale"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""), "{unknown:?}");
    assert!(unknown.stderr.contains("gotham, metropolis, capitol, dispatch"), "{unknown:?}");
    let gotham = url(&cluster, "gotham");
    succeed(&cluster, &["counter", "add", "visits", "--at", &gotham]);
    // Without dispatch, only URLs are known.
    cluster.kill9("dispatch");
    let add = ["counter", "add", "visits", "2", "--at", &gotham];
    let added = succeed(&cluster, &add);
    assert!(added.starts_with("visits\t3\t3\tgotham=3\t"), "{added}");
    let by_name = superhero(&cluster, &["counter", "show", "visits", "--at", "gotham"]);
    assert_eq!((by_name.code, by_name.stdout.as_str()), (Some(3), ""), "{by_name:?}");
}

#[test]
fn token_and_authority_are_used_at_every_node() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let token = directory.path().join("token").display().to_string();
    std::fs::write(&token, "the-token-of-the-host").expect("a temporary file");
    let environment = vec![("SUPERHERO_HOST_TOKEN_FILE", token.clone())];
    let cluster = Cluster::start_encrypted(Options { environment, ..Options::default() });
    let dispatch = format!("https://{}", cluster.address("dispatch"));
    let ca = cluster.certificates().file("ca.pem").display().to_string();
    let global = ["--url", &dispatch, "--ca", &ca, "--token-file", &token];
    let at_gotham = |arguments: &[&str]| {
        let arguments = [&global[..], arguments, &["--at", "gotham"]].concat();
        run("superhero", &arguments, &[], HANG_TIMEOUT)
    };
    let added = at_gotham(&["counter", "add", "visits"]);
    let is_added = added.stdout.starts_with("visits\t1\t1\tgotham=1\t");
    assert!(added.code == Some(0) && is_added, "{added:?}");
    let ada = [&global[2..], &["presence", "track", "hq", "ada", "--at", "gotham"]].concat();
    let ada = Running::at(&dispatch, &ada);
    ada.wait_line("present\tada\tgotham\tnull");
    let shown = at_gotham(&["presence", "show", "hq"]);
    assert!(shown.code == Some(0) && shown.stdout.starts_with("ada\tgotham\t"), "{shown:?}");
    ada.interrupt();
    let arguments = [&global[..4], &["counter", "add", "visits", "--at", "gotham"]].concat();
    let without = run("superhero", &arguments, &[], HANG_TIMEOUT);
    assert!(without.code == Some(1) && without.stderr.ends_with("(viewer)\n"), "{without:?}");
}

#[test]
fn topic_is_published_and_watched_and_owners_are_shown() {
    let cluster = Cluster::start(Options::default());
    let capitol = Running::start(&cluster, &["topic", "watch", "news", "--at", "capitol"]);
    wait_until("capitol hears gotham", HANG_TIMEOUT, || {
        succeed(&cluster, &["topic", "publish", "news", "{\"sky\":\"clear\"}", "--at", "gotham"]);
        let log = capitol.process.log();
        ensure(log.contains("gotham\t{\"sky\":\"clear\"}"), || log)
    });
    let to = ["topic", "publish", "news", "psst", "--to", "capitol", "--at", "gotham"];
    assert_eq!(succeed(&cluster, &to), "1\n");
    capitol.wait_line("gotham\t\"psst\"");
    capitol.interrupt();
    refused(&cluster, &["topic", "publish", &"x".repeat(101), "x"], "invalid_name");
    let owner = ["owner", "joker", "--at", "gotham"];
    wait_printed(&cluster, &owner, "joker\tgotham\tdispatch capitol metropolis\n");
}

#[test]
fn members_calls_limits_and_the_cache_are_shown() {
    let cluster = Cluster::start(Options::default());
    wait_until("gotham reaches all nodes", HANG_TIMEOUT, || {
        let members = json_of(&cluster, &["members", "--at", "gotham"]);
        let members = members["members"].as_array().expect("a list").clone();
        ensure(members.iter().all(|member| member["state"] == "up"), || format!("{members:?}"))
    });
    let members = succeed(&cluster, &["members", "--at", "gotham"]);
    assert!(members.contains("dispatch\tdispatch\tup\t"), "{members}");
    let call = ["call", "prime", "{\"above\":100}", "--to", "capitol", "--at", "gotham"];
    assert_eq!(succeed(&cluster, &call), "capitol\t{\"prime\":101}\n");
    let error = refused(&cluster, &["call", "nothing"], "unknown_handler");
    assert!(error.contains("nothing was executed"), "{error}");
    let map = ["map", "prime", "{\"above\":1}", "{\"above\":10}", "--spread", "least_loaded"];
    let printed = succeed(&cluster, &map);
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((lines[0][2], lines[1][2]), ("{\"prime\":2}", "{\"prime\":11}"));
    let failed = superhero(&cluster, &["map", "prime", "{\"above\":1}", "one"]);
    assert!(failed.code == Some(1) && failed.stderr.contains("1 of 2 items"), "{failed:?}");
    let limit = ["limit", "login", "ada", "--limit", "1", "--per", "1h", "--at", "metropolis"];
    let allowed = succeed(&cluster, &limit);
    assert!(allowed.starts_with("true\t0\t") && allowed.ends_with("\tthe owner\n"), "{allowed}");
    refused(&cluster, &limit, "limited");
    let put = ["cache", "put", "avatar", "{\"cape\":true}", "--ttl", "5m", "--at", "capitol"];
    let held = succeed(&cluster, &put);
    assert_eq!(succeed(&cluster, &["cache", "get", "avatar", "--at", "gotham"]), held);
    assert_eq!(
        succeed(&cluster, &["cache", "delete", "avatar"]),
        "avatar was deleted from the cache.\n"
    );
    refused(&cluster, &["cache", "get", "avatar"], "unknown_key");
    assert_eq!(
        succeed(&cluster, &["tracked", "add", "api", "get"]),
        "api: get was sent to be counted.\n"
    );
    wait_printed(&cluster, &["tracked", "top", "api", "--at", "capitol"], "get\t1\n");
}
