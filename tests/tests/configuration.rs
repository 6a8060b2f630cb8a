//! Flags, environment and file: their precedence, the errors about unusable files, and the
//! completeness of the printed and documented options.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cluster_tests::{Finished, HANG_TIMEOUT, NODES, own_address, run};

/// Every process that has options.
const PROCESSES: [&str; 5] = ["gotham", "metropolis", "capitol", "dispatch", "superhero-cluster"];

/// A file with the given text in a temporary directory.
struct ConfigFile {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl ConfigFile {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let path = directory.path().join("superhero.toml");
        fs::write(&path, text).expect("a file in a temporary directory");
        Self { path, _directory: directory }
    }
}

/// Runs a process with `--print_config-config`.
#[track_caller]
fn print_config(
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
    let finished = print_config(process, file, flags, environment);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{process} {flags:?}: {finished:?}"
    );
    finished.stdout
}

/// Returns the keys that this text assigns, commented out or not.
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

/// Faulty files, each with the place and the words expected in gotham's error.
const FAULTY_FILES: [(&str, &str, &[&str]); 27] = [
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
    ("gotham = 1\n", "1:10:", &["gotham must be a table: [gotham]"]),
    ("[seed]\n", "1:2:", &["seed is an option and not a table"]),
    ("[gotham.seed]\n", "1:1:", &["seed must be a string, a number or a boolean"]),
    ("gossip-interval = \"5\"\n", "1:19:", &["gossip-interval cannot be \"5\"", "250ms"]),
    ("gossip-interval = \"1ms\"\n", "1:19:", &["0 (off) or at least 10ms"]),
    ("gossip-interval = -1\n", "1:19:", &["gossip-interval cannot be \"-1\""]),
    ("gossip-interval = [\"1s\"]\n", "1:19:", &["takes a single value, not an array"]),
    ("gossip-interval = 1979-05-27\n", "1:19:", &["a string, a number"]),
    ("log-format = \"xml\"\n", "1:14:", &["expected one of text, json"]),
    ("cookie-file = \"\"\n", "1:15:", &["expected a value"]),
    ("max-restarts = 1.5\n", "1:16:", &["max-restarts cannot be \"1.5\""]),
    ("peer = [\"dispatch=127.0.0.1:4900\",\n  \"capitol\"]\n", "2:3:", &["NAME=HOST:PORT"]),
    (
        "[gotham]\nlisten = \"127.0.0.1:70000\"\n",
        "2:10:",
        &["listen cannot be \"127.0.0.1:70000\""],
    ),
];

#[test]
fn mistakes_are_reported_with_place_and_allowed_values() {
    for (text, place, words) in FAULTY_FILES {
        let file = ConfigFile::new(text);
        let finished = print_config("gotham", Some(&file.path), &[], &[]);
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(2), ""),
            "{text:?}: {finished:?}"
        );
        assert_eq!(finished.stderr.lines().count(), 1, "{text:?}: {finished:?}");
        assert!(
            finished.stderr.starts_with(&format!("error: {}:{place} ", file.path.display())),
            "{text:?}: expected {place}: {finished:?}"
        );
        assert!(
            words.iter().all(|word| finished.stderr.contains(word)),
            "{text:?}: expected {words:?}: {finished:?}"
        );
    }
}

#[test]
fn unreadable_files_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let (missing, pipe) = (directory.path().join("missing.toml"), directory.path().join("pipe"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU)
        .expect("a pipe in a temporary directory");
    let (latin1, huge) = (
        ConfigFile::new(b"seed = 1\nlog-format = \"\xe9\"\n"),
        ConfigFile::new("#".repeat((1 << 20) + 1)),
    );
    for (path, reason) in [
        (missing.as_path(), "No such file"),
        (directory.path(), "a directory"),
        (&pipe, "not a regular file"),
        (Path::new("/dev/zero"), "not a regular file"),
        (&latin1.path, ":2:1: not valid UTF-8"),
        (&huge.path, "larger than the limit of 1048576 bytes"),
    ] {
        for process in ["gotham", "dispatch", "superhero-cluster"] {
            let finished = print_config(process, Some(path), &[], &[]);
            assert!(
                finished.code == Some(2) && finished.stderr.contains(reason),
                "{process} {}: {finished:?}",
                path.display()
            );
        }
    }
}

#[test]
fn files_without_relevant_options_have_no_effect() {
    let without = printed("gotham", None, &[], &[]);
    for text in [
        "",
        "\u{feff}",
        "# nothing\n",
        "[gotham]\n[dispatch]\n",
        "[dispatch]\npoll-interval = \"1s\"\n",
    ] {
        assert_eq!(
            printed("gotham", Some(&ConfigFile::new(text).path), &[], &[]),
            without,
            "{text:?}"
        );
    }
    let with_bom = ConfigFile::new("\u{feff}seed = 7\n");
    assert!(printed("gotham", Some(&with_bom.path), &[], &[]).contains("seed = 7  # file"));
}

#[test]
fn precedence_is_flag_environment_file_default() {
    let file = ConfigFile::new(
        "gossip-interval = \"3s\"\npeer = [\"dispatch=h:3\"]\nmax-restarts = 3\n\
         [gotham]\nmax-restarts = 4\n",
    );
    let path = file.path.display();
    let (flag, variable) = (
        &["--gossip-interval=5s", "--peer=dispatch=h:5"][..],
        [("SUPERHERO_GOSSIP_INTERVAL", "4s"), ("SUPERHERO_PEER", "dispatch=h:4,metropolis=h:4")],
    );
    let interval =
        |value: &str, origin: &str| format!("gossip-interval = \"{value}\"  # {origin}\n");
    let peer = |value: &str, origin: &str| format!("peer = [{value}]  # {origin}\n");
    let from_file = [
        interval("3s", &format!("file {path}:1")),
        peer("\"dispatch=h:3\"", &format!("file {path}:2")),
    ];
    let from_environment = [
        interval("4s", "environment SUPERHERO_GOSSIP_INTERVAL"),
        peer("\"dispatch=h:4\", \"metropolis=h:4\"", "environment SUPERHERO_PEER"),
    ];
    let from_flag = [interval("5s", "flag"), peer("\"dispatch=h:5\"", "flag")];
    for (config, flags, environment, expected) in [
        (None, &[][..], &[][..], &[interval("1s", "default")][..]),
        (Some(file.path.as_path()), &[], &[], &from_file),
        (None, &[], &variable, &from_environment),
        (None, flag, &[], &from_flag),
        (Some(&file.path), &[], &variable, &from_environment),
        (Some(&file.path), flag, &[], &from_flag),
        (None, flag, &variable, &from_flag),
        (Some(&file.path), flag, &variable, &from_flag),
    ] {
        let printed = printed("gotham", config, flags, environment);
        assert!(
            expected.iter().all(|line| printed.contains(line)),
            "expected {expected:?} in\n{printed}"
        );
    }
    // A node's own table takes precedence over the top level, and the environment may name the
    // file.
    let named = [("SUPERHERO_CONFIG", file.path.to_str().expect("a path that is text"))];
    assert!(
        printed("gotham", None, &[], &named)
            .contains(&format!("max-restarts = 4  # file {path}:5\n"))
    );
    assert!(
        printed("capitol", None, &[], &named)
            .contains(&format!("max-restarts = 3  # file {path}:3\n"))
    );
    let other = ConfigFile::new("max-restarts = 9\n");
    assert!(
        printed("gotham", Some(&other.path), &[], &named).contains("max-restarts = 9  # file"),
        "the flag must take precedence over the environment here too"
    );
}

#[test]
fn wrong_flags_are_reported_as_without_a_file() {
    let file = ConfigFile::new("gossip-interval = \"3s\"\n");
    for flags in
        [&["--gossip-interval=5"][..], &["--gosip-interval=5s"], &["surplus"], &["--config"]]
    {
        let finished = print_config("gotham", Some(&file.path), flags, &[]);
        assert!(
            finished.code == Some(2)
                && finished.stderr.starts_with("error: ")
                && finished.stdout.is_empty(),
            "{flags:?}: {finished:?}"
        );
    }
    let finished = print_config("gotham", Some(&file.path), &[], &[("SUPERHERO_SEED", "many")]);
    assert!(finished.code == Some(2) && finished.stderr.contains("'many'"), "{finished:?}");
    for flag in ["--help", "--version"] {
        let finished =
            run("gotham", &[flag], &[("SUPERHERO_CONFIG", "/no/such/file")], HANG_TIMEOUT);
        assert!(
            finished.code == Some(0)
                && finished.stdout.starts_with(if flag == "--help" { "A city" } else { "gotham " }),
            "{finished:?}"
        );
    }
}

#[test]
fn rules_between_options_hold_for_files() {
    for (text, rule) in [
        ("peer = [\"gotham=h:1\"]\n", "gotham is this node"),
        ("peer = [\"capitol=h:1\", \"capitol=h:2\"]\n", "capitol is given twice"),
        ("cookie-file = \"/no/such/cookie\"\n", "reading the cookie from /no/such/cookie"),
        ("listen = \"0.0.0.0:4901\"\n", "0.0.0.0:4901"),
    ] {
        let finished = print_config("gotham", Some(&ConfigFile::new(text).path), &[], &[]);
        assert!(
            finished.code == Some(2)
                && finished.stderr.contains(rule)
                && finished.stdout.is_empty(),
            "{text:?}: {finished:?}"
        );
    }
}

#[test]
fn printed_configuration_round_trips() {
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
            Some(&ConfigFile::new(&first).path),
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
fn secrets_are_not_printed() {
    let cookie = ConfigFile::new("through the looking glass\n");
    let flag = format!("--cookie-file={}", cookie.path.display());
    for node in NODES {
        let printed = [
            printed(node, None, &[&flag], &[]),
            printed(node, None, &[], &[("SUPERHERO_COOKIE", "through the looking glass")]),
            printed(node, None, &[], &[]),
        ];
        assert!(!printed.concat().contains("through the looking glass"), "{node}: {printed:?}");
        assert!(
            printed[1].contains("SUPERHERO_COOKIE is set (hidden)")
                && printed[2].contains("SUPERHERO_COOKIE is not set"),
            "{printed:?}"
        );
    }
}

#[test]
fn example_is_valid_and_contains_exactly_all_options() {
    let example = document("deploy/superhero.toml");
    let mut all = BTreeSet::new();
    for process in PROCESSES {
        let finished = printed(process, Some(&ConfigFile::new(&example).path), &[], &[]);
        let missing: Vec<String> = keys(&finished).difference(&keys(&example)).cloned().collect();
        assert!(missing.is_empty(), "the example must contain {missing:?} of {process}");
        all.extend(keys(&finished));
    }
    assert_eq!(keys(&example), all);
}

#[test]
fn example_lines_that_are_commented_out_are_valid() {
    let example = document("deploy/superhero.toml");
    let lines: Vec<&str> = example.lines().collect();
    let commented: Vec<usize> = (0..lines.len())
        .filter(|line| lines[*line].starts_with("# ") && !keys(lines[*line]).is_empty())
        .collect();
    assert!(commented.len() > 5, "{commented:?}");
    for line in commented {
        let mut lines = lines.clone();
        lines[line] = lines[line].trim_start_matches("# ");
        let file = ConfigFile::new(lines.join("\n"));
        for process in PROCESSES {
            let finished = print_config(process, Some(&file.path), &[], &[]);
            // The files that it names need not exist on this machine.
            let place = format!("{}:", file.path.display());
            assert!(
                finished.code == Some(0) || !finished.stderr.contains(&place),
                "{process}, {}: {finished:?}",
                lines[line]
            );
        }
    }
}

#[test]
fn options_are_documented_with_their_variables() {
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
                "{process} --{key} is not set by {variable:?}"
            );
            assert!(
                variable.is_empty()
                    != help.contains(&format!(
                        "[env: SUPERHERO_{}=",
                        key.to_uppercase().replace('-', "_")
                    )),
                "{process} --{key}"
            );
            assert!(!row[4].is_empty(), "--{key} has no description in docs/configuration.md");
        }
    }
}

#[test]
fn launcher_refuses_a_file_that_is_invalid_for_any_node() {
    let host = format!("--host={}", own_address());
    for (text, message) in [
        ("[capitol]\nseed = \"many\"\n", "seed cannot be"),
        ("[dispatch]\npatrol-interval = 0\n", "dispatch has no patrol-interval"),
    ] {
        let file = ConfigFile::new(text);
        let config = format!("--config={}", file.path.display());
        let finished = run("superhero-cluster", &[&host, &config], &[], HANG_TIMEOUT);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(
            finished.stderr.contains(&format!("{}:2:", file.path.display()))
                && finished.stderr.contains(message),
            "{finished:?}"
        );
    }
}

/// Returns the environment variables of a process's options.
fn variables(process: &str) -> Vec<String> {
    let help = run(process, &["--help"], &[], HANG_TIMEOUT).stdout;
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next());
    names.map(str::to_owned).collect()
}

#[test]
fn empty_variable_counts_as_not_set() {
    for process in PROCESSES {
        let names = variables(process);
        assert!(!names.is_empty(), "{process}");
        let mut empty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        let values = |text: &str| {
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let without = printed(process, None, &[], &[]);
        let with = printed(process, None, &[], &empty);
        assert_eq!(values(&with), values(&without), "{process}");
        for name in &names {
            let line = format!("# {name} is empty, which counts as not set.\n");
            assert!(with.contains(&line), "{process}: {name}: {with}");
        }
        // The file still overrides the default, and a flag is still a flag.
        let file = ConfigFile::new("");
        empty.push(("SUPERHERO_COOKIE", ""));
        let with = printed(process, Some(&file.path), &[], &empty);
        assert!(with.contains("#   SUPERHERO_COOKIE is not set\n"), "{process}: {with}");
    }
    let names = variables("superhero");
    assert!(names.contains(&"SUPERHERO_CA".to_owned()), "{names:?}");
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let listed = run("superhero", &["scenarios"], &empty, HANG_TIMEOUT);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{listed:?}");
    let doctor = run("superhero", &["doctor"], &[("SUPERHERO_CONFIG", "")], HANG_TIMEOUT);
    assert!(!doctor.stdout.contains("configuration of"), "{doctor:?}");
}

#[test]
fn cookie_file_may_begin_with_a_byte_order_mark() {
    // The mark does not count, so it is no part of the cookie.
    let short = ConfigFile::new(format!("\u{feff}{}", "x".repeat(15)));
    let flag = format!("--cookie-file={}", short.path.display());
    let refused = print_config("gotham", None, &[&flag], &[]);
    assert!(refused.code == Some(2) && refused.stderr.contains("got 15"), "{refused:?}");
}
