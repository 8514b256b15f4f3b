//! The body that an application returns: what may be iterated, how it is
//! framed and when it reaches the client, `close()`, and Content-Length
//! (PEP 3333, "Buffering and Streaming", "Handling the Content-Length Header").

use crate::support::{Framing, Httpd, in_both_modes};
use std::thread;
use std::time::Duration;

#[test]
fn anything_that_can_be_iterated_is_a_body() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("iteration.py").gil_mode(mode).start();
        for path in ["/a_tuple", "/a_generator", "/a_dict", "/a_sequence", "/derived_bytes"] {
            let response = httpd.get(path);
            response.assert(200, "onethree");
            assert_eq!(response.framing, Framing::Chunked, "{path}");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn each_item_that_code_had_to_make_is_a_chunk() {
    let httpd = Httpd::serving("iteration.py").start();
    for path in ["/a_generator", "/a_sequence"] {
        let response = httpd.get(path);
        assert_eq!(response.chunks, [3, 5], "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn even_a_single_item_gets_no_content_length() {
    let httpd = Httpd::serving("iteration.py").start();
    for (path, body) in [("/one_item", "one"), ("/a_list", "onethree5")] {
        let response = httpd.get(path);
        response.assert(200, body);
        assert_eq!(response.framing, Framing::Chunked, "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn an_empty_body_has_length_nought() {
    let httpd = Httpd::serving("iteration.py").start();
    let mut connection = httpd.connect();
    for path in ["/nothing", "/empty_items", "/closing_unstarted"] {
        let response = connection.get(path);
        response.assert(200, "");
        assert_eq!(response.framing, Framing::Length(0), "{path}");
        assert_eq!(response.header("Content-Type"), Some("text/plain"), "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn an_http_1_0_client_gets_a_body_that_ends_with_the_connection() {
    let httpd = Httpd::serving("iteration.py").start();
    let mut connection = httpd.connect();
    let response = connection.send("GET /a_list HTTP/1.0\r\n\r\n").response();
    response.assert(200, "onethree5");
    assert_eq!(response.framing, Framing::UntilClose);
    // With a length the connection can be kept.
    let request = "GET /a_list HTTP/1.0\r\nConnection: keep-alive\r\nX-Length: 9\r\n\r\n";
    let mut connection = httpd.connect();
    for _ in 0..2 {
        let response = connection.send(request).response();
        response.assert(200, "onethree5");
        assert_eq!(response.framing, Framing::Length(9));
    }
    httpd.finish(&[]);
}

#[test]
fn an_item_reaches_the_client_before_the_next_is_made() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("iteration.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/step_by_step");
        assert_eq!(connection.head().status, 200);
        assert_eq!(connection.chunk().as_deref(), Some(&b"first"[..]));
        connection.assert_silent_for(Duration::from_millis(100));
        httpd.get("/release").assert(200, "released");
        assert_eq!(connection.chunk().as_deref(), Some(&b"second"[..]));
        assert_eq!(connection.chunk(), None);
        connection.get("/one_item").assert(200, "one");
        httpd.finish(&[]);
    });
}

#[test]
fn long_bodies_arrive_whole_at_slow_readers() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("iteration.py").gil_mode(mode).start();
        let numbers: String = (0..20000).map(|number| format!("{number},")).collect();
        httpd.get("/many").assert(200, &numbers);

        let mut connection = httpd.connect();
        connection.send_get("/large");
        connection.head();
        for number in 0..128_u8 {
            if number % 16 == 0 {
                thread::sleep(Duration::from_millis(20));
            }
            let chunk = connection.chunk().expect("another item");
            assert!(chunk.len() == 65536 && chunk.iter().all(|byte| *byte == number % 251), "item {number}");
        }
        assert_eq!(connection.chunk(), None);
        httpd.finish(&[]);
    });
}

#[test]
fn what_is_more_than_the_content_length_is_dropped() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("iteration.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        for (length, body) in [("5", "01234"), ("3", "012"), ("1", "0")] {
            let request = format!("GET /counted HTTP/1.1\r\nHost: a\r\nX-Length: {length}\r\n\r\n");
            let response = connection.send(request).response();
            response.assert(200, body);
            assert_eq!(response.framing, Framing::Length(body.len()));
            // The iteration went on to its end; the connection serves on.
            connection.get("/what_was_seen").assert(200, "0,1,2,3,4");
        }
        // An item may be cut within.
        httpd.request("GET", "/a_list").header("X-Length", "5").send().assert(200, "oneth");
        httpd.finish(&[]);
    });
}

#[test]
fn close_is_called_once_whatever_happened() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("iteration.py").gil_mode(mode).start();
        httpd.get("/closing").assert(200, "onethree");
        // The client sees the end only after close() has run.
        httpd.get("/what_was_seen").assert(200, "closed");
        httpd.get("/closing_unstarted").assert(200, "");
        httpd.get("/what_was_seen").assert(200, "closed");
        httpd.get("/closing_after_error").assert_cut_short(200, "one");
        httpd.get("/what_was_seen").assert(200, "closed");
        httpd.get("/closing_generator").assert_cut_short(200, "one");
        httpd.get("/what_was_seen").assert(200, "GeneratorExit,finally");
        httpd.get("/raise_with_close").assert_error_page(500);
        httpd.get("/what_was_seen").assert(200, "");
        httpd.finish(&[
            "WSGI0174*ValueError",
            "WSGI0174*TypeError",
            "ValueError: half-way",
            "TypeError: ",
            "ValueError: nothing was returned",
        ]);
    });
}

#[test]
fn a_close_that_fails_is_logged_and_changes_nothing() {
    let httpd = Httpd::serving("iteration.py").start();
    for path in ["/close_is_no_method", "/close_cannot_be_looked_up", "/close_exits"] {
        httpd.get(path).assert(200, "whole");
    }
    assert_eq!(httpd.error_log().count("WSGI0194"), 3);
    httpd.finish(&[
        "WSGI0194",
        "TypeError: 'NoneType' object is not callable",
        "ValueError: no close today",
        "SystemExit: from close()",
    ]);
}
