//! `WSGISlowRequests`: a request that takes longer is logged while it runs, with its stack, and when it ends.

use crate::support::{Builder, Connection, Entry, GilMode, Httpd, Mpm, in_both_modes, wait_for};
use std::fs;

const EMBEDDED: &str = "WSGISlowRequests 0.4\nWSGIScriptAlias / {app}\n";
const DAEMON: &str = "WSGISlowRequests 0.4\nWSGIDaemonProcess group threads=1\n\
                      WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\n";
const FRAME: &str = "  File \"*slow.py\", line *in hold_on";
/// The process that has loaded the application is the one that serves it.
const ONE: &str = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\nMinSpareServers 1\nMaxSpareServers 1";
/// On a busy machine any request may be slow.
const ALL: [&str; 4] = ["WSGI1160: slow request", "WSGI1161: slow request", "WSGI1162: ", FRAME];

fn serving(conf: &str, mode: GilMode) -> Builder {
    Httpd::with(conf, "slow.py").gil_mode(mode)
}

/// A request that goes on until [`release`].
fn hold(httpd: &Httpd) -> Connection {
    let mut connection = httpd.connect();
    connection.send_get("/hold?password=secret");
    connection
}

fn release(httpd: &Httpd) {
    fs::write(httpd.app_path("release"), "").expect("a file");
}

/// The one entry of level warn that matches.
#[track_caller]
fn one(httpd: &Httpd, pattern: &str) -> Entry {
    let log = httpd.error_log();
    let [entry] = log.matching(pattern)[..] else { panic!("{pattern}: {:?}", log.matching(pattern)) };
    assert_eq!((&*entry.module, &*entry.level), ("wsgi", "warn"), "{entry:?}");
    entry.clone()
}

/// Runs a slow request to its end, and checks what the log says of it. `place` is where it says that the request runs.
#[track_caller]
fn check(httpd: Httpd, place: &str) {
    let running = format!(
        "WSGI1160: slow request GET '/hold' has run for * s (WSGISlowRequests); it is in phase 'application' in {place} [request "
    );
    let ended = "WSGI1161: slow request GET '/hold' has ended with status 202 after * s (WSGISlowRequests) [script *slow.py] [request ";
    httpd.get("/").assert(200, "done");
    let mut held = hold(&httpd);
    httpd.wait_for_log(&running);
    httpd.wait_for_log(FRAME);
    assert_eq!(httpd.error_log().count(ended), 0);
    release(&httpd);
    assert_eq!(held.response().status, 202);
    httpd.wait_for_log(ended);
    let (running, ended) = (one(&httpd, &running), one(&httpd, ended));
    let id = running.message.rsplit_once("[request ").expect("an id").1;
    assert!(id.len() > 8 && ended.message.ends_with(&format!("[request {id}")), "{running:?} {ended:?}");
    let stack = one(&httpd, &format!("WSGI1162: stack of request {}, thread ", id.trim_end_matches(']')));
    assert!(stack.message.contains("(most recent call last):"), "{stack:?}");
    assert!(ended.client.is_some());
    assert!(!httpd.error_log_text().contains("secret"));
    httpd.finish(&ALL);
}

#[test]
fn an_embedded_request_is_logged_while_it_runs_and_when_it_ends() {
    in_both_modes(|mode| check(serving(EMBEDDED, mode).start(), "this process"));
    let prefork = serving(EMBEDDED, GilMode::Free).mpm(Mpm::Prefork).size(ONE);
    check(prefork.start(), "this process");
    let named = format!("{EMBEDDED}WSGIApplicationGroup named\n");
    check(serving(&named, GilMode::Shared).start(), "this process");
}

#[test]
fn a_request_of_a_daemon_is_logged_while_it_runs_and_when_it_ends() {
    in_both_modes(|mode| check(serving(DAEMON, mode).start(), "process * of process group 'group'"));
    let conf = format!("WSGIRestrictEmbedded On\n{DAEMON}");
    check(serving(&conf, GilMode::Free).start(), "process * of process group 'group'");
}

#[test]
fn a_request_that_waits_for_a_thread_of_a_daemon_is_slow_too() {
    let httpd = serving(DAEMON, GilMode::Free).start();
    httpd.get("/").assert(200, "done");
    let mut held = hold(&httpd);
    httpd.wait_for_log(FRAME);
    let mut waiting = httpd.connect();
    waiting.send_get("/waiting");
    let running = "WSGI1160: slow request GET '/waiting' has run for * s (WSGISlowRequests); it is in phase 'queue' in process group 'group'";
    httpd.wait_for_log(running);
    release(&httpd);
    assert_eq!((held.response().status, waiting.response().status), (202, 200));
    httpd.wait_for_log("WSGI1161: slow request GET '/waiting' has ended with status 200");
    one(&httpd, running);
    httpd.finish(&ALL);
}

#[test]
fn slow_requests_do_not_fill_the_log() {
    let httpd = serving("WSGISlowRequests 0.000001\nWSGIScriptAlias / {app}\n", GilMode::Free).start();
    for _ in 0..200 {
        httpd.get("/").assert(200, "done");
    }
    let ended = "WSGI1161: slow request GET '/' has ended with status 200";
    let shown = httpd.error_log().count(ended);
    assert!((30..150).contains(&shown), "{shown}");
    // The next line says how many are missing.
    let left_out = "WSGI1163: * more lines about slow requests were left out";
    let told = wait_for("the log to say so", || {
        httpd.get("/");
        let log = httpd.error_log();
        let entry = log.matching(left_out).into_iter().find(|entry| entry.client.is_some())?.clone();
        entry.message.split(' ').nth(1)?.parse::<usize>().ok()
    });
    assert!(told > 50, "{told}");
    let log = httpd.error_log();
    // Requests that run just when the process looks for them may be there too.
    let running = ["WSGI1160", "WSGI1162", "  File"].into_iter().filter(|pattern| log.count(pattern) > 0);
    httpd.finish(&running.chain([ended, left_out]).collect::<Vec<_>>());
}
