//! With the GIL and without: what decides, and what it changes.

use crate::support::{Builder, GilMode, Httpd, Mpm};
use std::collections::BTreeSet;

const GROUPS: [&str; 2] = ["%{GLOBAL}", "named"];

fn evaluating(group: &str) -> Builder {
    Httpd::with(&format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup {group}"), "evaluate.py")
}

#[test]
fn the_directive_decides_and_the_environment_does_not() {
    const GIL: &str = "__import__('sys')._is_gil_enabled()";
    for group in GROUPS {
        for (mode, expected) in [(None, "True"), (Some(GilMode::Shared), "True"), (Some(GilMode::Free), "False")] {
            for variable in ["0", "1"] {
                println!("{group}, GIL mode {mode:?}, PYTHON_GIL={variable}");
                let builder = evaluating(group).env("PYTHON_GIL", variable);
                let builder = if let Some(mode) = mode { builder.gil_mode(mode) } else { builder };
                let httpd = builder.start();
                assert_eq!(httpd.python(GIL), expected);
                httpd.finish(&[]);
            }
        }
    }
}

/// The answers to two requests that are sent together.
fn both(httpd: &Httpd, what: &str) -> [String; 2] {
    let mut connections = [httpd.connect(), httpd.connect()];
    for (number, connection) in connections.iter_mut().enumerate() {
        connection.send_get(&format!("/{what}/{number}"));
    }
    connections.map(|mut connection| connection.response().text().to_owned())
}

fn playing(group: &str, mode: GilMode) -> Httpd {
    let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup {group}");
    Httpd::with(&conf, "gil.py").gil_mode(mode).start()
}

#[test]
fn without_the_gil_two_requests_run_python_at_the_same_moment() {
    for group in GROUPS {
        let httpd = playing(group, GilMode::Free);
        assert_eq!(both(&httpd, "meet"), ["met", "met"]);
        for _ in 0..3 {
            assert_eq!(both(&httpd, "volley"), ["played", "played"], "{group}");
        }
        httpd.finish(&[]);
    }
}

#[test]
fn with_the_gil_requests_take_turns() {
    for group in GROUPS {
        let httpd = playing(group, GilMode::Shared);
        // A request that waits lets others run ...
        assert_eq!(both(&httpd, "meet"), ["met", "met"]);
        // ... one that computes does not.
        let answers = both(&httpd, "volley");
        assert!(answers.iter().any(|answer| answer.starts_with("alone since")), "{group}: {answers:?}");
        httpd.finish(&[]);
    }
}

#[test]
fn a_process_without_the_gil_stays_without_it() {
    let httpd = evaluating("%{GLOBAL}").gil_mode(GilMode::Free).start();
    assert_eq!(httpd.python("__import__('sys')._is_gil_enabled()"), "False");
    // The extensions of the standard library do not turn it on.
    for module in ["ssl", "sqlite3", "decimal", "ctypes"] {
        httpd.python(&format!("__import__('{module}').__name__"));
        assert_eq!(httpd.python("__import__('sys')._is_gil_enabled()"), "False", "after {module}");
    }
    httpd.finish(&[]);
}

#[test]
fn a_build_with_the_gil_serves() {
    for mpm in Mpm::ALL {
        let conf = "MaxKeepAliveRequests 0\nWSGIScriptAliasMatch ^/(main|one|two) {app}\n\
                    <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n\
                    <Location /one>\nWSGIApplicationGroup one\n</Location>\n\
                    <Location /two>\nWSGIApplicationGroup two\n</Location>";
        let httpd = Httpd::with(conf, "identity.py").mpm(mpm).gil_build().start();
        let mut interpreters = BTreeSet::new();
        std::thread::scope(|scope| {
            let client = || {
                let mut connection = httpd.connect();
                let mut seen = Vec::new();
                for round in 0..60 {
                    let (path, group) = [("/main", ""), ("/one", "one"), ("/two", "two")][round % 3];
                    let response = connection.get(path);
                    let lines: Vec<_> = response.text().lines().collect();
                    for key in ["group", "group_of_interpreter", "group_at_load"] {
                        assert!(lines.contains(&&*format!("{key}={group}")), "{path}: {response:?}");
                    }
                    let interpreter = lines.iter().find(|line| line.starts_with("interpreter="));
                    seen.push((*interpreter.expect("a line of the interpreter")).to_owned());
                }
                seen
            };
            let clients = [scope.spawn(client), scope.spawn(client)];
            for client in clients {
                interpreters.extend(client.join().expect("a client without complaint"));
            }
        });
        assert_eq!(interpreters.len(), 3, "{interpreters:?}");
        httpd.finish(&[]);
    }
}

#[test]
fn on_a_build_with_the_gil_the_directive_warns_once_and_does_nothing() {
    let httpd = evaluating("named").gil_build().gil_mode(GilMode::Free).start();
    assert_eq!(httpd.python("hasattr(__import__('sys'), '_is_gil_enabled')"), "False");
    assert_eq!(httpd.python("6 * 7"), "42");
    let warnings = httpd.error_log();
    let warnings = warnings.matching("WSGI0200: WSGIFreeThreading On*no effect");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].level, "warn");
    httpd.finish(&["WSGI0200"]);

    for mode in [None, Some(GilMode::Shared)] {
        let builder = evaluating("named").gil_build();
        let httpd = if let Some(mode) = mode { builder.gil_mode(mode) } else { builder }.start();
        assert_eq!(httpd.python("6 * 7"), "42");
        httpd.finish(&[]);
    }
}

#[test]
fn a_build_with_the_gil_has_nothing_to_audit() {
    let conf = "WSGIScriptAlias / {app}\nWSGIFreeThreadingAudit Strict";
    let httpd = Httpd::with(conf, "evaluate.py").gil_build().gil_mode(GilMode::Free).start();
    assert_eq!(httpd.python("__import__('sqlite3').__name__"), "'sqlite3'");
    httpd.finish(&["WSGI0200"]);
}
