//! A response on its way out, among the filters of httpd's other modules.

use crate::support::{Builder, Framing, Httpd, IN_DAEMONS, LOG_OF_DEATH};

fn serving(conf: &str) -> Builder {
    Httpd::with(&format!("WSGIScriptAlias /app {{app}}\n{conf}"), "responses.py")
}

#[test]
fn a_response_that_was_cut_is_not_kept_by_a_cache() {
    let disk = ("cache_disk", "CacheRoot {root}/cache\nCacheEnable disk /");
    let memory = ("cache_socache", "CacheSocache shmcb\nCacheEnable socache /");
    for (storage, conf) in [disk, memory] {
        for quick in ["On", "Off"] {
            println!("{storage}, CacheQuickHandler {quick}");
            let httpd = serving(&format!("{conf}\nCacheQuickHandler {quick}"));
            let httpd = httpd.modules(&["cache", storage, "socache_shmcb"]).writable("cache").start();
            check_what_is_kept(&httpd);
            let expected = ["WSGI0174", "ValueError: ", "TypeError: ", "WSGI0175", "SystemExit: half-way", "WSGI1003"];
            httpd.finish(&[&expected[..], LOG_OF_DEATH].concat());
        }
    }
}

fn check_what_is_kept(httpd: &Httpd) {
    for _ in 0..3 {
        httpd.get("/app/whole").assert(200, "call 1");
    }
    let paths = ["raises", "exits", "yields_str", "writes", "short", "dies"];
    for path in &paths[..if IN_DAEMONS { 6 } else { 5 }] {
        for _ in 0..2 {
            httpd.get(&format!("/app/{path}")).assert_cut_short(200, "so far");
        }
    }
    for call in ["call 1", "call 2"] {
        assert!(!httpd.get("/app/short_file").complete);
        // It has the length that it announced.
        httpd.get("/app/raises_at_the_end").assert(200, call);
    }
}

#[test]
fn a_page_with_a_part_that_failed_is_not_kept_by_a_cache() {
    let conf = "CacheRoot {root}/cache\nCacheEnable disk /\n\
                <Directory {root}/htdocs>\nOptions +Includes\nSetOutputFilter INCLUDES\n\
                Header set Cache-Control max-age=3600\n</Directory>";
    let page = "[<!--#include virtual=\"/app/recovers\"-->]";
    let httpd = serving(conf).modules(&["cache", "cache_disk", "include", "headers"]).file("htdocs/page", page);
    let httpd = httpd.writable("cache").start();
    httpd.get("/page").assert(200, "[[an error occurred while processing this directive]]");
    assert!(!httpd.get("/page").complete);
    for _ in 0..2 {
        httpd.get("/page").assert(200, "[call 3]");
    }
    httpd.finish(&["WSGI0174", "ValueError: ", "unable to include"]);
}

/// 10,000 bytes that mod_xsendfile is to send.
fn data() -> String {
    (0..1000).map(|number| format!("line {number:04}\n")).collect()
}

#[test]
fn a_file_that_mod_xsendfile_sends_is_a_whole_response() {
    let httpd = serving("MaxKeepAliveRequests 0\nXSendFile On\nXSendFilePath {root}")
        .modules(&["xsendfile"])
        .file("data", &data())
        .start();
    let mut connection = httpd.connect();
    for round in 0..13 {
        for path in ["", "length", "length,body", "length,blocks"] {
            let response = connection.get(&format!("/app/sends_file?{path}"));
            response.assert(200, &data());
            assert_eq!((response.framing, response.header("X-Sendfile")), (Framing::Length(10_000), None), "{round}");
            let request = format!("GET /app/sends_file?{path} HTTP/1.1\r\nHost: a\r\nRange: bytes=10-19\r\n\r\n");
            let part = connection.send(&request).response();
            part.assert(206, "line 0001\n");
            assert_eq!(part.header("Content-Range"), Some("bytes 10-19/10000"));
            let etag = response.header("ETag").expect("mod_xsendfile makes one").to_owned();
            let request = request.replace("Range: bytes=10-19", &format!("If-None-Match: {etag}"));
            connection.send(&request).response().assert(304, "");
        }
    }
    let head = connection.send("HEAD /app/sends_file?length HTTP/1.1\r\nHost: a\r\n\r\n").response_to("HEAD");
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("10000")));
    for path in ["missing", "missing,length", "missing,length,body"] {
        httpd.get(&format!("/app/sends_file?{path}")).assert_error_page(404);
    }
    httpd.finish(&["xsendfile: cannot open file"]);
}

#[test]
fn x_sendfile_without_that_module_is_a_header() {
    let httpd = serving("").file("data", &data()).start();
    let (_, response) = httpd.request("GET", "/app/sends_file?length").keep_alive().send_on();
    response.assert_cut_short(200, "");
    httpd.get("/app/sends_file").assert(200, "");
    httpd.finish(&["WSGI1003*0 of the 10000 bytes"]);
}

#[test]
fn a_part_of_a_resource_is_sent_where_the_application_says_so() {
    // Filters that hold all of a response back would make httpd cut it.
    for conf in ["", "SetOutputFilter BUFFER", "SetOutputFilter SUBSTITUTE\nSubstitute s/x/y/"] {
        let httpd = serving(conf).modules(&["buffer", "substitute"]).file("data", &data()).start();
        let mut connection = httpd.connect();
        let mut ask = |path: &str, headers: &str| {
            connection.send(format!("GET /app/{path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).response()
        };
        for range in ["bytes=0-3", "bytes=-1", "bytes=0-1,5-6", "bytes=100-", "bytes=0-3\r\nIf-Range: \"a\""] {
            for path in ["counted?list", "counted?blocks"] {
                let response = ask(path, &format!("Range: {range}\r\n"));
                response.assert(200, "0123456789abcdefghij");
                assert_eq!(response.header("Content-Range"), None, "{conf} {range}");
            }
        }
        let response = ask("own_part", "Range: bytes=0-3\r\n");
        response.assert(206, "0123");
        assert_eq!(response.header("Content-Range"), Some("bytes 0-3/20"));
        // A file that httpd sends itself is httpd's to cut, unless the application has another mind.
        if conf.is_empty() {
            ask("file", "Range: bytes=10-19\r\n").assert(206, "line 0001\n");
        }
        ask("file?refuses", "Range: bytes=10-19\r\n").assert(200, &data());
        httpd.finish(&[]);
    }
}

#[test]
fn a_filter_that_fails_is_told_and_seen() {
    let conf = "SetOutputFilter SUBSTITUTE\nSubstitute s/never/ever/";
    let httpd = serving(conf).modules(&["substitute"]).start();
    httpd.get("/app/long_line").assert_error_page(500);
    // It depends on the filter whether something has been sent by then.
    for way in ["writes", "late"] {
        let response = httpd.get(&format!("/app/long_line?{way}"));
        if response.status == 200 {
            assert!(!response.complete, "{response:?}");
        } else {
            response.assert_error_page(500);
        }
    }
    httpd.get("/app/text").assert(200, "given");
    assert_eq!(httpd.error_log().count("WSGI1091"), 3);
    httpd.finish(&["AH01328: Line too long", "WSGI1091"]);
}

#[test]
fn a_filter_may_make_the_body() {
    // Both read what comes, and say something of their own.
    let conf = "ExtFilterDefine instead mode=output cmd=\"/bin/sh -c 'cat >/dev/null; echo made'\"\n\
                ExtFilterDefine louder mode=output cmd=\"/usr/bin/tr a-z A-Z\"\n\
                <Location /app>\nSetOutputFilter instead\n</Location>\n\
                WSGIScriptAlias /loud {app}\n<Location /loud>\nSetOutputFilter louder\n</Location>";
    let httpd = serving(conf).modules(&["ext_filter"]).start();
    let mut connection = httpd.connect();
    for _ in 0..3 {
        connection.get("/app/text").assert(200, "made\n");
        connection.get("/app/text?nothing").assert(200, "made\n");
        connection.get("/loud/text").assert(200, "GIVEN");
    }
    // What is missing is missing.
    httpd.get("/loud/text?nothing").assert_cut_short(200, "");
    httpd.finish(&["WSGI1003*0 of the 5 bytes"]);
}

#[test]
fn a_list_is_one_thing_and_what_is_made_is_many() {
    let httpd =
        serving("<If \"%{HTTP:X-Filter} == 'on'\">\nSetOutputFilter DEFLATE\n</If>").modules(&["deflate"]).start();
    let whole = "x".repeat(1_000_000);
    for (way, most) in [("list", 16), ("tuple", 16), ("one", 16)] {
        let response = httpd.get(&format!("/app/many?{way}"));
        response.assert(200, &whole);
        assert!(response.chunks.len() <= most, "{way}: {}", response.chunks.len());
        let request = httpd.request("GET", &format!("/app/many?{way}"));
        let response = request.header("X-Filter", "on").header("Accept-Encoding", "gzip").send();
        assert!(response.complete && response.body.len() < 1500, "{way}: {}", response.body.len());
    }
    assert_eq!(httpd.get("/app/many?made").chunks, [50; 100]);
    let parts = [("a", 10), ("b", 70_000), ("c", 65_530), ("d", 10), ("e", 200_000), ("f", 1)];
    let mixed: String = parts.iter().map(|(letter, number)| letter.repeat(*number)).collect();
    httpd.get("/app/mixed").assert(200, &mixed);
    for length in [0, 5, 70_010, 100_000, mixed.len()] {
        let response = httpd.get(&format!("/app/mixed?{length}"));
        response.assert(200, &mixed[..length]);
        assert_eq!(response.framing, Framing::Length(length));
    }
    httpd.get(&format!("/app/mixed?{}", mixed.len() + 1)).assert_cut_short(200, &mixed);
    httpd.finish(&["WSGI1003"]);
}

/// What `filtered` puts before a path, the filter that works there, and its module.
const FILTERS: [(&str, &str, &str); 5] = [
    ("deflated", "DEFLATE", "deflate"),
    ("brotli", "BROTLI_COMPRESS", "brotli"),
    ("substituted", "SUBSTITUTE", "substitute"),
    ("buffered", "BUFFER", "buffer"),
    ("included", "INCLUDES", "include"),
];

#[test]
fn a_failure_among_filters_is_a_page_or_a_cut() {
    let mut conf = "Header always set X-Always 1\nHeader onsuccess set X-Success 1\n".to_owned();
    for (place, filter, _) in FILTERS {
        conf += &format!("WSGIScriptAlias /{place} {{app}}\n<Location /{place}>\nOptions +Includes\n");
        conf += &format!("SetOutputFilter {filter}\n</Location>\n");
    }
    let modules: Vec<&str> = FILTERS.iter().map(|(_, _, module)| *module).chain(["headers", "filter"]).collect();
    let httpd = serving(&conf).modules(&modules).start();
    for (place, _, _) in FILTERS {
        println!("{place}");
        let ask = |path: &str| {
            let request = httpd.request("GET", &format!("/{place}/{path}"));
            let response = request.header("Accept-Encoding", "gzip, br").send();
            assert_eq!(response.header("X-Always"), Some("1"), "{place}: {response:?}");
            response
        };
        let response = ask("plain");
        assert_eq!((response.status, response.complete, response.header("X-Success")), (200, true, Some("1")));
        let response = ask("fails");
        response.assert_error_page(500);
        assert_eq!((response.header("X-Success"), response.header("Content-Encoding")), (None, None));
        let response = ask("raises");
        assert!(response.status == 200 && !response.complete, "{place}: {response:?}");
    }
    httpd.finish(&["WSGI0174", "ValueError: "]);
}
