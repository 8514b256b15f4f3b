//! Requests through a process group, where they have no like in embedded mode: what may take the place of a response, the
//! limits of the connection between httpd and daemon, and the processes that an application makes.
//!
//! What is the same in both modes is in tests/daemon_same_requests.rs.

use crate::support::faults::wait_until_started;
use crate::support::{Builder, GilMode, Httpd, Process, in_both_modes, wait_for};
use std::time::Duration;

/// A group with these options that serves everything.
fn group(options: &str, conf: &str) -> Builder {
    let lines = format!(
        "WSGIDaemonProcess group {options}\n\
         WSGIScriptAlias / {{app}} process-group=group application-group=%{{GLOBAL}}\n{conf}"
    );
    Httpd::with(&lines, "daemon_requests.py")
}

/// The same application, in httpd's own processes.
fn embedded(conf: &str) -> Httpd {
    Httpd::with(&format!("WSGIScriptAlias / {{app}}\n{conf}"), "daemon_requests.py").start()
}

#[test]
fn a_page_of_httpd_takes_the_place_of_an_error_where_that_is_wanted() {
    in_both_modes(|mode| {
        let conf = "<Location /status>\nWSGIErrorOverride On\n</Location>\n<Location /status_then_error>\n\
                    WSGIErrorOverride On\n</Location>\n<Location /status/410>\nWSGIErrorOverride Off\n</Location>\n\
                    ErrorDocument 503 \"the site's words\"";
        let httpd = group("", conf).gil_mode(mode).start();
        let mut connection = httpd.connect();
        for code in [400, 401, 404, 500] {
            let response = connection.get(&format!("/status/{code}"));
            response.assert_error_page(code);
            assert_eq!(response.header("X-App"), None);
            assert_eq!(response.values("WWW-Authenticate"), ["Basic realm=a", "Bearer"], "{code}");
        }
        connection.get("/status/503").assert(503, "the site's words");
        for code in [200, 302, 399] {
            let response = connection.get(&format!("/status/{code}"));
            response.assert(code, "own words");
            assert_eq!(response.header("X-App"), Some("1"));
        }
        let response = connection.get("/status/410");
        response.assert(410, "own words");
        assert!(response.head.status_line.ends_with("410 Own Reason"), "{response:?}");
        // The client has seen nothing of it.
        connection.get("/status_then_error/404").assert_error_page(500);
        httpd.finish(&["WSGI0174", "ValueError: half-way"]);
    });
}

#[test]
fn embedded_errors_are_the_application_s() {
    let httpd = embedded("WSGIErrorOverride On");
    httpd.get("/status/404").assert(404, "own words");
    httpd.finish(&[]);
}

#[test]
fn a_path_as_location_of_a_200_leads_to_another_resource() {
    in_both_modes(|mode| {
        // One thread serves both the response and what takes its place.
        let conf = "Alias /file {root}/htdocs/file.txt\nWSGIChunkedRequest On\n\
                    <Directory {root}/htdocs>\nRequire all granted\n</Directory>";
        let httpd =
            group("threads=1", conf).gil_mode(mode).modules(&["alias"]).file("htdocs/file.txt", "a file").start();
        let mut connection = httpd.connect();
        let response = connection.get("/redirect?/describe?a=1");
        response.assert(200, "GET a=1 None None /redirect []");
        assert_eq!(response.header("X-App"), None);
        connection.get("/redirect?/file").assert(200, "a file");
        connection.get("/redirect?/missing-file/../file").assert(200, "a file");
        let heads =
            [("Content-Length: 9\r\n", "some body"), ("Transfer-Encoding: chunked\r\n", "9\r\nsome body\r\n0\r\n\r\n")];
        for (head, body) in heads {
            // Nothing of the body is taken for a request.
            connection.send(format!("POST /redirect?/describe HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{body}"));
            connection.response().assert(200, "GET  None None /redirect []");
        }
        let elsewhere = connection.get("/redirect?http://localhost/x");
        assert_eq!(elsewhere.header("Location"), Some("http://localhost/x"));
        elsewhere.assert(200, &format!("never seen{}", "x".repeat(100_000)));
        connection.get("/redirect?/redirect?/redirect").assert(200, &format!("never seen{}", "x".repeat(100_000)));
        httpd.finish(&[]);
    });
}

#[test]
fn a_location_that_leads_to_itself_ends() {
    let conf = "LimitInternalRecursion 5\nRewriteEngine On\nRewriteRule ^/circle /redirect?/circle [PT]";
    let httpd = group("threads=1", conf).modules(&["rewrite"]).start();
    httpd.get("/circle").assert_error_page(500);
    httpd.get("/describe").assert(200, "GET  None None None []");
    httpd.finish(&["AH00124"]);
}

#[test]
fn embedded_locations_are_headers() {
    let httpd = embedded("");
    let response = httpd.get("/redirect?/describe");
    assert_eq!((response.status, response.header("Location")), (200, Some("/describe")));
    httpd.finish(&[]);
}

#[test]
fn a_line_of_a_head_has_a_longest_length() {
    for (options, longest) in [("", 32766), ("header-buffer-size=8192", 8190)] {
        let httpd = group(options, "").start();
        // With "X-H: " the line is as long as it may be.
        httpd.get(&format!("/header/{}", longest - 5)).assert(200, "fits");
        httpd.get(&format!("/header/{}", longest - 4)).assert_error_page(500);
        httpd.get(&format!("/long_status/{}", longest - 4)).assert(200, "fits");
        httpd.get(&format!("/long_status/{}", longest - 3)).assert_error_page(500);
        httpd.get("/header/1").assert(200, "fits");
        httpd.finish(&["WSGI0144*'X-H'", "WSGI0144*status line"]);
    }
}

#[test]
fn a_block_reaches_the_client_before_the_next_one() {
    for options in ["", "response-flush-delay=0", "response-flush-delay=50"] {
        for size in [1, 100_000] {
            let httpd = group(options, "").start();
            let mut connection = httpd.connect();
            connection.send_get(&format!("/block_and_wait/{size}"));
            assert_eq!(connection.head().status, 200);
            let mut received = 0;
            while received < size {
                received += connection.chunk().expect("the first block").len();
            }
            httpd.get("/release").assert(200, "released");
            assert_eq!(connection.chunk().as_deref(), Some(&b"after"[..]));
            assert_eq!(connection.chunk(), None);
            httpd.finish(&[]);
        }
    }
}

#[test]
fn what_httpd_holds_back_is_flushed_at_the_size_of_the_buffer() {
    // A filter keeps all that it is given, and the delay is longer than any test.
    let options = "response-flush-delay=60000 response-buffer-size=65536";
    let httpd = group(options, "SetOutputFilter DEFLATE").modules(&["filter", "deflate"]).start();
    let mut connection = httpd.connect();
    connection.send("GET /block_and_wait/70000 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    assert!(connection.chunk().is_some());
    httpd.get("/release").assert(200, "released");
    httpd.finish(&[]);
}

#[test]
fn a_daemon_that_says_nothing_in_time_is_given_up() {
    in_both_modes(|mode| {
        let httpd = group("socket-timeout=1", "").gil_mode(mode).start();
        wait_until_started(&httpd, 1);
        let mut connection = httpd.connect();
        connection.get("/wait_and_answer").assert_error_page(504);
        // Half-way the client can tell.
        let (mut cut, response) = httpd.request("GET", "/block_and_wait/6").keep_alive().send_on();
        response.assert_cut_short(200, "\0\0\0\0\0\0");
        cut.assert_closed_within(Duration::from_secs(5));
        httpd.get("/release").assert(200, "released");
        httpd.get("/wait_and_answer").assert(200, "late");
        assert_eq!(httpd.error_log().count("WSGI0145"), 2);
        httpd.finish(&["WSGI0145*was silent for"]);
    });
}

#[test]
fn a_client_that_reads_nothing_has_a_time_limit_of_its_own() {
    for options in ["response-socket-timeout=1", "socket-timeout=1"] {
        let httpd = group(options, "Timeout 60").start();
        wait_until_started(&httpd, 1);
        let mut connection = httpd.connect();
        connection.send_get("/endless");
        wait_for("the end of the iteration", || (httpd.get("/was_released").text() == "True").then_some(()));
        httpd.finish(&[]);
    }
}

#[test]
fn a_body_that_does_not_come_is_the_client_s_fault() {
    in_both_modes(|mode| {
        let httpd = group("", "Timeout 1").gil_mode(mode).start();
        wait_until_started(&httpd, 1);
        let mut connection = httpd.connect();
        connection.send("POST /read_all HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npart");
        connection.response().assert_error_page(408);
        connection.assert_closed_within(Duration::from_secs(5));
        httpd.finish(&["WSGI0174*OSError", "OSError: "]);
    });
}

#[test]
fn body_and_response_flow_at_the_same_time() {
    in_both_modes(|mode| {
        let httpd = group("", "WSGIChunkedRequest On").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send("POST /echo_lines HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for number in 0..5 {
            connection.send(format!("2\r\n{number}\n\r\n"));
            if number == 0 {
                assert_eq!(connection.head().status, 200);
            }
            assert_eq!(connection.chunk().as_deref(), Some(format!("got {number}\n").as_bytes()));
        }
        connection.send("0\r\nX-Trailer: 1\r\n\r\n");
        assert_eq!(connection.chunk(), None);
        connection.get("/describe").assert(200, "GET  None None None []");
        httpd.finish(&[]);
    });
}

#[test]
fn an_environ_may_be_large() {
    let conf = "WSGIDaemonProcess group\nWSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\n\
                LimitRequestFieldSize 262144\nLimitRequestFields 1000";
    let httpd = Httpd::with(conf, "evaluate.py").start();
    let cookie = "c=".to_owned() + &"x".repeat(200_000);
    let mut request = httpd.request("GET", "/").header("Cookie", &cookie);
    request = request.header("X-Python", "(len(environ['HTTP_COOKIE']), len([k for k in environ if 'HTTP_X_N' in k]))");
    for number in 0..900 {
        request = request.header(&format!("X-N-{number}"), "value");
    }
    request.send().assert(200, "(200002, 900)");
    assert_eq!(httpd.python("len(environ) < 60"), "True");
    httpd.finish(&[]);
}

#[test]
fn an_environ_may_not_be_larger_than_that() {
    let conf = "LimitRequestFieldSize 20000000";
    let httpd = group("", conf).start();
    let cookie = "c=".to_owned() + &"x".repeat(17_000_000);
    httpd.request("GET", "/describe").header("Cookie", &cookie).send().assert_error_page(502);
    httpd.get("/describe").assert(200, "GET  None None None []");
    httpd.finish(&["WSGI0080"]);
}

#[test]
fn a_line_for_the_log_may_have_any_length() {
    in_both_modes(|mode| {
        let httpd = group("", "").gil_mode(mode).start();
        httpd.get("/long_line").assert(200, "written");
        httpd.finish(&["xxxxx"]);
    });
}

#[test]
fn options_of_connections_suit_http_2() {
    let options = "socket-timeout=5 response-socket-timeout=5 response-flush-delay=0";
    let httpd = group(options, "Protocols h2c http/1.1\nWSGIErrorOverride On").modules(&["http2"]).start();
    let ask = |path: &str| {
        let output = httpd.curl(&["--http2-prior-knowledge", &format!("{{url}}{path}")]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for _ in 0..3 {
        assert_eq!(ask("/redirect?/describe"), "GET  None None /redirect []");
        assert_eq!(ask("/header/10"), "fits");
        assert!(ask("/status/404").contains("<title>404 Not Found</title>"));
    }
    httpd.finish(&[]);
}

#[test]
fn a_response_may_include_another_of_the_same_group() {
    let conf = "AddOutputFilterByType INCLUDES text/html\n<Location />\nOptions +Includes\n</Location>";
    let httpd = group("threads=2", conf).modules(&["filter", "include"]).start();
    let pid = httpd.get("/pid").text().to_owned();
    httpd.get("/includes").assert(200, &format!("before {pid} after"));
    httpd.finish(&[]);
}

#[test]
fn the_buffers_of_connections_have_the_size_that_is_asked_for() {
    let httpd = group("send-buffer-size=20000 receive-buffer-size=30000", "").start();
    // Linux doubles it.
    httpd.get("/send_buffers").assert(200, "40000");
    let body = "x".repeat(3_000_000);
    httpd.post("/read_all", &body).assert(200, &body);
    httpd.finish(&[]);
}

#[test]
fn requests_that_do_not_count_keep_no_process_alive() {
    let conf = "<Location /pid/probe>\nWSGIIgnoreActivity On\n</Location>";
    let httpd = group("inactivity-timeout=1", conf).start();
    let first = httpd.get("/pid").text().to_owned();
    let second = wait_for("another process", || {
        let response = httpd.get("/pid/probe");
        (response.status == 200 && response.text() != first).then(|| response.text().to_owned())
    });
    assert_ne!(first, second);
    httpd.finish(&[]);
}

#[test]
fn processes_say_what_they_are() {
    for (options, flags) in [
        ("", "True False False"),
        ("threads=1", "False False False"),
        ("processes=1", "True True False"),
        ("processes=2 threads=1", "False True False"),
        ("threads=1 maximum-requests=1", "False False True"),
    ] {
        let httpd = group(options, "").start();
        httpd.get("/flags").assert(200, flags);
        httpd.finish(&[]);
    }
}

#[test]
fn virtual_hosts_add_no_processes() {
    let hosts = ["one", "two"].map(|name| format!("<VirtualHost *:{{port}}>\nServerName {name}\n</VirtualHost>\n"));
    let script = "print('loaded')\n";
    let import = "WSGIImportScript {root}/said.py process-group=group application-group=%{GLOBAL}\n";
    let httpd = group("processes=2", &format!("{import}{}", hosts.concat())).file("said.py", script).start();
    let daemons = || httpd.children().iter().flat_map(|child| child.children()).count();
    wait_for("both processes", || (daemons() >= 2 && httpd.error_log().count("loaded") >= 2).then_some(()));
    let mut connection = httpd.connect();
    let mut pids = std::collections::BTreeSet::new();
    for _ in 0..10 {
        for host in ["one", "two"] {
            let response = connection.send(format!("GET /pid HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
            assert_eq!(response.status, 200, "{response:?}");
            pids.insert(response.text().to_owned());
        }
    }
    assert!(pids.len() <= 2, "{pids:?}");
    assert_eq!(daemons(), 2);
    assert_eq!(httpd.error_log().count("loaded"), 2);
    httpd.finish(&["loaded"]);
}

#[test]
fn programs_inherit_no_odd_signals() {
    let httpd = embedded("");
    let ignored = httpd.get("/signals_of_a_program?SigIgn").text().to_owned();
    httpd.finish(&[]);
    in_both_modes(|mode| {
        let httpd = group("", "").gil_mode(mode).start();
        httpd.get("/signals_of_a_program?SigBlk").assert(200, "0000000000000000");
        httpd.get("/signals_of_a_program?SigIgn").assert(200, &ignored);
        httpd.get("/a_program_that_is_terminated").assert(200, "-15");
        httpd.finish(&[]);
    });
}

#[test]
fn an_application_may_fork() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", "").gil_mode(mode).start();
        let mut connection = httpd.connect();
        for _ in 0..3 {
            connection.get("/fork").assert(200, "7");
            connection.get("/processes").assert(200, "[0, 1, 4] [0, 0, 0]");
        }
        connection.get("/a_process_that_is_terminated").assert(200, "gone");
        httpd.finish(&["a word of the copy"]);
    });
}

#[test]
fn a_copy_that_returns_from_the_application_is_no_daemon() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", "").gil_mode(mode).start();
        let pid = httpd.get("/pid").text().to_owned();
        httpd.get("/fork_and_return").assert(200, "255");
        for _ in 0..10 {
            httpd.get("/pid").assert(200, &pid);
        }
        httpd.finish(&["WSGI1060"]);
    });
}

#[test]
fn a_copy_that_returns_from_a_script_is_no_daemon() {
    let script = "import os\ncopy = os.fork()\nif copy:\n    os.waitpid(copy, 0)\n";
    let conf = "WSGIImportScript {root}/forks.py process-group=group application-group=%{GLOBAL}";
    let httpd = group("", conf).file("forks.py", script).start();
    let pid = httpd.get("/pid").text().to_owned();
    httpd.get("/pid").assert(200, &pid);
    assert_eq!(httpd.error_log().count("WSGI1060"), 1);
    httpd.finish(&["WSGI1060"]);
}

#[test]
fn a_copy_keeps_no_connection_open() {
    // The daemon is gone, though a process that it has forked is not.
    let httpd = group("", "Timeout 60").gil_mode(GilMode::Free).start();
    let copy = httpd.get("/fork_and_leave_it").text().parse().expect("a pid");
    httpd.get("/kill_oneself").assert_error_page(502);
    httpd.get("/was_released").assert(200, "False");
    Process(copy).signal("KILL");
    httpd.finish(&["WSGI0146", "WSGI1023"]);
}

#[test]
fn threads_of_an_application_may_log_after_the_request() {
    in_both_modes(|mode| {
        let httpd = group("", "").gil_mode(mode).start();
        httpd.get("/log_afterwards").assert(200, "answered");
        httpd.get("/release").assert(200, "released");
        httpd.wait_for_log("the log of the request has ended");
        let log = httpd.error_log();
        let [entry] = log.matching("a word of a thread")[..] else { panic!("not one record: {log:#?}") };
        assert_eq!(entry.client, None, "the request is over");
        httpd.finish(&["a word of a thread", "the log of the request has ended"]);
    });
}
