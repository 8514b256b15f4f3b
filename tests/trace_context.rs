//! W3C Trace Context: what clients send of it is checked, shown to applications and written to the logs.

use crate::support::{Builder, Httpd, IN_DAEMONS, Response, in_both_modes, variable};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn serving(conf: &str) -> Builder {
    let conf = format!(
        "WSGIScriptAlias / {{app}}\nCustomLog {{root}}/trace.log \"%{{WSGI_TRACE_ID}}n %{{WSGI_SPAN_ID}}n %U %L\"\n{conf}"
    );
    Httpd::with(&conf, "trace.py").log_level("warn wsgi:info")
}

fn parent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

fn get(httpd: &Httpd, target: &str, headers: &[(&str, &str)]) -> Response {
    let request =
        headers.iter().fold(httpd.request("GET", target), |request, (name, value)| request.header(name, value));
    request.send()
}

/// `traceparent`, `tracestate`, trace id and span id, as the application has them.
fn seen(response: &Response) -> [String; 4] {
    assert_eq!(response.status, 200, "{response:?}");
    let lines: Vec<_> = response.text().split('\n').map(str::to_owned).collect();
    lines.try_into().expect("four lines")
}

/// The line of the access log that has this in it.
fn access(httpd: &Httpd, text: &str) -> String {
    let read = || std::fs::read_to_string(httpd.root().join("trace.log")).unwrap_or_default();
    crate::support::wait_for(text, || read().lines().find(|line| line.contains(text)).map(str::to_owned))
}

/// What the log holds at level info of the start and of scripts.
const LIFE: [&str; 3] = ["Python*started", "loading the script", "process group 'requests'"];

fn finish(httpd: Httpd, expected: &[&str]) {
    let log = httpd.error_log();
    let life = LIFE.into_iter().filter(|pattern| log.count(pattern) > 0);
    httpd.finish(&life.chain(expected.iter().copied()).collect::<Vec<_>>());
}

#[test]
fn what_a_client_sends_is_passed_on_and_logged() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        let (parent, state) = (parent(), "rojo=00f0,congo=t61");
        let response = get(&httpd, "/both", &[("traceparent", &parent), ("tracestate", state)]);
        assert_eq!(seen(&response), [&*parent, state, TRACE, SPAN]);
        assert!(access(&httpd, "/both").starts_with(&format!("{TRACE} {SPAN} ")));
        // A later version is passed on as it is.
        let later = format!("01-{TRACE}-{SPAN}-01-more");
        assert_eq!(seen(&get(&httpd, "/", &[("Traceparent", &later)])), [&*later, "-", TRACE, SPAN]);
        // Without it there is nothing.
        assert_eq!(seen(&httpd.get("/none")), ["-"; 4]);
        assert!(access(&httpd, "/none").starts_with("- - "));
        finish(httpd, &[]);
    });
}

#[test]
fn what_is_malformed_is_dropped() {
    let httpd = serving("").start();
    let parent = parent();
    let zero = format!("00-{}-{SPAN}-01", "0".repeat(32));
    let malformed = [&*zero, "00-x", "", &parent.to_uppercase(), &format!("{parent}-"), &format!("ff{}", &parent[2..])];
    for value in malformed {
        let response = get(&httpd, "/parent", &[("traceparent", value), ("tracestate", "a=1")]);
        assert_eq!(seen(&response), ["-"; 4], "{value}");
    }
    let twice = get(&httpd, "/parent", &[("traceparent", &parent), ("Traceparent", &parent), ("tracestate", "a=1")]);
    assert_eq!(seen(&twice), ["-"; 4]);
    let dropped = "WSGI1165: the traceparent of the request is malformed, and is dropped with its tracestate";
    assert_eq!(httpd.error_log().count(&format!("{dropped} [script *] [request ")), malformed.len() + 1);
    // A state without a parent means nothing, and one that is malformed is dropped alone.
    assert_eq!(seen(&get(&httpd, "/state", &[("tracestate", "a=1")])), ["-"; 4]);
    for state in ["A=1", "a", "a=1,b=\u{e9}"] {
        let response = get(&httpd, "/state", &[("traceparent", &parent), ("tracestate", state)]);
        assert_eq!(seen(&response), [&*parent, "-", TRACE, SPAN], "{state}");
    }
    let lone = "WSGI1166: the tracestate of the request is malformed, and is dropped";
    assert_eq!(httpd.error_log().count(lone), 3);
    assert!(access(&httpd, "/parent").starts_with("- - "));
    finish(httpd, &[dropped, lone]);
}

#[test]
fn each_line_about_a_request_names_its_trace() {
    let conf = "ErrorDocument 500 /page\nWSGITraceContext On\n<Location /denied>\nWSGIAccessScript {root}/access.py\n\
                </Location>\n";
    let access_script = "def allow_access(environ, host):\n    raise KeyError(environ['HTTP_TRACEPARENT'])\n";
    let httpd = serving(conf).file("access.py", access_script).start();
    let response = get(&httpd, "/raise", &[("traceparent", &parent())]);
    assert!(response.text().contains(TRACE), "{response:?}");
    // httpd has redirected the request itself.
    assert!(access(&httpd, "/raise").starts_with(&format!("{TRACE} {SPAN} ")));
    assert_eq!(get(&httpd, "/denied", &[("traceparent", &parent())]).status, 403);
    let ids = format!("[trace {TRACE} span {SPAN}]");
    let log = httpd.error_log_text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("[wsgi:error]")).collect();
    for part in ["about to raise", "WSGI0174", "Traceback", "ValueError: of a request", "KeyError"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {log}");
    }
    for line in lines {
        assert!(line.contains(&ids), "{line}");
    }
    // A context of the module's own is in the log as well.
    let own = seen_in(httpd.get("/raise").text());
    assert!(own != TRACE && httpd.error_log().count(&format!("WSGI0174: *[trace {own} span ")) == 1, "{own}");
    finish(httpd, &["about to raise", "WSGI0174", "Traceback", "WSGI0"]);
}

/// The trace id in the body of a response.
fn seen_in(body: &str) -> String {
    body.split('\n').nth(2).unwrap_or_default().to_owned()
}

#[test]
fn a_request_without_a_context_gets_one_where_that_is_asked_for() {
    in_both_modes(|mode| {
        let httpd =
            serving("WSGITraceContext On\n<Location /off>\nWSGITraceContext Off\n</Location>\n").gil_mode(mode).start();
        let mut traces = BTreeSet::new();
        for number in 0..5 {
            let [parent, state, trace, span] = seen(&httpd.get(&format!("/made{number}")));
            assert_eq!((parent, &*state), (format!("00-{trace}-{span}-01"), "-"));
            assert!(trace.len() == 32 && span.len() == 16 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(access(&httpd, &format!("/made{number}")).starts_with(&format!("{trace} {span} ")));
            traces.insert(trace);
        }
        assert_eq!(traces.len(), 5);
        // That of the client stays, and what is malformed is replaced.
        assert_eq!(seen(&get(&httpd, "/", &[("traceparent", &parent())]))[2], TRACE);
        let [parent, state, ..] = seen(&get(&httpd, "/", &[("traceparent", "00-x"), ("tracestate", "a=1")]));
        assert!(parent.len() == 55 && state == "-", "{parent} {state}");
        assert_eq!(seen(&httpd.get("/off")), ["-"; 4]);
        finish(httpd, &["WSGI1165"]);
    });
}

#[test]
fn it_is_the_same_over_http_2() {
    let httpd = serving("Protocols h2c http/1.1\n").modules(&["http2"]).start();
    let curl = |header: &str| {
        let output = httpd.curl(&["--http2-prior-knowledge", "-H", header, "{url}/h2"]);
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(seen_in(&curl(&format!("traceparent: {}", parent()))), TRACE);
    assert_eq!(curl("traceparent: 00-x"), "-\n-\n-\n-");
    finish(httpd, &["WSGI1165"]);
}

/// Prints the exemplars that Prometheus's own parser finds.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        if sample.exemplar is not None:
            print(sample.name, sample.labels['mode'], sorted(sample.exemplar.labels.items()))
";

#[test]
fn a_bucket_of_durations_has_a_trace_as_its_exemplar() {
    let httpd = serving("<Location /status>\nSetHandler wsgi-status\n</Location>\n").start();
    assert_eq!(httpd.get("/untraced").status, 200);
    let metrics = || httpd.get("/status?metrics");
    assert!(!metrics().text().contains(" # {"));
    assert_eq!(get(&httpd, "/", &[("traceparent", &parent())]).status, 200);
    let mut python = Command::new(format!("{}/bin/python", variable("MOD_WSGI_VENV")))
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let response = metrics();
    python.stdin.take().expect("a pipe").write_all(&response.body).expect("Python reads");
    let output = python.wait_with_output().expect("Python ends");
    let mode = if IN_DAEMONS { "daemon" } else { "embedded" };
    let expected = format!(
        "http_server_request_duration_seconds_bucket {mode} [('span_id', '{SPAN}'), ('trace_id', '{TRACE}')]\n"
    );
    assert_eq!(String::from_utf8(output.stdout).expect("text"), expected, "{response:?}");
    finish(httpd, &[]);
}
