//! `SetHandler wsgi-health`: probes are answered without Python, whatever Python does.

use crate::support::faults::{release, serving, wait_for_notes};
use crate::support::{Builder, Httpd, Mpm, Response, in_both_modes, wait_for};
use std::fs;

const PROBES: &str = "<Location /health>\nSetHandler wsgi-health\n</Location>\n";

/// A group whose application is loaded beforehand.
fn probed(options: &str, conf: &str) -> Builder {
    serving(options, &format!("{PROBES}{conf}"))
}

#[track_caller]
fn assert_answer(response: &Response, status: u16, line: &str) {
    response.assert(status, &format!("{line}\n"));
    assert_eq!(response.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
}

#[track_caller]
fn wait_until_ready(httpd: &Httpd) {
    wait_for("the server to be ready", || (httpd.get("/health/ready").status == 200).then_some(()));
}

#[test]
fn probes_are_answered_while_all_threads_are_blocked_and_the_queue_is_full() {
    in_both_modes(|mode| {
        let httpd = probed("threads=1 processes=2 listen-backlog=1", "").gil_mode(mode).start();
        wait_until_ready(&httpd);
        let mut held = [httpd.connect(), httpd.connect(), httpd.connect()];
        for connection in &mut held {
            connection.send_get("/blocked");
        }
        wait_for_notes(&httpd, "blocked", 2);
        let full = "process group 'group': the queue is full, 1 of 1 requests wait";
        wait_for("the queue to be full", || (httpd.get("/health/ready").status == 503).then_some(()));
        assert_answer(&httpd.get("/health/ready"), 503, full);
        assert_answer(&httpd.get("/health/ready/group"), 503, full);
        assert_answer(&httpd.get("/health/live"), 200, "ok");
        assert_answer(&httpd.get("/health/live/group"), 200, "ok");
        assert_answer(&httpd.get("/health/startup"), 200, "ok");
        release(&httpd);
        held.iter_mut().for_each(|connection| connection.response().assert(200, "done"));
        wait_until_ready(&httpd);
        assert_answer(&httpd.get("/health/ready/group"), 200, "ok");
        httpd.finish(&[]);
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    let httpd = probed("", "<Location /closed>\nSetHandler wsgi-health\nRequire all denied\n</Location>\n").start();
    assert_answer(&httpd.get("/health/ready/other"), 404, "no process group 'other' here");
    assert_answer(&httpd.get("/health"), 404, "expected /live, /ready or /startup");
    assert_answer(&httpd.get("/health/readyz"), 404, "expected /live, /ready or /startup");
    assert_eq!(httpd.post("/health/live", "x").status, 405);
    httpd.get("/closed/live").assert_error_page(403);
    httpd.finish(&["AH01630"]);
}

#[test]
fn an_application_that_does_not_load_is_not_ready_until_it_does() {
    for (group, line) in [
        ("other", "process group 'other': 1 application does not load"),
        ("%{GLOBAL}", "1 application does not load in httpd's own processes"),
    ] {
        let conf = format!(
            "{PROBES}WSGIDaemonProcess group\nWSGIDaemonProcess other\n\
             WSGIScriptAlias /late {{root}}/late.py process-group={group} application-group=%{{GLOBAL}}\n"
        );
        let httpd = Httpd::bare(&conf).file("late.py", "raise ValueError('not yet')\n").start();
        httpd.wait_for_log("WSGI0110");
        wait_for("it to be told", || (httpd.get("/health/ready").text() == format!("{line}\n")).then_some(()));
        assert_answer(&httpd.get("/health/startup"), 503, line);
        // The other group takes its own time to start, and is not concerned.
        wait_for("the other group", || (httpd.get("/health/ready/group").status == 200).then_some(()));
        let text =
            "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'late']\n";
        fs::write(httpd.root().join("late.py"), text).expect("our own file");
        httpd.get("/late").assert(200, "late");
        wait_until_ready(&httpd);
        assert_answer(&httpd.get("/health/startup"), 200, "ok");
        httpd.finish(&["WSGI0110", "Traceback"]);
    }
}

#[test]
fn a_graceful_stop_tells_first_and_serves_on_for_the_drain_time() {
    for mpm in Mpm::ALL {
        println!("{mpm:?}");
        let httpd = probed("", "WSGIDrainTime 3600").mpm(mpm).start();
        wait_until_ready(&httpd);
        httpd.parent().signal("WINCH");
        wait_for("the drain", || (httpd.get("/health/ready").status == 503).then_some(()));
        assert_answer(&httpd.get("/health/ready"), 503, "draining");
        assert_answer(&httpd.get("/health/ready/group"), 503, "draining");
        assert_answer(&httpd.get("/health/live"), 200, "ok");
        // New connections are served as before. The second signal ends the wait.
        httpd.get("/plain").assert(200, "done");
        httpd.finish_by("WINCH", &[]);
    }
}

#[test]
fn the_drain_ends_by_itself_also_after_a_restart() {
    let httpd = probed("", "WSGIDrainTime 0.5").start();
    httpd.graceful();
    wait_until_ready(&httpd);
    httpd.parent().signal("WINCH");
    httpd.wait_for_log("AH00492");
    httpd.finish_killed(&[]);
}

#[test]
fn the_probes_of_the_sample_for_kubernetes_are_answered() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/more-than-one-machine.md");
    let text = fs::read_to_string(document).expect("the document");
    let paths: Vec<_> = text.split("httpGet: {path: ").skip(1).filter_map(|rest| rest.split(',').next()).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let location = "<Location /server-wsgi-health>\nSetHandler wsgi-health\n</Location>\n";
    let httpd = serving("threads=2", location).start();
    for path in paths {
        wait_for(path, || (httpd.get(path).text() == "ok\n").then_some(()));
    }
    httpd.finish(&[]);
}
