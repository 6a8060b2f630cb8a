//! Flags, environment and file: which beats which, what is said of a file that cannot be used, and
//! that nothing is left out of what is printed and documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cluster_tests::{Finished, HANG_TIMEOUT, NODES, own_address, run};

/// Every process that has options.
const PROCESSES: [&str; 5] = ["gotham", "metropolis", "capitol", "dispatch", "superhero-cluster"];

/// A file with a text, in a directory of its own.
struct Written {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Written {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("superhero.toml");
        fs::write(&path, text).expect("a file in a directory of our own");
        Self { path, _directory: directory }
    }
}

/// What a process would run with, or says instead.
#[track_caller]
fn print(
    process: &str,
    file: Option<&Path>,
    flags: &[&str],
    environment: &[(&str, &str)],
) -> Finished {
    let config = file.map(|file| format!("--config={}", file.display()));
    let arguments: Vec<&str> = config
        .as_deref()
        .into_iter()
        .chain(["--print-config"])
        .chain(flags.iter().copied())
        .collect();
    run(process, &arguments, environment, HANG_TIMEOUT)
}

#[track_caller]
fn printed(
    process: &str,
    file: Option<&Path>,
    flags: &[&str],
    environment: &[(&str, &str)],
) -> String {
    let ended = print(process, file, flags, environment);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{process} {flags:?}: {ended:?}"
    );
    ended.stdout
}

/// The keys that this text assigns, commented out or not.
fn keys(text: &str) -> BTreeSet<String> {
    let assigned = |line: &str| {
        line.trim_start_matches(['#', ' ']).split_once(" = ").map(|(key, _)| key.to_owned())
    };
    let is_key = |key: &String| {
        key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.lines().filter_map(assigned).filter(is_key).collect()
}

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with a file, and what gotham must say of it: where, and with these words.
const MISTAKES: [(&str, &str, &[&str]); 27] = [
    ("gossip-interval = \n", "1:19:", &[]),
    ("seed = 1\nseed = 2\n", "2:1:", &["duplicate key"]),
    ("[gotham]\nseed = 1\n[gotham]\n", "3:2:", &["duplicate key"]),
    ("[gotham\n", "1:8:", &[]),
    (
        "# ü\n\n  gosip-interval = \"1s\"\n",
        "3:3:",
        &["\"gosip-interval\"", "did you mean gossip-interval?"],
    ),
    ("polling-interval = \"1s\"\n", "1:1:", &["did you mean poll-interval?"]),
    ("zzz = 1\n", "1:1:", &["there is no option \"zzz\""]),
    ("print-config = true\n", "1:1:", &["there is no option \"print-config\""]),
    ("config = \"other.toml\"\n", "1:1:", &["there is no option \"config\""]),
    ("[gotham]\nposition = 1\n", "2:1:", &["there is no option"]),
    (
        "[gotham]\npoll-interval = \"1s\"\n",
        "2:1:",
        &["gotham has no poll-interval; other nodes do"],
    ),
    ("[dispatch]\npol-interval = \"1s\"\n", "2:1:", &["did you mean poll-interval?"]),
    ("[gothem]\n", "1:2:", &["there is no node \"gothem\"; did you mean gotham?"]),
    ("[riverdale]\n", "1:2:", &["there is no node \"riverdale\""]),
    ("gotham = 1\n", "1:10:", &["write [gotham]"]),
    ("[seed]\n", "1:2:", &["seed has a value, and is no table"]),
    ("[gotham.seed]\n", "1:1:", &["seed is a string, a number, or true or false"]),
    ("gossip-interval = \"5\"\n", "1:19:", &["gossip-interval cannot be \"5\"", "250ms"]),
    ("gossip-interval = \"1ms\"\n", "1:19:", &["0 (off) or at least 10ms"]),
    ("gossip-interval = -1\n", "1:19:", &["gossip-interval cannot be \"-1\""]),
    ("gossip-interval = [\"1s\"]\n", "1:19:", &["has one value"]),
    ("gossip-interval = 1979-05-27\n", "1:19:", &["a string, a number"]),
    ("log-format = \"xml\"\n", "1:14:", &["it is one of text, json"]),
    ("cookie-file = \"\"\n", "1:15:", &["that is no value"]),
    ("max-restarts = 1.5\n", "1:16:", &["max-restarts cannot be \"1.5\""]),
    ("peer = [\"dispatch=127.0.0.1:4900\",\n  \"capitol\"]\n", "2:3:", &["NAME=HOST:PORT"]),
    (
        "[gotham]\nlisten = \"127.0.0.1:70000\"\n",
        "2:10:",
        &["listen cannot be \"127.0.0.1:70000\""],
    ),
];

#[test]
fn a_mistake_is_named_with_its_place_and_what_is_allowed() {
    for (text, place, words) in MISTAKES {
        let file = Written::new(text);
        let ended = print("gotham", Some(&file.path), &[], &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{text:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{text:?}: {ended:?}");
        assert!(
            ended.stderr.starts_with(&format!("error: {}:{place} ", file.path.display())),
            "{text:?}: expected {place}: {ended:?}"
        );
        assert!(
            words.iter().all(|word| ended.stderr.contains(word)),
            "{text:?}: expected {words:?}: {ended:?}"
        );
    }
}

#[test]
fn a_file_that_is_none_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (missing, pipe) = (directory.path().join("missing.toml"), directory.path().join("pipe"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU)
        .expect("a pipe in a directory of our own");
    let (latin, huge) = (
        Written::new(b"seed = 1\nlog-format = \"\xe9\"\n"),
        Written::new("#".repeat((1 << 20) + 1)),
    );
    for (path, why) in [
        (missing.as_path(), "No such file"),
        (directory.path(), "a directory"),
        (&pipe, "not a regular file"),
        (Path::new("/dev/zero"), "not a regular file"),
        (&latin.path, ":2:1: this is not UTF-8"),
        (&huge.path, "at most 1048576 bytes"),
    ] {
        for process in ["gotham", "dispatch", "superhero-cluster"] {
            let ended = print(process, Some(path), &[], &[]);
            assert!(
                ended.code == Some(2) && ended.stderr.contains(why),
                "{process} {}: {ended:?}",
                path.display()
            );
        }
    }
}

#[test]
fn a_file_that_says_nothing_changes_nothing() {
    let without = printed("gotham", None, &[], &[]);
    for text in [
        "",
        "\u{feff}",
        "# nothing\n",
        "[gotham]\n[dispatch]\n",
        "[dispatch]\npoll-interval = \"1s\"\n",
    ] {
        assert_eq!(
            printed("gotham", Some(&Written::new(text).path), &[], &[]),
            without,
            "{text:?}"
        );
    }
    let marked = Written::new("\u{feff}seed = 7\n");
    assert!(printed("gotham", Some(&marked.path), &[], &[]).contains("seed = 7  # file"));
}

#[test]
fn a_flag_beats_the_environment_that_beats_the_file_and_that_beats_the_default() {
    let file = Written::new(
        "gossip-interval = \"3s\"\npeer = [\"dispatch=h:3\"]\nmax-restarts = 3\n[gotham]\nmax-restarts = 4\n",
    );
    let path = file.path.display();
    let (flag, variable) = (
        &["--gossip-interval=5s", "--peer=dispatch=h:5"][..],
        [("SUPERHERO_GOSSIP_INTERVAL", "4s"), ("SUPERHERO_PEER", "dispatch=h:4,metropolis=h:4")],
    );
    let interval =
        |value: &str, origin: &str| format!("gossip-interval = \"{value}\"  # {origin}\n");
    let peer = |value: &str, origin: &str| format!("peer = [{value}]  # {origin}\n");
    let of_file = [
        interval("3s", &format!("file {path}:1")),
        peer("\"dispatch=h:3\"", &format!("file {path}:2")),
    ];
    let of_environment = [
        interval("4s", "environment SUPERHERO_GOSSIP_INTERVAL"),
        peer("\"dispatch=h:4\", \"metropolis=h:4\"", "environment SUPERHERO_PEER"),
    ];
    let of_flag = [interval("5s", "flag"), peer("\"dispatch=h:5\"", "flag")];
    for (config, flags, environment, expected) in [
        (None, &[][..], &[][..], &[interval("1s", "default")][..]),
        (Some(file.path.as_path()), &[], &[], &of_file),
        (None, &[], &variable, &of_environment),
        (None, flag, &[], &of_flag),
        (Some(&file.path), &[], &variable, &of_environment),
        (Some(&file.path), flag, &[], &of_flag),
        (None, flag, &variable, &of_flag),
        (Some(&file.path), flag, &variable, &of_flag),
    ] {
        let printed = printed("gotham", config, flags, environment);
        assert!(
            expected.iter().all(|line| printed.contains(line)),
            "expected {expected:?} in\n{printed}"
        );
    }
    // A node's own table beats what stands at the top, and the file may be named by the
    // environment.
    let named = [("SUPERHERO_CONFIG", file.path.to_str().expect("a path that is text"))];
    assert!(
        printed("gotham", None, &[], &named)
            .contains(&format!("max-restarts = 4  # file {path}:5\n"))
    );
    assert!(
        printed("capitol", None, &[], &named)
            .contains(&format!("max-restarts = 3  # file {path}:3\n"))
    );
    let other = Written::new("max-restarts = 9\n");
    assert!(
        printed("gotham", Some(&other.path), &[], &named).contains("max-restarts = 9  # file"),
        "a flag beats the environment here too"
    );
}

#[test]
fn a_wrong_flag_is_named_as_without_a_file() {
    let file = Written::new("gossip-interval = \"3s\"\n");
    for flags in
        [&["--gossip-interval=5"][..], &["--gosip-interval=5s"], &["surplus"], &["--config"]]
    {
        let ended = print("gotham", Some(&file.path), flags, &[]);
        assert!(
            ended.code == Some(2) && ended.stderr.starts_with("error: ") && ended.stdout.is_empty(),
            "{flags:?}: {ended:?}"
        );
    }
    let ended = print("gotham", Some(&file.path), &[], &[("SUPERHERO_SEED", "many")]);
    assert!(ended.code == Some(2) && ended.stderr.contains("'many'"), "{ended:?}");
    for flag in ["--help", "--version"] {
        let ended = run("gotham", &[flag], &[("SUPERHERO_CONFIG", "/no/such/file")], HANG_TIMEOUT);
        assert!(
            ended.code == Some(0)
                && ended.stdout.starts_with(if flag == "--help" { "A city" } else { "gotham " }),
            "{ended:?}"
        );
    }
}

#[test]
fn rules_between_options_hold_wherever_these_come_from() {
    for (text, rule) in [
        ("peer = [\"gotham=h:1\"]\n", "gotham is this node itself"),
        ("peer = [\"capitol=h:1\", \"capitol=h:2\"]\n", "capitol is named twice"),
        ("cookie-file = \"/no/such/cookie\"\n", "reading the cookie from /no/such/cookie"),
        ("listen = \"0.0.0.0:4901\"\n", "0.0.0.0:4901"),
    ] {
        let ended = print("gotham", Some(&Written::new(text).path), &[], &[]);
        assert!(
            ended.code == Some(2) && ended.stderr.contains(rule) && ended.stdout.is_empty(),
            "{text:?}: {ended:?}"
        );
    }
}

#[test]
fn what_is_printed_can_be_read_again_and_is_the_same() {
    let values = |text: &str| {
        text.lines()
            .map(|line| line.split("  # ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    for node in NODES {
        let peer =
            format!("--peer={}=h:1", if node == "dispatch" { "capitol" } else { "dispatch" });
        let flags = [peer.as_str(), "--seed=18446744073709551615", "--gossip-interval=1m 5s"];
        let first = printed(
            node,
            None,
            &flags,
            &[("SUPERHERO_LOG_FORMAT", "json"), ("SUPERHERO_COOKIE", "through the looking glass")],
        );
        let second = printed(
            node,
            Some(&Written::new(&first).path),
            &[],
            &[("SUPERHERO_COOKIE", "through the looking glass")],
        );
        assert_eq!(values(&first), values(&second));
        assert!(
            second.contains("seed = \"18446744073709551615\"")
                && second.contains("log-format = \"json\""),
            "{second}"
        );
    }
}

#[test]
fn no_secret_is_printed() {
    let cookie = Written::new("through the looking glass\n");
    let flag = format!("--cookie-file={}", cookie.path.display());
    for node in NODES {
        let printed = [
            printed(node, None, &[&flag], &[]),
            printed(node, None, &[], &[("SUPERHERO_COOKIE", "through the looking glass")]),
            printed(node, None, &[], &[]),
        ];
        assert!(!printed.concat().contains("through the looking glass"), "{node}: {printed:?}");
        assert!(
            printed[1].contains("SUPERHERO_COOKIE is set, and not shown")
                && printed[2].contains("SUPERHERO_COOKIE is not set"),
            "{printed:?}"
        );
    }
}

#[test]
fn the_example_can_be_used_and_names_every_option_and_no_other() {
    let example = document("deploy/superhero.toml");
    let mut all = BTreeSet::new();
    for process in PROCESSES {
        let ended = printed(process, Some(&Written::new(&example).path), &[], &[]);
        let missing: Vec<String> = keys(&ended).difference(&keys(&example)).cloned().collect();
        assert!(missing.is_empty(), "the example lacks {missing:?} of {process}");
        all.extend(keys(&ended));
    }
    assert_eq!(keys(&example), all);
}

#[test]
fn every_line_of_the_example_that_is_commented_out_could_stand() {
    let example = document("deploy/superhero.toml");
    let lines: Vec<&str> = example.lines().collect();
    let commented: Vec<usize> = (0..lines.len())
        .filter(|line| lines[*line].starts_with("# ") && !keys(lines[*line]).is_empty())
        .collect();
    assert!(commented.len() > 5, "{commented:?}");
    for line in commented {
        let mut lines = lines.clone();
        lines[line] = lines[line].trim_start_matches("# ");
        let file = Written::new(lines.join("\n"));
        for process in PROCESSES {
            let ended = print(process, Some(&file.path), &[], &[]);
            // The files that it names need not be on this machine.
            let place = format!("{}:", file.path.display());
            assert!(
                ended.code == Some(0) || !ended.stderr.contains(&place),
                "{process}, {}: {ended:?}",
                lines[line]
            );
        }
    }
}

#[test]
fn every_option_is_documented_with_its_variable() {
    let documented = document("docs/configuration.md");
    let rows: Vec<Vec<&str>> =
        documented.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    for process in PROCESSES {
        for key in keys(&printed(process, None, &[], &[])) {
            let flag = format!("`--{key}");
            let row = rows.iter().find(|row| {
                row.len() == 6 && row[1].trim_end_matches('`').split(' ').next() == Some(&flag)
            });
            let row = row.unwrap_or_else(|| {
                panic!("docs/configuration.md has no row for --{key} of {process}")
            });
            let help = run(process, &["--help"], &[], HANG_TIMEOUT).stdout;
            let variable = row[2].trim_matches('`');
            assert!(
                variable.is_empty() || help.contains(&format!("[env: {variable}=")),
                "{process} --{key} is not told by {variable:?}"
            );
            assert!(
                variable.is_empty()
                    != help.contains(&format!(
                        "[env: SUPERHERO_{}=",
                        key.to_uppercase().replace('-', "_")
                    )),
                "{process} --{key}"
            );
            assert!(!row[4].is_empty(), "--{key} has no meaning in docs/configuration.md");
        }
    }
}

#[test]
fn the_launcher_starts_nothing_with_a_file_that_a_node_cannot_use() {
    let host = format!("--host={}", own_address());
    for (text, who) in [
        ("[capitol]\nseed = \"many\"\n", "seed cannot be"),
        ("[dispatch]\npatrol-interval = 0\n", "dispatch has no patrol-interval"),
    ] {
        let file = Written::new(text);
        let config = format!("--config={}", file.path.display());
        let ended = run("superhero-cluster", &[&host, &config], &[], HANG_TIMEOUT);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(
            ended.stderr.contains(&format!("{}:2:", file.path.display()))
                && ended.stderr.contains(who),
            "{ended:?}"
        );
    }
}
