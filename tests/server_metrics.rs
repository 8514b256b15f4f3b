//! `mod_wsgi.server_metrics()` in httpd's own processes: the scoreboard, where `WSGIServerMetrics` is on.

use crate::support::{Builder, Httpd, Mpm, in_both_modes, wait_for};

const ALIAS: &str = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{GLOBAL}\n";

fn measured(conf: &str) -> Builder {
    Httpd::with(&format!("WSGIServerMetrics On\nExtendedStatus On\n{ALIAS}{conf}"), "server_metrics.py")
}

#[track_caller]
fn ask(httpd: &Httpd, what: &str) -> String {
    let response = httpd.get(&format!("/?{what}"));
    assert_eq!(response.status, 200, "{what}: {response:?}");
    response.text().to_owned()
}

const SHAPE: &str = "\
    current_time:float processes:list restart_time:float running_generation:int running_time:int server_limit:int \
    thread_limit:int\n\
    generation:int pid:int process_num:int quiescing:bool workers:list\n\
    access_count:int bytes_served:int client:str generation:int last_used:float request:str start_time:float status:str \
    stop_time:float thread_num:int vhost:str\n";

#[test]
fn the_scoreboard_is_told_by_its_keys_under_every_mpm() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let httpd = measured("").mpm(mpm).gil_mode(mode).start();
            assert_eq!(ask(&httpd, "shape"), SHAPE);
            wait_for("the first access to be counted", || (ask(&httpd, "sums") != "0 0 False\n").then_some(()));
            assert_eq!(ask(&httpd, "many"), "dict\n80\n");
            httpd.finish(&[]);
        });
    }
    let httpd = measured("").gil_build().start();
    assert_eq!(ask(&httpd, "shape"), SHAPE);
    httpd.finish(&[]);
}

#[test]
fn requests_under_way_are_seen() {
    in_both_modes(|mode| {
        let httpd = measured("").gil_mode(mode).start();
        let mut held = httpd.connect();
        held.send("POST /held?hold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n");
        let port = port(&httpd);
        let line = |target: &str| format!(": 127.0.0.1 localhost:{port} {target} HTTP/1.1\n");
        let seen = wait_for("both requests", || {
            let seen = ask(&httpd, "busy");
            (seen.lines().count() == 2).then_some(seen)
        });
        assert!(seen.contains(&line("GET /?busy")) && seen.contains(&line("POST /held?hold")), "{seen}");
        let child = httpd.children()[0].0;
        assert!(seen.lines().all(|line| line.starts_with(&format!("{child} of 0: "))), "{child}: {seen}");
        held.send("body");
        held.response().assert(200, "body\n");
        wait_for("one request", || (ask(&httpd, "busy").lines().count() == 1).then_some(()));
        httpd.finish(&[]);
    });
}

/// The port that the server listens at.
fn port(httpd: &Httpd) -> String {
    let conf = std::fs::read_to_string(httpd.root().join("httpd.conf")).expect("the configuration");
    conf.lines().find_map(|line| line.strip_prefix("Listen 127.0.0.1:")).expect("a port").to_owned()
}

#[test]
fn texts_are_empty_without_extended_status() {
    let httpd = Httpd::with(&format!("WSGIServerMetrics On\n{ALIAS}"), "server_metrics.py").start();
    assert_eq!(ask(&httpd, "busy"), format!("{} of 0:   \n", httpd.children()[0].0));
    httpd.finish(&[]);
}

#[test]
fn a_long_request_line_and_bytes_that_are_no_text_are_told_as_far_as_there_is_room() {
    let httpd = measured("").start();
    let target = format!("/{}?busy", "é".repeat(40));
    let mut connection = httpd.connect();
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    let response = connection.response();
    let text = response.text();
    // 64 bytes with the NUL: "GET /", and the first of each pair is U+00C3 as latin-1.
    let told = text.trim_end().rsplit_once("GET /").expect("the request line").1;
    assert_eq!(told.chars().count(), 58, "{text}");
    assert!(told.chars().all(|one| "Ã©".contains(one)), "{text}");
    httpd.finish(&[]);
}

#[test]
fn it_is_none_where_it_is_not_allowed() {
    for conf in ["", "WSGIServerMetrics Off\n"] {
        let httpd = Httpd::with(&format!("{conf}{ALIAS}"), "server_metrics.py").start();
        assert_eq!(ask(&httpd, "is_none"), "True\n");
        httpd.finish(&[]);
    }
}

#[test]
fn restarts_leave_it_right() {
    let httpd = measured("").start();
    wait_for("the first access to be counted", || (ask(&httpd, "sums") != "0 0 False\n").then_some(()));
    // What went before is counted until all starts anew.
    httpd.graceful();
    let sums = ask(&httpd, "sums");
    assert!(sums.starts_with("1 ") && !sums.starts_with("1 0 "), "{sums}");
    httpd.restart();
    assert_eq!(ask(&httpd, "sums"), "2 0 False\n");
    httpd.finish(&[]);
}
