//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling"):
//! a class that iterates over a file, which httpd sends itself if it can.

use crate::support::{Builder, Framing, Httpd, in_both_modes, wait_for};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// 110,000 bytes of text, more than any buffer on the way holds.
fn data() -> String {
    (0..10_000).map(|line| format!("line {line:05}\n")).collect()
}

fn serving_data(conf: &str) -> Builder {
    Httpd::with(&format!("WSGIScriptAlias / {{app}}\n{conf}"), "file_wrapper.py").file("data", &data())
}

#[test]
fn a_file_is_sent_whole_with_its_length() {
    in_both_modes(|mode| {
        for conf in ["", "WSGIEnableSendfile On", "WSGIEnableSendfile Off", "EnableMMAP Off"] {
            let httpd = serving_data(conf).gil_mode(mode).start();
            let mut connection = httpd.connect();
            for path in ["/whole", "/small_blocks", "/derived", "/after_empty_write"] {
                let response = connection.get(path);
                response.assert(200, &data());
                assert_eq!(response.framing, Framing::Length(110_000), "{conf} {path}");
            }
            httpd.finish(&[]);
        }
    });
}

#[test]
fn it_is_sent_from_where_it_stands() {
    let httpd = serving_data("").start();
    let data = data();
    for offset in [0, 1, 11, 8193, 109_999] {
        let response = httpd.get(&format!("/from_offset?{offset}"));
        response.assert(200, &data[offset..]);
        assert_eq!(response.framing, Framing::Length(110_000 - offset));
    }
    // What the file object has read ahead is not lost.
    httpd.get("/buffered_read_before").assert(200, &data[10..]);
    // Nothing is left to send.
    for path in ["/from_offset?110000", "/from_offset?200000", "/empty"] {
        let response = httpd.get(path);
        response.assert(200, "");
        assert_eq!(response.framing, Framing::Length(0), "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn the_applications_length_is_kept() {
    let httpd = serving_data("").start();
    let data = data();
    for length in [0, 1, 8192, 109_999, 110_000] {
        let response = httpd.request("GET", "/whole").header("X-Length", &length.to_string()).send();
        response.assert(200, &data[..length]);
        assert_eq!(response.framing, Framing::Length(length));
    }
    httpd.request("GET", "/from_offset?11").header("X-Length", "11").send().assert(200, "line 00001\n");
    httpd.finish(&[]);
}

#[test]
fn a_length_beyond_the_end_never_looks_complete() {
    let httpd = serving_data("").start();
    for path in ["/whole", "/from_offset?100000", "/from_offset?200000"] {
        let request = httpd.request("GET", path).header("X-Length", "120000").keep_alive();
        let (mut connection, response) = request.send_on();
        if response.status == 200 {
            assert!(!response.complete, "{path}: {response:?}");
            assert!(data().ends_with(response.text()), "{path}: {response:?}");
        } else {
            response.assert_error_page(500);
        }
        connection.assert_closed_within(Duration::from_secs(1));
    }
    httpd.finish(&["WSGI1003*of the 120000 bytes"]);
}

#[test]
fn what_is_no_plain_file_is_iterated() {
    in_both_modes(|mode| {
        let httpd = serving_data("").gil_mode(mode).start();
        for (path, body, chunks) in [
            ("/in_memory", "in memory", &[4, 4, 1][..]),
            ("/only_read", "onethree", &[3, 5]),
            ("/a_pipe", "through a pipe", &[14]),
        ] {
            let response = httpd.get(path);
            response.assert(200, body);
            assert_eq!(response.framing, Framing::Chunked, "{path}");
            assert_eq!(response.chunks, chunks, "{path}");
        }
        let after_write = httpd.get("/after_write");
        after_write.assert(200, &format!("before:{}", data()));
        assert_eq!(after_write.framing, Framing::Chunked);
        httpd.finish(&[]);
    });
}

/// Names of `FILES` in the application, and whether httpd may send their descriptor's bytes.
const KINDS: [(&str, bool); 18] = [
    ("gzip", false),
    ("bz2", false),
    ("lzma", false),
    ("zip", false),
    ("subclass", false),
    ("proxy", false),
    ("proc", false),
    ("sys", false),
    ("socket", false),
    ("pipe", false),
    ("spooled%20in%20memory", false),
    ("spooled%20on%20disk", false),
    ("temporary", true),
    ("named%20temporary", true),
    ("unbuffered", true),
    ("descriptor", true),
    ("partly%20read", true),
    ("append", true),
];

#[test]
fn a_response_is_what_reading_the_file_gives() {
    in_both_modes(|mode| {
        let httpd = serving_data("").gil_mode(mode).start();
        let mut connection = httpd.connect();
        for (kind, is_sent_by_httpd) in KINDS {
            if kind == "sys" && !Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists() {
                continue;
            }
            let expected = connection.get(&format!("/kind_read?{kind}"));
            let response = connection.get(&format!("/kind?{kind}"));
            response.assert(200, expected.text());
            assert_eq!(matches!(response.framing, Framing::Length(_)), is_sent_by_httpd, "{kind}: {response:?}");
        }
        httpd.get("/as_text").assert_error_page(500);
        httpd.get("/only_written").assert_error_page(500);
        httpd.finish(&[
            "WSGI0174",
            "TypeError: read() of the file-like object must return bytes",
            "UnsupportedOperation: ",
        ]);
    });
}

#[test]
fn the_file_is_closed_and_its_position_is_kept() {
    in_both_modes(|mode| {
        let httpd = serving_data("").gil_mode(mode).start();
        httpd.get("/closes").assert(200, &data());
        let closed = || (httpd.get("/what_was_seen").text() == "position 0").then_some(());
        wait_for("close()", closed);
        httpd.finish(&[]);
    });
}

#[test]
fn a_failure_while_reading_cuts_the_response() {
    let httpd = serving_data("").start();
    let (mut connection, response) = httpd.request("GET", "/read_fails").keep_alive().send_on();
    response.assert_cut_short(200, "so far");
    connection.assert_closed_within(Duration::from_secs(1));
    httpd.finish(&["WSGI0174", "ValueError: disk on fire"]);
}

#[test]
fn httpd_serves_ranges_and_heads_of_it() {
    let httpd = serving_data("").start();
    let response = httpd.request("GET", "/whole").header("Range", "bytes=11-21").send();
    response.assert(206, "line 00001\n");
    assert_eq!(response.header("Content-Range"), Some("bytes 11-21/110000"));
    let mut connection = httpd.connect();
    let head = connection.send("HEAD /whole HTTP/1.1\r\nHost: a\r\n\r\n").response_to("HEAD");
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("110000")));
    connection.get("/in_memory").assert(200, "in memory");
    httpd.finish(&[]);
}

#[test]
fn the_class_behaves_as_the_reference_says() {
    let httpd = Httpd::serving("evaluate.py").start();
    let import = "(lambda F, io: VALUE)(mod_wsgi.FileWrapper, __import__('io'))";
    for (expression, value) in [
        ("list(F(io.BytesIO(b'abcdef'), 4))", "[b'abcd', b'ef']"),
        ("list(F(filelike=io.BytesIO(b'abcdef'), blksize=3))", "[b'abc', b'def']"),
        ("F(io.BytesIO()).blksize", "8192"),
        ("(lambda f: F(f).filelike is f)(io.BytesIO())", "True"),
        ("(lambda w: iter(w) is w)(F(io.BytesIO()))", "True"),
        ("list(F(io.BytesIO(b'x'), 0))", "[]"),
        ("type(F(None)) is F", "True"),
        ("attempt(F)", "'TypeError'"),
        ("attempt(F, io.BytesIO(), 'x')", "'TypeError'"),
        ("attempt(F, io.BytesIO(), 1.5)", "'TypeError'"),
        ("attempt(F, io.BytesIO(), -1)", "'ValueError'"),
        ("attempt(F, io.BytesIO(), 1, 2)", "'TypeError'"),
        ("attempt(list, F(io.StringIO('text')))", "'TypeError'"),
        ("attempt(list, F(None))", "'AttributeError'"),
        ("attempt(setattr, F(None), 'filelike', 1)", "'AttributeError'"),
        ("attempt(setattr, F(None), 'blksize', 1)", "'AttributeError'"),
        ("(lambda f, w: (w.close(), w.close(), f.closed))(*(lambda f: (f, F(f)))(io.BytesIO()))", "(None, None, True)"),
        (
            "(lambda w: (w.close(), attempt(getattr, w, 'filelike'), attempt(next, w)))(F(io.BytesIO(b'x')))",
            "(None, 'ValueError', 'ValueError')",
        ),
        // A file without close() has nothing to close.
        ("attempt(F(object()).close)", "None"),
        ("issubclass(type('D', (F,), {}), F)", "True"),
        ("F.__module__ + '.' + F.__name__", "'mod_wsgi.FileWrapper'"),
    ] {
        assert_eq!(httpd.python(&import.replace("VALUE", expression)), value, "{expression}");
    }
    httpd.finish(&[]);
}

#[test]
fn a_file_that_is_cut_while_it_is_sent_does_not_end_the_child_of_httpd() {
    // A filter that looks at the file, as TLS does.
    let conf = "WSGIScriptAlias / {app}\nSetOutputFilter DEFLATE";
    let builder = Httpd::with(conf, "file_wrapper.py").modules(&["filter", "deflate"]);
    let mut file = fs::File::create(builder.root().join("data")).expect("our own folder");
    let random = fs::File::open("/dev/urandom").expect("random numbers");
    io::copy(&mut random.take(32 << 20), &mut file).expect("room for 32 MiB");
    let httpd = builder.start();
    let children = httpd.children();
    let mut connection = httpd.connect();
    connection.send("GET /whole HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    file.set_len(0).expect("our own file");
    let received = connection.rest();
    assert!(received.len() < 32 << 20, "{} bytes", received.len());
    assert!(!received.ends_with(b"0\r\n\r\n"), "it looks complete");
    httpd.get("/empty").assert(200, "");
    assert_eq!(httpd.children(), children);
    httpd.finish(&["failed reading from HEAP bucket"]);
}
