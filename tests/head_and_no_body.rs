//! HEAD requests, and statuses that have no body.

use crate::support::{Httpd, in_both_modes};

#[test]
fn head_gets_the_headers_of_get() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("head_and_no_body.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        for (path, length) in
            [("/body", None), ("/length", Some("10")), ("/length_alone", Some("10")), ("/written", None)]
        {
            let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let response = connection.send(request).response_to("HEAD");
            assert_eq!(response.status, 200, "{path}");
            assert_eq!(response.header("Content-Type"), Some("text/plain"), "{path}");
            assert_eq!(response.header("Content-Length"), length, "{path}");
        }
        // Had a body been sent, this would not be read as a response.
        connection.get("/what_was_seen").assert(200, "HEAD,HEAD,HEAD,HEAD");
        httpd.finish(&[]);
    });
}

#[test]
fn head_of_a_failure_is_a_failure() {
    let httpd = Httpd::serving("head_and_no_body.py").start();
    let response = httpd.request("HEAD", "/raises").send();
    assert_eq!(response.status, 500);
    httpd.finish(&["WSGI0174", "ValueError: no answer"]);
}

#[test]
fn head_looks_like_get_when_a_filter_needs_the_body() {
    let conf = "WSGIScriptAlias / {app}\n\
                <Location /auto>\nWSGIMapHEADToGET Auto\n</Location>\n\
                <Location /on>\nWSGIMapHEADToGET On\n</Location>\n\
                <Location /off>\nWSGIMapHEADToGET Off\n</Location>\n\
                <LocationMatch filtered>\nSetOutputFilter DEFLATE\n</LocationMatch>\n\
                <LocationMatch headered>\nHeader set X-Set 1\n</LocationMatch>";
    let httpd = Httpd::with(conf, "method.py").modules(&["filter", "deflate", "headers"]).start();
    for (path, method) in [
        ("/default", "HEAD"),
        ("/auto", "HEAD"),
        ("/on", "GET"),
        ("/off", "HEAD"),
        ("/default/filtered", "GET"),
        ("/auto/filtered", "GET"),
        ("/auto/headered", "GET"),
        ("/on/filtered", "GET"),
        ("/off/filtered", "HEAD"),
    ] {
        let response = httpd.request("HEAD", path).send();
        assert_eq!((response.status, response.header("X-Method")), (200, Some(method)), "{path}");
        // Nothing else changes its name.
        for other in ["GET", "POST", "OPTIONS"] {
            assert_eq!(httpd.request(other, path).send().header("X-Method"), Some(other), "{path}");
        }
    }
    httpd.finish(&[]);
}

#[test]
fn statuses_without_a_body_drop_it() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("head_and_no_body.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        for status in ["204 No Content", "304 Not Modified"] {
            for (length, body) in [("", ""), ("", "body"), ("X-Length: 4\r\n", "body"), ("X-Length: 4\r\n", "")] {
                let request =
                    format!("GET /status HTTP/1.1\r\nHost: a\r\nX-Status: {status}\r\nX-Body: {body}\r\n{length}\r\n");
                let response = connection.send(request).response();
                assert_eq!(response.head.status_line, format!("HTTP/1.1 {status}"));
                assert_eq!((response.header("X-App"), response.header("ETag")), (Some("1"), Some("\"tag\"")));
                assert_eq!(response.header("Transfer-Encoding"), None);
                assert_eq!(response.header("Content-Type"), None, "{response:?}");
            }
        }
        connection.get("/body").assert(200, "0123456789");
        httpd.finish(&[]);
    });
}
