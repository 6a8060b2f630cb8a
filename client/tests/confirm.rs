//! The questions of commands that destroy something, on a terminal.

mod stub;

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};

use nix::pty::openpty;
use stub::{Stub, problem, text};

/// Runs a command whose standard input is a terminal with this answer. Returns the exit code, the
/// output and the errors.
fn asked(stub: &Stub, arguments: &[&str], answer: &str) -> (Option<i32>, String, String) {
    let terminal = openpty(None, None).expect("a terminal");
    let mut user = File::from(terminal.master);
    user.write_all(answer.as_bytes()).expect("the terminal buffers a line");
    let done = Command::new(env!("CARGO_BIN_EXE_superhero"))
        .args(["--url", &stub.url])
        .args(arguments)
        .stdin(Stdio::from(terminal.slave))
        .output()
        .expect("the binary runs");
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

fn heroes(of: &[(&str, &str)], city: &str) -> String {
    let hero = |(id, name): &(&str, &str)| {
        format!(
            r#"{{"id":"{id}","name":"{name}","location":"home","is_patrolling":false,"health":9,"stamp":{{"wall_ms":1,"logical":0,"origin":"gotham/1"}}}}"#
        )
    };
    let heroes: Vec<String> = of.iter().map(hero).collect();
    let heroes = heroes.join(",");
    format!(r#"{{"city":"{city}","status":"up","age_ms":1,"heroes":[{heroes}],"tombstones":0}}"#)
}

/// A cluster in which gotham alone holds Ada and Bela, and all hold Cleo.
fn cluster() -> Stub {
    Stub::start(|request| {
        match request.line.as_str() {
        "GET /verdict" => (
            200,
            r#"{"converged":false,"sentence":"S.","differences":2,"only_copies":2,"lost_writes":0,"oldest_difference_ms":null}"#.into(),
        ),
        "GET /cluster" => {
            let node = |name: &str, role: &str| {
                format!(
                    r#"{{"name":"{name}","role":"{role}","status":"up","incarnation":1,"crashes":0,"heroes":3,"tombstones":0,"fingerprint":"0","age_ms":1,"clock_ahead_ms":null}}"#
                )
            };
            let nodes =
                [node("gotham", "city"), node("capitol", "city"), node("dispatch", "dispatch")];
            (200, format!(r#"{{"nodes":[{}]}}"#, nodes.join(",")))
        }
        line if line.starts_with("GET /cities/gotham/heroes") => {
            (200, heroes(&[("1", "Ada"), ("2", "Bela"), ("3", "Cleo")], "gotham"))
        }
        line if line.starts_with("GET /cities/capitol/heroes") => {
            (200, heroes(&[("3", "Cleo")], "capitol"))
        }
        line if line.starts_with("GET /heroes?") => (200, heroes(&[("3", "Cleo")], "dispatch")),
        line if line.starts_with("DELETE ") => (204, String::new()),
        line if line.starts_with("POST ") => (202, r#"{"city":"gotham"}"#.into()),
        other => problem(404, other),
    }
    })
}

fn changes(stub: &Stub) -> Vec<String> {
    stub.seen().into_iter().filter(|line| !line.starts_with("GET ")).collect()
}

#[test]
fn bomb_names_the_heroes_that_only_this_city_holds() {
    let stub = cluster();
    let (code, out, errors) = asked(&stub, &["bomb", "Gotham"], "y\n");
    assert_eq!(
        errors,
        "Bomb gotham? It loses its memory and restarts. This loses 2 heroes that no other \
         answering node holds: Ada, Bela. [y/N] "
    );
    assert_eq!((code, out.as_str()), (Some(0), "gotham lost its memory and has restarted.\n"));
    assert_eq!(changes(&stub), ["POST /cities/gotham/bomb"]);
}

#[test]
fn other_cities_put_no_hero_at_risk() {
    let stub = cluster();
    let (_, _, errors) = asked(&stub, &["bomb", "capitol"], "n\n");
    assert!(
        errors.starts_with("Bomb capitol? It loses its memory and restarts. [y/N] "),
        "{errors}"
    );
    let (_, _, errors) = asked(&stub, &["bomb", "--random"], "n\n");
    assert!(errors.contains("2 heroes are held by a single node only."), "{errors}");
}

#[test]
fn any_answer_but_yes_changes_nothing() {
    let stub = cluster();
    for command in [
        &["bomb", "gotham"][..],
        &["stop", "gotham"],
        &["kill", "gotham"],
        &["forget", "gotham"],
        &["terminate", "Cleo"],
        &["city", "remove", "gotham"],
    ] {
        for answer in ["\n", "n\n", "yess\n", "\u{4}"] {
            let (code, out, errors) = asked(&stub, command, answer);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{command:?} {answer:?}: {errors}");
            assert!(errors.ends_with("not confirmed; nothing was changed\n"), "{errors}");
        }
        assert_eq!(changes(&stub), [""; 0], "{command:?}");
    }
    for answer in ["y\n", "YES\n"] {
        let (code, out, errors) = asked(&stub, &["terminate", "cleo"], answer);
        assert_eq!((code, out.as_str()), (Some(0), "Cleo was terminated.\n"), "{errors}");
    }
    assert_eq!(changes(&stub), ["DELETE /heroes/3"; 2]);
}
