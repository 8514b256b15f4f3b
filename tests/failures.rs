//! What a client, the log and the process see when an application fails.
//!
//! Before a byte was sent the client gets httpd's error page; afterwards it
//! never gets something that looks complete, and the connection ends at once.

use crate::support::{Httpd, LOG_OF_DEATH, in_both_modes, wait_for};
use std::time::Duration;

const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn a_failure_before_the_first_byte_is_an_error_page() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        let cases = [
            ("raises", "ValueError: before start_response"),
            ("raises_after_start_response", "ValueError: after start_response"),
            ("raises_on_first_item", "ValueError: on the first item"),
            ("raises_after_empty_write", "ValueError: after an empty write"),
            ("interrupts", "KeyboardInterrupt"),
            ("generator_exit", "GeneratorExit"),
            ("stop_iteration", "StopIteration"),
            ("returns_none", "TypeError: "),
            ("returns_number", "TypeError: "),
            ("returns_str", "TypeError: "),
            ("returns_bytes", "TypeError: "),
            ("yields_str", "TypeError: "),
            ("second_item_is_str", "TypeError: "),
            ("yields_bytearray", "TypeError: "),
            ("yields_none", "TypeError: "),
            ("iter_fails", "ValueError: in __iter__"),
        ];
        for (path, exception) in cases {
            let tracebacks = httpd.error_log().count(exception);
            let response = httpd.get(&format!("/{path}"));
            response.assert_error_page(500);
            assert_eq!(response.header("X-App"), None, "{path}: the page is not the application's");
            wait_for(exception, || (httpd.error_log().count(exception) > tracebacks).then_some(()));
        }
        assert_eq!(httpd.error_log().count("WSGI0174"), cases.len(), "{:#?}", httpd.error_log());
        httpd.get("/what_was_closed").assert(200, "iter_fails");
        let mut expected: Vec<_> = cases.iter().map(|(_, exception)| *exception).collect();
        expected.push("WSGI0174");
        httpd.finish(&expected);
    });
}

#[test]
fn system_exit_ends_the_request_and_not_the_process() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        let before = httpd.servers();
        httpd.get("/exits").assert_error_page(500);
        httpd.get("/sends_and_exits").assert_cut_short(200, "so far");
        httpd.get("/fine").assert(200, "fine");
        assert_eq!(httpd.servers(), before);
        httpd.finish(&["WSGI0175", "SystemExit: leaving", "SystemExit: 3"]);
    });
}

#[test]
fn the_log_tells_what_failed_and_in_which_request() {
    let httpd = Httpd::serving("failures.py").start();
    httpd.get("/raises").assert_error_page(500);
    let access = httpd.wait_for_access("/raises");
    let id = access.split(' ').nth(3).expect("the request id");
    let log = httpd.error_log();
    let [entry] = log.matching("WSGI0174")[..] else { panic!("not one record: {log:#?}") };
    assert_eq!((entry.module.as_str(), entry.level.as_str()), ("wsgi", "error"));
    assert!(entry.client.as_deref().is_some_and(|client| client.starts_with("127.0.0.1:")), "{entry:?}");
    for fact in ["failures.py", "ValueError", id] {
        assert!(entry.message.contains(fact), "{fact} in {entry:?}");
    }
    let [traceback] = log.matching("Traceback (most recent call last):")[..] else { panic!("{log:#?}") };
    for line in [", line 13, in application\n", ", in raises\n", "    raise ValueError(\"before start_response\")\n"] {
        assert!(traceback.message.contains(line), "{line:?} in {}", traceback.message);
    }
    assert!(traceback.message.ends_with("\nValueError: before start_response"), "{}", traceback.message);
    httpd.finish(&["WSGI0174", "ValueError: before start_response"]);
}

#[test]
fn every_exception_can_be_told() {
    let httpd = Httpd::serving("failures.py").start();
    for path in ["/chained", "/exception_group", "/unprintable"] {
        httpd.get(path).assert_error_page(500);
    }
    let log = httpd.error_log();
    assert_eq!(log.count("KeyError: 'the cause'*ValueError: the consequence"), 1, "{log:#?}");
    let group: Vec<_> = log.entries.iter().filter(|entry| entry.message.contains("TypeError: two")).collect();
    assert_eq!(group.len(), 1, "{log:#?}");
    httpd.finish(&[
        "WSGI0174",
        "ValueError: the consequence",
        "ExceptionGroup: several",
        "  |",
        "  +",
        "Odd: <exception str() failed>",
    ]);
}

#[test]
fn a_failure_after_the_first_byte_is_seen_by_the_client() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        for path in [
            "/sends_and_raises",
            "/sends_and_raises_with_length",
            "/writes_and_raises",
            "/sends_and_yields_str",
            "/short",
        ] {
            println!("{path}");
            let (mut connection, response) = httpd.request("GET", path).keep_alive().send_on();
            response.assert_cut_short(200, "so far");
            assert_eq!(response.header("X-App"), Some("1"));
            connection.assert_closed_within(AT_ONCE);
            let access = httpd.wait_for_access(&format!("{path} "));
            assert!(access.starts_with("200 "), "{access}");
        }
        httpd.get("/fine").assert(200, "fine");
        assert_eq!(httpd.error_log().count("WSGI0174"), 4);
        assert_eq!(httpd.error_log().count("WSGI1003"), 1);
        httpd.finish(&["WSGI0174", "ValueError: half-way", "TypeError: ", "WSGI1003*6 of the 10 bytes"]);
    });
}

#[test]
fn a_body_that_never_came_is_no_success() {
    let httpd = Httpd::serving("failures.py").start();
    let (mut connection, response) = httpd.request("GET", "/short_by_everything").keep_alive().send_on();
    // Nothing had been sent, so it is either a page or a response cut short.
    if response.status == 200 {
        assert!(!response.complete, "{response:?}");
    } else {
        response.assert_error_page(500);
    }
    connection.assert_closed_within(AT_ONCE);
    httpd.finish(&["WSGI1003*0 of the 10 bytes"]);
}

#[test]
fn a_cut_response_answers_an_http_1_0_client_too() {
    let httpd = Httpd::serving("failures.py").start();
    let mut connection = httpd.connect();
    let request = "GET /sends_and_raises_with_length HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    let response = connection.send(request).response();
    response.assert_cut_short(200, "so far");
    connection.assert_closed_within(AT_ONCE);
    httpd.finish(&["WSGI0174", "ValueError: half-way"]);
}

#[test]
fn no_request_is_served_on_a_connection_that_was_cut() {
    let httpd = Httpd::serving("failures.py").start();
    let mut connection = httpd.connect();
    connection.send_get("/sends_and_raises").send_get("/fine");
    connection.response().assert_cut_short(200, "so far");
    connection.assert_closed_within(AT_ONCE);
    httpd.finish(&["WSGI0174", "ValueError: half-way"]);
}

#[test]
fn a_failure_after_the_last_byte_is_only_logged() {
    let httpd = Httpd::serving("failures.py").start();
    // The client has all it was promised.
    httpd.get("/sends_all_and_raises").assert(200, "all");
    httpd.get("/close_fails").assert(200, "whole");
    httpd.finish(&["WSGI0174", "ValueError: after the last byte", "WSGI0194", "ValueError: in close()"]);
}

#[test]
fn a_dying_child_cuts_the_response_and_is_replaced() {
    let httpd = Httpd::serving("failures.py").start();
    let before = httpd.servers();
    let (mut connection, response) = httpd.request("GET", "/child_dies").keep_alive().send_on();
    response.assert_cut_short(200, "so far");
    connection.assert_closed_within(AT_ONCE);
    httpd.get("/fine").assert(200, "fine");
    assert_ne!(httpd.servers(), before);
    httpd.finish(LOG_OF_DEATH);
}

#[test]
fn an_error_document_takes_the_place_of_the_page() {
    let conf = "WSGIScriptAlias /app {app}\nErrorDocument 500 \"own words\"";
    let httpd = Httpd::with(conf, "failures.py").start();
    httpd.get("/app/raises").assert(500, "own words");
    httpd.finish(&["WSGI0174", "ValueError: before start_response"]);
}

#[test]
fn a_client_that_leaves_ends_the_iteration_and_close_is_called() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/endless");
        assert_eq!(connection.head().status, 200);
        connection.chunk();
        drop(connection);
        wait_for("close()", || (httpd.get("/what_was_closed").text() == "endless").then_some(()));
        // Nobody is to blame, so nothing is logged; the status is the application's.
        let access = httpd.wait_for_access("/endless");
        assert!(access.starts_with("200 X"), "{access}");
        httpd.finish(&[]);
    });
}

#[test]
fn writing_to_a_client_that_left_raises() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/endless_write");
        connection.head();
        connection.chunk();
        drop(connection);
        wait_for("OSError", || (httpd.get("/what_was_closed").text() == "OSError").then_some(()));
        httpd.finish(&["WSGI0174*OSError", "OSError: "]);
    });
}

#[test]
fn reading_from_a_client_that_left_raises() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send("POST /reads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npart");
        drop(connection);
        wait_for("OSError", || (httpd.get("/what_was_closed").text() == "OSError").then_some(()));
        httpd.finish(&["WSGI0174*OSError", "OSError: "]);
    });
}

#[test]
fn a_client_that_leaves_early_is_no_trouble() {
    let httpd = Httpd::serving("failures.py").start();
    for beginning in ["", "G", "GET /fine HTTP/1.1\r\n", "GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        httpd.connect().send(beginning);
    }
    httpd.get("/fine").assert(200, "fine");
    httpd.finish(&[]);
}

#[test]
fn absurd_requests_get_the_right_status() {
    let httpd = Httpd::serving("failures.py").start();
    let long = "x".repeat(9000);
    let many = "X-A: b\r\n".repeat(150);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET /fine HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /fine HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n".to_owned(), 400),
        ("GET /fine HTTP/1.1\r\nHost: a\r\nX-A: b\u{0}c\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /fine HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n"), 400),
        (format!("GET /fine HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 400),
        ("POST /fine HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
        ("POST /fine HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_owned(), 400),
    ] {
        let mut connection = httpd.connect();
        let response = connection.send(&request).response();
        assert_eq!(response.status, status, "{:.60}", request);
        connection.assert_closed_within(AT_ONCE);
    }
    httpd.get("/fine").assert(200, "fine");
    httpd.finish(&[]);
}

#[test]
fn a_cut_response_is_cut_behind_a_filter_too() {
    let conf = "WSGIScriptAlias / {app}\nSetOutputFilter DEFLATE";
    let httpd = Httpd::with(conf, "failures.py").modules(&["filter", "deflate"]).start();
    for path in ["/sends_and_raises", "/sends_and_raises_with_length", "/short"] {
        let request = httpd.request("GET", path).header("Accept-Encoding", "gzip").keep_alive();
        let (mut connection, response) = request.send_on();
        if response.status == 200 {
            assert!(!response.complete, "{path}: {response:?}");
        } else {
            // The filter had kept everything back.
            response.assert_error_page(500);
        }
        connection.assert_closed_within(AT_ONCE);
    }
    httpd.finish(&["WSGI0174", "ValueError: half-way", "WSGI1003*6 of the 10 bytes"]);
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    in_both_modes(|mode| {
        let conf = "WSGIScriptAlias / {app}\nTimeout 1";
        let httpd = Httpd::with(conf, "failures.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/endless");
        wait_for("close()", || (httpd.get("/what_was_closed").text() == "endless").then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn a_client_that_leaves_during_a_file_closes_the_file() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("failures.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/long_file");
        assert_eq!(connection.head().status, 200);
        connection.up_to(1000);
        drop(connection);
        wait_for("close()", || (httpd.get("/what_was_closed").text() == "file").then_some(()));
        httpd.finish(&[]);
    });
}
