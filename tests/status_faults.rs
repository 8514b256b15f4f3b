//! `wsgi-status` and `wsgi-health` under what nobody intends: odd requests, a flood of them, full disks, processes that are
//! killed, groups that come and go.

use crate::support::faults::wait_for_notes;
use crate::support::{Builder, Httpd, Load, Process, wait_for};
use serde_json::Value;
use std::fs;
use std::thread;

const PAGES: &str = "<Location /status>\nSetHandler wsgi-status\n</Location>\n\
                     <Location /health>\nSetHandler wsgi-health\n</Location>\n";
const HERE: &str = "WSGIScriptAlias /here {app} application-group=%{GLOBAL}\n";
const THERE: &str = "WSGIDaemonProcess group threads=4\n\
                     WSGIScriptAlias /there {app} process-group=group application-group=%{GLOBAL}\n";

fn serving(conf: &str) -> Builder {
    let builder = Httpd::with(&format!("{PAGES}{conf}"), "status.py").open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

#[track_caller]
fn status(httpd: &Httpd) -> Value {
    let response = httpd.get("/status?json");
    assert_eq!(response.status, 200, "{response:?}");
    serde_json::from_slice(&response.body).expect("JSON")
}

#[track_caller]
fn wait_until_ready(httpd: &Httpd) {
    wait_for("the server to be ready", || (httpd.get("/health/ready").status == 200).then_some(()));
}

fn release(httpd: &Httpd) {
    fs::write(httpd.root().join("notes/release"), "").expect("our own directory");
}

#[test]
fn odd_paths_queries_and_methods_have_one_outcome_each() {
    let httpd = serving(&format!("{HERE}{THERE}")).start();
    wait_until_ready(&httpd);
    let long = "x".repeat(7000);
    for (path, start) in [
        ("/status?", "<!DOCTYPE html>"),
        ("/status?nonsense&metric&jsons", "<!DOCTYPE html>"),
        (&format!("/status?{long}"), "<!DOCTYPE html>"),
        ("/status?%6Ason", "<!DOCTYPE html>"),
        ("/status?json&metrics", "# TYPE "),
        ("/status?json=1", "<!DOCTYPE html>"),
        ("/status?x&json&y", "{"),
        ("/status/below?json", "{"),
        ("//status?json", "{"),
        ("/here/../status?json", "{"),
    ] {
        let response = httpd.get(path);
        assert!(response.status == 200 && response.text().starts_with(start), "{path}: {response:?}");
    }
    for (path, status, line) in [
        ("/health/live/", 200, "ok"),
        ("/health//live", 200, "ok"),
        ("/health/live?x=1", 200, "ok"),
        ("/health/ready/group/group", 200, "ok"),
        ("/health/ready/a%0D%0Ab", 404, "no process group 'a\u{fffd}\u{fffd}b' here"),
        ("/health/ready/%3Cscript%3E", 404, "no process group '<script>' here"),
        ("/health/LIVE", 404, "expected /live, /ready or /startup"),
        ("/health/%6Cive", 200, "ok"),
    ] {
        let response = httpd.get(path);
        response.assert(status, &format!("{line}\n"));
        assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"), "{path}");
    }
    // A longer name is no name of a file, and httpd refuses it before any handler.
    let name = httpd.get(&format!("/health/ready/{}", "x".repeat(200)));
    assert_eq!((name.status, name.body.len()), (404, "no process group '' here\n".len() + 103), "{name:?}");
    // httpd itself refuses what is no path, before any handler.
    for path in ["/status%2Fx", "/status/%00", "/health/live%00"] {
        assert_eq!(httpd.get(path).status, 404, "{path}");
    }
    assert_eq!(httpd.get(&format!("/status?{}", "x".repeat(9000))).status, 414);
    for path in ["/status", "/health/live"] {
        for method in ["POST", "PUT", "DELETE", "PROPFIND", "NONSENSE"] {
            let response = httpd.request(method, path).body("body").send();
            // A method that httpd does not know.
            let expected = if method == "NONSENSE" { [405, 501] } else { [405, 405] };
            assert!(expected.contains(&response.status), "{method} {path}: {response:?}");
        }
        let options = httpd.request("OPTIONS", path).send();
        assert!(options.header("Allow").is_some_and(|allowed| allowed.contains("GET")), "{options:?}");
        let head = httpd.request("HEAD", path).send();
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    // None of it was a request to an application.
    let seen = status(&httpd);
    assert_eq!(
        (&seen["embedded"]["counts"]["requests_total"], &seen["refused"]["requests_total"]),
        (&0.into(), &0.into())
    );
    let log = httpd.error_log();
    let of_httpd: Vec<_> = ["AH00026", "AH00135"].into_iter().filter(|code| log.count(code) > 0).collect();
    httpd.finish(&of_httpd);
}

#[test]
fn a_flood_of_scrapes_takes_nothing_from_requests() {
    const SCRAPERS: usize = 3;
    const SCRAPES: usize = 400;
    let httpd = serving(&format!("{HERE}{THERE}")).start();
    let load = Load::start(httpd.port, 2, "/there/plain", "done");
    thread::scope(|scope| {
        for number in 0..SCRAPERS {
            let httpd = &httpd;
            scope.spawn(move || {
                let path = ["/status", "/status?json", "/status?metrics"][number % 3];
                for _ in 0..SCRAPES {
                    let response = httpd.get(path);
                    assert!(response.status == 200 && response.body.len() > 500, "{response:?}");
                }
            });
        }
    });
    load.wait_for_answers(20);
    let tally = load.stop();
    let seen = wait_for("all requests to be counted", || {
        let seen = status(&httpd);
        (seen["groups"][0]["counts"]["requests_running"] == 0).then_some(seen)
    });
    assert_eq!(seen["groups"][0]["counts"]["requests"]["2xx"], tally.answered, "{seen}");
    httpd.finish(&[]);
}

#[test]
fn a_killed_supervisor_leaves_the_pages_and_the_counters() {
    let httpd = serving(THERE).start();
    httpd.get("/there/plain").assert(200, "done");
    httpd.get("/there/missing");
    let old = status(&httpd)["groups"][0]["processes"][0]["pid"].clone();
    let daemon = Process(old.as_u64().expect("a number") as u32);
    daemon.parent().expect("a supervisor").signal("KILL");
    httpd.wait_for_log("WSGI1020");
    assert_eq!(httpd.get("/status").status, 200);
    assert_eq!(httpd.get("/health/live").status, 200);
    let is_replaced = || {
        let seen = status(&httpd);
        let [process] = &seen["groups"][0]["processes"].as_array()?[..] else { return None };
        (process["state"] == "ready" && process["pid"] != old).then(|| seen.clone())
    };
    let seen = wait_for("the successor of the daemon alone", is_replaced);
    assert_eq!(seen["groups"][0]["counts"]["requests_total"], 2, "{seen}");
    wait_until_ready(&httpd);
    httpd.get("/there/plain").assert(200, "done");
    assert!(httpd.get("/status?metrics").text().contains("group=\"group\",outcome=\"4xx\"} 1\n"));
    httpd.finish(&["WSGI1020"]);
}

#[test]
fn full_disks_under_the_logs_stop_neither_requests_nor_counters() {
    let conf = "Listen 127.0.0.2:{port}\n<VirtualHost 127.0.0.2:{port}>\nServerName full.test\n\
                ErrorLog /dev/full\nCustomLog /dev/full test\nWSGIDaemonProcess full threads=2\n\
                WSGIScriptAlias /there {app} process-group=full application-group=%{GLOBAL}\n\
                WSGIScriptAlias /here {app} application-group=%{GLOBAL}\n</VirtualHost>\n";
    let httpd = serving(conf).start();
    let ask = |path: &str| {
        let address = format!("http://127.0.0.2:{}{path}", httpd.port);
        let output = httpd.curl(&["--output", "/dev/null", "--write-out", "%{http_code}", &address]);
        String::from_utf8(output.stdout).expect("text")
    };
    wait_until_ready(&httpd);
    for mount in ["here", "there"] {
        for (path, status) in
            [("plain", "200"), ("broken", "500"), ("broken", "500"), ("plain", "200"), ("missing", "404")]
        {
            assert_eq!(ask(&format!("/{mount}/{path}")), status, "{mount} {path}");
        }
    }
    assert_eq!(ask("/health/ready"), "200");
    // httpd has sent the last response before it counts the request.
    wait_for("all requests to be counted", || {
        let seen = status(&httpd);
        let is_as_expected =
            |counts: &Value| (&counts["2xx"], &counts["5xx"], &counts["4xx"]) == (&2.into(), &2.into(), &1.into());
        let (here, there) = (&seen["embedded"]["counts"]["requests"], &seen["groups"][0]["counts"]["requests"]);
        (is_as_expected(here) && is_as_expected(there)).then_some(())
    });
    httpd.finish(&[]);
}

#[test]
fn groups_come_and_go_with_graceful_restarts_and_their_counters_stay() {
    // A child of before a restart keeps its place while it has a request.
    let size = "StartServers 1\nServerLimit 4\nThreadLimit 8\nThreadsPerChild 8\nMaxRequestWorkers 32\n\
                MinSpareThreads 1\nMaxSpareThreads 32";
    let mut httpd = serving(&format!("{HERE}{THERE}")).size(size).start();
    httpd.get("/there/plain").assert(200, "done");
    httpd.get("/there/missing");
    httpd.get("/here/plain").assert(200, "done");
    let mut held = httpd.connect();
    held.send_get("/there/wait");
    wait_for_notes(&httpd, "waiting", 1);
    // The group is gone; a request of the configuration before still runs in it.
    httpd.reconfigure(&format!("{PAGES}{HERE}"));
    httpd.graceful();
    let seen = wait_for("the new configuration", || {
        let seen = status(&httpd);
        let is_counted = seen["embedded"]["counts"]["requests_total"] == 1;
        (seen["groups"].as_array()?.is_empty() && is_counted).then_some(seen)
    });
    assert_eq!((&seen["requests"][0]["group"], &seen["requests"][0]["path"]), (&"group".into(), &"/there/wait".into()));
    assert!(!httpd.get("/status?metrics").text().contains("group=\"group\""));
    assert_eq!(httpd.get("/health/ready/group").status, 404);
    assert_eq!(httpd.get("/health/ready").status, 200);
    release(&httpd);
    held.response().assert(200, "done");
    wait_for("no request", || status(&httpd)["requests"].as_array()?.is_empty().then_some(()));
    // It comes back with other processes, and beside another one.
    let other = "WSGIDaemonProcess other threads=1\n\
                 WSGIScriptAlias /other {app} process-group=other application-group=%{GLOBAL}\n";
    httpd.reconfigure(&format!("{PAGES}{HERE}{other}{}", THERE.replace("threads=4", "threads=2 processes=2")));
    httpd.graceful();
    let seen = wait_for("both groups", || {
        let seen = status(&httpd);
        (seen["groups"].as_array()?.len() == 2 && seen["groups"][1]["counts"]["requests_total"] == 3).then_some(seen)
    });
    let total = |number: usize| (&seen["groups"][number]["name"], &seen["groups"][number]["counts"]["requests_total"]);
    assert_eq!([total(0), total(1)], [(&"other".into(), &0.into()), (&"group".into(), &3.into())], "{seen}");
    assert_eq!(
        (&seen["groups"][1]["processes_wanted"], &seen["groups"][1]["threads_per_process"]),
        (&2.into(), &2.into())
    );
    wait_until_ready(&httpd);
    httpd.get("/other/plain").assert(200, "done");
    httpd.finish(&[]);
}
