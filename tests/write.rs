//! The `write` callable that `start_response` returns (PEP 3333, "The write()
//! Callable").

use crate::support::{Framing, Httpd, in_both_modes};
use std::time::Duration;

#[test]
fn what_is_written_comes_before_what_is_returned() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("write.py").gil_mode(mode).start();
        for (path, body) in [
            ("/only_written", "onethree"),
            ("/written_and_returned", "onethree5"),
            ("/written_in_the_body", "onethree5"),
        ] {
            let response = httpd.get(path);
            response.assert(200, body);
            assert_eq!(response.framing, Framing::Chunked, "{path}");
        }
        assert_eq!(httpd.get("/only_written").chunks, [3, 5]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_written_block_reaches_the_client_at_once() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("write.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/step_by_step");
        assert_eq!(connection.head().status, 200);
        assert_eq!(connection.chunk().as_deref(), Some(&b"first"[..]));
        connection.assert_silent_for(Duration::from_millis(100));
        httpd.get("/release").assert(200, "released");
        assert_eq!(connection.chunk().as_deref(), Some(&b"second"[..]));
        assert_eq!(connection.chunk(), None);
        httpd.finish(&[]);
    });
}

#[test]
fn it_takes_one_block_of_bytes() {
    let httpd = Httpd::serving("write.py").start();
    let error = "TypeError";
    httpd.get("/outcomes").assert(200, &format!("xNone {}", [error; 7].join(" ")));
    httpd.finish(&[]);
}

#[test]
fn an_empty_block_settles_the_headers() {
    let httpd = Httpd::serving("write.py").start();
    httpd.get("/an_empty_write_settles_the_headers").assert(200, "RuntimeError");
    httpd.finish(&[]);
}

#[test]
fn before_start_response_it_raises() {
    let httpd = Httpd::serving("evaluate.py").start();
    assert_eq!(httpd.python("start_response.__self__.write(b'early')"), "RuntimeError");
    httpd.finish(&[]);
}

#[test]
fn written_and_returned_bytes_share_the_content_length() {
    let httpd = Httpd::serving("write.py").start();
    let mut connection = httpd.connect();
    for (path, length, body) in [
        ("/written_and_returned", "9", "onethree5"),
        ("/written_and_returned", "4", "onet"),
        ("/written_and_returned", "2", "on"),
        ("/too_much", "3", "012"),
        ("/too_much", "9", "01234more"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Length: {length}\r\n\r\n");
        let response = connection.send(request).response();
        response.assert(200, body);
        assert_eq!(response.framing, Framing::Length(body.len()));
    }
    httpd.finish(&[]);
}
