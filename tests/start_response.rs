//! `start_response`: its arguments, repeated calls, and what becomes of status
//! and headers (PEP 3333, "The start_response() Callable").

use crate::support::{Framing, Httpd, Response, in_both_modes};
use std::time::Duration;

#[test]
fn status_and_headers_arrive_as_given() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("start_response.py").gil_mode(mode).start();
        let response = httpd.get("/all_of_it");
        response.assert(299, "body");
        assert_eq!(response.head.status_line, "HTTP/1.1 299 Very Own");
        for (name, values) in [
            ("Content-Type", &["text/plain; charset=latin-1"][..]),
            ("X-First", &["1"]),
            ("Set-Cookie", &["a=1; Path=/", "b=2; Path=/"]),
            ("X-Empty", &[""]),
            ("WWW-Authenticate", &["Basic realm=a", "Negotiate"]),
            ("Location", &["/elsewhere"]),
            ("Last-Modified", &["not a date"]),
            ("X-Late", &[]),
        ] {
            assert_eq!(response.values(name), values, "{name}");
        }
        assert_eq!(response.header("X-Mixed-Case").map(str::trim), Some("padded\tinside"));
        assert_ne!(response.header("Date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"), "the date is httpd's");
        // One byte, which is no UTF-8.
        assert_eq!(response.header("X-Latin"), Some("\u{fffd}"));
        httpd.finish(&[]);
    });
}

#[test]
fn arguments_are_checked_at_the_call() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("evaluate.py").gil_mode(mode).start();
        for (arguments, outcome) in [
            // Number and kind.
            ("", "TypeError"),
            ("'200 OK'", "TypeError"),
            ("'200 OK', [], None, None", "TypeError"),
            ("'200 OK', headers=[]", "TypeError"),
            ("status='200 OK', headers=[]", "TypeError"),
            ("'200 OK', ()", "TypeError"),
            ("'200 OK', None", "TypeError"),
            ("'200 OK', {}", "TypeError"),
            ("'200 OK', iter([])", "TypeError"),
            ("'200 OK', [], 'exc_info'", "RuntimeError"),
            ("'200 OK', [], []", "RuntimeError"),
            // Status.
            ("b'200 OK', []", "TypeError"),
            ("200, []", "TypeError"),
            ("None, []", "TypeError"),
            ("'200 \\u20ac', []", "UnicodeEncodeError"),
            ("'', []", "ValueError"),
            ("'20', []", "ValueError"),
            ("'2000', []", "ValueError"),
            ("'2x0 OK', []", "ValueError"),
            ("' 200 OK', []", "ValueError"),
            ("'200OK', []", "ValueError"),
            ("'200\\tOK', []", "ValueError"),
            ("'200 O\\r\\nK', []", "ValueError"),
            ("'200 OK\\n', []", "ValueError"),
            ("'200 O\\x7fK', []", "ValueError"),
            // Headers.
            ("'200 OK', [None]", "TypeError"),
            ("'200 OK', ['ab']", "TypeError"),
            ("'200 OK', [['X-A', 'b']]", "TypeError"),
            ("'200 OK', [('X-A',)]", "ValueError"),
            ("'200 OK', [('X-A', 'b', 'c')]", "ValueError"),
            ("'200 OK', [(b'X-A', 'b')]", "TypeError"),
            ("'200 OK', [('X-A', b'b')]", "TypeError"),
            ("'200 OK', [('X-A', 1)]", "TypeError"),
            ("'200 OK', [('X-A', None)]", "TypeError"),
            ("'200 OK', [('X-\\u20ac', 'b')]", "UnicodeEncodeError"),
            ("'200 OK', [('X-A', '\\u20ac')]", "UnicodeEncodeError"),
            ("'200 OK', [('', 'b')]", "ValueError"),
            ("'200 OK', [('X A', 'b')]", "ValueError"),
            ("'200 OK', [('X-A\\r\\nX-B: c', 'b')]", "ValueError"),
            ("'200 OK', [('X-A', 'b\\r\\nX-B: c')]", "ValueError"),
            ("'200 OK', [('X-A', 'b\\rc')]", "ValueError"),
            ("'200 OK', [('X-A', 'b\\nc')]", "ValueError"),
        ] {
            assert_eq!(httpd.python(&format!("start_response({arguments})")), outcome, "start_response({arguments})");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn arguments_may_be_of_derived_types() {
    let httpd = Httpd::serving("evaluate.py").start();
    for arguments in [
        "type('S', (str,), {})('200 OK'), type('L', (list,), {})([type('T', (tuple,), {})(('X-A', 'b'))])",
        "'200', []",
        "'200 ', []",
        "'999 x', []",
        "'200 OK', [], None",
        "'200 OK', [], ()",
        "'200 OK', [('Connection', 'close'), ('Transfer-Encoding', 'chunked')]",
        "'200 OK', [('X-A', 'tab\\there')]",
    ] {
        let write = httpd.python(&format!("start_response({arguments})"));
        assert!(write.starts_with("<built-in method write of mod_wsgi.Adapter object"), "{arguments}: {write}");
    }
    httpd.finish(&[]);
}

#[test]
fn status_and_reason_are_the_applications() {
    let conf = "WSGIScriptAlias / {app}\nErrorDocument 404 \"httpd's words\"\nErrorDocument 500 \"httpd's words\"";
    let httpd = Httpd::with(conf, "start_response.py").start();
    for (given, sent) in [
        ("200 Fine", "HTTP/1.1 200 Fine"),
        ("404 Gone Fishing", "HTTP/1.1 404 Gone Fishing"),
        ("500 Own Words", "HTTP/1.1 500 Own Words"),
        ("418 I'm a teapot", "HTTP/1.1 418 I'm a teapot"),
        ("599 x", "HTTP/1.1 599 x"),
    ] {
        let response = httpd.request("GET", "/status").header("X-Status", given).send();
        assert_eq!(response.head.status_line, sent);
        // No page of httpd's: the body is the application's.
        response.assert(sent[9..12].parse().expect("digits"), "");
    }
    // Without a reason httpd may put in its own.
    for bare in ["202", "202 "] {
        let response = httpd.request("GET", "/status").header("X-Status", bare).send();
        assert_eq!(response.status, 202, "{}", response.head.status_line);
    }
    httpd.finish(&[]);
}

#[test]
fn before_the_headers_are_sent_the_last_call_counts() {
    let httpd = Httpd::serving("start_response.py").start();
    let response = httpd.get("/replaced");
    response.assert(200, "second");
    assert_eq!((response.header("X-First"), response.header("X-Second")), (None, Some("2")));
    assert_eq!(response.header("Content-Type"), None);

    let response = httpd.get("/replaced_with_exc_info");
    response.assert(503, "sorry");
    assert_eq!((response.header("X-First"), response.header("X-Second")), (None, Some("2")));
    assert_eq!(response.head.status_line, "HTTP/1.1 503 Sorry");

    let response = httpd.get("/a_failing_call_changes_nothing");
    response.assert(200, "ValueError");
    assert_eq!((response.header("X-Kept"), response.header("X-Bad")), (Some("1"), None));
    httpd.finish(&[]);
}

#[test]
fn after_the_headers_are_sent_a_call_raises() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("start_response.py").gil_mode(mode).start();
        httpd.get("/again_after_the_headers").assert(200, "sent:RuntimeError");
        httpd.get("/exc_info_after_the_headers").assert(200, "sent:True exc_info_after_the_headers");
        let (mut connection, response) =
            httpd.request("GET", "/exc_info_unhandled_after_the_headers").keep_alive().send_on();
        response.assert_cut_short(200, "sent");
        connection.assert_closed_within(Duration::from_secs(1));
        httpd.finish(&["WSGI0174*KeyError", "KeyError: 'reported by start_response'"]);
    });
}

#[test]
fn it_may_be_called_as_late_as_before_the_first_bytes() {
    let httpd = Httpd::serving("start_response.py").start();
    let response = httpd.get("/lazily");
    response.assert(200, "lazy");
    assert_eq!(response.header("X-Lazy"), Some("1"));
    httpd.finish(&[]);
}

#[test]
fn never_calling_it_is_an_error() {
    let httpd = Httpd::serving("start_response.py").start();
    httpd.get("/never").assert_error_page(500);
    httpd.get("/never_and_nothing").assert_error_page(500);
    httpd.finish(&["WSGI0174*RuntimeError", "RuntimeError: "]);
}

#[test]
fn after_the_request_it_raises() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("start_response.py").gil_mode(mode).start();
        httpd.get("/keep").assert(200, "kept");
        httpd.get("/use_what_was_kept").assert(200, "RuntimeError RuntimeError");
        httpd.finish(&[]);
    });
}

#[test]
fn content_length_must_be_a_number() {
    let httpd = Httpd::serving("start_response.py").start();
    let answer = |value: &str| {
        let pair = format!("Content-Length|{value}");
        httpd.request("GET", "/header").header("X-Pair", &pair).send()
    };
    answer("17").assert(200, "the application's");
    for bad in ["x", "-1", "4x", "1e3", "0x4", "99999999999999999999"] {
        answer(bad).assert_error_page(500);
    }
    httpd.finish(&["WSGI0174*ValueError", "ValueError: "]);
}

#[test]
fn a_header_that_is_no_http_never_reaches_the_client() {
    let httpd = Httpd::serving("start_response.py").start();
    for bad in ["X:A|b", "X(A)|b", "X-A|b%01c"] {
        let response = httpd.request("GET", "/header").header("X-Pair", bad).send();
        assert_eq!(response.status, 500, "{bad}: {response:?}");
        assert!(!response.text().contains("the application's"), "{bad}: {response:?}");
        assert!(response.values("X").is_empty() && response.values("X-A").is_empty(), "{bad}: {response:?}");
    }
    httpd.finish(&["AH02429:", "AH02430:"]);
}

#[test]
fn framing_is_left_to_httpd() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("start_response.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        let pairs = [
            ("Transfer-Encoding", "chunked"),
            ("transfer-encoding", "identity"),
            ("TRANSFER-ENCODING", "gzip, chunked"),
            ("Transfer-Encoding:chunked", "x"),
            ("Connection", "close"),
            ("Connection", "keep-alive, X-Mine"),
            ("keep-alive", "timeout=1000"),
            ("Upgrade", "h2c"),
            ("Trailer", "X-Late"),
            ("Trailers", "X-Late"),
            ("TE", "trailers"),
            ("Proxy-Connection", "close"),
            ("Proxy-Authenticate", "Basic realm=a"),
            ("Proxy-Authorization", "Basic YTpi"),
        ];
        for (name, value) in pairs {
            println!("{name}: {value}");
            let pair = format!("{name}|{value}");
            let own = |response: &Response| {
                let value_of = |(_, given): &&(String, String)| given == value && value != "chunked";
                response.head.headers.iter().find(value_of).is_none()
            };
            let request = format!("GET /header HTTP/1.1\r\nHost: a\r\nX-Pair: {pair}\r\n\r\n");
            let response = connection.send(&request).response();
            response.assert(200, "the application's");
            assert!(response.framing == Framing::Chunked && own(&response), "{response:?}");
            // A length does not make two framings of it.
            let request = request.replace("\r\n\r\n", "\r\nX-Length: 17\r\n\r\n");
            let response = connection.send(&request).response();
            response.assert(200, "the application's");
            assert!(response.framing == Framing::Length(17) && own(&response), "{response:?}");
            let mut old = httpd.connect();
            let request = request.replace("HTTP/1.1", "HTTP/1.0").replace("X-Pair", "Connection: keep-alive\r\nX-Pair");
            for _ in 0..2 {
                let response = old.send(&request).response();
                response.assert(200, "the application's");
                assert!(response.framing == Framing::Length(17) && own(&response), "{response:?}");
            }
        }
        assert_eq!(httpd.error_log().count("WSGI1090*hop-by-hop"), 4 * pairs.len());
        httpd.get("/own_framing").assert(200, "abc");
        let log = httpd.error_log();
        assert_eq!(log.count("WSGI1090*: Transfer-Encoding, Connection, Upgrade ["), 1, "{log:#?}");
        httpd.finish(&["WSGI1090"]);
    });
}

#[test]
fn a_head_without_bounds_is_an_error() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("start_response.py").gil_mode(mode).start();
        httpd.get("/many_headers?1000,1").assert(200, "many");
        httpd.get("/many_headers?100,2600").assert(200, "many");
        for beyond in ["1001,1", "800000,10", "100,2700", "1,300000"] {
            httpd.get(&format!("/many_headers?{beyond}")).assert_error_page(500);
        }
        let log = httpd.error_log();
        assert_eq!((log.count("at most 1000 headers"), log.count("at most 262144 bytes")), (2, 2), "{log:#?}");
        httpd.finish(&["WSGI0174", "ValueError: "]);
    });
}

#[test]
fn a_status_header_is_only_a_header() {
    let httpd = Httpd::serving("start_response.py").start();
    let response = httpd.request("GET", "/header").header("X-Pair", "Status|404 Not Found").send();
    response.assert(200, "the application's");
    httpd.finish(&[]);
}

#[test]
fn the_last_content_type_counts_and_an_empty_one_is_none() {
    let httpd = Httpd::serving("start_response.py").start();
    for (path, expected) in [("/two_types", Some("Text/Last; Charset=X")), ("/empty_type", None)] {
        let response = httpd.get(path);
        response.assert(200, "typed");
        assert_eq!(response.header("Content-Type"), expected, "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn the_content_type_chooses_the_output_filters() {
    let conf = "WSGIScriptAlias / {app}\nAddOutputFilterByType DEFLATE text/plain";
    let httpd = Httpd::with(conf, "start_response.py").modules(&["filter", "deflate"]).start();
    for (media_type, encoding) in [("text/plain", Some("gzip")), ("text/html", None)] {
        let response =
            httpd.request("GET", "/long_text").header("X-Type", media_type).header("Accept-Encoding", "gzip").send();
        assert_eq!((response.status, response.header("Content-Encoding")), (200, encoding), "{response:?}");
        assert!(response.complete, "{response:?}");
        // Of 10,000 bytes, though the application announced their number.
        assert_eq!(response.body.len() < 1000, encoding.is_some(), "{}", response.body.len());
    }
    httpd.finish(&[]);
}
