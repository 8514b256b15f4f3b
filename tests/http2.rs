//! Over HTTP/2, where httpd serves a request on a thread of mod_http2's own.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

mod support;

use std::process::Command;
use support::{Builder, Httpd, in_both_modes};

const HTTP2: &str = "--http2-prior-knowledge";

fn serving(conf: &str) -> Builder {
    let conf = format!("Protocols h2c http/1.1\nWSGIScriptAlias / {{app}}\n{conf}");
    Httpd::with(&conf, "http2.py").modules(&["http2"])
}

#[test]
fn requests_and_responses_of_any_size_pass() {
    in_both_modes(|mode| {
        for group in ["%{GLOBAL}", "%{RESOURCE}"] {
            let httpd = serving(&format!("WSGIApplicationGroup {group}")).gil_mode(mode).start();
            let output = httpd.curl(&[HTTP2, "{url}/protocol"]);
            assert_eq!(String::from_utf8_lossy(&output.stdout), "HTTP/2.0 http", "{output:?}");
            let body = "0123456789".repeat(10_000);
            let output = httpd.curl(&[HTTP2, "--data-binary", &body, "{url}/echo"]);
            assert!(output.status.success() && output.stdout == body.as_bytes(), "{group}: the body is another");
            let output = httpd.curl(&[HTTP2, "{url}/large"]);
            assert!(output.status.success() && output.stdout == "x".repeat(64 * 65536).as_bytes(), "{group}");
            httpd.finish(&[]);
        }
    });
}

#[test]
fn many_streams_of_one_connection_are_served() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        let url = format!("http://127.0.0.1:{}/protocol", httpd.port);
        let output =
            Command::new("h2load").args(["-n", "200", "-c", "2", "-m", "20", &url]).output().expect("h2load runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("200 succeeded") && text.contains("200 2xx"), "{output:?}");
        httpd.finish(&[]);
    });
}

#[test]
fn a_failure_is_seen_by_the_client() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        let output = httpd.curl(&[HTTP2, "--write-out", "%{http_code}", "--output", "/dev/null", "{url}/fails"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "500", "{output:?}");
        // curl reports a stream that was reset.
        let output = httpd.curl(&[HTTP2, "{url}/half_way"]);
        assert!(!output.status.success(), "the response looks complete: {output:?}");
        let output = httpd.curl(&[HTTP2, "{url}/protocol"]);
        assert!(output.status.success(), "{output:?}");
        httpd.finish(&["WSGI0174", "ValueError: at once", "ValueError: half-way"]);
    });
}
