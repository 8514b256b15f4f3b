//! `SetHandler wsgi-status`: what is counted is what happened, whatever dies meanwhile, and each format holds up.

use crate::support::faults::{noted, wait_for_notes};
use crate::support::{Builder, Httpd, Mpm, Process, variable, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// Applications in httpd's own processes (`/here`) and in a group (`/there`), and the status of both.
fn serving(options: &str, conf: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group {options}\n\
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
    assert_eq!((response.status, response.header("Content-Type")), (200, Some("application/json")), "{response:?}");
    serde_json::from_slice(&response.body).expect("JSON")
}

/// Where the counts of a mode stand.
fn counts<'v>(status: &'v Value, mount: &str) -> &'v Value {
    if mount == "here" { &status["embedded"]["counts"] } else { &status["groups"][0]["counts"] }
}

/// The statuses of requests in the access log, by class.
fn logged(httpd: &Httpd, mount: &str) -> BTreeMap<String, u64> {
    let mut classes = BTreeMap::new();
    for line in httpd.access_log().iter().filter(|line| line.contains(&format!("/{mount}/"))) {
        *classes.entry(format!("{}xx", &line[..1])).or_default() += 1;
    }
    classes
}

/// Shows that the counters say the same as the access log. A response that was cut short is logged with its status.
#[track_caller]
fn assert_as_logged(httpd: &Httpd, mount: &str, cut: u64, died: u64) {
    let counted = wait_for("the access log to say what was counted", || {
        let status = status(httpd);
        let requests = counts(&status, mount)["requests"].clone();
        let logged = logged(httpd, mount);
        let number = |name: &str| requests[name].as_u64().expect("a number");
        let agree = ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().all(|class| {
            let cut = if class == "2xx" { cut } else { 0 };
            number(class) + cut == logged.get(class).copied().unwrap_or(0)
        });
        (agree && number("died") == died).then_some(status)
    });
    let counts = counts(&counted, mount);
    assert_eq!((counts["requests"]["cut"].as_u64(), counts["requests_running"].as_u64()), (Some(cut), Some(0)));
}

const DEATHS: &[&str] = &["WSGI0146", "WSGI0174", "WSGI1023", "Traceback"];

#[test]
fn each_request_is_counted_once_by_the_way_it_ended() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        println!("{mpm:?}");
        let error_page = "ErrorDocument 404 /here/plain/of-an-error";
        let httpd = serving("threads=2", error_page).mpm(mpm).start();
        for mount in ["here", "there"] {
            for path in ["plain", "missing", "moved", "inside", "broken", "cut", "fork", "plain?x", "absent"] {
                let _ = httpd.request("GET", &format!("/{mount}/{path}")).header("X-Test", "1").send();
            }
            assert_as_logged(&httpd, mount, 1, 0);
        }
        // What is under way when its daemon dies fails, and what is under way when its child of httpd dies is known to.
        assert_eq!(httpd.get("/there/die").status, 502);
        assert_as_logged(&httpd, "there", 1, 0);
        let mut connection = httpd.connect();
        connection.send_get("/here/die");
        assert_eq!(connection.rest(), b"");
        assert_as_logged(&httpd, "here", 1, 1);
        // Neither a new configuration nor new processes begin anew.
        httpd.graceful();
        httpd.get("/here/plain").assert(200, "done");
        httpd.get("/there/plain").assert(200, "done");
        assert_as_logged(&httpd, "here", 1, 1);
        assert_as_logged(&httpd, "there", 1, 0);
        let status = status(&httpd);
        let ends = &status["groups"][0]["last_ends"];
        assert!(
            ends.as_array().expect("a list").iter().any(|end| end["cause"] == "signal" && end["signal"] == 9),
            "{ends}"
        );
        httpd.finish(DEATHS);
    }
}

#[test]
fn a_stream_of_http2_is_a_request_like_any_other() {
    let httpd = serving("threads=2", "Protocols h2c http/1.1").modules(&["http2"]).start();
    for mount in ["here", "there"] {
        for path in ["plain", "missing", "plain"] {
            let output = httpd.curl(&["--http2-prior-knowledge", &format!("{{url}}/{mount}/{path}")]);
            assert!(output.status.success(), "{output:?}");
        }
        assert_as_logged(&httpd, mount, 0, 0);
        assert_eq!(counts(&status(&httpd), mount)["requests_total"], 3);
    }
    httpd.finish(&[]);
}

#[test]
fn counts_are_exact_while_processes_are_killed_and_replaced_under_load() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 150;
    let httpd = serving("processes=2 threads=2", "").start();
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for number in 0..REQUESTS {
                    let path = ["/there/plain", "/here/plain", "/there/missing"][number % 3];
                    assert!(httpd.get(path).status > 0);
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        // Each disturbance comes when some more requests have been answered.
        for number in 1..=6 {
            wait_for("more answers", || (answered.load(Relaxed) >= number * CLIENTS * REQUESTS / 8).then_some(()));
            match number % 3 {
                0 => fs::write(httpd.app_path("status.py"), fs::read(httpd.app_path("status.py")).expect("the script"))
                    .expect("our own file"),
                1 => kill_a_daemon(&httpd),
                _ => httpd.graceful(),
            }
        }
    });
    let cut = |mount| counts(&status(&httpd), mount)["requests"]["cut"].as_u64().expect("a number");
    for mount in ["here", "there"] {
        assert_as_logged(&httpd, mount, cut(mount), 0);
    }
    let total = |mount| counts(&status(&httpd), mount)["requests_total"].as_u64().expect("a number");
    assert_eq!(total("here") + total("there"), (CLIENTS * REQUESTS) as u64);
    // Which of them are met depends on what a process was doing when it was killed.
    let possible = ["WSGI1023", "WSGI0146", "WSGI0147", "WSGI0117"];
    let log = httpd.error_log();
    let met: Vec<_> = possible.into_iter().filter(|code| log.count(code) > 0).collect();
    httpd.finish(&met);
}

/// Kills a process of the group, once there is one.
fn kill_a_daemon(httpd: &Httpd) {
    let process = wait_for("a daemon", || status(httpd)["groups"][0]["processes"][0]["pid"].as_u64());
    Process(process as u32).signal("KILL");
}

#[test]
fn requests_that_run_are_shown_with_nothing_that_could_be_markup() {
    let httpd = serving("threads=1", "").start();
    let mut held: Vec<_> = ["/here", "/there"]
        .iter()
        .map(|mount| {
            let mut connection = httpd.connect();
            connection.send_get(&format!("{mount}/wait/%3Cscript%3E%22%27%26%0A?secret=1"));
            connection
        })
        .collect();
    wait_for_notes(&httpd, "waiting", 2);
    // The one thread of the group is busy: this one waits.
    let mut waiting = httpd.connect();
    waiting.send_get("/there/plain");
    let seen = wait_for("the requests", || {
        let status = status(&httpd);
        (status["requests"].as_array().expect("a list").len() == 3).then_some(status)
    });
    let requests = seen["requests"].as_array().expect("a list");
    assert_eq!(requests[0]["path"], "/here/wait/<script>\"'&\n");
    assert_eq!((&requests[0]["phase"], &requests[2]["phase"]), (&"application".into(), &"queue".into()));
    assert_eq!((&requests[1]["group"], &requests[1]["method"]), (&"group".into(), &"GET".into()));
    let daemon = &seen["groups"][0]["processes"][0];
    assert_eq!((&daemon["pid"], &daemon["threads_busy"]), (&requests[1]["pid"], &1.into()));
    assert!(noted(&httpd, "waiting").iter().any(|(process, _)| daemon["pid"] == process.0));
    assert_eq!(seen["groups"][0]["queue"]["length"], 1);
    let id = requests[0]["id"].as_str().expect("an id").to_owned();
    let page = httpd.get("/status");
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert!(page.text().contains("/here/wait/&lt;script&gt;&quot;&#39;&amp;\u{fffd}"), "{page:?}");
    assert!(!page.text().contains("<script") && !page.text().contains("secret"), "{page:?}");
    fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
    for connection in held.iter_mut().chain([&mut waiting]) {
        connection.response().assert(200, "done");
    }
    assert!(httpd.wait_for_access("/here/wait").contains(&id));
    wait_for("no request", || status(&httpd)["requests"].as_array().expect("a list").is_empty().then_some(()));
    httpd.finish(&[]);
}

/// Prints the families that Prometheus's own parser finds, and the samples of some.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, family.unit)
    for sample in family.samples:
        print(' ', sample.name, sorted(sample.labels.items()), sample.value)
";

#[test]
fn the_parser_of_prometheus_reads_the_metrics() {
    let httpd = serving("threads=2 processes=2", "").start();
    for path in ["/here/plain", "/there/plain", "/there/broken"] {
        let _ = httpd.get(path);
    }
    let is_ready = |process: &Value| process["state"] == "ready";
    wait_for("both processes and all requests", || {
        let seen = status(&httpd);
        let are_ready = seen["groups"][0]["processes"].as_array()?.iter().filter(|one| is_ready(one)).count() == 2;
        let total = |mount| counts(&seen, mount)["requests_total"].as_u64();
        (are_ready && [total("here"), total("there")] == [Some(1), Some(2)]).then_some(())
    });
    let response = httpd.get("/status?metrics");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((response.status, response.header("Content-Type")), (200, Some(media_type)));
    let mut python = Command::new(format!("{}/bin/python", variable("MOD_WSGI_VENV")))
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    python.stdin.take().expect("a pipe").write_all(&response.body).expect("Python reads");
    let output = python.wait_with_output().expect("Python ends");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}\n{response:?}");
    for expected in [
        "http_server_request_duration_seconds histogram seconds\n",
        "wsgi_requests counter \n",
        "wsgi_requests_total [('group', ''), ('mode', 'embedded'), ('outcome', '2xx')] 1\n",
        "wsgi_requests_total [('group', 'group'), ('mode', 'daemon'), ('outcome', '5xx')] 1\n",
        "http_server_request_duration_seconds_count [('group', 'group'), ('mode', 'daemon')] 2\n",
        "wsgi_process_cpu_seconds counter seconds\n",
        "wsgi_group_processes [('group', 'group'), ('state', 'ready')] 2\n",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    // What a client asks for by its headers is the same.
    for (accept, start) in [
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "# TYPE "),
        ("application/json", "{"),
        ("text/html,*/*", "<!DOCTYPE html>"),
    ] {
        let response = httpd.request("GET", "/status").header("Accept", accept).send();
        assert!(response.text().starts_with(start) && response.values("Vary").contains(&"Accept"), "{response:?}");
    }
    httpd.finish(&["WSGI0174", "Traceback"]);
}

#[test]
fn only_those_whom_httpd_lets_in_see_it_and_only_by_get() {
    let conf = "<Location /closed>\nSetHandler wsgi-status\nRequire all denied\n</Location>\n";
    let httpd = serving("", conf).start();
    for query in ["", "?json", "?metrics"] {
        httpd.get(&format!("/closed{query}")).assert_error_page(403);
    }
    let response = httpd.post("/status", "body");
    assert_eq!(response.status, 405);
    assert!(response.header("Allow").is_some_and(|allowed| allowed.contains("GET")), "{response:?}");
    let response = httpd.request("HEAD", "/status").send();
    assert_eq!((response.status, response.body.len()), (200, 0));
    httpd.finish(&["AH01630"]);
}

#[test]
fn a_virtual_host_shows_what_is_its_own() {
    let host = |name: &str| {
        format!(
            "<VirtualHost 127.0.0.1:{{port}}>\nServerName {name}.test\nWSGIDaemonProcess of-{name} threads=2\n\
             WSGIScriptAlias /{name} {{app}} process-group=of-{name} application-group=%{{GLOBAL}}\n</VirtualHost>\n"
        )
    };
    let conf = format!("Listen 127.0.0.2:{{port}}\n{}{}", host("one"), host("two"));
    let httpd = serving("", &conf).start();
    let ask = |host: &str, path: &str| {
        let address = if host == "main" { "127.0.0.2" } else { "127.0.0.1" };
        let output =
            httpd.curl(&["-H", &format!("Host: {host}.test"), &format!("http://{address}:{}{path}", httpd.port)]);
        String::from_utf8(output.stdout).expect("text")
    };
    thread::scope(|scope| {
        for (host, path) in [("one", "/one/wait"), ("two", "/two/wait"), ("main", "/there/wait"), ("one", "/here/wait")]
        {
            scope.spawn(move || assert_eq!(ask(host, path), "done"));
        }
        wait_for_notes(&httpd, "waiting", 4);
        for format in ["/status", "/status?json", "/status?metrics"] {
            let one = ask("one", format);
            assert!(one.contains("of-one"), "{one}");
            for other in [
                "of-two",
                "/two/wait",
                "/there/wait",
                "\"group\"",
                "Process group group",
                "group=\"group\"",
                "embedded\"",
            ] {
                // So a field is called, and a column.
                let is_name_of_field = format != "/status?metrics" && other == "\"group\""
                    || format == "/status?json" && other == "embedded\"";
                assert!(is_name_of_field || !one.contains(other), "{other} in {one}");
            }
            let main = ask("main", format);
            assert!(main.contains("of-one") && main.contains("of-two"), "{main}");
        }
        let seen: Value = serde_json::from_str(&ask("one", "/status?json")).expect("JSON");
        let paths: Vec<_> =
            seen["requests"].as_array().expect("a list").iter().map(|one| one["path"].clone()).collect();
        assert!(
            paths.len() == 2 && paths.contains(&"/one/wait".into()) && paths.contains(&"/here/wait".into()),
            "{seen}"
        );
        assert!(seen["embedded"].is_null() && seen["refused"].is_null(), "{seen}");
        fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
    });
    httpd.finish(&[]);
}

#[test]
fn a_daemon_that_writes_over_its_memory_says_nothing_false_of_others() {
    let conf = "WSGIDaemonProcess hostile threads=2\nWSGIDaemonProcess other threads=2\nWSGIApplicationGroup %{GLOBAL}\n\
                WSGIScriptAlias /hostile {app} process-group=hostile\nWSGIScriptAlias /other {app} process-group=other\n\
                <Location /status>\nSetHandler wsgi-status\n</Location>\n\
                <Location /health>\nSetHandler wsgi-health\n</Location>\n";
    for damage in ["noise", "ones", "zeroes"] {
        let httpd = Httpd::with(conf, "hostile.py").start();
        let process = |path| httpd.get(path).text().to_owned();
        let (hostile, other) = (process("/hostile"), process("/other"));
        httpd.get(&format!("/hostile/{damage}"));
        let seen = wait_for("the request of the other group", || {
            let seen = status(&httpd);
            (seen["groups"][1]["counts"]["requests_total"] == 1).then_some(seen)
        });
        for (number, pid) in [(0, &hostile), (1, &other)] {
            let group = &seen["groups"][number];
            let [process] = &group["processes"].as_array().expect("a list")[..] else { panic!("{damage}: {group}") };
            assert_eq!(process["pid"].to_string(), *pid, "{damage}: {group}");
            assert!(process["threads_busy"].as_u64() <= Some(2), "{damage}: {group}");
            assert!(group["queue"]["length"].as_u64() <= Some(100), "{damage}: {group}");
        }
        for path in ["/status", "/status?metrics", "/health/ready/other", "/health/live"] {
            assert_eq!(httpd.get(path).status, 200, "{damage}: {path}");
        }
        Process(hostile.parse().expect("a number")).signal("KILL");
        httpd.wait_for_log("WSGI1023");
        let ends = status(&httpd)["groups"][0]["last_ends"][0].clone();
        assert_eq!((ends["cause"].as_str(), ends["pid"].to_string()), (Some("signal"), hostile), "{damage}");
        httpd.finish(&["WSGI1023: process * was killed by signal 9"]);
    }
}
