//! Completions of values, as a shell asks for them.

mod stub;

use std::net::TcpListener;
use std::process::{Command, Stdio};

use stub::{Stub, problem, superhero, text};
use superhero::Stopwatch;

/// Returns the candidates for the last word, as bash receives them, and checks that there are no
/// errors.
#[track_caller]
fn completed(url: &str, words: &[&str]) -> Vec<String> {
    let mut quote = "";
    let mut words: Vec<&str> = [&["superhero"], words].concat();
    // Bash passes the word without its quote.
    if let Some(quoted) = words.last_mut().filter(|word| word.starts_with('"')) {
        (quote, *quoted) = ("\"", &quoted[1..]);
    }
    let done = Command::new(env!("CARGO_BIN_EXE_superhero"))
        .env("SUPERHERO_COMPLETE", "bash")
        .env("SUPERHERO_URL", url)
        .env("_SUPERHERO_INDEX", (words.len() - 1).to_string())
        .env("_SUPERHERO_FIRST", quote)
        .arg("--")
        .args(&words)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""), "{words:?}");
    text(&done.stdout).lines().map(str::to_owned).collect()
}

fn dispatch() -> Stub {
    Stub::start(|request| match request.line.as_str() {
        "GET /heroes?limit=1000" => {
            let hero = |id: u8, name: &str| {
                format!(
                    r#"{{"id":"{id}","name":"{name}","location":"home","is_patrolling":false,"health":9,"stamp":{{"wall_ms":1,"logical":0,"origin":"gotham/1"}}}}"#
                )
            };
            let heroes = [hero(1, "Night Heron"), hero(2, "Twin"), hero(3, "Twin")].join(",");
            (200, format!(r#"{{"heroes":[{heroes}],"tombstones":0}}"#))
        }
        "GET /cluster" => {
            let node = |name: &str, role: &str| {
                format!(
                    r#"{{"name":"{name}","role":"{role}","status":"up","incarnation":1,"crashes":0,"heroes":3,"tombstones":0,"fingerprint":"0","age_ms":1,"clock_ahead_ms":null}}"#
                )
            };
            let nodes =
                [node("gotham", "city"), node("star-city", "city"), node("dispatch", "dispatch")];
            (200, format!(r#"{{"nodes":[{}]}}"#, nodes.join(",")))
        }
        "GET /faults" => {
            (200, r#"{"faults":[{"id":"00c0ffee","kind":"cut","from":"gotham","to":"*"}]}"#.into())
        }
        other => problem(404, other),
    })
}

#[test]
fn values_are_those_of_the_cluster() {
    let url = dispatch().url;
    for (words, candidates) in [
        (&["assign", "ni"][..], &[r"Night\ Heron"][..]),
        (&["assign", r"Night\ "], &[r"Night\ Heron"]),
        (&["assign", "\"Ni"], &["Night Heron"]),
        (&["terminate", "Tw"], &["2", "3"]),
        (&["assign", "Ada", ""], &["gotham", "star-city", "home"]),
        (&["bomb", "s"], &["star-city"]),
        (&["forget", "d"], &["dispatch"]),
        (&["fault", "cut", "gotham", "a"], &["all"]),
        (&["heal", "0"], &["00c0ffee"]),
        (&["heal", "a"], &["all"]),
        (&["play", "split"], &["split-brain"]),
        (&["counter", "list", "--at", "st"], &["star-city"]),
        (&["bom"], &["bomb"]),
    ] {
        let found = completed(&url, words).into_iter().filter(|it| !it.starts_with('-'));
        assert_eq!(found.collect::<Vec<_>>(), candidates, "{words:?}");
    }
    let options = completed("http://127.0.0.1:9", &["--url", &url, "bomb", "st"]);
    assert_eq!(options, ["star-city"], "the option on the line is used");
}

#[test]
fn unusable_dispatch_leaves_completions_quick_and_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let silent = format!("http://{}", listener.local_addr().expect("a bound address"));
    let refusing = Stub::start(|_| problem(401, "sign_in")).url;
    let broken = Stub::start(|_| (200, "<html>".to_owned())).url;
    for url in [silent.as_str(), &refusing, &broken, "http://127.0.0.1:9", "nonsense"] {
        let watch = Stopwatch::start();
        assert_eq!(completed(url, &["bomb", "g"]), ["gotham"], "{url}");
        assert_eq!(completed(url, &["terminate", "A"]), [""; 0], "{url}");
        assert_eq!(completed(url, &["heal", "a"]), ["all"], "{url}");
        assert!(watch.elapsed().as_secs() < 3, "{url}: {:?}", watch.elapsed());
    }
}

#[test]
fn scripts_ask_this_program() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = superhero("http://127.0.0.1:9", &["completions", shell]);
        let script = text(&done.stdout);
        assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""), "{shell}");
        assert!(script.contains("SUPERHERO_COMPLETE"), "{shell}: {script}");
        assert!(script.contains(env!("CARGO_BIN_EXE_superhero")), "{shell}: {script}");
    }
}

#[test]
fn bash_completes_the_name_of_a_hero() {
    let url = dispatch().url;
    let script = text(&superhero(&url, &["completions", "bash"]).stdout);
    let test = format!(
        "{script}\nCOMP_WORDS=(superhero assign ni) COMP_CWORD=2\n_superhero superhero ni assign\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let done = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", &test])
        .env("SUPERHERO_URL", &url)
        .output()
        .expect("bash runs");
    assert_eq!((text(&done.stdout).as_str(), text(&done.stderr).as_str()), ("Night\\ Heron\n", ""));
}
