//! A response on its way out, among the filters of httpd's other modules.

use crate::support::{Builder, Httpd, IN_DAEMONS, LOG_OF_DEATH};

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
