//! `SetHandler wsgi-status`: what processes tell of themselves, and the form that programs can rely on.

use crate::support::faults::{noted, wait_for_notes};
use crate::support::{Builder, Extension, GilMode, Httpd, Mpm, Process, variable, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

const EXTENSION: Extension = Extension { name: "undeclared", multi_phase: true, declared: false };

/// Applications in httpd's own processes (`/here`) and in a group (`/there`), and the status of both.
fn serving(conf: &str) -> Builder {
    let conf = format!(
        "WSGIPythonPath {{root}}/extensions\n\
         WSGIDaemonProcess group threads=3 python-path={{root}}/extensions\n\
         WSGIScriptAlias /here {{app}} application-group=%{{GLOBAL}}\n\
         WSGIScriptAlias /there {{app}} process-group=group application-group=%{{GLOBAL}}\n\
         <Location /status>\nSetHandler wsgi-status\n</Location>\n{conf}\n"
    );
    let builder = Httpd::with(&conf, "status.py").open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

#[track_caller]
fn status(httpd: &Httpd) -> Value {
    let response = httpd.get("/status?json");
    assert_eq!(response.status, 200, "{response:?}");
    serde_json::from_slice(&response.body).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// Checks what `?json` answers by the package jsonschema.
const CHECK: &str = "
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
jsonschema.validate(json.load(sys.stdin), schema, jsonschema.Draft202012Validator)
";

#[track_caller]
fn assert_as_the_schema_says(status: &Value) {
    let mut python = Command::new(format!("{}/bin/python", variable("MOD_WSGI_VENV")))
        .args(["-W", "ignore", "-c", CHECK, concat!(env!("CARGO_MANIFEST_DIR"), "/docs/status.schema.json")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python runs");
    python.stdin.take().expect("a pipe").write_all(status.to_string().as_bytes()).expect("Python reads");
    let output = python.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "{}\n{status}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn processes_tell_of_collections_and_undeclared_extensions_and_threads() {
    for (mode, undeclared) in [(GilMode::Free, 1), (GilMode::Shared, 0)] {
        println!("{mode:?}");
        let builder = serving("").gil_mode(mode);
        EXTENSION.compile(&builder.root().join("extensions"));
        let httpd = builder.start();
        for mount in ["here", "there"] {
            httpd.get(&format!("/{mount}/garbage")).assert(200, "done");
            httpd.get(&format!("/{mount}/extension?undeclared")).assert(200, "done");
        }
        let mut held = [httpd.connect(), httpd.connect()];
        held[0].send_get("/here/wait/here?secret=1");
        held[1].send_get("/there/wait/there?secret=1");
        wait_for_notes(&httpd, "waiting", 2);
        let seen = status(&httpd);
        assert_as_the_schema_says(&seen);
        for part in [&seen["embedded"], &seen["groups"][0]] {
            let process = &list(&part["processes"])[0];
            // The collection that was asked for, and maybe others.
            assert!(process["garbage"]["collections"][2].as_u64() >= Some(1), "{process}");
            assert!(process["garbage"]["pause_seconds_longest"].as_f64() > Some(0.0), "{process}");
            assert!(process["cpu_cores"].as_f64() > Some(0.0), "{process}");
            let expected = if undeclared == 1 { vec![Value::from("undeclared")] } else { Vec::new() };
            assert_eq!(process["undeclared_extensions"]["count"], undeclared, "{process}");
            assert_eq!(list(&process["undeclared_extensions"]["names"]), expected, "{process}");
        }
        let threads: BTreeSet<_> = list(&seen["requests"]).iter().map(|one| one["thread"].as_u64()).collect();
        let noted: BTreeSet<_> = noted(&httpd, "thread").iter().map(|(id, _)| Some(u64::from(id.0))).collect();
        assert_eq!(threads, noted, "{seen}");
        assert!(list(&seen["requests"]).iter().all(|one| !one["path"].to_string().contains("secret")), "{seen}");
        let page = httpd.get("/status").text().to_owned();
        let line = "<dt>undeclared extensions</dt><dd";
        assert_eq!(page.matches(line).count(), 2, "{page}");
        let names = format!("{line} class=\"bad\">undeclared</dd>");
        assert_eq!(page.matches(&names).count(), 2 * undeclared, "{page}");
        assert!(httpd.get("/status?metrics").text().contains(&format!(
            "wsgi_process_undeclared_extensions{{mode=\"daemon\",group=\"group\",place=\"1\"}} {undeclared}\n"
        )));
        fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
        held.iter_mut().for_each(|connection| connection.response().assert(200, "done"));
        httpd.finish(if undeclared == 1 { &["WSGI1004"] } else { &[] });
    }
}

#[test]
fn queries_are_shown_where_the_main_server_says_so() {
    let httpd = serving("WSGIStatusQuery On").start();
    let mut held = [httpd.connect(), httpd.connect()];
    held[0].send_get("/here/wait?name=%3Ci%3E&x=1");
    held[1].send_get(&format!("/there/wait?{}", "long".repeat(1500)));
    wait_for_notes(&httpd, "waiting", 2);
    let seen = status(&httpd);
    let path = |start: &str| {
        let found =
            list(&seen["requests"]).iter().find(|one| one["path"].as_str().unwrap_or_default().starts_with(start));
        found.unwrap_or_else(|| panic!("{start} in {seen}"))["path"].as_str().expect("text").to_owned()
    };
    assert_eq!(path("/here"), "/here/wait?name=%3Ci%3E&x=1");
    assert!(path("/there").starts_with("/there/wait?longlong") && path("/there").len() == 192, "{seen}");
    assert!(!httpd.get("/status").text().contains("<i>"));
    assert_as_the_schema_says(&seen);
    fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
    held.iter_mut().for_each(|connection| connection.response().assert(200, "done"));
    httpd.finish(&[]);
}

#[test]
fn ends_of_child_processes_of_httpd_are_kept_with_their_cause() {
    for mpm in Mpm::ALL {
        println!("{mpm:?}");
        let httpd = serving("").mpm(mpm).start();
        httpd.get("/here/plain").assert(200, "done");
        wait_for("its end", || (status(&httpd)["embedded"]["counts"]["requests_total"] == 1).then_some(()));
        let mut connection = httpd.connect();
        connection.send_get("/here/die");
        assert_eq!(connection.rest(), b"");
        let is_known = |cause: &str, requests: u64| {
            let seen = status(&httpd);
            let ends = list(&seen["embedded"]["last_ends"]);
            let found = ends.iter().find(|end| end["cause"] == cause && end["requests_under_way"] == requests)?;
            assert!(found["signal"].is_null() && found["exit_status"].is_null(), "{found}");
            Some(seen.clone())
        };
        let seen = wait_for("the child process that was killed", || is_known("died", 1));
        assert_eq!(seen["embedded"]["ends"]["died"], 1, "{seen}");
        assert_as_the_schema_says(&seen);
        // Children of before a restart leave of their own accord.
        httpd.graceful();
        let seen = wait_for("a child process that left", || is_known("left", 0));
        assert_eq!(seen["embedded"]["ends"]["died"], 1, "{seen}");
        assert!(httpd.get("/status").text().contains(">died</td>"));
        httpd.finish(&[]);
    }
}

#[test]
fn a_process_that_is_replaced_takes_what_it_told_with_it() {
    let httpd = serving("").start();
    for _ in 0..5 {
        httpd.get("/there/garbage").assert(200, "done");
    }
    let collections = |seen: &Value| seen["groups"][0]["processes"][0]["garbage"]["collections"][2].as_u64();
    let process = |seen: &Value| seen["groups"][0]["processes"][0]["pid"].as_u64();
    let before = status(&httpd);
    assert!(collections(&before) >= Some(5), "{before}");
    Process(process(&before).expect("a number") as u32).signal("KILL");
    let after = wait_for("another process", || {
        let seen = status(&httpd);
        (process(&seen).is_some() && process(&seen) != process(&before)).then_some(seen)
    });
    assert!(collections(&after) < Some(5), "{after}");
    // An end is listed once.
    let ends: Vec<_> = list(&after["groups"][0]["last_ends"]).iter().map(|end| end["pid"].as_u64()).collect();
    assert_eq!(ends, [process(&before)], "{after}");
    httpd.finish(&["WSGI1023"]);
}
